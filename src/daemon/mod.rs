//! The daemon: one task per connection, one thread per sink, and the order of start and end.
//!
//! Constraints
//! - No connection waits for a sink, and no sink for another.
//! - With a state directory every event is in the journal before a sink has it; while the journal takes nothing,
//!   nothing is asked for.
//! - What can go on goes on: a connection that is refused for good, or a sink that died, ends the daemon only
//!   when nothing is left.
//! - The end has an order: servers are told, what is queued is delivered, within one grace period. A second
//!   signal ends at once.
//!
//! Operations: [`start`], then [`Daemon::run`].

mod admin;
mod aside;
mod board;
mod capture;
mod connection;
mod damage;
mod flight;
mod intake;
mod journal;
mod meter;
mod newer;
mod outlet;
mod redact;
mod renewal;
mod report;
mod signals;
mod socket;
mod start;
mod stop;
mod store;
mod tell;
mod token;

use std::sync::Arc;

use tokio::sync::mpsc;

pub use capture::Capture;
pub use connection::Command;
pub use start::{StartError, start};
pub use stop::Daemon;
pub use store::is_running;

use crate::http;

/// How a daemon is run besides its configuration.
#[derive(Default)]
pub struct Options {
    /// It serves a person who watches: a refusal is final, and it ends when nothing is left to wait for.
    pub one_shot: bool,
    /// Where every request and response of a connection is recorded, in the place of the configuration's.
    pub wire: Option<Arc<http::Wire>>,
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
