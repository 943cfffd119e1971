//! A sink's side of the journal: what it reads, what of that is dealt with, and its cursor.
//!
//! * It reads ahead no more than there is to deliver at once, and nothing while what is held for its order
//!   has the bound of [`super::Config::queue`], so memory is bounded however far behind the sink is.
//! * A commit says below which number everything has been dealt with, and which events above that have been
//!   as well: after a restart those are left out.
//! * What is not in the journal any more is logged and counted, and gap records take its place.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime};

use tracing::error;

use super::handle::Shared;
use super::intake::Intake;
use super::ledger::Ledger;
use super::note::Note;
use super::queue::{Done, Lease, Run};
use super::tell::Teller;
use crate::journal::{Kind, Library, Read, Reader, Record};

/// How many bytes are read at a time, but for the last batch.
const AHEAD: usize = 1 << 20;
/// The most events held: each may part two ranges in a cursor's note, whose length is bounded.
const HELD_MAX: usize = 12_288;
/// The most events of a batch that are admitted at a time.
const PIECE: usize = 4_096;

/// What there is after a look into the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// There may be more.
    More,
    /// Everything has been read.
    Nothing,
    /// Everything has been read, and nothing more is wanted.
    End,
}

/// A sink's place in the journal.
pub(super) struct Tape {
    library: Library,
    reader: Reader,
    ledger: Ledger,
    teller: Teller,
    committed: u64,
    /// Whether nothing is read.
    still: bool,
    /// Where the sink ends, once it was closed.
    end: Option<u64>,
    /// What is not there any more, until it is known what follows.
    hole: Option<Range<u64>>,
    /// Read, but not yet admitted.
    pieces: VecDeque<(Arc<Lease>, Range<usize>)>,
    left: Vec<usize>,
}

impl Tape {
    /// From `start` on, without what `note` says is done.
    pub(super) fn new(library: Library, start: u64, note: &Note, teller: Teller) -> Self {
        let (reader, ledger) = (library.reader(start), Ledger::new(start, &note.done));
        Self {
            library,
            reader,
            ledger,
            teller,
            committed: start,
            still: false,
            end: None,
            hole: None,
            pieces: VecDeque::new(),
            left: Vec::new(),
        }
    }

    /// A place that does not move; only what stands beside its number in the cursor does.
    pub(super) fn still(library: Library, start: u64, note: &Note, teller: Teller) -> Self {
        Self { still: true, ..Self::new(library, start, note, teller) }
    }

    /// Whether nothing is read from it.
    pub(super) const fn is_still(&self) -> bool {
        self.still
    }

    /// Moves what stands next to `ready`, or lets `intake` hold it.
    pub(super) fn read(
        &mut self,
        shared: &Shared,
        intake: &mut Intake,
        now: Instant,
        ready: &mut VecDeque<Run>,
    ) -> io::Result<Ahead> {
        if self.end.is_none() && shared.queue.is_closed() {
            self.end = Some(self.library.next_sequence());
        }
        let mut read = 0;
        while read < AHEAD && ready.len() < HELD_MAX {
            if intake.held() >= HELD_MAX {
                intake.relieve(ready);
            }
            if let Some((lease, places)) = self.pieces.pop_front() {
                self.admit(shared, intake, &lease, places, now, ready);
                continue;
            }
            if self.end.is_some_and(|end| self.reader.next_sequence() >= end) {
                self.tell(shared, SystemTime::now(), ready);
                return Ok(Ahead::End);
            }
            if shared.queue.is_full() {
                if ready.is_empty() {
                    intake.relieve(ready);
                }
                break;
            }
            match self.reader.try_next()? {
                None => {
                    self.tell(shared, SystemTime::now(), ready);
                    return Ok(Ahead::Nothing);
                }
                Some(Read::Hole(numbers)) => {
                    self.tell(shared, SystemTime::now(), ready);
                    self.hole = Some(numbers);
                }
                Some(Read::Record(record)) => {
                    self.tell(shared, record.batch.received(), ready);
                    read += record.batch.size().max(1);
                    self.cut(shared, &record);
                }
            }
        }
        Ok(Ahead::More)
    }

    /// Whether there is anything that has not been read.
    pub(super) fn is_more(&self) -> bool {
        !self.still && self.library.next_sequence() > self.reader.next_sequence()
    }

    /// What has been delivered has been dealt with.
    pub(super) fn settle(&mut self, shared: &Shared, done: Done) {
        match done {
            _ if self.still => {}
            Done::Told(hole) => self.teller.tell(hole),
            Done::Events(numbers, received) => self.pass(shared, numbers, Some(received)),
        }
    }

    fn pass(&mut self, shared: &Shared, numbers: Range<u64>, received: Option<SystemTime>) {
        let end = numbers.end;
        self.ledger.settle(numbers);
        let low = self.ledger.low();
        self.teller.pass(low, received.filter(|_| low == end));
        shared.meter.pass(low);
    }

    /// Whether everything below another number than at the last commit has been dealt with.
    pub(super) fn has_moved(&self) -> bool {
        self.ledger.low() != self.committed
    }

    /// Moves the cursor to where the sink stands, with what the target adds in `note`.
    pub(super) fn commit(&mut self, shared: &Shared, mut note: Note, sync: bool) -> io::Result<()> {
        note.done = self.ledger.above();
        self.teller.note(&mut note);
        let sequence = self.ledger.low();
        let mut cursor = shared.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cursor) = &mut *cursor else { return Ok(()) };
        cursor.commit(sequence, &note.bytes()?, sync)?;
        self.committed = sequence;
        shared.meter.commit(sequence);
        Ok(())
    }

    /// Puts the gap records of a hole on `ready`; what follows it arrived at `until`.
    fn tell(&mut self, shared: &Shared, until: SystemTime, ready: &mut VecDeque<Run>) {
        let Some(hole) = self.hole.take() else { return };
        let lost = self.ledger.todo(hole.clone());
        for lost in &lost {
            let events = lost.end - lost.start;
            error!(sink = %shared.meter.name(), first = lost.start, events, "events are not in the journal any more and are lost to this sink");
            shared.meter.lose(events);
        }
        let records = self.teller.records(&hole, &lost, until);
        if records.is_empty() {
            return self.pass(shared, hole, Some(until));
        }
        shared.meter.accept(records.len());
        ready.extend(records.into_iter().map(|(batch, done)| {
            let events = 0..batch.len();
            Run { lease: shared.queue.lease_for(batch, done), events }
        }));
    }

    /// Cuts a record into pieces of what is to be dealt with.
    fn cut(&mut self, shared: &Shared, record: &Record) {
        if record.kind == Kind::Gap && !shared.queue.takes_gaps() {
            return self.pass(shared, record.first..record.end(), Some(record.batch.received()));
        }
        let lease = shared.queue.lease_of(record);
        for todo in self.ledger.todo(record.first..record.end()) {
            let place = |number: u64| usize::try_from(number - record.first).unwrap_or(usize::MAX);
            let end = place(todo.end);
            for start in (place(todo.start)..end).step_by(PIECE) {
                self.pieces.push_back((Arc::clone(&lease), start..end.min(start + PIECE)));
            }
        }
    }

    fn admit(
        &mut self,
        shared: &Shared,
        intake: &mut Intake,
        lease: &Arc<Lease>,
        places: Range<usize>,
        now: Instant,
        ready: &mut VecDeque<Run>,
    ) {
        let events = places.len();
        intake.admit(lease, places, now, ready, &mut self.left);
        shared.meter.accept(events - self.left.len());
        let number = |place: usize| lease.numbers(&(place..place + 1));
        let last = self.left.last().copied();
        self.left.drain(..).for_each(|place| self.ledger.settle(number(place)));
        if let Some(last) = last {
            self.pass(shared, number(last), Some(lease.batch().received()));
        }
    }
}
