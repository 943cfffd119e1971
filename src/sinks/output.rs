//! One file that lines are appended to.
//!
//! * Whole lines only: what a failed write left of a batch is cut off again; where even that fails, the next
//!   attempt goes on in the middle of the line, in the same file. A file that does not end in a line break (a
//!   crash cut it) gets one first.
//! * The last component of the path is never followed as a symbolic link; only regular files are written.
//! * A file that was renamed or removed (rotation) is noticed within a second of the next write, and the path
//!   opened anew.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

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
}

#[derive(Debug)]
struct Open {
    file: File,
    device: u64,
    inode: u64,
    checked: Instant,
}

impl Output {
    /// The file at `path`, made with `mode` when it is first written.
    pub(super) fn new(path: Arc<Path>, mode: u32, buffer: Vec<u8>) -> Self {
        Self { path, mode, open: None, buffer, written: 0, used: Instant::now() }
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
            self.open = None;
        }
    }

    /// Opens the file if it is not, so that a mistake in its path shows early.
    pub(super) fn open(&mut self, now: Instant) -> Result<(), String> {
        self.opened(now).map(|_| ())
    }

    /// Writes the lines that wait and empties the buffer. After an error they still wait; the text says what
    /// was found at which path, for a person.
    pub(super) fn flush(&mut self, now: Instant) -> Result<(), String> {
        if self.is_idle() {
            return Ok(());
        }
        self.close_if_moved(now);
        let (buffer, mut written) = (std::mem::take(&mut self.buffer), self.written);
        let appended = self.opened(now).and_then(|open| {
            append(&mut open.file, &buffer, &mut written).map_err(|error| explain("cannot write", &error))
        });
        (self.buffer, self.written) = (buffer, written);
        appended.map_err(|error| format!("{}: {error}", self.path.display()))?;
        self.buffer.clear();
        (self.written, self.used) = (0, now);
        Ok(())
    }

    /// Waits until the device has what was written.
    pub(super) fn sync(&self) -> Result<(), String> {
        let synced = self.open.as_ref().map_or(Ok(()), |open| open.file.sync_all());
        synced.map_err(|error| format!("{}: {}", self.path.display(), explain("cannot sync", &error)))
    }

    fn close_if_moved(&mut self, now: Instant) {
        let Some(open) = &mut self.open else { return };
        if self.written > 0 || now.duration_since(open.checked) < CHECK {
            return;
        }
        open.checked = now;
        let same = |found: Metadata| found.dev() == open.device && found.ino() == open.inode;
        if !self.path.symlink_metadata().is_ok_and(same) {
            self.open = None;
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
    Ok(Open { file, device: metadata.dev(), inode: metadata.ino(), checked: now })
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

fn directory_of(path: &Path) -> &Path {
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
mod tests;
