//! From the body of a response to meta replies and events.
//!
//! Constraints: each byte of a well-formed body is parsed once; one bad message costs itself alone; no
//! depth, number, spelling or order of fields is an error by itself; nothing panics. Plain events are found and proved
//! to be JSON by `scan`; whatever it does not take is read by `serde_json`, to the same result.
//!
//! Format: a JSON array of messages, or one message bare (Bayeux 1.0, "Message container").
//!
//! Operations: [`decode`]. A message of a channel under `/meta/` becomes a [`Meta`]; any other that has
//! `data` is an event and is only located, not copied. What cannot be read and whose end is known is set aside
//! with its bytes; where an end is not known, events may be missing, and the body is not whole.

use std::cell::OnceCell;
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::advice::{Advice, excerpt};
use super::extent::{clean_extent, extent, next_byte};
use super::flat::Flat;
use super::message::{Message, object, text_of};
use super::scan::{Found, Level, Scanner};
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
    /// What the events' places refer to: the body, or a copy where line breaks have been taken out of events.
    pub body: Bytes,
    /// The places of the events.
    pub events: BatchBuilder,
    /// Whether an event may have a `clientId` beside its data.
    pub names_session: bool,
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
    decode_by(body, Some(Level::best()))
}

/// What [`decode`] makes of a body: first without any scan, then by each that this machine can do.
#[cfg(any(test, feature = "fuzzing"))]
pub fn decode_each_way(body: &Bytes) -> Vec<Decoded> {
    let scans = Level::all().into_iter().map(Some);
    std::iter::once(None).chain(scans).map(|level| decode_by(body, level)).collect()
}

/// Reads a whole body by this way of scanning, or without any.
fn decode_by(body: &Bytes, level: Option<Level>) -> Decoded {
    let mut decoder = Decoder {
        body,
        scanner: level.map(|level| Scanner::new(body, level)),
        text: OnceCell::new(),
        flat: Flat::default(),
        out: Decoded { whole: true, ..Decoded::default() },
        odd: 0,
        looks: LOOKS_MAX,
    };
    decoder.container(body);
    decoder.finish()
}

struct Decoder<'b> {
    body: &'b Bytes,
    scanner: Option<Scanner<'b>>,
    /// The whole body as text, where it has been asked for and is text.
    text: OnceCell<Option<&'b str>>,
    flat: Flat,
    out: Decoded,
    /// Messages so far that are no events.
    odd: usize,
    /// How often the next readable event may still be looked for.
    looks: usize,
}

impl<'b> Decoder<'b> {
    fn container(&mut self, body: &'b [u8]) {
        let mut next = next_byte(body, 0);
        while let Some((start, first)) = next {
            let end = match first {
                b'[' => self.array(start + 1),
                b'{' => self.element(start),
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
    fn array(&mut self, mut at: usize) -> Option<usize> {
        while let Some((start, byte)) = next_byte(self.body, at) {
            at = match byte {
                b',' => start + 1,
                b']' => return Some(start + 1),
                _ if self.odd > ODD_MAX => {
                    self.cut("too many messages that are no events", start);
                    return None;
                }
                _ => self.element(start)?,
            };
        }
        self.cut("the array is cut short", at);
        None
    }

    /// Takes the element that starts at `start` and returns its end; `None` where there is no telling.
    fn element(&mut self, start: usize) -> Option<usize> {
        match self.scanner.as_mut().map_or(Found::Unproved, |scanner| scanner.message(start)) {
            Found::Event(event) => {
                self.out.names_session |= event.names_session;
                self.event(event.channel, start..event.end, event.replay, event.may_break);
                Some(event.end)
            }
            Found::Other(end) => self.whole_element(start, end).or_else(|| self.any_element(start)),
            Found::Unproved => self.any_element(start),
        }
    }

    /// Takes the element that is valid JSON from `start` to `end`, if it is a message.
    fn whole_element(&mut self, start: usize, end: usize) -> Option<usize> {
        let text = self.body.get(start..end).and_then(|text| std::str::from_utf8(text).ok())?;
        let (message, _) = parse_one(text).ok()?;
        self.message(&message, start, end);
        Some(end)
    }

    /// Takes any element; otherwise as [`Self::element`].
    fn any_element(&mut self, start: usize) -> Option<usize> {
        if let Some(scanner) = &mut self.scanner {
            scanner.lose();
        }
        let text = self.text_at(start);
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

    /// The text from `start` on, of the whole body where that is text.
    fn text_at(&self, start: usize) -> Option<&'b str> {
        if let Some(text) = self.text.get_or_init(|| std::str::from_utf8(self.body).ok()) {
            return text.get(start..);
        }
        // A slice that ends before the first bad byte of its own message is text; the rest is set aside.
        let rest = self.body.get(start..)?;
        let end = extent(rest).unwrap_or(rest.len());
        std::str::from_utf8(rest.get(..end)?).ok()
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
            Some(channel) if !channel.starts_with("/meta/") => self.other_event(&channel, start..end, None),
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
                self.other_event(&channel, start..end, message.replay);
            }
            // The acknowledgement of a publish.
            None => {}
        }
    }

    /// An event that was not scanned.
    fn other_event(&mut self, channel: &str, at: Range<usize>, replay: Option<ReplayId>) {
        self.out.names_session = true;
        self.event(channel, at, replay, true);
    }

    fn event(&mut self, channel: &str, at: Range<usize>, replay: Option<ReplayId>, may_break: bool) {
        let start = at.start;
        let at = self.flat.place(self.body, at, may_break);
        if self.out.events.push(channel, at.start, at.end, replay).is_err() {
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
        self.out.body = self.flat.finish(self.body);
        self.out
    }
}

/// Parses the one message that `text` begins with and tells its length.
pub(super) fn parse_one(text: &str) -> Result<(Message<'_>, usize), String> {
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

pub(super) fn meta(name: &str, message: &Message<'_>) -> Meta {
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

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "decode_each_way_tests.rs"]
mod each_way_tests;
