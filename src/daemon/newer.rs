//! When files change that are read once and used for long, so that what is new is used before the old is refused.
//!
//! Constraints: a file system that hangs holds nobody up but the task that looks. What replaces a file whole (a rename, a
//! link to another directory) counts as a change. A file that is gone may be between two versions: that is none.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// What tells a version of a file from another: its place on the disk, its time and its length.
type Mark = Option<(u64, Option<SystemTime>, u64)>;

/// Tells of changes of some files.
pub(super) struct Newer(watch::Receiver<Vec<Mark>>);

impl Newer {
    /// Looks at the files from now on, until this is dropped. Must be called on a tokio runtime.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let (sender, receiver) = watch::channel(marks(&paths));
        tokio::spawn(look(paths, sender));
        Self(receiver)
    }

    /// A file has changed since the last time. Dropping the future loses nothing.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn look(paths: Vec<PathBuf>, known: watch::Sender<Vec<Mark>>) {
    loop {
        tokio::select! {
            () = known.closed() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let paths = paths.clone();
        let Ok(now) = tokio::task::spawn_blocking(move || marks(&paths)).await else { continue };
        known.send_if_modified(|known| {
            let pairs = known.iter_mut().zip(now);
            pairs.fold(false, |any, (known, now)| {
                any | (now.is_some() && std::mem::replace(known, now) != now)
            })
        });
    }
}

fn marks(paths: &[PathBuf]) -> Vec<Mark> {
    paths.iter().map(|path| mark(path)).collect()
}

fn mark(path: &Path) -> Mark {
    let metadata = std::fs::metadata(path).ok()?;
    Some((place(&metadata), metadata.modified().ok(), metadata.len()))
}

#[cfg(unix)]
fn place(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.ino()
}

#[cfg(not(unix))]
const fn place(_metadata: &std::fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_new_version_has_another_mark() {
        let dir = tempfile::tempdir().unwrap();
        let (path, next) = (dir.path().join("token"), dir.path().join("next"));
        assert_eq!(mark(&path), None);
        std::fs::write(&path, "one").unwrap();
        let first = mark(&path);
        assert!(first.is_some() && mark(&path) == first);
        std::fs::write(&next, "two").unwrap();
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&next).unwrap().set_modified(time).unwrap();
        std::fs::rename(&next, &path).unwrap();
        assert_ne!(mark(&path), first, "as long, and of the same time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_and_a_gap_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "one").unwrap();
        let mut newer = Newer::new(vec![dir.path().join("none"), path.clone()]);
        std::fs::remove_file(&path).unwrap();
        assert!(tokio::time::timeout(EVERY * 3, newer.changed()).await.is_err());
        std::fs::write(&path, "another").unwrap();
        tokio::time::timeout(EVERY * 60, newer.changed()).await.unwrap();
    }
}
