//! Whether a file holds every event exactly once, in order, each line valid JSON.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;

use crate::{Result, events};

/// What is looked at; the parser checks the rest of the line all the same.
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

/// Reads the file at `path`, which must hold the first `total` events and nothing else.
pub(crate) fn check(path: &Path, total: u32) -> Result<()> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut line = Vec::new();
    for place in 0..total {
        line.clear();
        file.read_until(b'\n', &mut line)?;
        check_line(&line, events::FIRST + place)
            .map_err(|error| format!("line {} of the file: {error}", place + 1))?;
    }
    if file.fill_buf()?.is_empty() { Ok(()) } else { Err("the file goes on after the last event".into()) }
}

fn check_line(line: &[u8], number: u32) -> Result<()> {
    let found: Line<'_> = serde_json::from_slice(line)?;
    let name = found.data.sobject.name.strip_prefix("INV-").and_then(|name| name.parse().ok());
    if found.channel != events::CHANNEL || found.data.event.replay_id != number || name != Some(number) {
        return Err(format!("event {number} wanted, found {}", String::from_utf8_lossy(line)).into());
    }
    Ok(())
}
