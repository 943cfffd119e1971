//! How fast the built `cometail` is, beside a floor that does the least such a program can do, and beside public clients.
//!
//! Constraints: all sides meet the same server in the same run and write to the same file system; they take
//! turns, so that a busy machine is busy for all; every event is read back and checked; a figure counts as
//! the median of its rounds. Linux only: processor time and memory are read from `/proc`.
//!
//! Format: `cargo bench --bench throughput -- OPTION...`, with the options of [`options::USAGE`]. The tables go to
//! standard output, what is being done to standard error. It ends with 1 when a bar is missed or a run fails, with 2
//! when it is called wrongly.
//!
//! Operations: [`run`] measures one side once, [`measure`] everything that is asked for, [`figures`] keeps it, [`bars`]
//! holds it, [`table`] and [`chart`] show it; [`server`], [`receiver`] and [`floor`] are the ends the bench brings
//! along. The executable starts itself again as the floor.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports to the person who runs it")]
#![expect(clippy::indexing_slicing, reason = "where the bench itself is wrong, it stops")]

#[path = "../shared/apart.rs"]
mod apart;
mod arrivals;
mod bars;
mod chart;
mod check;
mod client;
mod events;
mod figures;
mod floor;
mod machine;
mod measure;
mod options;
mod receiver;
mod response;
mod run;
mod server;
#[path = "../shared/mod.rs"]
mod shared;
mod side;
mod table;

use std::fs;
use std::process::ExitCode;

use options::Options;
use shared::outcome;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The first argument of the executable where it is to be the floor.
const FLOOR: &str = "--floor";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let [FLOOR, rest @ ..] = texts.as_slice() {
        return outcome::code(floor::main(rest).map(|()| true));
    }
    match Options::read(&texts) {
        Ok(options) => outcome::code(bench(&options)),
        Err(problem) => outcome::misuse(&problem, options::USAGE),
    }
}

/// Measures and shows everything; whether the bench passes.
fn bench(options: &Options) -> Result<bool> {
    let figures = measure::measure(options)?;
    let bars = bars::all(&figures);
    print!("{}", table::all(&figures, &bars, options.style));
    if let Some(path) = &options.json {
        let mut all = figures.json();
        all["bars"] = bars.iter().map(bars::Bar::json).collect();
        fs::write(path, format!("{all:#}\n"))?;
    }
    if let Some(path) = &options.chart {
        fs::write(path, chart::draw(&figures))?;
    }
    if !figures.failures.is_empty() {
        return Ok(false);
    }
    Ok(!options.bars || bars.iter().all(|bar| bar.held() != Some(false)))
}

/// Says what is being done.
fn progress(what: &str) {
    eprintln!("throughput: {what}");
}
