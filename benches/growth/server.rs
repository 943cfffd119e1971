//! A server that sends events as fast as they are asked for: the least of Bayeux that a subscriber needs.
//!
//! Handshake, subscribe, a first connect that is answered at once; from then on each connect is answered with the next
//! response full of events, the first of them when [`Server::open`] was called. After the last one the poll is held.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use crate::events::Row;
use crate::shared::listener::Listener;
use crate::shared::messages::{Messages, response_head};
use crate::shared::request::{Kind, Request};

/// What a run sends; `total` is a multiple of `per_response`.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) per_response: usize,
    pub(crate) total: u32,
    /// How many events may be on their way; [`Server::arrived`] tells of those that are not any more.
    pub(crate) ahead: u32,
}

/// A listening server; dropped, it lets go of its threads.
pub(crate) struct Server {
    listener: Listener,
    shared: Arc<Shared>,
}

struct Shared {
    plan: Plan,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    connects: u64,
    open: bool,
    stopped: bool,
    row: Row,
    sent: u32,
    arrived: u32,
    /// When the first response with events was sent.
    began: Option<Instant>,
}

impl Server {
    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        let row = Row::new(plan.per_response, b',');
        let state = State { connects: 0, open: false, stopped: false, row, sent: 0, arrived: 0, began: None };
        let shared = Arc::new(Shared { plan, state: Mutex::new(state), changed: Condvar::new() });
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |stream| serving.serve(stream))?;
        Ok(Self { listener, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Whether the client waits in a poll.
    pub(crate) fn polling(&self) -> bool {
        self.shared.lock().connects > 1
    }

    /// Lets the events flow.
    pub(crate) fn open(&self) {
        self.shared.lock().open = true;
        self.shared.changed.notify_all();
    }

    /// So many events have arrived.
    pub(crate) fn arrived(&self, events: u32) {
        self.shared.lock().arrived = events;
        self.shared.changed.notify_all();
    }

    /// When the first response with events was sent.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.shared.lock().began
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut messages = Messages::new(stream.try_clone()?);
        while let Some((_, body)) = messages.next()? {
            for request in Request::parse(body)? {
                let reply = request.reply();
                if request.kind == Kind::Connect {
                    self.answer_connect(&reply, &mut stream)?;
                } else {
                    stream.write_all(&response(&[reply.as_bytes()]))?;
                }
            }
        }
        Ok(())
    }

    fn answer_connect(&self, reply: &str, stream: &mut TcpStream) -> io::Result<()> {
        let mut state = self.lock();
        state.connects += 1;
        if state.connects == 1 {
            return stream.write_all(&response(&[reply.as_bytes()]));
        }
        let Plan { total, ahead, .. } = self.plan;
        let full = |state: &State| state.sent == total || state.sent - state.arrived > ahead;
        let held = |state: &mut State| !state.stopped && (!state.open || full(state));
        let mut state =
            self.changed.wait_while(state, held).expect("nothing panics while it holds the state");
        if state.stopped {
            return Ok(());
        }
        state.began.get_or_insert_with(Instant::now);
        state.sent = state.sent.saturating_add(u32::try_from(self.plan.per_response).unwrap_or(u32::MAX));
        let whole = response(&[state.row.next(), reply.as_bytes()]);
        drop(state);
        stream.write_all(&whole)
    }
}

/// A whole response with an array of these parts.
fn response(parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + 2;
    let mut whole = response_head(&format!("Content-Length: {length}\r\n")).into_bytes();
    whole.push(b'[');
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole.push(b']');
    whole
}
