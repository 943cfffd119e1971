//! Whether cometail stays what it is: time and memory for an event from 10^4 to 10^8 of them, resident memory, threads
//! and open files over half an hour of bad days, and how soon after its start it speaks.
//!
//! Constraints: the built program as a process of its own, and what the kernel says of it (Linux only: `/proc`). Every
//! event is accounted for while a run goes on, and what has been checked is deleted, so that a run needs neither memory
//! nor disk for its output.
//!
//! Format: `cargo bench --bench growth -- [--no-bars] [--program FILE] [MODE]`, ended with 1 when a bar is missed or a run fails, with 2
//! when it is called wrongly. The modes:
//!
//! * none, or `--to N`: [`growth`], up to 10^7 events, or up to 10^6 or 10^8, with the journal and
//!   without;
//! * `--soak TIME [--csv FILE] [--chart FILE]`: [`soak`], for a time such as `30m`;
//! * `--start`: [`start`], from the start of the process to its first request.
//!
//! Operations: each mode's `run`. The executable starts itself again as the client that [`start`] compares with.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports to the person who runs it")]

#[path = "../shared/apart.rs"]
mod apart;
mod chart;
mod control;
mod events;
mod growth;
mod output;
mod process;
mod server;
#[path = "../shared/mod.rs"]
mod shared;
mod soak;
mod start;
mod summary;
mod trouble;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use shared::{outcome, program};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: growth [--no-bars] [--program FILE]
    [--to 1000000|10000000|100000000 | --start | --soak TIME [--csv FILE] [--chart FILE]]";

/// What the command line asks for.
#[derive(Default)]
struct Options {
    no_bars: bool,
    to: Option<u32>,
    start: bool,
    soak: Option<Duration>,
    csv: Option<PathBuf>,
    chart: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--hyper", port] = texts.as_slice() {
        return outcome::code(start::speak(port).map(|()| true));
    }
    match options(&texts) {
        Ok(options) => outcome::code(measure(&options).map(|held| held || options.no_bars)),
        Err(problem) => outcome::misuse(&problem, USAGE),
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
            "--program" => program::choose(Some(value()?))?,
            "--to" => options.to = Some(growth::size(value()?)?),
            "--start" => options.start = true,
            "--soak" => options.soak = Some(duration(value()?)?),
            "--csv" => options.csv = Some(PathBuf::from(value()?)),
            "--chart" => options.chart = Some(PathBuf::from(value()?)),
            other => return Err(format!("{other}: no such option")),
        }
    }
    let modes = [options.to.is_some(), options.start, options.soak.is_some()];
    if modes.into_iter().filter(|wanted| *wanted).count() > 1 {
        return Err("--to, --start, --soak: one of them at most".to_owned());
    }
    if options.soak.is_none() && (options.csv.is_some() || options.chart.is_some()) {
        return Err("--csv, --chart: only with --soak".to_owned());
    }
    Ok(options)
}

/// A time such as `90s` or `30m`, a minute at least: a soak looks for growth from one third of it to the next.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || format!("{text}: wanted a time such as 90s or 30m, from 60s to 24h");
    let unit =
        |(end, seconds): (char, u64)| text.strip_suffix(end)?.parse::<u64>().ok()?.checked_mul(seconds);
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
        growth::run(options.to.unwrap_or(growth::USUAL))
    }
}
