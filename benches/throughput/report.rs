//! The figures as a person reads them, and the bars.

use std::fs;
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use crate::client::Side;
use crate::run::{Latency, Throughput};

/// The most processor time, as a multiple of the floor's.
const PROCESSOR_BAR: f64 = 4.0;
/// The most that the median latency may be above the floor's, in microseconds.
const LATENCY_BAR: f64 = 150.0;
/// The longest turn-around of 99 in 100 polls, in microseconds.
const TURN_BAR: f64 = 2_000.0;
/// The most resident memory of an idle cometail, in MiB.
const IDLE_BAR: f64 = 12.0;

/// What both sides did in one turn, the one that is compared with first; a side that was not asked for is missing.
pub(crate) struct Pair<T> {
    pub(crate) floor: Option<T>,
    pub(crate) cometail: Option<T>,
}

impl<T> Pair<T> {
    pub(crate) fn of(&mut self, side: Side) -> &mut Option<T> {
        match side {
            Side::Floor | Side::Memory => &mut self.floor,
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

impl Medians {
    /// Three columns: the floor, cometail, what compares them.
    fn columns(&self, decimals: usize, compared_decimals: usize) -> String {
        let text = |value: Option<f64>, decimals: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
        };
        let [floor, cometail] = [self.floor, self.cometail].map(|value| text(value, decimals));
        format!("{floor:>10} {cometail:>10} {:>8}", text(self.compared, compared_decimals))
    }
}

/// Prints as it goes and remembers the bars.
pub(crate) struct Report {
    /// What cometail is compared with.
    base: Side,
    held: u32,
    missed: Vec<String>,
}

impl Report {
    /// Prints what the figures are about, and the head of the lines of [`Report::throughput`].
    pub(crate) fn begin(rounds: u32, base: Side) -> Self {
        // A busy machine widens every figure; who reads them should know.
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let processors = thread::available_parallelism().map_or(0, NonZero::get);
        println!("{processors} processors, load average before the start {}", load.trim());
        println!("one connection, events of 300 bytes, to a file; medians of {rounds} pairs");
        println!();
        let groups = ["events/s", "CPU s per million events", "peak RSS, MiB"];
        println!("{:>8}{}", "events a", groups.map(|group| format!("  {group:^30}")).concat());
        println!(
            "{:>8}{}",
            "response",
            format!("  {:>10} {:>10} {:>8}", base.name(), "cometail", "ratio").repeat(3)
        );
        Self { base, held: 0, missed: Vec::new() }
    }

    /// Prints the figures at one size; `bar` is the least share of the floor's events a second.
    pub(crate) fn throughput(&mut self, per_response: u32, bar: f64, pairs: &[Pair<Throughput>]) {
        let rate = Medians::new(pairs, |run| run.rate, ratio);
        let processor = Medians::new(pairs, |run| run.processor, ratio);
        let peak = Medians::new(pairs, |run| mebibytes(run.peak), ratio);
        let (rates, processors, peaks) = (rate.columns(0, 2), processor.columns(3, 2), peak.columns(1, 2));
        println!("{per_response:>8}  {rates}  {processors}  {peaks}");
        let at = format!("at {per_response} events a response");
        self.bar(
            rate.compared,
            |ratio| ratio >= bar,
            &format!("of the {}'s events/s {at}, at least {bar}", self.base),
        );
        let wanted = format!("times the {}'s CPU {at}, at most {PROCESSOR_BAR}", self.base);
        self.bar(processor.compared, |ratio| ratio <= PROCESSOR_BAR, &wanted);
    }

    pub(crate) fn latency(&mut self, pairs: &[Pair<Latency>]) {
        self.latency_head("from publishing to the file, microseconds; single events, one every 2 ms");
        let median = latency_line("p50", pairs, |run| run.median);
        latency_line("p99", pairs, |run| run.p99);
        let wanted = format!("microseconds added to the median latency, at most {LATENCY_BAR}");
        self.bar(median.compared, |added| added <= LATENCY_BAR, &wanted);
    }

    pub(crate) fn turn_around(&mut self, pairs: &[Pair<Latency>]) {
        self.latency_head("from a response to the next connect, microseconds; single events, one every ms");
        latency_line("p50", pairs, |run| run.median);
        let p99 = latency_line("p99", pairs, |run| run.p99);
        println!();
        let wanted = format!("microseconds from a response to the next connect (p99), under {TURN_BAR}");
        self.bar(p99.cometail, |p99| p99 < TURN_BAR, &wanted);
    }

    fn latency_head(&self, what: &str) {
        println!();
        println!("{what}");
        println!("{:>8}  {:>10} {:>10} {:>8} {:>8}", "", self.base.name(), "cometail", "ratio", "added");
    }

    pub(crate) fn idle(&mut self, side: Side, kibibytes: u32) {
        let memory = mebibytes(kibibytes);
        println!("RSS after a second in an idle poll, {side}: {memory:.1} MiB");
        if side == Side::Cometail {
            let wanted = format!("MiB RSS in an idle poll, under {IDLE_BAR}");
            self.bar(Some(memory), |memory| memory < IDLE_BAR, &wanted);
        }
    }

    /// Prints which bars were missed; whether none was.
    pub(crate) fn verdict(&self) -> bool {
        println!();
        println!("bars: {} held, {} missed", self.held, self.missed.len());
        for missed in &self.missed {
            println!("missed: {missed}");
        }
        self.missed.is_empty()
    }

    /// Holds a figure against its bar; a figure that was not measured has none.
    fn bar(&mut self, figure: Option<f64>, holds: impl Fn(f64) -> bool, wanted: &str) {
        match figure {
            Some(figure) if holds(figure) => self.held += 1,
            Some(figure) => self.missed.push(format!("{figure:.2} {wanted} wanted")),
            None => {}
        }
    }
}

/// Prints one quantile of the latency; the medians, and how many microseconds cometail adds to the floor's.
fn latency_line(name: &str, pairs: &[Pair<Latency>], quantile: fn(&Latency) -> Duration) -> Medians {
    let microseconds = |run: &Latency| quantile(run).as_secs_f64() * 1e6;
    let columns = Medians::new(pairs, microseconds, ratio).columns(0, 2);
    let medians = Medians::new(pairs, microseconds, |cometail, floor| cometail - floor);
    let text = medians.compared.map_or_else(|| "-".to_owned(), |added| format!("{added:.1}"));
    println!("{name:>8}  {columns} {text:>8}");
    medians
}

fn ratio(cometail: f64, floor: f64) -> f64 {
    cometail / floor
}

fn mebibytes(kibibytes: u32) -> f64 {
    f64::from(kibibytes) / 1024.0
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
