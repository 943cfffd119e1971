//! What a directory holds, whatever a crash, a full disk or a bad sector left in it.
//!
//! Only the last segment is read whole, and the ones before it back to the newest that begins with positions
//! that can be read. Nothing is changed before all of that has been read: a segment of a newer version, and a place
//! that the file system cannot read, leave everything as it is.

use std::io;
use std::sync::Arc;

use super::disk::{self, Disk, Handle};
use super::positions::Positions;
use super::record;
use super::scan::{Damage, Found, Item, Scanner};
use super::segment::{self, Header, HeaderError, Meta};
use super::{Hole, OpenError, Reason, Recovery, quarantine};

/// How many holes are told one by one.
const HOLES_MAX: usize = 1_000;
/// How many holes are followed at a time to see whether what they held had been durable.
const DOUBTS_MAX: usize = 16;

/// A directory that has been read.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) segments: Vec<Meta>,
    /// The sequence number that the next event gets.
    pub(super) next: u64,
    /// The number that the next segment gets.
    pub(super) number: u64,
    pub(super) positions: Positions,
    pub(super) report: Recovery,
}

/// A segment that is there.
#[derive(Debug)]
struct Candidate {
    meta: Meta,
    header: Option<Header>,
    handle: Arc<dyn Handle>,
}

/// A change that makes the directory good to go on with.
enum Repair {
    /// Keeps a copy of what is damaged in a segment.
    Keep(Arc<dyn Handle>, u64, Damage),
    Cut(Arc<dyn Handle>, u64, u64),
    Remove(String),
    /// Makes the last segment durable as it is now.
    Sync(Arc<dyn Handle>, u64),
}

/// One recovery.
#[derive(Default)]
struct Pass {
    report: Recovery,
    repairs: Vec<Repair>,
}

/// Reads the directory. `cursor` is the furthest of the cursors: numbers below it have been given out, whether
/// or not their events are still there.
pub(super) fn recover(disk: &dyn Disk, cursor: u64, repair: bool) -> Result<Recovered, OpenError> {
    let (candidates, unfinished) = candidates(disk, repair)?;
    let mut pass = Pass::default();
    pass.repairs.extend(unfinished.into_iter().map(Repair::Remove));
    let recovered = pass.run(candidates, cursor)?;
    if repair {
        pass.repairs.into_iter().try_for_each(|one| one.run(disk))?;
    }
    Ok(recovered)
}

impl Repair {
    fn run(self, disk: &dyn Disk) -> io::Result<()> {
        match self {
            // The copy is for a person: the hole is told whether or not it can be made.
            Self::Keep(handle, segment, damage) => {
                drop(quarantine::keep(disk, &*handle, segment, &damage));
                Ok(())
            }
            Self::Cut(handle, segment, len) => handle.set_len(len).map_err(disk::at(segment::name(segment))),
            Self::Remove(name) => disk.remove(&name).map_err(disk::at(name)),
            Self::Sync(handle, segment) => {
                handle.sync().map_err(disk::at(segment::name(segment)))?;
                disk.sync_names("")
            }
        }
    }
}

/// The segments in the order of their numbers, and the names of those that were not finished.
fn candidates(disk: &dyn Disk, repair: bool) -> Result<(Vec<Candidate>, Vec<String>), OpenError> {
    let mut found: Vec<_> = disk.list("").map_err(disk::at("its directory"))?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let (mut candidates, mut unfinished) = (Vec::new(), Vec::new());
    for entry in found {
        if entry.name.ends_with(segment::UNFINISHED) {
            unfinished.push(entry.name);
            continue;
        }
        let Some(number) = segment::number(&entry.name) else { continue };
        let handle = match disk.open(&entry.name) {
            // Removed by its writer since the directory was read, and so were those before it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !repair => {
                candidates.clear();
                continue;
            }
            other => other.map_err(disk::at(&entry.name))?,
        };
        let head = head(&*handle).map_err(disk::at(&entry.name))?;
        let header = match Header::parse(&head, number) {
            Ok(header) => Some(header),
            Err(HeaderError::Damaged) => None,
            Err(HeaderError::Newer(version)) => return Err(OpenError::Newer { name: entry.name, version }),
        };
        let first = header.map_or(u64::MAX, |header| header.first);
        let meta = Meta { number, first, len: entry.len, modified: entry.modified };
        candidates.push(Candidate { meta, header, handle });
    }
    Ok((candidates, unfinished))
}

fn head(handle: &dyn Handle) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; segment::HEADER];
    let filled = disk::read_full(handle, &mut bytes, 0)?;
    bytes.truncate(filled);
    Ok(bytes)
}

impl Pass {
    fn run(&mut self, mut candidates: Vec<Candidate>, cursor: u64) -> io::Result<Recovered> {
        let number = candidates.last().map_or(1, |last| last.meta.number.saturating_add(1));
        self.mend_headers(&mut candidates)?;
        self.look_for_missing(&candidates)?;
        let (mut positions, mut next) = (Positions::default(), 0);
        let start = newest_with_positions(&candidates)?;
        let last = candidates.len().saturating_sub(1);
        for (index, candidate) in candidates.iter_mut().enumerate().skip(start) {
            let mut scan = Scan::new(std::mem::take(&mut positions), candidate.meta.first);
            scan.run(candidate)?;
            next = scan.next;
            self.settle(candidate, &mut scan, index == last);
            positions = scan.into_positions(index == last);
        }
        if let Some(last) = candidates.last() {
            self.repairs.push(Repair::Sync(Arc::clone(&last.handle), last.meta.number));
        }
        if cursor > next && !candidates.is_empty() {
            let segment = number.saturating_sub(1);
            self.tell(Hole { segment, bytes: 0..0, reason: Reason::Unsynced, events: Some(next..cursor) });
        }
        let segments = candidates.into_iter().map(|candidate| candidate.meta).collect();
        let report = std::mem::take(&mut self.report);
        Ok(Recovered { segments, next: next.max(cursor), number, positions, report })
    }

    /// A segment whose header is damaged begins with its first record.
    fn mend_headers(&mut self, candidates: &mut Vec<Candidate>) -> io::Result<()> {
        for candidate in candidates.iter_mut().filter(|candidate| candidate.header.is_none()) {
            let (first, len) = (first_event(candidate)?, candidate.meta.len);
            candidate.meta.first = first.unwrap_or(u64::MAX);
            let bytes = if first.is_some() { 0..len.min(segment::HEADER as u64) } else { 0..len };
            let damage = Damage { at: bytes, reason: Reason::Header, lost: None };
            self.damaged(candidate, &damage);
        }
        // One without any record holds nothing that the damage kept.
        let empty = candidates.extract_if(.., |candidate| candidate.meta.first == u64::MAX);
        self.repairs.extend(empty.map(|empty| Repair::Remove(segment::name(empty.meta.number))));
        Ok(())
    }

    fn look_for_missing(&mut self, candidates: &[Candidate]) -> io::Result<()> {
        for (before, after) in candidates.iter().zip(candidates.iter().skip(1)) {
            let Some(header) = after.header else { continue };
            let there = candidates.iter().any(|candidate| candidate.meta.number == header.previous);
            if there || header.previous < before.meta.number {
                continue;
            }
            let mut scan = Scan::new(Positions::default(), before.meta.first);
            scan.run(before)?;
            let events = (scan.next < header.first).then_some(scan.next..header.first);
            let reason = Reason::Missing;
            self.tell(Hole { segment: header.previous, bytes: 0..0, reason, events });
        }
        Ok(())
    }

    /// Cuts the torn tail of the last segment, and tells and keeps every other damage.
    fn settle(&mut self, candidate: &mut Candidate, scan: &mut Scan, last: bool) {
        let len = candidate.meta.len;
        let torn = scan.damages.last().filter(|damage| damage.at.end == len && damage.lost.is_none());
        if let Some(torn) = torn.filter(|_| last).cloned() {
            scan.damages.pop();
            self.report.cut += len - torn.at.start;
            // What a killed process leaves is the beginning of a record; anything else may be of use.
            if torn.reason == Reason::NoRecord && len - torn.at.start >= record::HEADER as u64 {
                self.damaged(candidate, &torn);
            }
            candidate.meta.len = torn.at.start;
            let handle = Arc::clone(&candidate.handle);
            self.repairs.push(Repair::Cut(handle, candidate.meta.number, torn.at.start));
        }
        for damage in &scan.damages {
            self.damaged(candidate, damage);
        }
    }

    fn damaged(&mut self, candidate: &Candidate, damage: &Damage) {
        let segment = candidate.meta.number;
        if self.report.holes.len() < quarantine::FILES_MAX {
            self.repairs.push(Repair::Keep(Arc::clone(&candidate.handle), segment, damage.clone()));
        }
        let (bytes, reason, events) = (damage.at.clone(), damage.reason, damage.lost.clone());
        self.tell(Hole { segment, bytes, reason, events });
    }

    fn tell(&mut self, hole: Hole) {
        if self.report.holes.len() < HOLES_MAX {
            self.report.holes.push(hole);
        } else {
            self.report.more_holes += 1;
        }
    }
}

fn scanner(candidate: &Candidate) -> Scanner {
    Scanner::new(Arc::clone(&candidate.handle), candidate.meta.number, segment::HEADER as u64)
}

/// The sequence number that the first readable record states.
fn first_event(candidate: &Candidate) -> io::Result<Option<u64>> {
    let mut scanner = scanner(candidate);
    while let Some(item) = scanner.next(candidate.meta.len, 0)? {
        if let Item::Record(header, _) = item {
            return Ok(Some(header.first));
        }
    }
    Ok(None)
}

/// The place of the newest segment that begins with readable positions; the first one if none does.
fn newest_with_positions(candidates: &[Candidate]) -> io::Result<usize> {
    for (index, candidate) in candidates.iter().enumerate().rev() {
        let first = scanner(candidate).next(candidate.meta.len, 0)?;
        if let Some(Item::Record(_, Found::Positions(body))) = first
            && record::positions(&body).is_some()
        {
            return Ok(index);
        }
    }
    Ok(0)
}

/// One segment that is read whole.
struct Scan {
    positions: Positions,
    next: u64,
    damages: Vec<Damage>,
    /// The positions before each hole whose events may never have been durable, and where that hole ends. The
    /// server may still have those events: it is asked from there.
    doubts: Vec<(u64, Positions)>,
    /// The positions before damage after which no record has come yet.
    open: Option<Positions>,
}

impl Scan {
    fn new(positions: Positions, next: u64) -> Self {
        Self { positions, next, damages: Vec::new(), doubts: Vec::new(), open: None }
    }

    fn run(&mut self, candidate: &Candidate) -> io::Result<()> {
        let mut scanner = scanner(candidate);
        while let Some(item) = scanner.next(candidate.meta.len, 0)? {
            match item {
                Item::Damage(damage) => self.damage(damage),
                Item::Record(header, found) => self.record(&header, found),
            }
        }
        Ok(())
    }

    fn damage(&mut self, damage: Damage) {
        self.open.get_or_insert_with(|| self.positions.clone());
        self.next = damage.lost.as_ref().map_or(self.next, |lost| lost.end.max(self.next));
        if self.damages.len() < HOLES_MAX {
            self.damages.push(damage);
        }
    }

    fn record(&mut self, header: &record::Header, found: Found) {
        if let Some(damage) = self.damages.last_mut()
            && damage.lost.is_none()
            && self.open.is_some()
            && header.first > self.next
        {
            damage.lost = Some(self.next..header.first);
        }
        if let Some(before) = self.open.take()
            && self.doubts.len() < DOUBTS_MAX
        {
            self.doubts.push((header.first, before));
        }
        self.doubts.retain(|(end, _)| *end > header.durable);
        match found {
            Found::Batch(_, batch) => self.positions.follow(&batch),
            Found::Positions(body) => {
                self.positions =
                    record::positions(&body).unwrap_or_else(|| std::mem::take(&mut self.positions));
            }
            Found::Passed => {}
        }
        self.next = self.next.max(header.end());
    }

    /// Where the server is to be asked from. What stood in any but the last segment had been made durable.
    fn into_positions(self, last: bool) -> Positions {
        let doubt = self.doubts.into_iter().next().map(|(_, before)| before);
        doubt.or(self.open).filter(|_| last).unwrap_or(self.positions)
    }
}
