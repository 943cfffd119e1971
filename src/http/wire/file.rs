//! The file of a capture: a whole HAR after every entry, and never longer than its limit.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

const HEAD: &str = concat!(
    "{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"cometail\",\"version\":\"",
    env!("CARGO_PKG_VERSION"),
    "\"},\"entries\":[\n"
);
const TAIL: &str = "\n]}}\n";

/// A file that takes entries.
pub(super) struct Capture {
    file: File,
    /// Where the next entry begins: before the closing brackets.
    end: u64,
    max: u64,
    empty: bool,
}

/// Whether there can be another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Open,
    Ended,
}

impl Capture {
    /// A new capture in `path`, mode 0600, of at most `max` bytes; what was in the file is gone.
    pub(super) fn create(path: &Path, max: u64) -> io::Result<Self> {
        let file = open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a capture wants a regular file"));
        }
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        file.set_len(0)?;
        let mut capture = Self { file, end: 0, max, empty: true };
        capture.append(HEAD, TAIL)?;
        Ok(capture)
    }

    /// Adds an entry, or ends: at the limit, or when the disk fails. The log is told of an end.
    pub(super) fn record(&mut self, entry: &str) -> Written {
        let separator = if self.empty { "" } else { ",\n" };
        let size = u64::try_from(separator.len() + entry.len() + TAIL.len()).unwrap_or(u64::MAX);
        if self.end.saturating_add(size) > self.max {
            self.end_at_limit();
            return Written::Ended;
        }
        match self.append(&format!("{separator}{entry}"), TAIL) {
            Ok(()) => {
                self.empty = false;
                Written::Open
            }
            Err(error) => {
                tracing::warn!(%error, "the capture cannot be written; it stops here");
                self.close();
                Written::Ended
            }
        }
    }

    /// The limit is reached: the file says so, and the log.
    fn end_at_limit(&mut self) {
        tracing::warn!(max_bytes = self.max, "the capture has reached its size limit and stops");
        let tail =
            format!("\n],\"comment\":\"the capture stopped here, at its limit of {} bytes\"}}}}\n", self.max);
        if self.append("", &tail).is_err() {
            self.close();
        }
    }

    fn append(&mut self, text: &str, tail: &str) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(format!("{text}{tail}").as_bytes())?;
        self.end = self.end.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Takes back what a failed write left, as far as the disk allows.
    fn close(&mut self) {
        let end = self.end.saturating_add(u64::try_from(TAIL.len()).unwrap_or_default());
        let closed = self.append("", TAIL).and_then(|()| self.file.set_len(end));
        if let Err(error) = closed {
            tracing::warn!(%error, "the capture's end could not be written; the file is no whole HAR");
        }
    }
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // A pipe in its place would else wait for a reader.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}
