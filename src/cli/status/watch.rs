//! `cometail status --watch`: the status again each second, until it is interrupted or nobody reads any more.
//!
//! On a terminal the tables are drawn over those before, cut to its height; a frame is one write. Elsewhere a line
//! tells what has changed, with the time; with `--json`, the whole status is a line whenever it has changed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::{Timestamp, Unit};

use super::super::table::clean;
use super::show::{Shown, note};
use super::snapshot::Snapshot;
use super::{read, told};
use crate::status::millis;

/// How often the status is read.
const EVERY: Duration = Duration::from_secs(1);

/// The height of a terminal that does not tell its own.
const ROWS: u16 = 24;

/// What a look at the status found: its text and what that says, or why there is none.
type Read = Result<(String, Snapshot), String>;

/// Shows the status in `dir` until nobody reads any more.
pub(super) fn run(dir: &Path, json: bool) -> io::Result<()> {
    let mut out = io::stdout();
    let mut watch: Box<dyn FnMut(&Read) -> String> = match json {
        true => Box::new(lines_of_json()),
        false if out.is_terminal() => Box::new(frames(dir)),
        false => Box::new(lines_of_changes(dir)),
    };
    loop {
        let text = watch(&read(dir));
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
        std::thread::sleep(EVERY);
    }
}

fn lines_of_json() -> impl FnMut(&Read) -> String {
    let mut last = String::new();
    move |status| match status {
        Ok((text, _)) if *text != last => {
            last.clone_from(text);
            format!("{}\n", text.trim_end())
        }
        _ => String::new(),
    }
}

/// What is drawn: the screen is cleared once, and then every line is written over the one before.
fn frames(dir: &Path) -> impl FnMut(&Read) -> String {
    let mut begin = "\x1b[2J";
    move |status| {
        let now = millis(SystemTime::now());
        let text = match status {
            Ok((_, snapshot)) => {
                let trouble = told(dir, snapshot, now).map(|trouble| format!("{}\n\n", clean(&trouble)));
                format!("{}{}", trouble.unwrap_or_default(), Shown { snapshot, now })
            }
            Err(error) => format!("{}\n", clean(error)),
        };
        let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(ROWS, |size| size.ws_row);
        frame(std::mem::take(&mut begin), &text, usize::from(if rows == 0 { ROWS } else { rows }))
    }
}

/// One frame of at most `rows` rows. Lines that are too long for the terminal are cut there, not wrapped.
fn frame(begin: &str, text: &str, rows: usize) -> String {
    let (lines, room) = (text.lines().count(), rows.saturating_sub(1).max(1));
    let shown = if lines > room { room.saturating_sub(1) } else { lines };
    let more = (lines > shown).then(|| format!("... {} more lines", lines - shown));
    let drawn = text.lines().take(shown).chain(more.as_deref());
    let drawn: String = drawn.flat_map(|line| [line, "\x1b[K\r\n"]).collect();
    format!("{begin}\x1b[H\x1b[?7l{drawn}\x1b[J\x1b[?7h")
}

/// A line for each thing that is not what it was.
fn lines_of_changes(dir: &Path) -> impl FnMut(&Read) -> String {
    let mut known = BTreeMap::new();
    move |status| {
        let now = Timestamp::now().round(Unit::Second).unwrap_or_default();
        let present = match status {
            Ok((_, snapshot)) => facts(snapshot, told(dir, snapshot, millis(SystemTime::now()))),
            Err(error) => BTreeMap::from([(String::from("status"), error.clone())]),
        };
        let news = present.iter().filter(|(what, fact)| known.get(*what) != Some(*fact));
        let lines = news.map(|(what, fact)| format!("{now} {}: {}\n", clean(what), clean(fact)));
        let lines: Vec<_> = lines.collect();
        known = present;
        lines.concat()
    }
}

/// What each thing is, without the times, which would be news always.
fn facts(snapshot: &Snapshot, trouble: Option<String>) -> BTreeMap<String, String> {
    let health = trouble.map_or("healthy", |_| "unhealthy");
    let mut facts = BTreeMap::from([(format!("process {}", snapshot.pid), health.to_owned())]);
    for one in &snapshot.connections {
        let fact = format!("{}, {} events, waiting {}", one.state, one.events, one.waiting);
        let fact = note([fact], &[(one.gaps, "gaps"), (one.set_aside, "set aside")]);
        facts.insert(format!("connection {}", one.name), fact);
        for channel in &one.channels {
            facts.insert(
                format!("connection {} channel {}", one.name, channel.name),
                channel.standing.clone(),
            );
        }
    }
    for one in &snapshot.sinks {
        let behind = one.lag.unwrap_or(one.queued_events);
        let failing = if one.failing_since.is_some() { ", failing" } else { "" };
        let fact = format!("{}, {} delivered, {behind} behind{failing}", one.state, one.delivered);
        facts.insert(format!("sink {}", one.name), fact);
    }
    facts.extend(snapshot.capture.iter().map(|path| (String::from("capture"), path.clone())));
    facts.extend(snapshot.journal.iter().map(|one| (String::from("journal"), one.state.clone())));
    facts
}

#[cfg(test)]
mod tests {
    use super::frame;

    #[test]
    fn a_frame_is_no_higher_than_the_terminal() {
        let text = "1\n2\n3\n4\n";
        let drawn = frame("\x1b[2J", text, 5);
        assert_eq!(drawn, "\x1b[2J\x1b[H\x1b[?7l1\x1b[K\r\n2\x1b[K\r\n3\x1b[K\r\n4\x1b[K\r\n\x1b[J\x1b[?7h");
        let cut = frame("", text, 4);
        assert_eq!(cut, "\x1b[H\x1b[?7l1\x1b[K\r\n2\x1b[K\r\n... 2 more lines\x1b[K\r\n\x1b[J\x1b[?7h");
        for rows in 0..6 {
            assert!(frame("", text, rows).matches('\n').count() < rows.max(2), "{rows}");
        }
    }
}
