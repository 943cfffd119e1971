//! Captures of the built binary, and what `cometail wire` makes of them and of other tools' captures.
//!
//! With the environment variable `COMETAIL_CAPTURES` each capture is also left in that directory, for a check of the
//! format by somebody else's schema.

#![cfg(unix)]
#![cfg(test)]

mod foreign;
mod made;
mod replayed;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests from end to end, which use all of it")]
mod support;
mod switched;

use serde_json::Value;

use crate::support::{
    A, ARCHIVE, Cometail, Emulator, Ended, Place, archive, cometail, connection, json, run,
};

/// A daemon that captures from its start.
struct Scene {
    place: Place,
    emulator: Emulator,
    daemon: Cometail,
}

impl Scene {
    /// `more`: keys of the connection; `arguments`: of `cometail run`.
    fn start(emulator: Emulator, more: &str, arguments: &[&str]) -> Self {
        let place = Place::new();
        let config = place.config(&(connection(&emulator.url("61.0"), &[A], more) + &archive(&place)));
        let har = place.text("wire.har");
        let run = [&["run", "-c", config.as_str(), "--wire", har.as_str()], arguments].concat();
        let daemon = Cometail::start(&mut cometail(&run));
        emulator.wait_polled(1);
        Self { place, emulator, daemon }
    }

    /// Publishes these events, one after the other, and waits for all so far.
    fn publish(&self, numbers: std::ops::Range<u64>) {
        self.emulator.publish_each(numbers.clone());
        self.place.wait_for(ARCHIVE, 0..numbers.end);
    }

    /// The end of the daemon, the text of its capture, and its replay.
    fn end(self, name: &str) -> (Place, String, Ended) {
        assert_eq!(self.daemon.stop().code, Some(0));
        let text = kept(name, &self.place);
        let replay = wire(&self.place, &[]);
        (self.place, text, replay)
    }
}

/// The capture of a place, a whole HAR.
fn kept(name: &str, place: &Place) -> String {
    let text = std::fs::read_to_string(place.path("wire.har")).unwrap();
    assert_eq!(json(&text)["log"]["version"], "1.2");
    if let Some(dir) = std::env::var_os("COMETAIL_CAPTURES") {
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(std::path::Path::new(&dir).join(format!("{name}.har")), &text).unwrap();
    }
    text
}

/// Replays the capture of a place.
fn wire(place: &Place, arguments: &[&str]) -> Ended {
    run(&[&["wire", place.text("wire.har").as_str()], arguments].concat())
}

/// Fails unless a replay ended with this code and said all of this.
fn assert_told(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
    for text in texts {
        let told = ended.stdout.contains(text) || ended.stderr.contains(text);
        assert!(told, "{text:?} is not told:\n{}{}", ended.stdout, ended.stderr);
    }
}

fn entries(har: &str) -> Vec<Value> {
    json(har)["log"]["entries"].as_array().unwrap().clone()
}
