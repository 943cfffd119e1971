//! From the body of a response to meta replies and events.
//!
//! Constraints: each byte of a well-formed body is parsed once; one bad message costs itself alone; no
//! depth, number, spelling or order of fields is an error by itself; nothing panics.
//!
//! Format: a JSON array of messages, or one message bare (Bayeux 1.0, "Message container").
//!
//! Operations: [`decode`]. A message of a channel under `/meta/` becomes a [`Meta`]; any other that has
//! `data` is an event and is only located, not copied. What cannot be read and whose end is known is set aside
//! with its bytes; where an end is not known, events may be missing, and the body is not whole.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::advice::{Advice, excerpt};
use super::message::{Message, object, text_of};
use crate::event::{BatchBuilder, ReplayId};

/// The most messages of one body that may be bad, or of the protocol itself; what follows them is not looked at.
const ODD_MAX: usize = 10_000;

/// The longest name of a session, in bytes: it stands in every request, and those are bounded.
const CLIENT_ID_MAX: usize = 1024;

/// The most places of one body that are looked at for an event behind a message without an end.
const LOOKS_MAX: usize = 256;

/// The most messages that are set aside with their reason from one body; more are only counted.
const BAD_MAX: usize = 8;

/// What stood in one body.
#[derive(Debug, Default)]
pub struct Decoded {
    /// What the events' places refer to: the body, or a copy without the line breaks it had.
    pub body: Bytes,
    /// The places of the events.
    pub events: BatchBuilder,
    /// The protocol's own replies.
    pub metas: Vec<Meta>,
    /// Whether no event can be missing: all there is was read or set aside, to its end.
    pub whole: bool,
    /// What was not understood, with the reason; at most eight.
    pub bad: Vec<Bad>,
    /// How much was not understood.
    pub bad_count: usize,
}

/// A message that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Why, for a person.
    pub reason: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// The event that it seems to be, where that much can be read of it.
    pub event: Option<(String, ReplayId)>,
}

/// The protocol's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/meta/handshake`
    Handshake,
    /// `/meta/connect`
    Connect,
    /// `/meta/subscribe`
    Subscribe,
    /// `/meta/unsubscribe`
    Unsubscribe,
    /// `/meta/disconnect`
    Disconnect,
    /// Any other, of an extension or a later protocol.
    Unknown,
}

/// A reply on one of the protocol's channels; absent and unusable fields are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// What it replies to.
    pub kind: Kind,
    /// The id of the request, a string or a number on the wire.
    pub id: Option<String>,
    /// Whether the request succeeded.
    pub successful: Option<bool>,
    /// The session.
    pub client_id: Option<String>,
    /// The channels that a subscribe reply speaks of.
    pub subscriptions: Vec<String>,
    /// `CODE:ARGS:TEXT`.
    pub error: Option<String>,
    /// `ext.sfdc.failureReason`.
    pub failure_reason: Option<String>,
    /// Whether `ext.replay` was confirmed.
    pub replay: bool,
    /// Whether `supportedConnectionTypes` has `websocket`.
    pub websocket: bool,
    /// `ext.ack`: the number of a response, -1 where the extension is merely confirmed.
    pub ack: Option<i64>,
    /// What to do next.
    pub advice: Option<Advice>,
}

/// Reads a whole body.
pub fn decode(body: &Bytes) -> Decoded {
    let mut decoder = Decoder {
        body,
        flat: memchr::memchr2(b'\n', b'\r', body).map(|_| Vec::with_capacity(body.len())),
        out: Decoded { whole: true, ..Decoded::default() },
        odd: 0,
        looks: LOOKS_MAX,
    };
    match std::str::from_utf8(body) {
        Ok(text) => decoder.container(body, |at| text.get(at..)),
        // A slice that ends before the first bad byte of its own message is text; the rest is set aside.
        Err(_) => decoder.container(body, |at| {
            let rest = body.get(at..)?;
            let end = extent(rest).unwrap_or(rest.len());
            std::str::from_utf8(rest.get(..end)?).ok()
        }),
    }
    decoder.finish()
}

struct Decoder<'b> {
    body: &'b Bytes,
    /// The events without their line breaks, where the body has any.
    flat: Option<Vec<u8>>,
    out: Decoded,
    /// Messages so far that are no events.
    odd: usize,
    /// How often the next readable event may still be looked for.
    looks: usize,
}

impl<'b> Decoder<'b> {
    fn container(&mut self, body: &'b [u8], text_at: impl Fn(usize) -> Option<&'b str>) {
        let mut next = next_byte(body, 0);
        while let Some((start, first)) = next {
            let end = match first {
                b'[' => self.array(start + 1, &text_at),
                b'{' => self.element(start, text_at(start)),
                _ => return self.cut("no message and no array of messages", start),
            };
            let Some(end) = end else {
                return;
            };
            next = next_byte(body, end);
            match next {
                // An array is complete without what stands behind it.
                Some((at, byte)) if !matches!(byte, b'[' | b'{') => {
                    return self.set_aside("bytes after the end of the messages", at, body.len());
                }
                Some((at, _)) => self.set_aside("bytes after the end of the messages, more messages", at, at),
                None => {}
            }
        }
    }

    /// The messages of an array up to its end, which is given back where there is one.
    fn array(&mut self, mut at: usize, text_at: &impl Fn(usize) -> Option<&'b str>) -> Option<usize> {
        while let Some((start, byte)) = next_byte(self.body, at) {
            at = match byte {
                b',' => start + 1,
                b']' => return Some(start + 1),
                _ if self.odd > ODD_MAX => {
                    self.cut("too many messages that are no events", start);
                    return None;
                }
                _ => self.element(start, text_at(start))?,
            };
        }
        self.cut("the array is cut short", at);
        None
    }

    /// Takes the element that starts at `start` and returns its end; `None` where there is no telling.
    fn element(&mut self, start: usize, text: Option<&'b str>) -> Option<usize> {
        let parsed = text.map(parse_one);
        if let Some(Ok((message, len))) = parsed {
            self.message(&message, start, start + len);
            return Some(start + len);
        }
        let rest = self.body.get(start..).unwrap_or_default();
        let reason = parsed.and_then(Result::err);
        let Some(len) = clean_extent(rest).or_else(|| self.next_event(rest)) else {
            self.cut(reason.as_deref().unwrap_or("not UTF-8"), start);
            return None;
        };
        match (reason, text) {
            (Some(reason), Some(text)) => self.odd_element(text, &reason, start, start + len),
            _ => self.set_aside("not UTF-8", start, start + len),
        }
        Some(start + len)
    }

    /// Where the next event begins that can be read, after a message of which the end cannot be told.
    fn next_event(&mut self, rest: &[u8]) -> Option<usize> {
        let begins = memchr::memchr_iter(b'{', rest).skip(1);
        let after_comma = begins.filter(|at| {
            let before = rest.get(..*at).unwrap_or_default().trim_ascii_end();
            before.strip_suffix(b",").is_some_and(|before| before.trim_ascii_end().ends_with(b"}"))
        });
        let begins: Vec<_> = after_comma.take(LOOKS_MAX).collect();
        begins.into_iter().find(|at| {
            self.looks > 0 && {
                self.looks -= 1;
                let rest = rest.get(*at..).unwrap_or_default();
                let end = extent(rest).unwrap_or(rest.len());
                let text = rest.get(..end).and_then(|text| std::str::from_utf8(text).ok());
                text.map(parse_one).is_some_and(|parsed| {
                    parsed.is_ok_and(|(message, _)| {
                        message.data
                            && message.channel.and_then(text_of).is_some_and(|name| name.starts_with('/'))
                    })
                })
            }
        })
    }

    /// A message that is valid JSON but not of the expected shape may still be an event.
    fn odd_element(&mut self, text: &'b str, reason: &str, start: usize, end: usize) {
        let fields = text.get(..end - start).and_then(object);
        let channel = fields.as_ref().and_then(|fields| text_of(fields.get("channel")?));
        match channel {
            Some(channel) if !channel.starts_with("/meta/") => self.event(&channel, start, end, None),
            _ => self.set_aside(reason, start, end),
        }
    }

    fn message(&mut self, message: &Message<'b>, start: usize, end: usize) {
        let Some(channel) = message.channel.and_then(text_of) else {
            return self.set_aside("no channel", start, end);
        };
        match channel.strip_prefix("/meta/") {
            Some(name) => {
                self.odd += 1;
                self.out.metas.push(meta(name, message));
            }
            None if message.data || message.successful.is_none() => {
                self.event(&channel, start, end, message.replay);
            }
            // The acknowledgement of a publish.
            None => {}
        }
    }

    fn event(&mut self, channel: &str, start: usize, end: usize, replay: Option<ReplayId>) {
        let (mut from, mut to) = (start, end);
        if let (Some(flat), Some(bytes)) = (&mut self.flat, self.body.get(start..end)) {
            from = flat.len();
            flat.extend(bytes.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
            to = flat.len();
        }
        if self.out.events.push(channel, from, to, replay).is_err() {
            self.cut("beyond the 4 GiB that a body can have", start);
        }
    }

    /// The rest cannot be read, and events may stand in it.
    fn cut(&mut self, reason: &str, start: usize) {
        self.out.whole = false;
        self.set_aside(reason, start, self.body.len());
    }

    fn set_aside(&mut self, reason: &str, start: usize, end: usize) {
        self.odd += 1;
        self.out.bad_count += 1;
        if self.out.bad.len() < BAD_MAX {
            let bytes = self.body.slice(start.min(end)..end);
            let event = event_of(&bytes);
            self.out.bad.push(Bad { reason: excerpt(reason), bytes, event });
        }
    }

    fn finish(mut self) -> Decoded {
        self.out.body = self.flat.map_or_else(|| self.body.clone(), Bytes::from);
        self.out
    }
}

/// Parses the one message that `text` begins with and tells its length.
fn parse_one(text: &str) -> Result<(Message<'_>, usize), String> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Message<'_>>();
    match stream.next() {
        Some(Ok(message)) => Ok((message, stream.byte_offset())),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(String::from("nothing there")),
    }
}

/// The channel and replay id of an event that is no UTF-8, or has a channel of no text.
fn event_of(bytes: &Bytes) -> Option<(String, ReplayId)> {
    let text = String::from_utf8_lossy(bytes);
    let (message, _) = parse_one(&text).ok()?;
    Some((message.channel.and_then(text_of)?.into_owned(), message.replay?))
}

fn meta(name: &str, message: &Message<'_>) -> Meta {
    let kind = match name {
        "handshake" => Kind::Handshake,
        "connect" => Kind::Connect,
        "subscribe" => Kind::Subscribe,
        "unsubscribe" => Kind::Unsubscribe,
        "disconnect" => Kind::Disconnect,
        _ => Kind::Unknown,
    };
    let text = |raw: Option<&RawValue>| raw.and_then(text_of).map(std::borrow::Cow::into_owned);
    let ext = message.ext.map(|raw| super::message::Ext::parse(raw.get())).unwrap_or_default();
    Meta {
        kind,
        id: message.id.map(|raw| text(Some(raw)).unwrap_or_else(|| excerpt(raw.get()))),
        successful: message.successful.and_then(|raw| raw.get().trim_matches('"').parse().ok()),
        client_id: text(message.client_id).filter(|id| (1..=CLIENT_ID_MAX).contains(&id.len())),
        subscriptions: message.subscription.map(super::message::texts_of).unwrap_or_default(),
        error: text(message.error),
        failure_reason: ext.failure_reason,
        replay: ext.replay,
        websocket: message
            .connection_types
            .is_some_and(|raw| super::message::texts_of(raw).iter().any(|name| name == "websocket")),
        ack: ext.ack,
        advice: message.advice.map(|raw| Advice::parse(raw.get())),
    }
}

/// The next byte that is not white space, with its place.
fn next_byte(body: &[u8], from: usize) -> Option<(usize, u8)> {
    let rest = body.get(from..)?;
    let skipped = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
    Some((from + skipped, *rest.get(skipped)?))
}

/// Where the value that `rest` begins with ends, by strings and brackets alone; `None` where it does not.
fn extent(rest: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return Some(at),
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The extent of a value behind which an array goes on or ends.
fn clean_extent(rest: &[u8]) -> Option<usize> {
    let end = extent(rest).filter(|end| *end > 0)?;
    let closed = match (rest.first(), rest.get(end - 1)) {
        (Some(b'{'), last) => last == Some(&b'}'),
        (Some(b'['), last) => last == Some(&b']'),
        _ => true,
    };
    if !closed {
        return None;
    }
    matches!(next_byte(rest, end), None | Some((_, b',' | b']'))).then_some(end)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
