//! One sink's worker, the same for every kind: take, order, deliver, try again, park, count.
//!
//! * What was taken from the queue is delivered in order; nothing overtakes a record that fails.
//! * Under dense traffic the worker does not sleep on a wake-up between batches but for a short fixed time, so
//!   that its sender pays no system call per batch, and the batches that came meanwhile are written together.
//!   A lone event wakes it at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::handle::{Ended, Shared};
use super::intake::Intake;
use super::park::Park;
use super::queue::Run;
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

/// The worker of one sink.
pub(super) struct Worker {
    shared: Arc<Shared>,
    intake: Intake,
    target: Target,
    park: Option<Park>,
    backoff: Backoff,
    batches: VecDeque<Arc<Batch>>,
    ready: VecDeque<Run>,
    /// The runs wholly loaded: their batches count until they are delivered.
    loaded: Vec<Run>,
    dense: bool,
    found: Instant,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        intake: Intake,
        target: Target,
        park: Option<Park>,
        backoff: Backoff,
    ) -> Self {
        Self {
            shared,
            intake,
            target,
            park,
            backoff,
            batches: VecDeque::new(),
            ready: VecDeque::new(),
            loaded: Vec::new(),
            dense: false,
            found: Instant::now(),
        }
    }

    /// Works until the end, which is then known to the handle, whatever happens.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _even_after_a_panic = EndGuard(Arc::clone(&shared));
        tokio::select! {
            biased;
            () = shared.aborted() => {}
            ended = self.work() => {
                let Some(ended) = ended else { return };
                info!(sink = %shared.meter.name(), ?ended, "the sink has ended");
                shared.end(|_| ended);
            }
        }
    }

    /// Until the end, or none after an abort.
    async fn work(&mut self) -> Option<Ended> {
        while !self.target.is_spent() {
            if self.shared.is_aborted() {
                return None;
            }
            let closed = self.take();
            // After the batches were taken: one that was offered after the call finds its file opened anew.
            if self.shared.take_reopen() {
                self.target.reopen();
                self.park.iter_mut().for_each(Park::reopen);
            }
            if self.ready.is_empty() {
                if closed {
                    return Some(Ended::Drained);
                }
                self.rest().await;
            } else if let Some(ended) = self.deliver().await {
                return Some(ended);
            }
        }
        Some(Ended::Limit)
    }

    /// Moves what has come in, and what was held long enough, to `ready`; whether nothing more will come.
    fn take(&mut self) -> bool {
        let closed = self.shared.queue.take(&mut self.batches);
        let now = Instant::now();
        if !self.batches.is_empty() {
            self.dense = now.duration_since(self.found) < DENSE;
            self.found = now;
        }
        for batch in self.batches.drain(..) {
            let lease = self.shared.queue.lease(batch);
            self.intake.admit(&lease, now, &mut self.ready);
        }
        self.intake.release(now, &mut self.ready);
        if closed {
            self.intake.drain(&mut self.ready);
        }
        self.shared.meter.unorder(self.intake.take_early());
        closed
    }

    async fn rest(&mut self) {
        if self.dense && self.found.elapsed() < DENSE {
            std::thread::sleep(LINGER);
            return;
        }
        self.dense = false;
        let wait = self.shared.queue.wait();
        match self.intake.next_deadline() {
            None => wait.await,
            Some(deadline) => {
                // Either way there is something to look at.
                let _ = tokio::time::timeout_at(deadline.into(), wait).await;
            }
        }
    }

    /// Delivers the front of `ready`, however long that takes; the end, where nothing more can be delivered.
    async fn deliver(&mut self) -> Option<Ended> {
        let mut events = self.load();
        loop {
            match self.target.flush().await {
                Ok(()) => {
                    self.shared.meter.deliver(events);
                    break;
                }
                Err(Failure::Busy) => tokio::time::sleep(BUSY).await,
                Err(Failure::Retry { error, after }) => self.wait_after(error, after).await,
                Err(Failure::Partly(delivered)) => {
                    self.shared.meter.deliver(delivered);
                    self.backoff.reset();
                    events = events.saturating_sub(delivered);
                }
                Err(Failure::Refused(refused)) => {
                    self.put_aside(&refused).await;
                    events = events.saturating_sub(1);
                }
                Err(Failure::Ended(ended)) => return Some(ended),
            }
        }
        self.backoff.reset();
        self.shared.meter.recover();
        self.loaded.clear();
        None
    }

    fn load(&mut self) -> usize {
        let mut events = 0;
        while let Some(run) = self.ready.front_mut() {
            let taken = self.target.load(run);
            events += taken;
            run.events.start += taken;
            if !run.events.is_empty() {
                break;
            }
            self.loaded.extend(self.ready.pop_front());
        }
        events
    }

    /// Parks a record, however long that takes; without a file it is only counted and logged.
    async fn put_aside(&mut self, refused: &Refused) {
        let shared = Arc::clone(&self.shared);
        let name = shared.meter.name();
        let Some(mut park) = self.park.take() else {
            error!(sink = %name, id = %refused.id, reason = %refused.reason, "an event was refused for good and is lost to this sink; `parked` names a file for such events");
            return shared.meter.refuse(false);
        };
        while let Err(error) = park.append(name, refused) {
            self.wait_after(format!("parking: {error}"), None).await;
        }
        self.park = Some(park);
        warn!(sink = %name, id = %refused.id, reason = %refused.reason, "an event was refused for good and is parked");
        shared.meter.refuse(true);
    }

    async fn wait_after(&mut self, error: String, after: Option<Duration>) {
        self.shared.meter.fail(error);
        let wait = self.backoff.next_wait().max(after.unwrap_or_default());
        tokio::time::sleep(wait).await;
    }
}

/// Lets the end be known when the worker's thread is gone.
struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end(|_| Ended::Failed("the sink's thread ended unexpectedly".to_owned()));
    }
}
