//! The configuration file, all its problems at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::{bayeux, http, sinks, telemetry};

/// The daemon's configuration, every value checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where sessions, cookies and status are kept; without it nothing outlives the process.
    pub state_dir: Option<PathBuf>,
    /// How long sinks may take to drain at the end.
    pub grace: Duration,
    /// Logs.
    pub log: telemetry::Config,
    /// At least one.
    pub connections: Vec<Connection>,
    /// At least one.
    pub sinks: Vec<sinks::Config>,
}

/// One Bayeux session with one server.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name in the configuration, events, logs and status.
    pub name: Arc<str>,
    /// The CometD endpoint.
    pub url: Url,
    /// The protocol.
    pub session: bayeux::Config,
    /// The transport.
    pub http: http::Config,
    /// The access token; a server that asks for none needs none.
    pub token: Option<TokenSource>,
    /// What becomes of the session on the server when the daemon ends.
    pub on_stop: OnStop,
}

/// Where an access token is read, each time anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// An environment variable.
    Env(String),
    /// A file, white space at its ends removed.
    File(PathBuf),
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
