//! `cometail journal inspect`: segments, positions, cursors.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::verify::{self, Problem};
use super::{Outcome, Place, is_written, printed, read, time};
use crate::journal::{Committed, Inspection, SegmentReport, segment_file};

/// Show segments, positions and cursors
#[derive(Debug, Args)]
#[command(after_help = "\
It reads everything and changes nothing; a daemon may be running.

Examples:
  cometail journal inspect -c /etc/cometail/cometail.toml
  cometail journal inspect --dir /var/lib/cometail/journal --json | jq '.cursors[].lag'")]
pub(super) struct Inspect {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn main(inspect: &Inspect) -> Outcome<u8> {
    let dir = inspect.place.dir()?;
    let written = is_written(&dir)?;
    let found = read(&dir)?;
    let out = io::stdout().lock();
    printed(if inspect.json { print_json(out, &found, written) } else { print(out, &dir, &found, written) })?;
    Ok(0)
}

/// The first and the last number of a range, for a person.
pub(super) fn numbers(events: &Range<u64>) -> String {
    match events.end.checked_sub(1) {
        Some(last) if last > events.start => format!("events {} to {last}", events.start),
        Some(last) if last == events.start => format!("event {last}"),
        _ => "no events".to_owned(),
    }
}

fn lag(found: &Inspection, cursor: &Committed) -> u64 {
    found.next.saturating_sub(cursor.sequence)
}

fn print(mut out: impl Write, dir: &Path, found: &Inspection, written: bool) -> io::Result<()> {
    let bytes: u64 = found.segments.iter().map(|segment| segment.bytes).sum();
    let (count, next) = (found.segments.len(), found.next);
    let writer = if written { "a process writes it" } else { "no process writes it" };
    writeln!(out, "journal {}: {count} segments, {bytes} bytes, next event {next}, {writer}", dir.display())?;
    found.segments.iter().try_for_each(|segment| print_segment(&mut out, segment))?;
    for (connection, channel, replay) in found.positions.iter() {
        let (connection, channel) = (connection.escape_debug(), channel.as_str().escape_debug());
        writeln!(out, "position {connection} {channel}: replay id {replay}")?;
    }
    for (name, cursor) in &found.cursors {
        let (at, lag) = (cursor.sequence, lag(found, cursor));
        writeln!(out, "cursor {}: next event {at}, {lag} behind", name.escape_debug())?;
    }
    verify::problems(found, written).iter().try_for_each(|problem| writeln!(out, "damage {problem}"))
}

fn print_segment(out: &mut impl Write, segment: &SegmentReport) -> io::Result<()> {
    let events = numbers(&(segment.first..segment.end));
    write!(out, "segment {}: {events}, {} batches, ", segment.number, segment.batches)?;
    write!(out, "{} bytes", segment.bytes)?;
    match segment.received {
        Some((first, last)) => writeln!(out, ", {} to {}", time(first), time(last)),
        None => writeln!(out),
    }
}

fn print_json(mut out: impl Write, found: &Inspection, written: bool) -> io::Result<()> {
    let positions = found.positions.iter().map(|(connection, channel, replay)| {
        json!({"connection": connection, "channel": channel.as_str(), "replay_id": replay.0})
    });
    let cursors = found
        .cursors
        .iter()
        .map(|(name, cursor)| json!({"name": name, "sequence": cursor.sequence, "lag": lag(found, cursor)}));
    let problems = verify::problems(found, written);
    let all = json!({
        "written": written,
        "next": found.next,
        "segments": found.segments.iter().map(segment_json).collect::<Vec<_>>(),
        "positions": positions.collect::<Vec<_>>(),
        "cursors": cursors.collect::<Vec<_>>(),
        "damage": problems.iter().map(Problem::json).collect::<Vec<_>>(),
    });
    writeln!(out, "{all}")
}

fn segment_json(segment: &SegmentReport) -> Value {
    let (first, last) = segment.received.map(|(first, last)| (time(first), time(last))).unzip();
    json!({
        "number": segment.number, "file": segment_file(segment.number), "first": segment.first,
        "end": segment.end, "batches": segment.batches, "events": segment.events, "bytes": segment.bytes,
        "first_received": first, "last_received": last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_told_by_its_first_and_last_number() {
        assert_eq!(numbers(&(0..0)), "no events");
        assert_eq!(numbers(&(5..5)), "no events");
        assert_eq!(numbers(&(5..6)), "event 5");
        assert_eq!(numbers(&(5..8)), "events 5 to 7");
    }

    #[test]
    fn nothing_from_outside_drives_the_terminal() {
        let evil = "a\u{1b}[2J\r\nb\u{9b}c\u{202e}";
        let cursor = Committed { sequence: 3, note: Vec::new() };
        let found = Inspection {
            segments: vec![SegmentReport { number: 1, end: 4, ..SegmentReport::default() }],
            positions: crate::journal::Positions::default(),
            cursors: vec![(evil.to_owned(), cursor)],
            next: 4,
            holes: Vec::new(),
            torn: 0,
            damaged_cursors: vec![evil.to_owned()],
        };
        let mut out = Vec::new();
        print(&mut out, Path::new("j"), &found, true).unwrap();
        let printed = String::from_utf8(out).unwrap();
        assert_eq!(printed.lines().count(), 4, "{printed}");
        assert!(printed.contains(": next event 3, 1 behind\n"), "{printed}");
        assert!(
            !printed.replace('\n', "").contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{printed:?}"
        );
    }
}
