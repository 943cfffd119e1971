//! What a server advises: every value of `reconnect`, every field, and values that make no sense.

use serde_json::{Value, json};

use crate::acts::body;
use crate::scene::{Scene, within_bound};
use crate::server::CONNECT;

/// Advice with every field that servers send.
fn advice(reconnect: &str) -> Value {
    json!({"reconnect": reconnect, "interval": 20, "timeout": 400, "maxInterval": 10_000,
        "multiple-clients": true, "hosts": ["a.example", "b.example"]})
}

fn on_a_successful_reply(reconnect: &'static str) -> Scene {
    let mut scene = Scene::live();
    scene.play_body(2, move |answer| answer.with(answer.reply_with(&json!({"advice": advice(reconnect)}))));
    scene.goes_on();
    scene
}

fn on_a_failed_reply(reconnect: &'static str) -> Scene {
    let mut scene = Scene::live();
    scene.play_body(2, move |answer| {
        let error = "400::Nobody knows why";
        let fields = json!({"successful": false, "error": error, "advice": advice(reconnect)});
        answer.with(answer.reply_with(&fields))
    });
    scene.told("Nobody knows why");
    scene.goes_on();
    scene
}

#[test]
fn retry_on_a_successful_reply_goes_on() {
    on_a_successful_reply("retry").ends_in_the_same_session();
}

#[test]
fn handshake_on_a_successful_reply_is_a_new_session() {
    let scene = on_a_successful_reply("handshake");
    assert!(scene.server.with(|state| state.count("/meta/handshake")) == 2);
    scene.told("the server advised a handshake");
    scene.ends();
}

#[test]
fn none_on_a_successful_reply_is_no_end() {
    on_a_successful_reply("none").ends();
}

#[test]
fn retry_on_a_failed_reply_goes_on() {
    on_a_failed_reply("retry").ends_in_the_same_session();
}

#[test]
fn handshake_on_a_failed_reply_is_a_new_session() {
    let scene = on_a_failed_reply("handshake");
    assert!(scene.server.with(|state| state.count("/meta/handshake")) == 2);
    scene.ends();
}

#[test]
fn none_on_a_failed_reply_is_no_end() {
    on_a_failed_reply("none").ends();
}

/// Plays each of these as the advice of a reply, twice: the session goes on, and the log names it once.
fn is_named_once(values: &[&'static str]) {
    for &value in values {
        let mut scene = Scene::live();
        for _ in 0..2 {
            scene.play_body(2, move |answer| {
                answer.with(answer.reply_with(&json!({"advice": "X"})).replace(r#""X""#, value))
            });
            scene.goes_on();
        }
        let ended = scene.ends_in_the_same_session();
        assert_eq!(
            ended.stderr.matches("advice that makes no sense").count(),
            1,
            "{value}: {}",
            ended.stderr
        );
    }
}

#[test]
fn negative_values_are_ignored_and_named_once() {
    is_named_once(&[r#"{"interval":-5}"#, r#"{"timeout":-1e300}"#, r#"{"interval":-9223372036854775809}"#]);
}

#[test]
fn values_of_a_wrong_type_are_ignored_and_named_once() {
    is_named_once(&[
        "7",
        "[]",
        r#""retry""#,
        r#"{"reconnect":7,"interval":0}"#,
        r#"{"reconnect":"never"}"#,
        r#"{"interval":"soon","timeout":[]}"#,
        r#"{"timeout":true}"#,
        r#"{"interval":{}}"#,
    ]);
}

#[test]
fn fields_that_nobody_uses_may_be_anything() {
    let mut scene = Scene::live();
    scene.play_body(2, |answer| {
        let advice = json!({"maxInterval": -1, "multiple-clients": "?", "hosts": {"a": [null]}, "x": []});
        answer.with(answer.reply_with(&json!({"advice": advice})))
    });
    scene.ends_in_the_same_session();
}

#[test]
fn a_huge_timeout_is_clamped_and_named_once() {
    is_named_once(&[r#"{"timeout":1e300}"#, r#"{"timeout":18446744073709551616}"#, r#"{"timeout":600001}"#]);
}

#[test]
fn a_huge_interval_of_a_failed_reply_is_clamped_and_named_once() {
    let mut scene = Scene::live();
    for _ in 0..2 {
        scene.stage(2, |state| {
            let advice = json!({"reconnect": "retry", "interval": 1e300});
            let fields = json!({"successful": false, "error": "503::Busy", "advice": advice});
            state.act(CONNECT, body(move |answer| answer.with(answer.reply_with(&fields))));
            // Advice holds until there is another.
            let fields = json!({"advice": {"interval": 0}});
            state.act(CONNECT, body(move |answer| answer.with(answer.reply_with(&fields))));
        });
        scene.told("503::Busy");
        scene.goes_on();
    }
    let ended = scene.ends_in_the_same_session();
    assert_eq!(ended.stderr.matches("advice that makes no sense").count(), 1, "{}", ended.stderr);
}

/// The next connect is due within the 40 s after which the server would expire the session.
#[test]
fn a_huge_interval_of_a_successful_reply_is_clamped_below_the_servers_patience() {
    let mut scene = Scene::live();
    scene.play_body(2, |answer| answer.with(answer.reply_with(&json!({"advice": {"interval": 1e300}}))));
    scene.arrived();
    within_bound("the wait in the status", || scene.status()["waiting"] == "as the server advised");
    let wait = scene.status()["waiting_ms"].as_u64().unwrap();
    assert!((1..=30_000).contains(&wait), "{wait} ms");
    let ended = scene.daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("advice that makes no sense").count(), 1, "{}", ended.stderr);
}

/// Polls are given up before they are answered, until a new session is told otherwise.
#[test]
fn an_advised_timeout_that_the_server_does_not_keep_is_survived() {
    let mut scene = Scene::live_with("poll_margin = \"100ms\"");
    scene.play_body(2, |answer| answer.with(answer.reply_with(&json!({"advice": {"timeout": 1}}))));
    scene.told(r#""kind":"timeout""#);
    scene.ends();
}
