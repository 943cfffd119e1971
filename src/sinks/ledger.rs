//! Which events of the journal have been dealt with, by their sequence numbers. Pure.
//!
//! Everything below [`Ledger::low`] has, and the ranges above it that [`Ledger::above`] has: only an order, which
//! holds some events while later ones leave, makes such ranges. One entry per range, so its owner bounds it by
//! what it holds.

use std::collections::BTreeMap;
use std::ops::Range;

/// The events dealt with.
#[derive(Debug)]
pub(super) struct Ledger {
    low: u64,
    /// Start and end; none touches another or `low`.
    above: BTreeMap<u64, u64>,
}

impl Ledger {
    /// Everything below `low` and what the ranges name. Ranges that make no sense are left out.
    pub(super) fn new(low: u64, above: &[(u64, u64)]) -> Self {
        let mut ledger = Self { low, above: BTreeMap::new() };
        for (start, end) in above {
            ledger.settle(*start..*end);
        }
        ledger
    }

    /// The number below which everything has been dealt with.
    pub(super) const fn low(&self) -> u64 {
        self.low
    }

    /// What has been dealt with above that, in order.
    pub(super) fn above(&self) -> Vec<(u64, u64)> {
        self.above.iter().map(|(start, end)| (*start, *end)).collect()
    }

    /// The events of `range` have been dealt with.
    pub(super) fn settle(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        if start >= end || end <= self.low {
            return;
        }
        if let Some((before, upto)) = self.above.range(..=start).next_back().map(|(from, to)| (*from, *to))
            && upto >= start
        {
            (start, end) = (before, end.max(upto));
        }
        while let Some((from, to)) = self.above.range(start..=end).next().map(|(from, to)| (*from, *to)) {
            self.above.remove(&from);
            end = end.max(to);
        }
        if start <= self.low {
            self.low = end;
        } else {
            self.above.insert(start, end);
        }
    }

    /// The parts of `range` that have not been dealt with, in order.
    pub(super) fn todo(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let (mut start, end) = (range.start.max(self.low), range.end);
        let mut todo = Vec::new();
        let first = self.above.range(..=start).next_back().map_or(start, |(from, _)| *from);
        for (from, to) in self.above.range(first..end.max(first)) {
            if start < *from {
                todo.push(start..*from);
            }
            start = start.max(*to);
        }
        if start < end {
            todo.push(start..end);
        }
        todo
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_that_make_no_sense_are_left_out() {
        let ledger = Ledger::new(10, &[(5, 7), (9, 8), (20, 20), (12, 14)]);
        assert_eq!((ledger.low(), ledger.above()), (10, vec![(12, 14)]));
        assert_eq!(ledger.todo(0..11), vec![10..11]);
        assert!(ledger.todo(12..14).is_empty());
    }

    proptest! {
        #[test]
        fn it_knows_what_a_set_of_numbers_knows(
            steps in proptest::collection::vec((0_u64..60, 0_u64..12), 0..40),
            asked in (0_u64..70, 0_u64..30),
        ) {
            let mut ledger = Ledger::new(5, &[]);
            let mut set: BTreeSet<u64> = (0..5).collect();
            for (start, length) in steps {
                ledger.settle(start..start + length);
                set.extend(start..start + length);
                let low = (0..100).find(|number| !set.contains(number)).unwrap();
                prop_assert_eq!(ledger.low(), low);
                let above: BTreeSet<u64> = ledger.above().iter().flat_map(|(from, to)| *from..*to).collect();
                prop_assert_eq!(above, set.range(low..).copied().collect::<BTreeSet<_>>());
                let apart = ledger.above().windows(2).all(|pair| pair[0].1 < pair[1].0);
                prop_assert!(apart);
            }
            let again = Ledger::new(ledger.low(), &ledger.above());
            let range = asked.0..asked.0 + asked.1;
            let todo: Vec<u64> = again.todo(range.clone()).into_iter().flatten().collect();
            prop_assert_eq!(todo, range.filter(|number| !set.contains(number)).collect::<Vec<_>>());
        }
    }
}
