//! A Bayeux server of a few threads. It speaks the protocol as it should be spoken, keeps its events and hands each
//! out once to a session; an [`Act`] takes the place of one answer.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::acts::{Act, After, Answer, event, respond};
use crate::support::A;

/// How long a poll is held.
pub(crate) const HOLD: Duration = Duration::from_millis(500);

/// The protocol's channels that acts are for.
pub(crate) const CONNECT: &str = "/meta/connect";
pub(crate) const HANDSHAKE: &str = "/meta/handshake";
pub(crate) const SUBSCRIBE: &str = "/meta/subscribe";

struct Session {
    subscribed: bool,
    /// How much of the log it has been handed.
    taken: usize,
    /// The number of its last connect; an earlier one that is still held ends.
    connect: u64,
}

/// What the server knows.
pub(crate) struct State {
    /// Events with their replay ids.
    log: Vec<(i64, Vec<u8>)>,
    numbered: bool,
    sessions: HashMap<String, Session>,
    acts: VecDeque<(&'static str, Act)>,
    last: u64,
    held: usize,
    /// When each request came, its head and its first message.
    seen: Vec<(Instant, String, Value)>,
    token: Option<String>,
    head_max: usize,
}

impl State {
    /// Publishes the event with the number `n`.
    pub(crate) fn publish(&mut self, n: u64) {
        let replay = i64::try_from(n).unwrap() * 3 + 10;
        let id = replay.to_string();
        let text = event(A, n, self.numbered.then_some(id.as_str()));
        self.publish_raw(replay, text.into_bytes());
    }

    /// Publishes these bytes under a replay id.
    pub(crate) fn publish_raw(&mut self, replay: i64, bytes: Vec<u8>) {
        self.log.push((replay, bytes));
    }

    /// The event that was published last, as its bytes.
    pub(crate) fn last_event(&self) -> Vec<u8> {
        self.log.last().unwrap().1.clone()
    }

    /// The next request on a channel meets this.
    pub(crate) fn act(&mut self, channel: &'static str, act: Act) {
        self.acts.push_back((channel, act));
    }

    /// Forgets every session, as a restart does.
    pub(crate) fn forget(&mut self) {
        self.sessions.clear();
    }

    /// Refuses every request without this token.
    pub(crate) fn demand(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    /// Refuses every request with a head beyond this.
    pub(crate) fn limit_head(&mut self, bytes: usize) {
        self.head_max = bytes;
    }

    /// How many requests there were on a channel.
    pub(crate) fn count(&self, channel: &str) -> usize {
        self.seen.iter().filter(|(_, _, message)| message["channel"] == channel).count()
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.seen.len()
    }

    /// When the first request after so many came.
    pub(crate) fn request_after(&self, count: usize) -> Instant {
        self.seen[count].0
    }

    /// Whether a header of any request held this.
    pub(crate) fn was_sent(&self, text: &str) -> bool {
        self.seen.iter().any(|(_, head, _)| head.contains(text))
    }

    /// How many acts wait for their requests.
    pub(crate) fn waiting_acts(&self) -> usize {
        self.acts.len()
    }

    /// Whether a poll is held.
    pub(crate) fn is_polled(&self) -> bool {
        self.held > 0 && self.sessions.values().any(|session| session.subscribed)
    }

    fn take_act(&mut self, channel: &str) -> Option<Act> {
        let at = self.acts.iter().position(|(one, _)| *one == channel)?;
        self.acts.remove(at).map(|(_, act)| act)
    }

    fn take_events(&mut self, client: &str) -> Vec<Vec<u8>> {
        let Some(session) = self.sessions.get_mut(client).filter(|session| session.subscribed) else {
            return Vec::new();
        };
        let from = std::mem::replace(&mut session.taken, self.log.len());
        self.log[from..].iter().map(|(_, bytes)| bytes.clone()).collect()
    }

    fn reply(&mut self, message: &Value) -> Value {
        let client = message["clientId"].as_str().unwrap_or_default().to_owned();
        let channel = message["channel"].as_str().unwrap();
        let mut reply =
            json!({"id": message["id"], "channel": channel, "successful": true, "clientId": client});
        if channel == HANDSHAKE {
            self.last += 1;
            let client = format!("client{}", self.last);
            self.sessions.insert(client.clone(), Session { subscribed: false, taken: 0, connect: 0 });
            reply["clientId"] = client.into();
            reply["version"] = "1.0".into();
            reply["supportedConnectionTypes"] = json!(["long-polling"]);
            reply["ext"] = json!({"replay": self.numbered});
            reply["advice"] = json!({"reconnect": "retry", "interval": 0, "timeout": HOLD.as_millis()});
            return reply;
        }
        let log = &self.log;
        let Some(session) = self.sessions.get_mut(&client) else {
            reply["successful"] = false.into();
            reply["error"] = "402::Unknown client".into();
            reply["advice"] = json!({"reconnect": "handshake", "interval": 0});
            return reply;
        };
        if channel == SUBSCRIBE {
            reply["subscription"] = message["subscription"].clone();
            session.subscribed = true;
            session.taken = match message["ext"]["replay"][A].as_i64() {
                None | Some(-1) => log.len(),
                Some(after) => log.iter().take_while(|(replay, _)| *replay <= after).count(),
            };
        } else if channel == "/meta/disconnect" {
            self.sessions.remove(&client);
        }
        reply
    }
}

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

/// The server; its threads end with the test's process.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    inner: Arc<Inner>,
}

impl Server {
    /// `numbered` is whether its events have replay ids.
    pub(crate) fn start(numbered: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self::at(&listener.local_addr().unwrap().to_string(), numbered);
        server.listen(listener);
        server
    }

    /// A server that does not listen yet.
    pub(crate) fn at(address: &str, numbered: bool) -> Self {
        let state = State {
            log: Vec::new(),
            numbered,
            sessions: HashMap::new(),
            acts: VecDeque::new(),
            last: 0,
            held: 0,
            seen: Vec::new(),
            token: None,
            head_max: usize::MAX,
        };
        let inner = Inner { state: Mutex::new(state), changed: Condvar::new() };
        Self { address: address.to_owned(), inner: Arc::new(inner) }
    }

    /// Serves every connection of `listener`.
    pub(crate) fn listen(&self, listener: TcpListener) {
        let inner = Arc::clone(&self.inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let inner = Arc::clone(&inner);
                std::thread::spawn(move || inner.serve(stream));
            }
        });
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/cometd/61.0", self.address)
    }

    /// Looks at the state, or changes it in one step.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.inner.state.lock().unwrap());
        self.inner.changed.notify_all();
        result
    }
}

impl Inner {
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        loop {
            let (head, body) = read_request(&mut stream).ok()??;
            match self.answer(&mut stream, &head, &body)? {
                After::Keep => {}
                After::Close => return stream.shutdown(Shutdown::Both).ok(),
                After::Reset => return TcpSocket::from_std_stream(stream).set_zero_linger().ok(),
            }
        }
    }

    fn answer(&self, stream: &mut TcpStream, head: &str, body: &[u8]) -> Option<After> {
        let messages: Vec<Value> = serde_json::from_slice(body).unwrap();
        let channel = messages[0]["channel"].as_str().unwrap().to_owned();
        let mut state = self.state.lock().unwrap();
        state.seen.push((Instant::now(), head.to_owned(), messages[0].clone()));
        let refused =
            state.token.as_ref().is_some_and(|token| !head.contains(&format!("Bearer {token}\r\n")));
        if refused || head.len() > state.head_max {
            let status = if refused { 401 } else { 431 };
            drop(state);
            respond(stream, status, "", b"").ok()?;
            return Some(After::Keep);
        }
        let (act, answer) = if channel == CONNECT {
            self.hold(state, &messages[0])
        } else {
            let act = state.take_act(&channel);
            let replies: Vec<_> = messages.iter().map(|message| state.reply(message).to_string()).collect();
            drop(state);
            self.changed.notify_all();
            let id = messages[0]["id"].as_str().unwrap_or_default().to_owned();
            (act, Answer { id, reply: replies.join(","), events: Vec::new() })
        };
        match act {
            Some(act) => Some(act(stream, &answer)),
            None => respond(stream, 200, "", &answer.body()).ok().map(|()| After::Keep),
        }
    }

    /// Waits for what ends a poll.
    fn hold(&self, mut state: MutexGuard<'_, State>, message: &Value) -> (Option<Act>, Answer) {
        let client = message["clientId"].as_str().unwrap_or_default().to_owned();
        let probe = message["advice"]["timeout"] == 0;
        let deadline = Instant::now() + if probe { Duration::ZERO } else { HOLD };
        state.last += 1;
        let number = state.last;
        if let Some(session) = state.sessions.get_mut(&client) {
            session.connect = number;
        }
        self.changed.notify_all();
        state.held += usize::from(!probe);
        let is_done = |state: &State| match state.sessions.get(&client) {
            Some(session) => {
                session.connect != number
                    || session.subscribed && session.taken < state.log.len()
                    || state.acts.iter().any(|(channel, _)| *channel == CONNECT)
            }
            None => true,
        };
        while !is_done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
        state.held -= usize::from(!probe);
        let current = state.sessions.get(&client).is_none_or(|session| session.connect == number);
        let act = if current { state.take_act(CONNECT) } else { None };
        let events = if current { state.take_events(&client) } else { Vec::new() };
        let id = message["id"].as_str().unwrap_or_default().to_owned();
        (act, Answer { id, reply: state.reply(message).to_string(), events })
    }
}

/// Head and body; none at the end of the connection.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1 << 14];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end + 4]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            if bytes.len() >= end + 4 + length.unwrap_or_default() {
                return Ok(Some((head, bytes.split_off(end + 4))));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
