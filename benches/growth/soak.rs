//! Paced traffic with trouble in it ([`crate::trouble`]) for a time, and whether the process grows meanwhile.
//!
//! The journal may take 16 MiB and has segments of 1 MiB, files are rotated at 4 MiB: all of it is reached many times in
//! half an hour. At the end everything published has to be in the file exactly once and with the webhook's receiver at
//! least once, gaps have to be told where there is no replay, and the process has to end in order.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::Result;
use crate::control::Emulator;
use crate::output::{NAME, Output};
use crate::process::{Process, cometail, size_of};
use crate::summary::{self, Sample};
use crate::trouble::{self, BATCH, CALLS, CHANNEL, PLAIN, Trouble};
use crate::webhook::Receiver;

/// How long what was published may take to arrive in the end.
const PATIENCE: Duration = Duration::from_secs(60);
const BEAT: Duration = Duration::from_millis(100);

/// Everything that a soak is made of.
struct Soak {
    dir: tempfile::TempDir,
    emulator: Emulator,
    receiver: Receiver,
    process: Process,
    whole: Output,
    plain: Output,
    /// Events that were found in the file, each in its place.
    found: u64,
    /// Lines of the channel without replay, and the gaps among them.
    lines: u64,
    gaps: u64,
    tokens: u64,
    reloads: u64,
}

/// Runs for `time`, with the samples in `csv` and a picture in `chart`; whether every bar was held.
pub(crate) fn run(time: Duration, csv: Option<&Path>, chart: Option<&Path>) -> Result<bool> {
    let mut soak = Soak::start()?;
    let mut table = csv.map(File::create).transpose()?;
    if let Some(table) = &mut table {
        writeln!(table, "{}", summary::HEAD)?;
    }
    let (start, mut samples, mut calls) = (Instant::now(), Vec::new(), 0);
    while start.elapsed() < time {
        if calls % CALLS == 0 {
            let sample = soak.sample(calls / CALLS)?;
            if let Some(table) = &mut table {
                writeln!(table, "{}", sample.line())?;
            }
            samples.push(sample);
            for trouble in trouble::due(sample.second) {
                soak.meet(trouble)?;
            }
        }
        trouble::publish(&soak.emulator, calls)?;
        calls += 1;
        soak.follow()?;
        let due = start + BEAT * u32::try_from(calls)?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    soak.finish(calls * BATCH)?;
    let (text, held) = summary::judge(&samples);
    println!("{} events in {:.0?}; the file has each once, the webhook each at least once", soak.found, time);
    println!(
        "{} lines without replay, {} of them gaps; {} reloads\n{text}",
        soak.lines, soak.gaps, soak.reloads
    );
    if let Some(path) = chart {
        fs::write(path, crate::chart::draw(&samples))?;
    }
    Ok(held)
}

impl Soak {
    fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("soak-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let path = dir.path();
        let (emulator, receiver) = (Emulator::start(path)?, Receiver::start()?);
        fs::create_dir(path.join("whole"))?;
        fs::create_dir(path.join("plain"))?;
        renew(path, &emulator, 0)?;
        configure(path, emulator.port(), receiver.port(), 0)?;
        let config = path.join("cometail.toml");
        let process = Process::start(cometail(&["run", "-c", &config.to_string_lossy()]), path, "stderr")?;
        let (whole, plain) = (Output::new(&path.join("whole")), Output::new(&path.join("plain")));
        Ok(Self {
            dir,
            emulator,
            receiver,
            process,
            whole,
            plain,
            found: 0,
            lines: 0,
            gaps: 0,
            tokens: 0,
            reloads: 0,
        })
    }

    fn sample(&mut self, second: u64) -> Result<Sample> {
        self.process.check_alive()?;
        self.emulator.check_alive()?;
        Ok(Sample {
            second,
            resident: self.process.status("VmRSS")?,
            threads: self.process.status("Threads")?,
            open_files: self.process.open_files()?,
            state: size_of(&self.dir.path().join("state")),
            in_file: self.found,
            by_webhook: self.receiver.events()?,
        })
    }

    fn meet(&mut self, trouble: Trouble) -> Result<()> {
        match trouble {
            Trouble::Token => {
                self.tokens += 1;
                renew(self.dir.path(), &self.emulator, self.tokens)
            }
            Trouble::Reload => {
                self.reloads += 1;
                configure(self.dir.path(), self.emulator.port(), self.receiver.port(), self.reloads)?;
                self.process.signal(Signal::HUP)
            }
            Trouble::Away | Trouble::Back => {
                self.receiver.set_away(trouble == Trouble::Away);
                Ok(())
            }
            other => trouble::cause(&self.emulator, other),
        }
    }

    /// Reads what has been written since the last time.
    fn follow(&mut self) -> Result<()> {
        let Self { whole, plain, found, lines, gaps, .. } = self;
        whole.follow(|bytes| {
            each_line(bytes, |event| {
                if trouble::number(&event) != Some(*found) {
                    return Err(format!("event {found} wanted, found {event}").into());
                }
                *found += 1;
                Ok(())
            })
        })?;
        plain.follow(|bytes| {
            each_line(bytes, |event| {
                *lines += 1;
                *gaps += u64::from(event.get("gap").is_some());
                Ok(())
            })
        })
    }

    /// Waits until everything has arrived, then ends the process.
    fn finish(&mut self, total: u64) -> Result<()> {
        self.receiver.set_away(false);
        let start = Instant::now();
        while self.found < total || self.receiver.events()? < total {
            self.follow()?;
            self.process.check_alive()?;
            if start.elapsed() > PATIENCE {
                let by_webhook = self.receiver.events()?;
                let said = self.process.said();
                return Err(format!(
                    "of {total} events {} in the file, {by_webhook} by webhook\n{said}",
                    self.found
                )
                .into());
            }
            thread::sleep(BEAT);
        }
        let status = self.process.end(PATIENCE)?;
        self.follow()?;
        if self.found != total || self.gaps == 0 || !status.success() {
            return Err(format!("{} of {total} events, {} gaps, {status}", self.found, self.gaps).into());
        }
        Ok(())
    }
}

/// Gives each whole line; how many bytes they have.
fn each_line(bytes: &[u8], mut take: impl FnMut(Value) -> Result<()>) -> Result<usize> {
    let mut taken = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        take(serde_json::from_slice(line)?)?;
        taken += line.len();
    }
    Ok(taken)
}

/// Puts another token into the token's file and has it demanded.
fn renew(dir: &Path, emulator: &Emulator, number: u64) -> Result<()> {
    let token = format!("00D-soak-{number}");
    let (path, next) = (dir.join("token"), dir.join("token.next"));
    fs::write(&next, &token)?;
    fs::rename(next, path)?;
    emulator.post("token", &serde_json::json!({"token": token}).to_string())
}

/// Writes the configuration; each time the webhook has another timeout, so that this sink is replaced by a reload.
fn configure(dir: &Path, emulator: u16, receiver: u16, number: u64) -> Result<()> {
    let dir_text = dir.display();
    let connection = |name: &str, version: &str, channel: &str, replay: &str| {
        format!(
            r#"[connection.{name}]
url = "http://127.0.0.1:{emulator}/cometd/{version}"
channels = ["{channel}"]
replay = "{replay}"
retry_initial = "50ms"
handshakes_per_minute = 100
login.token.file = '{dir_text}/token'
"#
        )
    };
    let file = |name: &str, channel: &str| {
        format!(
            "[sink.{name}.file]\npath = '{dir_text}/{name}/{NAME}'\nchannels = ['{channel}']\nmax_size = '4MiB'\n"
        )
    };
    let text = format!(
        r#"[state]
dir = '{dir_text}/state'
[journal]
max_size = "16MiB"
segment_size = "1MiB"
{}{}{}{}[sink.hook.webhook]
url = "http://127.0.0.1:{receiver}/"
channels = ["{CHANNEL}"]
batch = 50
retry_initial = "100ms"
timeout = "{}s"
"#,
        connection("whole", "61.0", CHANNEL, "all"),
        connection("old", "36.0", PLAIN, "new"),
        file("whole", CHANNEL),
        file("plain", PLAIN),
        10 + number % 2,
    );
    let (path, next) = (dir.join("cometail.toml"), dir.join("cometail.toml.next"));
    fs::write(&next, text)?;
    Ok(fs::rename(next, path)?)
}
