//! What was recorded of a websocket.

use std::time::Duration;

use bytes::Bytes;

use super::{Asks, Fault, Input, Open, Outcome, Replay, Request, What, tailor, words};
use crate::bayeux::border::{Exchange, FaultKind, Reply};
use crate::bayeux::decode::{Kind, decode};
use crate::cli::wire::talk::Came;

/// Frames that are looked through for the reply to a handshake.
const FRAMES_MAX: usize = 100;

impl Replay<'_, '_> {
    /// The session wants to send on a socket: the recorded server's answer to the wish for one comes first.
    pub(super) fn open_socket(&mut self, open: &mut Open, deadline: Duration) {
        // A reply comes as a frame, or never.
        let detail = String::from("no reply came over the websocket before the deadline");
        open.outcome = Some(Err(Fault { kind: FaultKind::Timeout, sent: true, detail }));
        open.due = Some(self.clock + deadline);
    }

    /// Whether the recorded client did not get the socket that it asked for next.
    pub(super) fn is_refused_a_socket(&self) -> bool {
        match self.talk.heard.get(self.heard).map(|heard| &heard.what) {
            Some(Came::Opened(Ok(reply))) => reply.status != 101,
            Some(Came::Opened(Err(_))) => true,
            _ => false,
        }
    }

    /// Nothing was ever sent on it.
    pub(super) fn await_refusal(&mut self, exchange: &Exchange, asks: Asks) {
        let mut open = Open { id: exchange.id, asks, entry: None, by_socket: true, due: None, outcome: None };
        self.open_socket(&mut open, exchange.deadline);
        self.open.push(open);
    }

    /// The recorded outcome of a request; the reply to a handshake on a socket stands in a frame.
    pub(super) fn outcome_of(&self, request: &Request) -> Option<Outcome> {
        if !request.by_socket {
            return request.outcome.clone();
        }
        let later = self.talk.heard.iter().skip(self.heard).filter(|heard| heard.at >= request.start);
        let bodies = later.filter_map(|heard| match &heard.what {
            Came::Frame(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
            _ => None,
        });
        let is_reply = |body: &Bytes| decode(body).metas.iter().any(|meta| meta.kind == Kind::Handshake);
        let body = bodies.take(FRAMES_MAX).find(is_reply)?;
        Some(Ok(Reply { status: 200, retry_after: None, body }))
    }

    /// When the next thing came on a socket, once the session has sent what was recorded before it.
    pub(super) fn next_heard(&mut self) -> Option<Duration> {
        let heard = self.talk.heard.get(self.heard)?;
        let is_ahead = match heard.what {
            Came::Frame(_) => self.next_by_socket().is_some_and(|start| start <= heard.at),
            Came::Opened(_) => !self.open.iter().any(|open| open.by_socket),
            Came::Ended(_) => false,
        };
        (!is_ahead).then_some(heard.at)
    }

    /// When the first recorded message was sent on a socket that the session has not sent.
    fn next_by_socket(&mut self) -> Option<Duration> {
        loop {
            let request = self.ledger.request(self.by_socket)?;
            if request.by_socket && !self.ledger.is_used(self.by_socket) {
                return Some(request.start);
            }
            self.by_socket += 1;
        }
    }

    pub(super) fn on_heard(&mut self) {
        let Some(heard) = self.talk.heard.get(self.heard) else { return };
        self.heard += 1;
        match &heard.what {
            Came::Opened(Ok(reply)) if reply.status == 101 => {
                self.say(What::Received, "101: a websocket".into(), Some(heard.entry));
            }
            Came::Opened(outcome) => {
                self.say(
                    What::Received,
                    format!("no websocket: {}", words::outcome(outcome)),
                    Some(heard.entry),
                );
                self.end_sockets(outcome);
            }
            Came::Ended(outcome) => {
                self.say(
                    What::Received,
                    format!("the websocket ended: {}", words::outcome(outcome)),
                    Some(heard.entry),
                );
                self.end_sockets(outcome);
            }
            Came::Frame(text) => self.on_frame(text, heard.entry),
        }
    }

    fn on_frame(&mut self, text: &str, entry: usize) {
        let body = tailor::fit(&Bytes::copy_from_slice(text.as_bytes()), &self.socket_ids, None);
        let decoded = decode(&body);
        self.say(What::Received, format!("by websocket: {}", words::body(&decoded)), Some(entry));
        if decoded.metas.iter().any(|meta| meta.kind == Kind::Connect && meta.successful == Some(true)) {
            self.on_connected();
        }
        self.give(Input::Frame(body));
    }

    /// All that is open on the socket ends with it.
    fn end_sockets(&mut self, outcome: &Outcome) {
        let (ended, open) =
            std::mem::take(&mut self.open).into_iter().partition(|open: &Open| open.by_socket);
        self.open = open;
        let ended: Vec<Open> = ended;
        for one in ended {
            self.give(Input::Outcome(one.id, outcome.clone()));
        }
    }

    pub(super) fn on_hang_up(&mut self, broken: Option<String>) {
        self.say(What::Decided, "closes the websocket".into(), None);
        match broken {
            Some(detail) => {
                let fault = Fault { kind: FaultKind::Malformed, sent: true, detail };
                let ended: Vec<_> =
                    self.open.extract_if(.., |open| open.by_socket).map(|open| open.id).collect();
                for id in ended {
                    self.session.handle(self.now(), Input::Outcome(id, Err(fault.clone())));
                }
            }
            None => self.open.retain(|open| !open.by_socket),
        }
    }
}
