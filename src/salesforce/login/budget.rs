//! How often a login is tried: no more than so many an hour, and with growing waits after failures.
//!
//! Constraints: servers lock users out after a few wrong passwords, and count logins; whatever a server does, logins stay
//! within the budget. The clock comes in as an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::retry::{self, Backoff};

const HOUR: Duration = Duration::from_hours(1);

/// The longest wait after what no server noticed.
const UNSENT_WAIT_MAX: Duration = Duration::from_mins(1);

/// What is left to spend.
#[derive(Debug)]
pub(super) struct Budget {
    per_hour: usize,
    /// When the logins of the last hour began; at most `per_hour` of them.
    spent: VecDeque<Instant>,
    backoff: Backoff,
    longest: Duration,
    not_before: Option<Instant>,
}

impl Budget {
    /// At most `per_hour` logins (one at least) in any hour; waits after failures as `retry` says.
    pub(super) fn new(per_hour: u32, retry: retry::Config, seed: u64) -> Self {
        let per_hour = usize::try_from(per_hour.max(1)).unwrap_or(usize::MAX);
        let backoff = Backoff::new(retry, seed);
        Self { per_hour, spent: VecDeque::new(), backoff, longest: retry.max, not_before: None }
    }

    /// How long until a login may begin; zero for at once.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        while self.spent.front().is_some_and(|begun| now.saturating_duration_since(*begun) >= HOUR) {
            self.spent.pop_front();
        }
        let full = self.spent.len() >= self.per_hour;
        let freed = self.spent.front().filter(|_| full).and_then(|begun| begun.checked_add(HOUR));
        let until = freed.max(self.not_before);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// A login begins.
    pub(super) fn spend(&mut self, now: Instant) {
        self.spent.push_back(now);
    }

    /// The login that began ended before anything was sent: it counts for nothing, and the next waits a minute at most.
    pub(super) fn unsent(&mut self, now: Instant) {
        self.spent.pop_back();
        let wait = self.backoff.next_wait().min(UNSENT_WAIT_MAX);
        self.not_before = now.checked_add(wait);
    }

    /// A login failed, or what it gave was refused: the next waits, and no less than was asked for.
    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>) {
        let wait = self.backoff.next_wait().max(asked.unwrap_or_default());
        self.not_before = now.checked_add(wait);
    }

    /// What was sent will be refused again: the longest wait.
    pub(super) fn refused(&mut self, now: Instant) {
        self.not_before = now.checked_add(self.longest);
    }

    /// What a login gave was accepted.
    pub(super) fn accepted(&mut self) {
        self.backoff.reset();
        self.not_before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: retry::Config =
        retry::Config { initial: Duration::from_secs(5), max: Duration::from_mins(15) };

    #[test]
    fn an_hour_has_so_many_logins_whatever_becomes_of_them() {
        let mut budget = Budget::new(3, RETRY, 1);
        let start = Instant::now();
        for second in 0..3 {
            let now = start + Duration::from_secs(second);
            assert_eq!(budget.wait(now), Duration::ZERO);
            budget.spend(now);
            budget.accepted();
        }
        assert_eq!(budget.wait(start + Duration::from_secs(3)), Duration::from_secs(3_597));
        assert_eq!(budget.wait(start + HOUR), Duration::ZERO);
        budget.spend(start + HOUR);
        assert_eq!(budget.wait(start + HOUR), Duration::from_secs(1));
    }

    #[test]
    fn failures_wait_longer_and_longer_and_success_forgets_them() {
        let mut budget = Budget::new(1_000, RETRY, 1);
        let now = Instant::now();
        let mut longest = Duration::ZERO;
        for _ in 0..30 {
            budget.failed(now, None);
            longest = longest.max(budget.wait(now));
        }
        assert!(longest > Duration::from_mins(5) && longest <= RETRY.max, "{longest:?}");
        budget.failed(now, Some(HOUR));
        assert_eq!(budget.wait(now), HOUR);
        budget.accepted();
        assert_eq!(budget.wait(now), Duration::ZERO);
        budget.refused(now);
        assert_eq!(budget.wait(now), RETRY.max);
    }

    #[test]
    fn what_was_not_sent_does_not_count() {
        let mut budget = Budget::new(1, RETRY, 1);
        let mut now = Instant::now();
        for _ in 0..100 {
            budget.spend(now);
            budget.unsent(now);
            assert!(budget.wait(now) <= UNSENT_WAIT_MAX);
            now += UNSENT_WAIT_MAX;
            assert_eq!(budget.wait(now), Duration::ZERO);
        }
    }
}
