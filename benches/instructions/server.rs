//! A server with responses made beforehand, which answers as many polls with events as it was told to.
//!
//! * Threads of its own; once a connection is open, serving it allocates nothing.
//! * Every event has [`EVENT_LEN`] bytes and a number of its own, ten digits from [`FIRST`] on, which is its replay id
//!   and stands in its data once more. Replies have no ids, which clients accept.
//! * The first connect is answered at once and without events, as servers do; a poll that no events are left for is held.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The channel of every event.
pub(crate) const CHANNEL: &str = "/topic/InvoiceStatementUpdates";
/// The length of an event in bytes; its line in a file has one more.
pub(crate) const EVENT_LEN: usize = EVENT.len();
/// The number of the first event.
const FIRST: u64 = 1_000_000_000;
/// The digits of a number.
const DIGITS: usize = 10;
/// The longest request.
const REQUEST_MAX: usize = 16 << 10;

const EVENT: &str = concat!(
    r#"{"channel":"/topic/InvoiceStatementUpdates","data":{"event":{"createdDate":"2016-03-29T16:40:08.208Z","#,
    r#""replayId":1000000000,"type":"created"},"sobject":{"Id":"a00D0000008oLi8IAE","Name":"INV-1000000000","#,
    r#""Status__c":"Negotiated","Description__c":"Fragile: keep \"this side up\" {dock 4}, in person"}}}"#
);
const HANDSHAKE: &str = r#"[{"channel":"/meta/handshake","clientId":"1a2b3c4d5e6f7g8h","version":"1.0","supportedConnectionTypes":["long-polling"],"ext":{"replay":true},"successful":true}]"#;
const SUBSCRIBE: &str =
    r#"[{"channel":"/meta/subscribe","subscription":"/topic/InvoiceStatementUpdates","successful":true}]"#;
const FIRST_CONNECT: &str = r#"[{"channel":"/meta/connect","successful":true,"advice":{"reconnect":"retry","interval":0,"timeout":110000}}]"#;
const DISCONNECT: &str = r#"[{"channel":"/meta/disconnect","successful":true}]"#;
const CONNECTED: &str = r#"{"channel":"/meta/connect","successful":true}]"#;

/// A listening server. Its threads go with the process, or with their connections.
pub(crate) struct Server {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    per_response: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    greeted: bool,
    /// How many responses with events may be sent in all, and how many were.
    allowed: usize,
    sent: usize,
}

impl Server {
    /// Listens on a port of loopback that is free; `enter` is called first on each of its threads.
    pub(crate) fn start(per_response: usize, enter: fn()) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { per_response, state: Mutex::default(), changed: Condvar::new() });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            enter();
            while let Ok((stream, _)) = listener.accept() {
                let shared = Arc::clone(&serving);
                thread::spawn(move || {
                    enter();
                    // A client that goes away ends its connection, and with it this thread.
                    drop(shared.serve(stream));
                });
            }
        });
        Ok(Self { port, shared })
    }

    /// The lines of a configuration that connect to it.
    pub(crate) fn connection(&self) -> String {
        let port = self.port;
        format!("[connection.c]\nurl = 'http://127.0.0.1:{port}/cometd/61.0'\nchannels = ['{CHANNEL}']\n")
    }

    /// Lets so many more responses with events go.
    pub(crate) fn allow(&self, responses: usize) {
        self.shared.lock().allowed += responses;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut request, mut response) = (vec![0; REQUEST_MAX], Response::new(self.per_response));
        loop {
            let length = read_request(&mut stream, &mut request)?;
            let asked = request.get(..length).unwrap_or_default();
            let names = |channel: &str| asked.windows(channel.len()).any(|bytes| bytes == channel.as_bytes());
            if names("/meta/connect") {
                self.answer_connect(&mut stream, &mut response)?;
            } else {
                let subscribe = if names("/meta/subscribe") { SUBSCRIBE } else { DISCONNECT };
                stream.write_all(&whole(if names("/meta/handshake") { HANDSHAKE } else { subscribe }))?;
            }
        }
    }

    fn answer_connect(&self, stream: &mut TcpStream, response: &mut Response) -> io::Result<()> {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.greeted, true) {
            return stream.write_all(&whole(FIRST_CONNECT));
        }
        let held = self.changed.wait_while(state, |state| state.sent >= state.allowed);
        let mut state = held.unwrap_or_else(PoisonError::into_inner);
        let first = FIRST + (state.sent * self.per_response) as u64;
        state.sent += 1;
        drop(state);
        response.number(first);
        stream.write_all(&response.bytes)
    }
}

/// Reads a head and a body of `Content-Length` bytes; how many bytes that were.
fn read_request(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        let space = buffer.get_mut(filled..).filter(|space| !space.is_empty());
        let count = stream.read(space.ok_or(io::ErrorKind::InvalidData)?)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        let text = std::str::from_utf8(buffer.get(..filled).unwrap_or_default());
        let text = text.map_err(|_| io::ErrorKind::InvalidData)?;
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head).ok_or(io::ErrorKind::InvalidData)?
        {
            return Ok(filled);
        }
    }
}

fn content_length(head: &str) -> Option<usize> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next()?.1.trim().parse().ok()
}

fn whole(body: &str) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    (head + body).into_bytes()
}

/// One response to a poll, used again and again.
struct Response {
    bytes: Vec<u8>,
    /// Where the numbers stand, two for each event.
    places: Vec<usize>,
}

impl Response {
    fn new(events: usize) -> Self {
        let bytes = whole(&format!("[{}{CONNECTED}", format!("{EVENT},").repeat(events)));
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let places = text.match_indices("1000000000").map(|(at, _)| at).collect();
        Self { bytes, places }
    }

    /// Numbers the events from `first` on.
    fn number(&mut self, first: u64) {
        for (number, pair) in (first..).zip(self.places.chunks_exact(2)) {
            for place in pair {
                let mut rest = number;
                for digit in self.bytes.iter_mut().skip(*place).take(DIGITS).rev() {
                    *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                    rest /= 10;
                }
            }
        }
    }
}
