//! Where the org is: it moves, and the session with it.

use std::time::Duration;

use serde_json::json;

use crate::scene::Scene;
use crate::support::{A, ARCHIVE, Answer, Emulator, Server, stays, wait};

/// An org on two hosts: what is published on either is known by its number alone.
#[test]
fn the_session_follows_the_org_to_another_host() {
    let scene = Scene::start(&[]);
    // It takes the tokens of any org but its own.
    let other = Emulator::start();
    let more = format!("url = {:?}", scene.emulator.url("61.0"));
    let daemon = scene.run(&scene.config(&more, &scene.login("password")));
    scene.emulator.wait_polled(1);
    scene.publish(1, 2);
    scene.emulator.post("instance", &json!({"url": format!("http://{}", other.address())}));
    scene.revoke();
    scene.emulator.publish(A, 99);
    other.wait_polled(1);
    let moved = scene.status("the new address", |one| {
        let url = one["url"].as_str()?.to_owned();
        url.contains(other.address()).then_some(url)
    });
    assert_eq!(moved, other.url("61.0"));
    let sessions = || scene.emulator.state()["sessions"].as_array().unwrap().len();
    assert_eq!(other.count("handshakes"), 1);
    // A position of the old host means nothing at the new one, whose events are others.
    for n in 3..=9 {
        other.publish(A, n);
    }
    wait("events of the new host", || scene.place.numbers(ARCHIVE).ends_with(&[8, 9]));
    let ended = scene.stop(daemon);
    assert!(ended.stderr.contains("the org is where the login says"), "{}", ended.stderr);
    assert!(sessions() <= 1);
}

#[test]
fn a_hostile_address_in_mid_stream_gets_nothing_and_costs_no_event() {
    let scene = Scene::start(&[]);
    let thief = Server::start(|_, _| Answer::OK);
    let daemon = scene.run(&scene.config("", &scene.login("soap")));
    scene.emulator.wait_polled(1);
    scene.publish(1, 1);
    let elsewhere = thief.address.replace("127.0.0.1", "localhost");
    scene.emulator.post("instance", &json!({"url": format!("http://{elsewhere}")}));
    scene.revoke();
    scene.emulator.publish(A, 2);
    scene.status("the refusal", |one| {
        let told = one["login"]["error"]["text"].as_str()?;
        told.contains("would be spoken to over plain HTTP").then_some(())
    });
    stays("the thief hears nothing", Duration::from_millis(300), || thief.count() == 0);
    scene.emulator.post("instance", &json!({"url": null}));
    scene.publish(3, 4);
    scene.stop(daemon);
    assert_eq!(thief.count(), 0);
}

#[test]
fn a_kept_session_is_resumed_where_the_login_says_that_the_org_is() {
    let scene = Scene::start(&[]);
    let config = scene.config("on_stop = \"keep\"", &scene.login("jwt"));
    let daemon = scene.run(&config);
    scene.emulator.wait_polled(1);
    scene.publish(1, 1);
    scene.stop(daemon);
    let daemon = scene.run(&config);
    scene.emulator.wait_polled(1);
    scene.publish(2, 2);
    let ended = scene.stop(daemon);
    assert!(ended.stderr.contains("resuming the saved session"), "{}", ended.stderr);
    assert_eq!(scene.emulator.count("handshakes"), 1, "no new session");
}
