//! What cannot start after a change, or is over: it says so wherever somebody looks, and starts when it can.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::scene::{Scene, connection_on, sink};
use crate::support::{A, Answer, Cometail, Emulator, Server, json, run, wait};

const B: &str = "/topic/B";

fn admin(scene: &Scene) -> String {
    format!("[admin]\nlisten = \"unix:{}\"\n", scene.place.text("admin.sock"))
}

/// What the admin server answers: the status, and the body.
fn ask(scene: &Scene, request: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(scene.place.path("admin.sock")).unwrap();
    let length = body.len();
    let head = "Host: x\r\nConnection: close\r\nContent-Type: application/json";
    write!(stream, "{request} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn named(status: &Value, what: &str, name: &str) -> Value {
    let all = status[what].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|one| one["name"] == name).unwrap_or_default()
}

/// Waits until it is in this state, by the status of the admin server.
fn wait_state(scene: &Scene, what: &str, name: &str, state: &str) -> Value {
    let present = || named(&json(&ask(scene, "GET /api/v1/status", "").1), what, name);
    wait(&format!("{name} {state}"), || present()["state"] == state);
    present()
}

/// The log lines with this text.
fn told(daemon: &Cometail, text: &str) -> Vec<Value> {
    daemon.log().lines().filter(|line| line.contains(text)).map(json).collect()
}

/// A trouble that goes on is told once, however often it is tried again.
fn starts_after_some_attempts(daemon: &Cometail, what: &str) {
    let begun = format!("the {what} starts, after attempts that failed");
    daemon.wait_log(&begun);
    let attempts = told(daemon, &begun)[0]["attempts"].as_u64().unwrap();
    assert!(attempts >= 2, "{attempts}");
    assert_eq!(told(daemon, &format!("the {what} cannot start")).len(), 1, "{}", daemon.log());
}

#[test]
fn a_sink_that_cannot_start_has_a_row_and_loses_nothing() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let base = String::from("[daemon]\ngrace = \"2s\"\n")
        + &connection_on("c", &emulator, "")
        + &sink(&scene, "archive", "[\"/**\"]")
        + &admin(&scene);
    let (dead, alive) = (Server::start(|_, _| Answer::Status(503, "", "")), Server::start(|_, _| Answer::OK));
    let hook = |name: &str, url: &str| {
        let parked = scene.place.text("parked/file.jsonl");
        format!("[sink.{name}.webhook]\nurl = {url:?}\nproxy = \"direct\"\nparked = {parked:?}\n")
    };
    std::fs::create_dir(scene.place.path("parked")).unwrap();
    let daemon = scene.run(&(base.clone() + &hook("one", &dead.url())));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    wait("an attempt", || dead.count() > 0);
    // The new one waits until the old one has let go of the file, and then its directory is gone.
    let changed = scene.reload(&(base + &hook("two", &alive.url())));
    assert_eq!(changed.stdout, "sink two: added\nsink one: removed\n", "{}", changed.stderr);
    std::fs::rename(scene.place.path("parked"), scene.place.path("elsewhere")).unwrap();
    scene.place.write("parked", "no directory");
    daemon.wait_log("the sink cannot start");
    emulator.publish_each(1..4);
    wait("the journal to hold them for it", || {
        wait_state(&scene, "sinks", "two", "cannot start")["lag"] == 3
    });
    let row = wait_state(&scene, "sinks", "two", "cannot start");
    assert_eq!((&row["kind"], &row["kept"]), (&"webhook".into(), &true.into()), "{row}");
    let reason = row["last_error"].as_str().unwrap();
    assert!(reason.contains("parked/file.jsonl") && row["failing_since"].is_u64(), "{row}");
    let state = scene.place.text("state");
    let shown = run(&["status", "--state-dir", &state]);
    let line = shown.stdout.lines().find(|line| line.starts_with("two")).unwrap_or_default();
    assert!(line.contains("cannot start") && shown.stdout.contains(reason), "{}", shown.stdout);
    let health = run(&["status", "--health", "--state-dir", &state]);
    assert!(
        health.stderr.contains("sink two cannot start for ") && health.code == Some(1),
        "{}",
        health.stderr
    );
    let figures = ask(&scene, "GET /metrics", "").1;
    assert!(figures.contains("cometail_sink_state{sink=\"two\",state=\"cannot start\"} 1\n"), "{figures}");
    // It is tried again at least once more in vain.
    wait("another attempt", || {
        let stamp = named(&scene.place.status().unwrap_or_default(), "sinks", "two");
        stamp["failing_since"].as_u64().is_some_and(|since| now() > since + 5500)
    });
    std::fs::remove_file(scene.place.path("parked")).unwrap();
    std::fs::rename(scene.place.path("elsewhere"), scene.place.path("parked")).unwrap();
    starts_after_some_attempts(&daemon, "sink");
    wait("every event since it was added", || alive.count() >= 3);
    wait_state(&scene, "sinks", "two", "idle");
    assert_eq!(daemon.stop().code, Some(0));
}

fn now() -> u64 {
    cometail::status::millis(std::time::SystemTime::now())
}

#[test]
fn a_connection_that_cannot_start_has_a_row_and_goes_on_when_it_can() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
    let file = scene.place.write("ca.pem", &certificate);
    let text = connection_on("c", &emulator, &format!("ca_file = {file:?}"))
        + &sink(&scene, "archive", "[\"/**\"]")
        + &admin(&scene);
    let daemon = scene.run(&text);
    emulator.wait_polled(1);
    assert_eq!(ask(&scene, "POST /api/v1/connections/c/pause", "").0, 202);
    wait_state(&scene, "connections", "c", "paused");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(ask(&scene, "POST /api/v1/connections/c/resume", "").0, 202);
    let row = wait_state(&scene, "connections", "c", "cannot start");
    let reason = row["last_error"]["text"].as_str().unwrap();
    assert!(reason.contains("ca.pem") && row["waiting"] == "to be started again", "{row}");
    wait("another attempt", || {
        wait_state(&scene, "connections", "c", "cannot start")["failures"].as_u64() >= Some(2)
    });
    let shown = run(&["status", "--state-dir", &scene.place.text("state")]).stdout;
    assert!(shown.contains("cannot start") && shown.contains(reason), "{shown}");
    let figures = ask(&scene, "GET /metrics", "").1;
    assert!(figures.contains("cometail_connection_state{connection=\"c\",state=\"cannot start\"} 1\n"));
    scene.place.write("ca.pem", &certificate);
    starts_after_some_attempts(&daemon, "connection");
    wait_state(&scene, "connections", "c", "live");
    emulator.publish(A, 0);
    scene.place.wait_for("out/archive.c.jsonl", [0]);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_channel_of_a_connection_that_is_over_is_refused_with_its_reason() {
    let (emulator, other, scene) = (Emulator::start(), Emulator::start(), Scene::new());
    let wrong = connection_on("d", &other, "").replace("/cometd/61.0", "/cometd/12.0");
    let text =
        connection_on("c", &emulator, "") + &wrong + &sink(&scene, "archive", "[\"/**\"]") + &admin(&scene);
    let daemon = scene.run(&text);
    emulator.wait_polled(1);
    let channels = |name: &str| format!("/api/v1/connections/{name}/channels");
    let subscribe =
        |name: &str| ask(&scene, &format!("POST {}", channels(name)), &format!("{{\"channel\": {B:?}}}"));
    let unsubscribe = |name: &str| ask(&scene, &format!("DELETE {}?channel={B}", channels(name)), "");
    wait("an end by itself", || subscribe("d").0 == 409);
    for (code, body) in [subscribe("d"), unsubscribe("d")] {
        let error = json(&body)["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!(code, 409, "{body}");
        let whole = error.starts_with("connection d has ended, and starts again when it is resumed")
            && error.contains("Unsupported API version");
        assert!(whole, "{error}");
    }
    assert_eq!((subscribe("c").0, unsubscribe("c").0), (202, 202));
    // What was refused is not done later.
    assert_eq!(ask(&scene, "POST /api/v1/connections/d/resume", "").0, 202);
    wait("its end again", || subscribe("d").0 == 409);
    assert_eq!(daemon.stop().code, Some(69));
}

#[test]
fn channels_that_were_ordered_are_named_when_a_reload_forgets_them() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let text = |more: &str| {
        connection_on("c", &emulator, more) + &sink(&scene, "archive", "[\"/**\"]") + &admin(&scene)
    };
    let daemon = scene.run(&text(""));
    emulator.wait_polled(1);
    let at = "/api/v1/connections/c/channels";
    assert_eq!(ask(&scene, &format!("POST {at}"), &format!("{{\"channel\": {B:?}}}")).0, 202);
    assert_eq!(ask(&scene, &format!("DELETE {at}?channel={A}"), "").0, 202);
    assert_eq!(scene.reload(&text("")).stdout, "nothing has changed\n");
    let forgotten = "are what the configuration says again";
    assert!(told(&daemon, forgotten).is_empty());
    assert_eq!(scene.reload(&text("request_timeout = \"21s\"")).stdout, "connection c: changed\n");
    let lines = told(&daemon, forgotten);
    assert_eq!(lines.len(), 1, "{}", daemon.log());
    assert_eq!((&lines[0]["wanted"], &lines[0]["unwanted"]), (&B.into(), &A.into()), "{}", lines[0]);
    assert_eq!(lines[0]["level"], "WARN", "{}", lines[0]);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_capture_is_in_the_status_while_it_is_on() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let daemon = scene
        .run(&(connection_on("c", &emulator, "") + &sink(&scene, "archive", "[\"/**\"]") + &admin(&scene)));
    emulator.wait_polled(1);
    let capture = || json(&ask(&scene, "GET /api/v1/status", "").1)["capture"].take();
    assert_eq!(capture(), Value::Null);
    assert_eq!(ask(&scene, "POST /api/v1/capture", "{\"on\": true}").0, 202);
    let path = capture().as_str().unwrap().to_owned();
    assert!(std::fs::exists(&path).unwrap(), "{path}");
    let shown = || run(&["status", "--state-dir", &scene.place.text("state")]).stdout;
    let line = format!("every request and response is recorded in {path}\n");
    wait("it in the status", || shown().contains(&line));
    assert_eq!(ask(&scene, "POST /api/v1/capture", "{\"on\": false}").0, 202);
    assert_eq!(capture(), Value::Null);
    wait("it no more", || !shown().contains("is recorded"));
    assert_eq!(daemon.stop().code, Some(0));
}
