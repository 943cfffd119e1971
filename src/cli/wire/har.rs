//! A capture as it stands in its file: HAR 1.2, of this program or of another.
//!
//! Constraints: the file is read as a stream, one entry at a time, up to a limit; of an entry only that stays which a
//! replay uses. What is wrong is told with the number of its entry, from 1.

use std::fmt;
use std::io::BufRead;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::bayeux::border::{Fault, FaultKind, Outcome, Reply};

/// The largest capture that is read, in bytes.
pub(super) const SIZE_MAX: u64 = 512 << 20;
/// The most entries of a capture.
pub(super) const ENTRIES_MAX: usize = 1_000_000;
/// The longest that an exchange may have taken.
const TOOK_MAX: Duration = Duration::from_hours(24);

/// One exchange, or messages of a socket.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place in the file, from 1.
    pub(super) number: usize,
    /// The connection's name, in a capture of this program.
    pub(super) connection: Option<String>,
    pub(super) method: String,
    /// Without its query.
    pub(super) url: String,
    pub(super) started: Timestamp,
    pub(super) took: Duration,
    pub(super) request: String,
    /// None where the client gave it up.
    pub(super) outcome: Option<Outcome>,
    /// Whether it is a message or the end of a socket.
    pub(super) is_socket: bool,
    /// Whether it asks for a socket.
    pub(super) is_upgrade: bool,
    pub(super) frames: Vec<Frame>,
}

/// A message of a socket.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) sent: bool,
    /// None where it has no usable one.
    pub(super) at: Option<Timestamp>,
    pub(super) text: String,
}

/// Why a capture cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a whole capture.
pub(super) fn read(mut file: impl BufRead) -> Result<Vec<Entry>, Unreadable> {
    let io = |error: std::io::Error| Unreadable(error.to_string());
    // Some tools begin their files with the mark of UTF-8.
    if file.fill_buf().map_err(io)?.starts_with(b"\xef\xbb\xbf") {
        file.consume(3);
    }
    let mut found = Found::default();
    let mut limited = file.take(SIZE_MAX);
    let mut reader = serde_json::Deserializer::from_reader(&mut limited);
    let read = Root(&mut found).deserialize(&mut reader).and_then(|()| reader.end());
    if limited.limit() == 0 {
        return Err(Unreadable(format!("it is larger than {} MiB", SIZE_MAX >> 20)));
    }
    if let Some(wrong) = found.wrong {
        return Err(wrong);
    }
    match read {
        Err(error) if found.is_inside => Err(at(found.entries.len() + 1, &error)),
        Err(error) => Err(Unreadable(format!("no HAR: {error}"))),
        Ok(()) if !found.has_entries => Err(Unreadable("no HAR: it has no log.entries".into())),
        Ok(()) => Ok(found.entries),
    }
}

fn at(number: usize, what: &impl fmt::Display) -> Unreadable {
    Unreadable(format!("entry {number}: {what}"))
}

/// What has been read so far.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    /// Whether an entry is being read.
    is_inside: bool,
    has_entries: bool,
    wrong: Option<Unreadable>,
}

/// The object of the file, the `log` in it, and the `entries` in that.
struct Root<'f>(&'f mut Found);
struct Log<'f>(&'f mut Found);
struct Entries<'f>(&'f mut Found);

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a log")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "log" {
                map.next_value_seed(Log(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Log<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Log<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log with entries")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "entries" {
                map.next_value_seed(Entries(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let found = self.0;
        found.has_entries = true;
        found.is_inside = true;
        while let Some(raw) = list.next_element::<RawEntry>()? {
            let number = found.entries.len() + 1;
            match raw.read(number) {
                _ if number > ENTRIES_MAX => {
                    found.wrong.get_or_insert(Unreadable(format!("more than {ENTRIES_MAX} entries")));
                }
                Ok(entry) if found.wrong.is_none() => found.entries.push(entry),
                Ok(_) => {}
                Err(what) => {
                    found.wrong.get_or_insert(at(number, &what));
                }
            }
        }
        found.is_inside = false;
        Ok(())
    }
}

#[derive(Deserialize)]
struct RawEntry {
    #[serde(rename = "startedDateTime")]
    started: String,
    #[serde(default)]
    time: Option<f64>,
    request: RawRequest,
    #[serde(default)]
    response: RawResponse,
    #[serde(default, rename = "_error")]
    error: Value,
    #[serde(default, rename = "_fault")]
    fault: Option<RawFault>,
    #[serde(default, rename = "_connection")]
    connection: Option<String>,
    #[serde(default, rename = "_resourceType")]
    resource: Value,
    #[serde(default, rename = "_webSocketMessages")]
    messages: Option<Vec<RawMessage>>,
}

#[derive(Deserialize)]
struct RawRequest {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<RawHeader>,
    #[serde(default, rename = "postData")]
    post: Option<RawText>,
}

#[derive(Default, Deserialize)]
struct RawText {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    encoding: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawResponse {
    #[serde(default)]
    status: Option<i64>,
    #[serde(default)]
    headers: Vec<RawHeader>,
    #[serde(default)]
    content: RawText,
    #[serde(default, rename = "_error")]
    error: Value,
}

#[derive(Deserialize)]
struct RawHeader {
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct RawFault {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    sent: bool,
}

#[derive(Deserialize)]
struct RawMessage {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    time: Option<f64>,
    #[serde(default)]
    data: String,
}

impl RawEntry {
    fn read(self, number: usize) -> Result<Entry, String> {
        let started: Timestamp =
            self.started.parse().map_err(|error| format!("startedDateTime {:?}: {error}", self.started))?;
        let millis = self.time.unwrap_or_default().max(0.0);
        let took = Duration::try_from_secs_f64(millis / 1000.0).map_or(TOOK_MAX, |took| took.min(TOOK_MAX));
        let is_socket = self.resource == "websocket" || self.messages.is_some();
        let outcome = self.outcome(started, took)?;
        let mut headers = self.request.headers.iter();
        let is_upgrade = headers.any(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"));
        let url = self.request.url.split(['?', '#']).next().unwrap_or_default().to_owned();
        Ok(Entry {
            number,
            connection: self.connection,
            method: self.request.method,
            url,
            started,
            took,
            request: self.request.post.and_then(|post| post.text).unwrap_or_default(),
            outcome,
            is_socket,
            is_upgrade,
            frames: self.messages.unwrap_or_default().into_iter().map(RawMessage::read).collect(),
        })
    }

    fn outcome(&self, started: Timestamp, took: Duration) -> Result<Option<Outcome>, String> {
        let response = &self.response;
        let error = [&self.error, &response.error].into_iter().find_map(Value::as_str);
        if let Some(fault) = &self.fault {
            let kind = FaultKind::ALL.into_iter().find(|kind| kind.name() == fault.kind);
            let detail = error.unwrap_or("no response").to_owned();
            return Ok(kind.map(|kind| Err(Fault { kind, sent: fault.sent, detail })));
        }
        let status = response.status.unwrap_or_default();
        match u16::try_from(status) {
            Ok(status @ 100..=999) => {
                let body = response.content.bytes().map_err(|error| format!("response.content: {error}"))?;
                let retry_after = retry_after(&response.headers, started, took);
                Ok(Some(Ok(Reply { status, retry_after, body })))
            }
            Ok(0) => {
                let detail = error.unwrap_or("no response was recorded").to_owned();
                Ok(Some(Err(Fault { kind: FaultKind::Broken, sent: true, detail })))
            }
            _ => Err(format!("response.status: {status} is no HTTP status")),
        }
    }
}

impl RawText {
    fn bytes(&self) -> Result<Bytes, String> {
        let text = self.text.as_deref().unwrap_or_default();
        match self.encoding.as_deref() {
            Some("base64") => {
                STANDARD.decode(text.trim()).map(Bytes::from).map_err(|error| error.to_string())
            }
            _ => Ok(Bytes::copy_from_slice(text.as_bytes())),
        }
    }
}

impl RawMessage {
    fn read(self) -> Frame {
        let at = self.time.and_then(|seconds| {
            let since = Duration::try_from_secs_f64(seconds).ok()?;
            Timestamp::from_duration(since.try_into().ok()?).ok()
        });
        Frame { sent: self.kind == "send", at, text: self.data }
    }
}

/// `Retry-After` as a wait, in seconds or as a date.
fn retry_after(headers: &[RawHeader], started: Timestamp, took: Duration) -> Option<Duration> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"))?;
    let text = header.value.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let date = Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()?;
    let wait = Duration::try_from(date.duration_since(started)).unwrap_or_default();
    Some(wait.saturating_sub(took))
}
