//! Websockets to CometD's server for Java, and long polling in their place.

use crate::server::{Program, Server};
use crate::tail::Tail;
use crate::{CHANNEL, COMETD_FOR_JAVA, COMETD_FOR_NODE};

const WITH_WEBSOCKET: Program = Program::Java(&["websocket=true"]);
const WITH_BOTH: Program = Program::Java(&["websocket=true", "ack=true"]);
const FALLBACK: &str = "no websocket: long polling instead";

fn websocket(port: u16, count: u32) -> Tail {
    Tail::start_with(port, count, &["--transport", "websocket"])
}

#[test]
fn ten_thousand_events_come_over_a_websocket_in_order() {
    for program in [WITH_WEBSOCKET, WITH_BOTH] {
        let mut server = Server::start(program, 0);
        let mut tail = websocket(server.port, 10_000);
        server.wait_for(&format!("subscribed {CHANNEL}"));
        server.send(&format!("publish {CHANNEL} 1 10000"));
        tail.expect(1..=10_000);
        tail.expect_end();
        tail.expect_no_gap();
        tail.expect_no(FALLBACK);
        server.wait_for("left");
    }
}

#[test]
fn a_restart_of_a_server_with_websockets_is_survived() {
    for program in [WITH_WEBSOCKET, WITH_BOTH] {
        let mut server = Server::start(program, 0);
        let port = server.port;
        let mut tail = websocket(port, 1_000);
        server.wait_for(&format!("subscribed {CHANNEL}"));
        server.send(&format!("publish {CHANNEL} 1 500"));
        tail.expect(1..=500);
        drop(server);

        let mut server = Server::start(program, port);
        server.wait_for(&format!("subscribed {CHANNEL}"));
        server.send(&format!("publish {CHANNEL} 501 1000"));
        tail.expect(501..=1_000);
        tail.expect_end();
        server.wait_for("left");
    }
}

#[test]
fn a_server_without_websockets_is_polled() {
    for program in [COMETD_FOR_JAVA, COMETD_FOR_NODE] {
        let mut server = Server::start(program, 0);
        let mut tail = websocket(server.port, 100);
        server.wait_for(&format!("subscribed {CHANNEL}"));
        server.send(&format!("publish {CHANNEL} 1 100"));
        tail.expect(1..=100);
        tail.expect_end();
        tail.expect_log(FALLBACK);
        server.wait_for("left");
    }
}
