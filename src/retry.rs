//! How long to wait before trying again: exponential growth to a cap, with full jitter from a seed.
//!
//! Full jitter (a uniform choice between zero and the present ceiling) spreads a crowd of clients that
//! lost the same server at the same instant. The seed makes a simulated run repeatable.
//!
//! And how long to be quiet about what goes on: [`Quiet`].

use std::time::{Duration, Instant};

use backoff::backoff::Backoff as _;
use backoff::exponential::{ExponentialBackoff, ExponentialBackoffBuilder};

/// The bounds of a back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Ceiling of the first wait; more than zero.
    pub initial: Duration,
    /// Ceiling of every later wait; at least `initial`.
    pub max: Duration,
}

impl Default for Config {
    /// From half a second to a minute.
    fn default() -> Self {
        Self { initial: Duration::from_millis(500), max: Duration::from_secs(60) }
    }
}

/// A clock that stands still: the ceiling depends on the number of attempts alone, and the pure rooms
/// must not read the real clock.
#[derive(Clone, Copy, Debug)]
struct Still(Instant);

impl backoff::Clock for Still {
    fn now(&self) -> Instant {
        self.0
    }
}

impl Default for Still {
    fn default() -> Self {
        Self(Instant::now())
    }
}

/// A growing wait; [`Backoff::reset`] after a success.
#[derive(Debug)]
pub struct Backoff {
    ceiling: ExponentialBackoff<Still>,
    max: Duration,
    random: fastrand::Rng,
    attempts: u32,
}

impl Backoff {
    /// A back-off whose first wait is at most `config.initial`; the same seed gives the same waits.
    pub fn new(config: Config, seed: u64) -> Self {
        let ceiling = ExponentialBackoffBuilder::<Still>::new()
            .with_initial_interval(config.initial.min(config.max))
            .with_max_interval(config.max)
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        Self { ceiling, max: config.max, random: fastrand::Rng::with_seed(seed), attempts: 0 }
    }

    /// The wait before the next attempt, from zero to the present ceiling.
    pub fn next_wait(&mut self) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        let ceiling = self.ceiling.next_backoff().unwrap_or(self.max);
        ceiling.mul_f64(self.random.f64())
    }

    /// Attempts since the last reset.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Starts over from the initial ceiling; the random sequence goes on.
    pub fn reset(&mut self) {
        self.attempts = 0;
        self.ceiling.reset();
    }
}

/// The times between two log lines about one trouble.
const QUIET_FIRST: Duration = Duration::from_mins(1);
const QUIET_MAX: Duration = Duration::from_hours(1);

/// When to tell of a trouble: at once, then after one minute, two, four and so on up to an hour.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet {
    length: Duration,
    end: Option<Instant>,
}

impl Quiet {
    /// Whether it is to be told of `now`; then the next quiet time begins.
    pub fn ends(&mut self, now: Instant) -> bool {
        let ends = self.end.is_none_or(|end| now >= end);
        if ends {
            self.length = (self.length * 2).clamp(QUIET_FIRST, QUIET_MAX);
            self.end = Some(now + self.length);
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Config = Config { initial: Duration::from_millis(100), max: Duration::from_secs(2) };

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let mut backoff = Backoff::new(CONFIG, seed);
            (0..20).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }

    #[test]
    fn waits_fill_the_range_up_to_a_doubling_and_capped_ceiling() {
        let mut highest = [Duration::ZERO; 8];
        for seed in 0..500 {
            let mut backoff = Backoff::new(CONFIG, seed);
            for high in &mut highest {
                *high = backoff.next_wait().max(*high);
            }
        }
        for (attempt, high) in highest.iter().enumerate() {
            let ceiling = (CONFIG.initial * 2u32.pow(u32::try_from(attempt).unwrap())).min(CONFIG.max);
            assert!(*high <= ceiling, "attempt {attempt}: {high:?} over {ceiling:?}");
            assert!(*high >= ceiling.mul_f64(0.9), "attempt {attempt}: {high:?} far under {ceiling:?}");
        }
    }

    #[test]
    fn reset_starts_over() {
        let mut backoff = Backoff::new(CONFIG, 1);
        for _ in 0..10 {
            backoff.next_wait();
        }
        backoff.reset();
        assert_eq!(backoff.attempts(), 0);
        assert!(backoff.next_wait() <= CONFIG.initial);
    }
    #[test]
    fn quiet_times_double_up_to_an_hour() {
        let (start, mut quiet) = (Instant::now(), Quiet::default());
        let minutes = (0..400).filter(|minute| quiet.ends(start + Duration::from_mins(*minute)));
        assert_eq!(minutes.collect::<Vec<_>>(), [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]);
    }
}
