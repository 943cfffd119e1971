//! How many instructions the built `cometail` spends on an event, from the response to the line in the file.
//!
//! Constraints: instructions are counted by `valgrind --tool=callgrind` over all threads of the program, its libraries
//! included, the kernel excluded; they hardly depend on how busy the machine is. Each figure is the difference of a
//! long and a short run over the difference of their events, so that the start and the end fall out. Under valgrind
//! the program is fifty times slower than the server, so every response is waited for and every thread is woken for
//! it: the figure at one event a response has the whole of that in it.
//!
//! Format: `cargo bench --bench instructions [-- --repeat N] [--keep] [--program FILE]`. It prints one line for each
//! figure, holds them to `bounds.txt` beside this file, and ends with 1 when a bound is passed or a run fails, with 2
//! when it is called wrongly or valgrind is missing. `--repeat N` takes each figure N times and prints the least and the
//! most, of which the bound holds the least. `--keep` leaves callgrind's files in the target directory for
//! `callgrind_annotate`. The bounds are those of the release profile; where its program is built already,
//! `cargo test --bench instructions -- --program target/release/cometail` needs no second optimised build.
//!
//! Operations: [`measure`] runs a case twice, [`server`] answers its polls.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports to the person who runs it")]

#[path = "../shared/outcome.rs"]
mod outcome;
#[path = "../shared/program.rs"]
mod program;
mod server;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use server::{EVENT_LEN, Server};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: instructions [--repeat 1..=100] [--keep] [--program FILE]";
/// The longest that one run may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How often a file or a process is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// The events of a short run, and of a long one, for one event a response.
const SINGLE: (usize, usize) = (100, 1_100);
/// The same for more.
const MANY: (usize, usize) = (2_000, 22_000);

/// One line of `bounds.txt`.
struct Case {
    per_response: usize,
    journal: bool,
    bound: u64,
}

/// What the command line asks for.
#[derive(Clone, Copy)]
struct Options {
    repeat: u32,
    keep: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let options = match options(&texts) {
        Ok(options) => options,
        Err(problem) => return outcome::misuse(&problem, USAGE),
    };
    if !has_valgrind() {
        eprintln!(
            "instructions: valgrind is missing; nothing was measured (Debian and Ubuntu: apt-get install valgrind)"
        );
        return ExitCode::from(2);
    }
    outcome::code(run(options))
}

fn options(arguments: &[&str]) -> std::result::Result<Options, String> {
    let mut options = Options { repeat: 1, keep: false };
    let mut arguments = arguments.iter().copied();
    while let Some(argument) = arguments.next() {
        match argument {
            // Cargo adds it to what the person typed.
            "--bench" => {}
            "--keep" => options.keep = true,
            "--repeat" => {
                let many = arguments.next().and_then(|text| text.parse().ok());
                let many = many.filter(|many| (1..=100).contains(many));
                options.repeat = many.ok_or("--repeat: wanted a number from 1 to 100")?;
            }
            "--program" => program::choose(arguments.next())?,
            other => return Err(format!("{other}: no such option")),
        }
    }
    Ok(options)
}

fn has_valgrind() -> bool {
    let asked =
        Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Takes every figure; whether all of them are within their bounds.
fn run(options: Options) -> Result<bool> {
    let mut held = true;
    println!("events a response | journal | instructions an event | bound");
    for case in cases()? {
        let mut figures = Vec::new();
        for _ in 0..options.repeat {
            figures.push(measure(&case, options.keep)?);
        }
        figures.sort_unstable();
        let (least, most) = figures.first().zip(figures.last()).ok_or("nothing was measured")?;
        let shown = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let within = *least <= case.bound;
        held &= within;
        let journal = if case.journal { "with" } else { "without" };
        let verdict = if within { "" } else { " EXCEEDED" };
        println!("{:>17} | {journal:>7} | {shown:>21} | {}{verdict}", case.per_response, case.bound);
    }
    Ok(held)
}

fn cases() -> Result<Vec<Case>> {
    let lines = include_str!("bounds.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| case(line).ok_or_else(|| format!("bounds.txt: {line}").into())).collect()
}

fn case(line: &str) -> Option<Case> {
    let mut words = line.split_whitespace();
    let per_response = words.next()?.parse().ok().filter(|events| *events > 0)?;
    let journal = match words.next()? {
        "with" => true,
        "without" => false,
        _ => return None,
    };
    Some(Case { per_response, journal, bound: words.next()?.parse().ok()? })
}

/// The instructions for an event.
fn measure(case: &Case, keep: bool) -> Result<u64> {
    let (short, long) = if case.per_response == 1 { SINGLE } else { MANY };
    let more = count(case, long / case.per_response, keep)?;
    let spent = more.saturating_sub(count(case, short / case.per_response, false)?);
    Ok(spent / u64::try_from((long - short) / case.per_response * case.per_response)?)
}

/// The instructions of a whole run of so many responses.
fn count(case: &Case, responses: usize, keep: bool) -> Result<u64> {
    let folder = tempfile::Builder::new().prefix("instructions-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let server = Server::start(case.per_response, || ())?;
    server.allow(responses);
    let counted = folder.path().join("callgrind");
    let mut program = Program(start(folder.path(), &server, case.journal, &counted)?);
    let lines = responses * case.per_response;
    let ended = wait_for_lines(&output(folder.path()), lines, &mut program).and_then(|()| program.end());
    ended.map_err(|error| {
        let said = fs::read_to_string(folder.path().join("stderr")).unwrap_or_default();
        format!("{error}\nits stderr:\n{said}")
    })?;
    if keep {
        let name =
            format!("callgrind.{}.{}", case.per_response, if case.journal { "with" } else { "without" });
        fs::copy(&counted, Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))?;
    }
    let text = fs::read_to_string(&counted)?;
    let total = text.lines().rev().find_map(|line| line.strip_prefix("totals:"));
    Ok(total.ok_or("callgrind gave no total")?.trim().parse()?)
}

fn output(folder: &Path) -> PathBuf {
    folder.join("out.jsonl")
}

fn start(folder: &Path, server: &Server, journal: bool, counted: &Path) -> Result<Child> {
    let state = if journal {
        format!("dir = '{}'", folder.join("state").display())
    } else {
        "persist = false".into()
    };
    let file = output(folder);
    let text =
        format!("[state]\n{state}\n{}[sink.out.file]\npath = '{}'\n", server.connection(), file.display());
    let config = folder.join("cometail.toml");
    fs::write(&config, text)?;
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", counted.display()));
    command.arg(program::path()).args(["run", "-c"]).arg(config);
    // Without the environment of the caller no proxy and no log level of theirs changes the figures.
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command.stderr(File::create(folder.join("stderr"))?).spawn()?)
}

fn wait_for_lines(path: &Path, lines: usize, program: &mut Program) -> Result<()> {
    let wanted = u64::try_from(lines * (EVENT_LEN + 1))?;
    within(&format!("{lines} lines in its file"), || {
        if let Some(status) = program.0.try_wait()? {
            return Err(format!("it ended by itself: {status}").into());
        }
        Ok(fs::metadata(path).map_or(0, |found| found.len()) >= wanted)
    })
}

fn within(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !is_so()? {
        if begun.elapsed() > LIMIT {
            return Err(format!("not within {LIMIT:?}: {what}").into());
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// A running program; dropped, it is gone.
struct Program(Child);

impl Program {
    /// Asks it to end and waits until it has.
    fn end(&mut self) -> Result<()> {
        let process = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).ok_or("no process")?;
        kill_process(process, Signal::TERM)?;
        within("its end", || Ok(self.0.try_wait()?.is_some()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
