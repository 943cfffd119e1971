//! How often a user may log in. Wrong passwords in a row lock a user out for a while, as the default password policy has
//! it: 10 attempts, 15 minutes. And of each user 3,600 logins in an hour are taken (public documentation, "Login Rate
//! Exceeded"); refreshed tokens are no logins.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// So many wrong passwords lock a user out.
const WRONG_MAX: u32 = 10;
/// For how long, before scaling.
pub(in super::super) const LOCKOUT: Duration = Duration::from_mins(15);
/// So many logins of a user are taken...
const LOGINS_MAX: u32 = 3600;
/// ... within this time, before scaling.
pub(in super::super) const PERIOD: Duration = Duration::from_hours(1);

/// What has been tried, by the id of the user; as many as there are users at most.
#[derive(Debug, Default)]
pub(in super::super) struct Attempts {
    passwords: HashMap<String, Attempt>,
    /// Since when, and how many.
    logins: HashMap<String, (Instant, u32)>,
}

#[derive(Debug, Default)]
struct Attempt {
    wrong: u32,
    last: Option<Instant>,
}

impl Attempts {
    /// Whether a user is locked out; a lock-out that has lasted for `lockout` ends.
    pub(super) fn are_locked(&mut self, user: &str, lockout: Duration) -> bool {
        let Some(attempt) = self.passwords.get(user).filter(|attempt| attempt.wrong >= WRONG_MAX) else {
            return false;
        };
        if attempt.last.is_some_and(|last| last.elapsed() < lockout) {
            return true;
        }
        self.passwords.remove(user);
        false
    }

    /// Notes the outcome of an attempt of a user who is not locked out.
    pub(super) fn note(&mut self, user: &str, right: bool) {
        if right {
            self.passwords.remove(user);
            return;
        }
        let attempt = self.passwords.entry(user.to_owned()).or_default();
        attempt.wrong += 1;
        attempt.last = Some(Instant::now());
    }

    /// Whether one more login of a user is taken, which then counts; `period` is the scaled one.
    pub(super) fn admit(&mut self, user: &str, period: Duration) -> bool {
        let fresh = (Instant::now(), 0);
        let (since, count) = self.logins.entry(user.to_owned()).or_insert(fresh);
        if since.elapsed() >= period {
            (*since, *count) = fresh;
        }
        *count += u32::from(*count <= LOGINS_MAX);
        *count <= LOGINS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_wrong_in_a_row_lock_out_for_a_while() {
        let mut attempts = Attempts::default();
        for round in 0..3 {
            for _ in 0..WRONG_MAX {
                assert!(!attempts.are_locked("a", LOCKOUT), "{round}");
                attempts.note("a", false);
            }
            assert!(attempts.are_locked("a", LOCKOUT));
            assert!(!attempts.are_locked("b", LOCKOUT));
            tokio::time::advance(LOCKOUT).await;
            assert!(!attempts.are_locked("a", LOCKOUT), "it has lasted long enough");
        }
        for _ in 0..3 {
            (1..WRONG_MAX).for_each(|_| attempts.note("a", false));
            assert!(!attempts.are_locked("a", LOCKOUT));
            attempts.note("a", true);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_logins_of_a_user_are_taken_in_an_hour() {
        let mut attempts = Attempts::default();
        for _ in 0..2 {
            assert!((0..LOGINS_MAX).all(|_| attempts.admit("a", PERIOD)));
            assert!((0..3).all(|_| !attempts.admit("a", PERIOD)));
            assert!(attempts.admit("b", PERIOD), "another user's are others");
            tokio::time::advance(PERIOD).await;
        }
    }
}
