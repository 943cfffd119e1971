//! A server that hands out one event a poll and takes the time until the next poll is there.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::server::read_request;
use super::support::{A, until};

/// How long a poll is held while it is measured, and else.
const HOLD: Duration = Duration::from_millis(2);
const PAUSE: Duration = Duration::from_millis(500);

/// A server whose threads end with the test's process.
#[derive(Clone)]
pub(crate) struct Polled {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// When the last response was written.
    answered: Option<Instant>,
    turns: Vec<Duration>,
    measuring: bool,
    events: i64,
}

/// The time from the end of a response to the next poll: its median and 99th percentile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns {
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

impl Turns {
    pub(crate) fn of(mut turns: Vec<Duration>) -> Self {
        turns.sort_unstable();
        Self { median: turns[turns.len() / 2], p99: turns[turns.len() * 99 / 100] }
    }
}

impl Polled {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let this = Self { address, state: Arc::default() };
        let served = this.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = served.clone();
                std::thread::spawn(move || served.serve(&stream));
            }
        });
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/cometd", self.address)
    }

    /// So many turns from now on.
    pub(crate) fn turns(&self, count: usize) -> Vec<Duration> {
        let mut state = self.state.lock().unwrap();
        (state.measuring, state.turns) = (true, Vec::new());
        drop(state);
        let mut seen = 0;
        while seen < count {
            seen = until("the next poll", || {
                let now = self.state.lock().unwrap().turns.len();
                (now > seen).then_some(now)
            });
        }
        let mut state = self.state.lock().unwrap();
        state.measuring = false;
        std::mem::take(&mut state.turns)
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let request = read_request(&mut reader)?;
            let read = Instant::now();
            let messages: Vec<Value> = serde_json::from_str(&request.body).unwrap();
            let is_poll = messages.iter().any(is_poll);
            if is_poll {
                let mut state = self.state.lock().unwrap();
                if let Some(answered) = state.answered.take() {
                    state.turns.push(read - answered);
                }
                let hold = if state.measuring { HOLD } else { PAUSE };
                drop(state);
                std::thread::sleep(hold);
            }
            let replies: Value = messages.iter().flat_map(|message| self.replies(message)).collect();
            let body = replies.to_string();
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            (&*stream).write_all(text.as_bytes()).ok()?;
            if is_poll {
                self.state.lock().unwrap().answered = Some(Instant::now());
            }
        }
    }

    fn replies(&self, message: &Value) -> Vec<Value> {
        let channel = message["channel"].as_str().unwrap();
        let mut reply = json!({"channel": channel, "id": message["id"], "successful": true});
        match channel {
            "/meta/handshake" => {
                reply["clientId"] = json!("client");
                reply["ext"] = json!({"replay": true});
                reply["supportedConnectionTypes"] = json!(["long-polling"]);
            }
            "/meta/subscribe" => reply["subscription"] = json!(A),
            _ if is_poll(message) => {
                let mut state = self.state.lock().unwrap();
                state.events += 1;
                let id = state.events;
                let data = json!({"event": {"replayId": id}, "sobject": {"n": id, "fill": "x".repeat(200)}});
                return vec![json!({"channel": A, "data": data}), reply];
            }
            _ => {}
        }
        vec![reply]
    }
}

fn is_poll(message: &Value) -> bool {
    message["channel"] == "/meta/connect" && message["advice"]["timeout"] != 0
}
