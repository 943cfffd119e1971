//! One file that lines are appended to.
//!
//! * Whole lines only: what a failed write left of a batch is cut off again; where even that fails, the next
//!   attempt goes on in the middle of the line, in the same file. A file that does not end in a line break (a
//!   crash cut it) gets one first.
//! * The last component of the path is never followed as a symbolic link; only regular files are written.
//! * What has been written counts as its own only when it is [settled](Output::settle): what its owner commits
//!   is the length up to there.
//! * A file that was renamed or removed (rotation) is noticed within a second of the next write, and the path
//!   opened anew.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::note::{FileNote, Identity};

/// How often at most the path is looked at.
const CHECK: Duration = Duration::from_secs(1);
/// The mode of directories made on the way.
const DIRECTORY_MODE: u32 = 0o750;

/// A file and the lines that are not yet in it.
#[derive(Debug)]
pub(super) struct Output {
    path: Arc<Path>,
    mode: u32,
    open: Option<Open>,
    /// Whole lines for the file.
    pub(super) buffer: Vec<u8>,
    /// How much of the buffer is in the file, after a write that failed and could not be undone.
    written: usize,
    used: Instant,
    /// Whether a record was refused for the file's size.
    full: bool,
    /// A file that was let go since the last commit, and may not be synced.
    left: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    id: Identity,
    checked: Instant,
    /// When the file was made, as far as that is known.
    since: Instant,
    /// Its length after the last write, and after the last one that was settled.
    len: u64,
    settled: u64,
    /// The length that a cursor has of it.
    noted: Option<u64>,
    /// Whether anything was written since the last sync, and whether the file's name was synced.
    unsynced: bool,
    name_synced: bool,
}

impl Output {
    /// The file at `path`, made with `mode` when it is first written.
    pub(super) fn new(path: Arc<Path>, mode: u32, buffer: Vec<u8>) -> Self {
        Self { path, mode, open: None, buffer, written: 0, used: Instant::now(), full: false, left: None }
    }

    /// Its path.
    pub(super) const fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// When it was last written.
    pub(super) const fn used(&self) -> Instant {
        self.used
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_idle(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Closes the file, unless it ends in half a line that only this handle can complete.
    pub(super) fn close(&mut self) {
        if self.written == 0 {
            (self.open, self.full) = (None, false);
        }
    }

    /// Becomes `other`; what was written here is still synced before the next commit.
    pub(super) fn give_way(&mut self, other: Self) {
        let left = self.open.take();
        *self = Self { left, ..other };
    }

    /// Opens the file if it is not, so that a mistake in its path shows early.
    pub(super) fn open(&mut self, now: Instant) -> Result<(), String> {
        self.opened(now).map(|_| ())
    }

    /// Opens the file and writes the lines that wait. After an error they still wait; the text says what was
    /// found at which path, for a person.
    pub(super) fn flush(&mut self, now: Instant) -> Result<(), String> {
        if self.is_idle() {
            return Ok(());
        }
        self.prepare(now)?;
        self.write(now)
    }

    /// Opens the file for what waits, anew where it has been moved; nothing else than a line break is written.
    pub(super) fn prepare(&mut self, now: Instant) -> Result<(), String> {
        self.close_if_moved(now);
        self.opened(now).map(drop).map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Writes the lines that wait to the file, which is open, and empties the buffer.
    pub(super) fn write(&mut self, now: Instant) -> Result<(), String> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let appended = append(&mut open.file, &self.buffer, &mut self.written);
        appended.map_err(|error| format!("{}: {}", self.path.display(), explain("cannot write", &error)))?;
        open.len += self.buffer.len() as u64;
        open.unsynced = true;
        self.buffer.clear();
        (self.written, self.used) = (0, now);
        Ok(())
    }

    /// What was written belongs to what has been dealt with.
    pub(super) fn settle(&mut self) {
        if let Some(open) = &mut self.open {
            open.settled = open.len;
        }
    }

    /// The open file as a cursor is to know it.
    pub(super) fn note(&self) -> Option<FileNote> {
        let open = self.open.as_ref()?;
        Some(FileNote { path: self.path.to_path_buf(), len: open.settled, id: open.id })
    }

    /// A cursor has what [`Output::note`] said.
    pub(super) fn noted(&mut self) {
        self.left = None;
        if let Some(open) = &mut self.open {
            open.noted = Some(open.settled);
        }
    }

    /// The next record is for another file: this one is to be rotated.
    pub(super) const fn set_full(&mut self) {
        self.full = true;
    }

    /// Whether the file is to be rotated for its size before what waits is written.
    pub(super) fn is_over(&self, max_bytes: u64) -> bool {
        self.len_with(self.buffer.len()) > max_bytes || (self.full && self.is_idle())
    }

    /// Whether the open file ends with what has been settled.
    pub(super) fn is_whole(&self) -> bool {
        self.written == 0 && self.open.as_ref().is_none_or(|open| open.len == open.settled)
    }

    /// Whether the file is open and no cursor knows it.
    pub(super) fn is_unnoted(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.noted.is_none())
    }

    /// The length of the open file and what waits for it; zero for a file that is not open.
    pub(super) fn len_with(&self, waiting: usize) -> u64 {
        self.len().saturating_add(waiting as u64)
    }

    /// The length of the open file; zero for one that is not open.
    pub(super) fn len(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.len)
    }

    /// When the open file was made, unless it is empty.
    pub(super) fn since(&self) -> Option<Instant> {
        self.open.as_ref().filter(|open| open.len > 0).map(|open| open.since)
    }

    /// Whether the open file can be let go with all its contents known to a cursor, or written by nobody here.
    pub(super) fn is_complete(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.noted.is_none_or(|noted| noted == open.len))
    }

    /// Whether the file at the path is the open one.
    pub(super) fn is_in_place(&self) -> bool {
        let found = self.path.symlink_metadata();
        self.open.as_ref().is_some_and(|open| found.is_ok_and(|found| Identity::of(&found) == open.id))
    }

    /// Waits until the device has what was written.
    pub(super) fn sync(&self) -> Result<(), String> {
        let synced = self.open.as_ref().map_or(Ok(()), |open| open.file.sync_all());
        synced.map_err(|error| format!("{}: {}", self.path.display(), explain("cannot sync", &error)))
    }

    /// Waits until the device has what was written since the last time, and the file's name. After a failure no
    /// further call says anything of what was written before it.
    pub(super) fn sync_written(&mut self) -> Result<(), String> {
        let error = |error| format!("{}: {}", self.path.display(), explain("cannot sync", &error));
        if let Some(left) = self.left.take().filter(|left| left.unsynced) {
            sync_data(&left.file).map_err(error)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if std::mem::take(&mut open.unsynced) {
            sync_data(&open.file).map_err(error)?;
        }
        if !std::mem::replace(&mut open.name_synced, true) {
            File::open(directory_of(&self.path)).and_then(|directory| directory.sync_all()).map_err(error)?;
        }
        Ok(())
    }

    fn close_if_moved(&mut self, now: Instant) {
        let Some(open) = &mut self.open else { return };
        if self.written > 0 || now.duration_since(open.checked) < CHECK {
            return;
        }
        open.checked = now;
        match self.path.symlink_metadata() {
            Ok(found) if Identity::of(&found) == open.id => {
                // Somebody cut it (a rotation that copies): what counts is what is there.
                if open.len == open.settled && found.len() < open.len {
                    (open.len, open.settled) = (found.len(), found.len());
                }
            }
            _ => self.left = self.open.take(),
        }
    }

    fn opened(&mut self, now: Instant) -> Result<&mut Open, String> {
        let open = match self.open.take() {
            Some(open) => open,
            None => open(&self.path, self.mode, now)?,
        };
        Ok(self.open.insert(open))
    }
}

/// Waits until the device has the contents of a file. The seam at which tests make that fail.
fn sync_data(file: &File) -> io::Result<()> {
    #[cfg(test)]
    tests::sync_fault(file)?;
    file.sync_data()
}

fn explain(what: &str, error: &io::Error) -> String {
    format!("{what}: {error}")
}

fn open(path: &Path, mode: u32, now: Instant) -> Result<Open, String> {
    let mut file = match open_file(path, mode) {
        Err(Errno::NOENT) => {
            make_directory(directory_of(path))?;
            open_file(path, mode)
        }
        other => other,
    }
    .map_err(refusal)?;
    let metadata = file.metadata().map_err(|error| explain("cannot be looked at", &error))?;
    if !metadata.is_file() {
        return Err("is no regular file; name another path or remove it".to_owned());
    }
    end_line(&mut file, metadata.len()).map_err(|error| explain("cannot complete its last line", &error))?;
    let metadata = file.metadata().map_err(|error| explain("cannot be looked at", &error))?;
    let born = metadata.created().or_else(|_| metadata.modified());
    let age = born.ok().and_then(|made| SystemTime::now().duration_since(made).ok()).unwrap_or_default();
    let len = metadata.len();
    Ok(Open {
        file,
        id: Identity::of(&metadata),
        checked: now,
        since: now.checked_sub(age).unwrap_or(now),
        len,
        settled: len,
        noted: None,
        unsynced: false,
        name_synced: false,
    })
}

/// Not blocking, so that a FIFO or a terminal at the path is refused instead of waited for.
fn open_file(path: &Path, mode: u32) -> Result<File, Errno> {
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::from_raw_mode(mode)).map(File::from)
}

fn refusal(error: Errno) -> String {
    match error {
        Errno::LOOP | Errno::MLINK => {
            "is a symbolic link, which is not followed; name the file that it stands for".to_owned()
        }
        Errno::ISDIR => "is a directory; name a file".to_owned(),
        other => explain("cannot open", &other.into()),
    }
}

pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Makes a directory and those above it where they are missing.
pub(super) fn make_directory(directory: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
    made.map_err(|error| explain("cannot make the directory", &error))
}

fn end_line(file: &mut File, len: u64) -> io::Result<()> {
    let Some(last) = len.checked_sub(1) else { return Ok(()) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    if byte != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// What appending needs of a file.
trait Append: io::Write {
    fn len(&self) -> io::Result<u64>;
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Append for File {
    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Appends what of `buffer` is not yet `written`; after an error, what it wrote is cut off again, or else
/// counted as written.
fn append(file: &mut impl Append, buffer: &[u8], written: &mut usize) -> io::Result<()> {
    while let Some(rest) = buffer.get(*written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => {
                retract(file, written);
                return Err(io::ErrorKind::WriteZero.into());
            }
            Ok(more) => *written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                retract(file, written);
                return Err(error);
            }
        }
    }
    Ok(())
}

fn retract(file: &mut impl Append, written: &mut usize) {
    let Ok(back) = u64::try_from(*written) else { return };
    if back > 0 && file.len().and_then(|len| file.cut(len.saturating_sub(back))).is_ok() {
        *written = 0;
    }
}

#[cfg(test)]
#[path = "output_tests.rs"]
pub(super) mod tests;
