//! Sessions over a websocket, cut sockets, and long polling in the place of sockets that cannot be had.

use crate::support::{A, ARCHIVE, Bayeux, Cometail, Place, Trick, archive, connection, wait};

const WANTED: &str =
    "transport = \"websocket\"\nrequest_timeout = \"500ms\"\npoll_margin = \"500ms\"\nreplay = \"all\"";

fn run(server: &Bayeux, place: &Place, more: &str) -> Cometail {
    place.run(&(connection(&server.url(), &[A], more) + &archive(place)))
}

fn transport(place: &Place) -> Option<String> {
    Some(place.status()?["connections"][0]["transport"].as_str()?.to_owned())
}

#[test]
fn events_come_over_a_websocket_and_a_cut_socket_loses_none() {
    let (server, place) = (Bayeux::start(Trick::None), Place::new());
    let daemon = run(&server, &place, WANTED);
    server.publish(0..3);
    place.wait_for(ARCHIVE, 0..3);
    wait("the status", || transport(&place).as_deref() == Some("websocket"));
    for round in 1..4 {
        server.cut();
        server.publish(round * 10..round * 10 + 10);
        let numbers = (0..3).chain(10..round * 10 + 10);
        place.wait_for(ARCHIVE, numbers);
    }
    assert_eq!((server.handshakes(), server.sockets()), (1, 4), "the session lives on");
    assert_eq!(server.asked("/meta/connect")[1], 0);
    // Through several connects, without an event.
    let connects = server.asked("/meta/connect")[0];
    wait("two more connects", || server.asked("/meta/connect")[0] >= connects + 2);
    let log = daemon.stop().stderr;
    assert!(log.contains("subscribed again") && !log.contains("long polling instead"), "{log}");
    assert_eq!(server.asked("/meta/disconnect"), [1, 0]);
}

#[test]
fn a_socket_that_cannot_be_had_is_replaced_by_long_polling() {
    let tricks = [Trick::Refuse(401), Trick::Refuse(404), Trick::Refuse(500), Trick::Ignore, Trick::Silence];
    for trick in tricks {
        let (server, place) = (Bayeux::start(trick), Place::new());
        let daemon = run(&server, &place, WANTED);
        server.publish(0..3);
        place.wait_for(ARCHIVE, 0..3);
        wait("the status", || transport(&place).as_deref() == Some("long-polling"));
        assert_eq!((server.handshakes(), server.sockets()), (1, 1), "{trick:?}: the same session goes on");
        let log = daemon.stop().stderr;
        assert_eq!(log.matches("no websocket: long polling instead").count(), 1, "{trick:?}: {log}");
    }
}

#[test]
fn websockets_are_off_unless_asked_for() {
    let (server, place) = (Bayeux::start(Trick::None), Place::new());
    let daemon = run(&server, &place, "replay = \"all\"");
    server.publish(0..3);
    place.wait_for(ARCHIVE, 0..3);
    assert_eq!(server.sockets(), 0);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_session_over_a_websocket_ends_with_the_process() {
    let (server, place) = (Bayeux::start(Trick::None), Place::new());
    let mut connects = 0;
    let more = "transport = \"websocket\"\non_stop = \"keep\"";
    let mut start = || {
        let daemon = run(&server, &place, more);
        wait("a connect beside the probe", || server.asked("/meta/connect")[0] >= connects + 2);
        connects = server.asked("/meta/connect")[0];
        daemon
    };
    let daemon = start();
    server.publish(0..3);
    place.wait_for(ARCHIVE, 0..3);
    assert_eq!(daemon.stop().code, Some(0));
    assert_eq!(server.asked("/meta/disconnect"), [1, 0], "whatever on_stop says");
    let daemon = start();
    server.publish(3..6);
    place.wait_for(ARCHIVE, 0..6);
    assert_eq!(server.handshakes(), 2);
    daemon.kill();
    let daemon = start();
    server.publish(6..9);
    place.wait_for(ARCHIVE, 0..9);
    assert_eq!((server.handshakes(), daemon.stop().code), (3, Some(0)));
}
