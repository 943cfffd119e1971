//! Files that hold a token: for this user alone, and never half written.
//!
//! Constraints: 0600 from the first byte, replaced as a whole, on disk before the call returns; what others may read is
//! not taken for ours. Blocking calls, on threads of their own, with a limit of time.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::secret::Secret;

/// The largest file that is read, in bytes: a token of 64 KiB and what stands around it.
const FILE_MAX: u64 = 256 << 10;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a lock is tried for.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// What a file holds; nothing where there is none.
pub(super) async fn read(path: &Path) -> io::Result<Option<Secret<String>>> {
    let path = path.to_owned();
    blocking(move || read_now(&path)).await
}

/// Puts `text` in the place of what a file held.
pub(super) async fn write(path: &Path, text: Secret<String>) -> io::Result<()> {
    let path = path.to_owned();
    blocking(move || write_now(&path, &text)).await
}

/// Removes a file that may not be there.
pub(super) async fn remove(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
    blocking(move || std::fs::remove_file(path).or_else(gone)).await
}

/// Waits until no other process holds the lock beside `path`; it is let go when the file is dropped.
pub(super) async fn lock(path: &Path) -> io::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    blocking(move || lock_now(&PathBuf::from(beside))).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let late =
        |_| io::Error::new(io::ErrorKind::TimedOut, format!("it took longer than {} s", TIMEOUT.as_secs()));
    let done = tokio::time::timeout(TIMEOUT, tokio::task::spawn_blocking(work)).await.map_err(late)?;
    done.map_err(io::Error::other)?
}

fn read_now(path: &Path) -> io::Result<Option<Secret<String>>> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !metadata.is_file() || metadata.len() > FILE_MAX {
        return Err(io::Error::other("it is no file, or too large"));
    }
    if is_shared(&metadata) {
        return Err(io::Error::other("others may read or write it; it wants mode 0600"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(FILE_MAX).map_err(io::Error::other)?);
    let read = File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes);
    let bytes = Secret::new(bytes);
    read?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| io::Error::other("it is not UTF-8"))?;
    Ok(Some(Secret::new(text.to_owned())))
}

#[cfg(unix)]
fn is_shared(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
const fn is_shared(_metadata: &std::fs::Metadata) -> bool {
    false
}

fn write_now(path: &Path, text: &Secret<String>) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    file.write_all(text.expose().as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The name is a change of the directory.
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    Ok(())
}

fn lock_now(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if begun.elapsed() < TIMEOUT => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
