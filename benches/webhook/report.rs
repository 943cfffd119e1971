//! The figures as a person reads them, and the bars.

use std::fs;
use std::num::NonZero;
use std::thread;

use crate::Case;
use crate::run::Figures;

/// Prints as it goes and remembers the bars.
pub(crate) struct Report {
    held: u32,
    missed: Vec<String>,
}

impl Report {
    /// Prints what the figures are about, and the head of the table.
    pub(crate) fn begin(rounds: u32, signed: bool) -> Self {
        // A busy machine widens every figure; who reads them should know.
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let processors = thread::available_parallelism().map_or(0, NonZero::get);
        println!("{processors} processors, load average before the start {}", load.trim());
        let signed = if signed { ", signed by cometail" } else { "" };
        println!(
            "events of 300 bytes to a webhook{signed}; medians of {rounds} turns; ratios within each turn"
        );
        println!();
        println!(
            "{:>8} {:>8} {:>9} {:>8} {:>10} {:>6} {:>10} {:>6} {:>12} {:>6}",
            "case",
            "channels",
            "a request",
            "side",
            "requests/s",
            "ratio",
            "events/s",
            "ratio",
            "CPU s/10^6",
            "ratio"
        );
        Self { held: 0, missed: Vec::new() }
    }

    /// Prints one case: in each turn the floor, cometail without and with a journal.
    pub(crate) fn case(&mut self, case: Case, turns: &[[Figures; 3]]) {
        for (side, name) in ["floor", "memory", "journal"].into_iter().enumerate() {
            let of = |figure: fn(&Figures) -> f64| median(turns.iter().map(|turn| figure(&turn[side])));
            let share = |figure: fn(&Figures) -> f64| {
                median(turns.iter().map(|turn| figure(&turn[side]) / figure(&turn[0]).max(f64::MIN_POSITIVE)))
            };
            let (requests, events) = (share(|run| run.requests), of(|run| run.events));
            println!(
                "{:>8} {:>8} {:>9} {name:>8} {:>10.0} {requests:>6.2} {events:>10.0} {:>6.2} {:>12.2} {:>6.2}",
                case.name,
                case.load.channels,
                case.load.per_request,
                of(|run| run.requests),
                share(|run| run.events),
                of(|run| run.processor),
                share(|run| run.processor),
            );
            if side > 0 {
                self.hold(case, name, requests, events);
            }
        }
    }

    fn hold(&mut self, case: Case, side: &str, share: f64, events: f64) {
        if case.share > 0.0 {
            let wanted = format!("of the floor's requests/s, at least {}", case.share);
            self.bar(share >= case.share, &format!("{}, {side}: {share:.2} {wanted}", case.name));
        }
        if let Some(rate) = case.rate {
            self.bar(
                events >= rate,
                &format!("{}, {side}: {events:.0} events/s, at least {rate}", case.name),
            );
        }
    }

    fn bar(&mut self, held: bool, text: &str) {
        if held {
            self.held += 1;
        } else {
            self.missed.push(text.to_owned());
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
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 { figures[middle] } else { f64::midpoint(figures[middle - 1], figures[middle]) }
}
