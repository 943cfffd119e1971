//! The built binary against Bayeux servers that nobody here wrote: CometD's server for Java, which is the
//! reference, the CometD project's server for Node.js, and Faye. And clients that nobody here wrote against the
//! emulator: CometD's for JavaScript, jsforce (with Faye's), simple-salesforce and aiosfstream-ng.
//!
//! Constraints
//! - What they need is installed before, as `CONTRIBUTING.md` says. Without it the tests fail.
//! - No server retains events, so whatever a test publishes is published while the session lives.
#![cfg(unix)]
#![cfg(test)]

mod ack;
mod clients;
mod expiry;
mod live;
mod process;
mod relay;
mod server;
mod tail;
mod websocket;

use std::time::Duration;

use server::{Program, Server};
use tail::Tail;

/// The longest that anything here may take.
const DEADLINE: Duration = Duration::from_mins(1);
const CHANNEL: &str = "/interop/events";

const COMETD_FOR_NODE: Program = Program::Node("cometd.js");
const FAYE: Program = Program::Node("faye.js");
const COMETD_FOR_JAVA: Program = Program::Java(&[]);

#[test]
fn cometd_delivers_ten_thousand_events_in_order() {
    delivers_ten_thousand_events_in_order(COMETD_FOR_NODE);
}

#[test]
fn faye_delivers_ten_thousand_events_in_order() {
    delivers_ten_thousand_events_in_order(FAYE);
}

#[test]
fn cometd_for_java_delivers_ten_thousand_events_in_order() {
    delivers_ten_thousand_events_in_order(COMETD_FOR_JAVA);
}

#[test]
fn a_restart_of_cometd_in_mid_poll_is_survived() {
    a_restart_in_mid_poll_is_survived(COMETD_FOR_NODE);
}

#[test]
fn a_restart_of_faye_in_mid_poll_is_survived() {
    a_restart_in_mid_poll_is_survived(FAYE);
}

#[test]
fn a_restart_of_cometd_for_java_in_mid_poll_is_survived() {
    a_restart_in_mid_poll_is_survived(COMETD_FOR_JAVA);
}

fn delivers_ten_thousand_events_in_order(program: Program) {
    let mut server = Server::start(program, 0);
    let mut tail = Tail::start(server.port, 10_000);
    server.wait_for(&format!("subscribed {CHANNEL}"));
    server.send(&format!("publish {CHANNEL} 1 10000"));
    tail.expect(1..=10_000);
    tail.expect_end();
    // The last event of a `--count` ends the session properly, instead of leaving it to time out.
    server.wait_for("left");
}

fn a_restart_in_mid_poll_is_survived(program: Program) {
    let mut server = Server::start(program, 0);
    let port = server.port;
    let mut tail = Tail::start(port, 1_000);
    server.wait_for(&format!("subscribed {CHANNEL}"));
    server.send(&format!("publish {CHANNEL} 1 500"));
    tail.expect(1..=500);
    server.wait_for_poll();
    drop(server);

    let mut server = Server::start(program, port);
    server.wait_for(&format!("subscribed {CHANNEL}"));
    server.send(&format!("publish {CHANNEL} 501 1000"));
    tail.expect(501..=1_000);
    tail.expect_end();
    server.wait_for("left");
}
