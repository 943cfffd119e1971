//! Looks at a journal without being its writer: all of it, or its latest events.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::cursor::Cursors;
use super::disk::{self, Directory, Disk};
use super::recover::recover;
use super::scan::{Found, Item, Scanner};
use super::segment::{self, name};
use super::shared::{Shared, Span};
use super::{Committed, Config, Hole, Library, OpenError, Positions, Record};
use crate::event::Channel;

/// How many holes of one segment are listed.
const HOLES_MAX: usize = 1_000;

/// The name of the file of segment `number` in its journal's directory.
pub fn segment_file(number: u64) -> String {
    name(number)
}

/// A journal as it was found.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Its segments, oldest first.
    pub segments: Vec<SegmentReport>,
    /// Each channel's last replay id.
    pub positions: Positions,
    /// Each cursor's name and last commit.
    pub cursors: Vec<(String, Committed)>,
    /// The sequence number that the next event gets.
    pub next: u64,
    /// What is missing between segments and at the end.
    pub holes: Vec<Hole>,
    /// The bytes behind the last segment's last whole record; where a process is writing, a record that is about
    /// to be there.
    pub torn: u64,
    /// The cursors whose files are all damaged.
    pub damaged_cursors: Vec<String>,
}

/// One segment as it was found.
#[derive(Clone, Debug, Default)]
pub struct SegmentReport {
    /// Its number.
    pub number: u64,
    /// The sequence number that its first event has.
    pub first: u64,
    /// The sequence number after its last event.
    pub end: u64,
    /// Its length in bytes, without what is [torn](Inspection::torn).
    pub bytes: u64,
    /// How many batches it has.
    pub batches: u64,
    /// How many events those have.
    pub events: u64,
    /// When its first and its last batch arrived.
    pub received: Option<(SystemTime, SystemTime)>,
    /// What is damaged in it; at most 1,000 places.
    pub holes: Vec<Hole>,
}

impl Library {
    /// The journal in `dir` as it is now, for reading alone: nothing is repaired, and a process may be writing.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Directory::read_only(dir)))
    }

    pub(super) fn open_on(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let found = recover(&*disk, 0, false)?;
        let tail_bytes = Config::default().tail_bytes;
        Ok(Self::new(Arc::new(Shared::new(disk, found.segments, found.next, tail_bytes))))
    }

    /// Every cursor's name and last commit, as they are on disk.
    pub fn cursors(&self) -> io::Result<Vec<(String, Committed)>> {
        Cursors::new(Arc::clone(&self.shared().disk)).all()
    }

    /// What each of these cursors has passed; a new one has passed everything, a damaged one nothing.
    pub fn passed_by(&self, names: &[Arc<str>]) -> io::Result<u64> {
        let (whole, damaged) = Cursors::new(Arc::clone(&self.shared().disk)).whole_and_damaged()?;
        let is_asked = |one: &str| names.iter().any(|name| **name == *one);
        if damaged.iter().any(|name| is_asked(name)) {
            return Ok(0);
        }
        let asked = whole.iter().filter(|(name, _)| is_asked(name));
        let lowest = asked.map(|(_, committed)| committed.sequence).min();
        Ok(lowest.unwrap_or_else(|| self.next_sequence()))
    }

    /// The latest records that together have the last `per_channel` events of each channel, oldest first.
    /// No more than the last `max_bytes` bytes of events are looked at or held in memory, but for a single record.
    pub fn recent(&self, per_channel: usize, max_bytes: u64) -> io::Result<Vec<Record>> {
        let (mut records, mut counts, mut read) = (Vec::new(), HashMap::new(), 0_u64);
        let segments = self.shared().segments();
        for meta in segments.iter().rev() {
            if read >= max_bytes {
                break;
            }
            let Some(span) = self.shared().span(meta.number) else { continue };
            let found = self.last_records_of(span, max_bytes - read)?;
            for record in found.into_iter().rev() {
                if is_wanted(&record, per_channel, &mut counts) {
                    records.push(record);
                }
            }
            read = read.saturating_add(meta.len);
        }
        records.reverse();
        Ok(records)
    }

    /// The last records of a segment that have `max_bytes` bytes together, at least one.
    fn last_records_of(&self, span: Span, max_bytes: u64) -> io::Result<VecDeque<Record>> {
        let handle = match self.shared().disk.open(&name(span.number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(VecDeque::new()),
            other => other.map_err(disk::at(name(span.number)))?,
        };
        let mut scanner = Scanner::new(handle, span.number, segment::HEADER as u64);
        let (mut records, mut bytes) = (VecDeque::new(), 0_u64);
        while let Some(item) = scanner.next(span.len, 0)? {
            if let Item::Record(header, Found::Batch(kind, batch)) = item
                && header.first < span.end
            {
                let record = Record { first: header.first, kind, batch: Arc::new(batch) };
                bytes = bytes.saturating_add(size_of(&record));
                records.push_back(record);
            }
            while bytes > max_bytes
                && records.len() > 1
                && let Some(oldest) = records.pop_front()
            {
                bytes = bytes.saturating_sub(size_of(&oldest));
            }
        }
        Ok(records)
    }
}

fn size_of(record: &Record) -> u64 {
    u64::try_from(record.batch.size()).unwrap_or(u64::MAX)
}

/// Whether a record, met on the way back, has an event that is among its channel's last.
fn is_wanted(record: &Record, per_channel: usize, counts: &mut HashMap<(Arc<str>, Channel), usize>) -> bool {
    let mut wanted = false;
    for event in record.batch.iter() {
        let key = (Arc::clone(event.connection), event.channel.clone());
        let count = counts.entry(key).or_default();
        wanted |= *count < per_channel;
        *count += 1;
    }
    wanted
}

/// Reads everything in the journal of `dir`, which a process may be writing, and changes nothing.
pub fn inspect(dir: &Path) -> Result<Inspection, OpenError> {
    inspect_telling(dir, &mut |_, _| {})
}

/// As [`inspect`]; `tell` is called before each segment with the bytes read so far and those of all segments.
pub fn inspect_telling(dir: &Path, tell: &mut dyn FnMut(u64, u64)) -> Result<Inspection, OpenError> {
    inspect_on(&(Arc::new(Directory::read_only(dir)) as Arc<dyn Disk>), tell)
}

pub(super) fn inspect_on(
    disk: &Arc<dyn Disk>,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Inspection, OpenError> {
    let (cursors, damaged_cursors) = Cursors::new(Arc::clone(disk)).whole_and_damaged()?;
    let furthest = cursors.iter().map(|(_, committed)| committed.sequence).max().unwrap_or(0);
    let found = recover(&**disk, furthest, false)?;
    let mut segments = Vec::new();
    let (mut done, all) = (0, found.segments.iter().map(|meta| meta.len).sum());
    for meta in &found.segments {
        tell(done, all);
        done += meta.len;
        let handle = match disk.open(&name(meta.number)) {
            // Removed by its writer since, and so were those before it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                segments.clear();
                continue;
            }
            other => other.map_err(disk::at(name(meta.number)))?,
        };
        let scanner = Scanner::new(handle, meta.number, segment::HEADER as u64);
        let report = SegmentReport {
            number: meta.number,
            first: meta.first,
            end: meta.first,
            bytes: meta.len,
            ..SegmentReport::default()
        };
        segments.push(report.read(scanner)?);
    }
    let (positions, next, report) = (found.positions, found.next, found.report);
    let (holes, torn) = (report.holes, report.cut);
    Ok(Inspection { segments, positions, cursors, next, holes, torn, damaged_cursors })
}

impl SegmentReport {
    fn read(mut self, mut scanner: Scanner) -> io::Result<Self> {
        while let Some(item) = scanner.next(self.bytes, 0)? {
            match item {
                Item::Record(header, Found::Batch(_, batch)) => {
                    self.batches += 1;
                    self.events += u64::from(header.count);
                    self.end = self.end.max(header.end());
                    let first = self.received.map_or(batch.received(), |(first, _)| first);
                    self.received = Some((first, batch.received()));
                }
                Item::Damage(damage) if self.holes.len() < HOLES_MAX => self.holes.push(Hole {
                    segment: self.number,
                    bytes: damage.at,
                    reason: damage.reason,
                    events: damage.lost,
                }),
                _ => {}
            }
        }
        Ok(self)
    }
}
