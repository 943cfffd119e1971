//! The running daemon and its end.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::Ending;
use super::connection::Command;
use super::fleet::{Fleet, sink_ending};
use super::journal::Appender;
use super::outlet::Tap;
use super::prepare::Means;
use super::reload::{Answer, Heard, Outcome, Plan, Reload};
use super::report::{Reporter, Sources};
use super::signals::{Asked, Hangup, Signals};
use super::start::{channels_of, remaining};
use crate::admin::{Request, Server};
use crate::sinks::{SinkStatus, Supply};
use crate::status::Snapshot;

/// How long the journal may take when the end cannot wait.
const LAST: Duration = Duration::from_secs(1);

/// How often it is told what a sink that drains still holds.
const TELL: Duration = Duration::from_secs(3);

/// A daemon that has been started.
pub struct Daemon {
    pub(super) fleet: Fleet,
    pub(super) hangup: Hangup,
    pub(super) means: Arc<Means>,
    pub(super) sources: Sources,
    pub(super) reporter: Reporter,
    pub(super) reload: Reload,
    pub(super) grace: Duration,
    pub(super) orders: mpsc::Sender<Request>,
    pub(super) requests: mpsc::Receiver<Request>,
    /// Answers to the very end.
    pub(super) server: Option<Server>,
    pub(super) commands: Option<mpsc::Receiver<(Arc<str>, Command)>>,
}

impl Daemon {
    /// The way to ask it for something while it runs. It is bounded: who finds it full asks again.
    pub fn orders(&self) -> mpsc::Sender<Request> {
        self.orders.clone()
    }

    /// How it is, at any time until its end.
    pub fn status(&self) -> impl Fn() -> Snapshot<SinkStatus> + Send + Sync + use<> {
        let sources = self.sources.clone();
        move || sources.snapshot()
    }

    /// Runs until a signal, or until nothing is left to do.
    pub async fn run(mut self) -> Ending {
        let mut signals = match Signals::new(self.hangup.take()) {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "signals cannot be handled");
                return Ending::Io;
            }
        };
        let mut ending = self.serve(&mut signals).await;
        self.requests.close();
        while self.requests.try_recv().is_ok() {}
        self.reporter.stopping(self.grace);
        let stopped = tokio::select! {
            stopped = self.stop(&mut ending) => stopped,
            () = second_signal(&mut signals) => {
                tracing::warn!("second signal: ending at once; what is only in memory is given up");
                false
            }
        };
        if !stopped {
            self.give_up(&mut ending).await;
        }
        self.reporter.finish().await;
        drop(self.server);
        ending
    }

    /// The end that waits for nobody.
    async fn give_up(&mut self, ending: &mut Ending) {
        if let Some(journal) = &self.means.journal
            && !journal.stop(LAST).await
        {
            *ending = worse(*ending, Ending::Io);
        }
        for tap in self.fleet.posts.close() {
            let events = tap.handle.abort();
            if events > 0 {
                *ending = worse(*ending, Ending::Io);
                tracing::error!(sink = %tap.handle.name(), events, "events given up");
            }
        }
    }

    /// Until there is a reason to stop; what has gone wrong by then.
    async fn serve(&mut self, signals: &mut Signals) -> Ending {
        let journal = self.means.journal.clone();
        let mut journal_ends = pin!(journal_ends(journal.as_deref()));
        loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Stop => {
                        tracing::info!("stopping: servers are told, queues are drained");
                        return self.fleet.ending();
                    }
                    Asked::Reload => self.hang_up(),
                },
                news = self.fleet.next() => if self.fleet.take(news) {
                    return self.fleet.ending();
                },
                () = &mut journal_ends => return worse(self.fleet.ending(), Ending::Io),
                (name, command) = next_command(&mut self.commands) => self.command(&name, command),
                Some(request) = self.requests.recv() => self.carry_out(request),
                outcome = self.reload.next() => self.apply(outcome),
            }
        }
    }

    /// A signal that asks for the files to be opened anew, and for the configuration to be read again.
    fn hang_up(&mut self) {
        self.means.outlet.taps().iter().for_each(|tap| tap.handle.reopen());
        self.read_again(None);
    }

    /// Asks for a reading of the configuration; the service manager hears that it has begun, and that it is over.
    pub(super) fn read_again(&mut self, answer: Option<Answer>) {
        self.reporter.reloading();
        self.reload.ask(answer);
        self.end_reading();
    }

    fn end_reading(&self) {
        if !self.reload.is_reading() {
            self.reporter.reloaded();
        }
    }

    /// Changes what has changed in the configuration.
    fn apply(&mut self, (read, heard): Outcome) {
        match read {
            Ok(plan) => {
                let changes = self.change(plan, &heard);
                self.reload.tell(heard, Vec::new(), changes);
            }
            Err(problems) => self.reload.tell(heard, problems, Vec::new()),
        }
        self.end_reading();
    }

    fn change(&mut self, mut plan: Plan, heard: &Heard) -> Vec<String> {
        let mut changes = Vec::new();
        if let (Some(token), Some(server)) = (self.reload.take_token(&plan), &self.server) {
            server.renew_token(token);
            changes.push(String::from("[admin] token: changed"));
        }
        changes.extend(self.reload.adopt(&plan, heard));
        let config = plan.config;
        if self.grace != config.grace {
            (self.grace, self.fleet.posts.grace) = (config.grace, config.grace);
            changes.push(String::from("[daemon] grace: changed"));
        }
        if let Supply::Journal(_, channels) = &self.fleet.posts.supply {
            channels.replace(channels_of(&config.connections));
        }
        let mut place = |name: &str| {
            let at = plan.reserved.iter().position(|(reserved, _)| **reserved == *name)?;
            Some(plan.reserved.swap_remove(at).1)
        };
        let sinks = config.sinks.into_iter().map(|one| {
            let place = place(&one.name);
            (one, place)
        });
        changes.extend(self.fleet.want(config.connections, sinks.collect()));
        changes
    }

    /// The end in order; tells whether everything was handed on.
    async fn stop(&mut self, ending: &mut Ending) -> bool {
        let deadline = Instant::now() + self.grace;
        // A server that is silent must leave the sinks some of the time.
        if tokio::time::timeout(self.grace / 2, self.fleet.close_lines()).await.is_err() {
            tracing::warn!("a server did not say goodbye in time");
            self.fleet.lines.abort().await;
        }
        *ending = worse(*ending, self.fleet.ending());
        if let Some(journal) = &self.means.journal
            && !journal.stop(remaining(deadline) / 2).await
        {
            *ending = worse(*ending, Ending::Io);
        }
        let taps = self.fleet.posts.close();
        // All at once: each tells what it still holds, also while another one takes long.
        let drained = join_all(taps.iter().map(|tap| self.drain(tap, deadline))).await;
        for Ok(one) | Err(one) in &drained {
            *ending = worse(*ending, *one);
        }
        drained.iter().all(Result::is_ok)
    }

    /// Waits for the end of a sink; what the process is to end with by it, as an error where it was not in time.
    async fn drain(&self, tap: &Tap, deadline: Instant) -> Result<Ending, Ending> {
        let (handle, name) = (&tap.handle, tap.handle.name());
        if let Some(ended) = drained(handle, deadline).await {
            return Ok(sink_ending(&ended, self.means.one_shot));
        }
        if self.means.journal.is_some() {
            tracing::warn!(sink = %name, "not drained within the grace period; the rest is delivered after the next start");
            return Err(Ending::Done);
        }
        tracing::error!(sink = %name, "not drained within the grace period; what is queued is given up");
        Err(Ending::Io)
    }
}

/// Waits for a sink's end and tells from time to time what it still holds; none at the deadline.
async fn drained(handle: &crate::sinks::Handle, deadline: Instant) -> Option<crate::sinks::Ended> {
    let mut ended = pin!(tokio::time::timeout(remaining(deadline), handle.ended()));
    loop {
        tokio::select! {
            biased;
            ended = &mut ended => return ended.ok(),
            () = tokio::time::sleep(TELL) => {
                let status = handle.status();
                let (events, left) = (status.lag.unwrap_or(status.queued_events), remaining(deadline).as_secs());
                tracing::info!(sink = %handle.name(), events, seconds_left = left, "still draining");
            }
        }
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

/// The first thing that went wrong is what the process ends with.
fn worse(present: Ending, new: Ending) -> Ending {
    if present == Ending::Done { new } else { present }
}
