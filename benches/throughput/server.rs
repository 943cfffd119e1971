//! The server of the bench: the least of Bayeux that a subscriber needs, as cheap as it can be.
//!
//! It is a thread of the bench and not a process: the moments of publishing and of arrival are then readings
//! of one clock, and the processor time and memory of the measured programs, which are processes of their own,
//! stand apart in `/proc` all the same.
//!
//! A session goes so: handshake, subscribe, a first connect that is answered at once; the second connect waits
//! until the bench calls [`Server::open`]. From then on each connect is answered with the next events, at once
//! or, where a period is set, when the next event is due. After the last event the poll is held for good. Where
//! several messages come in one request, each is answered at once, and a connect among them without events.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::events::{Form, Shape};
use crate::response::{self, Load, Responses};
use crate::shared::listener::Listener;
use crate::shared::messages::{Messages, header};
use crate::shared::request::{Kind, Request};

/// How much of a load a run sends, and how fast.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Events in all, a multiple of those in a response.
    pub(crate) total: u32,
    /// The time from one response to the next; without it as fast as they are asked for.
    pub(crate) period: Option<Duration>,
}

/// A listening server; dropped, it lets go of its threads.
pub(crate) struct Server {
    listener: Listener,
    shared: Arc<Shared>,
}

struct Shared {
    form: Form,
    per_response: u32,
    plan: Plan,
    state: Mutex<State>,
    changed: Condvar,
}

/// How far the client has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    /// The first connect has been answered.
    Greeted,
    /// A later connect has arrived: the client is in its poll.
    Polling,
}

struct State {
    stage: Stage,
    /// A handshake has been made and nothing subscribed to since; the floor makes none.
    unsubscribed: bool,
    /// The client does not ask for the encoding of the responses.
    refused: bool,
    /// When events began to flow.
    opened: Option<Instant>,
    stopped: bool,
    responses: Responses,
    sent: u32,
    published: Vec<Instant>,
    /// When the last response with events had been written, until the next connect.
    answered: Option<Instant>,
    turns: Vec<Duration>,
}

impl Server {
    pub(crate) fn start(load: &mut Load, plan: Plan) -> io::Result<Self> {
        assert_eq!(plan.total % load.per_response, 0, "a run is made of full responses");
        let state = State {
            stage: Stage::New,
            unsubscribed: false,
            refused: false,
            opened: None,
            stopped: false,
            responses: load.responses(plan.total)?,
            sent: 0,
            published: Vec::new(),
            answered: None,
            turns: Vec::new(),
        };
        let (form, per_response) = (load.form, load.per_response);
        let shared =
            Arc::new(Shared { form, per_response, plan, state: Mutex::new(state), changed: Condvar::new() });
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |stream| serving.serve(stream))?;
        Ok(Self { listener, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Whether the client waits in a poll for what it has subscribed to; an error where it cannot be measured.
    pub(crate) fn polling(&self) -> io::Result<bool> {
        let state = self.shared.lock();
        if state.refused {
            return Err(io::Error::other("it does not ask for gzip"));
        }
        Ok(state.stage == Stage::Polling && !state.unsubscribed)
    }

    /// Lets the events flow.
    pub(crate) fn open(&self) {
        self.shared.lock().opened = Some(Instant::now());
        self.shared.changed.notify_all();
    }

    /// When each response was published, in order.
    pub(crate) fn published(&self) -> Vec<Instant> {
        self.shared.lock().published.clone()
    }

    /// The time from each response with events to the next connect, in order.
    pub(crate) fn turns(&self) -> Vec<Duration> {
        self.shared.lock().turns.clone()
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
        while let Some((head, body)) = messages.next()? {
            let requests = Request::parse(body)?;
            self.look_at(head, &requests);
            match requests.as_slice() {
                [connect] if connect.kind == Kind::Connect => self.answer_connect(connect, &mut stream)?,
                several => stream.write_all(answer(several).as_bytes())?,
            }
        }
        Ok(())
    }

    /// Notes what the requests tell about the client.
    fn look_at(&self, head: &[u8], requests: &[Request]) {
        let has = |kind| requests.iter().any(|request| request.kind == kind);
        if has(Kind::Handshake) || has(Kind::Subscribe) {
            self.lock().unsubscribed = !has(Kind::Subscribe);
        }
        let takes_gzip = || {
            header(head, "accept-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("gzip"))
        };
        if self.form.shape == Shape::Gzip && has(Kind::Connect) && !takes_gzip() {
            self.lock().refused = true;
        }
    }

    fn answer_connect(&self, connect: &Request, stream: &mut TcpStream) -> io::Result<()> {
        let arrived = Instant::now();
        let mut state = self.lock();
        if let Some(answered) = state.answered.take() {
            state.turns.push(arrived.saturating_duration_since(answered));
        }
        if state.stage == Stage::New {
            state.stage = Stage::Greeted;
            drop(state);
            return stream.write_all(answer(std::slice::from_ref(connect)).as_bytes());
        }
        state.stage = Stage::Polling;
        let mut state = self
            .changed
            .wait_while(state, |state| state.opened.is_none() && !state.stopped)
            .expect("nothing panics while it holds the state");
        let Some(opened) = state.opened else { return Ok(()) };
        if state.sent == self.plan.total {
            return Ok(());
        }
        let published = self.wait_until_due(opened, state.sent);
        state.published.push(published);
        stream.write_all(state.responses.to(&connect.id))?;
        state.answered = Some(Instant::now());
        state.sent += self.per_response;
        // The next response is prepared while the client is busy with this one.
        state.responses.advance();
        Ok(())
    }

    /// Waits for the moment of the next response; the moment it counts as published. Where the client comes
    /// back too late that is the moment it was due: the wait for a slow client is part of its latency.
    fn wait_until_due(&self, opened: Instant, sent: u32) -> Instant {
        let Some(period) = self.plan.period else { return Instant::now() };
        let due = opened + period * (sent / self.per_response + 1);
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return due;
        }
        thread::sleep(wait);
        Instant::now()
    }
}

/// A response without events.
fn answer(requests: &[Request]) -> String {
    let replies: Vec<String> = requests.iter().map(Request::reply).collect();
    let body = format!("[{}]", replies.join(","));
    response::head(body.len(), "Set-Cookie: BAYEUX_BROWSER=1ab2c3d4e5f6; Path=/; HttpOnly\r\n") + &body
}
