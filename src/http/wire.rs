//! A capture of every request and response, in the HAR 1.2 format that browsers and proxy tools open.
//!
//! Constraints: the file is readable by its owner alone, secrets are hidden before anything is written, the file is a
//! complete HAR after every entry, and it ends at a size limit. It is written in the task of the exchange, for
//! finding faults: a slow disk slows the exchanges.
//!
//! Format: one entry a line; the closing brackets are overwritten by the next entry. An exchange without a whole
//! response has status 0 and its fault in `_error`. Each message of a socket has an entry, that of the request which
//! opened the socket, with the message in `_webSocketMessages`.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use hyper::http::response::Parts;
use serde_json::{Value, json};
use url::Url;

use super::link::Call;
use super::redact;

const HEAD: &str = concat!(
    "{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"cometail\",\"version\":\"",
    env!("CARGO_PKG_VERSION"),
    "\"},\"entries\":[\n"
);
const TAIL: &str = "\n]}}\n";

/// A capture file, shared by all that is captured in it.
pub struct Wire(Mutex<Capture>);

struct Capture {
    file: File,
    /// Where the next entry begins: before the closing brackets.
    end: u64,
    max: u64,
    empty: bool,
    stopped: bool,
}

/// A request under way.
pub(super) struct Draft {
    started: SystemTime,
    clock: Instant,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl Draft {
    pub(super) fn new(url: &Url, call: &Call, body: Bytes) -> Self {
        let (method, headers) = (call.method().clone(), call.headers().clone());
        Self { started: SystemTime::now(), clock: Instant::now(), method, url: url.clone(), headers, body }
    }
}

impl Wire {
    /// The limit of a capture, in bytes, unless another is given.
    pub const MAX: u64 = 256 << 20;

    /// A new capture in `path`, mode 0600; what was in the file is gone.
    ///
    /// # Errors
    /// `path` cannot be written or is no regular file.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::with_max(path, Self::MAX)
    }

    /// Like [`Wire::create`]; the file takes no entry that would make it longer than `max` bytes.
    ///
    /// # Errors
    /// As [`Wire::create`].
    pub fn with_max(path: &Path, max: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a capture wants a regular file"));
        }
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        file.set_len(0)?;
        let mut capture = Capture { file, end: 0, max, empty: true, stopped: false };
        capture.append(HEAD, TAIL)?;
        Ok(Self(Mutex::new(capture)))
    }

    /// Adds what became of `draft`. A capture that cannot be written stops and says so in the log, once.
    pub(super) fn record(&self, draft: &Draft, response: Result<(&Parts, &Bytes), &str>) {
        let mut entry = entry(draft, response);
        redact::Secrets::of(&draft.headers, response.ok().map(|(head, _)| &head.headers)).hide_in(&mut entry);
        self.lock().record(&entry.to_string());
    }

    /// Adds a message of the socket that `draft` opened: an entry of its own, for the file cannot wait for the last
    /// one to be complete.
    pub(super) fn record_message(&self, draft: &Draft, head: &Parts, sent: bool, text: &Bytes) {
        let mut entry = entry(draft, Ok((head, &Bytes::new())));
        if let Value::Object(fields) = &mut entry {
            let now = jiff::Timestamp::now().as_duration().as_secs_f64();
            let message = json!({
                "type": if sent { "send" } else { "receive" },
                "time": now,
                "opcode": 1,
                "data": redact::body(text, "application/json"),
            });
            fields.insert("_resourceType".into(), "websocket".into());
            fields.insert("_webSocketMessages".into(), json!([message]));
        }
        redact::Secrets::of(&draft.headers, Some(&head.headers)).hide_in(&mut entry);
        self.lock().record(&entry.to_string());
    }

    fn lock(&self) -> MutexGuard<'_, Capture> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Capture {
    fn record(&mut self, entry: &str) {
        if self.stopped {
            return;
        }
        let separator = if self.empty { "" } else { ",\n" };
        let size = u64::try_from(separator.len() + entry.len() + TAIL.len()).unwrap_or(u64::MAX);
        if self.end.saturating_add(size) > self.max {
            self.stop();
            return;
        }
        match self.append(&format!("{separator}{entry}"), TAIL) {
            Ok(()) => self.empty = false,
            Err(error) => {
                self.stopped = true;
                tracing::warn!(%error, "the capture cannot be written; it stops here");
                self.close();
            }
        }
    }

    /// The limit is reached: the file says so, and the log.
    fn stop(&mut self) {
        self.stopped = true;
        tracing::warn!(max_bytes = self.max, "the capture has reached its size limit and stops");
        let tail =
            format!("\n],\"comment\":\"the capture stopped here, at its limit of {} bytes\"}}}}\n", self.max);
        if self.append("", &tail).is_err() {
            self.close();
        }
    }

    fn append(&mut self, text: &str, tail: &str) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(format!("{text}{tail}").as_bytes())?;
        self.end = self.end.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Takes back what a failed write left, as far as the disk allows.
    fn close(&mut self) {
        let end = self.end.saturating_add(u64::try_from(TAIL.len()).unwrap_or_default());
        let closed = self.append("", TAIL).and_then(|()| self.file.set_len(end));
        if let Err(error) = closed {
            tracing::warn!(%error, "the capture's end could not be written; the file is no whole HAR");
        }
    }
}

fn entry(draft: &Draft, response: Result<(&Parts, &Bytes), &str>) -> Value {
    let elapsed = draft.clock.elapsed().as_secs_f64() * 1000.0;
    let started = jiff::Timestamp::try_from(draft.started).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let url = redact::url(&draft.url);
    let query: Vec<_> =
        url.query_pairs().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let mut entry = json!({
        "startedDateTime": started.to_string(),
        "time": elapsed,
        "request": {
            "method": draft.method.as_str(),
            "url": url.as_str(),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": headers(&draft.headers),
            "queryString": query,
            "headersSize": -1,
            "bodySize": draft.body.len(),
        },
        "cache": {},
        "timings": {"send": 0, "wait": elapsed, "receive": 0},
    });
    let (response, error) = match response {
        Ok((head, body)) => (response_of(head, body), None),
        Err(error) => (no_response(), Some(error)),
    };
    if let Some(Value::Object(request)) = entry.get_mut("request").filter(|_| !draft.body.is_empty()) {
        let mime = mime(&draft.headers);
        let post = json!({"mimeType": mime, "params": [], "text": redact::body(&draft.body, &mime)});
        request.insert("postData".into(), post);
    }
    if let Value::Object(fields) = &mut entry {
        fields.insert("response".into(), response);
        fields.extend(error.map(|error| ("_error".into(), error.into())));
    }
    entry
}

fn response_of(head: &Parts, body: &Bytes) -> Value {
    let mime = mime(&head.headers);
    let location = head.headers.get(LOCATION).map(|value| redact::header(&LOCATION, value));
    json!({
        "status": head.status.as_u16(),
        "statusText": head.status.canonical_reason().unwrap_or_default(),
        "httpVersion": format!("{:?}", head.version),
        "cookies": [],
        "headers": headers(&head.headers),
        "content": {"size": body.len(), "mimeType": mime, "text": redact::body(body, &mime)},
        "redirectURL": location.unwrap_or_default(),
        "headersSize": -1,
        "bodySize": -1,
    })
}

fn no_response() -> Value {
    json!({
        "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [],
        "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": -1, "bodySize": -1,
    })
}

fn headers(headers: &HeaderMap) -> Vec<Value> {
    let shown = headers.iter();
    shown.map(|(name, value)| json!({"name": name.as_str(), "value": redact::header(name, value)})).collect()
}

fn mime(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.unwrap_or_else(|| "x-unknown".into())
}
