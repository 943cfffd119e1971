//! Files that have reached their size or age: renamed, and compressed where that is asked for.
//!
//! * `NAME` becomes `NAME.20260102T030405.678Z`, by the time of the rotation (UTC), with `-1`, `-2` and so on after it
//!   where that name is taken. Nothing is ever replaced.
//! * A rotated file is compressed, on a thread of its own, when a commit says that all of its events have been
//!   dealt with: to `NAME...gz.unfinished` (or `.zst`), which is synced and renamed to `NAME...gz` before the original goes. Until
//!   then a cursor's note has it, so that a restart goes on with it; a file that was not finished is written anew.
//! * What cannot be compressed stays as it is, with a line in the log.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::write::GzEncoder;
use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use tracing::warn;

use super::output::{Output, directory_of};

/// The most files that wait to be compressed; those beyond stay as they are.
const PENDING_MAX: usize = 64;
/// The most names tried for one instant.
const NAMES_MAX: u32 = 100_000;
/// The longest part of a name that is kept, so that the rest fits the 255 bytes of a component.
const NAME_MAX: usize = 210;

/// How rotated files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952, `.gz`.
    Gzip,
    /// RFC 8878, `.zst`, with a checksum of the contents.
    Zstd,
}

impl Compression {
    const fn ending(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
        }
    }
}

/// What has been rotated and is to be compressed.
#[derive(Debug)]
pub(super) struct Rotated {
    compression: Option<Compression>,
    /// What no commit has dealt with yet.
    fresh: Vec<PathBuf>,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<PathBuf>,
    running: bool,
}

impl Rotated {
    /// Nothing yet.
    pub(super) fn new(compression: Option<Compression>) -> Self {
        Self { compression, fresh: Vec::new(), queue: Arc::default() }
    }

    /// Closes the output's file and renames it, unless another file has taken its place.
    pub(super) fn rotate(&mut self, output: &mut Output) -> Result<(), String> {
        if output.is_in_place() {
            let path = output.path();
            let renamed = rename(path, self.compression, Timestamp::now());
            let renamed =
                renamed.map_err(|error| format!("{}: cannot be rotated: {error}", path.display()))?;
            if self.compression.is_some() {
                self.fresh.push(renamed);
            }
        }
        output.close();
        Ok(())
    }

    /// Whether anything waits for a commit.
    pub(super) fn is_waiting(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// What a restart is to go on with.
    pub(super) fn pending(&self) -> Vec<PathBuf> {
        let queue = lock(&self.queue);
        queue.waiting.iter().chain(&self.fresh).take(PENDING_MAX).cloned().collect()
    }

    /// Compresses what had been rotated before the last commit.
    pub(super) fn compress(&mut self) {
        let Some(compression) = self.compression.filter(|_| !self.fresh.is_empty()) else { return };
        let mut queue = lock(&self.queue);
        for path in self.fresh.drain(..) {
            if queue.waiting.len() >= PENDING_MAX {
                warn!(path = %path.display(), "too many rotated files wait; this one is not compressed");
                continue;
            }
            queue.waiting.push_back(path);
        }
        if queue.running {
            return;
        }
        let waiting = Arc::clone(&self.queue);
        let spawned = std::thread::Builder::new()
            .name("compress".to_owned())
            .spawn(move || work(&waiting, compression));
        match spawned {
            Ok(_) => queue.running = true,
            Err(error) => warn!(%error, "rotated files wait: no thread to compress them"),
        }
    }

    /// Goes on with what a former process was to compress.
    pub(super) fn resume(&mut self, pending: &[PathBuf]) {
        if let Some(compression) = self.compression {
            for path in pending {
                drop(fs::remove_file(unfinished(path, compression)));
            }
            self.fresh.extend(pending.iter().filter(|path| path.is_file()).cloned());
            self.compress();
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(queue: &Mutex<Queue>, compression: Compression) {
    loop {
        let mut state = lock(queue);
        let Some(path) = state.waiting.front().cloned() else {
            state.running = false;
            return;
        };
        drop(state);
        if let Err(error) = compress(&path, compression) {
            drop(fs::remove_file(unfinished(&path, compression)));
            warn!(path = %path.display(), %error, "a rotated file cannot be compressed and stays as it is");
        }
        lock(queue).waiting.pop_front();
    }
}

/// The original goes last, so that at every instant one whole copy has its final name.
fn compress(path: &Path, compression: Compression) -> io::Result<()> {
    let original = File::open(path)?;
    let (temporary, mode) = (unfinished(path, compression), original.metadata()?.permissions().mode());
    drop(fs::remove_file(&temporary));
    let target = OpenOptions::new().write(true).create_new(true).mode(mode & 0o777).open(&temporary)?;
    let mut source = BufReader::with_capacity(1 << 16, original);
    let done = match compression {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(target, flate2::Compression::default());
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(target, 0)?;
            encoder.include_checksum(true)?;
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?
        }
    };
    done.sync_all()?;
    fs::rename(&temporary, with(path, compression.ending()))?;
    File::open(directory_of(path))?.sync_all()?;
    fs::remove_file(path)
}

fn unfinished(path: &Path, compression: Compression) -> PathBuf {
    with(path, &format!("{}.unfinished", compression.ending()))
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(ending);
    name.into()
}

/// Renames a file to the first free name of `now`.
fn rename(path: &Path, compression: Option<Compression>, now: Timestamp) -> io::Result<PathBuf> {
    let name = path.file_name().map_or(&b""[..], OsStr::as_bytes);
    let kept = OsStr::from_bytes(name.get(..NAME_MAX).unwrap_or(name));
    let stamp = now.strftime("%Y%m%dT%H%M%S%.3fZ").to_string();
    for number in 0..NAMES_MAX {
        let stamp = if number == 0 { stamp.clone() } else { format!("{stamp}-{number}") };
        let renamed = with(&path.with_file_name(kept), &stamp);
        let compressed = compression.map(|compression| with(&renamed, compression.ending()));
        let is_taken = |path: &Path| path.symlink_metadata().is_ok();
        if is_taken(&renamed) || compressed.is_some_and(|path| is_taken(&path)) {
            continue;
        }
        match rustix::fs::renameat_with(CWD, path, CWD, &renamed, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(renamed),
            Err(Errno::EXIST) => {}
            // The file system does not know that flag.
            Err(Errno::INVAL | Errno::NOSYS) => return fs::rename(path, &renamed).map(|()| renamed),
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name is left for this instant"))
}
