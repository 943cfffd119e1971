//! How many requests the built `cometail` makes as a webhook sink, beside the least that a client on hyper does.
//!
//! Constraints: both sides post the same bodies, with the same headers, to the same receiver in the same run, and take
//! turns, so that a busy machine is busy for both; the receiver's book is checked after every run: each event once, in
//! the order of its channel; a figure counts as the median of its pairs. Linux only: processor time is read from
//! `/proc`.
//!
//! Format: `cargo bench --bench webhook -- [--no-bars] [--signed] [--rounds N] [--only NAME] [--program FILE]`. It prints
//! the figures and ends with 1 when a bar is missed or a run fails, with 2 when it is called wrongly. With `--signed`
//! cometail signs its requests, the floor does not. The names are those in the first column.
//!
//! Operations: [`run`] measures one side once, [`report`] prints and holds the bars; [`source`], [`receiver`] and
//! [`floor`] are the ends that the bench brings along. The executable starts itself again as the floor.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports to the person who runs it")]
#![expect(clippy::indexing_slicing, reason = "where the bench itself is wrong, it stops")]

mod book;
mod events;
mod floor;
mod receiver;
mod report;
mod run;
#[path = "../shared/mod.rs"]
mod shared;
mod source;

use std::process::ExitCode;

use events::Load;
use report::Report;
use run::{Setting, Side};
use shared::{outcome, program};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What is measured: a name; channels, each with a lane; events a request; events of a run; the least share of the
/// floor's requests; the least events a second.
const CASES: [Case; 3] = [
    Case {
        name: "single",
        load: Load { channels: 1, per_request: 1, total: 40_000 },
        share: 0.7,
        rate: None,
    },
    Case { name: "lanes", load: Load { channels: 4, per_request: 1, total: 40_000 }, share: 0.7, rate: None },
    Case {
        name: "batch",
        load: Load { channels: 1, per_request: 100, total: 150_000 },
        share: 0.0,
        rate: Some(100_000.0),
    },
];

/// One line of the table and its bars.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    pub(crate) share: f64,
    pub(crate) rate: Option<f64>,
}

struct Options {
    rounds: u32,
    bars: bool,
    signed: bool,
    only: Option<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--floor", port, load @ ..] = texts.as_slice() {
        return outcome::code(Load::parse(load).and_then(|load| floor::run(port, load)).map(|()| true));
    }
    match options(&texts) {
        Ok(options) => outcome::code(measure(&options)),
        Err(problem) => {
            let names = CASES.map(|case| case.name).join("|");
            let usage = "usage: webhook [--no-bars] [--signed] [--rounds 1..=100] [--program FILE]";
            outcome::misuse(&problem, &format!("{usage} [--only {names}]"))
        }
    }
}

fn options(arguments: &[&str]) -> std::result::Result<Options, String> {
    let mut options = Options { rounds: 5, bars: true, signed: false, only: None };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            // Cargo adds it to what the person typed.
            "--bench" => {}
            "--no-bars" => options.bars = false,
            "--signed" => options.signed = true,
            "--rounds" => options.rounds = rounds(arguments.next().copied())?,
            "--program" => program::choose(arguments.next().copied())?,
            "--only" => options.only = Some(case(arguments.next().copied())?),
            other => return Err(format!("{other}: no such option")),
        }
    }
    Ok(options)
}

fn rounds(text: Option<&str>) -> std::result::Result<u32, String> {
    text.and_then(|text| text.parse().ok())
        .filter(|rounds| (1..=100).contains(rounds))
        .ok_or_else(|| "--rounds: a number from 1 to 100".to_owned())
}

fn case(name: Option<&str>) -> std::result::Result<String, String> {
    let known = name.filter(|name| CASES.iter().any(|case| case.name == *name));
    known.map(str::to_owned).ok_or_else(|| "--only: a name from the first column".to_owned())
}

/// Runs everything and prints it; whether the bench passes.
fn measure(options: &Options) -> Result<bool> {
    let mut report = Report::begin(options.rounds, options.signed);
    for case in CASES {
        if options.only.as_deref().is_some_and(|only| only != case.name) {
            continue;
        }
        let mut turns = Vec::new();
        // The first turn warms up and does not count.
        for _ in 0..=options.rounds {
            turns.push(turn(case.load, options.signed)?);
        }
        report.case(case, &turns[1..]);
    }
    Ok(report.verdict() || !options.bars)
}

/// One run of each side.
fn turn(load: Load, signed: bool) -> Result<[run::Figures; 3]> {
    let measure = |side| run::measure(Setting { side, load, signed });
    Ok([measure(Side::Floor)?, measure(Side::Memory)?, measure(Side::Journal)?])
}
