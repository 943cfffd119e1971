//! One process per directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::Directory;
use super::{Library, OpenError};

/// Held by the process that writes.
const NAME: &str = "lock";

/// How often and how long apart it is tried: who only looks whether it is free holds it for an instant.
const TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(20);

/// The right to write in a directory; it ends with the value, and with the process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(dir.join(NAME))?;
        for _ in 1..TRIES {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                tried => return held(tried, file, dir),
            }
        }
        held(file.try_lock(), file, dir)
    }
}

fn held(tried: Result<(), TryLockError>, file: File, dir: &Path) -> Result<Lock, OpenError> {
    match tried {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Keeps every process from writing a journal, for as long as it lives. No event is written by it.
#[derive(Debug)]
pub struct Hold {
    _lock: Lock,
    dir: PathBuf,
}

impl Hold {
    /// Keeps others from writing the journal in `dir`.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when a process writes it; [`io::ErrorKind::NotFound`] when there is no journal.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        let file = File::open(dir.join(NAME))?;
        let lock = held(file.try_lock_shared(), file, dir)?;
        Ok(Self { _lock: lock, dir: dir.to_owned() })
    }

    /// Keeps others from writing or holding the journal in `dir`, so that its cursors can be moved.
    ///
    /// # Errors
    /// As [`Hold::take`].
    pub fn take_alone(dir: &Path) -> Result<Self, OpenError> {
        let file = OpenOptions::new().write(true).open(dir.join(NAME))?;
        let lock = held(file.try_lock(), file, dir)?;
        Ok(Self { _lock: lock, dir: dir.to_owned() })
    }

    /// The journal as it is, for reading and, where it is held [alone](Hold::take_alone), for moving cursors.
    ///
    /// # Errors
    /// As [`Library::open`].
    pub fn library(&self) -> Result<Library, OpenError> {
        Library::open_on(Arc::new(Directory::create(&self.dir, &[])?))
    }
}

/// Whether a process writes the journal in `dir`.
///
/// # Errors
/// What the file system said; [`io::ErrorKind::NotFound`] when there is no journal.
pub fn is_written(dir: &Path) -> io::Result<bool> {
    match Hold::take(dir) {
        Ok(_) => Ok(false),
        Err(OpenError::InUse(_)) => Ok(true),
        Err(OpenError::Io(error)) => Err(error),
        Err(newer @ OpenError::Newer { .. }) => Err(io::Error::other(newer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_keeps_nobody_from_writing_and_who_holds_does() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(is_written(dir.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
        let lock = Lock::take(dir.path()).unwrap();
        assert!(is_written(dir.path()).unwrap());
        assert!(matches!(Hold::take(dir.path()), Err(OpenError::InUse(_))));
        drop(lock);
        assert!(!is_written(dir.path()).unwrap());
        let hold = Hold::take(dir.path()).unwrap();
        assert!(matches!(Hold::take_alone(dir.path()), Err(OpenError::InUse(_))));
        assert!(matches!(Lock::take(dir.path()), Err(OpenError::InUse(_))));
        let ending = std::thread::spawn(move || {
            std::thread::sleep(PAUSE);
            drop(hold);
        });
        Lock::take(dir.path()).unwrap();
        ending.join().unwrap();
    }
}
