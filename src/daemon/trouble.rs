//! What keeps a connection or a sink from starting, and when the log is told.
//!
//! A trouble is told when it begins and when its reason becomes another one, then after one minute, two, four and so on
//! up to an hour, and when it is over; never at each attempt.

use std::time::{Instant, SystemTime};

use crate::retry::Quiet;

/// The present trouble of one thing, if it has one.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    begun: Option<SystemTime>,
    reason: String,
    attempts: u64,
    quiet: Quiet,
}

impl Trouble {
    /// An attempt has failed; how many that are now, where the log is to be told.
    pub(super) fn note(&mut self, reason: &str) -> Option<u64> {
        self.note_at(reason, Instant::now())
    }

    fn note_at(&mut self, reason: &str, now: Instant) -> Option<u64> {
        if self.begun.is_none() || self.reason != reason {
            reason.clone_into(&mut self.reason);
            self.quiet = Quiet::default();
        }
        self.begun.get_or_insert_with(SystemTime::now);
        self.attempts = self.attempts.saturating_add(1);
        self.quiet.ends(now).then_some(self.attempts)
    }

    /// It is over; how many attempts had failed, where one had.
    pub(super) fn end(&mut self) -> Option<u64> {
        let over = std::mem::take(self);
        over.begun.map(|_| over.attempts)
    }

    /// Since when, and why.
    pub(super) fn present(&self) -> Option<(SystemTime, &str)> {
        self.begun.map(|begun| (begun, self.reason.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_trouble_is_told_ever_more_rarely_and_at_once_when_its_reason_changes() {
        let (mut trouble, start) = (Trouble::default(), Instant::now());
        let mut told = Vec::new();
        for second in (0..=1000).step_by(5) {
            let now = start + Duration::from_secs(second);
            told.extend(trouble.note_at("no certificate", now).map(|attempts| (second, attempts)));
        }
        assert_eq!(told, [(0, 1), (60, 13), (180, 37), (420, 85), (900, 181)]);
        let now = start + Duration::from_secs(1005);
        assert_eq!(trouble.note_at("another", now), Some(202));
        assert_eq!(trouble.note_at("another", now + Duration::from_secs(59)), None);
        assert_eq!(trouble.present().map(|(_, reason)| reason), Some("another"));
        assert_eq!((trouble.end(), trouble.end()), (Some(203), None));
        assert!(trouble.present().is_none() && trouble.note_at("another", now) == Some(1));
    }
}
