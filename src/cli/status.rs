//! `cometail status`: what a running daemon last wrote into its state directory.
//!
//! Constraints: names and words in it come from servers; none is printed with a control character. Whether the daemon
//! runs is told by its lock on the directory, which ends with the process, whatever the status says.

mod login;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Deserialize;

use super::{CONFIG, FAILED, IO, fail, load};
use crate::daemon;
use crate::status::millis;

/// Older than this, the daemon that wrote it does not run any more: it writes at least every ten seconds.
const STALE: Duration = Duration::from_secs(30);

/// Show the state of a running daemon
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cometail status -c /etc/cometail/cometail.toml
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
}

#[derive(Deserialize)]
struct Snapshot {
    pid: u32,
    updated_at: u64,
    journal: Option<Journal>,
    connections: Vec<Connection>,
    sinks: Vec<Sink>,
}

#[derive(Deserialize)]
struct Journal {
    path: String,
    bytes: u64,
    segments: u64,
    next_sequence: u64,
    durable: u64,
    state: String,
    since: u64,
    last_error: Option<Trouble>,
    lost: u64,
    damaged: u64,
    gaps: u64,
}

#[derive(Deserialize)]
struct Sink {
    name: String,
    kind: String,
    state: String,
    delivered: u64,
    queued_events: u64,
    /// Behind the journal's end; none without a journal.
    lag: Option<u64>,
    /// Whether the journal keeps events for it; none without a journal.
    kept: Option<bool>,
    parked: u64,
    refused: u64,
    dropped: u64,
    failing_since: Option<u64>,
    last_error: Option<String>,
}

#[derive(Deserialize)]
struct Connection {
    name: String,
    state: String,
    since: u64,
    events: u64,
    waiting: String,
    paused_since: Option<u64>,
    stalled: bool,
    gaps: u64,
    set_aside: u64,
    repeats: u64,
    late: u64,
    channels: Vec<ChannelStatus>,
    last_error: Option<Trouble>,
    login: Option<login::Login>,
    #[serde(default)]
    limits: Vec<login::Limit>,
}

#[derive(Deserialize)]
struct ChannelStatus {
    name: String,
    standing: String,
}

#[derive(Deserialize)]
struct Trouble {
    at: u64,
    text: String,
}

pub(super) fn main(status: &Status) -> u8 {
    let dir = match (&status.state_dir, load(status.config.as_ref())) {
        (Some(dir), _) => dir.clone(),
        (None, Ok((config, _))) => match config.state_dir {
            Some(dir) => dir,
            None => {
                return fail(FAILED, &"this daemon has no state directory, so it tells nothing of itself");
            }
        },
        (None, Err(problems)) => return fail(CONFIG, &problems),
    };
    let path = dir.join("status.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return fail(FAILED, &format!("{}: {error}; does the daemon run?", path.display())),
    };
    let snapshot: Snapshot = match serde_json::from_str(&text) {
        Ok(snapshot) => snapshot,
        Err(error) => return fail(FAILED, &format!("{}: {error}", path.display())),
    };
    let now = millis(SystemTime::now());
    // Where the lock cannot be looked at, the age of the status has to do.
    let running = daemon::is_running(&dir).ok();
    let look = if status.alive { not_running } else { trouble };
    let trouble = look(&snapshot, now, running);
    let printed = match (status.health || status.alive, status.json) {
        (true, _) => Ok(()),
        (false, true) => writeln!(io::stdout(), "{text}"),
        (false, false) => print(&mut io::stdout().lock(), &snapshot, now),
    };
    match (printed, trouble) {
        (Err(error), _) => fail(IO, &error),
        (Ok(()), Some(trouble)) => fail(FAILED, &trouble),
        (Ok(()), None) => 0,
    }
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
        let (state, waiting) = (one.state.escape_debug(), one.waiting.escape_debug());
        let since = ago(now.saturating_sub(one.since));
        let error = one.login.as_ref().and_then(|login| login.error.as_ref());
        let error = error.map(|error| format!(": {}", error.text.escape_debug())).unwrap_or_default();
        return Some(format!("connection {name} is {state} for {since}, waiting {waiting}{error}"));
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
    Some(format!("sink {name} fails for {since}: {}", error.escape_debug()))
}

fn print(out: &mut impl io::Write, snapshot: &Snapshot, now: u64) -> io::Result<()> {
    if let Some(one) = &snapshot.journal {
        print_journal(out, one, now)?;
    }
    for one in &snapshot.connections {
        let since = ago(now.saturating_sub(one.since));
        write!(
            out,
            "connection {}: {} for {since}, waiting {}, {} events",
            one.name.escape_debug(),
            one.state.escape_debug(),
            one.waiting.escape_debug(),
            one.events
        )?;
        if let Some(since) = one.paused_since {
            write!(out, ", paused for {}", ago(now.saturating_sub(since)))?;
        }
        let counts =
            [(one.gaps, "gaps"), (one.set_aside, "set aside"), (one.repeats, "repeats"), (one.late, "late")];
        print_counts(out, &counts)?;
        for channel in &one.channels {
            writeln!(out, "  {} {}", channel.name.escape_debug(), channel.standing.escape_debug())?;
        }
        if let Some(login) = &one.login {
            login.print(out, now)?;
        }
        one.limits.iter().try_for_each(|limit| limit.print(out))?;
        if let Some(error) = &one.last_error {
            let since = ago(now.saturating_sub(error.at));
            writeln!(out, "  last trouble {since} ago: {}", error.text.escape_debug())?;
        }
    }
    snapshot.sinks.iter().try_for_each(|sink| print_sink(out, sink, now))
}

fn print_sink(out: &mut impl io::Write, one: &Sink, now: u64) -> io::Result<()> {
    write!(
        out,
        "sink {} ({}): {}, {} delivered, {} {}",
        one.name.escape_debug(),
        one.kind.escape_debug(),
        one.state.escape_debug(),
        one.delivered,
        one.lag.unwrap_or(one.queued_events),
        if one.lag.is_some() { "behind" } else { "queued" }
    )?;
    if one.kept == Some(false) {
        write!(out, " and not kept")?;
    }
    if let Some(since) = one.failing_since {
        write!(out, ", failing for {}", ago(now.saturating_sub(since)))?;
    }
    print_counts(out, &[(one.parked, "parked"), (one.refused, "refused"), (one.dropped, "lost")])?;
    match &one.last_error {
        Some(error) => writeln!(out, "  last trouble: {}", error.escape_debug()),
        None => Ok(()),
    }
}

fn print_journal(out: &mut impl io::Write, one: &Journal, now: u64) -> io::Result<()> {
    let unsynced = one.next_sequence.saturating_sub(one.durable);
    write!(
        out,
        "journal {}: {} for {}, {} bytes in {} segments, next event {}, {unsynced} not synced",
        one.path.escape_debug(),
        one.state.escape_debug(),
        ago(now.saturating_sub(one.since)),
        one.bytes,
        one.segments,
        one.next_sequence
    )?;
    print_counts(out, &[(one.lost, "lost"), (one.damaged, "damaged places"), (one.gaps, "gap records")])?;
    match &one.last_error {
        Some(error) => {
            let since = ago(now.saturating_sub(error.at));
            writeln!(out, "  last trouble {since} ago: {}", error.text.escape_debug())
        }
        None => Ok(()),
    }
}

/// What there is of these, to the end of the line.
fn print_counts(out: &mut impl io::Write, counts: &[(u64, &str)]) -> io::Result<()> {
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        write!(out, ", {count} {what}")?;
    }
    writeln!(out)
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
