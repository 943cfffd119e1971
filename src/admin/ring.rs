//! The latest events, as they go out to every stream: each is written once, and all streams share it.
//!
//! Constraints: bounded in bytes, however many streams there are and however slowly one of them is read: a stream that is
//! in the middle of a large event does not keep it. A stream that
//! was passed by goes on with the oldest event that is still there, and hears how many it has missed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::reply::frame;
use crate::event::{Batch, Channel, Event};
use crate::sinks::filter::Pattern;
use crate::status::millis;

/// What is kept, in bytes.
const BYTES_MAX: usize = 8 << 20;
/// The largest event that is shown, in bytes.
const EVENT_MAX: usize = 1 << 20;
/// What an event costs besides its bytes.
const OVERHEAD: usize = 128;

/// Which events a stream wants.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Those of one connection, or of all.
    pub(super) connection: Option<String>,
    /// Those of these channels, or of all.
    pub(super) channels: Vec<Pattern>,
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    next: u64,
    lost: u64,
}

/// The latest events.
#[derive(Debug)]
pub(super) struct Ring {
    state: Mutex<State>,
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    shown: VecDeque<Shown>,
    bytes: usize,
    /// The number of the oldest.
    first: u64,
    /// Events that never came here.
    lost: u64,
}

#[derive(Debug)]
struct Shown {
    connection: Arc<str>,
    channel: Channel,
    frame: Arc<Bytes>,
}

/// What a stream gets next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// An event.
    Event(Arc<Bytes>),
    /// So many were missed, of all channels.
    Missed(u64),
    /// There is nothing new.
    Nothing,
}

impl Default for Ring {
    fn default() -> Self {
        Self { state: Mutex::default(), news: watch::Sender::new(()) }
    }
}

impl Ring {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the events of a batch; [`Self::tell`] wakes the streams.
    pub(super) fn add(&self, batch: &Batch) {
        for event in batch.iter() {
            let frame = (event.message.len() <= EVENT_MAX).then(|| render(&event)).flatten();
            let mut state = self.lock();
            match frame {
                Some(frame) => state.push(Shown {
                    connection: Arc::clone(event.connection),
                    channel: event.channel.clone(),
                    frame: Arc::new(frame),
                }),
                None => state.lost += 1,
            }
        }
    }

    /// So many events did not come here.
    pub(super) fn lose(&self, events: u64) {
        self.lock().lost += events;
    }

    /// Wakes the streams.
    pub(super) fn tell(&self) {
        self.news.send_replace(());
    }

    /// Forgets everything: nobody reads.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.first = state.end();
        state.bytes = 0;
        state.shown = VecDeque::new();
    }

    /// Hears of news.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// The place after the newest event.
    pub(super) fn end(&self) -> Place {
        let state = self.lock();
        Place { next: state.end(), lost: state.lost }
    }

    /// What a stream at this place gets next, and moves it there.
    pub(super) fn next(&self, place: &mut Place, wanted: &Wanted) -> Next {
        let state = self.lock();
        let missed = state.first.saturating_sub(place.next) + state.lost.saturating_sub(place.lost);
        if missed > 0 {
            *place = Place { next: place.next.max(state.first), lost: state.lost };
            return Next::Missed(missed);
        }
        let skipped = usize::try_from(place.next.saturating_sub(state.first)).unwrap_or(usize::MAX);
        for shown in state.shown.iter().skip(skipped) {
            place.next += 1;
            if wanted.takes(shown) {
                return Next::Event(Arc::clone(&shown.frame));
            }
        }
        Next::Nothing
    }
}

impl State {
    fn end(&self) -> u64 {
        self.first + u64::try_from(self.shown.len()).unwrap_or(u64::MAX)
    }

    fn push(&mut self, shown: Shown) {
        self.bytes += shown.frame.len() + OVERHEAD;
        self.shown.push_back(shown);
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.shown.pop_front()
        {
            self.bytes -= oldest.frame.len() + OVERHEAD;
            self.first += 1;
        }
    }
}

impl Wanted {
    fn takes(&self, shown: &Shown) -> bool {
        self.connection.as_ref().is_none_or(|name| **name == *shown.connection)
            && (self.channels.is_empty() || self.channels.iter().any(|one| one.matches(&shown.channel)))
    }
}

/// An event as a stream has it.
#[derive(Serialize)]
struct Line<'e> {
    connection: &'e str,
    channel: &'e str,
    replay: Option<i64>,
    received: u64,
    message: &'e RawValue,
}

/// One event of a stream; none for what is no JSON.
fn render(event: &Event<'_>) -> Option<Bytes> {
    let text = std::str::from_utf8(event.message).ok()?;
    let line = Line {
        connection: event.connection,
        channel: event.channel.as_str(),
        replay: event.replay.map(|replay| replay.0),
        received: millis(event.received),
        message: serde_json::from_str(text).ok()?,
    };
    frame(if event.is_gap { "gap" } else { "message" }, &line)
}
