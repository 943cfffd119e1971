//! The server of the bench: the least of Bayeux that a subscriber needs, as cheap as it can be.
//!
//! It is a thread of the bench and not a process: the moments of publishing and of arrival are then readings
//! of one clock, and the processor time and memory of the measured programs, which are processes of their own,
//! stand apart in `/proc` all the same.
//!
//! A session goes so: handshake, subscribe, a first connect that is answered at once; the second connect waits
//! until the bench calls [`Server::open`]. From then on each connect is answered with the next events, at once
//! or, where a period is set, when the next event is due. After the last event the poll is held for good.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::events::{self, Response};
use crate::messages::Messages;

/// What a run sends.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Events in a response.
    pub(crate) per_response: u32,
    /// Events in all, a multiple of `per_response`.
    pub(crate) total: u32,
    /// The time from one response to the next; without it as fast as they are asked for.
    pub(crate) period: Option<Duration>,
}

/// A listening server; dropped, it lets go of its threads.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    plan: Plan,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The first connect has been answered.
    greeted: bool,
    /// A later connect has arrived: the client is in its poll.
    polling: bool,
    /// When events began to flow.
    opened: Option<Instant>,
    stopped: bool,
    response: Response,
    sent: u32,
    published: Vec<Instant>,
    /// When the last response with events had been written, until the next connect.
    answered: Option<Instant>,
    turns: Vec<Duration>,
}

impl Server {
    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        assert_eq!(plan.total % plan.per_response, 0, "a run is made of full responses");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let mut response = Response::new(plan.per_response);
        response.number(events::FIRST);
        let state = State {
            greeted: false,
            polling: false,
            opened: None,
            stopped: false,
            response,
            sent: 0,
            published: Vec::new(),
            answered: None,
            turns: Vec::new(),
        };
        let shared = Arc::new(Shared { plan, state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether the client waits in a poll.
    pub(crate) fn polling(&self) -> bool {
        self.shared.lock().polling
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
        // Only a connection ends the wait in `accept`; where it fails, the listener is gone already.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.lock().stopped {
            return;
        }
        let shared = Arc::clone(shared);
        // A client that is killed breaks its connections; a run that breaks otherwise runs into its time limit.
        thread::spawn(move || shared.serve(stream));
    }
}

/// What a client asks for, with the id of the message as JSON.
enum Request {
    Handshake(String),
    Subscribe(String),
    Connect(String),
    Disconnect(String),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut requests = Messages::new(stream.try_clone()?);
        while let Some(body) = requests.next_body()? {
            match parse(body)? {
                Request::Connect(id) => self.answer_connect(&id, &mut stream)?,
                other => stream.write_all(answer(&other).as_bytes())?,
            }
        }
        Ok(())
    }

    fn answer_connect(&self, id: &str, stream: &mut TcpStream) -> io::Result<()> {
        let arrived = Instant::now();
        let mut state = self.lock();
        if let Some(answered) = state.answered.take() {
            state.turns.push(arrived.saturating_duration_since(answered));
        }
        if !state.greeted {
            state.greeted = true;
            return stream.write_all(answer(&Request::Connect(id.to_owned())).as_bytes());
        }
        state.polling = true;
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
        stream.write_all(state.response.to(id))?;
        state.answered = Some(Instant::now());
        state.sent += self.plan.per_response;
        // The next response is numbered while the client is busy with this one.
        let next = events::FIRST + state.sent;
        state.response.number(next);
        Ok(())
    }

    /// Waits for the moment of the next response; the moment it counts as published. Where the client comes
    /// back too late that is the moment it was due: the wait for a slow client is part of its latency.
    fn wait_until_due(&self, opened: Instant, sent: u32) -> Instant {
        let Some(period) = self.plan.period else { return Instant::now() };
        let due = opened + period * (sent / self.plan.per_response + 1);
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return due;
        }
        thread::sleep(wait);
        Instant::now()
    }
}

fn parse(body: &[u8]) -> io::Result<Request> {
    let text = std::str::from_utf8(body).map_err(|_| io::ErrorKind::InvalidData)?;
    let id = || {
        let (_, rest) = text.split_once(r#""id":"#)?;
        rest.split([',', '}']).next().map(|id| id.trim().to_owned())
    };
    let id = id().unwrap_or_else(|| "null".to_owned());
    let names = |channel: &str| text.contains(channel);
    if names("/meta/connect") {
        Ok(Request::Connect(id))
    } else if names("/meta/subscribe") {
        Ok(Request::Subscribe(id))
    } else if names("/meta/handshake") {
        Ok(Request::Handshake(id))
    } else if names("/meta/disconnect") {
        Ok(Request::Disconnect(id))
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// A response without events.
fn answer(request: &Request) -> String {
    let (more, body) = match request {
        Request::Handshake(id) => (
            "Set-Cookie: BAYEUX_BROWSER=1ab2c3d4e5f6; Path=/; HttpOnly\r\n",
            format!(
                r#"[{{"channel":"/meta/handshake","id":{id},"clientId":"1a2b3c4d5e6f7g8h","version":"1.0","minimumVersion":"1.0","supportedConnectionTypes":["long-polling"],"ext":{{"replay":true}},"successful":true}}]"#
            ),
        ),
        Request::Subscribe(id) => (
            "",
            format!(
                r#"[{{"channel":"/meta/subscribe","id":{id},"subscription":"{}","successful":true}}]"#,
                events::CHANNEL
            ),
        ),
        Request::Connect(id) => (
            "",
            format!(
                r#"[{{"channel":"/meta/connect","id":{id},"successful":true,"advice":{{"reconnect":"retry","interval":0,"timeout":110000}}}}]"#
            ),
        ),
        Request::Disconnect(id) => {
            ("", format!(r#"[{{"channel":"/meta/disconnect","id":{id},"successful":true}}]"#))
        }
    };
    events::head(body.len(), more) + &body
}
