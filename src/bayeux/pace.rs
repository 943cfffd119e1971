//! How fast a session may try again: a back-off that only a successful connect resets, and a budget of
//! handshakes beside it. A server that forgets each new session at once would otherwise be sent handshakes
//! as fast as it answers, and each of them counts against the organisation's clients.
//!
//! The budget is that of one session. Connections to the same org have one each and begin at the same time: where nothing
//! is wrong each of them sends a single handshake, and an org counts clients, of which it allows two thousand.

use std::time::{Duration, Instant};

use crate::retry::{self, Backoff};

/// Handshakes that need not wait for the budget.
const FREE: f64 = 2.0;

/// The waits of one session.
#[derive(Debug)]
pub(super) struct Pace {
    backoff: Backoff,
    per_minute: f64,
    tokens: f64,
    filled: Instant,
}

impl Pace {
    pub(super) fn new(config: retry::Config, handshakes_per_minute: u32, seed: u64, now: Instant) -> Self {
        let per_minute = f64::from(handshakes_per_minute.max(1));
        Self { backoff: Backoff::new(config, seed), per_minute, tokens: FREE, filled: now }
    }

    /// A connect succeeded.
    pub(super) fn reset(&mut self) {
        if self.backoff.attempts() > 0 {
            self.backoff.reset();
        }
    }

    /// Failures since the last successful connect.
    pub(super) const fn failures(&self) -> u32 {
        self.backoff.attempts()
    }

    /// The wait after a failure: what the server asked for and the back-off's on top of it, so that a crowd of
    /// clients that were told the same number does not come back at the same instant.
    pub(super) fn after_failure(&mut self, asked: Option<Duration>) -> Duration {
        self.backoff.next_wait() + asked.unwrap_or_default()
    }

    /// How long the budget makes the next handshake wait.
    pub(super) fn until_handshake(&mut self, now: Instant) -> Duration {
        self.fill(now);
        if self.tokens >= 1.0 {
            return Duration::ZERO;
        }
        // A millisecond more, so that rounding cannot make the timer fire just before the token is there.
        Duration::from_secs_f64((1.0 - self.tokens) * 60.0 / self.per_minute) + Duration::from_millis(1)
    }

    /// A handshake is sent.
    pub(super) fn handshake(&mut self, now: Instant) {
        self.fill(now);
        self.tokens = (self.tokens - 1.0).max(0.0);
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.per_minute / 60.0).min(FREE);
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_two_handshakes_the_budget_counts() {
        let start = Instant::now();
        let config = retry::Config { initial: Duration::from_secs(1), max: Duration::from_mins(1) };
        let mut pace = Pace::new(config, 6, 1, start);
        let (mut now, mut sent) = (start, 0);
        while now < start + Duration::from_mins(10) {
            now += pace.until_handshake(now);
            pace.handshake(now);
            sent += 1;
        }
        assert!((61..=62).contains(&sent), "{sent} in ten minutes");
    }
}
