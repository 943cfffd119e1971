//! Reloads at bad moments: with kills, in storms, while the journal is full, at the end; and pauses over a kill.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::scene::{Scene, connection_on, sink};
use crate::support::{A, Answer, Emulator, Server, listen_later, number, run, wait};
use crate::traffic::Traffic;

const FILE: &str = "out/archive.c.jsonl";

/// The configuration of a turn, in which connection and sink are always others than before.
fn config(scene: &Scene, emulator: &Emulator, turn: u64) -> String {
    connection_on("c", emulator, &format!("request_timeout = \"{}s\"", 20 + turn))
        + &sink(scene, "archive", "[\"/**\"]")
        + &format!("queue = \"{}MiB\"\n", 1 + turn)
}

/// One of the status's connections or sinks.
fn first(scene: &Scene, what: &str) -> Value {
    scene.place.status().unwrap_or_default()[what][0].take()
}

#[test]
fn kills_amid_reloads_under_traffic_lose_and_double_nothing() {
    let (emulator, scene) = (Arc::new(Emulator::start()), Scene::new());
    let mut daemon = scene.run(&config(&scene, &emulator, 0));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    scene.place.wait_for(FILE, [0]);
    let traffic = Traffic::start_at(&emulator, 1);
    for turn in 1..=8 {
        let before = scene.place.lines(FILE).len();
        wait("more events in the file", || scene.place.lines(FILE).len() > before + 5);
        scene.place.config(&config(&scene, &emulator, turn));
        daemon.signal(Signal::HUP);
        // Into the reading, into the change, after it: nothing can be waited for that would not be one of these alone.
        std::thread::sleep(Duration::from_millis(turn * 4));
        daemon.kill();
        daemon = scene.run(&config(&scene, &emulator, turn));
    }
    let count = traffic.stop();
    scene.place.wait_for(FILE, 0..count);
    assert_eq!(daemon.stop().code, Some(0));
    assert_eq!(scene.place.numbers(FILE), (0..count).collect::<Vec<_>>());
}

/// A sink that starts and one event that comes meanwhile: no other wakes it.
#[test]
fn a_lone_event_amid_a_change_of_its_sink_is_delivered_at_once() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let text = |turn: u64| {
        connection_on("c", &emulator, "")
            + &sink(&scene, "archive", "[\"/**\"]")
            + &format!("queue = \"{}MiB\"\n", 1 + turn)
    };
    let daemon = scene.run(&text(0));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    scene.place.wait_for(FILE, [0]);
    for turn in 1..=20 {
        scene.place.config(&text(turn));
        daemon.signal(Signal::HUP);
        let changes = usize::try_from(turn).unwrap();
        wait("a change", || daemon.log().matches("sink archive: changed").count() == changes);
        // Into each part of the new sink's start, of which nothing tells.
        std::thread::sleep(Duration::from_micros(turn * 150));
        emulator.publish(A, turn);
        scene.place.wait_for(FILE, 0..=turn);
    }
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_webhook_that_changes_under_traffic_gets_every_event_under_one_id() {
    let (emulator, scene) = (Arc::new(Emulator::start()), Scene::new());
    // Every fifth request fails after it was seen.
    let hook = Server::start(|at, _| if at % 5 == 4 { Answer::Close } else { Answer::OK });
    let text = |turn: u64| {
        connection_on("c", &emulator, "")
            + &format!(
                "[sink.hook.webhook]\nurl = {:?}\nproxy = \"direct\"\nretry_initial = \"{}ms\"\nretry_max = \"50ms\"\n",
                hook.url(),
                5 + turn
            )
            + "gap_records = false\n"
    };
    let daemon = scene.run(&text(0));
    emulator.wait_polled(1);
    let traffic = Traffic::start_at(&emulator, 0);
    for turn in 1..=8 {
        let before = hook.count();
        wait("more events at the webhook", || hook.count() > before + 5);
        let told = scene.reload(&text(turn));
        assert_eq!((told.code, told.stdout.as_str()), (Some(0), "sink hook: changed\n"), "{}", told.stderr);
    }
    let count = traffic.stop();
    let mut ids = HashMap::new();
    wait("every event at the webhook", || hook.seen().iter().any(|one| number(&one.body) == count - 1));
    assert_eq!(daemon.stop().code, Some(0));
    let (mut firsts, seen) = (Vec::new(), hook.seen());
    for posted in &seen {
        let (n, id) = (number(&posted.body), posted.header("webhook-id").unwrap());
        if ids.insert(n, id).is_none_or(|known| {
            assert_eq!(known, id, "the ids of event {n}");
            false
        }) {
            firsts.push(n);
        }
    }
    assert_eq!(firsts, (0..count).collect::<Vec<_>>());
    assert_eq!(ids.values().collect::<std::collections::HashSet<_>>().len(), ids.len());
}

/// Asks the daemon for a change; its status code.
fn order(scene: &Scene, what: &str) -> u16 {
    let mut stream = UnixStream::connect(scene.place.path("admin.sock")).unwrap();
    let head =
        "Host: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    write!(stream, "POST /api/v1/{what} HTTP/1.1\r\n{head}").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_pause_ends_with_the_process_and_costs_no_event() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let admin = format!("[admin]\nlisten = \"unix:{}\"\n", scene.place.text("admin.sock"));
    let text = config(&scene, &emulator, 0) + &admin;
    let daemon = scene.run(&text);
    emulator.wait_polled(1);
    emulator.publish_each(0..3);
    scene.place.wait_for(FILE, 0..3);
    assert_eq!(order(&scene, "sinks/archive/pause"), 202);
    wait("a paused sink", || first(&scene, "sinks")["state"] == "paused");
    emulator.publish_each(3..6);
    wait("a sink that is behind", || first(&scene, "sinks")["lag"] == 3);
    assert_eq!(scene.place.numbers(FILE), [0, 1, 2]);
    daemon.kill();
    let daemon = scene.run(&text);
    scene.place.wait_for(FILE, 0..6);
    emulator.wait_polled(1);
    assert_eq!(order(&scene, "connections/c/pause"), 202);
    wait("a paused connection", || first(&scene, "connections")["state"] == "paused");
    emulator.publish_each(6..9);
    daemon.kill();
    let daemon = scene.run(&text);
    scene.place.wait_for(FILE, 0..9);
    // Both once more, and an end in order.
    emulator.wait_polled(1);
    for what in ["sinks/archive/pause", "connections/c/pause"] {
        assert_eq!(order(&scene, what), 202);
    }
    wait("a paused connection", || first(&scene, "connections")["state"] == "paused");
    emulator.publish_each(9..12);
    assert_eq!(daemon.stop().code, Some(0));
    let daemon = scene.run(&text);
    scene.place.wait_for(FILE, 0..12);
    emulator.wait_polled(1);
    for what in ["connections/c/pause", "connections/c/resume", "sinks/archive/pause", "sinks/archive/resume"]
    {
        assert_eq!(order(&scene, what), 202);
    }
    emulator.publish(A, 12);
    scene.place.wait_for(FILE, 0..13);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_storm_of_signals_reads_what_is_there_at_its_end_and_changes_it_once() {
    let (emulator, scene) = (Arc::new(Emulator::start()), Scene::new());
    let daemon = scene.run(&config(&scene, &emulator, 0));
    emulator.wait_polled(1);
    let traffic = Traffic::start_at(&emulator, 0);
    scene.place.config(&config(&scene, &emulator, 1));
    for _ in 0..50 {
        daemon.signal(Signal::HUP);
        // Signals that come closer together are one to the process.
        std::thread::sleep(Duration::from_millis(10));
    }
    // A command meanwhile hears what came of one of them, or of its own.
    let told = scene.reload(&config(&scene, &emulator, 1));
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    daemon.wait_log("sink archive: changed");
    let count = traffic.stop();
    scene.place.wait_for(FILE, 0..count);
    assert_eq!(emulator.count("handshakes"), 1, "it goes on with its session");
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for what in ["sink archive: changed", "connection c: changed"] {
        assert_eq!(ended.stderr.matches(what).count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn a_reload_while_the_journal_is_full_ends_that_and_loses_nothing() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let full = "[journal]\nmax_size = \"1MiB\"\nsegment_size = \"64KiB\"\n[daemon]\ngrace = \"500ms\"\n";
    let dead = "[sink.dead.webhook]\nurl = \"http://127.0.0.1:9/\"\nproxy = \"direct\"\nretry_initial = \"20ms\"\nretry_max = \"50ms\"\n";
    let daemon = scene.run(&(config(&scene, &emulator, 0) + full + dead));
    emulator.wait_polled(1);
    for _ in 0..20 {
        emulator.publish_many(A, 1000);
    }
    wait("a pause", || first(&scene, "connections")["waiting"] == "for room in the journal");
    // The connection is changed with a batch in its hands; the sink that holds the journal goes.
    let told = scene.reload(&(config(&scene, &emulator, 1) + full));
    let changes = "connection c: changed\nsink archive: changed\nsink dead: removed\n";
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), changes), "{}", told.stderr);
    scene.place.wait_for(FILE, (0..20).flat_map(|_| 0..1000));
    wait("a good journal", || scene.place.status().unwrap_or_default()["journal"]["state"] == "good");
    assert_eq!(emulator.count("handshakes"), 1);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_reload_during_the_end_changes_nothing_and_says_so() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let (address, listen) = listen_later();
    let text = String::from("[daemon]\ngrace = \"2s\"\n")
        + &config(&scene, &emulator, 0)
        + &format!(
            "[sink.hook.webhook]\nurl = \"http://{address}/\"\nproxy = \"direct\"\nretry_initial = \"20ms\"\nretry_max = \"50ms\"\ngap_records = false\n"
        );
    let daemon = scene.run(&text);
    emulator.wait_polled(1);
    emulator.publish_each(0..5);
    scene.place.wait_for(FILE, 0..5);
    daemon.signal(Signal::TERM);
    daemon.wait_log("stopping");
    for _ in 0..10 {
        daemon.signal(Signal::HUP);
    }
    let told = run(&["reload", "--state-dir", &scene.place.text("state")]);
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    assert!(told.stderr.contains("has ended"), "{}", told.stderr);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("the configuration was read again"), "{}", ended.stderr);
    let hook = Server::on(listen(), |_, _| Answer::OK);
    let daemon = scene.run(&text);
    wait("what was left at the webhook", || hook.count() == 5);
    assert_eq!(daemon.stop().code, Some(0));
    assert!(hook.seen().iter().map(|posted| number(&posted.body)).eq(0..5));
}

#[test]
fn a_connection_that_is_removed_is_not_called_paused() {
    let (emulator, other, scene) = (Emulator::start(), Emulator::start(), Scene::new());
    let base = config(&scene, &emulator, 0);
    let daemon = scene.run(&(base.clone() + &connection_on("d", &other, "")));
    emulator.wait_polled(1);
    other.wait_polled(1);
    assert_eq!(scene.reload(&base).stdout, "connection d: removed\n");
    wait("its end", || {
        scene.place.status().unwrap_or_default()["connections"].as_array().is_some_and(|all| all.len() == 1)
    });
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("until it is resumed"), "{}", ended.stderr);
}
