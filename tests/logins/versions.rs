//! What the version of the API in use cannot do is said at the start.

use crate::scene::Scene;
use crate::support::{A, ARCHIVE, Cometail, Emulator, cometail, wait};

#[test]
fn what_cannot_be_had_is_said_at_the_start() {
    let scene = Scene::start(&[]);
    for (version, wanted) in [
        ("61.0", &[][..]),
        ("36.0", &["no replay ids"]),
        ("28.0", &["no replay ids", "deleted and undeleted"]),
    ] {
        let more = format!("url = {:?}\napi_version = {version:?}", scene.host());
        let daemon = scene.run(&scene.config(&more, &scene.login("jwt")));
        scene.emulator.wait_polled(1);
        let ended = scene.stop(daemon);
        let told =
            ["no replay ids", "deleted and undeleted"].into_iter().filter(|text| ended.stderr.contains(text));
        assert_eq!(told.collect::<Vec<_>>(), wanted, "{version}: {}", ended.stderr);
    }
}

#[test]
fn tail_says_so_too() {
    let emulator = Emulator::start();
    let tail = Cometail::start(&mut cometail(&["tail", &emulator.url("36.0"), A]));
    tail.wait_log("live: waiting for events");
    assert!(tail.stop().stderr.contains("API version 36.0: events have no replay ids"));
}

#[test]
fn the_endpoint_without_a_version_gets_its_cookies() {
    let scene = Scene::start(&[]);
    let more = format!("url = {:?}\napi_version = \"22.0\"", scene.host());
    let config = scene.config(&more, &scene.login("password")).replacen("/topic/A", "/A", 1);
    let daemon = scene.run(&config);
    scene.emulator.wait_polled(1);
    scene.emulator.publish("/topic/A", 1);
    wait("the event", || scene.place.lines("out/A.jsonl").len() == 1);
    assert!(scene.place.lines(ARCHIVE).is_empty());
    let cookies = std::fs::read_to_string(scene.place.path("state/c.session.json")).unwrap_or_default();
    for name in ["com.salesforce.LocaleInfo", "login", "sid", "language"] {
        assert!(cookies.contains(name), "{name}");
    }
    let ended = scene.stop(daemon);
    assert!(ended.stderr.contains("no replay ids"), "{}", ended.stderr);
}
