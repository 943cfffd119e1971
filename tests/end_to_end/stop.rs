//! How it ends: a reader that has gone, signals under load, sinks that do not drain.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{
    A, ARCHIVE, Answer, Cometail, Emulator, Place, Server, archive, cometail, connection, json, numbers, wait,
};

#[test]
fn a_tail_whose_reader_has_gone_ends_quietly() {
    let emulator = Emulator::start();
    let url = emulator.url("61.0");
    let (tail, stdout) = Cometail::start_unread(&mut cometail(&["tail", &url, A]));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert!(line.contains(r#""n":0"#), "{line}");
    // The reader is gone with the end of the statement above.
    emulator.publish(A, 1);
    let ended = tail.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for scary in ["WARN", "ERROR", "panic", "roken pipe"] {
        assert!(!ended.stderr.contains(scary), "{}", ended.stderr);
    }
    assert_eq!(emulator.count("disconnects"), 1);
}

#[test]
fn a_daemon_whose_stdout_is_closed_goes_on_with_its_other_sinks() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = connection(&emulator.url("61.0"), &[A], "") + &archive(&place) + "[sink.screen.stdout]\n";
    let file = place.config(&config);
    let (daemon, stdout) = Cometail::start_unread(&mut cometail(&["run", "-c", &file]));
    drop(stdout);
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    daemon.wait_log("standard output was closed by its reader; this sink is dead");
    emulator.publish_each(1..100);
    place.wait_for(ARCHIVE, 0..100);
    assert_eq!(daemon.stop().code, Some(74));
}

/// The last sink that dies ends the daemon: nothing it receives could go anywhere.
#[test]
fn a_daemon_whose_only_sink_is_dead_ends() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let file = place.config(&(connection(&emulator.url("61.0"), &[A], "") + "[sink.screen.stdout]\n"));
    let (daemon, stdout) = Cometail::start_unread(&mut cometail(&["run", "-c", &file]));
    drop(stdout);
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    assert_eq!(daemon.end().code, Some(74));
    assert_eq!(emulator.count("disconnects"), 1);
}

/// Publishes without a pause until it is told that it is enough.
fn publish_until(emulator: &Emulator, enough: &AtomicBool) {
    while !enough.load(Ordering::Relaxed) {
        emulator.publish_many(A, 700);
    }
}

fn stop_under_load(signal: Signal, version: &str) {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&(connection(&emulator.url(version), &[A], "") + &archive(&place)));
    emulator.wait_polled(1);
    let enough = AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| publish_until(&emulator, &enough));
        wait("thousands of events", || place.lines(ARCHIVE).len() > 5000);
        daemon.signal(signal);
        let ended = daemon.end();
        enough.store(true, Ordering::Relaxed);
        ended
    });
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let state = emulator.state();
    assert_eq!((&state["disconnects"], &state["handshakes"]), (&1.into(), &1.into()), "{state}");
    let text = std::fs::read_to_string(place.path(ARCHIVE)).unwrap();
    assert!(text.ends_with('\n'), "the last line is whole");
    let lines = place.lines(ARCHIVE);
    assert_eq!(u64::try_from(lines.len()).unwrap(), state["events_handed_out"].as_u64().unwrap());
    let distinct: BTreeSet<_> = lines.iter().collect();
    if version == "61.0" {
        assert_eq!(distinct.len(), lines.len(), "replay ids make every event its own");
        let ids: Vec<_> = lines.iter().map(|line| json(line)["data"]["event"]["replayId"].as_u64()).collect();
        assert!(ids.is_sorted());
    }
}

#[test]
fn a_signal_under_load_loses_and_doubles_nothing_that_was_handed_out() {
    stop_under_load(Signal::TERM, "61.0");
    stop_under_load(Signal::INT, "36.0");
}

/// A daemon with events for a webhook that never answers, and for a file that has them.
fn stuck(grace: &str, state: &str) -> (Emulator, Place, Cometail, String) {
    let (emulator, place) = (Emulator::start(), Place::new());
    let dead = Server::start(|_, _| {
        std::thread::park();
        Answer::Close
    });
    let hook = format!("[sink.hook.webhook]\nurl = {:?}\nproxy = \"direct\"\ntimeout = \"1m\"\n", dead.url());
    let daemon = format!("[daemon]\ngrace = {grace:?}\n");
    let config = daemon + &connection(&emulator.url("61.0"), &[A], "") + &archive(&place) + &hook;
    let file = place.write("cometail.toml", &(state.replace("STATE", &place.text("state")) + &config));
    let daemon = Cometail::start(&mut cometail(&["run", "-c", &file]));
    emulator.wait_polled(1);
    emulator.publish_each(0..5);
    place.wait_for(ARCHIVE, 0..5);
    wait("an attempt at the webhook", || !dead.seen().is_empty());
    (emulator, place, daemon, config.replace(&dead.address, "NEXT"))
}

const MEMORY: &str = "[state]\npersist = false\n";
const JOURNAL: &str = "[state]\ndir = \"STATE\"\n";

#[test]
fn what_a_dead_webhook_has_not_had_at_the_end_it_has_after_the_next_start() {
    let (emulator, place, daemon, config) = stuck("700ms", JOURNAL);
    let asked = Instant::now();
    let ended = daemon.stop();
    let after = asked.elapsed();
    assert!((Duration::from_millis(700)..Duration::from_secs(5)).contains(&after), "{after:?}");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("the rest is delivered after the next start"), "{}", ended.stderr);
    assert_eq!(emulator.count("disconnects"), 1);
    let hook = Server::start(|_, _| Answer::OK);
    let daemon = place.run(&config.replace("NEXT", &hook.address));
    wait("every event at the webhook", || hook.count() >= 5);
    let bodies: Vec<_> = hook.seen().into_iter().map(|posted| posted.body).collect();
    assert_eq!(numbers(&bodies), [0, 1, 2, 3, 4]);
    assert_eq!(place.numbers(ARCHIVE), [0, 1, 2, 3, 4]);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_dead_webhook_holds_up_the_end_for_the_grace_period_and_what_is_given_up_is_told() {
    let (emulator, place, daemon, _) = stuck("700ms", MEMORY);
    let asked = Instant::now();
    let ended = daemon.stop();
    let after = asked.elapsed();
    assert!((Duration::from_millis(700)..Duration::from_secs(5)).contains(&after), "{after:?}");
    assert_eq!(ended.code, Some(74));
    let given_up = ended.stderr.lines().find(|line| line.contains("events given up")).unwrap();
    let given_up = json(given_up);
    assert_eq!((&given_up["sink"], &given_up["events"]), (&"hook".into(), &5.into()), "{given_up}");
    assert_eq!(emulator.count("disconnects"), 1);
    assert_eq!(place.numbers(ARCHIVE), [0, 1, 2, 3, 4]);
}

/// Every three seconds, for as long as the grace period lasts.
#[test]
fn what_a_sink_still_holds_is_told_while_it_drains() {
    let started = [(MEMORY, 74), (JOURNAL, 0)].map(|(state, code)| (stuck("7s", state), code));
    let asked = Instant::now();
    for ((_, _, daemon, _), _) in &started {
        daemon.signal(Signal::TERM);
    }
    for ((_emulator, _place, daemon, _), code) in started {
        let ended = daemon.end();
        let after = asked.elapsed();
        assert!((Duration::from_secs(7)..Duration::from_secs(14)).contains(&after), "{after:?}");
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        let told = ended.stderr.lines().filter(|line| line.contains("still draining"));
        let told: Vec<_> = told.map(json).collect();
        assert_eq!(told.len(), 2, "{}", ended.stderr);
        // The file has everything, so only the webhook is told of.
        assert!(told.iter().all(|line| line["sink"] == "hook" && line["events"] == 5), "{told:?}");
        let left: Vec<_> = told.iter().map(|line| line["seconds_left"].as_u64().unwrap()).collect();
        assert!(left[0] <= 4 && left[1] <= 1 && left[0] >= left[1] + 2, "{left:?}");
    }
}

/// One after the other they would take twice as long, and the second would be told of too late.
#[test]
fn each_of_several_sinks_that_drain_is_told_of() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let dead = Server::start(|_, _| {
        std::thread::park();
        Answer::Close
    });
    let hook = |name: &str| {
        format!("[sink.{name}.webhook]\nurl = {:?}\nproxy = \"direct\"\ntimeout = \"1m\"\n", dead.url())
    };
    let config = connection(&emulator.url("61.0"), &[A], "") + &hook("one") + &hook("two");
    let daemon = place.run(&(config + "[daemon]\ngrace = \"4s\"\n"));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    wait("an attempt of each", || dead.seen().len() >= 2);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for what in ["still draining", "not drained within the grace period"] {
        let told = ended.stderr.lines().filter(|line| line.contains(what)).map(json);
        let mut sinks: Vec<_> = told.map(|line| line["sink"].as_str().unwrap().to_owned()).collect();
        sinks.sort();
        assert_eq!(sinks, ["one", "two"], "{what}: {}", ended.stderr);
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    for (state, code) in [(MEMORY, 74), (JOURNAL, 0)] {
        ends_at_once(state, code);
    }
}

fn ends_at_once(state: &str, code: i32) {
    let (emulator, place, mut daemon, _) = stuck("1h", state);
    daemon.signal(Signal::TERM);
    daemon.wait_log("stopping");
    wait("a goodbye to the server", || emulator.count("disconnects") == 1);
    assert!(!daemon.has_ended(), "the webhook holds up the end");
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert!(ended.stderr.contains("second signal"), "{}", ended.stderr);
    assert_eq!(ended.stderr.contains("events given up"), code != 0, "{}", ended.stderr);
    assert_eq!(place.numbers(ARCHIVE), [0, 1, 2, 3, 4]);
}

/// And leaves its sinks time to drain: a grace period that is all spent on the server would give their events up.
#[test]
fn a_server_that_does_not_say_goodbye_holds_up_the_end_for_less_than_the_grace_period() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let sink = |n| format!("[sink.n{n}.file]\npath = {:?}\n", place.text(&format!("out/{n}")));
    let sinks: String = (0..20).map(sink).collect();
    let config = connection(&emulator.url("61.0"), &[A], "") + &sinks + "[daemon]\ngrace = \"1s\"\n";
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    (0..20).for_each(|n| place.wait_for(&format!("out/{n}"), [0]));
    emulator.pause();
    let asked = Instant::now();
    let ended = daemon.stop();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("a server did not say goodbye in time"), "{}", ended.stderr);
}
