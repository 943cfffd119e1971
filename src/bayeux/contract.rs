//! What goes into a session and what comes out of it.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Wanted;
use super::border::{Exchange, ExchangeId, Outcome};
use super::notice::Notice;
use crate::event::{Batch, Channel, ReplayId};

/// The present, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines.
    pub mono: Instant,
    /// For people and records.
    pub wall: SystemTime,
}

/// What happens to a session.
#[derive(Debug)]
pub enum Input {
    /// Begin.
    Start,
    /// An exchange ended.
    Outcome(ExchangeId, Outcome),
    /// A message came over the socket.
    Frame(Bytes),
    /// The answer to [`Output::Authenticate`], or another token that came unasked.
    Credentials(Credentials),
    /// The time of the last [`Output::Wait`] has come.
    Time,
    /// Every event of the channel up to this one, the last of a delivered batch, is in safe hands. Of several batches
    /// the last one's is enough.
    Committed(Channel, ReplayId),
    /// Wants one more channel.
    Subscribe(Wanted),
    /// No longer wants a channel.
    Unsubscribe(Channel),
    /// End, telling the server or leaving it the session.
    Close {
        /// Whether the server is told.
        disconnect: bool,
    },
}

/// What became of a request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// There is one to try, or none is needed.
    Ready,
    /// As [`Credentials::Ready`], and the server is another from now on: a session of the old one is not known there.
    Elsewhere,
    /// There is none but the refused one, or none at all: why, and whether waiting can change that.
    Failed {
        /// For a person.
        reason: String,
        /// Whether there will never be another.
        permanent: bool,
        /// How long until another can be had, where that is known.
        after: Option<Duration>,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Start this exchange.
    Send(Exchange),
    /// Give this exchange up; its outcome is not awaited.
    Cancel(ExchangeId),
    /// Close the socket.
    HangUp {
        /// The session is over where there is none. Otherwise it goes on as if the socket had broken for this reason
        /// with all that is open on it.
        broken: Option<String>,
    },
    /// Give every idle connection to the server up: what follows begins with its name.
    Renew,
    /// Get a token; `refused` when the one in use was refused.
    Authenticate {
        /// Whether the server refused the present one.
        refused: bool,
    },
    /// Hand these events on.
    Deliver(Batch),
    /// Keep this for the next start, or forget what was kept.
    Save(Option<Snapshot>),
    /// Say this.
    Notice(Notice),
    /// Nothing until the next input, or until this time.
    Wait {
        /// When to give [`Input::Time`]; `None` while only an exchange is awaited.
        until: Option<Instant>,
        /// Why, for a person.
        reason: &'static str,
    },
}

/// What a restarted process needs to go on with a session that the server still knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The server's name for the session.
    pub client_id: String,
    /// Whether the server confirmed the replay extension.
    pub replay: bool,
    /// Whether the server confirmed the `ack` extension.
    #[serde(default)]
    pub ack: bool,
    /// How long the server holds a poll, in milliseconds.
    pub timeout_ms: u64,
    /// The subscriptions that it confirmed.
    pub channels: Vec<String>,
}
