//! A client that was away for longer than the server keeps its session.

use rustix::process::Signal;

use crate::CHANNEL;
use crate::server::{Program, Server};
use crate::tail::Tail;

/// A session ends one second after the end of its last poll, which takes one second at most.
const SHORT_LIVED: Program = Program::Java(&["timeout=1000", "maxInterval=1000", "sweepPeriod=100"]);
const SHORT_LIVED_WITH_ACK: Program =
    Program::Java(&["ack=true", "timeout=1000", "maxInterval=1000", "sweepPeriod=100"]);

#[test]
fn a_client_that_slept_longer_than_max_interval_comes_back_by_a_new_handshake() {
    a_new_handshake_follows(SHORT_LIVED);
}

/// The numbers of the session that is gone must not acknowledge what waits in the new one.
#[test]
fn a_client_that_acknowledges_and_slept_begins_to_count_anew() {
    a_new_handshake_follows(SHORT_LIVED_WITH_ACK);
}

fn a_new_handshake_follows(program: Program) {
    let mut server = Server::start(program, 0);
    let mut tail = Tail::start(server.port, 1_001);
    server.wait_for(&format!("subscribed {CHANNEL}"));
    server.send(&format!("publish {CHANNEL} 1 500"));
    tail.expect(1..=500);

    server.wait_for_poll();
    tail.signal(Signal::STOP);
    // The answer to the poll waits in the client's socket, and the server's clock runs from then on.
    server.send(&format!("publish {CHANNEL} 501 501"));
    server.wait_for("expired");
    // These wait before the new session's first connect.
    server.send(&format!("welcome {CHANNEL} 502 600"));
    tail.signal(Signal::CONT);
    tail.expect(501..=600);

    server.wait_for(&format!("subscribed {CHANNEL}"));
    server.send(&format!("publish {CHANNEL} 601 1001"));
    tail.expect(601..=1_001);
    tail.expect_end();
    server.wait_for("left");
}
