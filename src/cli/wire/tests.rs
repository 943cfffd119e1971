//! Any capture at all: what is read is replayed to an end, and nothing panics.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::line::Line;
use super::replay::{Summary, replay};
use super::{har, talk};

fn entry(second: usize, asked: &Value, answer: &str, fault: Option<&str>) -> Value {
    json!({
        "startedDateTime": format!("2026-03-01T10:{:02}:{:02}Z", second / 60 % 60, second % 60),
        "time": 250,
        "request": {"method": "POST", "url": "http://x.example/cometd", "postData": {"text": asked.to_string()}},
        "response": {"status": if fault.is_some() { 0 } else { 200 }, "content": {"text": answer}},
        "_error": fault,
        "_fault": fault.map(|kind| json!({"kind": kind, "sent": true})),
    })
}

fn read(text: &str) -> Result<Vec<(Summary, Vec<String>)>, String> {
    let entries = har::read(text.as_bytes()).map_err(|error| error.to_string())?;
    let replays = talk::talks(entries).into_iter().map(|talk| {
        let mut lines = Vec::new();
        let summary = replay(&talk, &mut |line: &Line| lines.push(line.to_string()));
        (summary, lines)
    });
    Ok(replays.collect())
}

fn har_of(entries: &[Value]) -> String {
    json!({"log": {"version": "1.2", "entries": entries}}).to_string()
}

/// Requests and answers of every kind, sense or not.
fn piece() -> impl Strategy<Value = (Value, String, Option<&'static str>)> {
    let channels = prop_oneof![
        Just("/meta/handshake"),
        Just("/meta/connect"),
        Just("/meta/connect"),
        Just("/meta/subscribe"),
        Just("/meta/unsubscribe"),
        Just("/meta/disconnect"),
    ];
    let errors = prop_oneof![
        3 => Just(""),
        1 => Just("402::Unknown client"),
        1 => Just("401::Authentication invalid"),
        1 => Just("403::Organization total events daily limit exceeded"),
        1 => Just("400::The replayId {7} you provided was invalid. Please provide a valid ID"),
    ];
    let bodies =
        prop_oneof![6 => Just(None), 1 => Just(Some("[{")), 1 => Just(Some("<html>")), 1 => Just(Some(""))];
    let faults = prop_oneof![8 => Just(None), 1 => Just(Some("timeout")), 1 => Just(Some("given_up")), 1 => Just(Some("dns"))];
    let reconnects = prop_oneof![Just("retry"), Just("handshake"), Just("none")];
    (channels, errors, bodies, faults, reconnects, 0..20_i64).prop_map(|(channel, error, body, fault, reconnect, n)| {
        let asked = json!([{"channel": channel, "id": n.to_string(), "clientId": "a", "subscription": format!("/topic/{}", n % 3),
            "ext": {"replay": {format!("/topic/{}", n % 3): n - 2}, "ack": n % 4}}]);
        let reply = json!({"channel": channel, "id": n.to_string(), "successful": error.is_empty(), "error": error,
            "clientId": "a", "subscription": format!("/topic/{}", n % 3), "ext": {"replay": true},
            "advice": {"reconnect": reconnect, "interval": n * 100, "timeout": 1000}});
        let event = json!({"channel": format!("/topic/{}", n % 3), "data": {"event": {"replayId": n}}});
        let answer = json!([reply, event]).to_string();
        (asked, body.map_or(answer, str::to_owned), fault)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_capture_is_replayed_to_an_end(pieces in proptest::collection::vec(piece(), 1..40)) {
        let entries: Vec<_> =
            pieces.iter().enumerate().map(|(at, (asked, answer, fault))| entry(at, asked, answer, *fault)).collect();
        for (summary, lines) in read(&har_of(&entries)).unwrap() {
            prop_assert!(lines.len() < 200 * (entries.len() + 1), "{} lines", lines.len());
            prop_assert!(lines.last().unwrap().contains(" = ends "));
            prop_assert!(!summary.state.is_empty());
        }
    }

    #[test]
    fn no_text_in_the_place_of_a_capture_panics(at in any::<prop::sample::Index>(), cut in 0..30_usize, text in "[\\[\\]{}\":,0-9a-z\\\\ ]{0,20}") {
        let asked = json!([{"channel": "/meta/handshake", "id": "1"}]);
        let good = har_of(&[entry(0, &asked, "[]", None), entry(1, &asked, "[]", Some("broken"))]);
        let start = at.index(good.len());
        let end = (start + cut).min(good.len());
        let changed = [&good[..start], &text, &good[end..]].concat();
        drop(read(&changed));
        drop(read(&text));
    }
}

#[test]
fn what_a_capture_says_twice_of_its_session_is_the_same() {
    let handshake = json!([{"channel": "/meta/handshake", "id": "1"}]);
    let answer =
        json!([{"channel": "/meta/handshake", "id": "1", "successful": true, "clientId": "a"}]).to_string();
    let text = har_of(&[entry(0, &handshake, &answer, None)]);
    let lines = || read(&text).unwrap().remove(0).1;
    assert_eq!(lines(), lines());
    assert!(
        lines().iter().any(|line| line.contains("the capture ends before an answer to this")),
        "{:?}",
        lines()
    );
}
