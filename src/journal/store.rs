//! The writing side: append, sync, and a new segment when the old one is full or cannot be trusted.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::cursor::Cursors;
use super::disk::{Directory, Disk};
use super::lock::Lock;
use super::positions::Positions;
use super::record::{self, Place};
use super::recover::{Recovered, recover};
use super::segment::{self, Meta, Writable};
use super::shared::Shared;
use super::{
    Config, Kind, Loss, OpenError, Reader, Record, Recovery, SyncPolicy, Trouble, cursor, quarantine,
};
use crate::event::Batch;

/// How large the buffer of a record may stay, in bytes.
const BUFFER_KEPT: usize = 1 << 20;
/// How many bytes may wait to be made durable; an append that finds more makes them so itself.
const UNSYNCED_MAX: usize = 64 << 20;
/// With so many bytes that wait to be made durable a sync is due, whenever the last one was.
const UNSYNCED_MANY: usize = 8 << 20;
/// How many bytes of a full segment may wait to be made durable when it is ended, since appends wait for that.
const SEAL_MOST: u64 = 4 << 20;

/// The journal of one directory, open for writing.
#[derive(Debug)]
pub struct Journal {
    pub(super) shared: Arc<Shared>,
    pub(super) config: Config,
    pub(super) active: Option<Active>,
    /// The number of the next segment.
    number: u64,
    durable: u64,
    /// As of `durable`.
    positions: Positions,
    /// What is written but not durable, oldest first: it is written again when it cannot be made so.
    unsynced: VecDeque<Record>,
    unsynced_bytes: usize,
    buffer: Vec<u8>,
    sync_failure: Option<io::Error>,
    pub(super) losses: Vec<Loss>,
    report: Recovery,
    _lock: Option<Lock>,
}

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Active {
    number: u64,
    file: Arc<Writable>,
    len: u64,
    /// How much of it is durable.
    durable_len: u64,
    /// Its length without any batch.
    empty_len: u64,
}

impl Active {
    pub(super) const fn is_empty(&self) -> bool {
        self.len == self.empty_len
    }
}

/// A sync that is to be run, on any thread; its outcome goes to [`Journal::finish_sync`].
#[derive(Debug)]
pub struct SyncJob {
    file: Arc<Writable>,
    number: u64,
    len: u64,
    upto: u64,
}

impl SyncJob {
    /// Waits until the device has what had been appended when the job was made.
    pub fn run(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Journal {
    /// Opens the journal in `dir`, made where there is none, and recovers what is in it.
    pub fn open(dir: &Path, config: Config) -> Result<Self, OpenError> {
        let disk = Directory::create(dir, &[cursor::FOLDER, quarantine::FOLDER])?;
        let lock = Lock::take(dir)?;
        Self::open_on(Arc::new(disk), config, Some(lock))
    }

    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        config: Config,
        lock: Option<Lock>,
    ) -> Result<Self, OpenError> {
        let furthest = Cursors::new(Arc::clone(&disk)).furthest()?;
        let Recovered { segments, next, number, positions, report } = recover(&*disk, furthest, true)?;
        let shared = Arc::new(Shared::new(disk, segments, next, config.tail_bytes));
        Ok(Self {
            shared,
            config,
            active: None,
            number,
            durable: next,
            positions,
            unsynced: VecDeque::new(),
            unsynced_bytes: 0,
            buffer: Vec::new(),
            sync_failure: None,
            losses: Vec::new(),
            report,
            _lock: lock,
        })
    }

    /// What was found when the journal was opened.
    pub const fn recovery(&self) -> &Recovery {
        &self.report
    }

    /// Each channel's last replay id that is durable as the sync policy defines it.
    pub const fn positions(&self) -> &Positions {
        &self.positions
    }

    /// The sequence number that the next event gets.
    pub fn next_sequence(&self) -> u64 {
        self.shared.next()
    }

    /// The sequence number below which every event is durable as the sync policy defines it.
    pub const fn durable(&self) -> u64 {
        self.durable
    }

    /// The bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes()
    }

    /// A reader that begins with the event numbered `from`, or the first one after it that is there.
    pub fn reader(&self, from: u64) -> Reader {
        Reader::new(Arc::clone(&self.shared), from)
    }

    /// What makes readers and cursors, for other threads.
    pub fn library(&self) -> super::Library {
        super::Library::new(Arc::clone(&self.shared))
    }

    /// What was dropped, unread by some cursor, since this was last asked.
    pub fn take_losses(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.losses)
    }

    /// Why a sync failed, if one has since this was last asked. What was in doubt is written again.
    pub fn take_sync_failure(&mut self) -> Option<io::Error> {
        self.sync_failure.take()
    }

    /// Writes the events of a batch, with one write; the numbers that they got.
    ///
    /// # Errors
    /// Nothing of the batch is in the journal then, and it can be tried again.
    pub fn append(&mut self, batch: &Arc<Batch>, kind: Kind) -> Result<Range<u64>, Trouble> {
        let first = self.shared.next();
        self.append_all([(batch, kind)].into_iter())?;
        Ok(first..self.shared.next())
    }

    /// Like [`Journal::append`] for several batches together, with one write.
    ///
    /// # Errors
    /// Nothing of any of them is in the journal then.
    pub(super) fn append_all<'b>(
        &mut self,
        batches: impl Iterator<Item = (&'b Arc<Batch>, Kind)>,
    ) -> Result<(), Trouble> {
        let (mut next, mut size, mut records) = (self.shared.next(), 0, Vec::new());
        for (batch, kind) in batches.filter(|(batch, _)| !batch.is_empty()) {
            let one = record::size_of(batch);
            if one > record::SIZE_MAX {
                return Err(Trouble::TooLarge);
            }
            let record = Record { first: next, kind, batch: Arc::clone(batch) };
            (next, size) = (record.end(), size + one);
            records.push(record);
        }
        if records.is_empty() {
            return Ok(());
        }
        if self.unsynced_bytes > UNSYNCED_MAX {
            self.sync()?;
        }
        self.make_room(size)?;
        self.write(&records, size)?;
        for record in records {
            self.note(record);
        }
        Ok(())
    }

    /// Makes everything that was appended durable; the number below which every event is.
    pub fn sync(&mut self) -> Result<u64, Trouble> {
        if let Some(job) = self.begin_sync() {
            let outcome = job.run();
            self.finish_sync(&job, outcome)?;
        }
        self.rewrite()?;
        Ok(self.durable)
    }

    /// What is to be synced, if there is anything.
    pub fn begin_sync(&self) -> Option<SyncJob> {
        let active = self.active.as_ref().filter(|active| active.len > active.durable_len)?;
        let (file, number) = (Arc::clone(&active.file), active.number);
        Some(SyncJob { file, number, len: active.len, upto: self.shared.next() })
    }

    /// Whether a sync is due however short ago the last one was: much waits for it, or the end of a segment does.
    pub(super) fn is_sync_pressing(&self) -> bool {
        let is_full = |active: &Active| active.len >= self.config.segment_bytes;
        self.unsynced_bytes >= UNSYNCED_MANY || self.active.as_ref().is_some_and(is_full)
    }

    /// Takes the outcome of a sync. A segment that could not be synced is not written any more: what was not
    /// durable in it is written to a new one.
    pub fn finish_sync(&mut self, job: &SyncJob, outcome: io::Result<()>) -> Result<(), Trouble> {
        let current = self.active.as_mut().filter(|active| active.number == job.number);
        // Another segment is written by now: this one was settled when it was left.
        let Some(active) = current else { return Ok(()) };
        match outcome {
            Ok(()) => {
                active.durable_len = active.durable_len.max(job.len);
                self.settle(job.upto);
                Ok(())
            }
            Err(error) => {
                (self.active, self.sync_failure) = (None, Some(error));
                self.rewrite()
            }
        }
    }

    /// Whether batches that were appended wait to be written again, after a sync that failed.
    fn is_broken(&self) -> bool {
        self.active.is_none() && !self.unsynced.is_empty()
    }

    /// Everything below `upto` is durable.
    fn settle(&mut self, upto: u64) {
        while let Some(record) = self.unsynced.front()
            && record.end() <= upto
        {
            self.positions.follow(&record.batch);
            self.unsynced_bytes -= record.batch.size();
            self.unsynced.pop_front();
        }
        self.durable = self.durable.max(upto);
    }

    /// What records say is durable: what really is.
    fn known_durable(&self) -> u64 {
        if self.config.sync == SyncPolicy::Never { 0 } else { self.durable }
    }

    fn note(&mut self, record: Record) {
        self.unsynced_bytes += record.batch.size();
        let end = record.end();
        self.unsynced.push_back(record);
        if self.config.sync == SyncPolicy::Never {
            self.settle(end);
        }
    }

    /// Writes records that have `size` bytes together, at least one.
    fn write(&mut self, records: &[Record], size: u64) -> Result<(), Trouble> {
        self.rewrite()?;
        if self.is_over(size) {
            self.seal()?;
        }
        let durable = self.known_durable();
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.create(self.shared.next(), &[])?,
        };
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT);
        self.buffer.reserve_exact(usize::try_from(size).unwrap_or(0));
        let segment = active.number;
        let mut put = records.iter().map(|record| {
            let place = Place { segment, first: record.first, durable };
            record::put_batch(&mut self.buffer, place, &record.batch, record.kind)
        });
        let written = put.try_for_each(|put| put);
        let written = written.and_then(|()| Ok(active.file.handle.write_at(&self.buffer, active.len)?));
        match written {
            Ok(()) => {
                active.len += self.buffer.len() as u64;
                self.shared.publish(active.number, active.len, records);
                self.active = Some(active);
                Ok(())
            }
            Err(trouble) => self.take_back(active, trouble),
        }
    }

    /// Whether the segment that is written is to be ended before `size` more bytes are appended. While much of it is
    /// not durable it may become larger by a quarter.
    fn is_over(&self, size: u64) -> bool {
        let Some(active) = self.active.as_ref().filter(|active| !active.is_empty()) else { return false };
        let (len, full) = (active.len.saturating_add(size), self.config.segment_bytes);
        let may_wait = self.config.sync != SyncPolicy::Never && len <= full.saturating_add(full / 4);
        len > full && !(may_wait && active.len.saturating_sub(active.durable_len) > SEAL_MOST)
    }

    /// Cuts off what a failed write left. Where not even that is possible the segment is left.
    fn take_back(&mut self, active: Active, trouble: Trouble) -> Result<(), Trouble> {
        let cut = active.file.handle.set_len(active.len);
        self.active = Some(active);
        if cut.is_err() {
            self.seal()?;
        }
        Err(trouble)
    }

    /// Ends the segment that is written, durable whole.
    pub(super) fn seal(&mut self) -> Result<(), Trouble> {
        if self.config.sync == SyncPolicy::Never {
            self.active = None;
            return Ok(());
        }
        self.sync()?;
        self.active = None;
        Ok(())
    }

    /// Writes what could not be made durable to a new segment. Until that is whole and durable itself, nothing
    /// is lost by it but the disk's space: readers have the old one, and a crash leaves that as it was.
    pub(super) fn rewrite(&mut self) -> Result<(), Trouble> {
        if !self.is_broken() {
            return Ok(());
        }
        let records: Vec<_> = self.unsynced.iter().cloned().collect();
        let first = records.first().map_or(self.durable, |record| record.first);
        let active = self.create(first, &records)?;
        self.active = Some(active);
        self.settle(self.shared.next());
        Ok(())
    }

    /// Begins a segment whose first event is `first`, with `records` in it, all of it durable.
    pub(super) fn create(&mut self, first: u64, records: &[Record]) -> Result<Active, Trouble> {
        let number = self.number;
        self.number = number.checked_add(1).ok_or(Trouble::TooLarge)?;
        let previous = self.shared.segments().last().map_or(number, |meta| meta.number);
        let mut bytes = segment::Header { number, previous, first }.bytes();
        let mut place = Place { segment: number, first, durable: self.known_durable() };
        record::put_positions(&mut bytes, place, &self.positions)?;
        let empty_len = bytes.len() as u64;
        for record in records {
            place.first = record.first;
            record::put_batch(&mut bytes, place, &record.batch, record.kind)?;
        }
        let file = self.create_file(number, &bytes)?;
        let len = bytes.len() as u64;
        self.shared.put_segment(Meta { number, first, len, modified: SystemTime::now() });
        Ok(Active { number, file, len, durable_len: len, empty_len })
    }

    fn create_file(&self, number: u64, bytes: &[u8]) -> io::Result<Arc<Writable>> {
        let (disk, name) = (&self.shared.disk, segment::name(number));
        let unfinished = format!("{name}{}", segment::UNFINISHED);
        let handle = disk.create(&unfinished)?;
        let made = (handle.write_at(bytes, 0))
            .and_then(|()| handle.sync())
            .and_then(|()| disk.rename(&unfinished, &name))
            .and_then(|()| disk.sync_names(""));
        match made {
            Ok(()) => Ok(Arc::new(Writable::new(handle))),
            Err(error) => {
                // Its number is not used again, so what cannot be removed does no harm until it is.
                drop(disk.remove(&unfinished));
                drop(disk.remove(&name));
                Err(error)
            }
        }
    }
}
