//! What a session has to say: values for the daemon to turn into log lines, counters and status.

use std::time::{Duration, SystemTime};

use super::border::Fault;
use super::decode::Bad;
use super::liveness::Cause;
use super::refusal::Meaning;
use crate::event::{Channel, ReplayId};

/// Something that happened, and what follows.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A handshake is sent.
    Handshaking {
        /// Why.
        cause: Cause,
    },
    /// A handshake succeeded; whether the server numbers its events for replay.
    Handshaken {
        /// `ext.replay` was confirmed.
        replay: bool,
    },
    /// A websocket was wanted, and long polling takes its place.
    Fallback {
        /// Why.
        reason: String,
    },
    /// A saved session is tried without a handshake.
    Resuming,
    /// A connect succeeded for the first time in this session or since a failure.
    Live,
    /// The session is gone and starts over; subscriptions follow.
    SessionLost {
        /// Why.
        reason: String,
    },
    /// A channel is subscribed, with what was asked for where the server knows replay.
    Subscribed {
        /// The channel.
        channel: Channel,
        /// The position after which its events begin.
        replay: Option<ReplayId>,
    },
    /// A channel is no longer subscribed.
    Unsubscribed {
        /// The channel.
        channel: Channel,
    },
    /// The server refused something.
    Refused {
        /// The channel that it is about, where it is about one.
        channel: Option<Channel>,
        /// The server's words.
        text: String,
        /// What they mean.
        meaning: Meaning,
        /// When it is tried again; `None` where it is not.
        retry_in: Option<Duration>,
    },
    /// A stored position is no longer retained; events may be missing.
    ReplayLost {
        /// The channel.
        channel: Channel,
        /// The position that was asked for.
        asked: ReplayId,
        /// Where it begins instead; `None` where the channel stays unsubscribed.
        then: Option<ReplayId>,
    },
    /// Events of a channel may be missing, and no position can bring them back.
    Gap {
        /// The channel.
        channel: Channel,
        /// The last time that nothing can have been missing.
        since: SystemTime,
        /// From when on nothing is missing again.
        until: SystemTime,
        /// Why.
        reason: String,
    },
    /// A response was lost that may have held events; these channels are subscribed again from their positions.
    Suspect {
        /// Why.
        reason: String,
    },
    /// An exchange failed.
    Failed {
        /// How.
        fault: Fault,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The server answered something that the protocol does not know.
    Misbehaved {
        /// What.
        what: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// A message could not be read and was set aside.
    Malformed(Bad),
    /// More messages of the same response that could not be read.
    MoreMalformed(usize),
    /// Events that had been handed on before came again and were dropped, or events came after later ones.
    Sifted {
        /// Events that were dropped.
        repeats: u64,
        /// Events that were handed on late.
        late: u64,
    },
    /// No connect has succeeded for too long: connections and session begin anew.
    Watchdog {
        /// Since the last one that did.
        silent_for: Duration,
    },
    /// A value in an advice made no sense.
    OddAdvice(String),
    /// What an advice says besides.
    Advice(&'static str),
    /// Events were asked for from a position, but the server does not know replay.
    NoReplay,
    /// The session ended.
    Closed(Closed),
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It was asked to.
    Requested,
    /// The URL is no CometD endpoint; the server's words.
    Endpoint(String),
    /// The token was refused and no other can be had; the server's words.
    Unauthenticated(String),
}
