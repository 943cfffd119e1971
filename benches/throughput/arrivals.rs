//! How much of a run has arrived, seen from outside, and whether it is right.
//!
//! Constraints: looking is cheap, since it happens thousands of times a second beside what is measured. A file whose
//! lines are known to the byte tells it by its length. Another client may spell a line as it likes: there the number in
//! the last whole line tells it, for which only the end of the file is read, and only where it has grown. The check
//! afterwards reads every line, so a client that skips, repeats or reorders is found out.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use memchr::{memmem, memrchr};

use crate::events::{self, Form};
use crate::receiver::Receiver;
use crate::{Result, check};

/// What is looked at.
pub(crate) enum Arrivals {
    /// A file in which each event takes the same room.
    Length { path: PathBuf, line: u64 },
    /// A file of lines that somebody else spells.
    LastLine(LastLine),
    /// Requests.
    Posted(Receiver),
}

impl Arrivals {
    pub(crate) fn length(path: PathBuf, form: Form) -> Self {
        Self::Length { path, line: form.line() }
    }

    pub(crate) fn last_line(path: PathBuf, form: Form) -> Self {
        // An event may have become longer, and half of another may follow it.
        let window = form.line() * 4 + 4096;
        Self::LastLine(LastLine { path, window, file: None, length: 0, seen: 0, end: Vec::new() })
    }

    pub(crate) const fn posted(receiver: Receiver) -> Self {
        Self::Posted(receiver)
    }

    /// How many events have arrived.
    pub(crate) fn seen(&mut self) -> io::Result<u32> {
        match self {
            Self::Length { path, line } => Ok(u32::try_from(length_of(path) / *line).unwrap_or(u32::MAX)),
            Self::LastLine(last) => last.look(),
            Self::Posted(receiver) => Ok(receiver.seen()),
        }
    }

    /// Checks that the first `total` events have arrived, each once and in order, and nothing else.
    pub(crate) fn check(&self, total: u32) -> Result<()> {
        match self {
            Self::Length { path, line } => check::own(path, *line, total),
            Self::LastLine(last) => check::foreign(&last.path, total),
            Self::Posted(receiver) => check::posted(&receiver.bodies(), total),
        }
    }
}

/// The end of a growing file.
pub(crate) struct LastLine {
    path: PathBuf,
    window: u64,
    file: Option<File>,
    length: u64,
    seen: u32,
    end: Vec<u8>,
}

impl LastLine {
    fn look(&mut self) -> io::Result<u32> {
        let length = length_of(&self.path);
        if length == self.length {
            return Ok(self.seen);
        }
        self.length = length;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        self.end.resize(usize::try_from(length.min(self.window)).unwrap_or(0), 0);
        file.read_exact_at(&mut self.end, length.saturating_sub(self.window))?;
        if let Some(number) = last_number(&self.end) {
            self.seen = number.saturating_sub(events::FIRST) + 1;
        }
        Ok(self.seen)
    }
}

/// The number of the last event whose line is whole.
fn last_number(lines: &[u8]) -> Option<u32> {
    let whole = &lines[..memrchr(b'\n', lines)?];
    number_at(whole, memmem::rfind(whole, events::NAME.as_bytes())?)
}

/// The number after the name that stands at `at`.
pub(crate) fn number_at(text: &[u8], at: usize) -> Option<u32> {
    let start = at + events::NAME.len();
    std::str::from_utf8(text.get(start..start + events::UNNUMBERED.len())?).ok()?.parse().ok()
}

/// The length of the file at `path`; a file that is not there yet is empty.
fn length_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
