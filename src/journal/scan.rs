//! Reads the records of one segment in order, and what lies between them.
//!
//! Whatever the bytes are, a scan ends, gives only records whose sums are right, and tells of every other
//! range. After damage it goes on at the next sane header, wherever that is; the end that a damaged record's own
//! header states counts only where there is none before it.
//!
//! What cannot be read is no damage: the scan fails, stays where it is, and can go on from there.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;

use super::disk::{self, Handle};
use super::record::{Content, Decoder, HEADER, Header, MARKER};
use super::{Kind, Reason, segment};
use crate::event::Batch;

/// How much is read at once, in bytes, unless a record is longer.
const CHUNK: usize = 256 << 10;

/// What stands next in a segment.
#[derive(Debug)]
pub(super) enum Item {
    Record(Header, Found),
    Damage(Damage),
}

/// The body of a record.
#[derive(Debug)]
pub(super) enum Found {
    Batch(Kind, Batch),
    /// Passed over: its events lie before the ones asked for.
    Passed,
    /// The body of a positions record.
    Positions(Bytes),
}

/// A range of a segment that holds no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) at: Range<u64>,
    pub(super) reason: Reason,
    /// The events that stood there, when the header was sane.
    pub(super) lost: Option<Range<u64>>,
}

/// A place in a segment.
#[derive(Debug)]
pub(super) struct Scanner {
    handle: Arc<dyn Handle>,
    number: u64,
    offset: u64,
    limit: u64,
    /// The file's bytes from `base` on.
    buffer: Vec<u8>,
    base: u64,
    decoder: Decoder,
}

impl Scanner {
    /// Begins at `offset` of segment `number`.
    pub(super) fn new(handle: Arc<dyn Handle>, number: u64, offset: u64) -> Self {
        let (buffer, decoder) = (Vec::new(), Decoder::default());
        Self { handle, number, offset, limit: offset, buffer, base: offset, decoder }
    }

    /// The segment's number.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The next item before the offset `limit`; batches that end at `from` or before are not decoded.
    pub(super) fn next(&mut self, limit: u64, from: u64) -> io::Result<Option<Item>> {
        self.limit = limit;
        if self.offset >= limit {
            return Ok(None);
        }
        let number = self.number;
        match Header::parse(self.bytes(self.offset, HEADER)?, number) {
            Some(header) => self.record(header, from).map(Some),
            None => self.resume().map(Some),
        }
    }

    fn record(&mut self, header: Header, from: u64) -> io::Result<Item> {
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let start = self.offset.saturating_add(HEADER as u64);
        let end = start.saturating_add(u64::from(header.length));
        let lost = (header.count > 0).then(|| header.first..header.end());
        if end > self.limit {
            return Ok(match self.find(start, self.limit)? {
                Some(next) => self.damage(next, Reason::CutShort, lost),
                None => self.damage(self.limit, Reason::CutShort, None),
            });
        }
        if header.end() <= from && matches!(header.content, Content::Batch(_)) {
            self.offset = end;
            return Ok(Item::Record(header, Found::Passed));
        }
        self.bytes(start, length)?;
        let at = usize::try_from(start - self.base).unwrap_or(usize::MAX);
        let body = self.buffer.get(at..at.saturating_add(length)).unwrap_or_default();
        let found = if header.matches(body) { decode(&mut self.decoder, &header, body) } else { None };
        if let Some(found) = found {
            self.offset = end;
            return Ok(Item::Record(header, found));
        }
        let next = self.find(start, end)?.unwrap_or(end);
        Ok(self.damage(next, Reason::Sum, lost))
    }

    /// Passes over what is no record.
    fn resume(&mut self) -> io::Result<Item> {
        let end = self.find(self.offset + 1, self.limit)?.unwrap_or(self.limit);
        let zeros = self.is_zero(end)?;
        Ok(self.damage(end, if zeros { Reason::Zeros } else { Reason::NoRecord }, None))
    }

    /// Where the first header at `from` or after it, and before `end`, is.
    fn find(&mut self, from: u64, end: u64) -> io::Result<Option<u64>> {
        let (mut at, number) = (from, self.number);
        while at < end {
            let window = self.bytes(at, CHUNK)?;
            let is_header = |place: &usize| {
                window.get(*place..).is_some_and(|bytes| Header::parse(bytes, number).is_some())
            };
            if let Some(place) = memmem::find_iter(window, &MARKER).find(is_header) {
                return Ok(Some(at + place as u64).filter(|found| *found < end));
            }
            // A header may stand across the end of this window.
            at += window.len().saturating_sub(HEADER - 1).max(1) as u64;
        }
        Ok(None)
    }

    /// Whether there is nothing but zeros from here to `end`.
    fn is_zero(&mut self, end: u64) -> io::Result<bool> {
        let mut at = self.offset;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(CHUNK);
            let window = self.bytes(at, length)?;
            if window.is_empty() || window.iter().any(|byte| *byte != 0) {
                return Ok(window.is_empty());
            }
            at += window.len() as u64;
        }
        Ok(true)
    }

    fn damage(&mut self, end: u64, reason: Reason, lost: Option<Range<u64>>) -> Item {
        let at = self.offset..end;
        self.offset = end;
        Item::Damage(Damage { at, reason, lost })
    }

    /// The bytes at `offset`: `length` of them, fewer where the segment ends.
    fn bytes(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(left);
        let held = offset.checked_sub(self.base).and_then(|skip| usize::try_from(skip).ok());
        let held = held.filter(|skip| self.buffer.len().saturating_sub(*skip) >= length);
        let skip = held.unwrap_or(0);
        if held.is_none() {
            self.fill(offset, length.max(CHUNK.min(left)))?;
        }
        let end = skip.saturating_add(length).min(self.buffer.len());
        Ok(self.buffer.get(skip..end).unwrap_or_default())
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        self.buffer.resize(length, 0);
        self.buffer.shrink_to(length.max(CHUNK));
        self.base = offset;
        let filled = disk::read_full(&*self.handle, &mut self.buffer, offset);
        self.buffer.truncate(*filled.as_ref().unwrap_or(&0));
        filled.map(drop).map_err(|error| {
            let place = format!("{} from byte {offset} on", segment::name(self.number));
            disk::at(place)(error)
        })
    }
}

fn decode(decoder: &mut Decoder, header: &Header, body: &[u8]) -> Option<Found> {
    match header.content {
        Content::Batch(kind) => {
            let batch = decoder.batch(header.count, body)?;
            Some(Found::Batch(kind, if kind == Kind::Gap { batch.into_gap() } else { batch }))
        }
        Content::Positions => Some(Found::Positions(Bytes::copy_from_slice(body))),
    }
}
