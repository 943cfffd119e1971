//! The simulated server: sessions, subscriptions, replay. It reads and writes JSON on its own.

use std::collections::HashMap;

use serde_json::{Value, json};

/// The channel whose events are accounted for.
pub(super) const CHANNEL: &str = "/topic/Counted";
/// How long a poll is held (guide: 110 s).
pub(super) const HOLD: u64 = 110_000;
/// How long a session lives without a poll (guide: 40 s).
const RECONNECT: u64 = 40_000;

/// A session.
struct Client {
    /// Where in the log the next event stands; none without a subscription.
    next: Option<usize>,
    touched: u64,
    polling: bool,
}

pub(super) struct Server {
    random: fastrand::Rng,
    clients: HashMap<String, Client>,
    created: u64,
    /// The replay ids of every event of [`CHANNEL`].
    pub(super) log: Vec<i64>,
}

impl Server {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self { random, clients: HashMap::new(), created: 0, log: Vec::new() }
    }

    pub(super) fn publish(&mut self, count: usize) {
        for _ in 0..count {
            let last = self.log.last().copied().unwrap_or(1000);
            self.log.push(last + self.random.i64(1..4));
        }
    }

    /// Takes what waits for its sessions for sent.
    pub(super) fn lose(&mut self) {
        for client in self.clients.values_mut() {
            client.next = client.next.map(|_| self.log.len());
        }
    }

    pub(super) fn forget_sessions(&mut self) {
        self.clients.clear();
    }

    /// The reply to a request; none for a poll that is held.
    pub(super) fn answer(&mut self, now: u64, body: &[u8]) -> Option<String> {
        let messages: Vec<Value> = serde_json::from_slice(body).expect("a request is a JSON array");
        self.clients.retain(|_, client| client.polling || now - client.touched <= RECONNECT);
        let connects = messages.iter().any(|message| message["channel"] == "/meta/connect");
        assert!(!connects || messages.len() == 1, "a connect is alone in its request");
        if connects && messages[0]["advice"]["timeout"] != 0 && self.must_hold(&messages[0]) {
            return None;
        }
        let replies = messages.iter().flat_map(|message| self.reply(now, message)).collect::<Vec<_>>();
        Some(Value::from(replies).to_string())
    }

    /// The reply to a held poll, if there is anything to say.
    pub(super) fn wake(&mut self, now: u64, body: &[u8]) -> Option<String> {
        let message = only(body);
        let waits = self.must_hold(&message);
        (!waits).then(|| self.time_out(now, body))
    }

    /// The events that go over the socket of a held poll, if there are any.
    pub(super) fn push(&mut self, body: &[u8]) -> Option<String> {
        let log = &self.log;
        let client = self.clients.get_mut(only(body)["clientId"].as_str()?)?;
        let next = client.next.replace(log.len())?;
        let events: Vec<_> = log[next..].iter().copied().map(event).collect();
        (!events.is_empty()).then(|| Value::from(events).to_string())
    }

    /// The reply to a held poll, whatever there is to say.
    pub(super) fn time_out(&mut self, now: u64, body: &[u8]) -> String {
        let replies = self.reply(now, &only(body));
        Value::from(replies).to_string()
    }

    /// The connection of a held poll is gone.
    pub(super) fn let_go(&mut self, now: u64, body: &[u8]) {
        if let Some(client) = self.client(&only(body)) {
            client.polling = false;
            client.touched = now;
        }
    }

    fn must_hold(&mut self, message: &Value) -> bool {
        let end = self.log.len();
        match self.client(message) {
            Some(client) => {
                client.polling = client.next.is_none_or(|next| next == end);
                client.polling
            }
            None => false,
        }
    }

    fn client(&mut self, message: &Value) -> Option<&mut Client> {
        self.clients.get_mut(message["clientId"].as_str().unwrap_or_default())
    }

    fn reply(&mut self, now: u64, message: &Value) -> Vec<Value> {
        let channel = message["channel"].as_str().expect("a message has a channel");
        let mut reply = json!({"channel": channel, "id": message["id"], "successful": true});
        if channel == "/meta/handshake" {
            self.created += 1;
            let id = format!("client{}", self.created);
            reply["clientId"] = json!(id);
            reply["ext"] = json!({"replay": true});
            reply["supportedConnectionTypes"] = json!(["websocket", "long-polling"]);
            self.clients.insert(id, Client { next: None, touched: now, polling: false });
            return vec![reply];
        }
        let log = &self.log;
        let id = message["clientId"].as_str().unwrap_or_default();
        let Some(client) = self.clients.get_mut(id) else {
            reply["successful"] = json!(false);
            reply["error"] = json!("403::Unknown client");
            reply["advice"] = json!({"reconnect": "handshake", "interval": 500});
            return vec![reply];
        };
        client.touched = now;
        let mut replies = Vec::new();
        match channel {
            "/meta/connect" => {
                client.polling = false;
                let events = client.next.map_or(&[][..], |next| &log[next..]);
                replies.extend(events.iter().copied().map(event));
                client.next = client.next.map(|_| log.len());
            }
            "/meta/subscribe" => {
                reply["subscription"] = message["subscription"].clone();
                if message["subscription"] == CHANNEL {
                    let asked = message["ext"]["replay"][CHANNEL].as_i64().expect("a position is asked for");
                    client.next = Some(match asked {
                        -2 => 0,
                        -1 => log.len(),
                        position => log.partition_point(|id| *id <= position),
                    });
                }
            }
            "/meta/unsubscribe" => reply["subscription"] = message["subscription"].clone(),
            other => panic!("{other} is not asked for"),
        }
        replies.push(reply);
        replies
    }
}

fn event(id: i64) -> Value {
    json!({"channel": CHANNEL, "data": {"event": {"replayId": id}}})
}

fn only(body: &[u8]) -> Value {
    let mut messages: Vec<Value> = serde_json::from_slice(body).expect("a request is a JSON array");
    messages.pop().expect("a connect is there")
}
