//! `cometail journal`: what is in the journal, whether it is whole, and sending of it again.
//!
//! Constraints: a daemon may be writing meanwhile. Nothing here writes into a journal, but for the cursor of a file
//! sink while no daemon runs. Names and reasons come from servers; none is printed with a control character but inside
//! of JSON.

mod inspect;
mod letters;
mod parked;
mod range;
mod replay;
mod verify;

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::progress::Progress;
use super::{CONFIG, FAILED, IO, USAGE, fail, load};
use crate::config::Config;
use crate::journal::{self, Inspection, OpenError};
use crate::sinks;

/// In use by another process.
const IN_USE: u8 = 75;

/// Look at the journal, check it, and send of it again
#[derive(Debug, Args)]
pub(super) struct Journal {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    Replay(replay::Replay),
    #[command(subcommand)]
    Parked(parked::Parked),
}

/// What went well, or the exit code after the reason was told.
type Outcome<T> = Result<T, u8>;

pub(super) fn main(journal: &Journal) -> u8 {
    let ended = match &journal.command {
        Command::Inspect(inspect) => inspect::main(inspect),
        Command::Verify(verify) => verify::main(verify),
        Command::Replay(replay) => replay::main(replay),
        Command::Parked(parked) => parked::main(parked),
    };
    ended.unwrap_or_else(|code| code)
}

/// Which journal is meant.
#[derive(Debug, Args)]
struct Place {
    /// The daemon's configuration [default: /etc/cometail/cometail.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The journal's directory, in place of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,
}

impl Place {
    fn dir(&self) -> Outcome<PathBuf> {
        match &self.dir {
            Some(dir) => Ok(dir.clone()),
            None => dir_of(&configured(self.config.as_ref())?),
        }
    }
}

fn configured(path: Option<&PathBuf>) -> Outcome<Config> {
    load(path).map(|(config, _)| config).map_err(|problems| fail(CONFIG, &problems))
}

/// Where the daemon of this configuration keeps its journal.
fn dir_of(config: &Config) -> Outcome<PathBuf> {
    let dir = config.state_dir.as_ref().map(|dir| dir.join("journal"));
    dir.ok_or_else(|| fail(FAILED, &"this daemon has no state directory, so it keeps no journal"))
}

/// The sink of this name.
fn sink_of(config: &Config, name: &str) -> Outcome<sinks::Config> {
    let sink = config.sinks.iter().find(|sink| &*sink.name == name);
    sink.cloned()
        .ok_or_else(|| fail(USAGE, &format!("the configuration has no sink '{}'", name.escape_debug())))
}

/// Whether a process writes the journal; the command ends when there is no journal.
fn is_written(dir: &Path) -> Outcome<bool> {
    journal::is_written(dir).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => fail(IO, &format!("there is no journal in {}", dir.display())),
        _ => fail(IO, &format!("journal {}: {error}", dir.display())),
    })
}

fn unreadable(dir: &Path) -> impl Fn(OpenError) -> u8 {
    move |error| fail(IO, &format!("{}: {error}", dir.display()))
}

/// Everything that is in a journal; how far that is, is told.
fn read(dir: &Path) -> Outcome<Inspection> {
    let mut progress = Progress::new("reading the journal, bytes");
    journal::inspect_telling(dir, &mut |done, all| progress.at(done, all)).map_err(|error| {
        progress.clear();
        unreadable(dir)(error)
    })
}

/// The end of a command that printed: a closed standard output leaves nobody to tell.
fn printed(written: io::Result<()>) -> Outcome<()> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(fail(IO, &format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// RFC 3339 with milliseconds; 1970 for a clock outside of the years -9999 to 9999.
fn time(time: SystemTime) -> String {
    format!("{:.3}", Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Tells without ending.
fn warn(text: &impl Display) {
    fail(0, text);
}
