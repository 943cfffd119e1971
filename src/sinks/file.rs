//! Records as lines in files.
//!
//! * All records for one file are written by one `write(2)` as far as they were loaded together, at most
//!   1 MiB and one record.
//! * **Exactly once through the death of the process, on the journal**: a commit has the length of every open
//!   file, and no file is written before a commit has it. A start cuts each back to that length.
//! * At most 64 files are open; the one written longest ago is closed for another, and one that has not been
//!   written for a minute is closed with the next write, unless it is to be rotated by its age.
//! * A file that has reached its size or age is renamed to `NAME.20260102T030405.678Z` and compressed where that is
//!   wanted; one that is closed meanwhile, when it is written again.
//! * A file that cannot be synced, where that is wanted, ends the sink without another commit: what is in the file
//!   beyond the last one cannot be relied on. The next start cuts it off and delivers it again, as far as the journal has
//!   it by then.
//! * A file that cannot be written holds up the sink: what was loaded for other files is still written once.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::Access;

use super::format::{self, Format};
use super::note::Note;
use super::output::Output;
use super::per_channel::PerChannel;
use super::queue::Run;
pub use super::rotate::Compression;
use super::rotate::Rotated;
use super::target::{Failure, Unfit};
pub use super::template::{Template, TemplateError};
use crate::event::Event;

/// Where records are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The path of each record.
    pub path: Template,
    /// Whether what was written is on the device before a commit says so.
    pub sync: bool,
    /// The length at which a file is rotated, in bytes: no file gets longer, but for a single record.
    pub max_bytes: Option<u64>,
    /// The age at which a file is rotated.
    pub max_age: Option<Duration>,
    /// How rotated files are compressed.
    pub compress: Option<Compression>,
}

impl Config {
    /// Files that are never rotated nor synced.
    pub const fn new(path: Template) -> Self {
        Self { path, sync: false, max_bytes: None, max_age: None, compress: None }
    }
}

/// The mode of new files.
const FILE_MODE: u32 = 0o640;
/// The most files open.
const OPEN_MAX: usize = 64;
/// The most bytes loaded before they are written, but for the last record.
const LOAD_MAX: usize = 1 << 20;
/// Buffers kept for the next load, and the largest of them.
const SPARE_MAX: usize = 4;
const SPARE_BYTES: usize = 2 * LOAD_MAX;
/// How long a file that is not written stays open.
const UNUSED_MAX: Duration = Duration::from_mins(1);

/// The files of one sink.
pub(super) struct Sink {
    template: Template,
    sync: bool,
    max_bytes: u64,
    max_age: Option<Duration>,
    format: Format,
    routes: PerChannel<Route>,
    outputs: Vec<Output>,
    /// The output of each channel of the batch at hand, once it is known.
    slots: Vec<Option<usize>>,
    spare: Vec<Vec<u8>>,
    loaded: usize,
    rotated: Rotated,
    swept: Instant,
    /// Why a sync failed, if one has.
    unsynced: Option<String>,
}

/// Where the records of a channel go, as long as the path holds for that second.
struct Route {
    second: i64,
    path: Arc<Path>,
    output: usize,
}

impl Sink {
    /// Checks that files can be made below the directory that all paths share.
    pub(super) fn open(config: &Config, format: Format) -> Result<Self, (String, String)> {
        check_root(&config.path.root())?;
        Ok(Self {
            template: config.path.clone(),
            sync: config.sync,
            max_bytes: config.max_bytes.unwrap_or(u64::MAX),
            max_age: config.max_age,
            format,
            routes: PerChannel::default(),
            outputs: Vec::new(),
            slots: Vec::new(),
            spare: Vec::new(),
            loaded: 0,
            rotated: Rotated::new(config.compress),
            swept: Instant::now(),
            unsynced: None,
        })
    }

    /// Takes events from the front of `run`: how many.
    pub(super) fn load(&mut self, run: &Run) -> usize {
        let batch = run.lease.batch();
        self.slots.clear();
        self.slots.resize(batch.channels().len(), None);
        let mut taken = 0;
        for event in run.events.clone().map_while(|index| batch.get(index)) {
            if self.loaded >= LOAD_MAX || !self.load_event(&event) {
                break;
            }
            taken += 1;
        }
        taken
    }

    /// Writes everything loaded, and rotates what is to be. After a failure, what is not yet written stays
    /// loaded.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let mut failed = None;
        let (mut unnoted, mut unfit) = (false, Vec::new());
        for index in 0..self.outputs.len() {
            match self.prepare(index, now) {
                Ok(ready) => unnoted |= !ready,
                Err(error) => {
                    failed = failed.or(Some(error));
                    unfit.push(index);
                }
            }
        }
        if unnoted {
            return Err(Failure::Unnoted);
        }
        for (index, output) in self.outputs.iter_mut().enumerate() {
            if output.is_idle() || unfit.contains(&index) {
                continue;
            }
            match output.write(now) {
                Ok(()) => give_back(std::mem::take(&mut output.buffer), &mut self.spare),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed {
            return Err(Failure::Retry { error, after: None });
        }
        self.loaded = 0;
        Ok(())
    }

    /// Everything loaded has been dealt with.
    pub(super) fn settle(&mut self) {
        self.outputs.iter_mut().for_each(Output::settle);
        self.close_unused(Instant::now());
    }

    /// What a commit is to say of the files.
    pub(super) fn note(&self) -> Note {
        let files = self.outputs.iter().filter_map(Output::note).collect();
        Note { files, rotated: self.rotated.pending(), ..Note::default() }
    }

    /// What [`Sink::note`] said is committed.
    pub(super) fn noted(&mut self) {
        self.outputs.iter_mut().for_each(Output::noted);
        self.rotated.compress();
    }

    /// Whether files are on the device before a commit.
    pub(super) const fn is_synced(&self) -> bool {
        self.sync
    }

    /// Whether a commit does something for the files even without a cursor.
    pub(super) fn wants_commit(&self) -> bool {
        self.sync || self.rotated.is_waiting()
    }

    /// Waits until the device has what was written, where that is wanted. A failure is for good: the kernel may
    /// have dropped what it could not write, and would call the next attempt a success.
    pub(super) fn sync(&mut self) -> Result<(), String> {
        if !self.sync {
            return Ok(());
        }
        if self.unsynced.is_none() {
            self.unsynced = self.outputs.iter_mut().try_for_each(Output::sync_written).err();
        }
        self.unsynced.clone().map_or(Ok(()), Err)
    }

    /// When a file that nothing waits for is to be rotated.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let max_age = self.max_age?;
        self.outputs.iter().filter_map(Output::since).min()?.checked_add(max_age)
    }

    /// Cuts the files back to what was committed, and goes on with what was to be compressed.
    pub(super) fn restore(&mut self, name: &str, note: &Note) -> Result<(), Unfit> {
        for file in &note.files {
            super::restore::restore(name, file, self.sync).map_err(|error| Unfit {
                thing: file.path.display().to_string(),
                found: format!("cannot be cut back to what was committed: {error}"),
                hint: "make the file writable".to_owned(),
            })?;
        }
        self.rotated.resume(&note.rotated);
        Ok(())
    }

    /// Closes every file; the next write opens its path anew.
    pub(super) fn reopen(&mut self) {
        self.outputs.iter_mut().for_each(Output::close);
    }

    /// Opens an output's file where anything waits for it, and rotates it where it is to be; whether it can be
    /// written without a commit.
    fn prepare(&mut self, index: usize, now: Instant) -> Result<bool, String> {
        let (max_bytes, max_age) = (self.max_bytes, self.max_age);
        let Some(output) = self.outputs.get_mut(index) else { return Ok(true) };
        if !output.is_idle() {
            output.prepare(now)?;
        }
        let is_old = || max_age.zip(output.since()).is_some_and(|(max, since)| now - since >= max);
        if output.len() > 0 && output.is_whole() && (output.is_over(max_bytes) || is_old()) {
            if !output.is_complete() {
                return Ok(false);
            }
            self.rotated.rotate(output)?;
            if !output.is_idle() {
                output.prepare(now)?;
            }
        }
        Ok(output.is_idle() || !output.is_unnoted())
    }

    fn load_event(&mut self, event: &Event<'_>) -> bool {
        let Some(slot) = self.slot(event) else { return false };
        let Some(output) = self.outputs.get_mut(slot) else { return false };
        if output.buffer.capacity() == 0 {
            output.buffer = self.spare.pop().unwrap_or_default();
        }
        let before = output.buffer.len();
        self.format.append(event, &mut output.buffer);
        output.buffer.push(b'\n');
        let is_limited = self.max_bytes < u64::MAX;
        if is_limited && output.len_with(output.buffer.len()) > self.max_bytes && output.len_with(before) > 0
        {
            output.buffer.truncate(before);
            output.set_full();
            return false;
        }
        self.loaded += output.buffer.len() - before;
        true
    }

    /// The output of an event by its place in the batch, or none while every output is busy.
    fn slot(&mut self, event: &Event<'_>) -> Option<usize> {
        if let Some(Some(known)) = self.slots.get(event.channel_index) {
            return Some(*known);
        }
        let found = self.route(event)?;
        if let Some(entry) = self.slots.get_mut(event.channel_index) {
            *entry = Some(found);
        }
        Some(found)
    }

    /// The output of an event, or none while every output is busy.
    fn route(&mut self, event: &Event<'_>) -> Option<usize> {
        let time = format::timestamp(event.received);
        let second = if self.template.is_timed() { time.as_second() } else { 0 };
        if let Some(route) = self.routes.get(event.connection, event.channel) {
            let output = self.outputs.get(route.output);
            if route.second == second && output.is_some_and(|output| Arc::ptr_eq(output.path(), &route.path))
            {
                return Some(route.output);
            }
        }
        let path = self.template.path(event.connection, event.channel.as_str(), time);
        let output = self.output(&path)?;
        let path = Arc::clone(self.outputs.get(output)?.path());
        self.routes.insert(event.connection, event.channel, Route { second, path, output });
        Some(output)
    }

    fn output(&mut self, path: &Path) -> Option<usize> {
        if let Some(known) = self.outputs.iter().position(|output| **output.path() == *path) {
            return Some(known);
        }
        let output = Output::new(Arc::from(path), FILE_MODE, Vec::new());
        if self.outputs.len() < OPEN_MAX {
            self.outputs.push(output);
            return Some(self.outputs.len() - 1);
        }
        let idle = self.outputs.iter_mut().enumerate().filter(|(_, output)| output.is_idle());
        let (slot, oldest) = idle.min_by_key(|(_, output)| output.used())?;
        oldest.give_way(output);
        Some(slot)
    }

    fn close_unused(&mut self, now: Instant) {
        if self.max_age.is_some() || now.duration_since(self.swept) < UNUSED_MAX {
            return;
        }
        self.swept = now;
        for output in self.outputs.iter_mut().filter(|output| output.is_idle()) {
            if now.duration_since(output.used()) >= UNUSED_MAX {
                output.close();
            }
        }
    }
}

fn give_back(buffer: Vec<u8>, spare: &mut Vec<Vec<u8>>) {
    if spare.len() < SPARE_MAX && buffer.capacity() <= SPARE_BYTES {
        spare.push(buffer);
    }
}

/// What was found and what to do, where no file could be made below `root`.
fn check_root(root: &Path) -> Result<(), (String, String)> {
    let root = if root == Path::new("") { Path::new(".") } else { root };
    super::output::make_directory(root)
        .map_err(|error| (error, "make it, or name a directory that can be made".to_owned()))?;
    rustix::fs::access(root, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let error = std::io::Error::from(error);
        (format!("cannot write to the directory: {error}"), "change its owner or mode, or `path`".to_owned())
    })
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
