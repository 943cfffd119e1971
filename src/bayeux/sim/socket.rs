//! The socket of the simulation: replies and events in frames, and breaks that take everything open with them.

use bytes::Bytes;
use serde_json::Value;

use super::{Fate, Open, Sim, fault};
use crate::bayeux::border::{Exchange, Fault, FaultKind, Lane, Outcome};
use crate::bayeux::contract::Input;

impl Sim {
    /// What becomes of an exchange on the socket.
    pub(super) fn land_on_socket(&mut self, exchange: Exchange, deadline: u64, outcome: Outcome) {
        // A frame ends it, or a break.
        self.open.push(Open {
            exchange,
            deadline,
            fate: Fate::Ends(u64::MAX, Err(fault(FaultKind::Timeout, true))),
        });
        self.frames(outcome);
    }

    /// The server says this over the socket, or it breaks.
    fn frames(&mut self, outcome: Outcome) {
        let body = match outcome {
            Ok(reply) if reply.status == 200 => reply.body,
            Ok(_) => return self.break_socket(&fault(FaultKind::Broken, true)),
            Err(fault) => return self.break_socket(&fault),
        };
        let messages = serde_json::from_slice::<Vec<Value>>(&body).ok().filter(|_| self.random.bool());
        let frames = match messages {
            Some(messages) => messages.iter().map(|message| format!("[{message}]").into()).collect(),
            None => vec![body],
        };
        self.hung_up = false;
        for frame in frames {
            self.give(Input::Frame(frame));
            if self.hung_up {
                return;
            }
        }
    }

    /// Events come while a poll is held.
    pub(super) fn push(&mut self) {
        let held = self.open.iter().find(|open| open.is_held() && open.exchange.lane == Lane::Socket);
        let body: Option<Bytes> = held.map(|open| open.exchange.body.clone());
        if let Some(events) = body.and_then(|body| self.server.push(&body)) {
            let outcome = self.disturb(events);
            self.frames(outcome);
        }
    }

    /// Everything open on the socket ends.
    pub(super) fn break_socket(&mut self, fault: &Fault) {
        let ended = self.hang_up();
        self.broken = ended.is_empty();
        self.untold += ended.len();
        for exchange in ended {
            self.untold -= 1;
            self.give(Input::Outcome(exchange.id, Err(fault.clone())));
        }
    }

    /// Nothing is open on the socket any more.
    pub(super) fn hang_up(&mut self) -> Vec<Exchange> {
        self.hung_up = true;
        self.broken = false;
        let ended: Vec<_> = self.open.extract_if(.., |open| open.exchange.lane == Lane::Socket).collect();
        for open in &ended {
            self.server.let_go(self.now, &open.exchange.body);
        }
        ended.into_iter().map(|open| open.exchange).collect()
    }
}
