//! How fast the built `cometail` is, beside a floor that does the least such a program can do.
//!
//! Constraints: both sides meet the same server in the same run and write to the same file system; they take
//! turns, so that a busy machine is busy for both; every file is read back and checked; a figure counts as
//! the median of its pairs. Linux only: processor time and memory are read from `/proc`.
//!
//! Format: `cargo bench --bench throughput -- [--no-bars] [--journal] [--only floor|cometail] [--rounds N]`. With
//! `--journal`, cometail is compared with itself without one. It prints
//! the figures and ends with 1 when a bar is missed or a run fails, with 2 when it is called wrongly.
//!
//! Operations: [`run`] measures one side once, [`report`] prints and holds the bars, [`server`] and [`floor`]
//! are the two ends the bench brings along. The executable starts itself again as the floor.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports to the person who runs it")]
#![expect(clippy::indexing_slicing, reason = "where the bench itself is wrong, it stops")]

mod check;
mod client;
mod events;
mod floor;
mod messages;
mod report;
mod run;
mod server;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use client::Side;
use report::{Pair, Report};
use server::Plan;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Events a response; how many events make a run of about a second; the bar, a share of the floor's events/s, and
/// the share of the events/s without a journal.
const SIZES: [(u32, u32, f64, f64); 4] = [
    (1, 40_000, 0.85, 0.8),
    (10, 300_000, 0.85, 0.8),
    (100, 1_000_000, 0.35, 0.5),
    (1_000, 1_500_000, 0.25, 0.5),
];
/// One event every so often where latency is measured.
const PERIOD: Duration = Duration::from_millis(2);
/// Events whose latency counts, and those before them whose latency does not.
const TIMED: u32 = 2_000;
const UNTIMED: u32 = 200;
/// One event every so often where the turn-around is measured.
const TURN: Duration = Duration::from_millis(1);
/// Latency runs take longer than the others and hold a median of their own.
const LATENCY_ROUNDS_MAX: u32 = 3;

/// What the command line asks for.
struct Options {
    sides: Vec<Side>,
    rounds: u32,
    bars: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--floor", port, path] = texts.as_slice() {
        return status(floor::run(port, Path::new(path)).map(|()| true));
    }
    match options(&texts) {
        Ok(options) => status(measure(&options)),
        Err(problem) => {
            eprintln!(
                "{problem}\nusage: throughput [--no-bars] [--journal] [--only floor|cometail] [--rounds 1..=100]"
            );
            ExitCode::from(2)
        }
    }
}

fn status(outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("throughput: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[&str]) -> std::result::Result<Options, String> {
    let mut options = Options { sides: vec![Side::Floor, Side::Cometail], rounds: 5, bars: true };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            // Cargo adds it to what the person typed.
            "--bench" => {}
            "--no-bars" => options.bars = false,
            "--journal" => options.sides = vec![Side::Memory, Side::Cometail],
            "--only" => options.sides = vec![side(arguments.next().copied())?],
            "--rounds" => options.rounds = rounds(arguments.next().copied())?,
            other => return Err(format!("{other}: no such option")),
        }
    }
    Ok(options)
}

fn side(name: Option<&str>) -> std::result::Result<Side, String> {
    [Side::Floor, Side::Cometail]
        .into_iter()
        .find(|side| Some(side.name()) == name)
        .ok_or_else(|| "--only: floor or cometail".to_owned())
}

fn rounds(text: Option<&str>) -> std::result::Result<u32, String> {
    text.and_then(|text| text.parse().ok())
        .filter(|rounds| (1..=100).contains(rounds))
        .ok_or_else(|| "--rounds: a number from 1 to 100".to_owned())
}

/// Runs everything and prints it; whether the bench passes.
fn measure(options: &Options) -> Result<bool> {
    let journal = options.sides.contains(&Side::Memory);
    let mut report = Report::begin(options.rounds, if journal { Side::Memory } else { Side::Floor });
    for (per_response, total, of_floor, of_memory) in SIZES {
        let bar = if journal { of_memory } else { of_floor };
        let plan = Plan { per_response, total, period: None };
        let pairs = in_turns(options, options.rounds, |side| run::throughput(side, plan))?;
        report.throughput(per_response, bar, &pairs);
    }
    let plan = Plan { per_response: 1, total: UNTIMED + TIMED, period: Some(PERIOD) };
    let rounds = options.rounds.min(LATENCY_ROUNDS_MAX);
    report.latency(&in_turns(options, rounds, |side| run::latency(side, plan, UNTIMED))?);
    let plan = Plan { period: Some(TURN), ..plan };
    report.turn_around(&in_turns(options, rounds, |side| run::turn_around(side, plan, UNTIMED))?);
    for side in &options.sides {
        report.idle(*side, run::idle_memory(*side)?);
    }
    Ok(report.verdict() || !options.bars)
}

/// Measures the sides in turns, one more time than `rounds`: the first turn warms up and does not count.
fn in_turns<T>(options: &Options, rounds: u32, measure: impl Fn(Side) -> Result<T>) -> Result<Vec<Pair<T>>> {
    let mut pairs = Vec::new();
    for _ in 0..=rounds {
        let mut pair = Pair { floor: None, cometail: None };
        for side in &options.sides {
            *pair.of(*side) = Some(measure(*side)?);
        }
        pairs.push(pair);
    }
    Ok(pairs.split_off(1))
}
