//! An org made of a closure.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// The headers as they came.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    /// A header's value; the name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    }

    pub(crate) fn json(&self) -> Value {
        crate::support::json(&self.body)
    }

    /// The body as JSON; `null` where there is none.
    pub(crate) fn json_or_null(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The query in SOQL, if it is one.
    pub(crate) fn soql(&self) -> Option<String> {
        let query = self.path.split_once("/query?")?.1;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == "q").map(|(_, value)| value.into_owned())
    }

    /// Method and path, as a test compares them.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What is answered.
pub(crate) enum Said {
    /// A status, further header lines (each with its line end) and a body.
    Status(u16, String, String),
    /// Nothing, on a connection that stays open.
    Nothing,
    /// Nothing, on a connection that is closed.
    Close,
}

/// A JSON body with status 200.
pub(crate) fn ok(body: &Value) -> Said {
    status(200, &body.to_string())
}

/// A JSON body.
pub(crate) fn status(status: u16, body: &str) -> Said {
    Said::Status(status, "Content-Type: application/json;charset=UTF-8\r\n".into(), body.into())
}

/// An error as the REST API writes it.
pub(crate) fn error(number: u16, code: &str, message: &str) -> Said {
    status(number, &serde_json::json!([{"message": message, "errorCode": code, "fields": []}]).to_string())
}

type Script = dyn Fn(&Asked) -> Said + Send + Sync;

/// A server whose threads end with the test's process.
pub(crate) struct Org {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Org {
    pub(crate) fn start(script: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, kept): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&kept));
                std::thread::spawn(move || serve(&stream, &seen, &*script));
            }
        });
        Self { url, seen }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }

    /// Method and path of every request so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Asked::line).collect()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Asked>>, script: &Script) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut held = Vec::new();
    loop {
        let asked = read(&mut reader)?;
        seen.lock().unwrap().push(asked.clone());
        match script(&asked) {
            Said::Close => return stream.shutdown(std::net::Shutdown::Both).ok(),
            Said::Nothing => held.push(stream.try_clone().ok()?),
            Said::Status(status, headers, body) => {
                let length = body.len();
                let text = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
                (&*stream).write_all(text.as_bytes()).ok()?;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let (line, head) = head.split_once("\r\n").unwrap();
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.into(), words.next()?.into());
    let mut asked = Asked { method, path, head: head.into(), body: String::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}
