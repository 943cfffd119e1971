//! A Bayeux client on one kept-alive connection, which knows no more of HTTP and of Bayeux than the load needs.

use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::load::{CHANNEL, LONG};

/// A message of the server, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    channel: &'a str,
    successful: Option<bool>,
    #[serde(rename = "clientId")]
    client: Option<&'a str>,
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    event: Meta,
    sobject: Record,
}

#[derive(Debug, Deserialize)]
struct Meta {
    #[serde(rename = "replayId")]
    replay: i64,
}

#[derive(Debug, Deserialize)]
struct Record {
    n: u64,
}

/// An event: its replay id and the number that it was published with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) replay: i64,
    pub(crate) number: u64,
}

/// One connection, and the session on it.
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    cookie: String,
    id: String,
}

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new(), cookie: String::new(), id: String::new() }
    }

    /// After a handshake, a subscription and the first connect, which is answered at once.
    pub(crate) async fn subscribed(address: SocketAddr) -> Self {
        let mut client = Self::open(address).await;
        let handshake = json!([{"channel": "/meta/handshake", "version": "1.0", "ext": {"replay": true},
            "supportedConnectionTypes": ["long-polling"]}]);
        let (head, body) = client.post("/cometd/61.0", &handshake.to_string()).await;
        let cookie = head.split("set-cookie: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
        client.cookie = format!("Cookie: {cookie}\r\n");
        client.id = accepted(&body, "/meta/handshake").1.client.unwrap().to_owned();
        let subscribe = json!([{"channel": "/meta/subscribe", "clientId": client.id, "subscription": CHANNEL,
            "ext": {"replay": {CHANNEL: -1}}}]);
        let (_, body) = client.post("/cometd/61.0", &subscribe.to_string()).await;
        accepted(&body, "/meta/subscribe");
        assert_eq!(client.connect().await, []);
        client
    }

    /// Opens a connect that is held until there are events.
    pub(crate) async fn send_connect(&mut self) {
        let connect =
            json!([{"channel": "/meta/connect", "clientId": self.id, "connectionType": "long-polling"}]);
        self.send("POST", "/cometd/61.0", &connect.to_string()).await;
    }

    /// The events of the answer to a connect.
    pub(crate) async fn events(&mut self) -> Vec<Event> {
        let (_, body) = self.receive().await;
        let (events, _) = accepted(&body, "/meta/connect");
        events
    }

    pub(crate) async fn connect(&mut self) -> Vec<Event> {
        self.send_connect().await;
        self.events().await
    }

    /// Asks a control endpoint.
    pub(crate) async fn control(&mut self, method: &str, what: &str, body: &Value) -> Value {
        self.send(method, &format!("/_emulator/{what}"), &body.to_string()).await;
        serde_json::from_slice(&self.receive().await.1).unwrap()
    }

    async fn post(&mut self, path: &str, body: &str) -> (String, Vec<u8>) {
        self.send("POST", path, body).await;
        self.receive().await
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{}Content-Length: {length}\r\n\r\n", self.cookie);
        self.stream.write_all((head + body).as_bytes()).await.unwrap();
    }

    async fn receive(&mut self) -> (String, Vec<u8>) {
        timeout(LONG, self.read()).await.expect("an answer in time")
    }

    /// The head and the body of the next response, which has to be a 200.
    async fn read(&mut self) -> (String, Vec<u8>) {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more().await;
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        let length = length.parse().unwrap();
        while self.unread.len() < length {
            self.unread.reserve(length - self.unread.len());
            self.read_more().await;
        }
        let rest = self.unread.split_off(length);
        let body = std::mem::replace(&mut self.unread, rest);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}{}", String::from_utf8_lossy(&body));
        (head, body)
    }

    async fn read_more(&mut self) {
        let read = self.stream.read_buf(&mut self.unread).await.unwrap();
        assert!(read > 0, "the connection was closed");
    }
}

/// The events of a response, and the reply after them, which has to be a success of `channel`.
fn accepted<'a>(body: &'a [u8], channel: &str) -> (Vec<Event>, Message<'a>) {
    let mut messages: Vec<Message<'a>> = serde_json::from_slice(body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)));
    let reply = messages.pop().unwrap();
    assert!(reply.channel == channel && reply.successful == Some(true), "{}", String::from_utf8_lossy(body));
    (messages.iter().map(event).collect(), reply)
}

fn event(message: &Message<'_>) -> Event {
    assert_eq!(message.channel, CHANNEL);
    let data = message.data.as_ref().unwrap();
    Event { replay: data.event.replay, number: data.sobject.n }
}
