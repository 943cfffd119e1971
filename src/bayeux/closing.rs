//! The end of a session, asked for or not.

use std::time::Duration;

use super::border::{ExchangeId, Lane};
use super::contract::Output;
use super::encode;
use super::notice::{Closed, Notice};
use super::session::Session;
use super::state::State;

/// How long a response that is on its way may take to arrive when the session is left to the next process.
const LAST_BYTES: Duration = Duration::from_millis(250);

impl Session {
    pub(super) fn on_close(&mut self, disconnect: bool) {
        let client = self.state.client().cloned();
        let disconnect = disconnect || self.sockets.way.is_socket();
        self.release();
        let mut open: Vec<_> = self.side.take().map(|(exchange, _)| exchange).into_iter().collect();
        if let State::Handshaking { exchange }
        | State::Subscribing { exchange, .. }
        | State::Polling { exchange, .. } = &self.state
        {
            open.push(*exchange);
        }
        match client.filter(|_| disconnect) {
            Some(client) => {
                let lane = if open.is_empty() { Lane::Poll } else { Lane::Side };
                let body = encode::disconnect(self.message_id(), &client.id);
                let goodbye = self.send(lane, body, self.config.request_timeout);
                open.push(goodbye);
                self.put(Output::Save(None));
                let until = self.now.mono + self.config.request_timeout;
                self.state = State::Closing { open, goodbye, until };
            }
            None if matches!(self.state, State::Closing { .. } | State::Closed) => {}
            // The session is left to the next process; a response that is on its way is not.
            None if matches!(self.state, State::Polling { .. }) => {
                let until = self.now.mono + LAST_BYTES;
                let goodbye = ExchangeId(0);
                self.state = State::Closing { open, goodbye, until };
            }
            None => {
                self.outputs.extend(open.into_iter().map(Output::Cancel));
                self.end(Closed::Requested);
            }
        }
    }

    /// The end, from which nothing follows.
    pub(super) fn end(&mut self, why: Closed) {
        if why != Closed::Requested {
            self.put(Output::Save(None));
        }
        self.state = State::Closed;
        self.say(Notice::Closed(why));
    }
}
