//! What is missing is said: gap records, messages set aside, repeats, in sinks, files and status.

use serde_json::json;

use crate::support::{A, ARCHIVE, Emulator, Place, archive, connection, json, until, wait};

/// The sink `told`: events and gap records.
fn told(place: &Place, format: &str) -> String {
    format!("[sink.told.file]\npath = {:?}\nformat = {format:?}\n", place.text("told.jsonl"))
}

#[test]
fn a_gap_is_a_record_between_the_events_and_can_be_left_out() {
    let (emulator, place) = (Emulator::start_with(&["--time-scale", "0.1"]), Place::new());
    let sinks = archive(&place) + &told(&place, "envelope");
    let daemon = place.run(&(connection(&emulator.url("36.0"), &[A], "") + &sinks));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    place.wait_for(ARCHIVE, [0]);
    emulator.expire_sessions();
    wait("a new session", || emulator.count("handshakes") == 2);
    emulator.wait_polled(1);
    emulator.publish(A, 1);
    place.wait_for(ARCHIVE, [0, 1]);
    let lines = until("three records", || Some(place.lines("told.jsonl")).filter(|lines| lines.len() >= 3));
    let records: Vec<_> = lines.iter().map(|line| json(line)).collect();
    assert_eq!(records.len(), 3, "{lines:?}");
    let gap = &records[1]["gap"];
    assert!(gap["reason"].as_str().unwrap().contains("Unknown client"), "{gap}");
    assert!(gap["since"].as_str() <= gap["until"].as_str(), "{gap}");
    assert_eq!((records[1]["channel"].as_str(), records[1].get("data")), (Some(A), None));
    let status = until("a gap in the status", || {
        place.status().filter(|status| status["connections"][0]["gaps"] == 1)
    });
    let causes = &status["connections"][0]["handshake_causes"];
    assert_eq!(causes, &json!({"start": 1, "unknown_client": 1}));
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn an_expired_position_is_a_gap() {
    let place = Place::new();
    let first = Emulator::start();
    let daemon = place.run(&(connection(&first.url("61.0"), &[A], "") + &told(&place, "message")));
    first.wait_polled(1);
    first.publish(A, 0);
    wait("the event", || place.lines("told.jsonl").len() == 1);
    let address = first.address().to_owned();
    drop(first);
    let second = Emulator::start_on(&address);
    second.wait_polled(1);
    let lines = until("a gap record", || Some(place.lines("told.jsonl")).filter(|lines| lines.len() == 2));
    let reason = json(&lines[1])["gap"]["reason"].take();
    assert!(reason.as_str().unwrap().contains("does not retain position"), "{reason}");
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_message_that_cannot_be_read_is_kept_with_its_bytes_and_its_neighbours_are_delivered() {
    use base64::Engine as _;
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    let broken = r#"{"channel":"/topic/A","data":{"x":"a"b","event":{"replayId":REPLAYID}}}"#;
    emulator.publish_raw(A, broken);
    emulator.publish(A, 1);
    place.wait_for(ARCHIVE, [0, 1]);
    let lines =
        until("a line", || Some(place.lines("state/c.set-aside.jsonl")).filter(|lines| !lines.is_empty()));
    let kept = json(&lines[0])["base64"].as_str().unwrap().to_owned();
    let bytes = base64::engine::general_purpose::STANDARD.decode(kept).unwrap();
    assert!(String::from_utf8(bytes).unwrap().starts_with(&broken[..40]));
    wait("the count in the status", || {
        place.status().is_some_and(|status| status["connections"][0]["set_aside"] == 1)
    });
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn an_event_that_the_server_sent_to_nobody_comes_late_instead_of_never() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "recheck = \"1s\"") + &archive(&place)));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    place.wait_for(ARCHIVE, [0]);
    emulator.wait_polled(1);
    let body = json!([{"channel": "/meta/connect", "successful": true}]).to_string();
    // The poll that is held ends with the next event; the one after it loses its own, and nothing tells.
    emulator.fault(&json!({"next": 1, "channel": "/meta/connect", "after": true, "body": body}));
    emulator.publish_each(1..3);
    wait("the lost event", || place.lines(ARCHIVE).len() >= 3);
    emulator.publish(A, 3);
    wait("the next event", || place.lines(ARCHIVE).len() >= 4);
    let mut seen = place.numbers(ARCHIVE);
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3], "each once");
    assert_eq!(emulator.count("handshakes"), 1, "it is the same session");
    assert_eq!(daemon.stop().code, Some(0));
}
