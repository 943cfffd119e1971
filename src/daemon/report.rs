//! What the daemon tells of itself while it runs: the status file and the service manager.
//!
//! The file `status.json` in the state directory is replaced when something changed and at least every ten
//! seconds, so that its age tells whether the daemon is alive. A daemon that ends in order writes it once more.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::fleet::Roll;
use super::journal::Appender;
use super::outlet::Outlet;
use super::reload::Report;
use super::store::replace;
use crate::sinks::SinkStatus;
use crate::status::{self, Snapshot};

/// How often the status is looked at.
const TICK: Duration = Duration::from_secs(1);

/// The oldest that a status file of a running daemon gets.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How long the service manager waits for every connection to be live before the daemon counts as started
/// all the same: a server that is down is no reason to restart the daemon.
const READY_AFTER: Duration = Duration::from_secs(30);

/// Where the status comes from.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) started: SystemTime,
    pub(super) connections: Roll,
    pub(super) outlet: Arc<Outlet>,
    pub(super) journal: Option<Arc<Appender>>,
    pub(super) reload: Report,
}

impl Sources {
    /// The present status.
    pub(super) fn snapshot(&self) -> Snapshot<SinkStatus> {
        let roll = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            started_at: status::millis(self.started),
            updated_at: status::millis(SystemTime::now()),
            reload: self.reload.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            journal: self.journal.as_ref().map(|journal| journal.status()),
            connections: roll
                .iter()
                .map(|one| one.lock().unwrap_or_else(PoisonError::into_inner).clone())
                .collect(),
            sinks: self.outlet.taps().iter().map(|tap| tap.handle.status()).collect(),
        }
    }
}

/// How long the last status may take: a file system that does not answer must not hold up the end.
const LAST: Duration = Duration::from_secs(1);

/// The task that reports.
pub(super) struct Reporter {
    /// Ends the task when it is dropped.
    running: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Reporter {
    /// Starts to report, into `file` where there is one; at once when `news` says so.
    pub(super) fn start(sources: Sources, file: Option<PathBuf>, news: Arc<Notify>) -> Self {
        let (running, ended) = oneshot::channel();
        Self { running, task: tokio::spawn(report(sources, file.map(Writer::new), ended, news)) }
    }

    /// Writes the last status, by which nobody takes the daemon for alive.
    pub(super) async fn finish(self) {
        drop(self.running);
        if tokio::time::timeout(LAST, self.task).await.is_err() {
            tracing::warn!("the last status is not written in time");
        }
    }
}

async fn report(
    sources: Sources,
    mut writer: Option<Writer>,
    mut ended: oneshot::Receiver<()>,
    news: Arc<Notify>,
) {
    let started = Instant::now();
    let mut ready = false;
    let mut told = String::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            _ = ticks.tick() => false,
            () = news.notified() => false,
            _ = &mut ended => true,
        };
        let snapshot = sources.snapshot();
        if let Some(writer) = &mut writer {
            writer.write(&snapshot).await;
        }
        if last {
            return;
        }
        let live = snapshot.connections.iter().filter(|one| one.is_live()).count();
        let all = live == snapshot.connections.len();
        if !ready && (all || started.elapsed() >= READY_AFTER) {
            ready = true;
            notify(&[sd_notify::NotifyState::Ready]);
        }
        let present = format!("{live} of {} connections live", snapshot.connections.len());
        if present != told {
            notify(&[sd_notify::NotifyState::Status(&present)]);
            told = present;
        }
    }
}

/// Tells the service manager, where there is one.
pub(super) fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

struct Writer {
    path: PathBuf,
    written: Option<(Instant, String)>,
    failing: bool,
}

impl Writer {
    const fn new(path: PathBuf) -> Self {
        Self { path, written: None, failing: false }
    }

    async fn write(&mut self, snapshot: &Snapshot<SinkStatus>) {
        let Ok(text) = serde_json::to_string(snapshot) else {
            return;
        };
        // The time of the snapshot alone is no news.
        let news = serde_json::to_string(&(
            &snapshot.journal,
            &snapshot.connections,
            &snapshot.sinks,
            &snapshot.reload,
        ))
        .unwrap_or_default();
        if self.written.as_ref().is_some_and(|(at, last)| at.elapsed() < HEARTBEAT && *last == news) {
            return;
        }
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || replace(&path, text.as_bytes())).await;
        let result = written.map_err(std::io::Error::other).and_then(|result| result);
        if let Err(error) = &result
            && !self.failing
        {
            tracing::error!(path = %self.path.display(), %error, "the status file is not written");
        }
        self.failing = result.is_err();
        self.written = Some((Instant::now(), news));
    }
}
