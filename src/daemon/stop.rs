//! The running daemon and its end.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Ending;
use super::admin::{answer, next_order};
use super::capture::Capture;
use super::connection::{Command, Ended};
use super::journal::Appender;
use super::outlet::Outlet;
use super::report::{Reporter, notify};
use super::signals::{Asked, Signals};
use super::start::remaining;
use super::store::Store;
use crate::admin::{Request, Server};
use crate::bayeux::notice::Closed;
use crate::bayeux::refusal::Meaning;
use crate::{sinks, status};

/// How long the journal may take when the end cannot wait.
const LAST: Duration = Duration::from_secs(1);

/// A connection as the daemon sees it.
pub(super) struct Running {
    pub(super) name: Arc<str>,
    pub(super) status: Arc<Mutex<status::Connection>>,
    pub(super) commands: mpsc::Sender<Command>,
    /// Whether the server is told at the end.
    pub(super) disconnect: bool,
}

/// A daemon that has been started.
pub struct Daemon {
    pub(super) running: Vec<Running>,
    pub(super) tasks: JoinSet<Ended>,
    pub(super) outlet: Arc<Outlet>,
    pub(super) journal: Option<Arc<Appender>>,
    pub(super) reporter: Reporter,
    pub(super) grace: Duration,
    pub(super) one_shot: bool,
    pub(super) commands: Option<mpsc::Receiver<(Arc<str>, Command)>>,
    pub(super) capture: Capture,
    /// What is asked for by requests to the admin server,
    pub(super) orders: Option<mpsc::Receiver<Request>>,
    /// which answers to the very end.
    pub(super) server: Option<Server>,
    pub(super) _store: Option<Store>,
}

impl Daemon {
    /// The switch of the capture of what its connections send and receive.
    pub fn capture(&self) -> Capture {
        self.capture.clone()
    }

    /// Runs until a signal, or until nothing is left to do.
    pub async fn run(mut self) -> Ending {
        let mut signals = match Signals::new(!self.one_shot) {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "signals cannot be handled");
                return Ending::Io;
            }
        };
        let mut ending = Ending::Done;
        self.serve(&mut signals, &mut ending).await;
        self.orders = None;
        notify(&[sd_notify::NotifyState::Stopping]);
        let stopped = tokio::select! {
            stopped = self.stop(&mut ending) => stopped,
            () = second_signal(&mut signals) => {
                tracing::warn!("second signal: ending at once; what is only in memory is given up");
                false
            }
        };
        if !stopped {
            if let Some(journal) = &self.journal
                && !journal.stop(LAST).await
            {
                ending = worse(ending, Ending::Io);
            }
            for handle in self.outlet.handles() {
                let events = handle.abort();
                if events > 0 {
                    ending = worse(ending, Ending::Io);
                    tracing::error!(sink = %handle.name(), events, "events given up");
                }
            }
        }
        self.reporter.finish().await;
        drop(self.server);
        ending
    }

    /// Until there is a reason to stop.
    async fn serve(&mut self, signals: &mut Signals, ending: &mut Ending) {
        let mut alive = vec![true; self.outlet.handles().count()];
        loop {
            let outlet = self.outlet.clone();
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Stop => return tracing::info!("stopping: servers are told, queues are drained"),
                    Asked::Reopen => self.outlet.handles().for_each(sinks::Handle::reopen),
                },
                Some(ended) = self.tasks.join_next() => {
                    *ending = worse(*ending, connection_ending(ended));
                    if self.tasks.is_empty() {
                        return;
                    }
                }
                (at, ended) = any_sink(&outlet, &alive) => {
                    alive.get_mut(at).into_iter().for_each(|alive| *alive = false);
                    *ending = worse(*ending, sink_ending(&ended, self.one_shot));
                    if self.one_shot || alive.iter().all(|alive| !alive) {
                        return;
                    }
                    // Else the events that it does not take would fill the journal and stop the others.
                    self.outlet.handles().nth(at).into_iter().for_each(sinks::Handle::release);
                }
                () = journal_ends(self.journal.as_deref()) => return *ending = worse(*ending, Ending::Io),
                (name, command) = next_command(&mut self.commands) => self.command(&name, command),
                request = next_order(&mut self.orders) => answer(&self.running, &self.capture, request),
            }
        }
    }

    fn command(&self, name: &str, command: Command) {
        match self.running.iter().find(|one| *one.name == *name) {
            None => tracing::warn!(connection = name, "no such connection"),
            Some(one) if one.commands.try_send(command).is_err() => {
                tracing::warn!(
                    connection = name,
                    "too many commands wait for this connection, or it has ended"
                );
            }
            Some(_) => {}
        }
    }

    /// The end in order; tells whether everything was handed on.
    async fn stop(&mut self, ending: &mut Ending) -> bool {
        let deadline = Instant::now() + self.grace;
        for one in &self.running {
            // A full queue of commands means that the connection does not listen: its task is given up below.
            drop(one.commands.try_send(Command::Close { disconnect: one.disconnect }));
        }
        let closing = async { while self.tasks.join_next().await.is_some() {} };
        // A server that is silent must leave the sinks some of the time.
        if tokio::time::timeout(self.grace / 2, closing).await.is_err() {
            tracing::warn!("a server did not say goodbye in time");
            self.tasks.abort_all();
            while self.tasks.join_next().await.is_some() {}
        }
        if let Some(journal) = &self.journal
            && !journal.stop(remaining(deadline) / 2).await
        {
            *ending = worse(*ending, Ending::Io);
        }
        self.outlet.handles().for_each(sinks::Handle::close);
        let mut complete = true;
        for handle in self.outlet.handles() {
            if let Ok(ended) = tokio::time::timeout(remaining(deadline), handle.ended()).await {
                *ending = worse(*ending, sink_ending(&ended, self.one_shot));
            } else if self.journal.is_some() {
                complete = false;
                tracing::warn!(sink = %handle.name(), "not drained within the grace period; the rest is delivered after the next start");
            } else {
                complete = false;
                *ending = worse(*ending, Ending::Io);
                tracing::error!(sink = %handle.name(), "not drained within the grace period; what is queued is given up");
            }
        }
        complete
    }
}

async fn second_signal(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}

async fn journal_ends(journal: Option<&Appender>) {
    match journal {
        Some(journal) => journal.ended().await,
        None => pending().await,
    }
}

async fn next_command(commands: &mut Option<mpsc::Receiver<(Arc<str>, Command)>>) -> (Arc<str>, Command) {
    if let Some(receiver) = commands
        && let Some(command) = receiver.recv().await
    {
        return command;
    }
    *commands = None;
    pending().await
}

/// The first of the living sinks that ends.
async fn any_sink(outlet: &Outlet, alive: &[bool]) -> (usize, sinks::Ended) {
    let living = outlet.handles().enumerate().zip(alive).filter(|(_, alive)| **alive);
    let mut waits: Vec<_> =
        living.map(|((at, handle), _)| Box::pin(async move { (at, handle.ended().await) })).collect();
    std::future::poll_fn(|context| {
        for wait in &mut waits {
            if let std::task::Poll::Ready(ended) = wait.as_mut().poll(context) {
                return std::task::Poll::Ready(ended);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

fn connection_ending(ended: Result<Ended, tokio::task::JoinError>) -> Ending {
    match ended {
        Ok(Ended::Closed(Closed::Requested)) => Ending::Done,
        Ok(
            Ended::Closed(Closed::Unauthenticated(_))
            | Ended::NothingLeft(Meaning::Forbidden | Meaning::Unauthenticated),
        ) => Ending::Denied,
        Ok(Ended::Closed(Closed::Endpoint(_)) | Ended::NothingLeft(_)) => Ending::Refused,
        Err(error) => {
            tracing::error!(%error, "a connection's task failed");
            Ending::Io
        }
    }
}

fn sink_ending(ended: &sinks::Ended, one_shot: bool) -> Ending {
    match ended {
        sinks::Ended::Drained | sinks::Ended::Limit => Ending::Done,
        sinks::Ended::Closed if one_shot => Ending::Done,
        sinks::Ended::Closed => {
            tracing::error!("standard output was closed by its reader; this sink is dead");
            Ending::Io
        }
        sinks::Ended::Aborted(events) => {
            tracing::error!(events, "events given up");
            Ending::Io
        }
        sinks::Ended::Failed(error) => {
            tracing::error!(error, "a sink died");
            Ending::Io
        }
    }
}

/// The first thing that went wrong is what the process ends with.
fn worse(present: Ending, new: Ending) -> Ending {
    if present == Ending::Done { new } else { present }
}
