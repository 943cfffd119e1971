//! The Bayeux protocol as a pure state machine: no I/O, no clock, no log, no randomness of its own.
//!
//! # Constraints
//!
//! - Time and the seed come in as arguments, what is to be done comes out as values: a run can be repeated.
//! - Whatever a server sends is input; no reply, and no lack of one, leaves a session without a next step.
//! - Events are the server's bytes. A position moves only when the events up to it are in safe hands.
//!
//! # Format
//!
//! JSON messages in HTTP bodies of at most 32,768 bytes (guide: "How the client connects"). [`decode`] reads
//! them, `encode` writes them, [`advice`] and [`refusal`] say what they mean for the session.
//!
//! # Operations
//!
//! [`session::Session`], with the inputs and outputs of [`contract`] and the exchanges of [`border`].

pub mod advice;
pub mod border;
mod closing;
pub mod contract;
mod credentials;
pub mod decode;
mod early;
mod encode;
mod extent;
mod flat;
pub mod liveness;
pub mod memory;
mod message;
pub mod notice;
mod pace;
mod polling;
mod reading;
mod recent;
mod recheck;
pub mod refusal;
mod reply;
mod scan;
pub mod session;
mod side;
#[cfg(test)]
mod sim;
mod socket;
mod state;
mod subscribing;
pub mod subscription;

use std::sync::Arc;
use std::time::Duration;

use crate::event::{Channel, ReplayId};
use crate::retry;

/// What a session wants and how long it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The connection's name, for its events.
    pub connection: Arc<str>,
    /// The channels to be subscribed, each once.
    pub channels: Vec<Wanted>,
    /// The last event of each channel that an earlier process kept, by the name that its events have: a channel goes
    /// on after it, whatever [`Wanted::replay`] says.
    pub positions: Vec<(Channel, ReplayId)>,
    /// How long the server may hold a `/meta/connect` until its advice says otherwise; 110 s by the guide.
    pub poll_timeout: Duration,
    /// What a poll may take longer than the advised timeout before it is given up.
    pub poll_margin: Duration,
    /// The deadline of every other exchange.
    pub request_timeout: Duration,
    /// The waits after failures.
    pub retry: retry::Config,
    /// Handshakes a minute after the first two; at least 1.
    pub handshakes_per_minute: u32,
    /// What follows a position that the server no longer retains.
    pub replay_lost: ReplayLost,
    /// After how many poll timeouts (with their margin) without a successful connect everything begins anew:
    /// connections, session. At least 1.
    pub watchdog: u32,
    /// How often live channels with a position are checked for events that the server sent to nobody.
    pub recheck: Option<Duration>,
    /// Whether servers that can are asked to send again what was not acknowledged (the `ack` extension).
    pub ack: bool,
    /// Whether a session goes over a websocket where the server offers it.
    pub websocket: bool,
    /// The least length of a body, in bytes, for which the next connect may be sent before the events in it are handed on:
    /// what takes longer to read than a request takes to go out. An eighth of it where the response came within half a
    /// millisecond of its connect: there the next one is what every event waits for. Only a server that sends its events
    /// again is asked so.
    pub connect_early: usize,
    /// Whether it serves a command that a person watches: a server that is none ends it.
    pub one_shot: bool,
}

impl Config {
    /// The protocol's own times (guide: "Clients and timeouts").
    pub fn new(connection: Arc<str>, channels: Vec<Wanted>) -> Self {
        Self {
            connection,
            channels,
            positions: Vec::new(),
            poll_timeout: Duration::from_secs(110),
            poll_margin: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            retry: retry::Config::default(),
            handshakes_per_minute: 6,
            replay_lost: ReplayLost::All,
            watchdog: 3,
            recheck: None,
            ack: true,
            websocket: false,
            connect_early: 2 << 10,
            one_shot: false,
        }
    }
}

/// A channel to be subscribed, and where in its events to begin without a stored position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The channel.
    pub channel: Channel,
    /// [`ReplayId::NEW`], [`ReplayId::ALL`] or a position to begin after.
    pub replay: ReplayId,
}

/// What follows a position that the server no longer retains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayLost {
    /// Everything that the server still has: nothing more is lost, some events may come again.
    All,
    /// New events only.
    New,
    /// The channel stays unsubscribed until a person decides.
    Stop,
}
