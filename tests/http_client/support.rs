//! A server made of a closure, and a client that talks to it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cometail::bayeux::border::Outcome;
use cometail::http::{Client, Config, Proxy, Request};
use cometail::secret::Secret;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What a server has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    closed: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Seen {
    /// A connection has been closed; [`Server::wait_closed`] waits for it.
    pub(crate) fn close(&self) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves each connection, numbered from 1, with `serve`.
    pub(crate) async fn start<F>(serve: impl Fn(TcpStream, usize, Arc<Seen>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(serve(stream, number, Arc::clone(&shared)));
            }
        });
        Self { port, seen, task }
    }

    /// Answers every request on every connection with the same bytes.
    pub(crate) async fn saying(response: impl Into<Vec<u8>>) -> Self {
        let response: Arc<[u8]> = response.into().into();
        Self::start(move |mut stream, _, seen| {
            let response = Arc::clone(&response);
            async move {
                while request(&mut stream, &seen).await.is_some() {
                    if stream.write_all(&response).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Reads one request, writes these bytes and closes.
    pub(crate) async fn closing_after(response: impl Into<Vec<u8>>) -> Self {
        let response: Arc<[u8]> = response.into().into();
        Self::start(move |mut stream, _, seen| {
            let response = Arc::clone(&response);
            async move {
                request(&mut stream, &seen).await;
                stream.write_all(&response).await.unwrap();
                drop(stream);
                seen.close();
            }
        })
        .await
    }

    /// Waits until so many connections have been closed.
    pub(crate) async fn wait_closed(&self, connections: usize) {
        let seen = &self.seen.closed;
        until("the connection is closed", || seen.load(Ordering::SeqCst) >= connections).await;
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Every request so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request; nothing at the end of the connection.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin), seen: &Seen) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(&text, "content-length").map_or(0, |length| length.parse().unwrap());
            assert!(!head.contains('\0'));
            if body.len() >= length {
                seen.requests.lock().unwrap().push(text.clone());
                return Some(text);
            }
        }
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return None,
        }
    }
}

/// The value of a header in a request.
pub(crate) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let head = request.split("\r\n\r\n").next().unwrap();
    let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A response with status 200.
pub(crate) fn ok(body: &str) -> String {
    with_headers("200 OK", "", body)
}

/// A response with more headers, each ended by `\r\n`.
pub(crate) fn with_headers(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// No proxy, short waits.
pub(crate) fn config() -> Config {
    Config { proxy: Proxy::Direct, connect_timeout: Duration::from_secs(5), ..Config::default() }
}

pub(crate) fn client() -> Client {
    Client::new(&config()).unwrap()
}

pub(crate) const TOKEN: &str = "Bearer 00Dx0000!hush-hush-token";

/// Posts `[]` with a token.
pub(crate) async fn post(client: &mut Client, url: &Url) -> Outcome {
    post_within(client, url, Duration::from_secs(20)).await
}

pub(crate) async fn post_within(client: &mut Client, url: &Url, deadline: Duration) -> Outcome {
    let token = Secret::new(TOKEN.to_owned());
    client.post(an_array(url, &token, deadline)).await
}

/// Posts `[]` with a token where only the status matters.
pub(crate) async fn post_for_status(client: &mut Client, url: &Url, deadline: Duration) -> Outcome {
    let token = Secret::new(TOKEN.to_owned());
    client.post_for_status(an_array(url, &token, deadline)).await
}

fn an_array<'a>(url: &'a Url, token: &'a Secret<String>, deadline: Duration) -> Request<'a> {
    Request {
        url,
        body: Bytes::from_static(b"[]"),
        content_type: "application/json",
        authorization: Some(token),
        headers: &[],
        deadline,
    }
}

/// Waits until `done`, for at most ten seconds.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
