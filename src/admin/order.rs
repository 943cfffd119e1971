//! What is asked of the daemon while it runs, by whichever way it came: a request, a signal, a page.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::event::{Channel, ReplayId};

/// One thing to do. Each is idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Wants one more channel of a connection, until the daemon ends or the connection is reloaded.
    Subscribe {
        /// The connection's name.
        connection: Arc<str>,
        /// The channel.
        channel: Channel,
        /// Where to begin if there is no stored position.
        replay: ReplayId,
    },
    /// No longer wants a channel of a connection.
    Unsubscribe {
        /// The connection's name.
        connection: Arc<str>,
        /// The channel.
        channel: Channel,
    },
    /// Stops a connection or a sink in order: nothing is received, or nothing is delivered, until it is resumed.
    Pause(Target),
    /// Lets it go on where it stood.
    Resume(Target),
    /// Reads the configuration file again and changes what has changed in it.
    Reload,
    /// Begins a wire capture in the file that the configuration names for it, or ends it.
    Capture(bool),
}

/// What is paused or resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A connection, by its name.
    Connection(Arc<str>),
    /// A sink, by its name.
    Sink(Arc<str>),
}

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no connection or sink of this name.
    Unknown(Target),
    /// It cannot be done to this daemon; why, for a person.
    Impossible(String),
    /// What was read is wrong: one line for each problem. Nothing has changed.
    Invalid(Vec<String>),
    /// Too much waits to be done; ask again.
    Busy,
}

/// An order on its way to the daemon.
#[derive(Debug)]
pub struct Request {
    /// What to do.
    pub order: Order,
    /// Hears once that it is done or begun, or why not. A request whose answer nobody waits for is carried out all
    /// the same.
    pub answer: oneshot::Sender<Result<(), Refusal>>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(name) => write!(f, "connection {name}"),
            Self::Sink(name) => write!(f, "sink {name}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(target) => write!(f, "there is no {target}"),
            Self::Impossible(why) => f.write_str(why),
            Self::Invalid(problems) => f.write_str(&problems.join("\n")),
            Self::Busy => f.write_str("too many orders wait; ask again"),
        }
    }
}

impl std::error::Error for Refusal {}
