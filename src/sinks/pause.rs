//! A worker that stands still, or is to end before everything is delivered.
//!
//! * A pause begins between two deliveries, or after an attempt that failed; what is dealt with by then is committed.
//! * Whoever halts a sink waits for no attempt after the one under way.

use std::time::Duration;

use super::handle::Ended;
use super::worker::Worker;

/// The end of a sink, by which so many events are given up: told, where it stood still until then.
pub(super) fn told(sink: &str, ended: Ended, events: u64) -> Ended {
    if events > 0 && matches!(ended, Ended::Halted) {
        tracing::error!(sink, events, "events given up: the sink ended while it stood still");
    }
    ended
}

impl Worker {
    /// Stands still while it is paused; how it ends, where it is to end without delivering what there is.
    pub(super) async fn stand_by(&mut self) -> Option<Ended> {
        if self.dirty && self.is_still() {
            // What stands in the way now is told when it goes on; after a crash, some events come again.
            drop(self.try_commit());
        }
        while self.is_still() {
            if self.shared.take_reopen()
                && let Some(ended) = self.reopen().await
            {
                return Some(ended);
            }
            self.shared.roused().await;
        }
        self.is_over().then_some(Ended::Halted)
    }

    /// The same in the middle of a delivery; whether it is to end.
    pub(super) async fn stands_still(&self) -> bool {
        while self.is_still() {
            self.shared.roused().await;
        }
        self.is_over()
    }

    /// Notes a failure and waits until the next attempt, or until it is halted.
    pub(super) async fn wait_after(&mut self, error: String, after: Option<Duration>) {
        self.shared.meter.fail(error);
        let wait = self.backoff.next_wait().max(after.unwrap_or_default());
        let mut waiting = std::pin::pin!(tokio::time::sleep(wait));
        while !self.shared.is_halted() {
            tokio::select! {
                () = &mut waiting => return,
                () = self.shared.roused() => {}
            }
        }
    }

    fn is_still(&self) -> bool {
        self.shared.meter.is_paused() && !self.shared.is_halted() && !self.shared.queue.is_closed()
    }

    fn is_over(&self) -> bool {
        self.shared.is_halted() || self.shared.meter.is_paused()
    }
}
