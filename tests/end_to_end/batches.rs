//! A webhook whose requests hold several events.

use crate::support::{A, Answer, Emulator, Place, Server, connection, json, wait};

#[test]
fn events_from_the_journal_wait_until_a_request_is_full_or_the_end_has_come() {
    let (emulator, place, hook) = (Emulator::start(), Place::new(), Server::start(|_, _| Answer::OK));
    let sink = format!(
        "[sink.hook.webhook]\nurl = {:?}\nproxy = \"direct\"\nbatch = 5\nbatch_wait = \"10m\"\n",
        hook.url()
    );
    let config = connection(&emulator.url("61.0"), &[A], "") + &sink;
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish_many(A, 12);
    wait("two full requests", || hook.count() == 2);
    // What waits has not been dealt with: a kill loses none of it.
    let next = |status: serde_json::Value| status["journal"]["next_sequence"] == 12;
    wait("every event in the journal", || place.status().is_some_and(next));
    daemon.kill();
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish_each(12..14);
    wait("another event", || place.status().is_some_and(|status| status["journal"]["next_sequence"] == 14));
    assert_eq!(daemon.stop().code, Some(0));
    let numbers: Vec<Vec<u64>> = (hook.seen().iter())
        .map(|posted| {
            let events = json(&posted.body);
            events
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["data"]["sobject"]["n"].as_u64().unwrap())
                .collect()
        })
        .collect();
    assert_eq!(numbers, [vec![0, 1, 2, 3, 4], vec![5, 6, 7, 8, 9], vec![10, 11, 12, 13]]);
}
