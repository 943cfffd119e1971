//! What a server advises: every value of `reconnect`, every field, and values that make no sense.

use serde_json::{Value, json};

use crate::scene::Scene;

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
