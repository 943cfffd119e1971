//! Connections that are refused, cut, silent, slow or lying.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::acts::{Act, After, bytes, response};
use crate::scene::{BOUND, MARGIN, REQUEST, Scene, config, within_bound};
use crate::server::{CONNECT, HANDSHAKE, HOLD, SUBSCRIBE, Server};
use crate::ways::{Cutter, Port, full_listener, refuse};

/// Answers nothing until the client has gone.
fn silence() -> Act {
    Box::new(|stream, _| {
        drop(stream.read_to_end(&mut Vec::new()));
        After::Close
    })
}

#[test]
fn a_server_that_refuses_connections_is_waited_for() {
    let port = Port::new();
    let server = Server::at(&port.address(), true);
    let url = server.url();
    let mut scene = Scene::begin(server, &config(&url, ""));
    scene.told("refused");
    let named =
        |scene: &Scene| scene.status()["last_error"]["text"].as_str().unwrap_or("").contains("refused");
    within_bound("the status", || named(&scene));

    let listener = port.listen(64);
    scene.server.listen(listener.try_clone().unwrap());
    scene.settle();
    refuse(listener);
    let before = scene.daemon.log().matches("refused").count();
    scene.play(2, bytes(|_| Vec::new(), After::Close));
    within_bound("the refusal", || scene.daemon.log().matches("refused").count() > before);
    scene.server.listen(port.listen(64));
    scene.ends();
}

#[test]
fn a_reset_before_the_response_costs_no_event() {
    let mut scene = Scene::live();
    scene.play(2, bytes(|_| Vec::new(), After::Reset));
    scene.told(r#""kind":"broken""#);
    scene.ends_in_the_same_session();
}

#[test]
fn a_reset_of_a_handshake_or_a_subscription_costs_no_event() {
    let mut scene = Scene::live();
    scene.stage(2, |state| {
        state.act(HANDSHAKE, bytes(|_| Vec::new(), After::Reset));
        state.act(SUBSCRIBE, bytes(|_| Vec::new(), After::Reset));
        state.forget();
    });
    scene.told(r#""kind":"broken""#);
    scene.ends();
}

#[test]
fn a_peer_that_vanishes_under_a_poll_is_given_up() {
    let mut scene = Scene::live();
    let begun = Instant::now();
    scene.play(2, silence());
    scene.told("the deadline of 800ms passed while waiting for the response");
    assert!(begun.elapsed() < HOLD + MARGIN + Duration::from_secs(3), "{:?}", begun.elapsed());
    scene.ends_in_the_same_session();
}

#[test]
fn a_peer_that_stops_reading_is_given_up() {
    let mut scene = Scene::live();
    let act: Act = Box::new(|stream, answer| {
        stream.write_all(&response(200, "", &answer.body())).unwrap();
        // The connection stays open, and its next request unread.
        loop {
            std::thread::park();
        }
    });
    scene.play(2, act);
    scene.told(r#""kind":"timeout""#);
    scene.ends_in_the_same_session();
}

#[test]
fn a_server_that_never_accepts_is_waited_for() {
    let (listener, _inside) = full_listener();
    let server = Server::at(&listener.local_addr().unwrap().to_string(), true);
    let url = server.url();
    let mut scene = Scene::begin(server, &config(&url, "connect_timeout = \"300ms\""));
    scene.told("300ms");
    scene.told(r#""kind":"connect""#);
    scene.server.listen(listener);
    scene.settle();
    scene.ends();
}

#[test]
fn a_server_that_never_answers_is_waited_for() {
    let server = Server::start(true);
    server.with(|state| {
        state.act(HANDSHAKE, silence());
        state.act(SUBSCRIBE, silence());
        state.act(CONNECT, silence());
    });
    let url = server.url();
    let begun = Instant::now();
    let mut scene = Scene::begin(server, &config(&url, ""));
    scene.told("the deadline of 1s passed while waiting for the response");
    scene.settle();
    assert!(begun.elapsed() < 3 * REQUEST + BOUND);
    scene.ends();
}

/// Writes the answer one byte at a time, after so many bytes of it.
fn drip(after: usize, pause: Duration) -> Act {
    Box::new(move |stream, answer| {
        let whole = response(200, "", &answer.body());
        let (first, rest) = whole.split_at(after);
        let mut written = stream.write_all(first);
        for byte in rest {
            std::thread::sleep(pause);
            written = written.and_then(|()| stream.write_all(&[*byte]));
        }
        if written.is_ok() { After::Keep } else { After::Close }
    })
}

#[test]
fn a_response_that_drips_slower_than_its_deadline_is_given_up() {
    for (after, stage) in [(10, "while waiting for the response"), (100, "while reading the response")] {
        let mut scene = Scene::live();
        let begun = Instant::now();
        scene.play(2, drip(after, Duration::from_millis(50)));
        scene.told(&format!("the deadline of 800ms passed {stage}"));
        assert!(begun.elapsed() < HOLD + MARGIN + Duration::from_secs(3), "{:?}", begun.elapsed());
        scene.ends_in_the_same_session();
    }
}

#[test]
fn a_response_that_drips_within_its_deadline_is_taken() {
    let mut scene = Scene::live_with("poll_margin = \"5s\"");
    scene.play(2, drip(0, Duration::from_micros(200)));
    let ended = scene.ends_in_the_same_session();
    assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);
}

#[test]
fn a_reply_to_a_request_long_given_up_is_nobodys() {
    let mut scene = Scene::live();
    let act: Act = Box::new(|stream, answer| {
        drop(stream.read_to_end(&mut Vec::new()));
        drop(stream.write_all(&response(200, "", &answer.body())));
        After::Close
    });
    scene.play(2, act);
    scene.told(r#""kind":"timeout""#);
    scene.ends_in_the_same_session();
}

#[test]
fn a_proxy_that_cuts_idle_connections_costs_no_event() {
    let server = Server::start(true);
    let cutter = Cutter::start(&server.address, HOLD / 3);
    let url = format!("http://{}/cometd/61.0", cutter.address);
    let mut scene = Scene::begin(server, &config(&url, ""));
    scene.settle();
    for _ in 0..6 {
        let cuts = cutter.cuts();
        within_bound("a cut", || cutter.cuts() > cuts);
        scene.publish(1);
        scene.arrived();
    }
    scene.told(r#""kind":"broken""#);
    scene.ends();
}

/// The monotonic clock has gone on, the server has forgotten the session, and its connections are cut.
#[test]
fn a_process_that_slept_longer_than_its_session_lived_goes_on() {
    let mut scene = Scene::live();
    scene.daemon.signal(Signal::STOP);
    scene.stage(2, |state| {
        state.act(CONNECT, bytes(|_| Vec::new(), After::Close));
        state.forget();
    });
    std::thread::sleep(2 * (HOLD + MARGIN) + REQUEST);
    scene.publish(1);
    scene.daemon.signal(Signal::CONT);
    scene.told("session lost");
    scene.ends();
}

/// The peer has gone without a word, as behind a router that lost its table.
#[test]
fn a_process_that_slept_while_its_connections_died_silently_goes_on() {
    let mut scene = Scene::live();
    scene.daemon.signal(Signal::STOP);
    scene.play(1, silence());
    std::thread::sleep(2 * (HOLD + MARGIN));
    scene.publish(1);
    scene.daemon.signal(Signal::CONT);
    scene.told(r#""kind":"timeout""#);
    scene.ends();
}

#[test]
fn a_name_that_does_not_resolve_is_told_and_leaves_other_connections_alone() {
    let server = Server::start(true);
    let lost =
        config("http://cometail-test.invalid/cometd/61.0", "").replace("[connection.c]", "[connection.lost]");
    let (lost, _) = lost.split_once("[sink").unwrap();
    let config = config(&server.url(), "") + lost;
    let mut scene = Scene::begin(server, &config);
    scene.settle();
    scene.told("cometail-test.invalid");
    scene.told("resolv");
    let tries =
        || scene.place.status().map_or(0, |status| status["connections"][1]["failures"].as_u64().unwrap());
    let before = tries();
    within_bound("another try", || tries() > before + 1);
    let text = scene.place.status().unwrap()["connections"][1]["last_error"]["text"].to_string();
    assert!(text.contains("resolv"), "{text}");
    scene.ends();
}

#[test]
fn a_server_that_closes_after_every_answer_costs_no_event() {
    let mut scene = Scene::live();
    for _ in 0..10 {
        scene.play(1, bytes(|answer| response(200, "", &answer.body()), After::Close));
        scene.arrived();
    }
    scene.ends_in_the_same_session();
}

#[test]
fn a_server_that_announces_each_close_costs_nothing_at_all() {
    let mut scene = Scene::live();
    for _ in 0..10 {
        let close = "Connection: close\r\n";
        scene.play(1, bytes(move |answer| response(200, close, &answer.body()), After::Close));
        scene.arrived();
    }
    let ended = scene.ends_in_the_same_session();
    assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);
}
