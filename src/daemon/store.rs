//! The state directory: one process at a time, one file per connection.
//!
//! Constraints: files are 0600 and replaced whole, so that a crash of the process leaves the old or the new one; nothing
//! waits for the disk, since no session outlives a crash of the machine. A file that cannot be read costs a handshake,
//! never the start. Writing never delays a poll: it happens on a thread for blocking work, a few files at a time however
//! many connections there are, the latest state wins, and a failure is told once.
//!
//! Format of `NAME.session.json`: `{"version":1,"url":...,"session":{...}|null,"cookies":[...]}`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use url::Url;

use super::holder::LOCK;
#[cfg(test)]
use super::holder::{is_running, process};
pub(super) use super::keeper::Keeper;
use crate::bayeux::contract::Snapshot;
use crate::http::Jar;
use crate::secret::Secret;

/// The version of a session file that this program writes and reads.
pub(super) const VERSION: u32 = 1;

/// The largest session file that is read, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// The most channels of a kept session; any more are subscribed again.
const CHANNELS_MAX: usize = 1000;

/// The longest poll of a kept session, in milliseconds; the session takes no longer one from a server.
const TIMEOUT_MAX: u64 = 600_000;

/// The longest name of a kept session, in bytes.
const CLIENT_ID_MAX: usize = 1024;

/// How often and how long apart the lock is tried: [`super::is_running`] holds it for an instant.
const LOCK_TRIES: u32 = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How many session files are written at the same time: each takes a thread.
const WRITERS: usize = 4;

/// The state directory, locked for this process.
pub(super) struct Store {
    dir: PathBuf,
    writers: Arc<Semaphore>,
    _lock: File,
}

/// Why the state directory cannot be used.
#[derive(Debug)]
pub(super) enum StoreError {
    /// Another process has it.
    InUse(PathBuf),
    /// It cannot be made or written.
    Io(PathBuf, io::Error),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(dir) => write!(
                f,
                "state directory {} is in use by another cometail; stop that one or set another [state] dir",
                dir.display()
            ),
            Self::Io(path, error) => {
                let remedy = remedy(error.kind());
                write!(f, "state directory: {}: {error}; {remedy}set another [state] dir", path.display())
            }
        }
    }
}

/// What helps beside another directory.
const fn remedy(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind as Kind;
    match kind {
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => "make it writable or ",
        Kind::AlreadyExists | Kind::NotADirectory => "a file is in its place: move that away or ",
        Kind::IsADirectory => "a directory is in its place: move that away or ",
        Kind::StorageFull | Kind::QuotaExceeded => "make room on its file system or ",
        _ => "",
    }
}

/// What was kept for a connection.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) session: Option<Snapshot>,
    pub(super) jar: Jar,
    /// The server's address.
    pub(super) url: Option<Url>,
}

#[derive(Deserialize)]
struct Read<'a> {
    version: u32,
    url: Url,
    session: Option<Snapshot>,
    #[serde(borrow)]
    cookies: &'a RawValue,
}

impl Store {
    /// Makes the directory where there is none, and locks it.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let failed = |path: &Path, error| StoreError::Io(path.to_owned(), error);
        make_private_dir(dir).map_err(|error| failed(dir, error))?;
        let path = dir.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let mut lock = lock.map_err(|error| failed(&path, error))?;
        for _ in 0..LOCK_TRIES {
            match lock.try_lock() {
                Ok(()) => {
                    let id = std::process::id();
                    // A full disk is no reason not to start; then nobody can send this process a signal by it.
                    drop(lock.set_len(0).and_then(|()| writeln!(lock, "{id}")));
                    let writers = Arc::new(Semaphore::new(WRITERS));
                    return Ok(Self { dir: dir.to_owned(), writers, _lock: lock });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
            }
        }
        Err(StoreError::InUse(dir.to_owned()))
    }

    /// What an earlier process kept for this connection and this server; `anywhere`: for this endpoint of any server, of
    /// which the login has to say that it is still the one.
    pub(super) fn load(&self, connection: &str, url: &Url, anywhere: bool) -> Kept {
        let path = self.session_path(connection);
        match read_file(&path) {
            Ok(None) => Kept::default(),
            Ok(Some(text)) => parse(text.expose(), url, anywhere).unwrap_or_else(|reason| {
                tracing::warn!(%connection, path = %path.display(), reason, "saved session not used; a handshake follows");
                Kept::default()
            }),
            Err(error) => {
                tracing::warn!(%connection, path = %path.display(), %error, "saved session not readable; a handshake follows");
                Kept::default()
            }
        }
    }

    /// Keeps the state of one connection from now on.
    pub(super) fn keeper(
        &self,
        connection: &Arc<str>,
        url: &Url,
        session: Option<Snapshot>,
        jar: Arc<Jar>,
    ) -> Keeper {
        let (connection, path) = (connection.clone(), self.session_path(connection));
        Keeper::new(connection, path, url.clone(), session, jar, self.writers.clone())
    }

    /// Where the status is written.
    pub(super) fn status_path(&self) -> PathBuf {
        self.dir.join("status.json")
    }

    /// Where the journal is.
    pub(super) fn journal_path(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// Where what cannot be read of a connection's messages is kept.
    pub(super) fn aside_path(&self, connection: &str) -> PathBuf {
        self.dir.join(format!("{connection}.set-aside.jsonl"))
    }

    fn session_path(&self, connection: &str) -> PathBuf {
        self.dir.join(format!("{connection}.session.json"))
    }
}

/// Replaces a file as a whole by what `write` writes; it is 0600 from its first byte.
pub(super) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    write(file.as_file_mut())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn read_file(path: &Path) -> io::Result<Option<Secret<String>>> {
    use io::Read as _;
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        // To open a pipe would wait for a writer.
        Ok(_) => return Err(io::Error::other("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut text = String::new();
    File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(Some(Secret::new(text)))
}

fn parse(text: &str, url: &Url, anywhere: bool) -> Result<Kept, String> {
    let read: Read<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if read.version != VERSION {
        return Err(format!("it has version {}, this program knows {VERSION}", read.version));
    }
    let same =
        read.url == *url || anywhere && read.url.path() == url.path() && read.url.query() == url.query();
    if !same {
        return Err(String::from("it is of another server"));
    }
    let jar = Jar::load(read.cookies.get()).map_err(|error| error.to_string())?;
    Ok(Kept { session: read.session.and_then(plausible), jar, url: Some(read.url) })
}

/// A session as this program keeps them: anyone may have written into the file.
fn plausible(mut session: Snapshot) -> Option<Snapshot> {
    session.channels.truncate(CHANNELS_MAX);
    session.timeout_ms = session.timeout_ms.min(TIMEOUT_MAX);
    (1..=CLIENT_ID_MAX).contains(&session.client_id.len()).then_some(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Url {
        Url::parse("http://localhost/cometd").unwrap()
    }

    fn kept(session: &Snapshot) -> Option<Snapshot> {
        let text =
            serde_json::json!({"version": 1, "url": url(), "session": session, "cookies": []}).to_string();
        parse(&text, &url(), false).unwrap().session
    }

    #[test]
    fn a_kept_session_beyond_measure_is_cut_down() {
        let session = |client: usize, channels: usize, timeout_ms| Snapshot {
            client_id: "c".repeat(client),
            replay: true,
            ack: false,
            timeout_ms,
            channels: (0..channels).map(|number| format!("/topic/{number}")).collect(),
        };
        let good = session(20, 3, 110_000);
        assert_eq!(kept(&good), Some(good));
        assert_eq!(kept(&session(20, 5000, u64::MAX)), Some(session(20, 1000, 600_000)));
        assert_eq!((kept(&session(0, 1, 1)), kept(&session(1025, 1, 1))), (None, None));
    }

    #[test]
    fn what_helps_depends_on_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let told = |path: &Path| Store::open(path).err().map(|error| error.to_string()).unwrap_or_default();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            assert!(told(&path).contains("a file is in its place"), "{}", told(&path));
        }
        let place = dir.path().join("place");
        std::fs::create_dir_all(place.join("lock")).unwrap();
        assert!(told(&place).contains("a directory is in its place"), "{}", told(&place));
        let error = StoreError::Io(file, io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(error.ends_with("; make it writable or set another [state] dir"), "{error}");
    }

    #[test]
    fn who_looks_keeps_nobody_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(is_running(dir.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
        let store = Store::open(dir.path()).unwrap();
        assert!(is_running(dir.path()).unwrap());
        assert_eq!(process(dir.path()).unwrap(), Some(std::process::id()));
        assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse(_))));
        drop(store);
        assert_eq!(process(dir.path()).unwrap(), None);
        assert!(!is_running(dir.path()).unwrap());
        let looker = File::open(dir.path().join(LOCK)).unwrap();
        looker.lock_shared().unwrap();
        let ending = std::thread::spawn(move || {
            std::thread::sleep(LOCK_PAUSE);
            drop(looker);
        });
        Store::open(dir.path()).unwrap();
        ending.join().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_in_the_place_of_a_kept_session_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mode = rustix::fs::Mode::from_bits_truncate(0o600);
        let pipe = store.session_path("c");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(store.load("c", &url(), false).session.is_none());
    }
}
