//! Webhooks that are dead, slow, overloaded or gone: nobody else is held up, and nothing gets lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::support::{
    A, ARCHIVE, Answer, Emulator, Place, Posted, Server, archive, connection, json, listen_later, number,
    numbers, wait,
};

fn hook(url: &str) -> String {
    format!(
        "[sink.hook.webhook]\nurl = {url:?}\nproxy = \"direct\"\ntimeout = \"1m\"\nretry_initial = \"10ms\"\n\
         retry_max = \"50ms\"\n"
    )
}

fn id(posted: &Posted) -> String {
    posted.header("webhook-id").unwrap().to_owned()
}

/// The status of the sink `hook`.
fn status(place: &Place, counter: &str) -> u64 {
    let status = place.status().unwrap_or_default();
    let sinks = status["sinks"].as_array().cloned().unwrap_or_default();
    let hook = sinks.iter().find(|sink| sink["name"] == "hook");
    hook.map_or(0, |hook| hook[counter].as_u64().unwrap())
}

#[test]
fn a_receiver_that_is_dead_at_first_gets_everything_in_order_and_each_event_by_its_id() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let (address, listen) = listen_later();
    let daemon =
        place.run(&(connection(&emulator.url("61.0"), &[A], "") + &hook(&format!("http://{address}/in"))));
    emulator.wait_polled(1);
    emulator.publish_each(0..12);
    wait("attempts that failed", || status(&place, "retried") >= 3);
    daemon.wait_log(&format!("tcp connect to {address} (127.0.0.1) refused"));
    // It is up, and still ill: connections without an answer, then errors, then every second event fails once.
    let taken = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&taken);
    let receiver = Server::on(listen(), move |place, posted| match place {
        0..=1 => Answer::Close,
        2 => Answer::Status(503, "", ""),
        3 => Answer::Status(429, "Retry-After: 0\r\n", ""),
        4 => Answer::Status(500, "", "<html>sorry</html>"),
        _ if place % 3 == 0 => Answer::Status(502, "", ""),
        _ => {
            kept.lock().unwrap().push(posted.body.clone());
            Answer::Status(204, "", "")
        }
    });
    wait("every event", || taken.lock().unwrap().len() >= 12);
    assert_eq!(numbers(&taken.lock().unwrap()), (0..12).collect::<Vec<_>>());
    let mut ids: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for posted in receiver.seen() {
        ids.entry(number(&posted.body)).or_default().push(id(&posted));
    }
    assert_eq!(ids[&0].len(), 6, "five attempts failed");
    for (n, ids) in &ids {
        assert!(ids.iter().all(|id| *id == ids[0]), "event {n}: {ids:?}");
    }
    let distinct: std::collections::BTreeSet<_> = ids.values().map(|ids| &ids[0]).collect();
    assert_eq!(distinct.len(), 12);
    assert_eq!(daemon.stop().code, Some(0));
}

/// As slow as it gets: no answer before the end of the test. An answer that takes two seconds is the same to
/// the poll, and the file, as long as they do not wait for it.
#[test]
fn a_slow_receiver_delays_neither_the_polls_nor_the_other_sinks() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap();
    let passed = Arc::clone(&gate);
    let receiver = Server::start(move |_, _| {
        drop(passed.lock());
        Answer::OK
    });
    let sinks = archive(&place) + &hook(&receiver.url());
    let _daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &sinks));
    emulator.wait_polled(1);
    let before = emulator.count("connects");
    for n in 0..50 {
        emulator.publish(A, n);
        place.wait_for(ARCHIVE, 0..=n);
    }
    emulator.wait_polled(1);
    assert_eq!(emulator.count("connects"), before + 50, "a poll for each event");
    assert_eq!(receiver.seen().len(), 1, "the receiver is still at the first one");
    drop(closed);
    wait("all of them at the receiver", || receiver.seen().len() >= 50);
    let bodies: Vec<_> = receiver.seen().into_iter().map(|posted| posted.body).collect();
    assert_eq!(numbers(&bodies), (0..50).collect::<Vec<_>>());
}

#[test]
fn an_event_that_is_refused_for_good_is_parked_with_the_reason() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let receiver = Server::start(|_, posted| match number(&posted.body) {
        1 => Answer::Status(410, "", "gone"),
        2 => Answer::Status(302, "Location: http://127.0.0.1:1/elsewhere\r\n", ""),
        _ => Answer::OK,
    });
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &hook(&receiver.url())));
    emulator.wait_polled(1);
    emulator.publish_each(0..4);
    wait("the last one", || receiver.seen().len() == 4);
    assert_eq!(daemon.stop().code, Some(0));
    let posted = receiver.seen();
    let parked: Vec<_> = place.lines("state/parked/hook.jsonl").iter().map(|line| json(line)).collect();
    assert_eq!(parked.len(), 2);
    for (parked, n) in parked.iter().zip(1..) {
        assert_eq!(parked["sink"], "hook");
        assert_eq!(parked["record"], json(&posted[n].body));
        assert_eq!(parked["id"], id(&posted[n]));
    }
    assert_eq!(parked[0]["reason"], "HTTP status 410");
    assert!(parked[1]["reason"].as_str().unwrap().contains("redirect"), "{}", parked[1]);
    let mode = std::os::unix::fs::MetadataExt::mode(
        &std::fs::metadata(place.path("state/parked/hook.jsonl")).unwrap(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_endpoint_that_refuses_everything_is_two_lines_in_the_log() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let receiver = Server::start(|_, _| Answer::Status(410, "", "gone"));
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &hook(&receiver.url())));
    emulator.wait_polled(1);
    emulator.publish_each(0..40);
    wait("all of them", || place.lines("state/parked/hook.jsonl").len() == 40);
    let log = daemon.stop().stderr;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("refused for good")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("an event was refused"), "{log}");
    assert!(lines[1].contains(r#""events":39"#) && lines[1].contains("HTTP status 410"), "{log}");
    assert!(lines.iter().all(|line| line.contains("parked/hook.jsonl")), "{log}");
}

#[test]
fn a_signed_webhook_can_be_verified_and_its_key_is_in_no_log_and_no_file() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let receiver = Server::start(|at, posted| match (at, number(&posted.body)) {
        (0, _) => Answer::Status(500, "", ""),
        (_, 1) => Answer::Status(410, "", ""),
        _ => Answer::OK,
    });
    let key = place.write("key", "whsec_aHVzaCwgdGhlc2UgYXJlIDI0IGJ5dGVz\n");
    let sink = format!("{}secret = {{ file = {key:?} }}\n", hook(&receiver.url()));
    let config = connection(&emulator.url("61.0"), &[A], "") + &sink + "[log]\nfilter = \"trace\"\n";
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish_each(0..3);
    wait("all of them", || receiver.seen().len() == 4);
    daemon.wait_log("is parked");
    let status = place.status().unwrap().to_string();
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0));
    for posted in receiver.seen() {
        let signed =
            format!("{}.{}.{}", id(&posted), posted.header("webhook-timestamp").unwrap(), posted.body);
        let mut mac = Hmac::<Sha256>::new_from_slice(b"hush, these are 24 bytes").unwrap();
        mac.update(signed.as_bytes());
        let wanted = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(posted.header("webhook-signature"), Some(wanted.as_str()));
    }
    let parked = place.lines("state/parked/hook.jsonl").concat();
    for text in [status, parked, ended.stderr] {
        assert!(!text.is_empty() && !text.contains("hush, ") && !text.contains("aHVzaCwg"), "{text}");
    }
}
