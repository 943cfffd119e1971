//! Logins: where the token of a connection comes from, and what becomes of it when a server refuses it.
//!
//! Constraints:
//! - No text, error, log line or `Debug` tells any part of a token, password or key, whatever a server repeats.
//! - A token is renewed when the server refuses it, and never in a loop: there is a budget an hour and a growing wait, and
//!   what was refused for good is not sent again soon, because servers lock users out.
//! - One login at a time. To drop the future of [`Login::renew`] is allowed at any time: what is on its way goes on, and
//!   the next call takes its result, so that a refresh token that the server has replaced is never lost.
//! - Where a login says that the org is counts only within the domains of Salesforce and the configured hosts, over TLS
//!   unless the configuration itself is without.
//! - Whatever is read or awaited is bounded in size and time. Exchanges with a login host are not captured.
//!
//! Format: SOAP partner API, OAuth 2.0 (RFC 6749, RFC 7523), the JSON of the Salesforce CLI, a token as it stands.
//!
//! Operations: [`Login::renew`] before the first request and after a refusal, [`Login::header`] for each request,
//! [`Login::accepted`] when a server took the token.

mod budget;
mod cache;
mod config;
mod flow;
mod instance;
mod jwt;
mod oauth;
mod private;
mod refresh;
mod renewal;
mod sf_cli;
mod soap;
mod source;
#[cfg(test)]
mod testing;
mod token;
mod trouble;

pub use config::{Config, Options};
pub use source::SecretSource;

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::http::{self, SetupError};
use crate::secret::Secret;

/// What a login gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// The token, without its scheme.
    pub token: Secret<String>,
    /// The org's origin, where tokens may be sent.
    pub instance: Option<Url>,
    /// Where the token's user is described; tokens may be sent there.
    pub identity: Option<Url>,
    /// Who is logged in, where that is known.
    pub username: Option<String>,
    /// When the token was given: by the server's word, or else by our clock.
    pub issued_at: Option<SystemTime>,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For a person; no secret is in it.
    pub reason: String,
    /// Whether waiting changes nothing.
    pub permanent: bool,
    /// How long until another try can bring anything: a call before that fails at once, without a request.
    pub after: Option<Duration>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

/// The login of one connection, and the token in use.
#[derive(Debug)]
pub struct Login(Kind);

#[derive(Debug)]
enum Kind {
    /// A token that somebody else keeps fresh, or none.
    Token(Box<token::Token>),
    /// A server, or a program, that gives tokens.
    Flow(Box<renewal::Renewal>),
    /// The token of another login, as it is.
    Given(Arc<Secret<String>>),
}

impl Login {
    /// A login that has no token yet; without `config` there is never one. `http` is the way to a login's server.
    /// `one_shot`: a refusal is final, as for a command that a person watches. Everything else as in [`Options`].
    ///
    /// # Errors
    /// The way to a login's server cannot be set up.
    pub fn new(config: Option<Config>, http: &http::Config, one_shot: bool) -> Result<Self, SetupError> {
        Self::with(config, http, Options { one_shot, ..Options::default() })
    }

    /// Like [`Login::new`], with all options.
    ///
    /// # Errors
    /// The way to a login's server cannot be set up.
    pub fn with(config: Option<Config>, http: &http::Config, options: Options) -> Result<Self, SetupError> {
        Ok(Self(match config {
            None => Kind::Token(Box::new(token::Token::new(None, options.one_shot))),
            Some(Config::Token(source)) => {
                Kind::Token(Box::new(token::Token::new(Some(source), options.one_shot)))
            }
            Some(flow) => Kind::Flow(Box::new(renewal::Renewal::new(flow, http, options)?)),
        }))
    }

    /// The token that another login has, as the value of its header; it is used as it is and never renewed.
    pub const fn given(header: Arc<Secret<String>>) -> Self {
        Self(Kind::Given(header))
    }

    /// The value of the `Authorization` header, `Bearer TOKEN`.
    pub fn header(&self) -> Option<Arc<Secret<String>>> {
        match &self.0 {
            Kind::Given(header) => Some(Arc::clone(header)),
            Kind::Token(token) => token.header(),
            Kind::Flow(flow) => flow.header(),
        }
    }

    /// What the last login gave; the token in it may have been refused since.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.0 {
            Kind::Token(token) => token.grant(),
            Kind::Flow(flow) => flow.grant(),
            Kind::Given(_) => None,
        }
    }

    /// Where the org is, as the login said it.
    pub fn instance(&self) -> Option<&Url> {
        self.grant()?.instance.as_ref()
    }

    /// Where the token's user is described, as the login said it.
    pub fn identity(&self) -> Option<&Url> {
        self.grant()?.identity.as_ref()
    }

    /// Which login it is, for a person: `soap login of admin@example.com at login.salesforce.com`.
    pub fn describe(&self) -> String {
        match &self.0 {
            Kind::Token(token) => token.describe(),
            Kind::Flow(flow) => flow.describe(),
            Kind::Given(_) => String::from("the token of another login"),
        }
    }

    /// How many logins were begun; a token that somebody else keeps fresh counts none.
    pub fn begun(&self) -> u64 {
        match &self.0 {
            Kind::Token(_) | Kind::Given(_) => 0,
            Kind::Flow(flow) => flow.begun(),
        }
    }

    /// How far the login host's clock is ahead of ours, in seconds, where that stood in the way of a login.
    pub fn clock_skew(&self) -> Option<i64> {
        match &self.0 {
            Kind::Token(_) | Kind::Given(_) => None,
            Kind::Flow(flow) => flow.clock_skew(),
        }
    }

    /// The cookies, names and values, that the legacy endpoint (`/cometd` without a version, API 22) wants from a client
    /// beside its own; none before there is a token.
    pub fn legacy_cookies(&self) -> Vec<(&'static str, Secret<String>)> {
        let cookies = |grant: &Grant| soap::cookies(grant.username.as_deref(), &grant.token);
        self.grant().map(cookies).unwrap_or_default()
    }

    /// The server took the token in use: a later refusal of it may pass.
    pub fn accepted(&mut self) {
        match &mut self.0 {
            Kind::Token(token) => token.accepted(),
            Kind::Flow(flow) => flow.accepted(),
            Kind::Given(_) => {}
        }
    }

    /// Gets a token where there is none; `refused` when the server did not take the one in use. A token that somebody else
    /// keeps fresh is read anew each time.
    ///
    /// # Errors
    /// There is no token, or none but the refused one.
    pub async fn renew(&mut self, refused: bool) -> Result<(), Failure> {
        match &mut self.0 {
            Kind::Token(token) => token.renew(refused).await,
            Kind::Flow(flow) => flow.renew(refused).await,
            Kind::Given(_) if refused => {
                let reason = String::from("the server refused the access token");
                Err(Failure { reason, permanent: false, after: None })
            }
            Kind::Given(_) => Ok(()),
        }
    }
}

/// Whether a PEM holds a key that a JWT login can sign with.
///
/// # Errors
/// Why not, without any part of it.
pub fn check_key(pem: &Secret<String>) -> Result<(), String> {
    jwt::key(pem).map(drop).map_err(|trouble| trouble.reason)
}

/// The value of `Authorization` for a token.
fn bearer(token: &Secret<String>) -> Arc<Secret<String>> {
    Arc::new(Secret::new(format!("Bearer {}", token.expose())))
}

/// SHA-256 in hexadecimal.
fn digest(text: &str) -> String {
    let mut shown = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string never fails.
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}
