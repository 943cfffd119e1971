//! One sink's worker, the same for every kind: take, order, deliver, try again, park, count.
//!
//! * It takes batches from the queue or from the journal ([`Tape`]); there, a commit follows at once when there is
//!   nothing to do, at most every 100 ms otherwise, and at the end.
//! * What was taken is delivered in order; nothing overtakes a record that fails.
//! * Where the target's requests hold several events, what is ready may wait a given time for more: no longer than
//!   until a request is full, half of the queue is, or the end has come.
//! * Under dense traffic the worker does not sleep on a wake-up between batches but for a short fixed time, so
//!   that its sender pays no system call per batch, and the batches that came meanwhile are written together.
//!   A lone event wakes it at once.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::gather::Gather;
use super::handle::{Ended, Shared};
use super::intake::Intake;
use super::latency::Arrivals;
use super::park::Park;
use super::pause::told;
use super::queue::{Done, Run};
use super::refusals::Refusals;
use super::tape::{Ahead, Tape};
use super::target::{Failure, Refused, Target};
use crate::event::Batch;
use crate::retry::{self, Backoff};

/// Two finds closer together than this are dense traffic.
const DENSE: Duration = Duration::from_micros(700);
/// How long the worker sleeps between two looks under dense traffic.
const LINGER: Duration = Duration::from_micros(300);
/// How long a slow reader is left alone.
const BUSY: Duration = Duration::from_millis(2);
/// The waits of sinks that have none of their own: the disk is near, and may have room again soon.
pub(super) const LOCAL_RETRY: retry::Config =
    retry::Config { initial: Duration::from_millis(100), max: Duration::from_secs(5) };

/// How often at most a cursor is moved while there is something to deliver.
const COMMIT: Duration = Duration::from_millis(100);

/// The worker of one sink.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    /// None where the queue in memory is the supply.
    tape: Option<Tape>,
    intake: Intake,
    pub(super) target: Target,
    park: Option<Park>,
    refusals: Refusals,
    pub(super) backoff: Backoff,
    batches: VecDeque<Arc<Batch>>,
    ready: VecDeque<Run>,
    /// The runs wholly loaded: their batches count until they are delivered.
    loaded: Vec<Run>,
    /// What has been dealt with, on the journal, when what is loaded is delivered.
    done: Vec<Done>,
    /// When what is loaded arrived.
    arrivals: Arrivals,
    /// Where requests hold several events.
    gather: Option<Gather>,
    dense: bool,
    found: Instant,
    /// Whether something was dealt with that the cursor does not say.
    pub(super) dirty: bool,
    committed: Instant,
    /// Whether the journal could not be read at the last attempt.
    unread: bool,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        tape: Option<Tape>,
        intake: Intake,
        target: Target,
        park: Option<Park>,
        backoff: Backoff,
    ) -> Self {
        let now = Instant::now();
        let gather = target.gathers().map(Gather::new);
        let refusals = Refusals::new(Arc::clone(shared.meter.name()), park.as_ref().map(Park::path));
        Self {
            shared,
            tape,
            intake,
            target,
            park,
            refusals,
            backoff,
            batches: VecDeque::new(),
            ready: VecDeque::new(),
            loaded: Vec::new(),
            done: Vec::new(),
            arrivals: Arrivals::default(),
            gather,
            dense: false,
            found: now,
            dirty: false,
            committed: now.checked_sub(COMMIT).unwrap_or(now),
            unread: false,
        }
    }

    /// Works until the end, which is then known to the handle, whatever happens.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _even_after_a_panic = EndGuard(Arc::clone(&shared));
        tokio::select! {
            biased;
            () = shared.aborted() => self.refusals.say(),
            ended = self.work() => {
                let Some(ended) = ended else { return };
                info!(sink = %shared.meter.name(), ?ended, "the sink has ended");
                shared.end(|events| told(shared.meter.name(), ended, events));
            }
        }
    }

    /// Until the end, or none after an abort.
    async fn work(&mut self) -> Option<Ended> {
        let ended = self.turns().await;
        self.refusals.say();
        let ended = ended?;
        if matches!(ended, Ended::Drained) {
            return Some(self.commit().await.unwrap_or(ended));
        }
        // Without it some events come again after the next start, which is no reason to stay.
        drop(self.try_commit());
        Some(ended)
    }

    async fn turns(&mut self) -> Option<Ended> {
        while !self.target.is_spent() {
            if self.shared.is_aborted() {
                return None;
            }
            self.refusals.look(Instant::now());
            if let Some(ended) = self.stand_by().await {
                return Some(ended);
            }
            let ahead = self.take().await;
            // After the batches were taken: one that was offered after the call finds its file opened anew.
            let mut ended = if self.shared.take_reopen() { self.reopen().await } else { None };
            let gathers = self.gathers(ahead == Ahead::Nothing);
            let idle = (self.ready.is_empty() || gathers) && !self.target.is_due(Instant::now());
            if idle && ahead == Ahead::End {
                ended = ended.or(Some(Ended::Drained));
            }
            if !idle && ended.is_none() {
                ended = self.deliver().await;
            }
            if ended.is_some() {
                return ended;
            }
            if self.dirty && self.committed.elapsed() >= COMMIT {
                if let Some(ended) = self.commit().await {
                    return Some(ended);
                }
            } else if idle && ahead == Ahead::Nothing {
                self.rest().await;
            }
        }
        Some(Ended::Limit)
    }

    /// Moves what has come in, and what was held long enough, to `ready`; what else there is.
    async fn take(&mut self) -> Ahead {
        let now = Instant::now();
        let waited = self.ready.len();
        let is_short = self.gather.as_ref().is_some_and(|gather| gather.is_short(&self.ready));
        let ahead = match &mut self.tape {
            Some(tape) if tape.is_still() => self.take_offered(now),
            Some(_) if waited > 0 && !is_short => Ahead::More,
            Some(tape) => match tape.read(&self.shared, &mut self.intake, now, &mut self.ready) {
                Ok(ahead) => {
                    if std::mem::take(&mut self.unread) {
                        self.shared.meter.recover();
                    }
                    ahead
                }
                Err(error) => {
                    self.unread = true;
                    self.wait_after(format!("journal: cannot read: {error}"), None).await;
                    Ahead::More
                }
            },
            None => self.take_offered(now),
        };
        if self.ready.len() > waited {
            self.dense = now.duration_since(self.found) < DENSE;
            self.found = now;
        }
        self.intake.release(now, &mut self.ready);
        if ahead == Ahead::End {
            self.intake.drain(&mut self.ready);
        }
        self.shared.meter.unorder(self.intake.take_early());
        self.dirty |= self.tape.as_ref().is_some_and(Tape::has_moved);
        ahead
    }

    fn take_offered(&mut self, now: Instant) -> Ahead {
        let closed = self.shared.queue.take(&mut self.batches);
        let mut left = Vec::new();
        for batch in self.batches.drain(..) {
            let lease = self.shared.queue.lease(batch);
            let places = 0..lease.batch().len();
            self.intake.admit(&lease, places, now, &mut self.ready, &mut left);
        }
        if closed { Ahead::End } else { Ahead::Nothing }
    }

    /// What is to be let go is committed first: no later commit says anything of it.
    pub(super) async fn reopen(&mut self) -> Option<Ended> {
        let ended = self.commit().await;
        self.target.reopen();
        self.park.iter_mut().for_each(Park::reopen);
        ended
    }

    async fn rest(&mut self) {
        if self.dense && self.found.elapsed() < DENSE {
            std::thread::sleep(LINGER);
            return;
        }
        self.dense = false;
        let commit = self.dirty.then(|| self.committed + COMMIT);
        let gathered = self.gather.as_ref().and_then(Gather::until);
        let refused = self.refusals.deadline();
        let deadlines = [self.intake.next_deadline(), self.target.deadline(), commit, gathered, refused];
        let is_more = || self.tape.as_ref().is_some_and(Tape::is_more);
        let wait = self.shared.queue.wait(is_more);
        match deadlines.into_iter().flatten().min() {
            None => wait.await,
            Some(deadline) => {
                // Either way there is something to look at.
                let _ = tokio::time::timeout_at(deadline.into(), wait).await;
            }
        }
    }

    /// Whether what is ready waits for more to go with it; `may` says that there is nothing more at present.
    fn gathers(&mut self, may: bool) -> bool {
        let may = may && !self.shared.queue.is_half_full();
        let Some(gather) = &mut self.gather else { return false };
        gather.look(&self.ready, may, Instant::now());
        gather.until().is_some()
    }

    /// Delivers the front of `ready`, however long that takes; the end, where nothing more can be delivered.
    async fn deliver(&mut self) -> Option<Ended> {
        let mut events = self.load();
        loop {
            match self.target.flush().await {
                Ok(()) => {
                    self.shared.meter.deliver(events, &mut self.arrivals);
                    break;
                }
                Err(Failure::Busy) if self.shared.is_halted() => return Some(Ended::Halted),
                Err(Failure::Busy) => tokio::time::sleep(BUSY).await,
                Err(Failure::Retry { error, after }) => {
                    self.wait_after(error, after).await;
                    if self.stands_still().await {
                        return Some(Ended::Halted);
                    }
                }
                Err(Failure::Partly(delivered)) => {
                    self.shared.meter.deliver(delivered, &mut self.arrivals);
                    self.backoff.reset();
                    events = events.saturating_sub(delivered);
                }
                Err(Failure::Refused(refused)) => {
                    if !self.put_aside(&refused).await {
                        return Some(Ended::Halted);
                    }
                    self.arrivals.drop(1);
                    events = events.saturating_sub(1);
                }
                Err(Failure::Unnoted) => {
                    if let Some(ended) = self.commit().await {
                        return Some(ended);
                    }
                }
                Err(Failure::Ended(ended)) => return Some(ended),
            }
        }
        self.settle();
        None
    }

    /// What was loaded has been dealt with.
    fn settle(&mut self) {
        self.backoff.reset();
        self.shared.meter.recover();
        self.loaded.clear();
        self.arrivals.clear();
        if self.ready.is_empty() {
            self.gather.iter_mut().for_each(Gather::restart);
        }
        self.target.settle();
        if let Some(tape) = &mut self.tape {
            self.done.drain(..).for_each(|done| tape.settle(&self.shared, done));
        }
        self.dirty |= self.tape.is_some() || self.target.wants_commit();
    }

    fn load(&mut self) -> usize {
        let mut events = 0;
        while let Some(run) = self.ready.front_mut() {
            let taken = self.target.load(run);
            if self.tape.is_some() && taken > 0 {
                self.done.push(run.lease.done(&(run.events.start..run.events.start + taken)));
            }
            events += taken;
            self.arrivals.add(run.lease.batch().received(), taken);
            run.events.start += taken;
            if !run.events.is_empty() {
                break;
            }
            self.loaded.extend(self.ready.pop_front());
        }
        self.shared.meter.begin(&self.arrivals);
        events
    }

    /// Commits, however long that takes; the end, where what is in the files cannot be relied on.
    async fn commit(&mut self) -> Option<Ended> {
        let mut failed = false;
        loop {
            match self.try_commit() {
                Ok(()) => break,
                Err(Uncommitted::Unsynced(error)) => return Some(Ended::Failed(error)),
                Err(Uncommitted::Cursor(_)) if self.shared.is_halted() => return Some(Ended::Halted),
                Err(Uncommitted::Cursor(error)) => {
                    failed = true;
                    self.wait_after(format!("cannot write the cursor: {error}"), None).await;
                }
            }
        }
        if failed {
            self.backoff.reset();
            self.shared.meter.recover();
        }
        None
    }

    pub(super) fn try_commit(&mut self) -> Result<(), Uncommitted> {
        self.target.sync().map_err(Uncommitted::Unsynced)?;
        if let Some(tape) = &mut self.tape {
            let committed = tape.commit(&self.shared, self.target.note(), self.target.is_synced());
            committed.map_err(Uncommitted::Cursor)?;
        }
        self.target.noted();
        (self.dirty, self.committed) = (false, Instant::now());
        Ok(())
    }

    /// Parks a record, however long that takes; without a file it is only counted and logged. Not where it is halted
    /// meanwhile.
    async fn put_aside(&mut self, refused: &Refused) -> bool {
        let shared = Arc::clone(&self.shared);
        let name = shared.meter.name();
        if let Some(mut park) = self.park.take() {
            while let Err(error) = park.append(name, refused) {
                self.wait_after(format!("parking: {error}"), None).await;
                if shared.is_halted() {
                    return false;
                }
            }
            self.park = Some(park);
        }
        self.refusals.add(refused, Instant::now());
        shared.meter.refuse(self.park.is_some());
        true
    }
}

/// Why a commit failed.
pub(super) enum Uncommitted {
    /// What was written may not reach the device: it is not to be synced again, since the kernel may have
    /// dropped it.
    Unsynced(String),
    Cursor(io::Error),
}

/// Lets the end be known when the worker's thread is gone.
struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end(|_| Ended::Failed("the sink's thread ended unexpectedly".to_owned()));
    }
}
