//! What the daemon tells of itself while it runs: the status file and the service manager.
//!
//! A file system that does not answer holds up the file alone. The service manager's watchdog is fed here, while all
//! that must turn does ([`super::progress`]).
//!
//! The file `status.json` in the state directory is replaced when something changed and at least every ten
//! seconds, so that its age tells whether the daemon is alive. A daemon that ends in order writes it once more. With 200
//! connections and more it is looked at every second second, with 400 every third, with 1,600 and more every ninth: it has
//! a kilobyte for each, which goes to the file without being anywhere as a whole.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Serialize, Serializer};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Interval;

use super::capture::Capture;
use super::fleet::Roll;
use super::journal::Appender;
use super::notify::Manager;
use super::outlet::Outlet;
use super::progress::Progress;
use super::reload::Report;
use super::store::replace;
use crate::sinks::SinkStatus;
use crate::status::{self, Snapshot};

/// How often the status is looked at.
const TICK: Duration = Duration::from_secs(1);

/// For each so many connections it is told a look later, but not later than so many looks.
const AT_EVERY_LOOK: usize = 200;
const LOOKS_MAX: usize = 9;

/// What is written of the status file at a time, in bytes.
const WRITE_BUFFER: usize = 32 << 10;

/// The oldest that a status file of a running daemon gets.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Where the status comes from.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) started: SystemTime,
    pub(super) connections: Roll,
    pub(super) outlet: Arc<Outlet>,
    pub(super) journal: Option<Arc<Appender>>,
    pub(super) reload: Report,
    pub(super) capture: Capture,
}

impl Sources {
    /// The present status.
    pub(super) fn snapshot(&self) -> Snapshot<SinkStatus> {
        self.with(self.list().iter().map(|one| lock(one).clone()).collect())
    }

    /// The present status, of which each connection is looked at when it is written.
    fn present(&self) -> Snapshot<SinkStatus, Each> {
        self.with(Each(self.list()))
    }

    fn list(&self) -> Vec<Arc<Mutex<status::Connection>>> {
        self.connections.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with<C>(&self, connections: C) -> Snapshot<SinkStatus, C> {
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            commit: status::COMMIT,
            pid: std::process::id(),
            started_at: status::millis(self.started),
            updated_at: status::millis(SystemTime::now()),
            reload: self.reload.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            capture: self.capture.path(),
            journal: self.journal.as_ref().map(|journal| journal.status()),
            connections,
            sinks: self.outlet.status(),
        }
    }
}

/// Connections, each looked at when it is its turn.
struct Each(Vec<Arc<Mutex<status::Connection>>>);

impl Serialize for Each {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for one in &self.0 {
            list.serialize_element(&*lock(one))?;
        }
        list.end()
    }
}

/// A connection that is looked at, known by its name.
struct Looked<'a>(MutexGuard<'a, status::Connection>);

impl AsRef<str> for Looked<'_> {
    fn as_ref(&self) -> &str {
        &self.0.name
    }
}

fn lock(one: &Mutex<status::Connection>) -> MutexGuard<'_, status::Connection> {
    one.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long the last status may take: a file system that does not answer must not hold up the end.
const LAST: Duration = Duration::from_secs(1);

/// The task that reports.
pub(super) struct Reporter {
    manager: Arc<Manager>,
    /// Ends the task when it is dropped.
    phase: watch::Sender<Phase>,
    task: JoinHandle<()>,
}

/// What the daemon is doing.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Running,
    /// It ends, within this time.
    Stopping(Instant),
}

impl Reporter {
    /// Starts to report, into `file` where there is one; at once when `news` says so.
    pub(super) fn start(
        sources: Sources,
        file: Option<PathBuf>,
        manager: Manager,
        news: Arc<Notify>,
    ) -> Self {
        let (phase, seen) = watch::channel(Phase::Running);
        let manager = Arc::new(manager);
        let reporting = Reporting {
            sources,
            writer: file.map(Writer::new),
            manager: manager.clone(),
            phase: seen,
            news,
            progress: Progress::default(),
            told: String::new(),
            looks: 0,
        };
        Self { manager, phase, task: tokio::spawn(reporting.run()) }
    }

    /// A reload begins: to be called before anything of it is done.
    pub(super) fn reloading(&self) {
        self.manager.reloading();
    }

    /// A reload is over, whatever came of it.
    pub(super) fn reloaded(&self) {
        self.manager.reloaded();
    }

    /// The end begins, and sinks have this time to drain.
    pub(super) fn stopping(&self, grace: Duration) {
        self.phase.send_replace(Phase::Stopping(self.manager.stopping(grace)));
    }

    /// Writes the last status, by which nobody takes the daemon for alive.
    pub(super) async fn finish(self) {
        drop(self.phase);
        if tokio::time::timeout(LAST, self.task).await.is_err() {
            tracing::warn!("the last status is not written in time");
        }
    }
}

/// The parts of that task.
struct Reporting {
    sources: Sources,
    writer: Option<Writer>,
    manager: Arc<Manager>,
    phase: watch::Receiver<Phase>,
    news: Arc<Notify>,
    progress: Progress,
    /// What the service manager was last told.
    told: String,
    /// The looks since the status was last told.
    looks: usize,
}

impl Reporting {
    async fn run(mut self) {
        let (mut looks, mut meals) = (every(TICK), self.manager.feed_every().map(every));
        let mut good = true;
        loop {
            tokio::select! {
                changed = self.phase.changed() => if changed.is_err() {
                    break;
                },
                _ = looks.tick() => good = self.look(),
                // Another look would count as one more that finds a loop late.
                () = self.news.notified() => self.tell(),
                () = next(&mut meals) => if good {
                    self.manager.feed();
                },
            }
        }
        if let Some(writer) = self.writer {
            writer.finish(self.sources).await;
        }
    }

    /// Tells how the daemon is.
    fn tell(&mut self) {
        self.looks = 0;
        if let Some(writer) = &mut self.writer {
            writer.write(&self.sources);
        }
        if !self.manager.is_there() {
            return;
        }
        let snapshot = self.sources.snapshot();
        match *self.phase.borrow() {
            Phase::Running => self.manager.tell(&snapshot, &mut self.told),
            Phase::Stopping(until) => self.manager.tell_end(&snapshot, until, &mut self.told),
        }
    }

    /// Tells how the daemon is, where it is time for that; whether all turns that must.
    fn look(&mut self) -> bool {
        let list = self.sources.list();
        self.looks += 1;
        if self.looks > list.len() / AT_EVERY_LOOK || self.looks >= LOOKS_MAX {
            self.tell();
        }
        if matches!(*self.phase.borrow(), Phase::Stopping(_)) {
            // Tasks are given up, and the journal's thread ends: all of that has deadlines of its own.
            return true;
        }
        let loops = list.iter().map(|one| lock(one)).map(|one| (one.due, Looked(one)));
        let loops = loops.map(|(due, one)| (one, due));
        let turn = self.sources.journal.as_ref().and_then(|journal| journal.turn());
        self.progress.look(Instant::now(), loops, turn)
    }
}

fn every(time: Duration) -> Interval {
    let mut ticks = tokio::time::interval(time);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

async fn next(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

struct Writer {
    file: Arc<StatusFile>,
    /// What is being written.
    writing: Option<JoinHandle<()>>,
}

impl Writer {
    fn new(path: PathBuf) -> Self {
        let (written, failing) = (Mutex::default(), AtomicBool::default());
        Self { file: Arc::new(StatusFile { path, written, failing }), writing: None }
    }

    /// Begins to write where there is news, unless the last one is not written yet.
    fn write(&mut self, sources: &Sources) {
        if self.writing.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let (file, sources) = (Arc::clone(&self.file), sources.clone());
        self.writing = Some(tokio::task::spawn_blocking(move || file.renew(&sources.present())));
    }

    /// Writes the last one when the one before it is written.
    async fn finish(self, sources: Sources) {
        if let Some(writing) = self.writing {
            // What came of it has been told.
            drop(writing.await);
        }
        drop(tokio::task::spawn_blocking(move || self.file.put(&sources.present())).await);
    }
}

struct StatusFile {
    path: PathBuf,
    /// When it was last written, and what was in it.
    written: Mutex<Option<(Instant, Sum)>>,
    failing: AtomicBool,
}

impl StatusFile {
    /// Writes where there is news, or the last time is long ago.
    fn renew(&self, status: &Snapshot<SinkStatus, Each>) {
        // Of so many it is told so rarely that each time is a heartbeat, and need not be looked through for news.
        if status.connections.0.len() / AT_EVERY_LOOK + 1 >= LOOKS_MAX {
            return self.put(status);
        }
        let news = Sum::of(status);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // The next look may be late.
        let young = |at: &Instant| at.elapsed() + TICK / 2 < HEARTBEAT;
        if !written.as_ref().is_some_and(|(at, last)| young(at) && *last == news) {
            self.put(status);
            *written = Some((Instant::now(), news));
        }
    }

    /// Replaces the file, and tells where that begins to fail.
    fn put(&self, status: &Snapshot<SinkStatus, Each>) {
        let result = replace(&self.path, |file| write(file, status));
        let failed = result.is_err();
        if let Err(error) = result
            && !self.failing.load(Ordering::Relaxed)
        {
            tracing::error!(path = %self.path.display(), %error, "the status file is not written");
        }
        self.failing.store(failed, Ordering::Relaxed);
    }
}

fn write(file: &mut File, status: &Snapshot<SinkStatus, Each>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(WRITE_BUFFER, file);
    serde_json::to_writer(&mut file, status)?;
    file.flush()
}

/// A checksum of a text, and its length: two texts that are the same by that only cost a heartbeat.
#[derive(Default)]
struct Sum(crc32fast::Hasher, usize);

impl Sum {
    /// Of all but the time of the snapshot, which alone is no news.
    fn of(status: &Snapshot<SinkStatus, Each>) -> Self {
        let mut sum = Self::default();
        let parts = (&status.journal, &status.connections, &status.sinks, &status.reload, &status.capture);
        // Nothing can fail in adding up.
        drop(serde_json::to_writer(&mut sum, &parts));
        sum
    }
}

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1 && self.0.clone().finalize() == other.0.clone().finalize()
    }
}

impl io::Write for Sum {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.update(text);
        self.1 += text.len();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
