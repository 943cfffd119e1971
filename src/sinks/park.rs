//! The file for events that an endpoint refused for good.
//!
//! One JSON line each, on the disk with the file's name before the event counts as parked:
//! `{"at":"2026-01-02T03:04:05.678Z","sink":"orders","reason":"HTTP status 410","id":"...","record":...}`, where
//! `record` is the record as it was sent (of a batch, the event's own). Only the owner may read it (0600). At least
//! once: an error or a crash in between can leave a line twice, with the same `id`, and so can who takes the file away
//! while a line is written.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::format::{rfc3339, text, timestamp};
use super::output::Output;
use super::target::{Refused, Unfit};

/// The mode of a new file.
const MODE: u32 = 0o600;

/// The file of one sink.
#[derive(Debug)]
pub(super) struct Park(Output);

impl Park {
    /// Opens the file, and makes it where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, Unfit> {
        let mut output = Output::new(Arc::from(path), MODE, Vec::new());
        output.open(Instant::now()).map_err(|found| Unfit {
            thing: path.display().to_string(),
            found,
            hint: "make `parked` a file that can be written".to_owned(),
        })?;
        Ok(Self(output))
    }

    /// Opens the path anew with the next line.
    pub(super) fn reopen(&mut self) {
        self.0.close();
    }

    /// Appends one line and waits until it is on the disk. After an error the same event is to be given again.
    pub(super) fn append(&mut self, sink: &str, refused: &Refused) -> Result<(), String> {
        if self.0.is_idle() {
            line(sink, refused, &mut self.0.buffer);
        }
        if !self.0.is_in_place() {
            self.reopen();
        }
        self.0.flush(Instant::now())?;
        let synced = self.0.sync().and_then(|()| sync_name(self.0.path()));
        // What a failed sync dropped, a second one on the same file would not miss.
        synced.inspect_err(|_| self.reopen())?;
        if self.0.is_in_place() {
            return Ok(());
        }
        // Who took it away may have read it to its end before this line was there.
        self.reopen();
        Err(format!("{}: was taken away while a line was written", self.0.path().display()))
    }
}

/// Waits until the device has the names of a file and of the directory around it, which may both be new. A directory
/// that cannot be read, or a file system that syncs none, is no reason to park nothing.
fn sync_name(path: &Path) -> Result<(), String> {
    for directory in path.ancestors().skip(1).take(2) {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        match File::open(directory).map(|directory| directory.sync_all()) {
            Ok(Err(error)) if error.kind() != io::ErrorKind::InvalidInput => {
                return Err(format!("{}: cannot sync: {error}", directory.display()));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

fn line(sink: &str, refused: &Refused, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"at":"#);
    text(&rfc3339(timestamp(SystemTime::now())), out);
    out.extend_from_slice(br#","sink":"#);
    text(sink, out);
    out.extend_from_slice(br#","reason":"#);
    text(&refused.reason, out);
    out.extend_from_slice(br#","id":"#);
    text(&refused.id, out);
    out.extend_from_slice(br#","record":"#);
    out.extend_from_slice(&refused.record);
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_written_to_a_file_that_was_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let (path, taken) = (dir.path().join("p"), dir.path().join("p.taken"));
        let mut park = Park::open(&path).unwrap_or_else(|unfit| panic!("{}", unfit.found));
        let refused = |id: &str| Refused { id: id.into(), reason: "r".into(), record: (&b"1"[..]).into() };
        park.append("s", &refused("first")).unwrap();
        std::fs::rename(&path, &taken).unwrap();
        park.append("s", &refused("second")).unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert!(read(&path).contains("second") && !read(&taken).contains("second"));
    }
}
