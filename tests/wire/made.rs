//! What is in a capture: no secret, no payload where none is wanted, and no more than its limit.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::support::{A, ARCHIVE, Cometail, Emulator, Place, archive, cometail, connection, wait};
use crate::{Scene, assert_told, entries, kept, wire};

const TOKEN: &str = "00Dxx0000001gPL!AQ4AQFake/TokenForTests";

#[test]
fn secrets_in_every_spelling_are_hidden() {
    let place = Place::new();
    let emulator = Emulator::start_in(&[("TOKEN", TOKEN)], &["--token-env", "TOKEN"]);
    let token = place.write("token", TOKEN);
    let more = format!("login.token.file = {token:?}");
    let config = place.config(&(connection(&emulator.url("61.0"), &[A], &more) + &archive(&place)));
    let har = place.text("wire.har");
    let daemon = Cometail::start(&mut cometail(&["run", "-c", &config, "--wire", &har]));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    place.wait_for(ARCHIVE, [0]);
    emulator.wait_polled(1);
    let spelled = [
        TOKEN.to_owned(),
        TOKEN.to_lowercase(),
        TOKEN.replace('!', "%21").replace('/', "%2F"),
        TOKEN.replace('!', "\\u0021").replace('/', "\\u002f"),
        TOKEN.replace('!', "&#33;").replace('/', "&#47;"),
        TOKEN.replace('/', "\\/"),
        TOKEN[..20].to_owned(),
    ];
    let keyed = json!({"access_token": "hush-1", "clientSecret": ["hush-2"], "new-password": {"a": "hush-3"}, "sid": 4711,
        "nested": "{\"refresh_token\":\"hush-5\"}"});
    for (at, spelling) in spelled.iter().enumerate() {
        let body = format!(
            "[{{\"channel\":\"/meta/connect\",\"successful\":false,\"error\":\"500::no right for {spelling}\",\"ext\":{keyed}}}]"
        );
        emulator.fault(&json!({"next": 1, "channel": "/meta/connect", "body": body}));
        emulator.publish(A, u64::try_from(at).unwrap() + 1);
        wait("the fault to be met", || {
            std::fs::read_to_string(&har).unwrap().matches("500::no right").count() > at
        });
        emulator.wait_polled(1);
    }
    assert_eq!(daemon.stop().code, Some(0));
    let text = kept("secrets", &place);
    for secret in ["hush", "4711", "00Dxx0000001gPL", "00dxx0000001gpl", "AQ4AQFake", "aq4aqfake"] {
        assert!(!text.contains(secret), "{secret} is in the capture: {text}");
    }
    let cookie = entries(&text)
        .iter()
        .any(|entry| entry["request"]["headers"].to_string().contains("BAYEUX_BROWSER=***"));
    assert!(cookie, "{text}");
    let replay = wire(&place, &[]);
    assert!(
        replay.stdout.contains("500::no right for ***") && replay.stdout.contains("0 deviation(s)"),
        "{}",
        replay.stdout
    );
}

#[test]
fn without_payloads_a_capture_is_replayed_all_the_same() {
    let scene = Scene::start(Emulator::start(), "", &["--wire-payloads", "no"]);
    scene.publish(0..1);
    let publish = json!({"channel": A, "data": {"sobject": {"n": 1, "Name": "hush"}, "deep": ["hush"]}});
    scene.emulator.post("publish", &publish);
    scene.place.wait_for(ARCHIVE, 0..2);
    scene.emulator.expire_sessions();
    scene.emulator.publish(A, 2);
    scene.place.wait_for(ARCHIVE, 0..3);
    let (_, har, replay) = scene.end("bare");
    assert!(!har.contains("hush") && har.contains("_hidden") && har.contains(" bytes"), "{har}");
    assert_told(
        &replay,
        0,
        &["hands 1 event(s) on: /topic/A up to", "the session is lost", "from after", "3 event(s)"],
    );
}

#[test]
fn a_capture_ends_at_its_limit_with_a_word_and_the_daemon_goes_on() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let table = "[wire]\nmax_size = \"64KiB\"\npayloads = false\n";
    let config = connection(&emulator.url("61.0"), &[A], "") + &archive(&place) + table;
    let har = place.text("wire.har");
    let config = place.config(&config);
    let daemon = Cometail::start(&mut cometail(&["run", "-c", &config, "--wire", &har]));
    emulator.wait_polled(1);
    // One at a time, since the capture grows with the exchanges and many events may come in one.
    for n in 0..100 {
        emulator.publish(A, n);
        place.wait_for(ARCHIVE, 0..=n);
    }
    daemon.wait_log("the capture has reached its size limit and stops");
    assert_eq!(daemon.stop().code, Some(0));
    let text = kept("limit", &place);
    assert!(text.len() <= (64 << 10) + 200, "{}", text.len());
    assert!(text.contains("at its limit of 65536 bytes") && !text.contains("sobject"), "{text}");
    let mode = std::fs::metadata(place.path("wire.har")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_told(&wire(&place, &[]), 0, &["ends live", "0 deviation(s)"]);
}
