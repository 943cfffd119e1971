//! What was found damaged in the journal: what of it is to be told, and the log lines about it.
//!
//! * Damage stays: each start finds a missing segment again. It is told once, as gap records whose reason names
//!   the places, so that the journal itself says what has been told.
//! * What every sink has passed concerns nobody, and is not told as a gap.
//! * Where it is not known whether something was told, it is told.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use crate::journal::{Hole, Kind, Library, Read, Record, Recovery};

/// How many damaged places are told at a start; the next one tells what is left.
const TOLD_MAX: usize = 10;

/// What the reason of every gap record about damage begins with.
const MARK: &str = "the journal was damaged in ";

/// The damage of one start.
pub(super) struct Damage {
    fresh: Vec<Hole>,
    /// What has been told, or concerns nobody.
    old: Vec<Hole>,
    /// Places that are not listed.
    more: u64,
}

impl Damage {
    /// Sorts what was found. `passed` is what every sink has passed.
    pub(super) fn sort(path: &Path, recovery: &Recovery, library: &Library, passed: u64) -> Self {
        let concerns = |hole: &Hole| library.end_of(hole) > passed;
        let mut old = recovery.holes.clone();
        let mut fresh: Vec<_> = old.extract_if(.., |hole| concerns(hole)).collect();
        match told(library, passed, &fresh) {
            Ok(told) => old.extend(fresh.extract_if(.., |hole| told.contains(&hole.to_string()))),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the journal cannot be read: damage may be told again");
            }
        }
        Self { fresh, old, more: recovery.more_holes }
    }

    /// How many places there are, old and new.
    pub(super) fn places(&self) -> u64 {
        (self.fresh.len() + self.old.len()) as u64 + self.more
    }

    /// The reason for gap records, if there is anything to tell.
    pub(super) fn reason(&self) -> Option<String> {
        let places = self.fresh.len() as u64 + self.more;
        let named: Vec<_> = self.fresh.iter().take(TOLD_MAX).map(Hole::to_string).collect();
        (places > 0).then(|| format!("{MARK}{places} places when it was opened: {}", named.join("; ")))
    }

    /// Logs each place that is new, and everything else in one line.
    pub(super) fn log(&self, path: &Path) {
        let path = path.display();
        for hole in self.fresh.iter().take(TOLD_MAX) {
            let (first, end) = hole.events.as_ref().map(|events| (events.start, events.end)).unzip();
            let copy =
                if hole.bytes.is_empty() { "" } else { "; a copy of what was there is in quarantine/" };
            tracing::error!(%path, segment = hole.segment, at = hole.bytes.start, bytes = hole.bytes.end - hole.bytes.start, first, end, "the journal is damaged: {}{copy}", hole.reason);
        }
        let more = self.fresh.len().saturating_sub(TOLD_MAX) as u64 + self.more;
        if more > 0 {
            tracing::error!(%path, more, "the journal is damaged in more places");
        }
        if let Some(last) = self.old.last() {
            tracing::warn!(%path, places = self.old.len(), %last, "the journal has damage that was told before or that every sink has passed; `cometail journal verify` lists it");
        }
    }
}

/// The places among `holes` that a gap record names. Such a record stands behind the hole, which stands behind `from`.
fn told(library: &Library, from: u64, holes: &[Hole]) -> io::Result<HashSet<String>> {
    let mut wanted: Vec<_> = holes.iter().map(Hole::to_string).collect();
    let (mut told, mut reader) = (HashSet::new(), library.reader(from));
    while !wanted.is_empty()
        && let Some(read) = reader.try_next()?
    {
        if let Read::Record(record) = read
            && record.kind == Kind::Gap
        {
            let places = places_of(&record);
            told.extend(wanted.extract_if(.., |hole| places.contains(hole)));
        }
    }
    Ok(told)
}

/// The places that a gap record names.
fn places_of(record: &Record) -> HashSet<String> {
    let mut places = HashSet::new();
    for event in record.batch.iter() {
        let message = serde_json::from_slice::<serde_json::Value>(event.message).unwrap_or_default();
        let reason = message.pointer("/gap/reason").and_then(serde_json::Value::as_str);
        let ours = reason.and_then(|reason| reason.strip_prefix(MARK)?.split_once(": "));
        places.extend(ours.into_iter().flat_map(|(_, named)| named.split("; ")).map(str::to_owned));
    }
    places
}
