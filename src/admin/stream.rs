//! `/api/v1/events`: server-sent events.
//!
//! * `message` and `gap`: an event or the record of a gap, `{"connection", "channel", "replay", "received", "message"}`.
//! * `status`: what `/api/v1/status` tells; when something changed, and at least every ten seconds.
//! * `dropped`: `{"events": N}`, when the reader was slower than the events; N counts those of all channels.
//! * A comment every 15 s.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONNECTION, HeaderName};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};
use url::form_urlencoded;

use super::reply::{self, Answer, Reply, frame, invalid};
use super::ring::{Next, Place, Wanted};
use super::route::Visit;
use super::shared::Shared;
use super::{tap, watch};
use crate::secret::Secret;
use crate::sinks::filter::Pattern;

/// How often a comment keeps proxies from closing the stream.
const COMMENT: Duration = Duration::from_secs(15);
/// The bounds of `snapshot_every`, in milliseconds.
const EVERY_MIN: u64 = 1000;
const EVERY_MAX: u64 = 60_000;
/// The most channels that a stream names.
const CHANNELS_MAX: usize = 64;
/// How long a browser waits before it comes back.
const BEGIN: &[u8] = b"retry: 2000\n\n";

/// The most that is handed over at once, in bytes: what waits for a reader is not much more, whatever is sent.
const PIECE: usize = 32 << 10;

/// A stream and its place.
struct Reading {
    shared: Arc<Shared>,
    wanted: Wanted,
    place: Place,
    news: Receiver<()>,
    every: Duration,
    next_status: Instant,
    next_comment: Instant,
    /// The number of the status that was sent last.
    told: u64,
    begun: bool,
    /// What is being sent, and how much of it has been.
    rest: Option<(Weak<Bytes>, usize)>,
    renewals: Receiver<Option<Secret<String>>>,
    _reader: tap::Reader,
}

/// Opens a stream.
pub(super) async fn open(visit: &Visit, head: &Parts) -> Answer {
    let (wanted, every) = read(head.uri.query().unwrap_or_default()).map_err(invalid)?;
    if head.method == Method::HEAD {
        return Ok(of_stream(reply::of(StatusCode::OK, KIND, Bytes::new())));
    }
    if !visit.shared.limits.stream(&visit.place) {
        return Err(reply::busy("there are too many streams"));
    }
    let shared = Arc::clone(&visit.shared);
    let reader = shared.port.tap.open();
    // What follows is from now on; the status is as of now.
    let (place, news) = (shared.ring.end(), shared.ring.news());
    let renewals = shared.access.renewals();
    watch::fresh(&shared).await;
    let now = Instant::now();
    let reading = Reading {
        shared,
        wanted,
        place,
        news,
        every,
        next_status: now,
        next_comment: now + COMMENT,
        told: 0,
        begun: false,
        rest: None,
        renewals,
        _reader: reader,
    };
    let pieces = stream::unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), reading))
    });
    let reply = reply::of(StatusCode::OK, KIND, Bytes::new());
    Ok(of_stream(reply.map(|_| StreamBody::new(pieces).boxed_unsync())))
}

const KIND: &str = "text/event-stream";

/// The connection ends with its stream, and no proxy gathers what is in it.
fn of_stream(reply: Reply) -> Reply {
    let reply = reply::with(reply, CONNECTION, "close");
    reply::with(reply, HeaderName::from_static("x-accel-buffering"), "no")
}

impl Reading {
    /// The next piece; none when another token is wanted by now, or what was begun is gone for others took so much
    /// since.
    async fn next(&mut self) -> Option<Bytes> {
        let piece = loop {
            if self.renewals.has_changed().unwrap_or(true) {
                return None;
            }
            if let Some((frame, sent)) = self.rest.take() {
                break self.cut(&frame.upgrade()?, sent);
            }
            if let Some(piece) = self.ready() {
                break piece;
            }
            tokio::select! {
                // The ring outlives its streams.
                _ = self.news.changed() => {}
                _ = self.renewals.changed() => return None,
                () = sleep_until(self.next_status) => {}
                () = sleep_until(self.next_comment) => break Bytes::from_static(b": \n\n"),
            }
        };
        self.next_comment = Instant::now() + COMMENT;
        Some(piece)
    }

    /// All of what is small, and the beginning of what is not.
    fn send(&mut self, frame: &Arc<Bytes>) -> Bytes {
        if frame.len() <= PIECE { Bytes::clone(frame) } else { self.cut(frame, 0) }
    }

    /// A copy of the next piece: the whole is not kept for a reader that takes nothing.
    fn cut(&mut self, frame: &Arc<Bytes>, sent: usize) -> Bytes {
        let rest = frame.get(sent..).unwrap_or_default();
        let piece = rest.get(..PIECE).unwrap_or(rest);
        if piece.len() < rest.len() {
            self.rest = Some((Arc::downgrade(frame), sent + piece.len()));
        }
        Bytes::copy_from_slice(piece)
    }

    /// What can be sent now.
    fn ready(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(Bytes::from_static(BEGIN));
        }
        let now = Instant::now();
        if now >= self.next_status {
            self.next_status = now + self.every;
            if let Some(told) = self.shared.latest.get().filter(|told| told.number != self.told) {
                self.told = told.number;
                return Some(self.send(&told.frame));
            }
        }
        match self.shared.ring.next(&mut self.place, &self.wanted) {
            Next::Event(event) => Some(self.send(&event)),
            Next::Missed(events) => frame("dropped", &json!({ "events": events })),
            Next::Nothing => None,
        }
    }
}

/// `connection`, `channel` (again for more of them) and `snapshot_every`.
fn read(query: &str) -> Result<(Wanted, Duration), String> {
    let (mut wanted, mut every) = (Wanted::default(), EVERY_MIN);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            // An empty field of a form.
            "connection" | "channel" | "snapshot_every" if value.is_empty() => {}
            "connection" => wanted.connection = Some(value.into_owned()),
            "channel" => {
                wanted.channels.push(Pattern::parse(&value).map_err(|error| format!("channel: {error}"))?);
            }
            "snapshot_every" => {
                let within = millis(&value).filter(|every| (EVERY_MIN..=EVERY_MAX).contains(every));
                every = within.ok_or("snapshot_every: wanted a duration from 1s to 60s")?;
            }
            _ => return Err(String::from("the query: its keys are connection, channel and snapshot_every")),
        }
    }
    if wanted.channels.len() > CHANNELS_MAX {
        return Err(format!("channel: at most {CHANNELS_MAX} of them"));
    }
    Ok((wanted, Duration::from_millis(every)))
}

/// Whole seconds or milliseconds.
fn millis(text: &str) -> Option<u64> {
    match text.strip_suffix("ms") {
        Some(number) => number.parse().ok(),
        None => text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read() {
        let (wanted, every) =
            read("connection=acme&channel=/topic/A*&channel=%2Fu%2F**&snapshot_every=2s").unwrap();
        let channels: Vec<_> = wanted.channels.iter().map(Pattern::as_str).collect();
        assert_eq!((wanted.connection.as_deref(), every), (Some("acme"), Duration::from_secs(2)));
        assert_eq!(channels, ["/topic/A*", "/u/**"]);
        assert!(
            read("").is_ok() && read("connection=&channel=").is_ok() && read("snapshot_every=1500ms").is_ok()
        );
        for wrong in
            ["x", "x=y", "channel=topic", "snapshot_every=1", "snapshot_every=0s", "snapshot_every=2m"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
