//! Where the events of one connection go without a journal: into the queues of the sinks.
//!
//! * A batch for which no sink has room is held back, and while it is, nothing is read from the session and nothing more
//!   is asked for; a sink that has room is not held up by the others.
//! * That lasts for a time at most in which no server takes a client for gone. Then, until a queue has room once, what comes
//!   is lost for the sinks, which the outlet tells.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::intake::Position;
use super::outlet::Outlet;
use crate::event::Batch;

/// How long it is waited for room. A server waits for the next connect for 40 s (the guide's "Streaming API Timeouts").
const HELD_MAX: Duration = Duration::from_secs(30);

/// How often the queues are looked at meanwhile, and from when on the status says so.
const LOOK: Duration = Duration::from_millis(2);
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// One connection's place at the queues.
pub(super) struct Queues {
    outlet: Arc<Outlet>,
    /// What no sink had room for: what one response brought.
    held: VecDeque<Arc<Batch>>,
    /// Since when no sink has room.
    crowded: Option<Instant>,
    /// The positions of what was handed on after it had been held.
    committed: Vec<Position>,
    /// Whether the end was asked for: nothing is waited for any more.
    ending: bool,
}

impl Queues {
    pub(super) const fn new(outlet: Arc<Outlet>) -> Self {
        Self { outlet, held: VecDeque::new(), crowded: None, committed: Vec::new(), ending: false }
    }

    /// Takes a batch; the positions that are committed by that.
    pub(super) fn take(&mut self, batch: &Arc<Batch>) -> Vec<Position> {
        if self.held.is_empty() && self.is_free(batch) {
            return self.offer(batch);
        }
        self.held.push_back(Arc::clone(batch));
        Vec::new()
    }

    /// Offers again what is held back; whether nothing is.
    pub(super) fn has_room(&mut self) -> bool {
        while let Some(batch) = self.held.pop_front() {
            if !self.is_free(&batch) {
                self.held.push_front(batch);
                return false;
            }
            let positions = self.offer(&batch);
            self.committed.extend(positions);
        }
        true
    }

    /// Whether it is held up for longer than a short while.
    pub(super) fn is_stuck(&self) -> bool {
        self.crowded.is_some_and(|since| since.elapsed() > TOLD_AFTER)
    }

    /// What is held back waits no longer.
    pub(super) const fn end(&mut self) {
        self.ending = true;
    }

    /// The positions of what has been handed on since it was held back.
    pub(super) fn take_committed(&mut self) -> Vec<Position> {
        std::mem::take(&mut self.committed)
    }

    /// Waits until there may be room for what is held back. Dropping the future loses nothing.
    pub(super) async fn changed(&self) {
        if self.held.is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(LOOK).await;
    }

    /// Whether a batch is to be handed on: there is room for it, or it has been waited for long enough.
    fn is_free(&mut self, batch: &Batch) -> bool {
        if self.outlet.has_room(batch) {
            self.crowded = None;
            return true;
        }
        let since = self.crowded.get_or_insert_with(Instant::now);
        self.ending || since.elapsed() >= HELD_MAX
    }

    fn offer(&self, batch: &Arc<Batch>) -> Vec<Position> {
        self.outlet.offer(batch);
        batch.positions().map(|(channel, replay)| (channel.clone(), replay)).collect()
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        self.ending = true;
        self.has_room();
    }
}

#[cfg(test)]
#[path = "queues_tests.rs"]
mod tests;
