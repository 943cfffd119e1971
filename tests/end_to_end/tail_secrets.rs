//! The access token and the session's cookie: where they go, and where they never appear.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{A, Cometail, Emulator, Ended, Place, Relay, archive, cometail, connection, json, wait};

const TOKEN: &str = "00Dxx0000001gPL!AQ4AQFakeTokenForTests";

fn guarded(arguments: &[&str]) -> Emulator {
    Emulator::start_in(&[("TOKEN", TOKEN)], &[&["--token-env", "TOKEN"], arguments].concat())
}

/// Everything is logged, so that everything is looked through.
fn tail(url: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = cometail(&["tail", url, A, "--replay", "all", "--count", "3"]);
    command.args(arguments).env("COMETAIL_LOG", "trace");
    command
}

fn assert_hidden(ended: &Ended, secrets: &[&str]) {
    for secret in secrets {
        assert!(!ended.stderr.contains(secret), "a secret is on stderr:\n{}", ended.stderr);
        assert!(!ended.stdout.contains(secret), "a secret is on stdout:\n{}", ended.stdout);
    }
}

#[test]
fn the_token_comes_from_the_environment_or_a_file_and_is_never_shown() {
    let (emulator, place) = (guarded(&[]), Place::new());
    emulator.publish_each(1..=3);
    let url = emulator.url("61.0");
    let file = place.write("token", &format!("  {TOKEN}\n"));
    let wrong = place.write("wrong", "another-token-that-is-wrong");
    let ends = [
        Cometail::start(tail(&url, &[]).env("COMETAIL_TOKEN", TOKEN)).end(),
        Cometail::start(&mut tail(&url, &["--token-file", &file])).end(),
        Cometail::start(tail(&url, &["--token-file", &file]).env("COMETAIL_TOKEN", "loses")).end(),
        Cometail::start(tail(&url, &["--token-file", &wrong]).env("COMETAIL_TOKEN", TOKEN)).end(),
        Cometail::start(&mut tail(&url, &[])).end(),
    ];
    assert_eq!(ends.each_ref().map(|ended| ended.code), [Some(0), Some(0), Some(0), Some(77), Some(77)]);
    for ended in &ends[..3] {
        assert_eq!(ended.stdout.lines().count(), 3, "{}", ended.stderr);
    }
    for ended in &ends {
        assert_hidden(ended, &[TOKEN, "another-token-that-is-wrong"]);
    }
}

/// The value of the session's cookie as it went over the wire.
fn cookie(relay: &Relay) -> String {
    let seen = relay.seen();
    let value = seen.split("BAYEUX_BROWSER=").nth(1).unwrap();
    value.split([';', '\r']).next().unwrap().to_owned()
}

fn entries(har: &str) -> Vec<Value> {
    let mut har = json(har);
    assert_eq!(har["log"]["version"], "1.2");
    har["log"]["entries"].as_array_mut().unwrap().drain(..).collect()
}

#[test]
fn a_capture_is_a_whole_har_at_any_time_and_holds_no_secret() {
    let (emulator, place) = (guarded(&[]), Place::new());
    let relay = Relay::to(emulator.address());
    let url = format!("http://{}/cometd/61.0", relay.address);
    let (wire, har) = (place.text("wire.har"), || std::fs::read_to_string(place.path("wire.har")).unwrap());
    let tail = Cometail::start(tail(&url, &["--wire", &wire]).env("COMETAIL_TOKEN", TOKEN));
    emulator.wait_polled(1);
    assert_eq!(entries(&har()).len(), 3, "handshake, subscribe and the first connect");
    emulator.publish(A, 1);
    tail.wait_lines(1);
    let with_event = entries(&har());
    let text = with_event[3]["response"]["content"]["text"].as_str().unwrap();
    assert!(text.contains(r#""n":1"#), "{text}");
    emulator.publish_each(2..=3);
    let ended = tail.end();
    assert_eq!(ended.code, Some(0));

    let (har, cookie) = (har(), cookie(&relay));
    assert!(relay.seen().contains(TOKEN) && cookie.len() == 24, "they were used: {cookie}");
    assert!(!har.contains(TOKEN) && !har.contains(&cookie), "{har}");
    assert!(har.contains("Bearer ***") && har.contains("BAYEUX_BROWSER=***"), "{har}");
    assert!(har.contains("/meta/disconnect"), "the last exchange is in it");
    assert_hidden(&ended, &[TOKEN, &cookie]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&wire).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_killed_daemon_leaves_a_whole_capture_and_no_secret_but_in_its_state() {
    let (emulator, place) = (guarded(&[]), Place::new());
    let relay = Relay::to(emulator.address());
    let token = place.write("token", TOKEN);
    let login = format!("login.token.file = {token:?}");
    let url = format!("http://{}/cometd/61.0", relay.address);
    let config = place.config(&(connection(&url, &[A], &login) + &archive(&place)));
    let mut command = cometail(&["run", "-c", &config, "--wire", &place.text("wire.har")]);
    let daemon = Cometail::start(command.env("COMETAIL_LOG", "trace"));
    emulator.wait_polled(1);
    emulator.publish_each(0..5);
    place.wait_for(crate::support::ARCHIVE, 0..5);
    for file in ["state/c.session.json", "state/status.json"] {
        wait(file, || place.path(file).exists());
    }
    daemon.signal(Signal::KILL);
    let ended = daemon.end();

    let cookie = cookie(&relay);
    assert_hidden(&ended, &[TOKEN, &cookie]);
    let har = std::fs::read_to_string(place.path("wire.har")).unwrap();
    let events = entries(&har).iter().filter(|entry| entry.to_string().contains(r#"\"n\":0"#)).count();
    assert_eq!(events, 1, "{har}");
    let status = std::fs::read_to_string(place.path("state/status.json")).unwrap();
    for text in [&har, &status] {
        assert!(!text.contains(TOKEN) && !text.contains(&cookie), "{text}");
    }
    let session = std::fs::read_to_string(place.path("state/c.session.json")).unwrap();
    assert!(session.contains(&cookie) && !session.contains(TOKEN), "the cookie is kept, the token is not");
}
