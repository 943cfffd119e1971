//! Whether what was received and what was asked for is what it should be.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::server::Mark;
use crate::{Result, Seen};

/// The lines that are in the file so far.
pub(crate) fn lines(path: &Path) -> u64 {
    let text = fs::read(path).unwrap_or_default();
    memchr::memchr_iter(b'\n', &text).count() as u64
}

/// Each of the events 0 to `total` stands in the file exactly once, whole.
pub(crate) fn exactly_once(path: &Path, total: u32) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let mut seen = HashSet::new();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line)?;
        let number = event.pointer(Mark::POINTER).and_then(serde_json::Value::as_u64);
        let number = number.ok_or_else(|| format!("an event without its number: {line}"))?;
        if number >= u64::from(total) || !seen.insert(number) {
            return Err(format!("event {number} came twice, or was never sent").into());
        }
    }
    if seen.len() as u64 == u64::from(total) {
        Ok(())
    } else {
        Err(format!("{} events of {total} are in the file", seen.len()).into())
    }
}

/// Each session was made once and has subscribed once; nothing was asked for that is wrong.
pub(crate) fn sessions(seen: &Seen, connections: u32) -> Result<()> {
    let counts = [seen.handshakes, seen.subscriptions];
    match seen.problems.first() {
        Some(problem) => Err(format!("{} wrong requests, the first: {problem}", seen.problems.len()).into()),
        None if counts == [connections; 2] => Ok(()),
        None => Err(format!("handshakes and subscriptions of {connections}: {counts:?}").into()),
    }
}
