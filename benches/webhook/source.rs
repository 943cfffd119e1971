//! The server that the events come from: the least of Bayeux that a subscriber needs.
//!
//! A session goes so: handshake, subscribe, a first connect that is answered at once; the second connect waits until the
//! bench calls [`Source::open`]. From then on each connect is answered at once with the next [`PER_RESPONSE`] events.
//! After the last event the poll is held for good.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::events::{self, Load};
use crate::shared::listener::Listener;
use crate::shared::messages::{Messages, response_head};
use crate::shared::request::{Kind, Request};

/// Events in a response.
const PER_RESPONSE: u32 = 1_000;

/// A listening server; dropped, it lets go of its threads.
pub(crate) struct Source {
    listener: Listener,
    shared: Arc<Shared>,
}

struct Shared {
    load: Load,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The first connect has been answered.
    greeted: bool,
    /// A later connect has arrived: the client is in its poll.
    polling: bool,
    gate: Gate,
    sent: u32,
}

/// What becomes of a poll.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Closed,
    Open,
    /// The run is over.
    Gone,
}

impl Source {
    pub(crate) fn start(load: Load) -> io::Result<Self> {
        let shared = Arc::new(Shared { load, state: Mutex::default(), changed: Condvar::new() });
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |stream| serving.serve(stream))?;
        Ok(Self { listener, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Whether the client waits in a poll.
    pub(crate) fn polling(&self) -> bool {
        self.shared.lock().polling
    }

    /// Lets the events flow.
    pub(crate) fn open(&self) {
        self.shared.lock().gate = Gate::Open;
        self.shared.changed.notify_all();
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.shared.lock().gate = Gate::Gone;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut messages = Messages::new(stream.try_clone()?);
        while let Some((_, body)) = messages.next()? {
            let requests = Request::parse(body)?;
            let Some(body) = self.answer(&requests) else { return Ok(()) };
            let head = response_head(&format!("Content-Length: {}\r\n", body.len()));
            stream.write_all(&[head.as_bytes(), &body].concat())?;
        }
        Ok(())
    }

    /// The body of a response; none where there is nothing more to say.
    fn answer(&self, requests: &[Request]) -> Option<Vec<u8>> {
        let mut body = vec![b'['];
        for request in requests {
            if request.kind == Kind::Connect {
                self.append_events(&mut body)?;
            }
            body.extend_from_slice(request.reply().as_bytes());
            body.push(b',');
        }
        body.pop();
        body.push(b']');
        Some(body)
    }

    /// The events of the next connect; none where there are no more.
    fn append_events(&self, body: &mut Vec<u8>) -> Option<()> {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.greeted, true) {
            return Some(());
        }
        state.polling = true;
        let waits = |state: &mut State| match state.gate {
            Gate::Closed => true,
            Gate::Open => state.sent == self.load.total,
            Gate::Gone => false,
        };
        let mut state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        if state.gate == Gate::Gone {
            return None;
        }
        let end = self.load.total.min(state.sent + PER_RESPONSE);
        for place in state.sent..end {
            events::append(self.load, place, body);
            body.push(b',');
        }
        state.sent = end;
        Some(())
    }
}
