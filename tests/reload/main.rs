//! A running daemon whose configuration is read again, and that is asked to pause, resume and subscribe.

#![cfg(unix)]
#![cfg(test)]

mod files;
mod hard;
mod orders;
mod scene;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests from end to end, which use all of it")]
mod support;
mod traffic;
mod unstarted;

use std::time::Duration;

use rustix::process::Signal;

use crate::scene::{Scene, connection_on, sink};
use crate::support::{A, Answer, Cometail, Emulator, Server, cometail, run, stays, wait};

#[test]
fn what_has_not_changed_is_not_disturbed() {
    let (first, second, scene) = (Emulator::start(), Emulator::start(), Scene::new());
    let base = connection_on("c", &first, "") + &sink(&scene, "archive", "[\"/topic/*\"]");
    let daemon = scene.run(&(base.clone() + &connection_on("d", &second, "")));
    first.wait_polled(1);
    second.wait_polled(1);
    first.publish(A, 0);
    scene.place.wait_for("out/archive.c.jsonl", [0]);
    first.wait_polled(1);
    let (requests, sessions) = (first.count("requests"), first.state()["sessions"].clone());
    let changed =
        base + &connection_on("d", &second, "request_timeout = \"20s\"") + &sink(&scene, "more", "[\"/**\"]");
    let told = scene.reload(&changed);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert_eq!(told.stdout, "connection d: changed\nsink more: added\n");
    wait("the second session to go on", || {
        second.count("requests") > 4 && second.state()["sessions"][0]["has_open_connect"] == true
    });
    assert_eq!(second.count("handshakes"), 1, "it goes on with its session");
    stays("nothing is asked of the first server", Duration::from_millis(300), || {
        first.count("requests") == requests
    });
    assert_eq!(first.state()["sessions"], sessions);
    first.publish(A, 1);
    second.publish(A, 2);
    scene.place.wait_for("out/archive.c.jsonl", [0, 1]);
    scene.place.wait_for("out/archive.d.jsonl", [2]);
    scene.place.wait_for("out/more.c.jsonl", [1]);
    let again = scene.reload(&changed);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "nothing has changed\n"));
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn what_is_bad_changes_nothing_and_is_told_everywhere() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let good = connection_on("c", &emulator, "") + &sink(&scene, "archive", "[\"/**\"]");
    let daemon = scene.run(&good);
    emulator.wait_polled(1);
    let requests = emulator.count("requests");
    let bad = good.replace("gap_records = false", "gap_records = 7");
    let told = scene.reload(&bad);
    assert_eq!(told.code, Some(78), "{}", told.stderr);
    assert!(told.stderr.contains("gap_records: found an integer"), "{}", told.stderr);
    // The command has not sent a signal for that; the daemon refuses it as well.
    daemon.signal(Signal::HUP);
    daemon.wait_log("the configuration is not used; nothing has changed");
    wait("the problem in the status", || {
        let reload = scene.place.status().unwrap_or_default()["reload"].take();
        reload["ok"] == false && reload["problems"].to_string().contains("gap_records")
    });
    // What only the daemon can see.
    scene.place.write("blocked", "a file in the place of a directory");
    let blocked =
        good.clone() + &format!("[sink.no.file]\npath = {:?}\n", scene.place.text("blocked/x.jsonl"));
    let told = scene.reload(&blocked);
    assert_eq!(told.code, Some(78), "{} {}", told.stdout, told.stderr);
    assert!(told.stderr.contains("sink no"), "{}", told.stderr);
    emulator.publish(A, 0);
    scene.place.wait_for("out/archive.c.jsonl", [0]);
    assert_eq!(emulator.count("handshakes"), 1);
    assert!(emulator.count("requests") > requests);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn what_needs_a_restart_is_told_and_the_rest_is_done() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let text = connection_on("c", &emulator, "") + &sink(&scene, "archive", "[\"/**\"]");
    let daemon = scene.run(&text);
    emulator.wait_polled(1);
    let more = text
        + "[journal]\nmax_size = \"2GiB\"\n[daemon]\ngrace = \"9s\"\n"
        + &sink(&scene, "more", "[\"/**\"]");
    let told = scene.reload(&more);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let wanted = "[journal]: changed, which needs a restart\n[daemon] grace: changed\nsink more: added\n";
    assert_eq!(told.stdout, wanted);
    emulator.publish(A, 0);
    scene.place.wait_for("out/more.c.jsonl", [0]);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_sink_that_is_removed_holds_nothing_back() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let base = String::from("[daemon]\ngrace = \"500ms\"\n")
        + &connection_on("c", &emulator, "")
        + &sink(&scene, "archive", "[\"/**\"]");
    let dead = "[sink.dead.webhook]\nurl = \"http://127.0.0.1:9/\"\nproxy = \"direct\"\nretry_max = \"30s\"\nretry_initial = \"30s\"\n";
    let daemon = scene.run(&(base.clone() + dead));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    let sinks = || scene.place.status().unwrap_or_default()["sinks"].as_array().cloned().unwrap_or_default();
    wait("the dead sink is behind", || sinks().iter().any(|one| one["name"] == "dead" && one["lag"] == 1));
    let told = scene.reload(&base);
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "sink dead: removed\n"), "{}", told.stderr);
    daemon.wait_log("the sink is removed: the journal keeps nothing for it");
    wait("the sink is not there any more", || sinks().len() == 1);
    // One that comes back goes on at its cursor.
    let hook = Server::start(|_, _| Answer::OK);
    let alive = dead.replace("http://127.0.0.1:9/", &hook.url());
    assert_eq!(scene.reload(&(base + &alive)).stdout, "sink dead: added\n");
    wait("what it had not delivered", || hook.count() == 1);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_command_without_a_daemon_says_so() {
    let scene = Scene::new();
    let told = run(&["reload", "--state-dir", &scene.place.text("state")]);
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    assert!(told.stderr.contains("does the daemon run?"), "{}", told.stderr);
    let emulator = Emulator::start();
    let daemon = scene.run(&(connection_on("c", &emulator, "") + &sink(&scene, "archive", "[\"/**\"]")));
    emulator.wait_polled(1);
    assert_eq!(run(&["reload", "--state-dir", &scene.place.text("state")]).stdout, "nothing has changed\n");
    assert_eq!(daemon.stop().code, Some(0));
    let told = run(&["reload", "--state-dir", &scene.place.text("state")]);
    assert!(told.stderr.contains("no daemon runs"), "{}", told.stderr);
    assert_eq!(scene.place.status().unwrap()["reload"]["ok"], true);
}

#[test]
fn a_connection_that_was_refused_for_good_starts_again() {
    let (emulator, other, scene) = (Emulator::start(), Emulator::start(), Scene::new());
    let base = connection_on("c", &emulator, "") + &sink(&scene, "archive", "[\"/**\"]");
    let wrong = connection_on("d", &other, "").replace("/cometd/61.0", "/nothing/61.0");
    let daemon = scene.run(&(base.clone() + &wrong));
    emulator.wait_polled(1);
    wait("trouble", || daemon.log().contains("\"d\""));
    assert_eq!(scene.reload(&(base + &connection_on("d", &other, ""))).stdout, "connection d: changed\n");
    other.wait_polled(1);
    other.publish(A, 0);
    scene.place.wait_for("out/archive.d.jsonl", [0]);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_sink_by_another_name_goes_on_in_the_same_file() {
    let (emulator, scene) = (Emulator::start(), Scene::new());
    let base = connection_on("c", &emulator, "");
    let named =
        |name: &str| sink(&scene, "archive", "[\"/**\"]").replace("sink.archive", &format!("sink.{name}"));
    let daemon = scene.run(&(base.clone() + &named("one")));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    scene.place.wait_for("out/archive.c.jsonl", [0]);
    assert_eq!(scene.reload(&(base + &named("two"))).stdout, "sink two: added\nsink one: removed\n");
    emulator.publish(A, 1);
    scene.place.wait_for("out/archive.c.jsonl", 0..2);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn without_a_state_directory_a_signal_reloads_and_nothing_is_lost() {
    let (emulator, other, scene) = (Emulator::start(), Emulator::start(), Scene::new());
    let base = String::from("[state]\npersist = false\n") + &connection_on("c", &emulator, "");
    let first = base.clone() + &sink(&scene, "archive", "[\"/**\"]");
    let file = scene.place.write("cometail.toml", &first);
    let daemon = Cometail::start(cometail(&["run", "-c", &file]).env("HOME", scene.place.path("")));
    emulator.wait_polled(1);
    emulator.publish_each(0..3);
    let changed = first.replace("retry_max = \"200ms\"", "retry_max = \"300ms\"") + "queue = \"2MiB\"\n";
    scene.place.write("cometail.toml", &(changed + &connection_on("d", &other, "")));
    daemon.signal(Signal::HUP);
    daemon.wait_log("sink archive: changed");
    other.wait_polled(1);
    emulator.publish_each(3..6);
    other.publish(A, 0);
    scene.place.wait_for("out/archive.c.jsonl", 0..6);
    scene.place.wait_for("out/archive.d.jsonl", [0]);
    assert_eq!(daemon.stop().code, Some(0));
}
