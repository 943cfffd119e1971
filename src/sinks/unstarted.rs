//! What is told of a sink that cannot start: nothing that runs counts for it.

use std::time::SystemTime;

use super::latency::Histogram;
use super::meter::{SinkStatus, State, milliseconds};

impl SinkStatus {
    /// One that has never been there.
    pub fn new(name: &str, kind: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            state: State::Unstarted,
            delivered: 0,
            retried: 0,
            parked: 0,
            refused: 0,
            dropped: 0,
            unordered: 0,
            queued_bytes: 0,
            queued_events: 0,
            lag: None,
            lag_bytes: None,
            oldest: None,
            latency: Histogram::default().read(),
            cursor: None,
            kept: None,
            failing_since: None,
            last_error: None,
        }
    }

    /// Makes it one that has not been able to start since a time, and for a reason.
    pub fn cannot_start(&mut self, since: SystemTime, reason: &str) {
        self.state = State::Unstarted;
        self.failing_since = Some(milliseconds(since));
        self.last_error = Some(reason.to_owned());
    }
}
