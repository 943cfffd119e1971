//! What a websocket changes for a session, and when long polling takes its place.
//!
//! Constraints
//! - The handshake goes by HTTP. Where its reply names `websocket` and the configuration wants it, the rest of that
//!   session goes over a socket; the rules for what follows a reply or a fault are the same.
//! - On a socket events stand in frames of their own, at any time, and a reply ends an exchange by its channel and a
//!   matching or absent id. An exchange that a frame has ended is told to the driver as cancelled.
//! - A server that sends again what was not acknowledged does so for all events since the last reply to a connect, and
//!   they stand in frames before that reply: they are held until it comes, and forgotten with the socket.
//! - A socket that breaks before a connect has succeeded over it is no reason to fail: long polling goes on with the
//!   same session, and no socket is tried again before a connect has succeeded without one.
//! - A session over a socket is not left to the next process: what the server writes to a connection that nobody
//!   reads is lost, and nothing would tell.

use std::mem;
use std::time::Duration;

use bytes::Bytes;

use super::border::{ExchangeId, Lane, Outcome, Reply};
use super::contract::Output;
use super::decode::{Decoded, Kind, Meta, decode};
use super::liveness::Cause;
use super::notice::{Closed, Notice};
use super::polling::UNREAD_MAX;
use super::reading::Reading;
use super::session::Session;
use super::side::Side;
use super::state::State;
use super::subscription::Ids;

/// The most that is held for an acknowledgement, in bytes and in frames.
const HELD_MAX: usize = 64 << 20;
const HELD_FRAMES_MAX: usize = 100_000;

/// How a session travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    #[default]
    LongPolling,
    /// Over a socket that has carried no successful connect yet.
    Trying,
    Socket,
}

impl Way {
    /// Its name in Bayeux: a connection type.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::LongPolling => "long-polling",
            Self::Trying | Self::Socket => "websocket",
        }
    }

    pub(super) fn is_socket(self) -> bool {
        self != Self::LongPolling
    }
}

/// What is known of sockets to this server.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) way: Way,
    /// The last exchange before the present session.
    before: u64,
    /// Whether the last one carried no connect, and none has succeeded without one since.
    barred: bool,
    /// Whether it has been said that long polling takes its place.
    told: bool,
    /// The open connect, and the id of its message.
    poll: Option<(ExchangeId, u64)>,
    /// Whether events came since the last reply to a connect.
    had_events: bool,
    /// What came since then from a server that would send it again.
    held: Vec<Decoded>,
    /// The bytes in it.
    held_bytes: usize,
}

impl Sockets {
    fn forget_held(&mut self) {
        self.held.clear();
        self.held_bytes = 0;
    }
}

fn ok(body: Bytes) -> Reply {
    Reply { status: 200, retry_after: None, body }
}

impl Session {
    /// How the present session travels, by its name in Bayeux.
    pub fn transport(&self) -> &'static str {
        self.sockets.way.name()
    }

    /// A session begins: whether it goes over a socket.
    pub(super) fn choose_way(&mut self, handshake: &Meta) {
        self.sockets.before = self.last_exchange;
        match (self.config.websocket, handshake.websocket, self.sockets.barred) {
            (false, ..) => {}
            (_, false, _) => self.say_fallback("the server does not offer websockets"),
            (.., true) => self.say_fallback("the last session over one ended before a connect succeeded"),
            _ => self.sockets.way = Way::Trying,
        }
    }

    /// The lane that an exchange takes that would take `lane` without sockets.
    pub(super) fn lane(&self, lane: Lane) -> Lane {
        if self.sockets.way.is_socket() { Lane::Socket } else { lane }
    }

    /// The deadline of a connect. A server answers a probe at once, and a socket is not to be waited for as long as
    /// for an event.
    pub(super) fn poll_deadline(&self, probe: bool) -> Duration {
        let long = self.poll_timeout + self.config.poll_margin;
        if probe && self.sockets.way.is_socket() { long.min(self.config.request_timeout) } else { long }
    }

    /// A connect was sent.
    pub(super) fn poll_is_open(&mut self, exchange: ExchangeId, message: u64) {
        self.sockets.poll = Some((exchange, message));
    }

    /// A connect succeeded.
    pub(super) fn way_is_good(&mut self) {
        match self.sockets.way {
            Way::LongPolling => self.sockets.barred = false,
            Way::Trying => {
                self.sockets.way = Way::Socket;
                self.sockets.told = false;
            }
            Way::Socket => {}
        }
    }

    /// The session is over, and its socket with it. What is held would not be sent again.
    pub(super) fn hang_up(&mut self) {
        self.release();
        let way = mem::take(&mut self.sockets.way);
        self.sockets.barred |= way == Way::Trying;
        self.sockets.poll = None;
        self.sockets.had_events = false;
        if way.is_socket() {
            self.put(Output::HangUp { broken: None });
        }
    }

    /// The outcome of an exchange as the session takes it; `None` where there is nothing left to take. Over a socket it
    /// is always a failure: what opened no socket leads to long polling, what broke one that was good goes the way of
    /// every fault.
    pub(super) fn judge_socket(&mut self, exchange: ExchangeId, outcome: Outcome) -> Option<Outcome> {
        if exchange.0 <= self.sockets.before || !self.sockets.way.is_socket() {
            return Some(outcome);
        }
        self.sockets.forget_held();
        if self.sockets.way == Way::Socket {
            return Some(outcome);
        }
        let reason = match &outcome {
            Ok(reply) => format!("the server answers the wish for one with HTTP status {}", reply.status),
            Err(fault) => fault.to_string(),
        };
        self.hang_up();
        self.say_fallback(&reason);
        match outcome {
            Err(fault) if fault.sent => Some(Err(fault)),
            _ => {
                self.go_on_without_socket();
                None
            }
        }
    }

    /// Nothing was sent: what was to be said is said by HTTP.
    fn go_on_without_socket(&mut self) {
        match &self.state {
            State::Subscribing { client, ids, .. } => {
                let (client, ids) = (client.clone(), ids.clone());
                self.ask_again(&ids);
                self.subscribe_or_connect(client);
            }
            State::Polling { client, .. } => {
                let client = client.clone();
                self.connect(client);
            }
            State::Closing { .. } => self.end(Closed::Requested),
            _ => {}
        }
    }

    /// A message of the server's, with events, replies or both.
    pub(super) fn on_frame(&mut self, body: Bytes) {
        let mut decoded = decode(&body);
        // An array without messages says that there are none; what says nothing may have said something once.
        decoded.whole &= !body.trim_ascii().is_empty();
        if self.resends() && decoded.whole && decoded.metas.is_empty() {
            return self.hold(decoded);
        }
        if decoded.metas.iter().any(|meta| meta.kind == Kind::Connect) {
            self.release();
        }
        let mut reading = self.take_in(decoded, ok(body));
        if !reading.whole {
            return self.on_unread_frame();
        }
        self.sockets.had_events |= reading.had_events;
        let has = |kind| reading.metas.iter().any(|meta| meta.kind == kind);
        if has(Kind::Subscribe) {
            let open = [self.open_subscribe_beside(), self.open_subscribe()];
            for (exchange, ids) in open.into_iter().flatten() {
                if self.is_settled_by(&reading, &ids) {
                    self.answer(Some(exchange), &reading);
                }
            }
        }
        if has(Kind::Unsubscribe) {
            self.answer(self.open_unsubscribe(), &reading);
        }
        if has(Kind::Disconnect) {
            self.answer(self.open_goodbye(), &reading);
        }
        let connect = reading.metas.iter().find(|meta| meta.kind == Kind::Connect);
        if let Some(exchange) = connect.and_then(|meta| self.open_connect(meta)) {
            self.sockets.poll = None;
            reading.had_events = mem::take(&mut self.sockets.had_events);
            self.answer(Some(exchange), &reading);
        }
    }

    /// A frame without an end: the socket is as good as broken. A server that goes on to send what cannot be read is
    /// no longer asked to send anything again.
    fn on_unread_frame(&mut self) {
        let broken = String::from("a message on the websocket could not be read to its end");
        self.unread += u32::from(self.resends());
        if self.unread >= UNREAD_MAX {
            self.config.ack = false;
            self.sockets.forget_held();
            return self.session_lost(broken, None, Cause::Failed);
        }
        self.put(Output::HangUp { broken: Some(broken) });
    }

    /// Keeps events until they can be acknowledged. Too many are rather handed on, and perhaps once more.
    fn hold(&mut self, decoded: Decoded) {
        self.sockets.held_bytes += decoded.body.len();
        self.sockets.held.push(decoded);
        if self.sockets.held_bytes > HELD_MAX || self.sockets.held.len() > HELD_FRAMES_MAX {
            self.release();
        }
    }

    /// Hands on what is held.
    pub(super) fn release(&mut self) {
        for decoded in mem::take(&mut self.sockets.held) {
            let body = decoded.body.clone();
            self.sockets.had_events |= self.take_in(decoded, ok(body)).had_events;
        }
        self.sockets.held_bytes = 0;
    }

    /// A frame ended an exchange.
    fn answer(&mut self, exchange: Option<ExchangeId>, reading: &Reading) {
        if let Some(exchange) = exchange {
            self.put(Output::Cancel(exchange));
            self.on_reading(exchange, Ok(reading.clone()));
        }
    }

    fn open_connect(&self, meta: &Meta) -> Option<ExchangeId> {
        let (exchange, message) = self.sockets.poll?;
        meta.id.as_ref().is_none_or(|id| *id == message.to_string()).then_some(exchange)
    }

    fn open_subscribe(&self) -> Option<(ExchangeId, Ids)> {
        match &self.state {
            State::Subscribing { exchange, ids, .. } => Some((*exchange, ids.clone())),
            _ => None,
        }
    }

    fn open_subscribe_beside(&self) -> Option<(ExchangeId, Ids)> {
        match &self.side {
            Some((exchange, Side::Subscribe(ids))) => Some((*exchange, ids.clone())),
            _ => None,
        }
    }

    fn open_unsubscribe(&self) -> Option<ExchangeId> {
        match &self.side {
            Some((exchange, Side::Unsubscribe(_))) => Some(*exchange),
            _ => None,
        }
    }

    /// What a disconnect ends: the session's own goodbye, or the poll of a session that the server ends.
    fn open_goodbye(&self) -> Option<ExchangeId> {
        match &self.state {
            State::Closing { goodbye, .. } => Some(*goodbye),
            State::Polling { exchange, .. } => Some(*exchange),
            _ => None,
        }
    }

    fn say_fallback(&mut self, reason: &str) {
        if !mem::replace(&mut self.sockets.told, true) {
            self.say(Notice::Fallback { reason: reason.to_owned() });
        }
    }
}
