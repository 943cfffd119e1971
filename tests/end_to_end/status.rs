//! `cometail status`: what a running daemon tells of itself.

use rustix::process::Signal;

use crate::support::{A, Emulator, Ended, Place, archive, connection, json, run, squeezed, wait};

fn status(place: &Place, options: &[&str]) -> Ended {
    let dir = place.text("state");
    run(&[&["status", "--state-dir", &dir], options].concat())
}

/// What a person is shown, with one space between the columns.
fn shown(place: &Place) -> String {
    squeezed(&status(place, &[]).stdout)
}

fn health(place: &Place) -> (Option<i32>, String) {
    let ended = status(place, &["--health"]);
    assert_eq!(ended.stdout, "");
    (ended.code, ended.stderr)
}

#[test]
fn a_live_daemon_is_healthy_and_shows_its_connections_and_sinks() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let url = emulator.url("61.0");
    let daemon = place.run(&(connection(&url, &[A, "/u/B"], "") + &archive(&place)));
    emulator.wait_polled(2);
    emulator.publish_each(0..3);
    wait("health", || health(&place).0 == Some(0));
    // Name, state, since when (two words), events.
    let events = |line: &str| line.starts_with("c live ") && line.split(' ').nth(4) == Some("3");
    wait("the events in the status", || shown(&place).lines().any(events));
    assert_eq!(health(&place), (Some(0), String::new()));

    let shown = shown(&place);
    assert!(shown.contains("\nCONNECTION STATE FOR EVENTS LAST EVENT WAITING NOTE\nc live "), "{shown}");
    assert!(shown.contains("\nc /topic/A live\nc /u/B live\n"), "{shown}");
    assert!(shown.contains("\narchive file idle 3 0 -\n") && shown.contains("/journal good "), "{shown}");
    let json = json(&status(&place, &["--json"]).stdout);
    let (connection, sink) = (&json["connections"][0], &json["sinks"][0]);
    assert_eq!(json["pid"], daemon.id());
    assert_eq!((&connection["state"], &connection["url"]), (&"live".into(), &url.into()));
    assert_eq!((&connection["handshakes"], &connection["events"]), (&1.into(), &3.into()));
    assert_eq!(
        (&sink["name"], &sink["kind"], &sink["delivered"]),
        (&"archive".into(), &"file".into(), &3.into())
    );
    // With the configuration in place of the directory.
    let by_config = run(&["status", "--health", "-c", &place.text("cometail.toml")]);
    assert_eq!(by_config.code, Some(0), "{}", by_config.stderr);
}

#[test]
fn a_server_that_is_down_makes_it_unhealthy_until_it_is_back() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let _daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
    wait("health", || health(&place).0 == Some(0));
    let address = emulator.address().to_owned();
    drop(emulator);
    wait("ill health", || health(&place).0 == Some(1));
    assert!(health(&place).1.contains("connection c is "), "{}", health(&place).1);
    assert!(shown(&place).contains("\nconnection c: last trouble "), "{}", shown(&place));
    let _emulator = Emulator::start_on(&address);
    wait("health again", || health(&place).0 == Some(0));
}

#[test]
fn a_daemon_that_has_ended_is_not_healthy() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
    wait("health", || health(&place).0 == Some(0));
    assert_eq!(daemon.stop().code, Some(0));
    let (code, told) = health(&place);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("has ended; it last wrote its status"), "{told}");
    assert!(shown(&place).contains("\nc closed "), "{}", shown(&place));
}

#[test]
fn a_daemon_that_was_killed_is_unhealthy_at_once() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
    wait("health", || health(&place).0 == Some(0));
    daemon.kill();
    let (code, told) = health(&place);
    assert_eq!(code, Some(1));
    assert!(told.contains("did not end in order"), "{told}");
    let _daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
    wait("health again", || health(&place).0 == Some(0));
}

#[test]
fn a_refused_channel_or_a_failing_sink_makes_it_unhealthy() {
    let (emulator, place) = (Emulator::start_with(&["--channel", A]), Place::new());
    let url = emulator.url("61.0");
    let _daemon = place.run(&(connection(&url, &[A, "/topic/Nowhere"], "") + &archive(&place)));
    wait("the refusal", || health(&place).1.contains("channel /topic/Nowhere is not live: no_such_channel"));
    assert_eq!(health(&place).0, Some(1));

    let place = Place::new();
    let webhook = "[sink.hook.webhook]\nurl = \"http://127.0.0.1:9/\"\nproxy = \"direct\"\n";
    let _daemon = place.run(&(connection(&url, &[A], "") + webhook));
    wait("health", || health(&place).0 == Some(0));
    emulator.publish(A, 1);
    wait("the failing sink", || health(&place).1.contains("sink hook fails for "));
    let shown = shown(&place);
    assert!(shown.contains("\nhook webhook retrying 0 1 ") && shown.contains(" s failing for "), "{shown}");
    assert!(shown.contains("\nsink hook: last trouble: "), "{shown}");
}

#[test]
fn a_daemon_that_hangs_is_told_by_the_age_of_its_status() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
    wait("health", || health(&place).0 == Some(0));
    daemon.signal(Signal::STOP);
    // A minute passes.
    let mut status = place.status().unwrap();
    status["updated_at"] = (status["updated_at"].as_u64().unwrap() - 60_000).into();
    place.write("state/status.json", &status.to_string());
    let (code, told) = health(&place);
    assert_eq!(code, Some(1));
    assert!(told.contains("last wrote its status 6"), "{told}");
}

#[test]
fn no_status_and_a_broken_one_are_told_apart() {
    let place = Place::new();
    let (code, told) = health(&place);
    assert_eq!(code, Some(1));
    assert!(told.contains("status.json") && told.contains("does the daemon run?"), "{told}");
    std::fs::create_dir(place.path("state")).unwrap();
    place.write("state/status.json", "{\"pid\":");
    let (code, told) = health(&place);
    assert_eq!(code, Some(1));
    assert!(told.contains("status.json") && told.contains("EOF"), "{told}");
}
