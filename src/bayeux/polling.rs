//! What follows the outcome of a connect.
//!
//! A response that was lost or cut may have held events while the session lives on: channels with a position are
//! then subscribed again from it before any further event of theirs is taken, and for the others a gap is told.

use std::time::Duration;

use super::advice::Reconnect;
use super::border::Fault;
use super::decode::Kind;
use super::notice::Notice;
use super::reply::{Reading, refusal_of};
use super::session::Session;
use super::state::{Client, Next};

/// Polls in a row that may end at once and without an event.
const QUICK_MAX: u32 = 5;

/// The pause before each further one.
const QUICK_PAUSE: Duration = Duration::from_secs(1);

/// Failed connects after which a new session is tried instead.
const CONNECTS_MAX: u32 = 3;

/// The longest pause between two connects that advice may ask for: the server expires a session that has been
/// without one for 40 s (guide: "Clients and timeouts").
const INTERVAL_MAX: Duration = Duration::from_secs(30);

impl Session {
    pub(super) fn on_poll(&mut self, mut client: Client, outcome: Result<Reading, Fault>) {
        let reading = match outcome {
            Ok(reading) => reading,
            Err(fault) => {
                if fault.sent {
                    self.suspect(&client, &fault.to_string());
                }
                let next = self.after_connects(client);
                return self.failed(fault, next);
            }
        };
        if !reading.is_understood() {
            self.suspect(&client, "a response could not be read to its end");
        }
        if reading.metas.iter().any(|meta| meta.kind == Kind::Disconnect) {
            return self.session_lost(String::from("the server disconnected it"), None);
        }
        match reading.metas.iter().find(|meta| meta.kind == Kind::Connect) {
            Some(meta) if meta.successful == Some(true) => {
                self.on_live(&mut client);
                let interval = self.interval;
                if meta.advice.as_ref().is_some_and(|advice| advice.reconnect == Some(Reconnect::Handshake)) {
                    return self.session_lost(String::from("the server advised a handshake"), Some(interval));
                }
                let wait = interval.min(INTERVAL_MAX).max(self.pause_between_polls(reading.had_events));
                let next = self.go_on(client);
                self.rest(wait, next, "as the server advised");
            }
            Some(meta) => self.refused(Some(client), refusal_of(meta, &reading)),
            None => match reading.refusal() {
                Some(refusal) => self.refused(Some(client), refusal),
                None if reading.had_events && reading.whole => {
                    let next = self.go_on(client);
                    self.enter(next);
                }
                None => {
                    let what = format!("no reply to the connect in its response{}", reading.quote());
                    let next = self.after_connects(client);
                    self.misbehaved(&what, next);
                }
            },
        }
    }

    /// A response may have been lost that held events of this session.
    pub(super) fn suspect(&mut self, client: &Client, reason: &str) {
        let lost = self.subscriptions.all_suspect(client.replay);
        let (since, until) = (self.heard, self.now.wall);
        for channel in lost {
            self.say(Notice::Gap { channel, since, until, reason: reason.to_owned() });
        }
        if self.subscriptions.any_suspect() {
            self.say(Notice::Suspect { reason: reason.to_owned() });
        }
    }

    /// What follows a response: the next connect, unless channels have to be subscribed again before it.
    fn go_on(&self, client: Client) -> Next {
        if self.subscriptions.any_suspect() { Next::Subscribe(client) } else { Next::Connect(client) }
    }

    /// A server that answers at once with nothing does not hold polls: asking it as fast as it answers would be
    /// an attack on it.
    fn pause_between_polls(&mut self, had_events: bool) -> Duration {
        let held = self.now.mono.saturating_duration_since(self.poll_sent);
        let quick = !had_events && held < self.poll_timeout / 10;
        self.quick_polls = if quick { self.quick_polls.saturating_add(1) } else { 0 };
        if self.quick_polls <= QUICK_MAX { Duration::ZERO } else { QUICK_PAUSE.min(self.poll_timeout / 10) }
    }

    fn on_live(&mut self, client: &mut Client) {
        self.pace.reset();
        self.refused_tokens = 0;
        self.ever_live = true;
        if !client.proven {
            client.proven = true;
            self.snapshot(client);
        }
        if !self.reported_live {
            self.reported_live = true;
            self.say(Notice::Live);
        }
    }

    /// A connect failed: once more with the same session, or with a new one when that has not helped.
    pub(super) fn after_connects(&mut self, client: Client) -> Next {
        if self.pace.failures() < CONNECTS_MAX {
            return self.go_on(client);
        }
        self.forget_session(String::from("its connects keep failing"));
        Next::Handshake
    }
}
