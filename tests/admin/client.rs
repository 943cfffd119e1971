//! An HTTP client that says what it is told to.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;

use super::support::LONG;

/// A socket.
pub(crate) trait Socket: Read + Write + Send {}
impl<S: Read + Write + Send> Socket for S {}

/// Where requests go.
#[derive(Clone)]
pub(crate) enum Client {
    Tcp(String),
    Unix(PathBuf),
}

/// An answer: status, head in lower case, and body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// One event of a stream.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// A stream.
pub(crate) struct Events(BufReader<Box<dyn Socket>>);

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        Self::Tcp(address.to_owned())
    }

    /// What its requests name as their host.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Tcp(address) => address,
            Self::Unix(_) => "localhost",
        }
    }

    pub(crate) fn open(&self) -> Box<dyn Socket> {
        match self {
            Self::Tcp(address) => {
                let socket = TcpStream::connect(address).unwrap();
                socket.set_read_timeout(Some(LONG)).unwrap();
                Box::new(socket)
            }
            Self::Unix(path) => {
                let socket = UnixStream::connect(path).unwrap();
                socket.set_read_timeout(Some(LONG)).unwrap();
                Box::new(socket)
            }
        }
    }

    /// What a server says to these bytes, up to its end.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut socket = self.open();
        // It may refuse before it has read all.
        drop(socket.write_all(request));
        let (mut bytes, mut buffer, deadline) = (Vec::new(), vec![0; 1 << 16], Instant::now() + LONG);
        while let Ok(read @ 1..) = socket.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..read]);
            assert!(Instant::now() < deadline, "no end within {LONG:?}");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut headers = headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "Host") {
            headers.push(("Host", self.host()));
        }
        headers.push(("Connection", "close"));
        Reply::read(&self.raw(render(method, path, &headers, body).as_bytes()))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Reply {
        self.ask("POST", path, &[JSON], body)
    }

    pub(crate) fn status(&self) -> Value {
        self.get("/api/v1/status").json()
    }

    /// A stream, past its head.
    pub(crate) fn events(&self, query: &str) -> Events {
        self.try_events(query).unwrap_or_else(|head| panic!("{head}"))
    }

    /// A stream, or the head of what came instead.
    pub(crate) fn try_events(&self, query: &str) -> Result<Events, String> {
        let mut socket = self.open();
        // Of this version no chunks: their lengths would stand between the pieces of an event.
        let request = format!("GET /api/v1/events{query} HTTP/1.0\r\nHost: {}\r\n\r\n", self.host());
        socket.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        let is_stream = head.starts_with("HTTP/1.0 200") && head.contains("content-type: text/event-stream");
        if is_stream { Ok(Events(reader)) } else { Err(head) }
    }
}

fn render(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

impl Reply {
    pub(crate) fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// What a refusal says.
    pub(crate) fn error(&self) -> String {
        let json = self.json();
        let problems: Vec<_> =
            json["problems"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        format!("{}: {}", json["error"].as_str().unwrap(), problems.join("; "))
    }
}

impl Events {
    /// The next event, past comments and whatever belongs to the transfer.
    pub(crate) fn next(&mut self) -> Event {
        let (mut name, mut data) = (None, None);
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream has ended");
            if let Some(text) = line.strip_prefix("event: ") {
                name = Some(text.trim_end().to_owned());
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(text.trim_end_matches('\n').to_owned());
            }
            if let (Some(name), Some(data)) = (&name, &data) {
                return Event { name: name.clone(), data: data.clone() };
            }
        }
    }

    /// The data of the next event of this name.
    pub(crate) fn next_of(&mut self, wanted: &str) -> Value {
        let data = self.text_of(wanted);
        serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"))
    }

    /// The data of the next event of this name, as it came.
    pub(crate) fn text_of(&mut self, wanted: &str) -> String {
        let deadline = Instant::now() + LONG;
        loop {
            assert!(Instant::now() < deadline, "no {wanted} within {LONG:?}");
            let Event { name, data } = self.next();
            if name == wanted {
                return data;
            }
        }
    }
}
