//! The figures as a person reads them, and the bars.

use std::time::Duration;

use crate::client::Side;
use crate::run::{Latency, Throughput};

/// The least share of the floor's events a second, by events in a response.
const RATE_BARS: [(u32, f64); 4] = [(1, 0.85), (10, 0.85), (100, 0.35), (1_000, 0.25)];
/// The most processor time, as a multiple of the floor's.
const PROCESSOR_BAR: f64 = 4.0;
/// The most that the median latency may be above the floor's, in microseconds.
const LATENCY_BAR: f64 = 150.0;
/// The most resident memory of an idle cometail, in MiB.
const IDLE_BAR: f64 = 12.0;

/// What both sides did in one turn; a side that was not asked for is missing.
pub(crate) struct Pair<T> {
    pub(crate) floor: Option<T>,
    pub(crate) cometail: Option<T>,
}

impl<T> Pair<T> {
    pub(crate) fn of(&mut self, side: Side) -> &mut Option<T> {
        match side {
            Side::Floor => &mut self.floor,
            Side::Cometail => &mut self.cometail,
        }
    }
}

/// The median of one figure for each side, and of what compares them within each pair.
struct Medians {
    floor: Option<f64>,
    cometail: Option<f64>,
    compared: Option<f64>,
}

impl Medians {
    fn new<T>(pairs: &[Pair<T>], figure: impl Fn(&T) -> f64, compare: impl Fn(f64, f64) -> f64) -> Self {
        let of = |side: fn(&Pair<T>) -> Option<&T>| median(pairs.iter().filter_map(side).map(&figure));
        let both =
            |pair: &Pair<T>| Some(compare(figure(pair.cometail.as_ref()?), figure(pair.floor.as_ref()?)));
        Self {
            floor: of(|pair| pair.floor.as_ref()),
            cometail: of(|pair| pair.cometail.as_ref()),
            compared: median(pairs.iter().filter_map(both)),
        }
    }
}

/// Prints as it goes and remembers the bars that were missed.
pub(crate) struct Report {
    missed: Vec<String>,
}

impl Report {
    /// Prints the head of the lines that [`Report::throughput`] prints.
    pub(crate) fn begin(rounds: u32) -> Self {
        println!("one connection, events of 300 bytes, to a file; medians of {rounds} pairs");
        println!();
        println!(
            "{:>8}  {:^32}  {:^32}  {:^25}",
            "events a", "events/s", "CPU s per million events", "peak RSS MiB"
        );
        println!(
            "{:>8}  {:>10} {:>10} {:>10}  {:>10} {:>10} {:>10}  {:>10} {:>10}",
            "response", "floor", "cometail", "ratio", "floor", "cometail", "ratio", "floor", "cometail"
        );
        Self { missed: Vec::new() }
    }

    pub(crate) fn throughput(&mut self, per_response: u32, pairs: &[Pair<Throughput>]) {
        let ratio = |cometail: f64, floor: f64| cometail / floor;
        let rate = Medians::new(pairs, |run| run.rate, ratio);
        let processor = Medians::new(pairs, |run| run.processor, ratio);
        let peak = Medians::new(pairs, |run| mebibytes(run.peak), ratio);
        println!(
            "{per_response:>8}  {:>10} {:>10} {:>10}  {:>10} {:>10} {:>10}  {:>10} {:>10}",
            text(rate.floor, 0),
            text(rate.cometail, 0),
            text(rate.compared, 2),
            text(processor.floor, 3),
            text(processor.cometail, 3),
            text(processor.compared, 2),
            text(peak.floor, 1),
            text(peak.cometail, 1),
        );
        let at = format!("at {per_response} events a response");
        let bar = RATE_BARS.iter().find(|(size, _)| *size == per_response);
        if let (Some((_, bar)), Some(ratio)) = (bar, rate.compared) {
            self.hold(
                ratio >= *bar,
                format!("{ratio:.2} of the floor's events/s {at}; at least {bar} wanted"),
            );
        }
        if let Some(ratio) = processor.compared {
            let missed = format!("{ratio:.2} times the floor's CPU {at}; at most {PROCESSOR_BAR} wanted");
            self.hold(ratio <= PROCESSOR_BAR, missed);
        }
    }

    pub(crate) fn latency(&mut self, pairs: &[Pair<Latency>]) {
        println!();
        println!("from publishing to the file, microseconds; single events, one every 2 ms");
        println!("{:>8}  {:>10} {:>10} {:>10}", "", "floor", "cometail", "added");
        let median = latency_line("p50", pairs, |run| run.median);
        latency_line("p99", pairs, |run| run.p99);
        println!();
        if let Some(added) = median {
            let missed = format!("{added:.0} microseconds added to the median; at most {LATENCY_BAR} wanted");
            self.hold(added <= LATENCY_BAR, missed);
        }
    }

    pub(crate) fn idle(&mut self, side: Side, kibibytes: u32) {
        let memory = mebibytes(kibibytes);
        println!("RSS after a second in an idle poll, {side}: {memory:.1} MiB");
        if side == Side::Cometail {
            self.hold(memory < IDLE_BAR, format!("{memory:.1} MiB RSS when idle; under {IDLE_BAR} wanted"));
        }
    }

    /// Prints what was missed; whether the bench passes. Where `bars` is false nothing is held against it.
    pub(crate) fn verdict(&self, bars: bool) -> bool {
        println!();
        for missed in &self.missed {
            println!("MISSED: {missed}");
        }
        if self.missed.is_empty() {
            println!("no bar missed");
        }
        !bars || self.missed.is_empty()
    }

    fn hold(&mut self, held: bool, otherwise: String) {
        if !held {
            self.missed.push(otherwise);
        }
    }
}

/// Prints one quantile of the latency; what cometail adds to the floor's.
fn latency_line(name: &str, pairs: &[Pair<Latency>], quantile: fn(&Latency) -> Duration) -> Option<f64> {
    let medians =
        Medians::new(pairs, |run| quantile(run).as_secs_f64() * 1e6, |cometail, floor| cometail - floor);
    let [floor, cometail, added] =
        [medians.floor, medians.cometail, medians.compared].map(|value| text(value, 0));
    println!("{name:>8}  {floor:>10} {cometail:>10} {added:>10}");
    medians.compared
}

fn mebibytes(kibibytes: u32) -> f64 {
    f64::from(kibibytes) / 1024.0
}

fn text(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
