//! What a sink knows of itself: counters, its present trouble, and the log lines about that.
//!
//! A trouble is logged when it begins, then after one minute, two, four and so on up to an hour, and when it
//! is over; never at each attempt.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tracing::{info, warn};

use super::latency::{Arrivals, Histogram, Latency};
use crate::journal::Library;
use crate::retry::Quiet;

/// A sink at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SinkStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `stdout`, `file` or `webhook`.
    pub kind: &'static str,
    /// What it is doing.
    pub state: State,
    /// Events delivered.
    pub delivered: u64,
    /// Attempts that failed and were or will be repeated.
    pub retried: u64,
    /// Events that the endpoint refused for good, now in the file for parked events.
    pub parked: u64,
    /// Events that the endpoint refused for good while no such file is configured: they are lost to this sink.
    pub refused: u64,
    /// Events that did not go to this sink: the queue was full, they were given up at the end, or they were no
    /// longer in the journal.
    pub dropped: u64,
    /// Events that left their ordering window early, for want of memory.
    pub unordered: u64,
    /// The bytes of the batches that wait in memory.
    pub queued_bytes: u64,
    /// The events that wait in memory.
    pub queued_events: u64,
    /// On the journal, the events of it that are not yet dealt with.
    pub lag: Option<u64>,
    /// On the journal, about how many bytes of it these are: within a segment every event counts as much as the
    /// average.
    pub lag_bytes: Option<u64>,
    /// When the oldest event that is not yet dealt with arrived, in milliseconds since 1970; none where there is none,
    /// or where it is not known.
    pub oldest: Option<u64>,
    /// From receipt to delivery.
    pub latency: Latency,
    /// On the journal, the sequence number that a restart would go on at.
    pub cursor: Option<u64>,
    /// On the journal, whether events stay there until this sink has had them: no longer for one that has ended by
    /// itself while others go on.
    pub kept: Option<bool>,
    /// Since when nothing could be delivered, in milliseconds since 1970.
    pub failing_since: Option<u64>,
    /// What the last failed attempt found; kept after the recovery.
    pub last_error: Option<String>,
}

/// What a sink is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing waits.
    Idle,
    /// Events are being delivered, or held for their order.
    Delivering,
    /// The last attempt failed.
    Retrying,
    /// Nothing is delivered until it is resumed.
    Paused,
    /// It could not start, which is tried again.
    #[serde(rename = "cannot start")]
    Unstarted,
    /// It takes no more events.
    Ended,
}

impl State {
    /// The name of each.
    pub const NAMES: [&'static str; 6] =
        ["idle", "delivering", "retrying", "paused", "cannot start", "ended"];

    /// Its name in status and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Delivering => "delivering",
            Self::Retrying => "retrying",
            Self::Paused => "paused",
            Self::Unstarted => "cannot start",
            Self::Ended => "ended",
        }
    }
}

/// The counters of one sink.
#[derive(Debug)]
pub(super) struct Meter {
    name: Arc<str>,
    kind: &'static str,
    accepted: AtomicU64,
    delivered: AtomicU64,
    retried: AtomicU64,
    parked: AtomicU64,
    refused: AtomicU64,
    overflowed: AtomicU64,
    given_up: AtomicU64,
    unordered: AtomicU64,
    latency: Histogram,
    /// When the oldest event that was seen last arrived, in milliseconds since 1970; zero for none.
    oldest: AtomicU64,
    ended: AtomicBool,
    paused: AtomicBool,
    trouble: Mutex<Trouble>,
    journal: Option<Place>,
}

/// Where a sink on the journal stands.
#[derive(Debug)]
struct Place {
    library: Library,
    /// Below this everything has been dealt with.
    low: AtomicU64,
    /// As it is on the disk.
    cursor: AtomicU64,
    /// Whether the journal keeps nothing for it any more.
    released: AtomicBool,
}

#[derive(Debug, Default)]
struct Trouble {
    since: Option<(Instant, SystemTime)>,
    attempts: u64,
    last_error: Option<String>,
    quiet: Quiet,
}

impl Meter {
    /// All counters at zero; on the journal with the sequence number to begin at.
    pub(super) fn new(name: Arc<str>, kind: &'static str, journal: Option<(Library, u64)>) -> Self {
        let journal = journal.map(|(library, start)| Place {
            library,
            low: AtomicU64::new(start),
            cursor: AtomicU64::new(start),
            released: AtomicBool::new(false),
        });
        Self {
            name,
            kind,
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            parked: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            unordered: AtomicU64::new(0),
            latency: Histogram::default(),
            oldest: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            trouble: Mutex::default(),
            journal,
        }
    }

    /// The sink's name.
    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Events went into the queue.
    pub(super) fn accept(&self, events: usize) {
        add(&self.accepted, events);
    }

    /// Events found the queue full.
    pub(super) fn overflow(&self, events: usize) {
        add(&self.overflowed, events);
    }

    /// Events were not in the journal any more.
    pub(super) fn lose(&self, events: u64) {
        self.overflowed.fetch_add(events, Ordering::Relaxed);
    }

    /// Everything below `low` has been dealt with.
    pub(super) fn pass(&self, low: u64) {
        if let Some(place) = &self.journal {
            place.low.store(low, Ordering::Relaxed);
        }
    }

    /// The cursor has been moved.
    pub(super) fn commit(&self, sequence: u64) {
        if let Some(place) = &self.journal {
            place.cursor.store(sequence, Ordering::Relaxed);
        }
    }

    /// Whether its events come from the journal.
    pub(super) const fn is_on_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// The journal keeps nothing for it any more.
    pub(super) fn release(&self) {
        let Some(place) = &self.journal else { return };
        place.released.store(true, Ordering::Relaxed);
        warn!(sink = %self.name, cursor = get(&place.cursor), lag = self.lag(), "the journal keeps nothing for this sink any more, as it has ended; the next start goes on at its cursor, as far as the events are still there");
    }

    fn lag(&self) -> Option<u64> {
        self.journal.as_ref().map(|place| place.library.next_sequence().saturating_sub(get(&place.low)))
    }

    /// Nothing is to be delivered, or something again.
    pub(super) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Whether nothing is to be delivered.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// These events are about to be delivered.
    pub(super) fn begin(&self, arrivals: &Arrivals) {
        if let Some(first) = arrivals.first() {
            self.oldest.store(milliseconds(first), Ordering::Relaxed);
        }
    }

    /// The first of `arrivals` were delivered.
    pub(super) fn deliver(&self, events: usize, arrivals: &mut Arrivals) {
        add(&self.delivered, events);
        arrivals.deliver(events, &self.latency);
    }

    /// When the oldest event arrived, where `behind` are not dealt with and `seen` was known before. What the journal does not have in memory was
    /// either seen before, or is about to be read.
    fn oldest(&self, seen: u64, behind: u64, received: Option<SystemTime>) -> Option<u64> {
        let oldest = if behind == 0 { 0 } else { received.map_or(seen, milliseconds) };
        // Where the worker has begun something meanwhile, it knows better.
        let _ = self.oldest.compare_exchange(seen, oldest, Ordering::Relaxed, Ordering::Relaxed);
        Some(oldest).filter(|oldest| *oldest > 0)
    }

    /// An event was refused for good; whether it is in the file for parked events.
    pub(super) fn refuse(&self, parked: bool) {
        add(if parked { &self.parked } else { &self.refused }, 1);
    }

    /// Events left their ordering window early.
    pub(super) fn unorder(&self, events: u64) {
        self.unordered.fetch_add(events, Ordering::Relaxed);
    }

    /// Nothing more will be delivered: what waits is given up, unless it stays in the journal. How many events
    /// that are.
    pub(super) fn end(&self) -> u64 {
        self.ended.store(true, Ordering::Relaxed);
        if self.journal.is_some() {
            return 0;
        }
        let waiting = self.waiting();
        self.given_up.fetch_add(waiting, Ordering::Relaxed);
        waiting
    }

    /// The events that were accepted and are not yet dealt with.
    pub(super) fn waiting(&self) -> u64 {
        let done = [&self.delivered, &self.parked, &self.refused, &self.given_up];
        let done: u64 = done.iter().map(|counter| get(counter)).sum();
        get(&self.accepted).saturating_sub(done)
    }

    /// An attempt failed and will be repeated.
    pub(super) fn fail(&self, error: String) {
        add(&self.retried, 1);
        let now = Instant::now();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.attempts += 1;
        let (since, _) = *trouble.since.get_or_insert_with(|| (now, SystemTime::now()));
        if trouble.quiet.ends(now) {
            let for_seconds = now.duration_since(since).as_secs();
            warn!(sink = %self.name, attempts = trouble.attempts, for_seconds, %error, "delivery fails; events wait and it is tried again");
        }
        trouble.last_error = Some(error);
    }

    /// An attempt succeeded.
    pub(super) fn recover(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, _)) = trouble.since.take() else { return };
        let for_seconds = since.elapsed().as_secs_f64();
        info!(sink = %self.name, attempts = trouble.attempts, for_seconds, "delivery works again");
        *trouble = Trouble { last_error: trouble.last_error.take(), ..Trouble::default() };
    }

    /// The sink as it is now.
    pub(super) fn status(&self, queued_bytes: usize) -> SinkStatus {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = get(&self.oldest);
        let queued_events = self.waiting();
        let lag = self.lag();
        let behind = lag.unwrap_or(queued_events);
        let there = self.journal.as_ref().map(|place| place.library.behind(get(&place.low)));
        let state = match (self.ended.load(Ordering::Relaxed), trouble.since.is_some(), behind) {
            (true, ..) => State::Ended,
            _ if self.is_paused() => State::Paused,
            (_, true, _) => State::Retrying,
            (_, _, 0) => State::Idle,
            _ => State::Delivering,
        };
        SinkStatus {
            name: self.name.to_string(),
            kind: self.kind,
            state,
            delivered: get(&self.delivered),
            retried: get(&self.retried),
            parked: get(&self.parked),
            refused: get(&self.refused),
            dropped: get(&self.overflowed) + get(&self.given_up),
            unordered: get(&self.unordered),
            queued_bytes: wide(queued_bytes),
            queued_events,
            lag,
            lag_bytes: there.map(|there| there.bytes),
            oldest: self.oldest(seen, behind, there.and_then(|there| there.received)),
            latency: self.latency.read(),
            cursor: self.journal.as_ref().map(|place| get(&place.cursor)),
            kept: self.journal.as_ref().map(|place| !place.released.load(Ordering::Relaxed)),
            failing_since: trouble.since.map(|(_, since)| milliseconds(since)),
            last_error: trouble.last_error.clone(),
        }
    }
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn add(counter: &AtomicU64, events: usize) {
    counter.fetch_add(wide(events), Ordering::Relaxed);
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970; zero for a clock before that.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
