//! What the writer and the readers both know: the segments, how far they are written, the recent batches, and
//! where each cursor stands.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::Record;
use super::disk::Disk;
use super::segment::{Meta, name};

/// Shared by one writer and any number of readers.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    state: Mutex<State>,
    appended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By number.
    segments: BTreeMap<u64, Meta>,
    /// The sequence number that the next event gets.
    next: u64,
    /// The latest records, oldest first.
    tail: VecDeque<Record>,
    tail_bytes: usize,
    tail_max: usize,
    /// Where each cursor stands, by the numbers that they got.
    cursors: HashMap<u64, u64>,
    cursors_made: u64,
}

/// A segment to read from, and how far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) number: u64,
    pub(super) len: u64,
    /// Where the next segment's events begin: what stands here from that number on was written again there.
    pub(super) end: u64,
}

/// How much of the journal an event and all after it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// About how many bytes on disk: within a segment, every event counts as much as the average.
    pub bytes: u64,
    /// When the event arrived, where it is among the recent ones in memory.
    pub received: Option<SystemTime>,
}

/// Where the event that a reader wants is.
#[derive(Debug)]
pub(super) enum Whereabouts {
    Nowhere,
    Memory(Record),
    Disk,
}

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, segments: Vec<Meta>, next: u64, tail_max: usize) -> Self {
        let segments = segments.into_iter().map(|meta| (meta.number, meta)).collect();
        let state = State { segments, next, tail_max, ..State::default() };
        Self { disk, state: Mutex::new(state), appended: Condvar::new() }
    }

    /// Nothing under this lock leaves the state half changed, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sequence number that the next event gets.
    pub(super) fn next(&self) -> u64 {
        self.lock().next
    }

    /// Lets readers have the records that end segment `number` at the offset `len`.
    pub(super) fn publish(&self, number: u64, len: u64, records: &[Record]) {
        let mut state = self.lock();
        if let Some(meta) = state.segments.get_mut(&number) {
            (meta.len, meta.modified) = (len, SystemTime::now());
        }
        for record in records {
            state.next = record.end();
            state.tail_bytes += record.batch.size();
            state.tail.push_back(record.clone());
        }
        while state.tail_bytes > state.tail_max
            && let Some(oldest) = state.tail.pop_front()
        {
            state.tail_bytes -= oldest.batch.size();
        }
        drop(state);
        self.appended.notify_all();
    }

    /// Adds a segment, or says what is now known of it.
    pub(super) fn put_segment(&self, meta: Meta) {
        self.lock().segments.insert(meta.number, meta);
    }

    /// Removes a segment's file, then the segment.
    pub(super) fn remove_segment(&self, number: u64) -> std::io::Result<()> {
        match self.disk.remove(&name(number)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => self.lock().segments.remove(&number),
        };
        Ok(())
    }

    /// The segments in the order of their numbers.
    pub(super) fn segments(&self) -> Vec<Meta> {
        self.lock().segments.values().cloned().collect()
    }

    /// How many segments there are.
    pub(super) fn segment_count(&self) -> usize {
        self.lock().segments.len()
    }

    /// The bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().segments.values().map(|meta| meta.len).sum()
    }

    /// Where the event with this number, or the first after it, is.
    pub(super) fn find(&self, sequence: u64) -> Whereabouts {
        let state = self.lock();
        if sequence >= state.next {
            return Whereabouts::Nowhere;
        }
        if state.tail.front().is_some_and(|record| record.first <= sequence) {
            let at = state.tail.partition_point(|record| record.end() <= sequence);
            if let Some(record) = state.tail.get(at) {
                return Whereabouts::Memory(record.clone());
            }
        }
        Whereabouts::Disk
    }

    /// How much the event with this number and all after it are. Reads nothing from the disk.
    pub(super) fn behind(&self, sequence: u64) -> Behind {
        let state = self.lock();
        let mut bytes: u64 = 0;
        for meta in state.segments.values() {
            bytes = bytes.saturating_add(state.bytes_from(meta, sequence));
        }
        let in_memory = state.tail.front().is_some_and(|record| record.first <= sequence);
        let at = state.tail.partition_point(|record| record.end() <= sequence);
        let record = state.tail.get(at).filter(|_| in_memory);
        Behind { bytes, received: record.map(|record| record.batch.received()) }
    }

    /// The segment that the event with this number would be in: the last one that begins at or before it.
    pub(super) fn span_of(&self, sequence: u64) -> Option<Span> {
        let state = self.lock();
        let holding = state.segments.values().rfind(|meta| meta.first <= sequence);
        holding.or_else(|| state.segments.values().next()).map(|meta| state.span(meta))
    }

    /// Segment `number` as it stands now; `None` once it is removed.
    pub(super) fn span(&self, number: u64) -> Option<Span> {
        let state = self.lock();
        state.segments.get(&number).map(|meta| state.span(meta))
    }

    /// The segment after `number`.
    pub(super) fn span_after(&self, number: u64) -> Option<Span> {
        let state = self.lock();
        let after = number.checked_add(1)?;
        state.segments.range(after..).next().map(|(_, meta)| state.span(meta))
    }

    /// Waits until there is an event with this number; whether there is.
    pub(super) fn wait(&self, sequence: u64, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let mut state = self.lock();
        while state.next <= sequence {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.appended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// A cursor that stands at `sequence`: the number that it goes by here. Two of one name, of which the older is
    /// about to go, have a number each.
    pub(super) fn new_cursor(&self, sequence: u64) -> u64 {
        let mut state = self.lock();
        state.cursors_made += 1;
        let cursor = state.cursors_made;
        state.cursors.insert(cursor, sequence);
        cursor
    }

    /// Where a cursor stands from now on.
    pub(super) fn set_cursor(&self, cursor: u64, sequence: u64) {
        self.lock().cursors.insert(cursor, sequence);
    }

    /// Forgets a cursor: it holds nothing back any more.
    pub(super) fn drop_cursor(&self, cursor: u64) {
        self.lock().cursors.remove(&cursor);
    }

    /// What every cursor has passed; the next event's number where there is none.
    pub(super) fn passed(&self) -> u64 {
        let state = self.lock();
        state.cursors.values().copied().min().unwrap_or(state.next).min(state.next)
    }
}

impl State {
    fn span(&self, meta: &Meta) -> Span {
        let after = meta.number.checked_add(1).and_then(|after| self.segments.range(after..).next());
        let end = after.map_or(self.next, |(_, next)| next.first);
        Span { number: meta.number, len: meta.len, end }
    }

    /// About how many bytes of a segment belong to the event with this number and those after it.
    fn bytes_from(&self, meta: &Meta, sequence: u64) -> u64 {
        let end = self.span(meta).end;
        let (all, wanted) = (end.saturating_sub(meta.first), end.saturating_sub(sequence.max(meta.first)));
        let part = u128::from(meta.len) * u128::from(wanted) / u128::from(all.max(1));
        u64::try_from(part).unwrap_or(u64::MAX)
    }
}
