//! A server that sends events as fast as they are asked for: the least of Bayeux that a subscriber needs.
//!
//! Handshake, subscribe, a first connect that is answered at once; from then on each connect is answered with the next
//! response full of events, the first of them when [`Server::open`] was called. After the last one the poll is held.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use crate::events::{CHANNEL, Row};
use crate::requests::Requests;

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
    address: SocketAddr,
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
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let row = Row::new(plan.per_response, b',');
        let state = State { connects: 0, open: false, stopped: false, row, sent: 0, arrived: 0, began: None };
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut requests = Requests::new(stream.try_clone()?);
        while let Some(body) = requests.next_body()? {
            let text = String::from_utf8_lossy(body);
            let reply = reply(&text)?;
            if text.contains("/meta/connect") {
                self.answer_connect(&reply, &mut stream)?;
            } else {
                stream.write_all(&response(&[reply.as_bytes()]))?;
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

/// The server's reply to the message of a request.
fn reply(request: &str) -> io::Result<String> {
    let id = || {
        let (_, rest) = request.split_once(r#""id":"#)?;
        rest.split([',', '}']).next().map(str::trim)
    };
    let id = id().unwrap_or("null");
    let more = [
        ("handshake", r#""clientId":"1a2b3c4d5e6f7g8h","version":"1.0","supportedConnectionTypes":["long-polling"],"ext":{"replay":true},"#.to_owned()),
        ("subscribe", format!(r#""subscription":"{CHANNEL}","#)),
        ("connect", r#""advice":{"reconnect":"retry","interval":0,"timeout":110000},"#.to_owned()),
        ("disconnect", String::new()),
    ];
    let known = more.iter().find(|(name, _)| request.contains(&format!("/meta/{name}")));
    let (name, more) = known.ok_or(io::ErrorKind::InvalidData)?;
    Ok(format!(r#"{{"channel":"/meta/{name}","id":{id},{more}"successful":true}}"#))
}

/// A whole response with an array of these parts.
fn response(parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + 2;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {length}\r\n\r\n["
    );
    let mut whole = head.into_bytes();
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole.push(b']');
    whole
}
