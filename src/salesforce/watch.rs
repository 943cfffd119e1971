//! Limits that are read from time to time, and when a person is to hear of one.
//!
//! Constraints: a limit is told when it passes a threshold and when it falls below all of them, never again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::limits::Limit;

/// How often limits are read, and from which use on each is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The time between two readings.
    pub every: Duration,
    /// In percent of what may be used, ascending.
    pub thresholds: Vec<u32>,
}

/// The thresholds where nobody says others, in percent.
pub const THRESHOLDS: [u32; 2] = [80, 95];

/// What has become of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It passed this threshold.
    Passed(u32),
    /// It is below all of them again.
    Fell,
}

/// What was told of each limit.
#[derive(Debug)]
pub struct Watch {
    thresholds: Vec<u32>,
    /// The highest threshold that each limit has passed.
    passed: BTreeMap<String, u32>,
}

impl Watch {
    /// Nothing was told yet.
    pub const fn new(thresholds: Vec<u32>) -> Self {
        Self { thresholds, passed: BTreeMap::new() }
    }

    /// Takes a reading: what is to be told of which limit.
    pub fn take<'l>(&mut self, limits: &'l [Limit]) -> Vec<(&'l Limit, Change)> {
        limits.iter().filter_map(|limit| Some((limit, self.change(limit)?))).collect()
    }

    fn change(&mut self, limit: &Limit) -> Option<Change> {
        let percent = limit.percent();
        let now = self.thresholds.iter().copied().filter(|threshold| percent >= u64::from(*threshold)).max();
        let before = match now {
            Some(now) => self.passed.insert(limit.name.clone(), now),
            None => self.passed.remove(&limit.name),
        };
        match (before, now) {
            (Some(_), None) => Some(Change::Fell),
            (before, Some(now)) if before.is_none_or(|before| before < now) => Some(Change::Passed(now)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_threshold_is_told_once() {
        let mut watch = Watch::new(THRESHOLDS.to_vec());
        let limit = |used: u64| Limit { name: "A".into(), max: 1000, left: 1000 - used, used };
        for (used, wanted) in [
            (799, None),
            (800, Some(Change::Passed(80))),
            (900, None),
            (950, Some(Change::Passed(95))),
            (900, None),
            (960, Some(Change::Passed(95))),
            (10, Some(Change::Fell)),
            (20, None),
            (1000, Some(Change::Passed(95))),
        ] {
            let limits = [limit(used)];
            let told = watch.take(&limits).into_iter().next().map(|(_, change)| change);
            assert_eq!(told, wanted, "{used}");
        }
    }
}
