//! `cometail wire`: what the session machine makes of a capture.
//!
//! Constraints: nothing is sent anywhere, and nothing but the capture is read. Its texts are a server's and other
//! people's: none is printed with a character that controls a terminal.
//!
//! Format: HAR 1.2, of `--wire`, of the daemon's own captures, or of a browser or proxy tool that watched another
//! CometD client. One line for each event: the time since the first request, the session's state, `>` sent, `<` came,
//! `*` decided, `.` waits, `!` otherwise than recorded, and the number of the entry; or one JSON object.

mod asks;
mod har;
mod ledger;
mod line;
mod replay;
mod tailor;
mod talk;
#[cfg(test)]
mod tests;
mod words;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::org::printed;
use super::table::clean;
use super::{FAILED, IO, fail};
use talk::Talk;

/// Replay a capture offline: what the session decided, and why
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 0 where the session of today does what was recorded and the capture ends without trouble, and 1
where it decides otherwise or the capture ends in trouble.

Examples:
  cometail tail https://acme.my.salesforce.com/cometd/61.0 /topic/InvoiceStatementUpdates --wire wire.har
  cometail wire wire.har")]
pub(super) struct Wire {
    /// The capture
    file: PathBuf,
    /// Only this connection, where the capture has several
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn main(wire: &Wire) -> u8 {
    let told = |error: &dyn std::fmt::Display, code| fail(code, &format!("{}: {error}", wire.file.display()));
    let file = match open(wire) {
        Ok(file) => file,
        Err(error) => return told(&error, IO),
    };
    let entries = match har::read(file) {
        Ok(entries) => entries,
        Err(error) => return told(&error, FAILED),
    };
    let mut talks = talk::talks(entries);
    if let Some(name) = &wire.connection {
        talks.retain(|talk| talk.name == *name);
    }
    if talks.is_empty() {
        return told(&"no request of a CometD client is in it", FAILED);
    }
    match show(wire, &talks) {
        Ok(true) => 0,
        Ok(false) => FAILED,
        Err(error) => printed(Err(error)).err().unwrap_or_default(),
    }
}

fn open(wire: &Wire) -> io::Result<BufReader<File>> {
    let file = File::open(&wire.file)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a capture is a regular file"));
    }
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Prints the replay of each talk; whether all went as recorded and ended well.
fn show(wire: &Wire, talks: &[Talk]) -> io::Result<bool> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut good = true;
    for talk in talks {
        if !wire.json {
            writeln!(out, "{}", heading(talk))?;
        }
        let mut written = Ok(());
        let summary = replay::replay(talk, &mut |line| {
            if written.is_ok() {
                written = if wire.json {
                    writeln!(out, "{}", line.json(&talk.name, talk.began))
                } else {
                    writeln!(out, "{line}")
                };
            }
        });
        written?;
        good &= summary.deviations == 0 && summary.trouble.is_none();
    }
    out.flush()?;
    Ok(good)
}

fn heading(talk: &Talk) -> String {
    let others = if talk.others == 0 { String::new() } else { format!(", {} other entries", talk.others) };
    let text = format!(
        "{} at {}: {} requests{others}, from {}",
        talk.name,
        talk.url,
        talk.requests.len(),
        talk.began
    );
    clean(&text)
}
