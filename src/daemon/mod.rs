//! The daemon: one task per connection, one thread per sink, and the order of start and end.
//!
//! Constraints
//! - No connection waits for a sink, and no sink for another.
//! - With a state directory every event is in the journal before a sink has it; while the journal takes nothing,
//!   nothing is asked for.
//! - What can go on goes on: a connection that is refused for good, or a sink that died, ends the daemon only
//!   when nothing is left.
//! - While it runs, connections and sinks can be added, changed, paused and removed; what is not concerned does not
//!   notice, and no event is lost or doubled by it.
//! - The end has an order: servers are told, what is queued is delivered, within one grace period. A second
//!   signal ends at once.
//!
//! Operations: [`start`], then [`Daemon::run`]; [`Daemon::orders`] before that gives the way to ask it for something.

mod admin;
mod aside;
mod asked;
mod board;
mod capture;
mod connection;
mod damage;
mod files;
mod fleet;
mod flight;
mod holder;
mod intake;
mod journal;
mod keeper;
mod line;
mod meter;
mod newer;
mod notify;
mod orders;
mod outlet;
mod post;
mod prepare;
mod progress;
mod queues;
mod redact;
mod reload;
mod renewal;
mod report;
mod signals;
mod socket;
mod start;
mod stop;
mod store;
mod tell;
mod token;
mod trouble;

use std::sync::Arc;

use tokio::sync::mpsc;

pub use connection::Command;
pub use holder::{is_running, process};
pub use start::{StartError, start};
pub use stop::Daemon;

use crate::config::Source;
use crate::http;

/// How a daemon is run besides its configuration.
#[derive(Default)]
pub struct Options {
    /// It serves a person who watches: a refusal is final, and it ends when nothing is left to wait for.
    pub one_shot: bool,
    /// Where every request and response of a connection is recorded, in the place of the configuration's.
    pub wire: Option<Arc<http::Wire>>,
    /// The file that the configuration came from, which can be read again while it runs.
    pub source: Option<Source>,
    /// What a person asks of a connection, by its name, while it runs.
    pub commands: Option<mpsc::Receiver<(Arc<str>, Command)>>,
}

/// Why a daemon ended; the number is its process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As asked.
    Done = 0,
    /// Refused for good by the server.
    Refused = 69,
    /// Input or output failed: the state directory, or a sink that died.
    Io = 74,
    /// The state directory is in use.
    InUse = 75,
    /// The login or a permission was refused for good.
    Denied = 77,
}
