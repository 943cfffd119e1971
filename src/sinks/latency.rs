//! How long events took from their receipt to their delivery.
//!
//! * Counting allocates nothing and takes no lock: one relaxed addition for each batch of a load, and one more for the
//!   sum. The bounds are fixed, so that histograms of several processes can be added up.
//! * An event's time begins when its response was read, by the wall clock, and goes on while it lies in the journal and
//!   through restarts. A clock that was set back makes it zero.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::Serialize;

/// How many bounds there are.
const BOUNDS: usize = 17;

/// The upper bounds of the buckets in microseconds: 1 ms to 10 min.
const BOUNDS_US: [u64; BOUNDS] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
];

/// The latencies of one sink since its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// The upper bound of each bucket but the last, in microseconds; a bound belongs to its bucket.
    pub bounds_us: &'static [u64],
    /// The events in each bucket alone; the last one has those above every bound.
    pub counts: Vec<u64>,
    /// The sum of all latencies in microseconds.
    pub sum_us: u64,
}

/// Where latencies are counted.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS],
    above: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    /// So many events arrived at `received` and are delivered `now`.
    fn observe(&self, received: SystemTime, now: SystemTime, events: usize) {
        let took = now.duration_since(received).unwrap_or_default();
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < took);
        self.buckets.get(bucket).unwrap_or(&self.above).fetch_add(events, Ordering::Relaxed);
        self.sum_us.fetch_add(took.saturating_mul(events), Ordering::Relaxed);
    }

    /// What has been counted until now.
    pub(super) fn read(&self) -> Latency {
        let counts = self.buckets.iter().chain([&self.above]).map(|bucket| bucket.load(Ordering::Relaxed));
        let sum_us = self.sum_us.load(Ordering::Relaxed);
        Latency { bounds_us: &BOUNDS_US, counts: counts.collect(), sum_us }
    }
}

/// When the events that are being delivered arrived, in their order. What a load delivers in another order counts as if
/// it were delivered in this one.
#[derive(Debug, Default)]
pub(super) struct Arrivals(VecDeque<(SystemTime, usize)>);

impl Arrivals {
    /// More events are to be delivered.
    pub(super) fn add(&mut self, received: SystemTime, events: usize) {
        match self.0.back_mut() {
            Some((last, count)) if *last == received => *count += events,
            _ => self.0.push_back((received, events)),
        }
    }

    /// When the first of them arrived.
    pub(super) fn first(&self) -> Option<SystemTime> {
        self.0.front().map(|(received, _)| *received)
    }

    /// The first of them are delivered.
    pub(super) fn deliver(&mut self, events: usize, histogram: &Histogram) {
        let now = SystemTime::now();
        self.take(events, |received, events| histogram.observe(received, now, events));
    }

    /// The first of them will not be.
    pub(super) fn drop(&mut self, events: usize) {
        self.take(events, |_, _| ());
    }

    /// Nothing is being delivered.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn take(&mut self, mut events: usize, each: impl Fn(SystemTime, usize)) {
        while events > 0
            && let Some((received, count)) = self.0.front_mut()
        {
            let taken = events.min(*count);
            each(*received, taken);
            events -= taken;
            *count -= taken;
            if *count == 0 {
                self.0.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How many events there are in which bucket, for one that took so long.
    fn bucket_of(took: Duration) -> usize {
        let histogram = Histogram::default();
        histogram.observe(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + took, 1);
        let counts = histogram.read().counts;
        assert_eq!((counts.len(), counts.iter().sum::<u64>()), (BOUNDS + 1, 1));
        counts.iter().position(|count| *count == 1).unwrap()
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_above_all_counts_too() {
        assert_eq!(bucket_of(Duration::ZERO), 0);
        assert_eq!(bucket_of(Duration::from_millis(1)), 0);
        assert_eq!(bucket_of(Duration::from_micros(1_001)), 1);
        assert_eq!(bucket_of(Duration::from_mins(10)), BOUNDS - 1);
        assert_eq!(bucket_of(Duration::from_millis(600_001)), BOUNDS);
        assert_eq!(bucket_of(Duration::from_hours(24 * 365)), BOUNDS);
        assert!(BOUNDS_US.is_sorted());
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_negative_time() {
        let (histogram, now) = (Histogram::default(), SystemTime::now());
        histogram.observe(now + Duration::from_hours(1), now, 3);
        let read = histogram.read();
        assert_eq!((read.counts[0], read.sum_us), (3, 0));
    }

    #[test]
    fn events_are_counted_by_when_each_arrived() {
        let (mut arrivals, histogram) = (Arrivals::default(), Histogram::default());
        let early = SystemTime::now() - Duration::from_mins(2);
        arrivals.add(early, 2);
        arrivals.add(early, 1);
        arrivals.add(SystemTime::now(), 4);
        assert_eq!(arrivals.first(), Some(early));
        arrivals.deliver(2, &histogram);
        arrivals.drop(1);
        arrivals.deliver(3, &histogram);
        let read = histogram.read();
        assert_eq!(read.counts.iter().sum::<u64>(), 5);
        let slow = BOUNDS_US.iter().position(|bound| *bound == 300_000_000).unwrap();
        assert_eq!(read.counts[slow], 2, "{read:?}");
        assert!(read.sum_us >= 240_000_000, "{read:?}");
        arrivals.clear();
        arrivals.deliver(9, &histogram);
        assert_eq!((arrivals.first(), histogram.read().counts), (None, read.counts));
    }
}
