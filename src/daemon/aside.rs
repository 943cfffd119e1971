//! Messages that cannot be read, kept with their bytes for a person.
//!
//! * Nothing waits for it: lines are written on a thread for blocking work, in no certain order, and those that
//!   find too many before them are only counted by the status.
//! * Bounded: a file that has reached 16 MiB takes the place of `NAME.set-aside.jsonl.1`.
//!
//! Format: `{"at":1767323045678,"reason":"...","channel":...,"replayId":...,"base64":"..."}`, one line each;
//! `at` in milliseconds since 1970, channel and replay id where that much could be read. Only the owner may read
//! it (0600).

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Semaphore;

use crate::bayeux::decode::Bad;
use crate::status::millis;

/// The size from which a file is put aside itself, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// The most of one message that is kept, in bytes.
const MESSAGE_MAX: usize = 256 << 10;

/// The lines that may wait to be written.
const WAITING_MAX: usize = 64;

/// The file of one connection.
pub(super) struct Aside {
    path: Arc<Mutex<PathBuf>>,
    waiting: Arc<Semaphore>,
}

impl Aside {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(Mutex::new(path)), waiting: Arc::new(Semaphore::new(WAITING_MAX)) }
    }

    /// Keeps one message.
    pub(super) fn keep(&self, bad: &Bad) {
        let Ok(place) = self.waiting.clone().try_acquire_owned() else {
            return;
        };
        let (path, line) = (self.path.clone(), line(bad));
        tokio::task::spawn_blocking(move || {
            let path = path.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = append(&path, &line) {
                tracing::error!(path = %path.display(), %error, "what was set aside is not kept");
            }
            drop(place);
        });
    }
}

fn line(bad: &Bad) -> String {
    let bytes = bad.bytes.get(..MESSAGE_MAX).unwrap_or(&bad.bytes);
    let (channel, replay) = bad.event.as_ref().map(|(channel, replay)| (channel, replay.0)).unzip();
    let mut line = serde_json::json!({
        "at": millis(SystemTime::now()),
        "reason": bad.reason,
        "channel": channel,
        "replayId": replay,
        "base64": STANDARD.encode(bytes),
    })
    .to_string();
    line.push('\n');
    line
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = open(path)?;
    if file.metadata()?.len() >= FILE_MAX {
        let mut old = path.to_path_buf().into_os_string();
        old.push(".1");
        std::fs::rename(path, old)?;
        file = open(path)?;
    }
    file.write_all(line.as_bytes())
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::ReplayId;

    #[test]
    fn a_line_has_the_bytes_and_a_full_file_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.set-aside.jsonl");
        let bytes = Bytes::from_static(b"{\"channel\":\xff}");
        let event = Some(("/topic/A".to_owned(), ReplayId(7)));
        let bad = Bad { reason: "not UTF-8".into(), bytes: bytes.clone(), event };
        append(&path, &line(&bad)).unwrap();
        let kept: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(STANDARD.decode(kept["base64"].as_str().unwrap()).unwrap(), bytes);
        assert_eq!((&kept["channel"], &kept["replayId"]), (&"/topic/A".into(), &7.into()));

        File::options().write(true).open(&path).unwrap().set_len(FILE_MAX).unwrap();
        append(&path, "next\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "next\n");
        assert_eq!(std::fs::metadata(dir.path().join("c.set-aside.jsonl.1")).unwrap().len(), FILE_MAX);
    }
}
