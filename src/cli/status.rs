//! `cometail status`: what a running daemon last wrote into its state directory.
//!
//! Constraints: names and words in it come from servers; none is printed with a control character. Whether the daemon
//! runs is told by its lock on the directory, which ends with the process, whatever the status says.

mod show;
mod snapshot;
mod watch;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use show::Shown;
use snapshot::{Connection, Journal, Sink, Snapshot};

use super::{CONFIG, FAILED, IO, fail, state_dir};
use crate::daemon;
use crate::status::millis;

/// Older than this, the daemon that wrote it does not run any more: it writes at least every ten seconds.
const STALE: Duration = Duration::from_secs(30);

/// Show the state of a running daemon
#[derive(Debug, Args)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own, and clap keeps apart which exclude each other"
)]
#[command(after_help = "\
Examples:
  cometail status -c /etc/cometail/cometail.toml
  cometail status --watch       again each second
  cometail status --health      nothing but the exit code: 0 when every channel is live and every sink delivers
  cometail status --alive       nothing but the exit code: 0 when the daemon runs, whatever its servers do")]
pub(super) struct Status {
    /// The daemon's configuration [default: /etc/cometail/cometail.toml, else COMETAIL_* variables]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's state directory, in place of its configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    state_dir: Option<PathBuf>,
    /// Print nothing when all is well; exit with 1 when the daemon does not run, the journal takes nothing, a connection or
    /// channel is not live, or a sink fails
    #[arg(long)]
    health: bool,
    /// Print nothing when the daemon runs and turns; exit with 1 when it does not
    #[arg(long, conflicts_with = "health")]
    alive: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show it again each second: drawn anew on a terminal, elsewhere a line for each change
    #[arg(short, long, conflicts_with_all = ["health", "alive"])]
    watch: bool,
}

pub(super) fn main(status: &Status) -> u8 {
    let dir = match state_dir(status.state_dir.as_ref(), status.config.as_ref()) {
        Ok(Some(dir)) => dir,
        Ok(None) => {
            return fail(FAILED, &"this daemon has no state directory, so it tells nothing of itself");
        }
        Err(problems) => return fail(CONFIG, &problems),
    };
    if status.watch {
        return watch::run(&dir, status.json).map_or_else(|error| fail(IO, &error), |()| 0);
    }
    let (text, snapshot) = match read(&dir) {
        Ok(read) => read,
        Err(error) => return fail(FAILED, &error),
    };
    let now = millis(SystemTime::now());
    let trouble = if status.alive { alive(&dir, &snapshot, now) } else { told(&dir, &snapshot, now) };
    let printed = match (status.health || status.alive, status.json) {
        (true, _) => Ok(()),
        (false, true) => writeln!(io::stdout(), "{text}"),
        (false, false) => write!(io::stdout(), "{}", Shown { snapshot: &snapshot, now }),
    };
    match (printed, trouble) {
        (Err(error), _) => fail(IO, &error),
        (Ok(()), Some(trouble)) => fail(FAILED, &trouble),
        (Ok(()), None) => 0,
    }
}

/// The status in a state directory, as its text too.
fn read(dir: &Path) -> Result<(String, Snapshot), String> {
    let path = dir.join("status.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; does the daemon run?", path.display()))?;
    let snapshot = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((text, snapshot))
}

/// The first thing that keeps the daemon of this directory from being healthy. Where its lock cannot be looked at, the
/// age of the status has to do.
fn told(dir: &Path, snapshot: &Snapshot, now: u64) -> Option<String> {
    trouble(snapshot, now, daemon::is_running(dir).ok())
}

/// Why it cannot be said that the daemon runs and turns.
fn alive(dir: &Path, snapshot: &Snapshot, now: u64) -> Option<String> {
    not_running(snapshot, now, daemon::is_running(dir).ok())
}

/// The first thing that keeps the daemon from being healthy; `running` where that is known.
fn trouble(snapshot: &Snapshot, now: u64, running: Option<bool>) -> Option<String> {
    not_running(snapshot, now, running)
        .or_else(|| snapshot.journal.as_ref().and_then(|one| without_room(one, now)))
        .or_else(|| snapshot.connections.iter().find_map(|one| down(one, now)))
        .or_else(|| snapshot.sinks.iter().find_map(|one| failing(one, now)))
}

fn not_running(snapshot: &Snapshot, now: u64, running: Option<bool>) -> Option<String> {
    let (process, age) = (snapshot.pid, now.saturating_sub(snapshot.updated_at));
    let ahead = snapshot.updated_at.saturating_sub(now);
    if running == Some(false) {
        let in_order = snapshot.connections.iter().all(|one| one.state == "closed");
        let how = if in_order { "has ended" } else { "does not run any more, and did not end in order" };
        return Some(format!(
            "the daemon (process {process}) {how}; it last wrote its status {} ago",
            ago(age)
        ));
    }
    if u128::from(ahead) > STALE.as_millis() {
        let ahead = ago(ahead);
        return Some(format!(
            "the status of the daemon (process {process}) is {ahead} in the future; check the clock"
        ));
    }
    (u128::from(age) > STALE.as_millis())
        .then(|| format!("the daemon (process {process}) last wrote its status {} ago", ago(age)))
}

fn without_room(one: &Journal, now: u64) -> Option<String> {
    if one.state == "good" {
        return None;
    }
    let (path, state) = (one.path.escape_debug(), one.state.escape_debug());
    let error = one.last_error.as_ref().map_or("no reason known", |error| &error.text);
    let since = ago(now.saturating_sub(one.since));
    Some(format!("the journal {path} takes nothing for {since}: {state}: {}", error.escape_debug()))
}

fn down(one: &Connection, now: u64) -> Option<String> {
    let name = one.name.escape_debug();
    if one.state != "live" {
        let (state, waiting) = (one.state.escape_debug().to_string(), one.waiting.escape_debug());
        let since = ago(now.saturating_sub(one.since));
        let error = one.login.as_ref().and_then(|login| login.error.as_ref());
        let error = error.or(one.last_error.as_ref().filter(|_| one.state == "cannot start"));
        let error = error.map(|error| format!(": {}", error.text.escape_debug())).unwrap_or_default();
        let state = if state == "cannot start" { state } else { format!("is {state}") };
        return Some(format!("connection {name} {state} for {since}, waiting {waiting}{error}"));
    }
    if one.stalled {
        return Some(format!("connection {name}: no connect has succeeded for too long"));
    }
    let channel = one.channels.iter().find(|channel| channel.standing != "live")?;
    let (named, standing) = (channel.name.escape_debug(), channel.standing.escape_debug());
    Some(format!("connection {name}: channel {named} is not live: {standing}"))
}

fn failing(one: &Sink, now: u64) -> Option<String> {
    let (name, error) = (one.name.escape_debug(), one.last_error.as_deref().unwrap_or("no reason known"));
    if one.state == "ended" {
        return Some(format!("sink {name} has ended"));
    }
    let since = ago(now.saturating_sub(one.failing_since?));
    if one.state == "cannot start" {
        return Some(format!("sink {name} cannot start for {since}: {}", error.escape_debug()));
    }
    Some(format!("sink {name} fails for {since}: {}", error.escape_debug()))
}

fn ago(millis: u64) -> String {
    match millis / 1000 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
