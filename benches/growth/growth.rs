//! Time, processor time and memory for an event, from 10^4 events in a run to 10^8.
//!
//! A run is a new process with one connection and one file sink, 100 events of 300 bytes in a response. Its files are
//! rotated at 2 MiB. The journal has segments of 1 MiB and may take 32 MiB, so that it is cut more than 28,000 times in
//! the longest run and its length cannot be what makes a later event dearer. The bench itself, its server and the reader
//! of the files, has the last processor, and the program the others: left to the scheduler, runs of a tenth of a second
//! mostly have server and session side by side on one processor, and longer ones do not and take half as long again.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::apart::Apart;
use crate::events::{CHANNEL, Check};
use crate::output::{NAME, Output};
use crate::process::{Process, cometail, size_of};
use crate::server::{Plan, Server};

const PER_RESPONSE: usize = 100;
/// Events of a run, and how many runs their figures are the median of.
const RUNS: [(u32, usize); 5] =
    [(10_000, 9), (100_000, 9), (1_000_000, 5), (10_000_000, 1), (100_000_000, 1)];
/// The longest run, unless another is asked for.
pub(crate) const USUAL: u32 = 10_000_000;
/// What the others are compared with.
const BASE: u32 = 100_000;
/// The bars: how much more than the base an event may take, and how much more memory a process.
const FLAT: f64 = 1.3;
const FLAT_MEMORY: f64 = 1.2;
const MORE_MEMORY: f64 = 4096.0;
/// What the journal may take of the disk, in bytes.
const JOURNAL: u64 = 32 << 20;
/// How many events may be on their way to a file where there is no journal: a sink's queue in memory loses what it has
/// no room for.
const AHEAD: u32 = 50_000;
/// How long nothing new may come.
const STALL: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_micros(500);

/// The figures of a run, or the medians of several.
#[derive(Clone, Copy)]
struct Figures {
    events: u32,
    /// Nanoseconds for an event: on the clock, and of processors.
    wall: f64,
    processor: f64,
    /// KiB: the most that was resident, and what is at the end.
    peak: f64,
    end: f64,
    /// The most that the state directory had, in bytes.
    journal: u64,
}

/// The events of the longest run, as the command line has them.
pub(crate) fn size(text: &str) -> std::result::Result<u32, String> {
    let known = RUNS.iter().map(|(events, _)| *events).filter(|events| *events > BASE);
    known
        .clone()
        .find(|events| events.to_string() == text)
        .ok_or_else(|| format!("--to {text}: wanted one of {:?}", known.collect::<Vec<_>>()))
}

/// Measures runs of up to `most` events, with the journal and without, and prints it; whether every bar was held.
pub(crate) fn run(most: u32) -> Result<bool> {
    let mut held = true;
    for journal in [true, false] {
        println!("\n{} journal", if journal { "with" } else { "without" });
        println!(
            "| events | runs | ns an event | CPU ns | peak RSS KiB | RSS at the end | most of the journal |"
        );
        println!("|---|---|---|---|---|---|---|");
        let mut rows = Vec::new();
        for (events, runs) in RUNS {
            if events <= most {
                let figures = (0..runs).map(|_| one(events, journal)).collect::<Result<Vec<_>>>()?;
                let row = median(&figures).ok_or("no run")?;
                print(&row, runs);
                rows.push(row);
            }
        }
        held &= judge(&rows, journal);
    }
    Ok(held)
}

fn print(row: &Figures, runs: usize) {
    println!(
        "| {} | {runs} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} MiB |",
        row.events,
        row.wall,
        row.processor,
        row.peak,
        row.end,
        mebibytes(row.journal)
    );
}

#[expect(clippy::cast_precision_loss, reason = "it is printed with one decimal")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Holds each longer run against the base.
fn judge(rows: &[Figures], journal: bool) -> bool {
    let Some(base) = rows.iter().find(|row| row.events == BASE) else { return false };
    let mut held = true;
    let mut bar = |row: &Figures, what: &str, found: f64, most: f64| {
        let good = found <= most;
        held &= good;
        let verdict = if good { "held" } else { "MISSED" };
        println!("{verdict}: {} events, {what}: {found:.0}, at most {most:.0}", row.events);
    };
    for row in rows.iter().filter(|row| row.events > BASE) {
        bar(row, "ns an event", row.wall, base.wall * FLAT);
        bar(row, "CPU ns an event", row.processor, base.processor * FLAT);
        bar(row, "peak RSS KiB", row.peak, base.peak * FLAT_MEMORY + MORE_MEMORY);
        bar(row, "RSS KiB at the end", row.end, base.end * FLAT_MEMORY + MORE_MEMORY);
        if journal {
            bar(row, "MiB of the state directory", mebibytes(row.journal), mebibytes(JOURNAL) + 1.0);
        }
    }
    held
}

fn median(runs: &[Figures]) -> Option<Figures> {
    let of = |value: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(value).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    Some(Figures {
        events: runs.first()?.events,
        wall: of(|run| run.wall)?,
        processor: of(|run| run.processor)?,
        peak: of(|run| run.peak)?,
        end: of(|run| run.end)?,
        journal: runs.iter().map(|run| run.journal).max()?,
    })
}

/// One run, each of its events checked.
fn one(events: u32, journal: bool) -> Result<Figures> {
    let dir = tempfile::Builder::new().prefix("growth-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let ahead = if journal { u32::MAX } else { AHEAD };
    let apart = Apart::new()?;
    apart.to_last()?;
    let server = Server::start(Plan { per_response: PER_RESPONSE, total: events, ahead })?;
    let config = configure(&dir, server.port(), journal)?;
    apart.to_others()?;
    let mut process = Process::start(cometail(&["run", "-c", &config]), dir.path(), "stderr")?;
    apart.to_last()?;
    let figures =
        wait_for_poll(&server, &mut process).and_then(|()| watch(events, &server, &mut process, dir.path()));
    figures.map_err(|error| format!("{events} events: {error}\nits stderr:\n{}", process.said()).into())
}

fn configure(dir: &TempDir, port: u16, journal: bool) -> Result<String> {
    let state = dir.path().join("state");
    let state = if journal { format!("dir = '{}'", state.display()) } else { "persist = false".to_owned() };
    let text = format!(
        r#"[state]
{state}
[journal]
max_size = "{JOURNAL}B"
segment_size = "1MiB"
[connection.bench]
url = "http://127.0.0.1:{port}/cometd/61.0"
channels = ["{CHANNEL}"]
[sink.out.file]
path = '{}'
max_size = "2MiB"
"#,
        dir.path().join("out").join(NAME).display(),
    );
    fs::create_dir(dir.path().join("out"))?;
    let path = dir.path().join("cometail.toml");
    fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

fn wait_for_poll(server: &Server, process: &mut Process) -> Result<()> {
    let start = Instant::now();
    while !server.polling() {
        process.check_alive()?;
        if start.elapsed() > STALL {
            return Err("it did not begin to poll".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Lets the events flow and checks them as they come.
fn watch(events: u32, server: &Server, process: &mut Process, dir: &Path) -> Result<Figures> {
    let (mut output, mut check) = (Output::new(&dir.join("out")), Check::new());
    let (mut journal, mut looks) = (0, 0_u32);
    let before = process.processor_time()?;
    server.open();
    let mut progress = (0, Instant::now());
    while check.lines < events {
        thread::sleep(LOOK);
        output.follow(|bytes| check.take(bytes))?;
        looks += 1;
        if looks.is_multiple_of(64) {
            journal = journal.max(size_of(&dir.join("state")));
            process.check_alive()?;
        }
        if check.lines > progress.0 {
            server.arrived(check.lines);
            progress = (check.lines, Instant::now());
        } else if progress.1.elapsed() > STALL {
            return Err(format!("nothing new after {} lines", check.lines).into());
        }
    }
    let wall = server.began().ok_or("nothing was sent")?.elapsed();
    let processor = process.processor_time()?.saturating_sub(before);
    let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(events);
    Ok(Figures {
        events,
        wall: each(wall),
        processor: each(processor),
        peak: process.status("VmHWM")?.into(),
        end: process.status("VmRSS")?.into(),
        journal: journal.max(size_of(&dir.join("state"))),
    })
}
