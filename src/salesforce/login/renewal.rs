//! The token of a login, and when another one is asked for.
//!
//! Constraints: one login at a time, and it goes on when nobody waits for it any more; none outside of the budget.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use url::Url;

use super::budget::Budget;
use super::cache::Cache;
use super::config::{Config, Options};
use super::flow::Flow;
use super::trouble::{Kind, Trouble};
use super::{Failure, Grant, bearer};
use crate::http::{self, SetupError};
use crate::secret::Secret;

/// What a login came to, and how far the login host's clock is ahead of ours, in seconds.
type Came = (Result<Grant, Trouble>, i64);

/// The token in use and the way to the next.
pub(super) struct Renewal {
    description: String,
    configured: Vec<Url>,
    flow: Arc<Mutex<Flow>>,
    cache: Option<Cache>,
    budget: Budget,
    one_shot: bool,
    /// The login under way.
    running: Option<JoinHandle<Came>>,
    grant: Option<Grant>,
    /// The whole header value, `Bearer ...`.
    header: Option<Arc<Secret<String>>>,
    /// What became of the token in use.
    standing: Standing,
    /// Whether the server ever took a token of this login.
    accepted: bool,
    /// Why there is no token, or no good one.
    last: String,
    begun: u64,
    skew: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It comes from an earlier process; nobody knows whether it still holds.
    Cached,
    /// A login gave it, and the server has not seen it.
    Fresh,
    /// The server took it.
    Proven,
    /// The server did not take it, or there is none.
    Refused,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { description, standing, last, begun, .. } = self;
        f.debug_struct("Renewal")
            .field("description", description)
            .field("standing", standing)
            .field("last", last)
            .field("begun", begun)
            .finish_non_exhaustive()
    }
}

impl Renewal {
    pub(super) fn new(config: Config, http: &http::Config, options: Options) -> Result<Self, SetupError> {
        let flow = Flow::new(config, http, &options)?;
        let config = flow.config();
        let is_cached = !matches!(config, Config::SfCli { .. });
        Ok(Self {
            description: config.describe(),
            configured: flow.configured().into_iter().cloned().collect(),
            cache: options.cache.filter(|_| is_cached).map(|dir| Cache::new(&dir, config)),
            flow: Arc::new(Mutex::new(flow)),
            budget: Budget::new(options.logins_per_hour, options.retry, options.seed),
            one_shot: options.one_shot,
            running: None,
            grant: None,
            header: None,
            standing: Standing::Refused,
            accepted: false,
            last: String::new(),
            begun: 0,
            skew: 0,
        })
    }

    pub(super) fn header(&self) -> Option<Arc<Secret<String>>> {
        self.header.clone()
    }

    pub(super) const fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    pub(super) fn describe(&self) -> String {
        self.description.clone()
    }

    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    pub(super) const fn clock_skew(&self) -> Option<i64> {
        if self.skew == 0 { None } else { Some(self.skew) }
    }

    pub(super) fn accepted(&mut self) {
        if self.standing != Standing::Refused {
            self.standing = Standing::Proven;
            self.accepted = true;
            self.budget.accepted();
        }
    }

    pub(super) async fn renew(&mut self, refused: bool) -> Result<(), Failure> {
        if refused {
            self.give_up_token().await;
        }
        if self.standing != Standing::Refused {
            return Ok(());
        }
        if self.running.is_none() {
            if let Some(grant) = self.cached().await {
                self.take(grant, Standing::Cached);
                return Ok(());
            }
            self.begin()?;
        }
        let Some(running) = &mut self.running else { return Ok(()) };
        let came = running.await;
        self.running = None;
        self.end(came.unwrap_or_else(|_| (Err(Trouble::odd("the login was cut short")), self.skew))).await
    }

    /// The server did not take the token in use.
    async fn give_up_token(&mut self) {
        let Some(grant) = self.grant.as_ref().filter(|_| self.standing != Standing::Refused) else { return };
        if let Some(cache) = &self.cache {
            cache.forget(&grant.token).await;
        }
        if self.standing == Standing::Fresh {
            // Another would most likely go the same way.
            self.last = String::from("the server refused the access token that the last login gave");
            self.budget.failed(Instant::now(), None);
        }
        self.standing = Standing::Refused;
    }

    /// A token in the cache that is not the refused one.
    async fn cached(&self) -> Option<Grant> {
        let configured: Vec<_> = self.configured.iter().collect();
        let found = self.cache.as_ref()?.load(&configured).await?;
        let refused = self.grant.as_ref().is_some_and(|refused| refused.token == found.token);
        (!refused).then_some(found)
    }

    /// Begins a login, on a task of its own: to give it up half way could lose a refresh token.
    fn begin(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let wait = self.budget.wait(now);
        if !wait.is_zero() {
            return Err(self.held_back(wait));
        }
        self.budget.spend(now);
        self.begun = self.begun.saturating_add(1);
        let flow = Arc::clone(&self.flow);
        self.running = Some(tokio::spawn(async move {
            let mut flow = flow.lock_owned().await;
            let grant = flow.login().await;
            (grant, flow.skew())
        }));
        Ok(())
    }

    async fn end(&mut self, (came, skew): Came) -> Result<(), Failure> {
        self.skew = skew;
        match came {
            Ok(grant) => {
                self.take(grant, Standing::Fresh);
                if let Some((cache, grant)) = self.cache.as_ref().zip(self.grant.as_ref()) {
                    cache.save(grant).await;
                }
                Ok(())
            }
            Err(trouble) => Err(self.fail(&trouble)),
        }
    }

    fn take(&mut self, grant: Grant, standing: Standing) {
        self.header = Some(bearer(&grant.token));
        self.grant = Some(grant);
        self.standing = standing;
        self.last.clear();
    }

    fn fail(&mut self, trouble: &Trouble) -> Failure {
        let now = Instant::now();
        let permanent = match trouble.kind {
            Kind::Refused => self.one_shot || !self.accepted,
            Kind::Odd => self.one_shot,
            Kind::Passing(_) => false,
        };
        match trouble.kind {
            _ if !trouble.sent => self.budget.unsent(now),
            Kind::Refused => self.budget.refused(now),
            Kind::Odd => self.budget.failed(now, None),
            Kind::Passing(asked) => self.budget.failed(now, asked),
        }
        self.last.clone_from(&trouble.reason);
        let after = Some(self.budget.wait(now)).filter(|wait| !wait.is_zero());
        Failure { reason: format!("{}: {}", self.description, trouble.reason), permanent, after }
    }

    fn held_back(&self, wait: Duration) -> Failure {
        let why = if self.last.is_empty() { "the logins of this hour are used up" } else { &self.last };
        let seconds = wait.as_secs_f64().ceil();
        let reason = format!("{}: {why}; the next login is in {seconds} s", self.description);
        Failure { reason, permanent: self.one_shot, after: Some(wait) }
    }
}

#[cfg(test)]
#[path = "renewal_tests.rs"]
mod tests;
