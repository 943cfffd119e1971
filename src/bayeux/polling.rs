//! What follows the outcome of a connect.
//!
//! A response that was lost or cut may have held events while the session lives on: channels with a position are
//! then subscribed again from it before any further event of theirs is taken, and for the others a gap is told.

use std::time::{Duration, Instant, SystemTime};

use super::advice::Reconnect;
use super::border::Fault;
use super::decode::{Kind, Meta};
use super::liveness::Cause;
use super::notice::Notice;
use super::reading::Reading;
use super::reply::refusal_of;
use super::session::Session;
use super::state::{Client, Next};
use crate::event::Channel;

/// Polls in a row that may end at once and without an event.
const QUICK_MAX: u32 = 5;

/// The pause before each further one.
const QUICK_PAUSE: Duration = Duration::from_secs(1);

/// Failed connects after which a new session is tried instead.
const CONNECTS_MAX: u32 = 3;

/// The longest pause between two connects that advice may ask for: the server expires a session that has been
/// without one for 40 s (guide: "Clients and timeouts").
const INTERVAL_MAX: Duration = Duration::from_secs(30);

/// Responses in a row that may come whole but unreadable from a server that sends again what was not
/// acknowledged, before its acknowledgements are given up.
pub(super) const UNREAD_MAX: u32 = 2;

impl Session {
    pub(super) fn on_poll(&mut self, client: Client, outcome: Result<Reading, Fault>) {
        self.liveness.poll_ends(self.now.mono);
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
        if client.ack.is_some() && !reading.whole && reading.is_success() {
            return self.unread(client, &reading);
        }
        self.unread = 0;
        if !reading.is_understood() {
            self.suspect(&client, &reading.doubt());
        }
        if reading.metas.iter().any(|meta| meta.kind == Kind::Disconnect) {
            let reason = String::from("the server disconnected it");
            return self.session_lost(reason, None, Cause::Advised);
        }
        self.on_connect_reply(client, &reading);
    }

    fn on_connect_reply(&mut self, client: Client, reading: &Reading) {
        match reading.reply_to(Kind::Connect, self.asked) {
            Some(meta) if meta.successful == Some(true) => self.connected(client, meta, reading),
            Some(meta) => self.refused(Some(client), refusal_of(meta, reading)),
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

    fn connected(&mut self, mut client: Client, meta: &Meta, reading: &Reading) {
        // A connect that succeeds in a response that cannot be read proves nothing.
        let failed = (!reading.is_understood()).then(|| self.pace.after_failure(None));
        if failed.is_none() {
            self.on_live(&mut client);
            client.ack = client.ack.and(meta.ack.or(client.ack));
        }
        let interval = self.interval;
        if meta.advice.as_ref().is_some_and(|advice| advice.reconnect == Some(Reconnect::Handshake)) {
            let reason = String::from("the server advised a handshake");
            return self.session_lost(reason, Some(interval), Cause::Advised);
        }
        let pause = self.pause_between_polls(reading.had_events);
        let wait = interval.min(INTERVAL_MAX).max(pause).max(failed.unwrap_or_default());
        let next = self.go_on(client);
        self.rest(wait, next, if failed.is_some() { "after an odd reply" } else { "as the server advised" });
    }

    /// A response that was not acknowledged comes again with the next connect. A server that goes on to send what
    /// cannot be read is no longer relied on for that.
    fn unread(&mut self, client: Client, reading: &Reading) {
        self.unread += 1;
        if self.unread >= UNREAD_MAX {
            self.config.ack = false;
            let reason = String::from("responses that cannot be read, and come again");
            return self.session_lost(reason, None, Cause::Failed);
        }
        let what = format!("a response that cannot be read, and is not acknowledged{}", reading.quote());
        self.misbehaved(&what, Next::Connect(client));
    }

    /// Whether the server sends again what was not acknowledged, and each connect acknowledges what was handed on.
    pub fn resends(&self) -> bool {
        self.state.client().is_some_and(|client| client.ack.is_some())
    }

    /// A response may have been lost that held events of this session.
    pub(super) fn suspect(&mut self, client: &Client, reason: &str) {
        // It comes again with the next connect, which does not acknowledge it.
        if client.ack.is_some() {
            return;
        }
        let lost = self.subscriptions.all_suspect(client.replay);
        for channel in lost {
            self.gap(channel, self.heard, reason.to_owned());
        }
        if self.subscriptions.any_suspect() {
            self.say(Notice::Suspect { reason: reason.to_owned() });
        }
    }

    /// Events of a channel may be missing from a time until now.
    pub(super) fn gap(&mut self, channel: Channel, since: SystemTime, reason: String) {
        // The wall clock may have been set back.
        let until = self.now.wall.max(since);
        self.say(Notice::Gap { channel, since, until, reason });
    }

    /// Events may stand in any response, and be lost with it.
    pub(super) fn suspect_if_cut(&mut self, client: &Client, outcome: &Result<Reading, Fault>) {
        match outcome {
            Err(fault) if fault.sent => self.suspect(client, &fault.to_string()),
            Ok(reading) if reading.is_success() && !reading.whole => {
                self.suspect(client, &reading.doubt());
            }
            _ => {}
        }
    }

    /// What follows a response: the next connect, unless channels have to be subscribed again before it.
    pub(super) fn go_on(&self, client: Client) -> Next {
        if self.subscriptions.any_suspect() { Next::Subscribe(client) } else { Next::Connect(client) }
    }

    /// A server that answers at once with nothing does not hold polls: asking it as fast as it answers would be
    /// an attack on it.
    fn pause_between_polls(&mut self, had_events: bool) -> Duration {
        self.count_quick(had_events, self.poll_sent);
        if self.quick_polls <= QUICK_MAX { Duration::ZERO } else { QUICK_PAUSE.min(self.poll_timeout / 10) }
    }

    /// Counts the poll that was sent then and has ended now, if it ended at once.
    pub(super) fn count_quick(&mut self, had_events: bool, sent: Instant) {
        let held = self.now.mono.saturating_duration_since(sent);
        let quick = !had_events && held < self.poll_timeout / 10;
        self.quick_polls = if quick { self.quick_polls.saturating_add(1) } else { 0 };
    }

    pub(super) fn on_live(&mut self, client: &mut Client) {
        self.pace.reset();
        self.way_is_good();
        self.liveness.connect_succeeds(self.now.mono);
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
        self.forget_session(String::from("its connects keep failing"), Cause::Failed);
        Next::Handshake
    }
}
