//! What the tests have in common: waiting, a directory with a configuration, reading what came out.

mod bayeux;
mod emulator;
mod process;
pub(crate) mod server;
mod terminal;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use bayeux::{Bayeux, Trick};
pub(crate) use emulator::Emulator;
pub(crate) use process::{Cometail, Ended, cometail, run};
pub(crate) use server::{Answer, Posted, Relay, Server, listen_later};
pub(crate) use terminal::{AWAY, run_on_terminal};

/// How long a condition may take to hold, on a machine that is busy with other things too.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A channel.
pub(crate) const A: &str = "/topic/A";

/// Waits until `probe` finds what it looks for.
pub(crate) fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `holds`.
pub(crate) fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || holds().then_some(()));
}

/// Waits until there are `end` of something, for as long as there come more.
pub(crate) fn reaches(what: &str, end: usize, mut count: impl FnMut() -> usize) {
    let mut have = 0;
    while have < end {
        have = until(what, || Some(count()).filter(|now| *now > have));
    }
}

/// Looks for a while whether something that must not happen does, and fails at the first sight of it.
pub(crate) fn stays(what: &str, time: Duration, holds: impl Fn() -> bool) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        assert!(holds(), "no longer so: {what}");
        std::thread::yield_now();
    }
}

/// A test's own directory: a configuration, a state directory `state`, outputs below `out`.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.text(name)
    }

    /// The whole lines of a file; none where there is no file.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        whole_lines(&std::fs::read_to_string(self.path(name)).unwrap_or_default())
    }

    /// The numbers of the events in a file.
    pub(crate) fn numbers(&self, name: &str) -> Vec<u64> {
        numbers(&self.lines(name))
    }

    /// Waits until a file holds the events of these numbers, in their order and each once.
    pub(crate) fn wait_for(&self, name: &str, wanted: impl IntoIterator<Item = u64>) {
        let wanted: Vec<_> = wanted.into_iter().collect();
        let lines =
            || std::fs::read(self.path(name)).map_or(0, |text| memchr::memchr_iter(b'\n', &text).count());
        reaches(&format!("{} events in {name}", wanted.len()), wanted.len(), lines);
        assert_eq!(self.numbers(name), wanted, "{name}");
    }

    /// The status file of the daemon.
    pub(crate) fn status(&self) -> Option<Value> {
        serde_json::from_str(&std::fs::read_to_string(self.path("state/status.json")).ok()?).ok()
    }

    /// Writes a configuration with a state directory and starts the daemon on it.
    pub(crate) fn run(&self, config: &str) -> Cometail {
        let file = self.config(config);
        Cometail::start(&mut cometail(&["run", "-c", &file]))
    }

    /// Writes a configuration with a state directory. A daemon that reads it meanwhile finds the one before or this one.
    pub(crate) fn config(&self, config: &str) -> String {
        let (state, file) = (self.text("state"), self.text("cometail.toml"));
        let new = self.write("cometail.toml.new", &format!("[state]\ndir = {state:?}\n{config}"));
        std::fs::rename(new, &file).unwrap();
        file
    }
}

/// The connection `c` of a configuration, with waits for tests.
pub(crate) fn connection(url: &str, channels: &[&str], more: &str) -> String {
    format!(
        "[connection.c]\nurl = {url:?}\nchannels = {channels:?}\nproxy = \"direct\"\nretry_initial = \"20ms\"\n\
         retry_max = \"200ms\"\nhandshakes_per_minute = 1000\n{more}\n"
    )
}

/// The sink `archive`: `out/{channel}.jsonl` in `place`, events alone.
pub(crate) fn archive(place: &Place) -> String {
    format!("[sink.archive.file]\npath = {:?}\ngap_records = false\n", place.text("out/{channel}.jsonl"))
}

/// The file of the channel [`A`] in the sink [`archive`].
pub(crate) const ARCHIVE: &str = "out/topic.A.jsonl";

/// The text up to its last line break, in lines.
pub(crate) fn whole_lines(text: &str) -> Vec<String> {
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    text[..end].lines().map(str::to_owned).collect()
}

/// The words of each line with one space between, for tables.
pub(crate) fn squeezed(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

/// The `n` of each event.
pub(crate) fn numbers(lines: &[String]) -> Vec<u64> {
    lines.iter().map(|line| number(line)).collect()
}

/// The `n` of an event.
pub(crate) fn number(line: &str) -> u64 {
    json(line)["data"]["sobject"]["n"].as_u64().unwrap_or_else(|| panic!("no number in {line}"))
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What of `list` is not as it should be, for a message that stays short.
pub(crate) fn gaps(list: &[u64]) -> String {
    let mut text = String::new();
    for pair in list.windows(2).filter(|pair| pair[1] != pair[0] + 1).take(10) {
        write!(text, "{} is followed by {}; ", pair[0], pair[1]).unwrap();
    }
    text
}
