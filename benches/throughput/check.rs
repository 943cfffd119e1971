//! Whether every event has arrived exactly once, in order, as valid JSON.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::Result;
use crate::arrivals::number_at;
use crate::events;

/// What is looked at in a line of cometail or the floor; the parser checks the rest of it all the same.
#[derive(Deserialize)]
struct Line<'a> {
    channel: &'a str,
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    event: Event,
    #[serde(borrow)]
    sobject: Record<'a>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "replayId")]
    replay_id: u32,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(rename = "Name")]
    name: &'a str,
}

/// Reads the file at `path`, which must hold the first `total` events, each a line of `length` bytes, and nothing else.
pub(crate) fn own(path: &Path, length: u64, total: u32) -> Result<()> {
    let mut next = events::FIRST;
    each_line(open(path)?, |line| {
        own_line(line, length, next)?;
        next += 1;
        Ok(())
    })?;
    whole(next, total)
}

/// The same for a file whose lines may be spelled in another way: each is JSON and has the number of the event that is
/// next.
pub(crate) fn foreign(path: &Path, total: u32) -> Result<()> {
    let mut next = events::FIRST;
    each_line(open(path)?, |line| numbers(line, &mut next, 1))?;
    whole(next, total)
}

/// The same for the bodies of requests, one a line, of one event or more.
pub(crate) fn posted(bodies: &[u8], total: u32) -> Result<()> {
    let mut next = events::FIRST;
    each_line(bodies, |body| numbers(body, &mut next, usize::MAX))?;
    whole(next, total)
}

fn open(path: &Path) -> Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 20, File::open(path)?))
}

fn each_line(mut lines: impl BufRead, mut check: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut line = Vec::new();
    let mut place = 0_u32;
    while lines.read_until(b'\n', &mut line)? > 0 {
        place += 1;
        check(&line).map_err(|error| {
            format!("line {place}: {error} in {}", String::from_utf8_lossy(&line).trim_end())
        })?;
        line.clear();
    }
    Ok(())
}

fn own_line(line: &[u8], length: u64, number: u32) -> Result<()> {
    let found: Line<'_> = serde_json::from_slice(line)?;
    let name = found.data.sobject.name.strip_prefix(events::NAME).and_then(|name| name.parse().ok());
    if found.channel != events::CHANNEL || found.data.event.replay_id != number || name != Some(number) {
        return Err(format!("event {number} wanted").into());
    }
    if u64::try_from(line.len()).ok() != Some(length) {
        return Err(format!("{length} bytes wanted").into());
    }
    Ok(())
}

/// Checks that `text` is JSON and has events from `next` on, from one to `most`.
fn numbers(text: &[u8], next: &mut u32, most: usize) -> Result<()> {
    let _: IgnoredAny = serde_json::from_slice(text)?;
    let mut count = 0;
    for at in memmem::find_iter(text, events::NAME) {
        if number_at(text, at) != Some(*next) {
            return Err(format!("event {next} wanted").into());
        }
        *next += 1;
        count += 1;
    }
    if count == 0 || count > most { Err(format!("{count} events").into()) } else { Ok(()) }
}

fn whole(next: u32, total: u32) -> Result<()> {
    let found = next - events::FIRST;
    if found == total { Ok(()) } else { Err(format!("{found} events of {total}").into()) }
}
