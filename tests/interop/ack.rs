//! The acknowledgement extension of CometD: nothing is lost with a response, and nothing comes twice.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::relay::Relay;
use crate::server::{Program, Server};
use crate::tail::Tail;
use crate::{CHANNEL, DEADLINE, a_restart_in_mid_poll_is_survived};

const WITH_ACK: Program = Program::Java(&["ack=true"]);

#[test]
fn ten_thousand_acknowledged_events_come_in_order_and_none_twice() {
    let mut server = Server::start(WITH_ACK, 0);
    let mut tail = Tail::start(server.port, 10_000);
    server.wait_for(&format!("subscribed {CHANNEL}"));
    server.send(&format!("publish {CHANNEL} 1 9999"));
    tail.expect(1..=9_999);
    acknowledged(&mut server);
    server.send(&format!("publish {CHANNEL} 10000 10000"));
    tail.expect(10_000..=10_000);
    tail.expect_end();
    server.wait_for("left");
}

#[test]
fn events_of_responses_that_were_cut_come_again_and_none_twice() {
    const ROUNDS: u32 = 10;
    const EACH: u32 = 100;

    let mut server = Server::start(WITH_ACK, 0);
    let relay = Relay::start(server.port);
    let mut tail = Tail::start(relay.port, ROUNDS * EACH);
    server.wait_for(&format!("subscribed {CHANNEL}"));
    for round in 0..ROUNDS {
        server.wait_for_poll();
        relay.cut_next();
        let (first, last) = (round * EACH + 1, (round + 1) * EACH);
        server.send(&format!("publish {CHANNEL} {first} {last}"));
        tail.expect(first..=last);
        assert_eq!(relay.cuts(), round + 1, "the first response with these events was cut");
    }
    tail.expect_end();
    tail.expect_no_gap();
    server.wait_for("left");
}

#[test]
fn a_restart_of_a_server_that_acknowledges_is_survived() {
    a_restart_in_mid_poll_is_survived(WITH_ACK);
}

/// Waits until the client has acknowledged all there is.
fn acknowledged(server: &mut Server) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let unacknowledged = server.ask("unacknowledged");
        if unacknowledged == "0" {
            return;
        }
        assert!(Instant::now() < deadline, "unacknowledged: {unacknowledged}");
        sleep(Duration::from_millis(5));
    }
}
