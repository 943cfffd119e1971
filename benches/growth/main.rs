//! Whether cometail stays what it is: time and memory for an event from 10^4 to 10^8 of them, resident memory, threads
//! and open files over half an hour of bad days, and how soon after its start it speaks.
//!
//! Constraints: the built program as a process of its own, and what the kernel says of it (Linux only: `/proc`). Every
//! event is accounted for while a run goes on, and what has been checked is deleted, so that a run needs neither memory
//! nor disk for its output.
//!
//! Format: `cargo bench --bench growth -- [--no-bars] [MODE]`, ended with 1 when a bar is missed or a run fails, with 2
//! when it is called wrongly. The modes:
//!
//! * none, or `--all`: [`growth`], up to 10^7 events, or up to 10^8, with the journal and without;
//! * `--soak TIME [--csv FILE] [--chart FILE]`: [`soak`], for a time such as `30m`;
//! * `--start`: [`start`], from the start of the process to its first request.
//!
//! Operations: each mode's `run`. The executable starts itself again as the client that [`start`] compares with.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports to the person who runs it")]

mod chart;
mod control;
mod events;
mod growth;
mod output;
mod process;
mod requests;
mod server;
mod soak;
mod start;
mod summary;
mod trouble;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What the command line asks for.
#[derive(Default)]
struct Options {
    no_bars: bool,
    all: bool,
    start: bool,
    soak: Option<Duration>,
    csv: Option<PathBuf>,
    chart: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--hyper", port] = texts.as_slice() {
        return status(start::speak(port).map(|()| true), true);
    }
    match options(&texts) {
        Ok(options) => status(measure(&options), !options.no_bars),
        Err(problem) => {
            eprintln!(
                "{problem}\nusage: growth [--no-bars] [--all | --start | --soak TIME [--csv FILE] [--chart FILE]]"
            );
            ExitCode::from(2)
        }
    }
}

fn status(outcome: Result<bool>, bars: bool) -> ExitCode {
    match outcome {
        Ok(held) if held || !bars => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("growth: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[&str]) -> std::result::Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument}: a value is missing"));
        match *argument {
            // Cargo adds it to what the person typed.
            "--bench" => {}
            "--no-bars" => options.no_bars = true,
            "--all" => options.all = true,
            "--start" => options.start = true,
            "--soak" => options.soak = Some(duration(value()?)?),
            "--csv" => options.csv = Some(PathBuf::from(value()?)),
            "--chart" => options.chart = Some(PathBuf::from(value()?)),
            other => return Err(format!("{other}: no such option")),
        }
    }
    Ok(options)
}

/// A time such as `90s` or `30m`, a minute at least: a soak looks for growth from one third of it to the next.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || format!("{text}: wanted a time such as 90s or 30m, from 60s to 24h");
    let unit = |(end, seconds): (char, u64)| Some(text.strip_suffix(end)?.parse::<u64>().ok()? * seconds);
    let seconds = [('s', 1), ('m', 60), ('h', 3600)].into_iter().find_map(unit).ok_or_else(wrong)?;
    if (60..=86_400).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) }
}

/// Runs what is asked for and prints it; whether every bar was held.
fn measure(options: &Options) -> Result<bool> {
    if let Some(time) = options.soak {
        soak::run(time, options.csv.as_deref(), options.chart.as_deref())
    } else if options.start {
        start::run()
    } else {
        growth::run(options.all)
    }
}
