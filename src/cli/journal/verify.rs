//! `cometail journal verify`: whether everything is there and as it was written.

use std::fmt;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::inspect::numbers;
use super::{FAILED, Outcome, Place, is_written, printed, read, unreadable};
use crate::journal::{Hole, Inspection, Library, OpenError, Reason, segment_file};

/// How long the end of a record may be under way.
const TAIL: Duration = Duration::from_secs(2);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// Check every sum; exit with 1 when anything is missing or damaged
#[derive(Debug, Args)]
#[command(after_help = "\
It reads everything and changes nothing; a daemon may be running.

Example:
  cometail journal verify -c /etc/cometail/cometail.toml")]
pub(super) struct Verify {
    #[command(flatten)]
    place: Place,
}

pub(super) fn main(verify: &Verify) -> Outcome<u8> {
    let dir = verify.place.dir()?;
    let written = is_written(&dir)?;
    let mut found = read(&dir)?;
    if written && found.torn > 0 && is_finished(&dir, &found).map_err(unreadable(&dir))? {
        found.torn = 0;
    }
    let problems = problems(&found, false);
    print(&found, &problems).or_else(|code| if problems.is_empty() { Err(code) } else { Ok(()) })?;
    Ok(if problems.is_empty() { 0 } else { FAILED })
}

fn print(found: &Inspection, problems: &[Problem]) -> Outcome<()> {
    let mut out = io::stdout().lock();
    printed(problems.iter().try_for_each(|problem| writeln!(out, "{problem}")))?;
    if problems.is_empty() {
        let events: u64 = found.segments.iter().map(|segment| segment.events).sum();
        let (segments, cursors) = (found.segments.len(), found.cursors.len());
        return printed(writeln!(out, "ok: {segments} segments, {events} events, {cursors} cursors"));
    }
    printed(writeln!(out, "not whole: {} problems", problems.len()))
}

/// Whether the record at the end, which was not whole, soon is: a process is writing.
fn is_finished(dir: &Path, found: &Inspection) -> Result<bool, OpenError> {
    let until = Instant::now() + TAIL;
    while Instant::now() < until {
        if Library::open(dir)?.next_sequence() > found.next {
            return Ok(true);
        }
        std::thread::sleep(LOOK);
    }
    Ok(false)
}

/// Something that is not as it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Its name in the journal's directory.
    file: String,
    /// Its place there; empty where the whole file is meant.
    bytes: Range<u64>,
    what: String,
    /// The events that were there, where known.
    events: Option<Range<u64>>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if !self.bytes.is_empty() {
            write!(f, " at byte {}, {} bytes", self.bytes.start, self.bytes.end - self.bytes.start)?;
        }
        write!(f, ": {}", self.what)?;
        self.events.as_ref().map_or(Ok(()), |events| write!(f, "; {}", numbers(events)))
    }
}

impl Problem {
    pub(super) fn json(&self) -> Value {
        let bytes = (!self.bytes.is_empty()).then(|| json!([self.bytes.start, self.bytes.end]));
        let events = self.events.as_ref().map(|events| json!([events.start, events.end]));
        json!({"file": self.file, "bytes": bytes, "what": self.what, "events": events})
    }

    fn hole(hole: &Hole) -> Self {
        let (bytes, what, events) = (hole.bytes.clone(), hole.reason.to_string(), hole.events.clone());
        Self { file: segment_file(hole.segment), bytes, what, events }
    }
}

/// Everything that is not whole, in the order of its place. `written`: a process may be about to finish the last
/// record.
pub(super) fn problems(found: &Inspection, written: bool) -> Vec<Problem> {
    let mut holes = found.holes.clone();
    for hole in found.segments.iter().flat_map(|segment| &segment.holes) {
        // Those of the last segment are told twice, with the events in the first place.
        if !holes.iter().any(|known| known.segment == hole.segment && known.bytes == hole.bytes) {
            holes.push(hole.clone());
        }
    }
    holes.extend(jumps(found, &holes));
    holes.extend(torn(found).filter(|torn| {
        !written && !holes.iter().any(|known| known.segment == torn.segment && known.bytes == torn.bytes)
    }));
    holes.sort_by_key(|hole| (hole.segment, hole.bytes.start));
    let cursors = found.damaged_cursors.iter().map(|name| Problem {
        file: format!("cursors/{}", name.escape_debug()),
        bytes: 0..0,
        what: "no file of this cursor is whole".to_owned(),
        events: None,
    });
    holes.iter().map(Problem::hole).chain(cursors).collect()
}

/// Numbers between segments that nothing else accounts for.
fn jumps(found: &Inspection, holes: &[Hole]) -> Vec<Hole> {
    let mut jumps = Vec::new();
    let mut end = found.segments.first().map_or(0, |segment| segment.end);
    for (before, after) in found.segments.iter().zip(found.segments.iter().skip(1)) {
        let told = holes.iter().any(|hole| (before.number..after.number).contains(&hole.segment));
        if after.first > end && !told {
            let (segment, events) = (before.number, Some(end..after.first));
            let bytes = before.bytes..before.bytes;
            jumps.push(Hole { segment, bytes, reason: Reason::Unsynced, events });
        }
        end = end.max(after.end);
    }
    jumps
}

fn torn(found: &Inspection) -> Option<Hole> {
    let last = found.segments.last().filter(|_| found.torn > 0)?;
    let bytes = last.bytes..last.bytes.saturating_add(found.torn);
    Some(Hole { segment: last.number, bytes, reason: Reason::CutShort, events: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Positions, SegmentReport};

    fn segment(number: u64, first: u64, end: u64) -> SegmentReport {
        SegmentReport { number, first, end, bytes: 100, ..SegmentReport::default() }
    }

    fn hole(segment: u64, bytes: Range<u64>, events: Option<Range<u64>>) -> Hole {
        Hole { segment, bytes, reason: Reason::Sum, events }
    }

    fn found(segments: Vec<SegmentReport>) -> Inspection {
        Inspection {
            segments,
            positions: Positions::default(),
            cursors: Vec::new(),
            next: 30,
            holes: Vec::new(),
            torn: 0,
            damaged_cursors: Vec::new(),
        }
    }

    #[test]
    fn each_hole_is_told_once_and_with_its_events() {
        let mut found = found(vec![segment(1, 0, 10), segment(2, 10, 30)]);
        assert!(problems(&found, false).is_empty());
        found.segments[1].holes = vec![hole(2, 50..60, None), hole(2, 44..50, None)];
        found.holes = vec![hole(2, 50..60, Some(12..14))];
        found.damaged_cursors = vec!["a".to_owned()];
        found.torn = 7;
        let told: Vec<_> = problems(&found, false).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "00000000000000000002.segment at byte 44, 6 bytes: a record does not have its checksum",
                "00000000000000000002.segment at byte 50, 10 bytes: a record does not have its checksum; events 12 to 13",
                "00000000000000000002.segment at byte 100, 7 bytes: a record is cut short",
                "cursors/a: no file of this cursor is whole",
            ]
        );
        assert_eq!(problems(&found, true).len(), 3, "a process may be about to write the rest");
    }

    #[test]
    fn numbers_that_nothing_accounts_for_are_told() {
        // The second begins again where a sync of the first had failed.
        let mut found = found(vec![segment(1, 0, 12), segment(2, 10, 20), segment(4, 25, 30)]);
        let told: Vec<_> = problems(&found, false).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["00000000000000000002.segment: events that were not yet synced are gone; events 20 to 24"]
        );
        found.holes = vec![Hole { segment: 3, bytes: 0..0, reason: Reason::Missing, events: Some(20..25) }];
        let told: Vec<_> = problems(&found, false).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["00000000000000000003.segment: the segment is missing; events 20 to 24"]);
    }
}
