//! `cometail journal parked`: what a webhook refused is listed, sent again and dropped, beside a daemon too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::journal_commands::{append, command, configure, contents, ids, journal};
use crate::support::{A, Answer, Emulator, Place, Server, connection, json, number, wait};

/// The sink `hook` with five parked events, as its own worker parked them.
fn parked(place: &Place, receiver: &Server) -> Vec<String> {
    let mut journal = journal(place);
    append(&mut journal, 0..5);
    configure(place, &receiver.url());
    let ended = command(place, "replay", &["--to", "hook"]);
    assert!(ended.stderr.contains("0 events sent to hook, 5 parked"), "{}", ended.stderr);
    place.lines("state/parked/hook.jsonl")
}

#[test]
fn parked_events_are_listed_sent_again_and_dropped() {
    let place = Place::new();
    let open = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&open);
    let receiver = Server::start(move |_, posted| {
        let accepts = is_open.load(Ordering::SeqCst) && number(&posted.body) != 3;
        if accepts { Answer::OK } else { Answer::Status(410, "", "") }
    });
    let lines = parked(&place, &receiver);
    let known = ids(&receiver.seen());
    let listed = command(&place, "parked list", &["hook"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let listed: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
    for ((line, parked), id) in listed.iter().zip(&lines).zip(&known) {
        let parked = json(parked);
        assert_eq!(*line, format!("{} {id} HTTP status 410", parked["at"].as_str().unwrap()));
    }
    assert_eq!(listed.len(), 5);

    // One that is not there, one that is dropped, one that is refused again.
    let ended = command(&place, "parked drop", &["hook", "--id", &known[0], "--id", "other"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "1 dropped\n"));
    assert!(ended.stderr.contains("no parked event has the id 'other'"), "{}", ended.stderr);
    assert_eq!(place.lines("state/parked/hook.jsonl"), lines[1..]);
    let ended = command(&place, "parked retry", &["hook", "--id", &known[1]]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "0 sent, 1 stay parked\n"));
    assert!(ended.stderr.contains(&format!("{}: HTTP status 410", known[1])), "{}", ended.stderr);

    open.store(true, Ordering::SeqCst);
    let before = receiver.seen().len();
    let ended = command(&place, "parked retry", &["hook"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "3 sent, 1 stay parked\n"), "{}", ended.stderr);
    let again = receiver.seen()[before..].to_vec();
    let mut wanted: Vec<_> = known[1..].to_vec();
    let mut sent = ids(&again);
    wanted.sort();
    sent.sort();
    assert_eq!(sent, wanted, "each once, with its id");
    for posted in &again {
        let record = json(&posted.body);
        assert!(lines.iter().any(|line| json(line)["record"] == record), "{record}");
    }
    assert_eq!(place.lines("state/parked/hook.jsonl"), [lines[3].as_str()]);

    let ended = command(&place, "parked drop", &["hook", "--all"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "1 dropped\n"));
    assert_eq!(contents(&place.path("state/parked")), []);
    let listed = command(&place, "parked list", &["hook"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(0), ""));
    assert_eq!(command(&place, "parked retry", &["hook"]).stdout, "0 sent, 0 stay parked\n");
}

#[test]
fn a_retry_to_an_endpoint_that_is_down_leaves_everything_parked() {
    let place = Place::new();
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let receiver = Server::start(move |_, _| {
        if is_down.load(Ordering::SeqCst) { Answer::Close } else { Answer::Status(410, "", "") }
    });
    let lines = parked(&place, &receiver);
    down.store(true, Ordering::SeqCst);
    let ended = command(&place, "parked retry", &["hook"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "0 sent, 5 stay parked\n"), "{}", ended.stderr);
    assert_eq!(place.lines("state/parked/hook.jsonl"), lines);
}

#[test]
fn a_daemon_that_parks_meanwhile_goes_on_in_a_new_file() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let open = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&open);
    let receiver = Server::start(move |_, posted| {
        let accepts = is_open.load(Ordering::SeqCst) && number(&posted.body) < 3;
        if accepts { Answer::OK } else { Answer::Status(410, "", "") }
    });
    let hook = format!("[sink.hook.webhook]\nurl = {:?}\nproxy = \"direct\"\n", receiver.url());
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &hook));
    emulator.wait_polled(1);
    emulator.publish_each(0..3);
    let parked = || place.lines("state/parked/hook.jsonl");
    wait("three parked events", || parked().len() == 3);
    open.store(true, Ordering::SeqCst);
    // More are refused and parked while the file is taken aside.
    std::thread::scope(|scope| {
        let retry = scope.spawn(|| command(&place, "parked retry", &["hook"]));
        emulator.publish_each(3..40);
        let ended = retry.join().unwrap();
        assert!(ended.stdout.starts_with("3 sent, "), "{} {}", ended.stdout, ended.stderr);
    });
    // A line that the daemon was writing when its file was taken is there twice where both kept it.
    let numbers = || -> BTreeSet<u64> {
        let record = |line: &String| json(line)["record"]["data"]["sobject"]["n"].as_u64().unwrap();
        parked().iter().map(record).collect()
    };
    let refused: BTreeSet<u64> = (3..40).collect();
    wait("every refused event", || numbers() == refused);
    assert_eq!(daemon.stop().code, Some(0));
    assert_eq!(contents(&place.path("state/parked")).len(), 1);
}
