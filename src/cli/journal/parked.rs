//! `cometail journal parked`: the events that an endpoint refused for good.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Subcommand};

use super::letters::{Letter, Taken, files};
use super::replay::Stop;
use super::{FAILED, IN_USE, IO, Outcome, USAGE, configured, fail, printed, sink_of, warn};
use crate::sinks::{self, Answer, Kind, Resender};

/// List, send again or drop the events that a webhook refused for good
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A daemon may be running. An event may be sent twice when a retry is interrupted, with the same id.

Examples:
  cometail journal parked list orders
  cometail journal parked retry orders
  cometail journal parked drop orders --id 9c5b3b0e-2f0f-4b4e-9d3f-0a6f3c2b1a00")]
pub(super) enum Parked {
    List(List),
    Retry(Retry),
    Drop(Drop),
}

/// Which file is meant.
#[derive(Debug, Args)]
struct Of {
    /// The daemon's configuration [default: /etc/cometail/cometail.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The webhook's name in the configuration
    sink: String,
}

/// Show when, which and why
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    of: Of,
}

/// Send again; what the endpoint accepts is parked no longer
#[derive(Debug, Args)]
pub(super) struct Retry {
    #[command(flatten)]
    of: Of,
    /// Only this event; may be given several times
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
}

/// Forget, for good
#[derive(Debug, Args)]
pub(super) struct Drop {
    #[command(flatten)]
    of: Of,
    /// This event; may be given several times
    #[arg(long, value_name = "ID", required_unless_present = "all")]
    id: Vec<String>,
    /// Every event
    #[arg(long, conflicts_with = "id")]
    all: bool,
}

pub(super) fn main(parked: &Parked) -> Outcome<u8> {
    match parked {
        Parked::List(one) => one.of.open().and_then(|(_, path)| list(&path)),
        Parked::Retry(one) => one.of.open().and_then(|(sink, path)| retry(sink, &path, &one.id)),
        Parked::Drop(one) => one.of.open().and_then(|(_, path)| forget(&path, &one.id)),
    }
}

impl Of {
    /// The sink, and its file.
    fn open(&self) -> Outcome<(sinks::Config, PathBuf)> {
        let sink = sink_of(&configured(self.config.as_ref())?, &self.sink)?;
        let name = self.sink.escape_debug();
        let Kind::Webhook(hook) = &sink.kind else {
            return Err(fail(USAGE, &format!("sink '{name}' is no webhook; only webhooks park events")));
        };
        let Some(path) = hook.parked.clone() else {
            return Err(fail(FAILED, &format!("sink '{name}' parks nothing: it has no `parked` file")));
        };
        Ok((sink, path))
    }
}

fn lost(path: &Path) -> impl Fn(io::Error) -> u8 {
    move |error| match error.kind() {
        io::ErrorKind::ResourceBusy => {
            fail(IN_USE, &format!("{}: another cometail is at it", path.display()))
        }
        _ => fail(IO, &format!("{}: {error}", path.display())),
    }
}

fn list(path: &Path) -> Outcome<u8> {
    let mut out = io::stdout().lock();
    for mut lines in files(path).map_err(lost(path))? {
        while let Some(piece) = lines.next().map_err(lost(path))? {
            let told = print(&mut out, piece.letter().as_ref());
            if told.is_err() {
                return printed(told).map(|()| 0);
            }
        }
    }
    Ok(0)
}

fn print(mut out: impl Write, letter: Option<&Letter<'_>>) -> io::Result<()> {
    let Some(Letter { at, id, reason, .. }) = letter else {
        return writeln!(out, "a line that is no parked event");
    };
    writeln!(out, "{} {} {}", at.escape_debug(), id.escape_debug(), reason.escape_debug())
}

/// The events that a person named, and what has become of them.
struct Chosen<'a> {
    ids: &'a [String],
    seen: Vec<bool>,
}

impl<'a> Chosen<'a> {
    fn new(ids: &'a [String]) -> Self {
        Self { ids, seen: vec![false; ids.len()] }
    }

    fn has(&mut self, letter: &Letter<'_>) -> bool {
        let mut found = self.ids.is_empty();
        for (id, seen) in self.ids.iter().zip(&mut self.seen) {
            if *id == letter.id {
                (*seen, found) = (true, true);
            }
        }
        found
    }

    /// Tells of those that are not there; whether all are.
    fn all_seen(&self) -> bool {
        for (id, _) in self.ids.iter().zip(&self.seen).filter(|(_, seen)| !**seen) {
            warn(&format!("no parked event has the id '{}'", id.escape_debug()));
        }
        self.seen.iter().all(|seen| *seen)
    }
}

fn forget(path: &Path, ids: &[String]) -> Outcome<u8> {
    let mut chosen = Chosen::new(ids);
    let dropped = match Taken::take(path).map_err(lost(path))? {
        Some(taken) => drop_chosen(taken, &mut chosen).map_err(lost(path))?,
        None => 0,
    };
    let all = chosen.all_seen();
    printed(writeln!(io::stdout(), "{dropped} dropped"))?;
    Ok(if all { 0 } else { FAILED })
}

fn drop_chosen(mut taken: Taken, chosen: &mut Chosen<'_>) -> io::Result<u64> {
    let mut dropped = 0;
    while let Some(piece) = taken.lines.next()? {
        // With every event goes what is none, too.
        let goes = piece.letter().map_or(chosen.ids.is_empty(), |letter| chosen.has(&letter));
        if goes { dropped += 1 } else { taken.kept.keep(piece.bytes)? }
    }
    taken.finish()?;
    Ok(dropped)
}

/// What has come of a retry.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    refused: u64,
    /// Not tried, as the endpoint cannot be reached or the end was asked for.
    left: u64,
}

fn retry(sink: sinks::Config, path: &Path, ids: &[String]) -> Outcome<u8> {
    let resender = Resender::open(sink).map_err(|error| fail(IO, &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(IO, &error))?;
    let mut chosen = Chosen::new(ids);
    let tally = match Taken::take(path).map_err(lost(path))? {
        Some(taken) => runtime.block_on(resend(taken, resender, &mut chosen)).map_err(lost(path))?,
        None => Tally::default(),
    };
    let all = chosen.all_seen();
    let Tally { sent, refused, left } = tally;
    printed(writeln!(io::stdout(), "{sent} sent, {} stay parked", refused + left))?;
    Ok(if all && refused + left == 0 { 0 } else { FAILED })
}

async fn resend(mut taken: Taken, mut to: Resender, chosen: &mut Chosen<'_>) -> io::Result<Tally> {
    let (mut tally, mut stop, mut goes_on) = (Tally::default(), Stop::new()?, true);
    while let Some(piece) = taken.lines.next()? {
        let Some(letter) = piece.letter().filter(|letter| chosen.has(letter)) else {
            taken.kept.keep(piece.bytes)?;
            continue;
        };
        let answer = if goes_on { Some(attempt(&mut to, &letter, &mut stop).await) } else { None };
        match answer {
            Some(Answer::Accepted) => {
                tally.sent += 1;
                continue;
            }
            Some(Answer::Refused(reason)) => {
                tally.refused += 1;
                warn(&format!("{}: {}", letter.id.escape_debug(), reason.escape_debug()));
            }
            Some(Answer::Failed(error)) => {
                (tally.left, goes_on) = (tally.left + 1, false);
                warn(&error.escape_debug());
            }
            None => tally.left += 1,
        }
        taken.kept.keep(piece.bytes)?;
    }
    taken.finish()?;
    Ok(tally)
}

async fn attempt(to: &mut Resender, letter: &Letter<'_>, stop: &mut Stop) -> Answer {
    let record = Bytes::copy_from_slice(letter.record.get().as_bytes());
    tokio::select! {
        answer = to.send(&letter.id, record) => answer.unwrap_or_else(|error| Answer::Failed(error.to_string())),
        () = stop.asked() => Answer::Failed("interrupted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_time_an_id_and_a_reason_and_drives_no_terminal() {
        let line = r#"{"at":"t","sink":"s","reason":"r\u001b[2J\n","id":"\u009bi","record":1}"#;
        let letter = serde_json::from_str(line).unwrap();
        let mut out = Vec::new();
        print(&mut out, Some(&letter)).unwrap();
        print(&mut out, None).unwrap();
        let printed = String::from_utf8(out).unwrap();
        assert_eq!(printed, "t \\u{9b}i r\\u{1b}[2J\\n\na line that is no parked event\n");
    }
}
