//! A receiver on a real socket, and sinks in front of it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use url::Url;

use super::super::{Config as SinkConfig, Ended, Handle, Kind, Supply, start};
use super::{Batch, Config, Format, Ordering, PARKED_MAX, http, retry};

/// A request as it came over the socket.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) body: String,
    pub(super) at: Instant,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

type Answer = dyn Fn(usize, &Seen) -> String + Send + Sync;

/// An HTTP server that keeps what it gets, with a thread for each connection.
pub(super) struct Receiver {
    pub(super) url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Receiver {
    /// One answer for each request, the last one for all that follow. An empty answer is none at all.
    pub(super) fn start(script: &'static [&'static str]) -> Self {
        Self::answering(move |place, _| script[place.min(script.len() - 1)].to_owned())
    }

    /// What `answer` says to a request, given how many there were before.
    pub(super) fn answering(answer: impl Fn(usize, &Seen) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/hook?key=hush", listener.local_addr().unwrap())).unwrap();
        let (seen, answer): (_, Arc<Answer>) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream.unwrap(), &*answer, &all));
            }
        });
        Self { url, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn bodies(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.body).collect()
    }
}

fn serve(stream: &TcpStream, answer: &Answer, all: &Mutex<Vec<Seen>>) {
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read_request(&mut reader) {
        let place = {
            let mut all = all.lock().unwrap();
            all.push(seen.clone());
            all.len() - 1
        };
        let (mut writer, answer) = (stream, answer(place, &seen));
        // At once: a second small segment would wait for an acknowledgement.
        let answer_bytes = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").into_bytes();
        if !answer.is_empty() && writer.write_all(&answer_bytes).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut seen = Seen { head, body: String::new(), at: Instant::now() };
    let length: u64 = seen.header("content-length").unwrap().parse().unwrap();
    reader.take(length).read_to_string(&mut seen.body).ok()?;
    Some(seen)
}

pub(super) fn config(url: &Url) -> Config {
    Config {
        url: url.clone(),
        headers: Vec::new(),
        keys: Vec::new(),
        batch: Batch::default(),
        batch_wait: Duration::ZERO,
        ordering: Ordering::Channel,
        concurrency: 1,
        timeout: Duration::from_secs(5),
        retry_for: None,
        retry: retry::Config { initial: Duration::from_millis(5), max: Duration::from_millis(20) },
        http: http::Config { proxy: http::Proxy::Direct, ..http::Config::default() },
        parked: None,
        parked_max: PARKED_MAX,
    }
}

pub(super) fn sink(format: Format, webhook: Config) -> SinkConfig {
    SinkConfig {
        name: Arc::from("orders"),
        channels: Vec::new(),
        format,
        queue: 1 << 20,
        gap_records: true,
        order: Vec::new(),
        kind: Kind::Webhook(Box::new(webhook)),
    }
}

pub(super) fn started(webhook: Config) -> Handle {
    start(sink(Format::Message, webhook), Supply::Memory).unwrap()
}

pub(super) async fn drained(handle: &Handle) {
    handle.close();
    let ended = tokio::time::timeout(Duration::from_secs(10), handle.ended()).await;
    assert_eq!(ended.expect("the sink did not end"), Ended::Drained);
}
