//! The org's limits of a connection, read from time to time beside its session.
//!
//! Constraints: it logs in never itself and uses the token that the session has; what it cannot read is told once and
//! changes nothing else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use url::Url;

use crate::http::Client;
use crate::salesforce::ApiError;
use crate::salesforce::api::{Api, Org};
use crate::salesforce::limits::{self, Limit};
use crate::salesforce::login::Login;
use crate::salesforce::watch::{Change, Config, Watch};
use crate::secret::Secret;
use crate::status::{self, millis};

/// How long one reading may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where the org is, and the token in use.
pub(super) type Access = Option<(Url, Arc<Secret<String>>)>;

/// What a meter needs.
pub(super) struct Meter {
    pub(super) connection: Arc<str>,
    pub(super) config: Config,
    pub(super) client: Client,
    pub(super) access: watch::Receiver<Access>,
    pub(super) status: Arc<Mutex<status::Connection>>,
}

impl Meter {
    /// Reads until nobody has a token any more.
    pub(super) async fn run(mut self) {
        let mut watch = Watch::new(self.config.thresholds.clone());
        let mut failing = false;
        while self.access.wait_for(Option::is_some).await.is_ok() {
            let access = self.access.borrow().clone();
            let Some((url, token)) = access else { continue };
            match self.read(&url, token).await {
                Ok(limits) => {
                    failing = false;
                    self.tell(&mut watch, &limits);
                }
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(
                        connection = &*self.connection,
                        "the org's limits cannot be read: {error}"
                    );
                }
                Err(_) => {}
            }
            if self.rest().await.is_err() {
                return;
            }
        }
    }

    /// Until the next reading; an error when there is none.
    async fn rest(&mut self) -> Result<(), watch::error::RecvError> {
        let until = tokio::time::Instant::now() + self.config.every;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(()),
                changed = self.access.changed() => changed?,
            }
        }
    }

    async fn read(&self, url: &Url, token: Arc<Secret<String>>) -> Result<Vec<Limit>, ApiError> {
        let org = Org::of(url, None).map_err(|error| ApiError::Malformed(error.to_string()))?;
        let mut api = Api::new(self.client.lane(), Login::given(token), org, DEADLINE);
        let mut limits = limits::limits(&mut api).await?;
        limits.retain(Limit::is_streaming);
        Ok(limits)
    }

    fn tell(&self, watch: &mut Watch, limits: &[Limit]) {
        let connection = &*self.connection;
        for (Limit { name, max, used, left }, change) in watch.take(limits) {
            match change {
                Change::Passed(percent) => {
                    tracing::warn!(
                        connection,
                        limit = name,
                        used,
                        max,
                        left,
                        "{percent} % of a limit are used"
                    );
                }
                Change::Fell => {
                    tracing::info!(
                        connection,
                        limit = name,
                        used,
                        max,
                        left,
                        "a limit is below its thresholds again"
                    );
                }
            }
        }
        let shown = |limit: &Limit| status::Limit {
            name: limit.name.clone(),
            max: limit.max,
            used: limit.used,
            left: limit.left,
            percent: limit.percent(),
        };
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.limits = limits.iter().map(shown).collect();
        status.limits_at = Some(millis(SystemTime::now()));
    }
}
