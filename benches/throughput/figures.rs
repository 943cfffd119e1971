//! What has been measured, and the figures that are made of it.
//!
//! Constraints: a ratio is the median of the ratios within the rounds, since a round's runs follow each other closely: a
//! machine that is busy for a while is busy for both sides of it. Quantiles of latency are those of all events of all
//! rounds together.

use std::time::Duration;

use serde_json::{Value, json};

use crate::events::Form;
use crate::machine::Machine;
use crate::run::Throughput;
use crate::side::Side;

/// One figure of a run.
pub(crate) type Figure = fn(&Throughput) -> f64;

pub(crate) const RATE: Figure = |run| run.rate;
pub(crate) const PROCESSOR: Figure = |run| run.processor;
pub(crate) const PEAK: Figure = |run| mebibytes(run.peak);

/// Everything that has been measured.
pub(crate) struct Figures {
    pub(crate) machine: Machine,
    pub(crate) rounds: u32,
    pub(crate) cells: Vec<Cell>,
    pub(crate) latency: Vec<Paced>,
    pub(crate) turn_around: Vec<Paced>,
    /// The resident memory of idle sides, in KiB.
    pub(crate) idle: Vec<(Side, u32)>,
    /// Public clients that could not be measured, and why.
    pub(crate) left_out: Vec<String>,
    /// Runs of all other sides that failed, and how.
    pub(crate) failures: Vec<String>,
}

/// The runs over the same events by all sides.
pub(crate) struct Cell {
    pub(crate) form: Form,
    pub(crate) per_response: u32,
    /// A side's runs by round; `None` for a run that failed, and fewer for a side that took no part in the last rounds.
    pub(crate) rows: Vec<(Side, Vec<Option<Throughput>>)>,
}

/// The times of single events.
pub(crate) struct Paced {
    pub(crate) side: Side,
    /// Shortest first.
    times: Vec<Duration>,
}

impl Figures {
    /// The cell of these events, where it has been measured.
    pub(crate) fn cell(&self, form: Form, per_response: u32) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.form == form && cell.per_response == per_response)
    }

    /// All figures, for programs.
    pub(crate) fn json(&self) -> Value {
        let idle: Vec<_> =
            self.idle.iter().map(|(side, kib)| json!({"side": side.name(), "rss_kib": kib})).collect();
        json!({
            "machine": self.machine,
            "rounds": self.rounds,
            "throughput": self.cells.iter().map(Cell::json).collect::<Vec<_>>(),
            "latency": self.latency.iter().map(Paced::json).collect::<Vec<_>>(),
            "turn_around": self.turn_around.iter().map(Paced::json).collect::<Vec<_>>(),
            "idle": idle,
            "left_out": self.left_out,
            "failures": self.failures,
        })
    }
}

impl Cell {
    fn runs(&self, side: &Side) -> &[Option<Throughput>] {
        self.rows.iter().find(|row| row.0 == *side).map_or(&[], |row| row.1.as_slice())
    }

    /// The median of a figure of `side`.
    pub(crate) fn median(&self, side: &Side, figure: Figure) -> Option<f64> {
        median(self.runs(side).iter().flatten().map(figure))
    }

    /// The median of what a figure of `side` is to that of `base` in the same round.
    pub(crate) fn ratio(&self, side: &Side, base: &Side, figure: Figure) -> Option<f64> {
        let rounds = self.runs(side).iter().zip(self.runs(base));
        median(rounds.filter_map(|(one, other)| Some(figure(one.as_ref()?) / figure(other.as_ref()?))))
    }

    /// The public client with the most events a second.
    pub(crate) fn fastest_foreign(&self) -> Option<&Side> {
        let foreign = self.rows.iter().map(|row| &row.0).filter(|side| side.is_foreign());
        foreign
            .filter_map(|side| Some((side, self.median(side, RATE)?)))
            .max_by(|one, other| one.1.total_cmp(&other.1))
            .map(|(side, _)| side)
    }

    fn json(&self) -> Value {
        let sides: Vec<_> = self.rows.iter().map(|(side, runs)| self.json_of(side, runs)).collect();
        json!({
            "shape": self.form.shape,
            "bytes": self.form.bytes,
            "events_a_response": self.per_response,
            "sides": sides,
        })
    }

    fn json_of(&self, side: &Side, runs: &[Option<Throughput>]) -> Value {
        json!({
            "side": side.name(),
            "events_per_s": self.median(side, RATE),
            "cpu_s_per_million": self.median(side, PROCESSOR),
            "peak_rss_mib": self.median(side, PEAK),
            "rate_to_floor": self.ratio(side, &Side::FLOOR, RATE),
            "cpu_to_floor": self.ratio(side, &Side::FLOOR, PROCESSOR),
            "runs": runs,
        })
    }
}

impl Paced {
    pub(crate) fn new(side: Side, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { side, times }
    }

    /// How many events there are.
    pub(crate) const fn count(&self) -> usize {
        self.times.len()
    }

    /// The time within which so many of 1,000 events came, in microseconds.
    pub(crate) fn quantile(&self, of_1000: usize) -> Option<f64> {
        self.times.get(self.times.len() * of_1000 / 1000).map(|time| time.as_secs_f64() * 1e6)
    }

    fn json(&self) -> Value {
        json!({
            "side": self.side.name(),
            "events": self.count(),
            "p50_us": self.quantile(500),
            "p99_us": self.quantile(990),
            "p99_9_us": self.quantile(999),
        })
    }
}

pub(crate) fn mebibytes(kibibytes: u32) -> f64 {
    f64::from(kibibytes) / 1024.0
}

/// The middle value, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}
