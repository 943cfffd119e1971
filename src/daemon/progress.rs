//! Whether everything that must turn does: the loop of each connection, and the thread of the journal.
//!
//! Constraints
//! - A loop that sleeps says until when. One that sleeps longer is stuck; a server that is down, or a journal that is
//!   full, is no reason.
//! - Lateness is counted in looks, not by the clock: while the whole process stands still nothing looks, so nobody is
//!   blamed for that afterwards.
//!
//! Operations: [`Progress::look`], once a second.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Instant;

/// For how many looks in a row something may be late: about ten seconds.
const PATIENCE: u32 = 10;

/// What has been seen so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The connections that are late, and at how many looks in a row they were.
    late: HashMap<String, u32>,
    /// The turn that the journal's thread was at, and at how many looks in a row it was the same.
    journal: Option<(u64, u32)>,
}

impl Progress {
    /// Looks at each connection, by its name and when its loop is to turn at the latest, and at the turn that the
    /// journal's thread is at. Logs what is stuck, and what no longer is; whether nothing is.
    pub(super) fn look<N: AsRef<str>>(
        &mut self,
        now: Instant,
        connections: impl Iterator<Item = (N, Option<Instant>)>,
        journal: Option<u64>,
    ) -> bool {
        let connections = self.look_at_connections(now, connections);
        self.look_at_journal(journal) && connections
    }

    fn look_at_connections<N: AsRef<str>>(
        &mut self,
        now: Instant,
        connections: impl Iterator<Item = (N, Option<Instant>)>,
    ) -> bool {
        let before = std::mem::take(&mut self.late);
        let mut good = true;
        for (name, due) in connections {
            let name = name.as_ref();
            let was = before.get(name).copied().unwrap_or(0);
            let is_late = due.is_some_and(|due| due < now);
            let looks = was.saturating_add(1);
            match (is_late, looks.cmp(&PATIENCE)) {
                (true, Ordering::Equal) => {
                    tracing::error!(connection = name, "this connection's loop does not turn any more");
                }
                (false, Ordering::Greater) => {
                    tracing::warn!(connection = name, "this connection's loop turns again");
                }
                _ => {}
            }
            if is_late {
                good &= looks < PATIENCE;
                self.late.insert(name.to_owned(), looks);
            }
        }
        good
    }

    fn look_at_journal(&mut self, turn: Option<u64>) -> bool {
        let was = self.journal.take();
        let same = was.filter(|(last, _)| Some(*last) == turn);
        let looks = same.map_or(0, |(_, looks)| looks.saturating_add(1));
        if looks == PATIENCE {
            tracing::error!("the journal's thread does not go on: the disk does not answer");
        } else if looks == 0 && was.is_some_and(|(_, looks)| looks >= PATIENCE) {
            tracing::warn!("the journal's thread goes on");
        }
        self.journal = turn.map(|turn| (turn, looks));
        looks < PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The answers to so many looks, a second apart, at one connection.
    fn looks(
        progress: &mut Progress,
        from: Instant,
        count: u32,
        due: impl Fn(u32) -> Option<Instant>,
    ) -> Vec<bool> {
        let look = |at: u32| progress.look(from + SECOND * at, [("c", due(at))].into_iter(), None);
        (0..count).map(look).collect()
    }

    #[test]
    fn a_loop_that_sleeps_on_is_stuck_after_ten_looks_and_no_longer_when_it_turns() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        let stuck = looks(&mut progress, now, 15, |_| Some(now + SECOND * 2));
        assert_eq!(stuck.iter().filter(|good| **good).count(), 12, "2 in time, itself, 9 late: {stuck:?}");
        assert_eq!(stuck.last(), Some(&false));
        assert_eq!(looks(&mut progress, now + SECOND * 15, 1, |_| Some(now + SECOND * 60)), [true]);
    }

    #[test]
    fn a_loop_that_turns_now_and_then_or_waits_without_end_is_not_stuck() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        let late_but_turning = looks(&mut progress, now, 60, |at| Some(now + SECOND * (at / 9 * 9)));
        assert!(late_but_turning.iter().all(|good| *good), "{late_but_turning:?}");
        assert!(looks(&mut progress, now + SECOND * 100, 60, |_| None).iter().all(|good| *good));
    }

    #[test]
    fn a_process_that_stood_still_blames_nobody() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        assert!(progress.look(now, [("c", Some(now + SECOND))].into_iter(), Some(1)));
        let later = now + SECOND * 3600;
        assert!(progress.look(later, [("c", Some(now + SECOND))].into_iter(), Some(1)));
        assert!(progress.look(later + SECOND, [("c", Some(later + SECOND * 110))].into_iter(), Some(2)));
    }

    #[test]
    fn one_that_is_gone_is_forgotten() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        looks(&mut progress, now + SECOND, 20, |_| Some(now));
        assert!(progress.look(now + SECOND * 21, std::iter::empty::<(&str, _)>(), None));
        assert!(progress.look(now + SECOND * 22, [("c", Some(now))].into_iter(), None), "counted anew");
    }

    #[test]
    fn a_journal_at_the_same_turn_is_stuck_and_one_that_waits_or_turns_is_not() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        let mut look = |turn| progress.look(now, std::iter::empty::<(&str, _)>(), turn);
        assert!((0..60).all(|_| look(None)));
        assert!((0..60).all(|turn| look(Some(turn))));
        assert!((0..10).all(|_| look(Some(60))));
        assert!(!look(Some(60)) && !look(Some(60)));
        assert!(look(Some(61)) && look(None));
    }
}
