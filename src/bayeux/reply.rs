//! What follows each reply, refusal and fault: the recovery of a session, in one place.
//!
//! Events come first, whatever else is in a reply. Then `ext.sfdc.failureReason`, the advice, and the error's
//! code and text decide (see `refusal`).

use std::time::Duration;

use bytes::Bytes;

use super::advice::{Advice, Reconnect, excerpt};
use super::border::{ExchangeId, Fault, FaultKind, Outcome};
use super::contract::Output;
use super::decode::{Decoded, Kind, Meta, decode};
use super::notice::{Closed, Notice};
use super::refusal::Meaning;
use super::session::{Session, Side};
use super::state::{Client, Next, State};
use crate::event::Batch;

/// Replies in a row that are no Bayeux, after which a server that never was live is taken for no CometD server: a
/// single page may be a passing one, and a third handshake would wait for its budget.
const FOREIGN_MAX: u32 = 2;

/// Tokens that may be refused in a row: servers lock users who try too often.
const TOKENS_MAX: u32 = 5;

/// What follows then, in longest retry waits: by default fifteen minutes.
const TOKEN_WAITS: u32 = 15;

/// What an allocation that is used up waits for, in longest retry waits: minutes, by default five.
const EXHAUSTED_WAITS: u32 = 5;

/// How long the last events of a session may take after the server has said goodbye to it.
const GOODBYE: Duration = Duration::from_secs(1);

/// A refusal of the whole session, not of a channel.
pub(super) struct Refusal {
    pub(super) meaning: Meaning,
    pub(super) text: String,
    pub(super) advice: Advice,
    pub(super) retry_after: Option<Duration>,
}

/// A reply after its events have been taken out.
pub(super) struct Reading {
    pub(super) metas: Vec<Meta>,
    status: u16,
    retry_after: Option<Duration>,
    pub(super) had_events: bool,
    pub(super) whole: bool,
    body: Bytes,
}

impl Reading {
    const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// What the server's HTTP status says where its body says nothing.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        (!self.is_success()).then(|| Refusal {
            meaning: Meaning::of_status(self.status),
            text: format!("HTTP status {}{}", self.status, self.quote()),
            advice: Advice::default(),
            retry_after: self.retry_after,
        })
    }

    /// Whether no event can have been in it that was not seen: it was read to its end, or the server refused in
    /// its own words.
    pub(super) fn is_understood(&self) -> bool {
        let empty = self.body.trim_ascii().is_empty();
        self.whole && !empty && (self.is_success() || !self.metas.is_empty())
    }

    /// Whether the server found the request itself wrong.
    pub(super) const fn is_bad_request(&self) -> bool {
        self.status == 400
    }

    pub(super) fn quote(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        match text.trim() {
            "" => String::from(" with an empty body"),
            text => format!(": {}", excerpt(text)),
        }
    }
}

impl Session {
    pub(super) fn on_outcome(&mut self, exchange: ExchangeId, outcome: Outcome) {
        let outcome = outcome.map(|reply| {
            let decoded = decode(&reply.body);
            self.read(decoded, reply.status, reply.retry_after, reply.body)
        });
        if let Some((_, side)) = self.side.take_if(|(open, _)| *open == exchange) {
            return match side {
                Side::Subscribe => self.on_side_subscribe(outcome),
                Side::Unsubscribe(channel) => self.on_unsubscribe(channel, outcome),
            };
        }
        match &mut self.state {
            State::Handshaking { exchange: open } if *open == exchange => self.on_handshake(outcome),
            State::Subscribing { client, exchange: open } if *open == exchange => {
                let client = client.clone();
                self.on_subscribe(client, outcome);
            }
            State::Polling { client, exchange: open } if *open == exchange => {
                let client = client.clone();
                self.on_poll(client, outcome);
            }
            State::Closing { open, goodbye, until } => {
                open.retain(|one| *one != exchange);
                if *goodbye == exchange {
                    *until = (*until).min(self.now.mono + GOODBYE);
                }
                if open.is_empty() {
                    self.end(Closed::Requested);
                }
            }
            // The reply to a request that was given up; its events have been taken out.
            _ => {}
        }
    }

    fn read(
        &mut self,
        mut decoded: Decoded,
        status: u16,
        retry_after: Option<Duration>,
        body: Bytes,
    ) -> Reading {
        if self.subscriptions.any_suspect() {
            self.subscriptions.drop_of(decoded.events.channels());
            decoded.events.retain(|channel| self.subscriptions.accepts(channel));
        }
        let had_events = !decoded.events.is_empty();
        if had_events {
            let connection = self.config.connection.clone();
            let batch = Batch::new(connection, self.now.wall, decoded.body, decoded.events);
            self.put(Output::Deliver(batch));
        }
        // The body of an HTTP error is a page for people, not a message that was lost.
        if (200..300).contains(&status) && (had_events || !decoded.metas.is_empty()) {
            for bad in decoded.bad {
                self.say(Notice::Malformed(bad));
            }
        }
        if decoded.whole {
            self.heard = self.now.wall;
        }
        for advice in decoded.metas.iter().filter_map(|meta| meta.advice.as_ref()) {
            self.on_advice(advice);
        }
        Reading { metas: decoded.metas, status, retry_after, had_events, whole: decoded.whole, body }
    }

    fn on_advice(&mut self, advice: &Advice) {
        // A timeout of zero is the echo of a probe's own.
        if let Some(timeout) = advice.timeout.filter(|timeout| !timeout.is_zero()) {
            self.poll_timeout = timeout;
        }
        if let Some(interval) = advice.interval {
            self.interval = interval;
        }
        if let Some(odd) = advice.odd.as_ref().filter(|_| !self.odd_advice_told) {
            self.odd_advice_told = true;
            self.say(Notice::OddAdvice(odd.clone()));
        }
    }

    fn on_handshake(&mut self, outcome: Result<Reading, Fault>) {
        let reading = match outcome {
            Ok(reading) => reading,
            Err(fault) => return self.failed(fault, Next::Handshake),
        };
        let Some(meta) = reading.metas.iter().find(|meta| meta.kind == Kind::Handshake) else {
            return match reading.refusal() {
                Some(refusal) => self.refused(None, refusal),
                None => self.foreign(&reading),
            };
        };
        match (&meta.client_id, meta.successful) {
            (Some(id), Some(true)) => {
                self.foreign = 0;
                // What an earlier session was told, such as the pause before this handshake, is not for this one.
                self.interval = meta.advice.as_ref().and_then(|advice| advice.interval).unwrap_or_default();
                let client = Client { id: id.as_str().into(), replay: meta.replay, proven: false };
                self.say(Notice::Handshaken { replay: client.replay });
                if !client.replay && self.config.channels.iter().any(|one| one.replay.0 != -1) {
                    self.say(Notice::NoReplay);
                }
                self.poll_timeout = advised_timeout(meta).unwrap_or(self.config.poll_timeout);
                self.unwanted.clear();
                self.snapshot(&client);
                self.subscribe_or_connect(client);
            }
            (None, Some(true)) => self.misbehaved("a handshake without a client id", Next::Handshake),
            _ => self.refused(None, refusal_of(meta, &reading)),
        }
    }

    /// A reply with status 200 that holds no reply to the handshake.
    fn foreign(&mut self, reading: &Reading) {
        self.foreign = self.foreign.saturating_add(1);
        let what = format!(
            "no reply to the handshake in a response of {} bytes{}",
            reading.body.len(),
            reading.quote()
        );
        if self.foreign >= FOREIGN_MAX {
            return self.wrong_endpoint(what);
        }
        self.misbehaved(&what, Next::Handshake);
    }

    /// What a refusal of the session leads to.
    pub(super) fn refused(&mut self, client: Option<Client>, refusal: Refusal) {
        let Refusal { meaning, text, advice, retry_after } = refusal;
        let asked =
            advice.interval.max(retry_after).map(|asked| asked.min(self.config.retry.max * EXHAUSTED_WAITS));
        let known = client.filter(|_| advice.reconnect != Some(Reconnect::Handshake));
        match meaning {
            Meaning::Unauthenticated => {
                self.say(Notice::Refused { channel: None, text: text.clone(), meaning, retry_in: None });
                self.forget_session(text);
                self.refused_tokens = self.refused_tokens.saturating_add(1);
                if self.refused_tokens < TOKENS_MAX {
                    return self.authenticate(Next::Handshake, true);
                }
                let wait = self.config.retry.max * TOKEN_WAITS;
                self.rest(wait, Next::Authenticate, "after too many refused tokens");
            }
            Meaning::UnknownClient => self.session_lost(text, asked),
            Meaning::Endpoint => self.wrong_endpoint(text),
            Meaning::Exhausted => {
                let wait = self.exhausted_wait().max(asked.unwrap_or_default());
                self.refused_until(text, meaning, wait, Next::Handshake);
            }
            _ => {
                let next = known.map_or(Next::Handshake, |client| self.after_connects(client));
                let wait = self.pace.after_failure(asked);
                self.refused_until(text, meaning, wait, next);
            }
        }
    }

    /// What answers is no CometD server. For a command that a person watches that is the end; a daemon's server may
    /// be in maintenance, so it is asked again, slowly.
    fn wrong_endpoint(&mut self, text: String) {
        if self.config.one_shot && !self.ever_live {
            return self.end(Closed::Endpoint(text));
        }
        // One that has been live before is expected back sooner.
        let wait = if self.ever_live { self.pace.after_failure(None) } else { self.exhausted_wait() };
        self.refused_until(text, Meaning::Endpoint, wait, Next::Handshake);
    }

    fn refused_until(&mut self, text: String, meaning: Meaning, wait: Duration, next: Next) {
        self.reported_live = false;
        if matches!(next, Next::Handshake) && self.state.client().is_some() {
            self.forget_session(text.clone());
        }
        self.say(Notice::Refused { channel: None, text, meaning, retry_in: Some(wait) });
        self.rest(wait, next, "after a refusal");
    }

    /// Minutes, spread so that a crowd of clients does not come back together.
    pub(super) fn exhausted_wait(&mut self) -> Duration {
        self.pace.after_failure(Some(self.config.retry.max * EXHAUSTED_WAITS))
    }

    /// The session is gone: a handshake follows, the first one as soon as the server allows.
    pub(super) fn session_lost(&mut self, reason: String, interval: Option<Duration>) {
        let first = self.pace.failures() == 0;
        let wait = self.pace.after_failure(interval);
        let wait = if first { interval.unwrap_or_default() } else { wait };
        self.forget_session(reason);
        self.rest(wait, Next::Handshake, "before a handshake");
    }

    pub(super) fn forget_session(&mut self, reason: String) {
        self.side = None;
        self.unwanted.clear();
        self.reported_live = false;
        let replay = self.state.client().is_none_or(|client| client.replay);
        self.subscriptions.all_pending(replay, self.heard, &reason);
        self.put(Output::Save(None));
        self.say(Notice::SessionLost { reason });
    }

    pub(super) fn failed(&mut self, fault: Fault, next: Next) {
        // A redirect elsewhere or a proxy's page will not turn into a CometD server by waiting.
        if fault.kind == FaultKind::Redirect {
            return self.wrong_endpoint(fault.detail);
        }
        self.reported_live = false;
        let retry_in = self.pace.after_failure(None);
        self.say(Notice::Failed { fault, retry_in });
        self.rest(retry_in, next, "after a failure");
    }

    pub(super) fn misbehaved(&mut self, what: &str, next: Next) {
        self.reported_live = false;
        let retry_in = self.pace.after_failure(None);
        self.say(Notice::Misbehaved { what: what.to_owned(), retry_in });
        self.rest(retry_in, next, "after an odd reply");
    }
}

fn advised_timeout(meta: &Meta) -> Option<Duration> {
    meta.advice.as_ref().and_then(|advice| advice.timeout).filter(|timeout| !timeout.is_zero())
}

/// The refusal that a reply states.
pub(super) fn refusal_of(meta: &Meta, reading: &Reading) -> Refusal {
    let from_text = Meaning::read(meta.error.as_deref(), meta.failure_reason.as_deref());
    let meaning = if from_text == Meaning::Other { Meaning::of_status(reading.status) } else { from_text };
    let mut text = meta.error.clone().unwrap_or_else(|| String::from("refused without a reason"));
    if let Some(reason) = meta.failure_reason.as_ref().filter(|reason| **reason != text) {
        text = format!("{text} ({reason})");
    }
    Refusal {
        meaning,
        text: excerpt(&text),
        advice: meta.advice.clone().unwrap_or_default(),
        retry_after: reading.retry_after,
    }
}
