//! A queue in memory between the sessions and one worker, and what a worker on the journal sleeps on.
//!
//! * Bounded in bytes: a batch counts from the moment it is taken until the last of its events has been dealt
//!   with, wherever in the worker it stands. A batch larger than the bound is taken when nothing else waits.
//! * The sender never waits: a short lock, and a wake-up only when the worker said that it sleeps.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use super::filter::Filter;
use crate::event::Batch;
use crate::journal::Record;

/// The queue of one sink.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Notify,
    bytes: Arc<AtomicUsize>,
    max_bytes: usize,
    gap_records: bool,
}

#[derive(Debug)]
struct State {
    batches: VecDeque<Arc<Batch>>,
    filter: Filter,
    parked: bool,
    closed: bool,
}

/// What became of an offered batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Accepted,
    Filtered,
    /// The events that the sink would have taken.
    Full(usize),
    Closed,
}

/// What has been dealt with when a run has been delivered, on the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The events with these numbers, and when they arrived.
    Events(Range<u64>, SystemTime),
    /// One more gap record of the hole that begins with this number, which is not yet the last one.
    Told(u64),
}

/// A batch on its way through the worker; its bytes count until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    batch: Arc<Batch>,
    /// The journal's number of its first event; zero without a journal.
    first: u64,
    /// In place of its events' own numbers, for what stands in no journal.
    instead: Option<Done>,
    bytes: Arc<AtomicUsize>,
}

impl Lease {
    /// The journal's numbers of the events at these places.
    pub(super) fn numbers(&self, events: &Range<usize>) -> Range<u64> {
        let number = |place: usize| self.first.saturating_add(place as u64);
        number(events.start)..number(events.end)
    }

    /// What has been dealt with when the events at these places have been delivered.
    pub(super) fn done(&self, events: &Range<usize>) -> Done {
        self.instead.clone().unwrap_or_else(|| Done::Events(self.numbers(events), self.batch.received()))
    }

    /// The batch.
    pub(super) fn batch(&self) -> &Batch {
        &self.batch
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.batch.size(), Ordering::Relaxed);
    }
}

/// Neighbouring events of one batch, all for this sink.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The batch that they stand in.
    pub(super) lease: Arc<Lease>,
    /// Their places in it.
    pub(super) events: Range<usize>,
}

impl Queue {
    /// An open, empty queue of at most `max_bytes` bytes; `gap_records` are taken or not.
    pub(super) fn new(max_bytes: usize, filter: Filter, gap_records: bool) -> Self {
        let state = State { batches: VecDeque::new(), filter, parked: false, closed: false };
        Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            bytes: Arc::new(AtomicUsize::new(0)),
            max_bytes,
            gap_records,
        }
    }

    /// Takes a batch, if there is room and anything in it is wanted; `count` hears of it before the worker
    /// can see it.
    pub(super) fn push(&self, batch: &Arc<Batch>, count: impl FnOnce(usize)) -> Pushed {
        let mut state = self.lock();
        if state.closed {
            return Pushed::Closed;
        }
        let events = state.filter.count(batch);
        if events == 0 || (batch.is_gap() && !self.gap_records) {
            return Pushed::Filtered;
        }
        let (size, queued) = (batch.size(), self.bytes());
        if queued > 0 && queued.saturating_add(size) > self.max_bytes {
            return Pushed::Full(events);
        }
        self.bytes.fetch_add(size, Ordering::Relaxed);
        count(events);
        state.batches.push_back(Arc::clone(batch));
        let parked = std::mem::take(&mut state.parked);
        drop(state);
        if parked {
            self.wake.notify_one();
        }
        Pushed::Accepted
    }

    /// Moves everything that waits to the empty `into`; whether nothing more will come.
    pub(super) fn take(&self, into: &mut VecDeque<Arc<Batch>>) -> bool {
        let mut state = self.lock();
        std::mem::swap(&mut state.batches, into);
        state.closed
    }

    /// The accounting of a batch that [`Queue::take`] gave.
    pub(super) fn lease(&self, batch: Arc<Batch>) -> Arc<Lease> {
        Arc::new(Lease { batch, first: 0, instead: None, bytes: Arc::clone(&self.bytes) })
    }

    /// The accounting of a batch from the journal; it counts from now on.
    pub(super) fn lease_of(&self, record: &Record) -> Arc<Lease> {
        self.bytes.fetch_add(record.batch.size(), Ordering::Relaxed);
        let (batch, bytes) = (Arc::clone(&record.batch), Arc::clone(&self.bytes));
        Arc::new(Lease { batch, first: record.first, instead: None, bytes })
    }

    /// The accounting of a batch that stands in no journal, with what its delivery deals with.
    pub(super) fn lease_for(&self, batch: Batch, done: Done) -> Arc<Lease> {
        self.bytes.fetch_add(batch.size(), Ordering::Relaxed);
        let (batch, bytes) = (Arc::new(batch), Arc::clone(&self.bytes));
        Arc::new(Lease { batch, first: 0, instead: Some(done), bytes })
    }

    /// Whether a batch of so many bytes would be taken, or nothing is taken any more.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let queued = self.bytes();
        queued == 0 || queued.saturating_add(bytes) <= self.max_bytes || self.is_closed()
    }

    /// Whether as much waits as may.
    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= self.max_bytes
    }

    /// Whether half of that waits.
    pub(super) fn is_half_full(&self) -> bool {
        self.bytes() >= self.max_bytes / 2
    }

    /// Whether nothing more will come.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether gap records are wanted.
    pub(super) const fn takes_gaps(&self) -> bool {
        self.gap_records
    }

    /// Waits until there may be something to do, here or by what `is_more` says. It may return for nothing.
    pub(super) async fn wait(&self, is_more: impl Fn() -> bool) {
        {
            let mut state = self.lock();
            if state.closed || !state.batches.is_empty() {
                return;
            }
            state.parked = true;
        }
        // Asked after `parked` is set, so that what comes from now on wakes the worker.
        if !is_more() {
            self.wake.notified().await;
        }
    }

    /// Wakes the worker if it sleeps.
    pub(super) fn wake(&self) {
        let parked = std::mem::take(&mut self.lock().parked);
        if parked {
            self.nudge();
        }
    }

    /// Lets the worker look around.
    pub(super) fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Takes no more batches.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.nudge();
    }

    /// The bytes of every batch that is not yet dealt with.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Nothing under this lock leaves the state half changed, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::Pattern;
    use super::super::testing::{one, several};
    use super::*;

    fn queue(max_bytes: usize, patterns: &[&str]) -> Queue {
        let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        Queue::new(max_bytes, Filter::new(&patterns), true)
    }

    #[test]
    fn bytes_count_until_the_last_event_is_dealt_with() {
        let batch = one("/topic/A", "{}");
        let queue = queue(batch.size() * 2, &[]);
        let push = || queue.push(&batch, |_| ());
        assert_eq!((push(), push(), push()), (Pushed::Accepted, Pushed::Accepted, Pushed::Full(1)));
        let mut taken = VecDeque::new();
        assert!(!queue.take(&mut taken));
        let leases: Vec<_> = taken.drain(..).map(|batch| queue.lease(batch)).collect();
        assert_eq!(push(), Pushed::Full(1));
        let held = leases.first().cloned();
        drop(leases);
        assert_eq!(queue.bytes(), batch.size());
        assert_eq!(push(), Pushed::Accepted);
        drop(held);
        queue.close();
        assert_eq!(push(), Pushed::Closed);
        assert!(queue.take(&mut taken));
    }

    #[test]
    fn a_batch_larger_than_the_bound_is_taken_alone() {
        let batch = one("/topic/A", "{}");
        let queue = queue(1, &[]);
        assert_eq!(queue.push(&batch, |_| ()), Pushed::Accepted);
        assert_eq!(queue.push(&batch, |_| ()), Pushed::Full(1));
    }

    #[test]
    fn only_wanted_events_count() {
        let queue = queue(1 << 20, &["/topic/A"]);
        let batch = several(&[("/topic/A", "{}"), ("/topic/B", "{}"), ("/topic/A", "{}")]);
        assert_eq!(queue.push(&batch, |events| assert_eq!(events, 2)), Pushed::Accepted);
        assert_eq!(queue.push(&one("/topic/B", "{}"), |_| ()), Pushed::Filtered);
        assert_eq!(queue.push(&several(&[]), |_| ()), Pushed::Filtered);
    }

    #[tokio::test]
    async fn a_push_wakes_a_sleeping_worker() {
        let queue = Arc::new(queue(1 << 20, &[]));
        let sender = Arc::clone(&queue);
        let waiting = queue.wait(|| false);
        let pushing = std::thread::spawn(move || {
            super::super::testing::eventually("parking", || sender.lock().parked);
            sender.push(&one("/topic/A", "{}"), |_| ());
        });
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.unwrap();
        pushing.join().unwrap();
        queue.wait(|| false).await;
    }
}
