//! The admin server: the built daemon, and the server alone with a daemon's end in the test, asked over real sockets.
//!
//! The client is a few lines of its own, so that it can also say what no client should.

#![cfg(unix)]
#![cfg(test)]

mod access;
mod client;
mod crowd;
mod endpoints;
mod events;
mod fake;
mod limits;
mod orders;
mod polled;
mod ready;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests from end to end, which use all of it")]
mod support;
mod unix;

use std::collections::HashMap;

use client::Client;
use support::{A, Cometail, Emulator, Place, archive, connection};

/// A daemon with an admin server on a free port, its server and its directory.
struct Site {
    daemon: Cometail,
    emulator: Emulator,
    place: Place,
    client: Client,
}

impl Site {
    /// With more in its `[admin]`.
    fn start(admin: &str) -> Self {
        let (emulator, place) = (Emulator::start(), Place::new());
        let connection = connection(&emulator.url("61.0"), &[A], "");
        let daemon = place
            .run(&format!("[admin]\nlisten = \"127.0.0.1:0\"\n{admin}\n{connection}{}", archive(&place)));
        let client = Client::new(&address_of(&daemon));
        Self { daemon, emulator, place, client }
    }

    /// Until the session polls.
    fn live(self) -> Self {
        self.emulator.wait_polled(1);
        self
    }
}

/// Where a daemon's admin server listens.
fn address_of(daemon: &Cometail) -> String {
    let told = "the admin server listens";
    daemon.wait_log(told);
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains(told)).unwrap();
    support::json(line)["address"].as_str().unwrap().to_owned()
}

/// The samples of figures, by their names with labels.
fn samples(text: &str) -> HashMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample =
        |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
    lines.map(|line| sample(line).unwrap()).collect()
}
