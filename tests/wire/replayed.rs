//! Captures of sessions that met faults: the replay decides as the daemon did, and says why.

use serde_json::{Value, json};

use crate::support::Cometail;
use crate::support::{A, ARCHIVE, Bayeux, Emulator, Place, Trick, archive, cometail, connection, wait};
use crate::{Scene, assert_told, entries, kept, wire};

#[test]
fn a_capture_without_trouble_is_replayed_to_its_end() {
    let scene = Scene::start(Emulator::start(), "", &[]);
    for n in 0..5 {
        scene.publish(n..n + 1);
    }
    let (place, har, replay) = scene.end("plain");
    assert_told(
        &replay,
        0,
        &[
            "> handshake",
            "> subscribe /topic/A from new events",
            "live: waits for events",
            "hands 1 event(s) on",
            "> disconnect",
            "closed as asked",
            "5 event(s), 0 gap(s), 0 deviation(s)",
        ],
    );
    let lines: Vec<Value> =
        wire(&place, &["--json"]).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sent: Vec<_> = lines.iter().filter(|line| line["what"] == "sent").collect();
    assert_eq!(sent.len(), entries(&har).len(), "each recorded request is sent");
    assert_eq!(lines.last().unwrap()["what"], "end");
    assert!(lines.iter().all(|line| line["connection"] == "c" && line["at"].is_string()));
}

/// A fault that the connect after the present one meets, and what a replay says of it.
fn survives(name: &str, fault: &Value, texts: &[&str]) {
    let scene = Scene::start(Emulator::start(), "", &[]);
    scene.publish(0..1);
    scene.emulator.wait_polled(1);
    scene.emulator.fault(fault);
    scene.emulator.publish(A, 1);
    wait("the event after the fault", || {
        let last = scene.place.numbers(ARCHIVE).len();
        if last == 2 {
            scene.emulator.publish(A, 2);
        }
        last >= 3
    });
    scene.emulator.wait_polled(1);
    let (_, _, replay) = scene.end(name);
    assert_told(&replay, 0, texts);
    assert!(replay.stdout.contains("0 deviation(s)"), "{}", replay.stdout);
}

fn refused(error: &str) -> String {
    let advice = json!({"reconnect": "handshake", "interval": 0});
    json!([{"channel": "/meta/connect", "successful": false, "error": error, "advice": advice}]).to_string()
}

#[test]
fn an_unknown_client_leads_to_a_handshake() {
    let fault = json!({"next": 1, "channel": "/meta/connect", "body": refused("402::Unknown client")});
    survives(
        "unknown",
        &fault,
        &["402::Unknown client", "the session is lost", "cause: unknown_client", "from after"],
    );
}

#[test]
fn a_session_that_the_server_forgets_leads_to_a_handshake() {
    let fault = json!({"next": 1, "channel": "/meta/connect", "lose_session": true});
    survives("lost", &fault, &["Unknown client", "the session is lost", "cause: unknown_client"]);
}

#[test]
fn garbage_leads_to_new_subscriptions() {
    let fault = json!({"next": 1, "channel": "/meta/connect", "body": "<html>\u{1b}[31mout of order"});
    survives("garbage", &fault, &["may be lost", "odd reply", "\\u{1b}[31m", "from after"]);
}

#[test]
fn a_busy_server_is_left_alone_for_a_time() {
    let fault = json!({"next": 1, "channel": "/meta/connect", "status": 503, "retry_after": 1});
    survives("busy", &fault, &["503, 0 bytes", "Retry-After 1.0 s", "refused: ", "(busy)", "waits"]);
}

#[test]
fn a_connection_that_breaks_leads_to_new_subscriptions() {
    let fault = json!({"next": 1, "channel": "/meta/connect", "close": true});
    survives("broken", &fault, &["no response: broken", "the request may have arrived", "failed: broken"]);
}

#[test]
fn a_response_that_is_cut_leads_to_new_subscriptions() {
    let fault = json!({"next": 1, "channel": "/meta/connect", "cut": 10});
    survives("cut", &fault, &["no response: broken", "may be lost"]);
}

#[test]
fn a_deadline_that_passes_leads_to_new_subscriptions() {
    let more = "poll_margin = \"100ms\"\nrequest_timeout = \"1s\"";
    let scene = Scene::start(Emulator::start_with(&["--time-scale", "0.005"]), more, &[]);
    scene.publish(0..1);
    scene.emulator.fault(&json!({"next": 1, "channel": "/meta/connect", "delay": 3000}));
    scene.daemon.wait_log("the deadline");
    scene.publish(1..2);
    let (_, _, replay) = scene.end("late");
    assert_told(&replay, 0, &["no response: timeout", "failed: timeout", "may be lost"]);
}

#[test]
fn a_channel_that_stays_refused_is_an_end_in_trouble() {
    let scene = Scene::start(Emulator::start_with(&["--channel", A]), "", &[]);
    let (place, emulator) = (scene.place, scene.emulator);
    assert_eq!(scene.daemon.stop().code, Some(0));
    let config = connection(&emulator.url("61.0"), &[A, "/topic/Missing"], "");
    let config = place.config(&(config + &archive(&place)));
    let har = place.text("wire.har");
    let daemon = Cometail::start(&mut cometail(&["run", "-c", &config, "--wire", &har]));
    daemon.wait_log("live: waiting for events");
    assert_eq!(daemon.stop().code, Some(0));
    kept("refused", &place);
    assert_told(&wire(&place, &[]), 1, &["refused /topic/Missing", "in trouble", "0 deviation(s)"]);
}

#[test]
fn a_check_for_missed_events_is_no_deviation() {
    let scene = Scene::start(Emulator::start(), "recheck = \"1s\"", &[]);
    scene.publish(0..1);
    let subscribes = scene.emulator.count("subscribes");
    wait("a check", || scene.emulator.count("subscribes") > subscribes);
    scene.publish(1..2);
    let (_, _, replay) = scene.end("recheck");
    assert_told(&replay, 0, &["a check for missed events", "2 event(s)"]);
}

#[test]
fn another_decision_than_the_recorded_one_is_a_deviation() {
    let scene = Scene::start(Emulator::start(), "", &[]);
    scene.publish(0..1);
    scene.emulator.expire_sessions();
    scene.emulator.publish(A, 1);
    wait("the event after the end of the session", || scene.place.numbers(ARCHIVE).len() == 2);
    let (place, har, replay) = scene.end("expired");
    assert_told(&replay, 0, &["the session is lost"]);
    // As if the recorded client had gone on after the refusal, without its handshake and subscription.
    let mut changed: Value = serde_json::from_str(&har).unwrap();
    let entries = changed["log"]["entries"].as_array_mut().unwrap();
    let is = |entry: &Value, channel: &str| {
        entry["request"]["postData"]["text"].as_str().unwrap().contains(channel)
    };
    let second = entries.iter().rposition(|entry| is(entry, "/meta/handshake")).unwrap();
    entries.remove(second);
    std::fs::write(place.path("wire.har"), changed.to_string()).unwrap();
    assert_told(
        &wire(&place, &[]),
        1,
        &["! the session of today sends handshake; recorded is subscribe", "not sent"],
    );
    // As if it had begun too late after a lost position.
    let text = har.replace("\\\"replay\\\":{\\\"/topic/A\\\":", "\\\"replay\\\":{\\\"/topic/A\\\":1");
    assert_ne!(text, har);
    std::fs::write(place.path("wire.har"), text).unwrap();
    assert_told(&wire(&place, &[]), 1, &["! the session of today: subscribe /topic/A from after"]);
}

#[test]
fn a_session_over_a_websocket_is_replayed_with_its_breaks() {
    let (bayeux, place) = (Bayeux::start(Trick::None), Place::new());
    let more =
        "transport = \"websocket\"\nrequest_timeout = \"2s\"\npoll_margin = \"500ms\"\nreplay = \"all\"";
    let config = place.config(&(connection(&bayeux.url(), &[A], more) + &archive(&place)));
    let har = place.text("wire.har");
    let daemon = Cometail::start(&mut cometail(&["run", "-c", &config, "--wire", &har]));
    bayeux.publish(0..3);
    place.wait_for(ARCHIVE, 0..3);
    bayeux.cut();
    bayeux.publish(3..5);
    place.wait_for(ARCHIVE, 0..5);
    assert_eq!(daemon.stop().code, Some(0));
    kept("websocket", &place);
    let replay = wire(&place, &[]);
    assert_told(
        &replay,
        0,
        &["101: a websocket", "by websocket: connect ok", "the websocket ended", "5 event(s)"],
    );
}

#[test]
fn a_websocket_that_is_refused_is_replayed() {
    let (bayeux, place) = (Bayeux::start(Trick::Refuse(404)), Place::new());
    let more = "transport = \"websocket\"\nreplay = \"all\"";
    let config = place.config(&(connection(&bayeux.url(), &[A], more) + &archive(&place)));
    let har = place.text("wire.har");
    let daemon = Cometail::start(&mut cometail(&["run", "-c", &config, "--wire", &har]));
    bayeux.publish(0..3);
    place.wait_for(ARCHIVE, 0..3);
    assert_eq!(daemon.stop().code, Some(0));
    kept("no-websocket", &place);
    assert_told(&wire(&place, &[]), 0, &["no websocket: 404", "long polling instead", "3 event(s)"]);
}
