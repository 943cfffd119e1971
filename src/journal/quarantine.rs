//! Keeps a copy of what was found damaged, for a person to look at.
//!
//! The segment itself stays as it is: readers pass the place over. A range has one file, named after its place,
//! that begins with a line of text; there are at most 256 of them, and of each range at most 16 MiB are kept.
//! A copy that cannot be made stops nothing.

use std::io;
use std::ops::Range;

use super::disk::{self, Disk, Handle};
use super::scan::Damage;

/// The folder of the copies.
pub(super) const FOLDER: &str = "quarantine";
/// The most copies.
pub(super) const FILES_MAX: usize = 256;
const BYTES_MAX: u64 = 16 << 20;
const CHUNK: u64 = 1 << 20;

/// Copies a damaged range of segment `number`, unless that has been done.
pub(super) fn keep(disk: &dyn Disk, from: &dyn Handle, number: u64, damage: &Damage) -> io::Result<()> {
    let name = format!("{number:020}-{}.damaged", damage.at.start);
    let kept = disk.list(FOLDER)?;
    if kept.len() >= FILES_MAX || kept.iter().any(|entry| entry.name == name) {
        return Ok(());
    }
    let events = match &damage.lost {
        Some(lost) => format!("events {} to {}", lost.start, lost.end.saturating_sub(1)),
        None => "unknown events".to_owned(),
    };
    let (start, end) = (damage.at.start, damage.at.end);
    let line = format!("segment {number}, bytes {start} to {end}: {}; {events}\n", damage.reason);
    let name = format!("{FOLDER}/{name}");
    let to = disk.create(&name)?;
    let copied = copy(from, &*to, &line, start..end.min(start.saturating_add(BYTES_MAX)));
    // Half a copy would keep the next attempt away.
    copied.inspect_err(|_| drop(disk.remove(&name)))
}

fn copy(from: &dyn Handle, to: &dyn Handle, line: &str, range: Range<u64>) -> io::Result<()> {
    to.write_at(line.as_bytes(), 0)?;
    let (mut at, mut place) = (range.start, line.len() as u64);
    while at < range.end {
        let mut bytes = vec![0; usize::try_from(CHUNK.min(range.end - at)).unwrap_or_default()];
        let read = disk::read_full(from, &mut bytes, at)?;
        if read == 0 {
            break;
        }
        to.write_at(bytes.get(..read).unwrap_or_default(), place)?;
        at += read as u64;
        place += read as u64;
    }
    to.sync()
}
