//! Servers, tokens, channels and directories that will not do: one message that names the thing, what was wrong
//! and what to do, and an exit code that a script can tell apart.

use crate::support::{
    A, ARCHIVE, Answer, Cometail, Emulator, Ended, Place, Server, archive, cometail, connection, run, wait,
};

const PAGE: &str = "<html><body>Here is no such page</body></html>";

/// The lines of errors: those of the log, and those that came before it.
fn errors(ended: &Ended) -> Vec<&str> {
    let is_error = |line: &&str| line.starts_with("cometail: ") || line.contains(r#""level":"ERROR""#);
    ended.stderr.lines().filter(is_error).collect()
}

/// One message, which holds all these words.
fn assert_told(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let errors = errors(ended);
    assert_eq!(errors.len(), 1, "{}", ended.stderr);
    for word in words {
        assert!(errors[0].contains(word), "no {word:?} in {}", errors[0]);
    }
}

fn tail(url: &str, arguments: &[&str]) -> Ended {
    run(&[&["tail", url], arguments].concat())
}

#[test]
fn a_url_that_answers_with_an_error_page_is_no_endpoint() {
    let server = Server::start(|_, _| Answer::Status(404, "", PAGE));
    let url = format!("http://{}/nothing", server.address);
    let ended = tail(&url, &[A]);
    assert_told(&ended, 69, &["HTTP status 404", "Here is no such page", "no CometD endpoint", "check host"]);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_url_that_answers_with_a_page_is_no_endpoint() {
    let server = Server::start(|_, _| Answer::Status(200, "", PAGE));
    let ended = tail(&server.url(), &[A]);
    assert_told(&ended, 69, &["no reply to the handshake", "Here is no such page", "no CometD endpoint"]);
    assert_eq!(server.seen().len(), 2, "a page may be a passing one");
}

#[test]
fn a_redirect_to_another_server_is_not_followed() {
    let other = Server::start(|_, _| Answer::OK);
    let location: &'static str = format!("Location: http://{}/\r\n", other.address).leak();
    let server = Server::start(move |_, _| Answer::Status(302, location, ""));
    let ended =
        Cometail::start(cometail(&["tail", &server.url(), A]).env("COMETAIL_TOKEN", "not-for-others")).end();
    assert_told(&ended, 69, &["redirect", "no CometD endpoint"]);
    assert!(other.seen().is_empty());
}

#[test]
fn an_unsupported_version_is_told() {
    let emulator = Emulator::start();
    assert_told(
        &tail(&emulator.url("12.0"), &[A]),
        69,
        &["Unsupported API version", "check host and API version"],
    );
    assert_told(&tail(&emulator.url("latest"), &[A]), 69, &["API version in the URI is mandatory"]);
}

#[test]
fn a_channel_that_does_not_exist_ends_a_tail() {
    let emulator = Emulator::start_with(&["--channel", A]);
    let ended = tail(&emulator.url("61.0"), &["/topic/Nowhere"]);
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    let told: Vec<_> = ended.stderr.lines().filter(|line| line.contains("/topic/Nowhere")).collect();
    assert_eq!(told.len(), 1, "{}", ended.stderr);
    for word in ["doesn't exist", "no_such_channel", "check its spelling"] {
        assert!(told[0].contains(word), "{}", told[0]);
    }
    assert!(emulator.state()["sessions"].as_array().unwrap().is_empty(), "no session is left behind");
}

#[test]
fn a_channel_that_does_not_exist_leaves_the_others_alone() {
    let emulator = Emulator::start_with(&["--channel", A]);
    let place = Place::new();
    let daemon =
        place.run(&(connection(&emulator.url("61.0"), &["/topic/Nowhere", A], "") + &archive(&place)));
    emulator.wait_polled(1);
    emulator.publish_each(0..3);
    place.wait_for(ARCHIVE, 0..3);
    let standing = |name: &str| {
        let status = place.status()?;
        let channels = status["connections"][0]["channels"].as_array()?.clone();
        channels.into_iter().find(|one| one["name"] == name)?["standing"].as_str().map(str::to_owned)
    };
    wait("the channels in the status", || standing(A).as_deref() == Some("live"));
    assert_eq!(standing("/topic/Nowhere").as_deref(), Some("no_such_channel"));
    let tail = Cometail::start(&mut cometail(&["tail", &emulator.url("61.0"), "/topic/Nowhere", A]));
    emulator.wait_sessions(2);
    emulator.publish(A, 3);
    tail.wait_lines(1);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_refused_token_is_told_with_its_source() {
    let place = Place::new();
    let file = place.write("token", "wrong-token-of-the-file");
    for version in ["36.0", "61.0"] {
        let emulator = Emulator::start_in(&[("TOKEN", "the-token")], &["--token-env", "TOKEN"]);
        let url = emulator.url(version);
        let ended = tail(&url, &[A, "--token-file", &file]);
        assert_told(&ended, 77, &["access token of the file", &file, "get a new one"]);
        let variable =
            Cometail::start(cometail(&["tail", &url, A]).env("COMETAIL_TOKEN", "wrong-token")).end();
        assert_told(
            &variable,
            77,
            &["access token of the environment variable COMETAIL_TOKEN", "get a new one"],
        );
        assert_told(&tail(&url, &[A]), 77, &["none is configured", "COMETAIL_TOKEN", "--token-file"]);
        assert!(!(ended.stderr + &variable.stderr).contains("wrong-token"));
    }
}

#[test]
fn a_token_file_that_will_not_do_is_told() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let missing = place.text("missing");
    let ended = tail(&emulator.url("61.0"), &[A, "--token-file", &missing]);
    assert_told(&ended, 77, &[&missing, "No such file"]);
    let empty = place.write("empty", "\n");
    assert_told(&tail(&emulator.url("61.0"), &[A, "--token-file", &empty]), 77, &[&empty, "it is empty"]);
}

#[test]
fn a_state_directory_that_cannot_be_made_is_told() {
    let place = Place::new();
    place.write("file", "");
    let dir = place.text("file/state");
    let config = connection("http://127.0.0.1:9/cometd/61.0", &[A], "") + &archive(&place);
    let config = place.write("cometail.toml", &format!("[state]\ndir = {dir:?}\n{config}"));
    let ended = run(&["run", "-c", &config]);
    assert_told(&ended, 74, &["state directory", &dir, "Not a directory", "set another [state] dir"]);
}

#[test]
fn a_state_directory_in_use_is_told() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
    emulator.wait_polled(1);
    let second = run(&["run", "-c", &place.text("cometail.toml")]);
    assert_told(&second, 75, &["state directory", &place.text("state"), "in use", "stop that one"]);
    // The first one has noticed nothing.
    emulator.publish(A, 0);
    place.wait_for(ARCHIVE, [0]);
    assert_eq!(daemon.stop().code, Some(0));
    assert_eq!(emulator.count("handshakes"), 1);
}

#[test]
fn an_output_directory_that_cannot_be_made_is_told_and_every_one_of_them() {
    let place = Place::new();
    place.write("file", "");
    let paths = ["file/one/{channel}.jsonl", "file/two/{channel}.jsonl"].map(|path| place.text(path));
    let sinks = format!("[sink.one.file]\npath = {:?}\n[sink.two.file]\npath = {:?}\n", paths[0], paths[1]);
    let ended = place.run(&(connection("http://127.0.0.1:9/cometd/61.0", &[A], "") + &sinks)).end();
    assert_eq!(ended.code, Some(74), "{}", ended.stderr);
    let errors = errors(&ended);
    assert_eq!(errors.len(), 2, "{}", ended.stderr);
    for (error, name) in errors.iter().zip(["one", "two"]) {
        let thing = format!("sink {name}: {}", place.text(&format!("file/{name}")));
        for word in [&thing, "cannot make the directory", "name a directory that can be made"] {
            assert!(error.contains(word), "no {word:?} in {error}");
        }
    }
}

#[test]
fn a_capture_that_cannot_be_written_is_told() {
    let place = Place::new();
    let ended = tail("http://127.0.0.1:9/cometd/61.0", &[A, "--wire", &place.text("missing/wire.har")]);
    assert_told(&ended, 74, &["--wire", "missing/wire.har", "No such file"]);
}

#[test]
fn what_a_url_holds_is_not_repeated_by_an_error() {
    let user = "https://bob:hunter2@acme.example/cometd/61.0";
    for (url, channel, why) in [
        (user, A, "no place for secrets"),
        ("ftp://bob:hunter2@acme.example/", A, "an http or https URL"),
        ("https://bob:hunter2@acme.example:x/", A, "invalid port"),
        ("bob:hunter2@acme.example", A, "an http or https URL"),
        (A, user, "relative URL"),
        ("https://acme.example/cometd/61.0", user, "a channel starts with '/'"),
        ("https://acme.example/cometd/61.0", "/meta/\u{1b}[2J", "channel '/meta/\\u{1b}[2J'"),
        ("https://acme.example/cometd/61.0", "/meta/connect", "the protocol's own"),
    ] {
        let ended = tail(url, &[channel]);
        assert_eq!(ended.code, Some(2), "{url} {channel}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2") && !ended.stderr.contains("bob"), "{}", ended.stderr);
    }
}

#[test]
fn a_replay_id_that_no_server_knows_is_refused() {
    for replay in ["-3", "-9223372036854775808", "9223372036854775808", "now", ""] {
        let ended = tail("http://127.0.0.1:9/cometd/61.0", &[A, "--replay", replay]);
        assert_eq!(ended.code, Some(2), "{replay}: {}", ended.stderr);
        assert!(ended.stderr.contains("new (-1), all (-2)"), "{}", ended.stderr);
    }
    let (emulator, forms) = (Emulator::start(), ["new", "all", "-1", "-2", "0", "17"]);
    emulator.publish(A, 1);
    for replay in forms {
        let tail = Cometail::start(&mut cometail(&["tail", &emulator.url("61.0"), A, "--replay", replay]));
        tail.wait_log("handshake succeeded");
        drop(tail);
    }
}
