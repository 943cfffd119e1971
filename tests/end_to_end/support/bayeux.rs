//! A Bayeux server with websockets beside long polling: it numbers its events, retains all of them, and plays tricks.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use super::A;

/// How long a connect is held.
const HOLD: Duration = Duration::from_secs(1);
/// How often the server looks for something to do.
const LOOK: Duration = Duration::from_millis(2);

/// What a server does with a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trick {
    #[default]
    None,
    /// The request for one is answered with this status.
    Refuse(u16),
    /// The request for one has no answer.
    Ignore,
    /// The socket is open, and nothing is ever said on it.
    Silence,
}

#[derive(Default)]
struct State {
    /// The `n` of every event; its replay id is its place, from 1.
    log: Vec<u64>,
    trick: Trick,
    /// Sockets that are to be cut in the middle of a message.
    cuts: u32,
    handshakes: u32,
    sockets: u32,
    /// What came over sockets, and what by HTTP.
    asked: [Vec<Value>; 2],
}

/// A server whose threads end with the test's process.
#[derive(Clone)]
pub(crate) struct Bayeux {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

/// What a session has asked for on one connection.
#[derive(Default)]
struct Session {
    /// The place of the next event in the log.
    next: Option<usize>,
    /// The connect that is held.
    connect: Option<(Value, Instant)>,
}

impl Bayeux {
    pub(crate) fn start(trick: Trick) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State { trick, ..State::default() }));
        let this = Self { address, state };
        let served = this.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = served.clone();
                std::thread::spawn(move || served.serve(stream));
            }
        });
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/cometd", self.address)
    }

    pub(crate) fn publish(&self, numbers: impl IntoIterator<Item = u64>) {
        self.lock().log.extend(numbers);
    }

    /// The next event is cut off in the middle, and its socket with it.
    pub(crate) fn cut(&self) {
        self.lock().cuts += 1;
    }

    pub(crate) fn handshakes(&self) -> u32 {
        self.lock().handshakes
    }

    pub(crate) fn sockets(&self) -> u32 {
        self.lock().sockets
    }

    /// How many messages of a channel came over sockets, and how many by HTTP.
    pub(crate) fn asked(&self, channel: &str) -> [usize; 2] {
        let state = self.lock();
        let count = |asked: &Vec<Value>| asked.iter().filter(|one| one["channel"] == channel).count();
        [count(&state.asked[0]), count(&state.asked[1])]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut session = Session::default();
        loop {
            let (head, body) = read_request(&mut stream)?;
            let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
            let Some(key) = key else {
                let messages: Vec<Value> = serde_json::from_str(&body).unwrap();
                let replies = self.poll(&mut session, &messages);
                answer(&mut stream, 200, &Value::from(replies).to_string());
                continue;
            };
            self.lock().sockets += 1;
            let trick = self.lock().trick;
            match trick {
                Trick::Refuse(status) => answer(&mut stream, status, "no sockets here"),
                Trick::Ignore => drop(stream.read(&mut [0])),
                Trick::None | Trick::Silence => {
                    let accept = derive_accept_key(key.as_bytes());
                    let text = format!(
                        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                    );
                    stream.write_all(text.as_bytes()).ok()?;
                    if trick == Trick::Silence {
                        stream.read_to_end(&mut Vec::new()).ok()?;
                        return None;
                    }
                    stream.set_read_timeout(Some(LOOK)).unwrap();
                    return self.talk(stream);
                }
            }
        }
    }

    /// A request by HTTP; a connect is answered with the next events, or when it has been held.
    fn poll(&self, session: &mut Session, messages: &[Value]) -> Vec<Value> {
        let mut replies: Vec<_> =
            messages.iter().filter_map(|message| self.reply(session, message, 1)).collect();
        while session.connect.is_some() {
            let events = self.events(session);
            let held = session.connect.take_if(|(_, until)| *until <= Instant::now() || !events.is_empty());
            replies.extend(events);
            replies.extend(held.map(|(reply, _)| reply));
            std::thread::sleep(LOOK);
        }
        replies
    }

    /// A socket; each message has a frame of its own.
    fn talk(&self, stream: TcpStream) -> Option<()> {
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        let mut session = Session::default();
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    for message in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
                        if let Some(reply) = self.reply(&mut session, &message, 0) {
                            say(&mut socket, &reply)?;
                        }
                    }
                }
                Ok(_) => {}
                Err(tokio_tungstenite::tungstenite::Error::Io(error))
                    if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
            for event in self.events(&mut session) {
                if self.lock().cuts > 0 {
                    self.lock().cuts -= 1;
                    socket.get_mut().write_all(b"\x81\x7e\x01\x00[{\"channel\":").ok()?;
                    return None;
                }
                say(&mut socket, &event)?;
            }
            if let Some((reply, _)) = session.connect.take_if(|(_, until)| *until <= Instant::now()) {
                say(&mut socket, &reply)?;
            }
        }
    }

    /// The reply to a message; none to a connect that is held.
    fn reply(&self, session: &mut Session, message: &Value, way: usize) -> Option<Value> {
        let mut state = self.lock();
        state.asked[way].push(message.clone());
        let channel = message["channel"].as_str().unwrap();
        let mut reply = json!({"channel": channel, "id": message["id"], "successful": true});
        match channel {
            "/meta/handshake" => {
                state.handshakes += 1;
                reply["clientId"] = json!("client");
                reply["ext"] = json!({"replay": true});
                reply["supportedConnectionTypes"] = json!(["websocket", "long-polling"]);
                reply["advice"] = json!({"timeout": HOLD.as_millis()});
            }
            "/meta/subscribe" => {
                reply["subscription"] = json!(A);
                session.next = Some(match message["ext"]["replay"][A].as_i64().unwrap() {
                    -2 => 0,
                    -1 => state.log.len(),
                    after => usize::try_from(after).unwrap(),
                });
            }
            "/meta/connect" if message["advice"]["timeout"] != 0 => {
                session.connect = Some((reply, Instant::now() + HOLD));
                return None;
            }
            _ => {}
        }
        Some(reply)
    }

    /// The events that the session has not been sent.
    fn events(&self, session: &mut Session) -> Vec<Value> {
        let state = self.lock();
        let Some(next) = &mut session.next else { return Vec::new() };
        let numbered = state.log.iter().enumerate().skip(std::mem::replace(next, state.log.len()));
        let event = |(at, n): (usize, &u64)| json!({"channel": A, "data": {"event": {"replayId": at + 1}, "sobject": {"n": n}}});
        numbered.map(event).collect()
    }
}

fn say(socket: &mut WebSocket<TcpStream>, message: &Value) -> Option<()> {
    socket.send(Message::text(json!([message]).to_string())).ok()
}

fn answer(stream: &mut TcpStream, status: u16, body: &str) {
    let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    drop(stream.write_all(text.as_bytes()));
}

/// The head of a request, in lower case but for values, and its body.
fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}
