//! What a thousand connections in one built `cometail` cost: memory, processor time, start and end.
//!
//! Constraints: every connection has its own session, cookie and channel at one server of the bench, and idles in its
//! poll but for one event a minute, spread evenly. The program begins with a soft limit of 1,024 open files, as a
//! service manager gives it. Every event must stand in the file exactly once, and every session must have been
//! greeted once, so that no budget of handshakes is touched, subscribed once and closed by a goodbye. Linux only: figures of a process are read from `/proc`.
//!
//! Format: `cargo bench --bench scale -- [--no-bars] [--only plain|tls] [--connections N] [--window SECONDS]
//! [--program FILE]`. It prints the figures and ends with 1 when a bar is missed or a run fails, with 2 when it is called
//! wrongly. The window of processor time is 60 s, and at least 30 s where the bars are held.
//!
//! Operations: [`measure`] runs one way, [`server`] is the end that the bench brings along, [`process`] the program.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports to the person who runs it")]

mod check;
mod process;
#[path = "../shared/program.rs"]
mod program;
mod server;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use process::Process;
use server::{Seen, Server};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The most resident memory of one connection, in bytes, over plain HTTP and over TLS.
const PLAIN_BAR: f64 = 20.0 * 1024.0;
const TLS_BAR: f64 = 60.0 * 1024.0;
/// The most processor time, as a share of one core.
const PROCESSOR_BAR: f64 = 0.02;
/// The longest from the start of the process until all connections are in their polls.
const START_BAR: Duration = Duration::from_secs(10);
/// The longest from SIGTERM to the end of the process.
const STOP_BAR: Duration = Duration::from_secs(5);
/// The longest that a run may take to begin, to end, or to write what was sent.
const LIMIT: Duration = Duration::from_secs(120);
/// How long a program idles in its polls before its memory counts.
const IDLE: Duration = Duration::from_secs(3);
/// The time from one event of a connection to the next.
const MINUTE: Duration = Duration::from_secs(60);
/// The shortest window in which processor time says anything.
const WINDOW_MIN: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Tls,
}

struct Options {
    ways: Vec<Way>,
    connections: u32,
    window: Duration,
    bars: bool,
}

/// The figures of one run.
struct Figures {
    start: Duration,
    stop: Duration,
    /// Resident memory with one connection, with all of them, and with all of them after the window, in bytes.
    one: f64,
    idle: f64,
    later: f64,
    /// A share of one core.
    processor: f64,
    events: u32,
    /// Sessions that were closed by a goodbye when the program had ended.
    goodbyes: u32,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let options = match options(&texts) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!(
                "{problem}\nusage: scale [--no-bars] [--only plain|tls] [--connections N] [--window SECONDS] [--program FILE]"
            );
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[&str]) -> std::result::Result<Options, String> {
    let mut options =
        Options { ways: vec![Way::Plain, Way::Tls], connections: 2_000, window: MINUTE, bars: true };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            // Cargo adds it to what the person typed.
            "--bench" => {}
            "--no-bars" => options.bars = false,
            "--only" => {
                options.ways = match arguments.next() {
                    Some(&"plain") => vec![Way::Plain],
                    Some(&"tls") => vec![Way::Tls],
                    _ => return Err("--only: plain or tls".to_owned()),
                }
            }
            "--program" => program::choose(arguments.next().copied())?,
            "--connections" => options.connections = number(arguments.next(), 2, 9_000)?,
            "--window" => options.window = Duration::from_secs(number(arguments.next(), 1, 3_600)?.into()),
            other => return Err(format!("{other}: no such option")),
        }
    }
    if options.bars && options.window < WINDOW_MIN {
        return Err("--window: the bars want 30 s at least".to_owned());
    }
    Ok(options)
}

fn number(text: Option<&&str>, least: u32, most: u32) -> std::result::Result<u32, String> {
    let number = text.and_then(|text| text.parse().ok()).filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("wanted a number from {least} to {most}"))
}

/// Runs everything and prints it; whether the bench passes.
fn run(options: &Options) -> Result<bool> {
    server::raise_open_files()?;
    let mut good = true;
    for way in &options.ways {
        let figures = measure(*way, options)?;
        good &= report(*way, options, &figures);
    }
    println!("{}", if good { "every bar is held" } else { "a bar is missed" });
    Ok(good || !options.bars)
}

fn measure(way: Way, options: &Options) -> Result<Figures> {
    let (one, _) = begin(way, 1)?.1.idle()?;
    let (server, mut process) = begin(way, options.connections)?;
    let measured = crowd(&server, &mut process, options, one);
    measured.map_err(|error| {
        let said = process.said();
        let last: Vec<_> = said.lines().rev().take(20).collect();
        format!("{way:?}: {error}\nthe end of its stderr:\n{}", last.join("\n")).into()
    })
}

/// A server, and a program that connects to it so often.
fn begin(way: Way, connections: u32) -> Result<(Server, Process)> {
    let server = Server::start(way == Way::Tls)?;
    let mut process = Process::start(&server, connections)?;
    process.wait("all connections are in their polls", || server.seen().polling == connections)?;
    Ok((server, process))
}

fn crowd(server: &Server, process: &mut Process, options: &Options, one: f64) -> Result<Figures> {
    let start = server.last_poll().duration_since(process.started());
    let (idle, _) = process.idle()?;
    let before = process.processor_time()?;
    let begun = Instant::now();
    let events = server.publish(options.window);
    thread::sleep(options.window);
    let processor = process.processor_time()?.saturating_sub(before).as_secs_f64();
    let processor = processor / begun.elapsed().as_secs_f64();
    let output = process.output();
    process.wait("every event is in the file", || check::lines(&output) >= u64::from(events))?;
    let later = process.memory()?;
    let stop = process.stop()?;
    check::exactly_once(&output, events)?;
    let seen = server.seen();
    check::sessions(&seen, options.connections)?;
    Ok(Figures { start, stop, one, idle, later, processor, events, goodbyes: seen.disconnects })
}

/// Prints the figures; whether all bars are held.
fn report(way: Way, options: &Options, figures: &Figures) -> bool {
    let Figures { start, stop, one, idle, later, processor, events, goodbyes } = figures;
    let count = f64::from(options.connections);
    let bar = if way == Way::Tls { TLS_BAR } else { PLAIN_BAR };
    let each = |bytes: &f64| (bytes - one) / count;
    let (first, then) = (each(idle), each(later));
    println!("{way:?}, {} connections, {events} events in {:?}", options.connections, options.window);
    let line = |what: &str, figure: String, bar: String, good: bool| {
        println!("  {what:<44} {figure:>12}   bar {bar:>9}   {}", if good { "held" } else { "MISSED" });
        good
    };
    let kib = |bytes: f64| format!("{:.1} KiB", bytes / 1024.0);
    println!("  {:<44} {:>12}", "resident with one connection", kib(*one));
    let memory = line("resident for each more, before any event", kib(first), kib(bar), first <= bar)
        & line("resident for each more, after the events", kib(then), kib(bar), then <= bar);
    let share = |share: f64| format!("{:.2} %", share * 100.0);
    let processor = line(
        "processor time, of one core",
        share(*processor),
        share(PROCESSOR_BAR),
        *processor <= PROCESSOR_BAR,
    );
    let time = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    let started =
        line("from the start to all in their polls", time(*start), time(START_BAR), *start <= START_BAR);
    let stopped = line("from SIGTERM to the end", time(*stop), time(STOP_BAR), *stop <= STOP_BAR);
    let (told, all) = (format!("{goodbyes}"), format!("{}", options.connections));
    let closed = line("sessions that were closed by then", told, all, *goodbyes == options.connections);
    memory && processor && started && stopped && closed
}
