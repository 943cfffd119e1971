//! Reads the journal in order: from memory when close behind the writer, from disk when not.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::disk;
use super::scan::{Found, Item, Scanner};
use super::segment::{self, name};
use super::shared::{Shared, Span, Whereabouts};
use super::{Record, quarantine};

/// One reader, at a place of its own. It never touches the writer but for a short lock.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    next: u64,
    place: Option<Scanner>,
    /// Read from disk already, behind a hole that had to be told first.
    ahead: Option<Record>,
}

/// What stands next.
#[derive(Clone, Debug)]
pub enum Read {
    /// The record with the next event. Its first events may lie before the reader's place, when that stands
    /// inside a batch: [`Record::events_from`] leaves them out.
    Record(Record),
    /// The events with these numbers are not in the journal any more: damaged, dropped or missing.
    Hole(Range<u64>),
}

impl Reader {
    pub(super) const fn new(shared: Arc<Shared>, next: u64) -> Self {
        Self { shared, next, place: None, ahead: None }
    }

    /// The sequence number of the next event that it will read.
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// What stands next, and moves past it; `None` when everything has been read. It never waits for the
    /// writer, but may read from disk.
    ///
    /// # Errors
    /// What the file system said; the reader stays where it was, and may be asked again.
    pub fn try_next(&mut self) -> io::Result<Option<Read>> {
        if let Some(record) = self.ahead.take() {
            return Ok(Some(self.pass(record)));
        }
        match self.shared.find(self.next) {
            Whereabouts::Nowhere => Ok(None),
            Whereabouts::Memory(record) => {
                self.place = None;
                Ok(Some(self.pass_or_tell(record)))
            }
            Whereabouts::Disk => self.read_disk().map(Some),
        }
    }

    /// Waits until there is something to read; whether there is.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.ahead.is_some() || self.shared.wait(self.next, timeout)
    }

    fn read_disk(&mut self) -> io::Result<Read> {
        let upto = self.shared.next();
        let mut span = self.here()?;
        while let Some(now) = span {
            if let Some(record) = self.scan(now)? {
                return Ok(self.pass_or_tell(record));
            }
            span = self.shared.span_after(now.number);
            self.place = span.map(|next| self.open(next.number)).transpose()?.flatten();
        }
        self.place = None;
        let hole = self.next..upto;
        self.next = upto;
        Ok(Read::Hole(hole))
    }

    /// The segment to go on in; [`Reader::place`] then stands in it.
    fn here(&mut self) -> io::Result<Option<Span>> {
        let here = self.place.as_ref().map(Scanner::number);
        let span = here.and_then(|number| self.shared.span(number)).filter(|span| span.end > self.next);
        if span.is_some() {
            return Ok(span);
        }
        let span = self.shared.span_of(self.next);
        self.place = span.map(|span| self.open(span.number)).transpose()?.flatten();
        Ok(span)
    }

    /// `None` when it has been removed meanwhile.
    fn open(&self, number: u64) -> io::Result<Option<Scanner>> {
        match self.shared.disk.open(&name(number)) {
            Ok(handle) => Ok(Some(Scanner::new(handle, number, segment::HEADER as u64))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk::at(name(number))(error)),
        }
    }

    /// The next record of a segment that holds anything new.
    fn scan(&mut self, span: Span) -> io::Result<Option<Record>> {
        let Some(place) = &mut self.place else { return Ok(None) };
        while let Some(item) = place.next(span.len, self.next)? {
            match item {
                Item::Record(header, Found::Batch(kind, batch)) => {
                    return Ok(Some(Record { first: header.first, kind, batch: Arc::new(batch) }));
                }
                Item::Record(..) => {}
                Item::Damage(damage) => {
                    // The copy is for a person; the hole is told whether or not it can be made.
                    drop(self.shared.disk.open(&name(span.number)).and_then(|handle| {
                        quarantine::keep(&*self.shared.disk, &*handle, span.number, &damage)
                    }));
                }
            }
        }
        Ok(None)
    }

    /// Tells the hole before `record` first, if there is one.
    fn pass_or_tell(&mut self, record: Record) -> Read {
        if record.first <= self.next {
            return self.pass(record);
        }
        let hole = self.next..record.first;
        self.next = record.first;
        self.ahead = Some(record);
        Read::Hole(hole)
    }

    fn pass(&mut self, record: Record) -> Read {
        self.next = self.next.max(record.end());
        Read::Record(record)
    }
}
