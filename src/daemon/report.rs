//! What the daemon tells of itself while it runs: the status file and the service manager.
//!
//! A file system that does not answer holds up the file alone. The service manager's watchdog is fed here, while all
//! that must turn does ([`super::progress`]).
//!
//! The file `status.json` in the state directory is replaced when something changed and at least every ten
//! seconds, so that its age tells whether the daemon is alive. A daemon that ends in order writes it once more.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

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
        let roll = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            commit: status::COMMIT,
            pid: std::process::id(),
            started_at: status::millis(self.started),
            updated_at: status::millis(SystemTime::now()),
            reload: self.reload.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            capture: self.capture.path(),
            journal: self.journal.as_ref().map(|journal| journal.status()),
            connections: roll
                .iter()
                .map(|one| one.lock().unwrap_or_else(PoisonError::into_inner).clone())
                .collect(),
            sinks: self.outlet.status(),
        }
    }
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
                () = self.news.notified() => drop(self.tell()),
                () = next(&mut meals) => if good {
                    self.manager.feed();
                },
            }
        }
        if let Some(writer) = self.writer {
            writer.finish(&self.sources.snapshot()).await;
        }
    }

    /// Tells how the daemon is.
    fn tell(&mut self) -> Snapshot<SinkStatus> {
        let snapshot = self.sources.snapshot();
        if let Some(writer) = &mut self.writer {
            writer.write(&snapshot);
        }
        match *self.phase.borrow() {
            Phase::Running => self.manager.tell(&snapshot, &mut self.told),
            Phase::Stopping(until) => self.manager.tell_end(&snapshot, until, &mut self.told),
        }
        snapshot
    }

    /// Tells how the daemon is; whether all turns that must.
    fn look(&mut self) -> bool {
        let snapshot = self.tell();
        if matches!(*self.phase.borrow(), Phase::Stopping(_)) {
            // Tasks are given up, and the journal's thread ends: all of that has deadlines of its own.
            return true;
        }
        let loops = snapshot.connections.iter().map(|one| (one.name.as_str(), one.due));
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
    path: PathBuf,
    written: Option<(Instant, String)>,
    /// What is being written.
    writing: Option<JoinHandle<()>>,
    failing: Arc<AtomicBool>,
}

impl Writer {
    fn new(path: PathBuf) -> Self {
        Self { path, written: None, writing: None, failing: Arc::default() }
    }

    /// Begins to write where there is news, unless the last one is not written yet.
    fn write(&mut self, snapshot: &Snapshot<SinkStatus>) {
        if self.writing.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        // The time of the snapshot alone is no news.
        let news = serde_json::to_string(&(
            &snapshot.journal,
            &snapshot.connections,
            &snapshot.sinks,
            &snapshot.reload,
            &snapshot.capture,
        ))
        .unwrap_or_default();
        if self.written.as_ref().is_some_and(|(at, last)| at.elapsed() < HEARTBEAT && *last == news) {
            return;
        }
        self.writing = self.begin(snapshot);
        self.written = Some((Instant::now(), news));
    }

    /// Writes the last one when the one before it is written.
    async fn finish(mut self, snapshot: &Snapshot<SinkStatus>) {
        if let Some(writing) = self.writing.take() {
            // What came of it has been told.
            drop(writing.await);
        }
        if let Some(writing) = self.begin(snapshot) {
            drop(writing.await);
        }
    }

    fn begin(&self, snapshot: &Snapshot<SinkStatus>) -> Option<JoinHandle<()>> {
        let text = serde_json::to_string(snapshot).ok()?;
        let (path, failing) = (self.path.clone(), self.failing.clone());
        Some(tokio::task::spawn_blocking(move || put(&path, text.as_bytes(), &failing)))
    }
}

/// Replaces the file, and tells where that begins to fail.
fn put(path: &Path, text: &[u8], failing: &AtomicBool) {
    let result = replace(path, text);
    let failed = result.is_err();
    if let Err(error) = result
        && !failing.load(Ordering::Relaxed)
    {
        tracing::error!(path = %path.display(), %error, "the status file is not written");
    }
    failing.store(failed, Ordering::Relaxed);
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
