//! What takes the place of an answer: a body, a status, or bytes and a cut, made of what the server would have said.

use std::io::{self, Write as _};
use std::net::TcpStream;

use serde_json::Value;

/// What becomes of a connection after an act.
pub(crate) enum After {
    Keep,
    Close,
    /// The peer is sent a reset instead of an orderly end.
    Reset,
}

/// What a request meets in the place of its answer.
pub(crate) type Act = Box<dyn FnOnce(&mut TcpStream, &Answer) -> After + Send>;

/// What the server would have answered; the events are handed out with it, whatever becomes of them.
pub(crate) struct Answer {
    /// The id of the request's first message.
    pub(crate) id: String,
    /// The reply to the request, without the brackets.
    pub(crate) reply: String,
    /// Events of the session that have not been handed out before.
    pub(crate) events: Vec<Vec<u8>>,
}

impl Answer {
    /// The events, then the reply: how it should be.
    pub(crate) fn body(&self) -> Vec<u8> {
        list(self.events.iter().map(Vec::as_slice).chain([self.reply.as_bytes()]))
    }

    /// The events and this in the place of the reply.
    pub(crate) fn with(&self, other: impl AsRef<[u8]>) -> Vec<u8> {
        list(self.events.iter().map(Vec::as_slice).chain([other.as_ref()]))
    }

    /// The reply with these fields over its own.
    pub(crate) fn reply_with(&self, fields: &Value) -> String {
        let mut reply: Value = serde_json::from_str(&self.reply).unwrap();
        for (name, value) in fields.as_object().unwrap() {
            reply[name] = value.clone();
        }
        reply.to_string()
    }
}

/// A JSON array of these texts.
pub(crate) fn list<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Vec<u8> {
    let mut text = vec![b'['];
    for part in parts {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(part.as_ref());
    }
    text.push(b']');
    text
}

/// A message that is no event of the log.
pub(crate) fn event(channel: &str, n: u64, replay: Option<&str>) -> String {
    let replay = replay.map_or(String::new(), |id| format!(r#","replayId":{id}"#));
    let created = r#""createdDate":"2016-03-29T16:40:08.208Z""#;
    format!(r#"{{"channel":"{channel}","data":{{"event":{{{created}{replay}}},"sobject":{{"n":{n}}}}}}}"#)
}

/// A whole response.
pub(crate) fn response(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Writes a whole response.
pub(crate) fn respond(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> io::Result<()> {
    stream.write_all(&response(status, headers, body))
}

/// A body in the place of the one that should be.
pub(crate) fn body<B: Into<Vec<u8>>>(make: impl FnOnce(&Answer) -> B + Send + 'static) -> Act {
    Box::new(move |stream, answer| {
        // A client that has gone is what some tests are about.
        drop(respond(stream, 200, "Content-Type: application/json\r\n", &make(answer).into()));
        After::Keep
    })
}

/// A status, headers (each with its line end) and a body, whatever was asked.
pub(crate) fn status(status: u16, headers: impl Into<String>, body: impl Into<Vec<u8>>) -> Act {
    let (headers, body) = (headers.into(), body.into());
    Box::new(move |stream, _| {
        drop(respond(stream, status, &headers, &body));
        After::Keep
    })
}

/// The bytes of a response from its first to its last, then this.
pub(crate) fn bytes(make: impl FnOnce(&Answer) -> Vec<u8> + Send + 'static, after: After) -> Act {
    Box::new(move |stream, answer| {
        drop(stream.write_all(&make(answer)));
        after
    })
}
