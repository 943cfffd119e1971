//! An HTTP client that does no more than the tests of the emulator need.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{LONG, X};

/// One answer.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Response {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One kept-alive connection and the session on it.
pub(super) struct Client {
    stream: TcpStream,
    pub(super) path: String,
    pub(super) headers: String,
    pub(super) id: Value,
}

impl Client {
    pub(super) async fn new(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream, path: path.to_owned(), headers: String::new(), id: Value::Null }
    }

    /// A client after handshake, subscribe with a replay position if there is one, and the first connect.
    pub(super) async fn subscribed(address: SocketAddr, path: &str, position: Option<i64>) -> Self {
        let mut client = Self::new(address, path).await;
        assert_eq!(client.handshake().await["successful"], true);
        let reply = client.subscribe(&json!(X), position.map_or(Value::Null, |id| json!({X: id}))).await;
        assert_eq!(reply["successful"], true, "{reply}");
        client
    }

    /// Another connection of the same session.
    pub(super) async fn twin(&self) -> Self {
        self.twin_at(self.stream.peer_addr().unwrap()).await
    }

    /// Another connection of the same session, where the first is cut.
    pub(super) async fn twin_at(&self, address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (path, headers, id) = (self.path.clone(), self.headers.clone(), self.id.clone());
        Self { stream, path, headers, id }
    }

    pub(super) async fn send(&mut self, method: &str, path: &str, body: &str) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n",
            body.len(),
            self.headers
        );
        self.stream.write_all((head + body).as_bytes()).await.unwrap();
    }

    pub(super) async fn receive(&mut self) -> Option<Response> {
        timeout(LONG, self.read()).await.expect("a response in time")
    }

    /// Everything until the server closes the connection.
    pub(super) async fn drain(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A connection that is cut may end in an error.
        let _ = timeout(LONG, self.stream.read_to_end(&mut bytes)).await.expect("an end in time");
        bytes
    }

    async fn read(&mut self) -> Option<Response> {
        let mut bytes = Vec::new();
        loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(bytes[..at].to_vec()).unwrap().to_lowercase();
                // A response without a body has no length.
                let length =
                    head.split("content-length: ").nth(1).map_or("0", |rest| rest.lines().next().unwrap());
                if bytes.len() >= at + 4 + length.parse::<usize>().unwrap() {
                    let body = String::from_utf8(bytes[at + 4..].to_vec()).unwrap();
                    return Some(Response { status: head[9..12].parse().unwrap(), head, body });
                }
            }
            if self.stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
    }

    pub(super) async fn request(&mut self, method: &str, path: &str, body: &str) -> Response {
        self.send(method, path, body).await;
        self.receive().await.expect("a response")
    }

    pub(super) async fn post(&mut self, messages: &Value) -> Response {
        self.request("POST", &self.path.clone(), &messages.to_string()).await
    }

    /// Sends one message and gives the one reply to it.
    pub(super) async fn tell(&mut self, message: &Value) -> Value {
        let replies = self.post(&json!([message])).await.json();
        assert_eq!(replies.as_array().unwrap().len(), 1, "{replies}");
        replies[0].clone()
    }

    pub(super) async fn handshake(&mut self) -> Value {
        self.handshake_with(json!({"replay": true})).await
    }

    /// With these extensions.
    pub(super) async fn handshake_with(&mut self, ext: Value) -> Value {
        let message = json!({"channel": "/meta/handshake", "version": "1.0", "id": "1",
            "supportedConnectionTypes": ["long-polling"], "ext": ext});
        let response = self.post(&json!([message])).await;
        if let Some(cookie) = response.head.split("set-cookie: ").nth(1) {
            let cookie = cookie.split(';').next().unwrap().replace("bayeux_browser", "BAYEUX_BROWSER");
            self.headers.push_str(&["Cookie: ", &cookie, "\r\n"].concat());
        }
        let reply = response.json()[0].clone();
        self.id = reply["clientId"].clone();
        reply
    }

    pub(super) async fn subscribe(&mut self, channels: &Value, replay: Value) -> Value {
        let message = json!({"channel": "/meta/subscribe", "clientId": self.id, "id": "s",
            "subscription": channels, "ext": {"replay": replay}});
        self.tell(&message).await
    }

    pub(super) fn connect_message(&self) -> Value {
        json!({"channel": "/meta/connect", "clientId": self.id, "connectionType": "long-polling", "id": "c"})
    }

    /// Connects; the events and the reply.
    pub(super) async fn connect(&mut self) -> (Vec<Value>, Value) {
        let mut replies = self.post(&json!([self.connect_message()])).await.json();
        let replies = replies.as_array_mut().unwrap();
        let reply = replies.pop().unwrap();
        (std::mem::take(replies), reply)
    }

    pub(super) async fn send_connect(&mut self) {
        let body = json!([self.connect_message()]).to_string();
        self.send("POST", &self.path.clone(), &body).await;
    }
}
