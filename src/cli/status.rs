//! `cometail status`: what a running daemon last wrote into its state directory.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Deserialize;

use super::{CONFIG, FAILED, IO, fail, load};
use crate::status::millis;

/// Older than this, the daemon that wrote it does not run any more: it writes at least every ten seconds.
const STALE: Duration = Duration::from_secs(30);

/// Show the state of a running daemon
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cometail status -c /etc/cometail/cometail.toml
  cometail status --health      nothing but the exit code: 0 when every connection is live")]
pub(super) struct Status {
    /// The daemon's configuration [default: /etc/cometail/cometail.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's state directory, in place of its configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    state_dir: Option<PathBuf>,
    /// Print nothing when all is well; exit with 1 when a connection is not live or the daemon does not run
    #[arg(long)]
    health: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Snapshot {
    pid: u32,
    updated_at: u64,
    connections: Vec<Connection>,
    sinks: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Connection {
    name: String,
    state: String,
    since: u64,
    events: u64,
    waiting: String,
    channels: Vec<ChannelStatus>,
    last_error: Option<Trouble>,
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
    let trouble = trouble(&snapshot, now);
    let printed = match (status.health, status.json) {
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

/// The first thing that keeps the daemon from being healthy.
fn trouble(snapshot: &Snapshot, now: u64) -> Option<String> {
    let age = now.saturating_sub(snapshot.updated_at);
    if u128::from(age) > STALE.as_millis() {
        return Some(format!("the daemon (process {}) last wrote its status {} ago", snapshot.pid, ago(age)));
    }
    let down = snapshot.connections.iter().find(|one| one.state != "live")?;
    let since = ago(now.saturating_sub(down.since));
    Some(format!("connection {} is {} for {since}, waiting {}", down.name, down.state, down.waiting))
}

fn print(out: &mut impl io::Write, snapshot: &Snapshot, now: u64) -> io::Result<()> {
    for one in &snapshot.connections {
        let since = ago(now.saturating_sub(one.since));
        writeln!(
            out,
            "connection {}: {} for {since}, waiting {}, {} events",
            one.name, one.state, one.waiting, one.events
        )?;
        for channel in &one.channels {
            writeln!(out, "  {} {}", channel.name, channel.standing)?;
        }
        if let Some(error) = &one.last_error {
            writeln!(
                out,
                "  last trouble {} ago: {}",
                ago(now.saturating_sub(error.at)),
                error.text.escape_debug()
            )?;
        }
    }
    for sink in &snapshot.sinks {
        writeln!(out, "sink {sink}")?;
    }
    Ok(())
}

fn ago(millis: u64) -> String {
    match millis / 1000 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
