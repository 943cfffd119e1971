//! `cometail reload`: a running daemon reads its configuration again.
//!
//! Constraints: the process that is sent a signal is the one that holds the state directory, by its lock. What it
//! answers is in its status, and comes from a file that others may write: no control character of it is printed.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;

use super::{CONFIG, FAILED, IO, fail, state_dir, table};
use crate::daemon;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often its answer is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Make a running daemon read its configuration again
#[derive(Debug, Args)]
#[command(after_help = "\
The file is checked first, and again by the daemon, which reads the file that it was started with. Connections and
sinks that are the same as before go on undisturbed; where anything is wrong, nothing changes.
Exit codes: 0 done, 1 no answer, 78 bad configuration.

Examples:
  cometail reload -c /etc/cometail/cometail.toml
  cometail reload --state-dir /var/lib/cometail")]
pub(super) struct Reload {
    /// The daemon's configuration [default: /etc/cometail/cometail.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's state directory, in place of its configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    state_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Snapshot {
    pid: u32,
    reload: Option<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    number: u64,
    ok: bool,
    problems: Vec<String>,
    changes: Vec<String>,
}

pub(super) fn main(reload: &Reload) -> u8 {
    let dir = match state_dir(reload.state_dir.as_ref(), reload.config.as_ref()) {
        Ok(Some(dir)) => dir,
        Ok(None) => {
            return fail(FAILED, &"this daemon has no state directory; send it SIGHUP and read its log");
        }
        Err(problems) => return fail(CONFIG, &problems),
    };
    match ask(&dir) {
        Ok(answer) => tell(&answer),
        Err(problem) => fail(FAILED, &problem),
    }
}

/// Sends the signal and waits for the answer.
fn ask(dir: &Path) -> Result<Answer, String> {
    let place = dir.display();
    let none = |error: io::Error| format!("{place}: {error}; does the daemon run?");
    let process = daemon::process(dir).map_err(none)?;
    let process = process.ok_or_else(|| format!("no daemon runs with the state directory {place}"))?;
    let before = read(dir, process).map_or(0, |answer| answer.number);
    hang_up(process).map_err(|error| format!("process {process} cannot be sent a signal: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(answer) = read(dir, process).filter(|answer| answer.number > before) {
            return Ok(answer);
        }
        if daemon::process(dir).ok() != Some(Some(process)) {
            return Err(format!("the daemon (process {process}) has ended"));
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("the daemon (process {process}) does not answer within {} s", PATIENCE.as_secs()))
}

/// What the daemon has answered last.
fn read(dir: &Path, process: u32) -> Option<Answer> {
    let text = std::fs::read_to_string(dir.join("status.json")).ok()?;
    let snapshot: Snapshot = serde_json::from_str(&text).ok()?;
    snapshot.reload.filter(|_| snapshot.pid == process)
}

fn tell(answer: &Answer) -> u8 {
    if !answer.ok {
        return fail(CONFIG, &answer.problems.join("\n"));
    }
    let nothing = [String::from("nothing has changed")];
    let changes = if answer.changes.is_empty() { &nothing[..] } else { &answer.changes };
    let mut out = io::stdout().lock();
    match changes.iter().try_for_each(|line| writeln!(out, "{}", line.replace(table::is_odd, " "))) {
        Ok(()) => 0,
        Err(error) => fail(IO, &error),
    }
}

#[cfg(unix)]
fn hang_up(process: u32) -> io::Result<()> {
    let id = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    let id = id.ok_or_else(|| io::Error::other("that is no process"))?;
    Ok(rustix::process::kill_process(id, rustix::process::Signal::HUP)?)
}

#[cfg(not(unix))]
fn hang_up(_process: u32) -> io::Result<()> {
    Err(io::Error::other("this system has no signals"))
}
