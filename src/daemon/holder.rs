//! Who uses a state directory: the process that has its lock, whose id stands in that file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Held by the process that uses the directory.
pub(super) const LOCK: &str = "lock";

/// Whether a process uses the state directory `dir`.
pub fn is_running(dir: &Path) -> io::Result<bool> {
    match File::open(dir.join(LOCK))?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The id of the process that uses the state directory `dir`; none where there is none, or it has just begun to.
pub fn process(dir: &Path) -> io::Result<Option<u32>> {
    if !is_running(dir)? {
        return Ok(None);
    }
    Ok(std::fs::read_to_string(dir.join(LOCK))?.trim().parse().ok())
}
