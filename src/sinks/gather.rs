//! Whether what is ready waits for more to go with it, for a target whose requests hold several events. Pure: time is
//! an argument.
//!
//! The wait begins when the first of what is ready came, and is over when a request is full.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::queue::Run;
use super::webhook::Batch;

/// The wait for a full request.
pub(super) struct Gather {
    request: Batch,
    wait: Duration,
    /// Since when something is ready.
    since: Option<Instant>,
    /// Until when it waits, if it does.
    until: Option<Instant>,
}

impl Gather {
    /// What a request holds, and how long it may take until it is full.
    pub(super) const fn new((request, wait): (Batch, Duration)) -> Self {
        Self { request, wait, since: None, until: None }
    }

    /// Until when what is ready waits, as of the last look.
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether a request would hold more than is ready.
    pub(super) fn is_short(&self, ready: &VecDeque<Run>) -> bool {
        !fills(ready, self.request)
    }

    /// Looks at what is ready, which `may` wait or not.
    pub(super) fn look(&mut self, ready: &VecDeque<Run>, may: bool, now: Instant) {
        if !ready.is_empty() {
            self.since.get_or_insert(now);
        }
        let until = self.since.and_then(|since| since.checked_add(self.wait));
        self.until = until.filter(|until| may && *until > now && self.is_short(ready));
    }

    /// What was ready before is no longer.
    pub(super) const fn restart(&mut self) {
        self.since = None;
    }
}

/// Whether these events fill a request, by the bytes that came from the server.
fn fills(ready: &VecDeque<Run>, request: Batch) -> bool {
    let (mut events, mut bytes) = (0, 0_usize);
    for run in ready {
        for event in run.events.clone().map_while(|index| run.lease.batch().get(index)) {
            (events, bytes) = (events + 1, bytes.saturating_add(event.message.len()));
            if events >= request.events || bytes >= request.bytes {
                return true;
            }
        }
    }
    false
}
