//! Events put in the order of their creation, each held for a bounded time. Pure: time is an argument.
//!
//! An event is held until its deadline, one window after its arrival. When it leaves, every held event with
//! the same or an earlier key leaves before it, so what leaves is in order unless an event arrives after one
//! with a later key has left. Equal keys leave in the order of their arrival. Memory is bounded: over the
//! bound the event of the earliest key leaves early.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The place of an event: when it was created, and its number by arrival.
type Place = (i64, u64);

struct Held<T> {
    event: T,
    deadline: Instant,
    weight: usize,
}

/// The events of one rule that are being held.
pub(super) struct Order<T> {
    window: Duration,
    max_weight: usize,
    weight: usize,
    arrivals: u64,
    early: u64,
    held: BTreeMap<Place, Held<T>>,
    deadlines: BTreeSet<(Instant, Place)>,
}

impl<T> Order<T> {
    /// Holds an event for at most `window`, and events of at most `max_weight` bytes in all.
    pub(super) const fn new(window: Duration, max_weight: usize) -> Self {
        Self {
            window,
            max_weight,
            weight: 0,
            arrivals: 0,
            early: 0,
            held: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Takes an event that arrived at `arrived`; `key` is its place in the order, `weight` its size in bytes.
    pub(super) fn push(&mut self, event: T, key: i64, arrived: Instant, weight: usize, out: &mut Vec<T>) {
        let place = (key, self.arrivals);
        let deadline = arrived + self.window;
        self.arrivals += 1;
        self.weight += weight;
        self.held.insert(place, Held { event, deadline, weight });
        self.deadlines.insert((deadline, place));
        while self.weight > self.max_weight && self.pop_first(out) {
            self.early += 1;
        }
    }

    /// Lets go every event whose deadline has come, and those that belong before it.
    pub(super) fn release(&mut self, now: Instant, out: &mut Vec<T>) {
        while let Some((deadline, place)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            while self.deadlines.contains(&(deadline, place)) && self.pop_first(out) {}
        }
    }

    /// Lets go everything.
    pub(super) fn drain(&mut self, out: &mut Vec<T>) {
        while self.pop_first(out) {}
    }

    /// Lets the earlier half go, for want of room.
    pub(super) fn relieve(&mut self, out: &mut Vec<T>) {
        for _ in 0..self.held.len().div_ceil(2) {
            if self.pop_first(out) {
                self.early += 1;
            }
        }
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// When [`Order::release`] has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// How many events have left early, for want of memory, since this was asked last.
    pub(super) const fn take_early(&mut self) -> u64 {
        std::mem::replace(&mut self.early, 0)
    }

    fn pop_first(&mut self, out: &mut Vec<T>) -> bool {
        let Some((place, held)) = self.held.pop_first() else { return false };
        self.deadlines.remove(&(held.deadline, place));
        self.weight -= held.weight;
        out.push(held.event);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(100);

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Seen {
        number: usize,
        key: i64,
        arrived: Instant,
        left: Instant,
    }

    /// Runs events of `(wait before arrival in ms, key)` through an order and notes when each left. Time is
    /// also advanced to every deadline in between, as a worker's timer does.
    fn run(events: &[(u64, i64)], max_weight: usize) -> (Vec<Seen>, u64) {
        let mut order = Order::new(WINDOW, max_weight);
        let mut now = Instant::now();
        let mut seen = Vec::new();
        let mut out: Vec<Seen> = Vec::new();
        let mut note = |out: &mut Vec<Seen>, left| {
            seen.extend(out.drain(..).map(|event| Seen { left, ..event }));
        };
        for (number, (wait, key)) in events.iter().enumerate() {
            let arrived = now + Duration::from_millis(*wait);
            while let Some(deadline) = order.next_deadline().filter(|deadline| *deadline <= arrived) {
                order.release(deadline, &mut out);
                note(&mut out, deadline);
            }
            now = arrived;
            order.push(Seen { number, key: *key, arrived, left: arrived }, *key, arrived, 1, &mut out);
            note(&mut out, now);
        }
        order.drain(&mut out);
        note(&mut out, now);
        assert_eq!(order.next_deadline(), None);
        assert_eq!(order.weight, 0);
        (seen, order.take_early())
    }

    #[test]
    fn a_late_event_overtakes_within_the_window() {
        let (seen, early) = run(&[(0, 30), (10, 10), (10, 20), (500, 5)], usize::MAX);
        assert_eq!(seen.iter().map(|event| event.key).collect::<Vec<_>>(), [10, 20, 30, 5]);
        assert_eq!(early, 0);
    }

    #[test]
    fn equal_keys_keep_their_order() {
        let (seen, _) = run(&[(0, 1), (1, 1), (1, 0), (1, 1)], usize::MAX);
        assert_eq!(seen.iter().map(|event| event.number).collect::<Vec<_>>(), [2, 0, 1, 3]);
    }

    #[test]
    fn over_the_bound_the_earliest_leaves_early() {
        let (seen, early) = run(&[(0, 3), (0, 1), (0, 2), (0, 4)], 2);
        assert_eq!(early, 2);
        assert_eq!(seen.iter().map(|event| event.key).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_held_too_long_or_needlessly_out_of_order(
            events in proptest::collection::vec((0u64..60, 0i64..50), 0..200),
            max_weight in prop_oneof![Just(usize::MAX), 1usize..20],
        ) {
            let (seen, early) = run(&events, max_weight);
            let mut numbers: Vec<_> = seen.iter().map(|event| event.number).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..events.len()).collect::<Vec<_>>());
            prop_assert!(max_weight < usize::MAX || early == 0);
            for event in &seen {
                prop_assert!(event.left - event.arrived <= WINDOW);
            }
            for (at, before) in seen.iter().enumerate() {
                for after in &seen[at + 1..] {
                    let in_order = (before.key, before.number) < (after.key, after.number);
                    prop_assert!(in_order || after.arrived >= before.left, "{:?} left before {:?}", before, after);
                }
            }
        }
    }
}
