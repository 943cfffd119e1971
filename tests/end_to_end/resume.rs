//! Restarts: the session goes on where it was, or a new one takes its place.

use serde_json::json;

use crate::support::{A, ARCHIVE, Cometail, Emulator, Place, archive, connection, json, wait};

/// The guide's 40 s become 20 s: long enough for a restart, and polls end within a test.
const SCALE: [&str; 2] = ["--time-scale", "0.5"];

fn start(place: &Place, emulator: &Emulator, version: &str, more: &str) -> Cometail {
    place.run(&(connection(&emulator.url(version), &[A], more) + &archive(place)))
}

/// Waits until the session on disk is the server's.
fn wait_kept(place: &Place, emulator: &Emulator) {
    emulator.wait_polled(1);
    wait("the session to be kept", || {
        let text = std::fs::read_to_string(place.path("state/c.session.json")).unwrap_or_default();
        let state = emulator.state();
        text.contains("\"channels\":[\"/topic/A\"]")
            && text.contains(state["sessions"][0]["id"].as_str().unwrap())
    });
}

fn counts(emulator: &Emulator) -> [u64; 3] {
    ["handshakes", "subscribes", "disconnects"].map(|counter| emulator.count(counter))
}

/// Starts a daemon, ends it with `end`, publishes, starts it again: one session throughout, no event missing.
fn resumed(version: &str, more: &str, end: impl FnOnce(Cometail)) {
    let (emulator, place) = (Emulator::start_with(&SCALE), Place::new());
    let daemon = start(&place, &emulator, version, more);
    wait_kept(&place, &emulator);
    emulator.publish_each(0..3);
    place.wait_for(ARCHIVE, 0..3);
    emulator.wait_polled(1);
    end(daemon);
    emulator.wait_unpolled();
    emulator.publish_each(3..6);
    let daemon = start(&place, &emulator, version, more);
    place.wait_for(ARCHIVE, 0..6);
    daemon.wait_log("resuming the saved session");
    emulator.wait_polled(1);
    emulator.publish(A, 6);
    place.wait_for(ARCHIVE, 0..7);
    // What was on its way when the first one ended is asked for again, where the server can be asked.
    let subscribed = if version == "61.0" { 2 } else { 1 };
    assert_eq!(counts(&emulator), [1, subscribed, 0], "one handshake");
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn after_a_crash_the_session_goes_on_without_a_handshake() {
    resumed("61.0", "", Cometail::kill);
}

#[test]
fn after_a_crash_even_a_server_without_replay_loses_nothing() {
    resumed("36.0", "", Cometail::kill);
}

#[test]
fn a_session_that_is_kept_at_the_end_goes_on() {
    let stop = |daemon: Cometail| assert_eq!(daemon.stop().code, Some(0));
    resumed("36.0", "on_stop = \"keep\"", stop);
    resumed("61.0", "on_stop = \"keep\"", stop);
}

#[test]
fn a_session_that_was_ended_is_not_tried_again() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = start(&place, &emulator, "61.0", "");
    wait_kept(&place, &emulator);
    assert_eq!(daemon.stop().code, Some(0));
    assert_eq!(
        json(&std::fs::read_to_string(place.path("state/c.session.json")).unwrap())["session"],
        json!(null)
    );
    let daemon = start(&place, &emulator, "61.0", "");
    emulator.wait_polled(1);
    assert_eq!(counts(&emulator), [2, 2, 1]);
    assert!(!daemon.log().contains("resuming"), "{}", daemon.log());
}

#[test]
fn a_session_that_expired_meanwhile_is_replaced() {
    let (emulator, place) = (Emulator::start_with(&["--time-scale", "0.1"]), Place::new());
    let replay = "replay = \"all\"";
    let daemon = start(&place, &emulator, "61.0", replay);
    wait_kept(&place, &emulator);
    daemon.kill();
    emulator.wait_unpolled();
    emulator.expire_sessions();
    emulator.publish_each(0..2);
    let daemon = start(&place, &emulator, "61.0", replay);
    emulator.wait_polled(1);
    place.wait_for(ARCHIVE, 0..2);
    assert_eq!(counts(&emulator), [2, 3, 0], "one subscription meets the session that is gone");
    assert!(daemon.log().contains("session lost"), "{}", daemon.log());
}

/// Ends a daemon, changes what it kept, and starts another: it shakes hands anew and works.
fn handshake_after(change: impl FnOnce(&Place)) -> (Emulator, Place, Cometail) {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = start(&place, &emulator, "61.0", "");
    wait_kept(&place, &emulator);
    daemon.kill();
    emulator.wait_unpolled();
    change(&place);
    let daemon = start(&place, &emulator, "61.0", "");
    wait("a second handshake", || emulator.count("handshakes") == 2);
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    place.wait_for(ARCHIVE, [0]);
    (emulator, place, daemon)
}

#[test]
fn a_session_file_that_cannot_be_read_costs_a_handshake() {
    for text in ["", "{", "\u{0}\u{0}\u{0}", r#"{"version":9}"#, r#"{"version":1,"url":7}"#, "[]"] {
        let (_emulator, place, daemon) = handshake_after(|place| {
            place.write("state/c.session.json", text);
        });
        let log = daemon.log();
        assert!(log.contains("saved session not used; a handshake follows"), "{text:?}: {log}");
        assert!(log.contains("c.session.json"), "{log}");
        // What is kept from now on is whole again.
        wait("the session to be kept", || {
            let text = std::fs::read_to_string(place.path("state/c.session.json")).unwrap();
            text.contains("client_id")
        });
    }
}

#[test]
fn a_session_file_that_is_a_directory_costs_a_handshake() {
    let (_emulator, _place, daemon) = handshake_after(|place| {
        std::fs::remove_file(place.path("state/c.session.json")).unwrap();
        std::fs::create_dir(place.path("state/c.session.json")).unwrap();
    });
    daemon.wait_log("saved session not readable; a handshake follows");
    daemon.wait_log("the session is not kept");
}

#[test]
fn what_was_kept_for_one_url_is_not_used_for_another() {
    let (one, two, place) = (Emulator::start(), Emulator::start(), Place::new());
    let daemon = start(&place, &one, "61.0", "");
    wait_kept(&place, &one);
    daemon.kill();
    let daemon = start(&place, &two, "61.0", "");
    two.wait_polled(1);
    assert!(daemon.log().contains("it is of another server"), "{}", daemon.log());
    assert_eq!(
        (two.count("handshakes"), two.count("connects")),
        (1, 2),
        "nothing of the old session is tried"
    );
}
