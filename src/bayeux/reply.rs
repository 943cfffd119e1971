//! What follows each reply, refusal and fault: the recovery of a session, in one place.
//!
//! Events come first, whatever else is in a reply. Then `ext.sfdc.failureReason`, the advice, and the error's
//! code and text decide (see `refusal`).

use std::time::Duration;

use super::advice::{Advice, Reconnect, excerpt};
use super::border::{ExchangeId, Fault, FaultKind, Outcome};
use super::contract::Output;
use super::decode::{Kind, Meta};
use super::liveness::Cause;
use super::notice::{Closed, Notice};
use super::reading::Reading;
use super::refusal::Meaning;
use super::session::Session;
use super::side::Side;
use super::state::{Client, Next, State};

/// Replies in a row that are no Bayeux, after which a server that never was live is taken for no CometD server: a
/// single page may be a passing one, and a third handshake would wait for its budget.
const FOREIGN_MAX: u32 = 2;

/// Tokens that may be refused in a row: servers lock users who try too often.
const TOKENS_MAX: u32 = 5;

/// What follows then, in longest retry waits: by default fifteen minutes.
const TOKEN_WAITS: u32 = 15;

/// What an allocation that is used up waits for, in longest retry waits: minutes, by default five.
pub(super) const EXHAUSTED_WAITS: u32 = 5;

/// How long the last events of a session may take after the server has said goodbye to it.
const GOODBYE: Duration = Duration::from_secs(1);

/// A refusal of the whole session, not of a channel.
pub(super) struct Refusal {
    pub(super) meaning: Meaning,
    pub(super) text: String,
    pub(super) advice: Advice,
    pub(super) retry_after: Option<Duration>,
}

impl Session {
    pub(super) fn on_outcome(&mut self, exchange: ExchangeId, outcome: Outcome) {
        let outcome = match self.judge_socket(exchange, outcome) {
            Some(Ok(reply)) => match self.connect_early(exchange, reply) {
                Some(reply) => Ok(self.read(reply)),
                None => return,
            },
            Some(Err(fault)) => Err(fault),
            None => return,
        };
        self.on_reading(exchange, outcome);
    }

    pub(super) fn on_reading(&mut self, exchange: ExchangeId, outcome: Result<Reading, Fault>) {
        if let Some((_, side)) = self.side.take_if(|(open, _)| *open == exchange) {
            return match side {
                Side::Subscribe(ids) => self.on_side_subscribe(&ids, outcome),
                Side::Unsubscribe(channel) => self.on_unsubscribe(channel, outcome),
            };
        }
        match &mut self.state {
            State::Handshaking { exchange: open } if *open == exchange => self.on_handshake(outcome),
            State::Subscribing { client, exchange: open, ids } if *open == exchange => {
                let (client, ids) = (client.clone(), ids.clone());
                self.on_subscribe(client, &ids, outcome);
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

    fn on_handshake(&mut self, outcome: Result<Reading, Fault>) {
        let reading = match outcome {
            Ok(reading) => reading,
            Err(fault) => return self.failed(fault, Next::Handshake),
        };
        let Some(meta) = reading.reply_to(Kind::Handshake, self.asked) else {
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
                let ack = meta.ack.filter(|_| self.config.ack);
                let client = Client { id: id.as_str().into(), replay: meta.replay, ack, proven: false };
                self.liveness.poll_ends(self.now.mono);
                self.say(Notice::Handshaken { replay: client.replay });
                if !client.replay && self.config.channels.iter().any(|one| one.replay.0 != -1) {
                    self.say(Notice::NoReplay);
                }
                self.poll_timeout = advised_timeout(meta).unwrap_or(self.config.poll_timeout);
                self.unwanted.clear();
                self.choose_way(meta);
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
        let what =
            format!("no reply to the handshake in a response of {} bytes{}", reading.len(), reading.quote());
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
                self.refused_tokens = self.refused_tokens.saturating_add(1);
                // A server that asks for no handshake may know the session still, and takes each request by its token.
                let known =
                    known.filter(|_| advice.reconnect != Some(Reconnect::None) && self.refused_tokens == 1);
                if let Some(client) = known {
                    self.reported_live = false;
                    let next = self.go_on(client);
                    return self.authenticate(next, true);
                }
                self.forget_session(text, Cause::Token);
                if self.refused_tokens < TOKENS_MAX {
                    return self.authenticate(Next::Handshake, true);
                }
                let wait = self.config.retry.max * TOKEN_WAITS;
                self.rest(wait, Next::Authenticate, "after too many refused tokens");
            }
            Meaning::UnknownClient => self.session_lost(text, asked, Cause::UnknownClient),
            Meaning::Endpoint => self.wrong_endpoint(text),
            Meaning::Version => self.end(Closed::Endpoint(text)),
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
        if matches!(next, Next::Handshake) {
            match self.state.client() {
                Some(_) => self.forget_session(text.clone(), Cause::Refused),
                None => self.liveness.session_ends(Cause::Refused),
            }
        }
        let retry_in = self.wait_before(&next, wait);
        self.say(Notice::Refused { channel: None, text, meaning, retry_in: Some(retry_in) });
        self.rest(retry_in, next, "after a refusal");
    }

    fn wait_after_failure(&mut self, next: &Next) -> Duration {
        let wait = self.pace.after_failure(None);
        self.wait_before(next, wait)
    }

    /// A wait as it will turn out: a handshake is sent when the budget has one, and whoever reads the log is told so.
    fn wait_before(&mut self, next: &Next, wait: Duration) -> Duration {
        if matches!(next, Next::Handshake) {
            wait.max(self.pace.until_handshake(self.now.mono))
        } else {
            wait
        }
    }

    /// Minutes, spread so that a crowd of clients does not come back together.
    pub(super) fn exhausted_wait(&mut self) -> Duration {
        self.pace.after_failure(Some(self.config.retry.max * EXHAUSTED_WAITS))
    }

    /// The session is gone: a handshake follows, the first one as soon as the server allows.
    pub(super) fn session_lost(&mut self, reason: String, interval: Option<Duration>, cause: Cause) {
        let first = self.pace.failures() == 0;
        let wait = self.pace.after_failure(interval);
        let wait = if first { interval.unwrap_or_default() } else { wait };
        self.forget_session(reason, cause);
        self.rest(wait, Next::Handshake, "before a handshake");
    }

    pub(super) fn forget_session(&mut self, reason: String, cause: Cause) {
        self.liveness.session_ends(cause);
        self.hang_up();
        self.unread = 0;
        self.side = None;
        self.unwanted.clear();
        self.reported_live = false;
        self.subscriptions.all_pending(self.heard, &reason);
        self.put(Output::Save(None));
        self.say(Notice::SessionLost { reason });
    }

    pub(super) fn failed(&mut self, fault: Fault, next: Next) {
        // A redirect elsewhere or a proxy's page will not turn into a CometD server by waiting.
        if fault.kind == FaultKind::Redirect {
            return self.wrong_endpoint(fault.detail);
        }
        self.reported_live = false;
        let retry_in = self.wait_after_failure(&next);
        self.say(Notice::Failed { fault, retry_in });
        self.rest(retry_in, next, "after a failure");
    }

    pub(super) fn misbehaved(&mut self, what: &str, next: Next) {
        self.reported_live = false;
        let retry_in = self.wait_after_failure(&next);
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
