//! A directory with a configuration that changes.

use crate::support::{A, Cometail, Emulator, Ended, Place, cometail, run};

pub(crate) struct Scene {
    pub(crate) place: Place,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { place: Place::new() }
    }

    /// Starts the daemon.
    pub(crate) fn run(&self, config: &str) -> Cometail {
        let file = self.place.config(config);
        Cometail::start(&mut cometail(&["run", "-c", &file]))
    }

    /// Writes the configuration and lets the daemon read it.
    pub(crate) fn reload(&self, config: &str) -> Ended {
        let file = self.place.config(config);
        run(&["reload", "-c", &file])
    }
}

/// A connection with waits for tests.
pub(crate) fn connection_on(name: &str, emulator: &Emulator, more: &str) -> String {
    format!(
        "[connection.{name}]\nurl = {:?}\nchannels = [{A:?}]\nproxy = \"direct\"\nretry_initial = \"20ms\"\n\
         retry_max = \"200ms\"\nhandshakes_per_minute = 1000\n{more}\n",
        emulator.url("61.0")
    )
}

/// A sink into `out/NAME.CONNECTION.jsonl`.
pub(crate) fn sink(scene: &Scene, name: &str, channels: &str) -> String {
    let path = scene.place.text(&format!("out/{name}.{{connection}}.jsonl"));
    format!("[sink.{name}.file]\npath = {path:?}\nchannels = {channels}\ngap_records = false\n")
}
