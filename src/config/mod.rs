//! The configuration file, all its problems at once.
//!
//! Constraints: a problem never shows a secret (tokens, header values, user names and passwords in URLs),
//! nothing is read past 1 MiB, and whoever repairs every line of one report meets no second report. Where
//! the file is no TOML, the rest of it is still checked, except for what the break may have swallowed.
//!
//! Format: TOML, as `config/cometail.toml` documents it key by key; durations are written `"10s"`, sizes
//! `"64MiB"`, and secrets are files or environment variables.
//!
//! Operations: [`find`] what there is, a file or environment variables; [`load`] a file, [`parse`] a text; [`load_topics`] a
//! file of topics alone; [`load_with`] and [`parse_with`] also give the warnings and read environment variables through a
//! function. A [`Source`] can be resolved again while a daemon runs.

mod admin;
mod connection;
mod endpoint;
mod env;
mod journal;
mod limits;
mod load;
mod login;
mod problem;
mod reader;
mod root;
mod secrets;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod topic;
mod units;
mod urls;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use env::{find, from_environment};
pub use load::{Environment, load, load_topics, load_with, parse, parse_with};
pub use problem::{Problem, Problems, Warnings};
pub use source::Source;
pub use topic::Topic;
pub use units::duration;

use crate::salesforce::{login as logins, watch};
use crate::{admin as server, bayeux, http, journal as log, sinks, telemetry};

/// The daemon's configuration, every value checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where sessions, cookies, journal and status are kept; without it nothing outlives the process.
    pub state_dir: Option<PathBuf>,
    /// How the journal is kept, where there is a state directory.
    pub journal: log::Config,
    /// How long sinks may take to drain at the end.
    pub grace: Duration,
    /// How long the service manager waits at most for every required connection to be live.
    pub ready_after: Duration,
    /// Logs.
    pub log: telemetry::Config,
    /// The admin server, where there is one.
    pub admin: Option<server::Config>,
    /// At least one.
    pub connections: Vec<Connection>,
    /// At least one.
    pub sinks: Vec<sinks::Config>,
    /// PushTopics that orgs are to have; the daemon needs none of them.
    pub topics: Vec<Topic>,
    /// The files beside it that it was made of: secrets and certificates.
    pub files: Vec<PathBuf>,
    /// What a capture that is switched on while the daemon runs is written to; off until then.
    pub wire: Option<http::WireConfig>,
}

/// One Bayeux session with one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its name in the configuration, events, logs and status.
    pub name: Arc<str>,
    /// The CometD endpoint; the login may say that its host is another.
    pub url: Url,
    /// Whether the host of `url` is real: otherwise only the login says where the org is.
    pub is_located: bool,
    /// Whether it is the endpoint without a version, which wants cookies set by hand (API 22).
    pub is_legacy: bool,
    /// The protocol.
    pub session: bayeux::Config,
    /// The transport.
    pub http: http::Config,
    /// Where the access token comes from; a server that asks for none needs none.
    pub login: Option<logins::Config>,
    /// How that login goes about it.
    pub login_options: logins::Options,
    /// Whether and how the org's limits are watched.
    pub limits: Option<watch::Config>,
    /// What becomes of the session on the server when the daemon ends.
    pub on_stop: OnStop,
    /// Whether the daemon counts as ready only when this one is live.
    pub required: bool,
}

impl Connection {
    /// A connection with the protocol's own times and the environment's proxy.
    pub fn new(name: &str, url: Url, channels: Vec<bayeux::Wanted>) -> Self {
        let name: Arc<str> = Arc::from(name);
        let session = bayeux::Config::new(name.clone(), channels);
        Self {
            name,
            url,
            is_located: true,
            is_legacy: false,
            session,
            http: http::Config::default(),
            login: None,
            login_options: logins::Options::default(),
            limits: None,
            on_stop: OnStop::default(),
            required: true,
        }
    }
}

/// What becomes of the session on the server when the daemon ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStop {
    /// `/meta/disconnect`: the server forgets the session at once.
    #[default]
    Disconnect,
    /// The session is left, so that a daemon started within the server's reconnect timeout (40 s) resumes it.
    Keep,
}
