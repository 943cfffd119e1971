//! The file for events that an endpoint refused for good.
//!
//! One JSON line each, on the disk with the file's name before the event counts as parked:
//! `{"at":"2026-01-02T03:04:05.678Z","sink":"orders","reason":"HTTP status 410","id":"...","record":...}`, where
//! `record` is the record as it was sent (of a batch, the event's own). Only the owner may read it (0600). At least
//! once: an error or a crash in between can leave a line twice, with the same `id`, and so can who takes the file away
//! while a line is written.
//!
//! It has a bound: the line that would make it pass that waits, and the sink with it, until a person makes room.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::format::{rfc3339, text, timestamp};
use super::note::Identity;
use super::output::Output;
use super::target::{Refused, Unfit};

/// The mode of a new file.
const MODE: u32 = 0o600;

/// The file of one sink.
#[derive(Debug)]
pub(super) struct Park {
    output: Output,
    /// The size that no line makes the file pass, in bytes.
    max: u64,
    /// The file whose name is on the disk.
    named: Option<Identity>,
}

impl Park {
    /// Opens the file, and makes it where it is missing; it takes up to `max` bytes.
    pub(super) fn open(path: &Path, max: u64) -> Result<Self, Unfit> {
        let mut output = Output::new(Arc::from(path), MODE, Vec::new());
        output.open(Instant::now()).map_err(|found| Unfit {
            thing: path.display().to_string(),
            found,
            hint: "make `parked` a file that can be written".to_owned(),
        })?;
        Ok(Self { output, max, named: None })
    }

    /// Where it is.
    pub(super) fn path(&self) -> Arc<Path> {
        Arc::clone(self.output.path())
    }

    /// Opens the path anew with the next line.
    pub(super) fn reopen(&mut self) {
        self.output.close();
        self.named = None;
    }

    /// Appends one line and waits until it is on the disk. After an error, which may be that the file is full, the same
    /// event is to be given again.
    pub(super) fn append(&mut self, sink: &str, refused: &Refused) -> Result<(), String> {
        self.reopen_if_moved();
        self.write(sink, refused)?;
        // Who took it away meanwhile may have read it to its end before this line was there.
        if self.reopen_if_moved() { self.write(sink, refused) } else { Ok(()) }
    }

    /// Whether the file was open and is not at its path any more.
    fn reopen_if_moved(&mut self) -> bool {
        let is_moved = self.output.note().is_some() && !self.output.is_in_place();
        if is_moved {
            self.reopen();
        }
        is_moved
    }

    fn write(&mut self, sink: &str, refused: &Refused) -> Result<(), String> {
        if self.output.is_idle() {
            line(sink, refused, &mut self.output.buffer);
        }
        self.check_room()?;
        self.output.flush(Instant::now())?;
        let synced = self.output.sync().and_then(|()| self.sync_name());
        // What a failed sync dropped, a second one on the same file would not miss.
        synced.inspect_err(|_| self.reopen())
    }

    /// What waits goes into an empty file, whatever its size.
    fn check_room(&mut self) -> Result<(), String> {
        self.output.prepare(Instant::now())?;
        if self.is_full() {
            // Somebody may have shortened it in its place.
            self.reopen();
            self.output.prepare(Instant::now())?;
        }
        if self.is_full() {
            let (path, max) = (self.output.path().display(), self.max);
            return Err(format!(
                "{path}: it is full, with {max} bytes allowed (`parked_max`); resend or discard what is in it, or move it away"
            ));
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.output.len() > 0 && self.output.is_over(self.max)
    }

    /// Once for each file: what is refused may be every event.
    fn sync_name(&mut self) -> Result<(), String> {
        let id = self.output.note().map(|note| note.id);
        if self.named != id {
            sync_name(self.output.path())?;
            self.named = id;
        }
        Ok(())
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
        let mut park = Park::open(&path, 1 << 20).unwrap_or_else(|unfit| panic!("{}", unfit.found));
        let refused = |id: &str| Refused { id: id.into(), reason: "r".into(), record: (&b"1"[..]).into() };
        park.append("s", &refused("first")).unwrap();
        std::fs::rename(&path, &taken).unwrap();
        park.append("s", &refused("second")).unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert!(read(&path).contains("second") && !read(&taken).contains("second"));
    }

    #[test]
    fn a_full_file_takes_nothing_until_there_is_room_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        let mut park = Park::open(&path, 250).unwrap_or_else(|unfit| panic!("{}", unfit.found));
        let refused = |id: &str| Refused { id: id.into(), reason: "r".into(), record: (&b"1"[..]).into() };
        let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
        let mut taken = 0;
        let error = loop {
            match park.append("s", &refused("id")) {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
        };
        assert!(error.contains("`parked_max`") && error.contains("full"), "{error}");
        assert!(taken > 1 && lines() == taken && std::fs::metadata(&path).unwrap().len() <= 250);
        assert!(park.append("s", &refused("id")).is_err());
        park.reopen();
        assert!(park.append("s", &refused("id")).is_err());
        assert_eq!(lines(), taken, "nothing was written to a full file");
        // Emptied in its place, then taken away: the line that waited is there each time.
        std::fs::write(&path, "").unwrap();
        park.append("s", &refused("id")).unwrap();
        assert_eq!(lines(), 1);
        while park.append("s", &refused("id")).is_ok() {}
        std::fs::rename(&path, dir.path().join("p.taken")).unwrap();
        park.append("s", &refused("id")).unwrap();
        assert_eq!(lines(), 1);
    }

    #[test]
    fn an_empty_file_takes_a_line_of_any_size() {
        let dir = tempfile::tempdir().unwrap();
        let mut park = Park::open(&dir.path().join("p"), 1).unwrap_or_else(|unfit| panic!("{}", unfit.found));
        let refused = Refused { id: "id".into(), reason: "r".into(), record: (&b"1"[..]).into() };
        park.append("s", &refused).unwrap();
        park.append("s", &refused).unwrap_err();
    }
}
