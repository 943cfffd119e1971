//! How far a session is from silence: time without an open poll, causes of handshakes, the watchdog.

use std::time::{Duration, Instant};

use super::contract::Output;
use super::notice::Notice;
use super::session::Session;
use super::state::{Next, State};

/// Why a handshake is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The first one.
    Start,
    /// The server did not know the session any more.
    UnknownClient,
    /// The server advised it, or disconnected the session.
    Advised,
    /// The token was refused.
    Token,
    /// The server is another.
    Moved,
    /// The server refused the session for another reason.
    Refused,
    /// Exchanges failed, or were answered oddly.
    Failed,
    /// The watchdog.
    Watchdog,
}

impl Cause {
    /// A short name for logs, metrics and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::UnknownClient => "unknown_client",
            Self::Advised => "advised",
            Self::Token => "token",
            Self::Moved => "moved",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Watchdog => "watchdog",
        }
    }
}

/// What tells a working session from a silent one.
#[derive(Debug)]
pub(super) struct Liveness {
    /// Since when a session that the server knows has had no poll; it expires after 40 s of that (guide:
    /// "Clients and timeouts").
    unpolled: Option<Instant>,
    longest_unpolled: Duration,
    polls: u64,
    /// The last successful connect, or the start.
    connected: Instant,
    /// When the watchdog last acted since then.
    barked: Option<Instant>,
    cause: Cause,
}

impl Liveness {
    pub(super) const fn new(now: Instant) -> Self {
        let longest_unpolled = Duration::ZERO;
        Self { unpolled: None, longest_unpolled, polls: 0, connected: now, barked: None, cause: Cause::Start }
    }

    /// A connect is sent.
    pub(super) fn poll_opens(&mut self, now: Instant) {
        self.polls += 1;
        if let Some(since) = self.unpolled.take() {
            self.longest_unpolled = self.longest_unpolled.max(now.saturating_duration_since(since));
        }
    }

    /// A session begins, or a connect ended.
    pub(super) fn poll_ends(&mut self, now: Instant) {
        self.unpolled.get_or_insert(now);
    }

    /// A connect succeeded.
    pub(super) const fn connect_succeeds(&mut self, now: Instant) {
        self.connected = now;
        self.barked = None;
    }

    /// There is no session any more.
    pub(super) const fn session_ends(&mut self, cause: Cause) {
        self.unpolled = None;
        self.cause = cause;
    }

    /// Why the handshake is sent that is about to be.
    pub(super) const fn take_cause(&mut self) -> Cause {
        std::mem::replace(&mut self.cause, Cause::Failed)
    }
}

/// How far a session is from silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Since when a session that the server knows has had no poll open.
    pub unpolled: Option<Instant>,
    /// The longest that this has lasted, until now.
    pub longest_unpolled: Duration,
    /// How many connects were sent.
    pub polls: u64,
    /// Whether the watchdog has acted and no connect has succeeded since.
    pub stalled: bool,
}

impl Session {
    /// How far the session is from silence.
    pub fn pulse(&self) -> Pulse {
        let Liveness { unpolled, longest_unpolled, polls, barked, .. } = self.liveness;
        let present = unpolled.map(|since| self.now.mono.saturating_duration_since(since));
        let longest_unpolled = longest_unpolled.max(present.unwrap_or_default());
        Pulse { unpolled, longest_unpolled, polls, stalled: barked.is_some() }
    }

    /// Begins everything anew when no connect has succeeded for long, whatever else seems to work. Every
    /// exchange and every wait ends, so it need not have a timer of its own.
    pub(super) fn watch(&mut self) {
        let patience = (self.poll_timeout + self.config.poll_margin) * self.config.watchdog.max(1);
        let since = self.liveness.barked.unwrap_or(self.liveness.connected);
        let now = self.now.mono;
        if now.saturating_duration_since(since) < patience || !self.is_at_work() {
            return;
        }
        self.liveness.barked = Some(now);
        self.put(Output::Renew);
        let silent_for = now.saturating_duration_since(self.liveness.connected);
        self.say(Notice::Watchdog { silent_for });
        self.begin_anew();
    }

    const fn is_at_work(&self) -> bool {
        !matches!(self.state, State::New { .. } | State::Closing { .. } | State::Closed)
    }

    /// Drops the session where there is one; waits before a handshake stay what they are.
    fn begin_anew(&mut self) {
        let wait = match &self.state {
            State::Subscribing { exchange, .. } | State::Polling { exchange, .. } => {
                let exchange = *exchange;
                self.put(Output::Cancel(exchange));
                Duration::ZERO
            }
            State::Resting { until, then: Next::Subscribe(_) | Next::Connect(_), .. } => {
                until.saturating_duration_since(self.now.mono)
            }
            _ => return,
        };
        if let Some((exchange, _)) = self.side {
            self.put(Output::Cancel(exchange));
        }
        self.forget_session(String::from("no connect has succeeded for too long"), Cause::Watchdog);
        self.rest(wait, Next::Handshake, "before a handshake");
    }
}
