//! Secrets and certificates that change while the daemon runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::scene::{Scene, connection_on, sink};
use crate::support::{A, Answer, Emulator, Posted, Server, wait};

fn is_signed(posted: &Posted, key: &str) -> bool {
    let header = |name| posted.header(name).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), posted.body);
    mac.update(signed.as_bytes());
    header("webhook-signature") == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[test]
fn a_changed_secret_signs_without_being_asked_and_a_bad_one_does_not() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let hook = Server::start(|_, _| Answer::OK);
    let secret = scene.place.write("secret", "the first of two raw keys, long enough");
    let text = connection_on("c", &emulator, "")
        + &format!(
            "[sink.hook.webhook]\nurl = {:?}\nproxy = \"direct\"\nsecret = {{ file = {secret:?} }}\n",
            hook.url()
        );
    let daemon = scene.run(&text);
    emulator.wait_polled(1);
    // What stands in the configuration by now is nobody's wish yet.
    scene.place.config("nonsense");
    scene.place.write("secret", "short");
    daemon.wait_log("the configuration is not used; nothing has changed");
    assert!(!daemon.log().contains("nonsense") && !daemon.log().contains("no TOML"), "{}", daemon.log());
    emulator.publish(A, 0);
    wait("an event with the first key", || hook.count() == 1);
    scene.place.write("secret", "the second of two raw keys, long enough");
    daemon.wait_log("sink hook: changed");
    emulator.publish(A, 1);
    wait("an event with the second key", || hook.count() == 2);
    let seen = hook.seen();
    assert!(is_signed(&seen[0], "the first of two raw keys, long enough"));
    assert!(is_signed(&seen[1], "the second of two raw keys, long enough"));
    assert_eq!(emulator.count("handshakes"), 1);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("raw keys") && !ended.stdout.contains("raw keys"));
}

#[test]
fn a_changed_certificate_is_used_and_a_broken_one_is_not() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let authority =
        || rcgen::generate_simple_self_signed([String::from("authority.example")]).unwrap().cert.pem();
    let file = scene.place.write("ca.pem", &authority());
    let more = format!("ca_file = {file:?}");
    let daemon = scene.run(&(connection_on("c", &emulator, &more) + &sink(&scene, "archive", "[\"/**\"]")));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    scene.place.wait_for("out/archive.c.jsonl", [0]);
    scene.place.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA");
    daemon.wait_log("the configuration is not used; nothing has changed");
    emulator.publish(A, 1);
    scene.place.wait_for("out/archive.c.jsonl", 0..2);
    scene.place.write("ca.pem", &authority());
    daemon.wait_log("connection c: changed");
    emulator.publish(A, 2);
    scene.place.wait_for("out/archive.c.jsonl", 0..3);
    assert_eq!(emulator.count("handshakes"), 1, "the session goes on");
    assert_eq!(daemon.stop().code, Some(0));
}
