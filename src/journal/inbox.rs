//! What the journal's threads and its senders tell each other.
//!
//! * A sender never waits for the disk, and makes no system call while the journal's thread is at work or gathers.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::writer::Refused;
use super::{Kind, SyncJob};
use crate::event::Batch;

/// How long the thread sleeps between two looks under dense traffic.
const LINGER: Duration = Duration::from_micros(300);

/// What the threads tell each other.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
    max_bytes: usize,
}

/// Whether the journal's thread waits, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sleep {
    #[default]
    Awake,
    /// For anything.
    Light,
    /// For what is urgent.
    Deep,
}

#[derive(Debug, Default)]
struct State {
    sleep: Sleep,
    batches: VecDeque<(Arc<Batch>, Kind)>,
    /// Of every batch that is not yet in the journal.
    bytes: usize,
    /// The sequence number that the next event gets.
    next: u64,
    synced: Option<(SyncJob, io::Result<()>)>,
    /// How often the journal's thread has begun to do what there was to do, and whether it is at it.
    turns: u64,
    working: bool,
    stopping: bool,
    ended: bool,
}

/// What there is when the journal's thread wakes.
pub(super) struct News {
    /// Whether batches came.
    pub(super) came: bool,
    /// A sync that has ended.
    pub(super) synced: Option<(SyncJob, io::Result<()>)>,
    /// Whether the end was asked for.
    pub(super) stopping: bool,
}

impl State {
    /// Whether there is nothing to do but for batches.
    const fn is_quiet(&self) -> bool {
        self.synced.is_none() && !self.stopping
    }
}

impl Inbox {
    pub(super) fn new(next: u64, max_bytes: usize) -> Self {
        Self { state: Mutex::new(State { next, ..State::default() }), changed: Condvar::new(), max_bytes }
    }

    /// Nothing under this lock leaves the state half changed, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch; the sequence numbers that its events will have.
    pub(super) fn push(&self, batch: Arc<Batch>, kind: Kind) -> Result<Range<u64>, Refused> {
        let mut state = self.lock();
        if state.ended || state.stopping {
            return Err(Refused::Ended);
        }
        let bytes = state.bytes.saturating_add(batch.size());
        if state.bytes > 0 && bytes > self.max_bytes {
            return Err(Refused::Busy);
        }
        let first = state.next;
        state.next = first.saturating_add(batch.len() as u64);
        state.bytes = bytes;
        let range = first..state.next;
        let wake = match state.sleep {
            Sleep::Awake => false,
            Sleep::Light => true,
            Sleep::Deep => batch.unnumbered() > 0 || bytes > self.max_bytes / 2,
        };
        state.batches.push_back((batch, kind));
        if wake {
            state.sleep = Sleep::Awake;
            drop(state);
            self.changed.notify_one();
        }
        Ok(range)
    }

    /// A sync has ended.
    pub(super) fn synced(&self, job: SyncJob, outcome: io::Result<()>) {
        self.lock().synced = Some((job, outcome));
        self.changed.notify_all();
    }

    /// Takes no more batches.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// The journal's thread is gone.
    pub(super) fn end(&self) {
        self.lock().ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// What the journal's thread is at: a number that is another for every turn, none while it waits or is gone.
    pub(super) fn turn(&self) -> Option<u64> {
        let state = self.lock();
        (state.working && !state.ended).then_some(state.turns)
    }

    /// The bytes of every batch that is not yet in the journal.
    pub(super) fn queued_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// These are in the journal.
    pub(super) fn journaled(&self, batches: impl Iterator<Item = (Arc<Batch>, Kind)>) {
        let bytes = batches.map(|(batch, _)| batch.size()).sum::<usize>();
        self.lock().bytes -= bytes;
    }

    /// Waits until something has happened, or until `deadline`. Moves what came to `batches`.
    pub(super) fn wait(&self, deadline: Option<Instant>, batches: &mut VecDeque<(Arc<Batch>, Kind)>) -> News {
        let mut state = self.lock();
        state.working = false;
        while state.is_quiet() && state.batches.is_empty() {
            state.sleep = Sleep::Light;
            let Some(deadline) = deadline else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.sleep = Sleep::Awake;
        state.working = true;
        state.turns = state.turns.wrapping_add(1);
        let came = !state.batches.is_empty();
        batches.append(&mut state.batches);
        News { came, synced: state.synced.take(), stopping: state.stopping }
    }

    /// Lets batches gather for a short while, unless something is urgent.
    pub(super) fn linger(&self) {
        let end = Instant::now() + LINGER;
        let mut state = self.lock();
        state.sleep = Sleep::Deep;
        while state.sleep == Sleep::Deep && state.is_quiet() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.sleep = Sleep::Awake;
    }
}
