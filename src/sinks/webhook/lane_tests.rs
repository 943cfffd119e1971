//! Several requests at once: what keeps its order, and how many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::super::testing::{eventually, several};
use super::testing::{Receiver, Seen, config, drained, started};
use super::*;

/// What is under way, by key, and the most keys there ever were at once.
#[derive(Default)]
struct Flight {
    keys: BTreeMap<String, usize>,
    most: usize,
    most_of_a_key: usize,
}

impl Flight {
    fn begin(&mut self, keys: &BTreeSet<String>) {
        for key in keys {
            *self.keys.entry(key.clone()).or_default() += 1;
        }
        let under_way = self.keys.values().filter(|count| **count > 0).count();
        self.most = self.most.max(under_way);
        self.most_of_a_key = self.most_of_a_key.max(self.keys.values().copied().max().unwrap_or_default());
    }

    fn end(&mut self, keys: &BTreeSet<String>) {
        for key in keys {
            *self.keys.get_mut(key).unwrap() -= 1;
        }
    }
}

/// The keys and numbers of the events in a request.
fn events(seen: &Seen) -> Vec<(String, u64)> {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    let events = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
    let event = |event: &serde_json::Value| {
        let data = &event["data"];
        (data["sobject"]["Id"].as_str().unwrap().to_owned(), data["n"].as_u64().unwrap())
    };
    events.iter().map(event).collect()
}

/// A receiver that is slow and fails every seventh request.
fn receiver() -> (Receiver, Arc<Mutex<Flight>>) {
    let flight = Arc::new(Mutex::new(Flight::default()));
    let shared = Arc::clone(&flight);
    let receiver = Receiver::answering(move |place, seen| {
        let keys = events(seen).into_iter().map(|(key, _)| key).collect();
        shared.lock().unwrap().begin(&keys);
        std::thread::sleep(Duration::from_millis(4));
        shared.lock().unwrap().end(&keys);
        if place % 7 == 6 { "503 Busy".to_owned() } else { "200 OK".to_owned() }
    });
    (receiver, flight)
}

/// 120 events about `keys` records, each on a channel of its own.
async fn run(receiver: &Receiver, webhook: Config, keys: usize) -> BTreeMap<String, Vec<u64>> {
    let handle = started(webhook);
    let channels: Vec<_> = (0..120).map(|n| format!("/topic/{}", n % keys)).collect();
    let messages: Vec<_> =
        (0..120).map(|n| format!(r#"{{"data":{{"n":{n},"sobject":{{"Id":"{}"}}}}}}"#, n % keys)).collect();
    let pairs: Vec<_> =
        channels.iter().map(String::as_str).zip(messages.iter().map(String::as_str)).collect();
    pairs.chunks(17).for_each(|chunk| {
        handle.offer(&several(chunk));
    });
    drained(&handle).await;
    assert_eq!(handle.status().delivered, 120);
    // The last attempt of an event is the one that counted.
    let mut by_key: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (key, number) in receiver.seen().iter().flat_map(events) {
        let numbers = by_key.entry(key).or_default();
        if numbers.last() != Some(&number) {
            numbers.push(number);
        }
    }
    by_key
}

fn assert_in_order(by_key: &BTreeMap<String, Vec<u64>>) {
    assert!(by_key.values().all(|numbers| numbers.is_sorted()), "{by_key:?}");
    assert_eq!(by_key.values().map(Vec::len).sum::<usize>(), 120);
}

#[tokio::test]
async fn records_and_channels_keep_their_order_and_one_request_each() {
    for ordering in [Ordering::Record, Ordering::Channel] {
        let (receiver, flight) = receiver();
        let by_key = run(&receiver, Config { ordering, concurrency: 4, ..config(&receiver.url) }, 12).await;
        assert_in_order(&by_key);
        let flight = flight.lock().unwrap();
        assert_eq!(flight.most_of_a_key, 1, "{ordering:?}");
        assert!((2..=4).contains(&flight.most), "{ordering:?}: {} at once", flight.most);
    }
}

#[tokio::test]
async fn one_request_at_once_is_in_order_whatever_the_ordering() {
    let (receiver, flight) = receiver();
    run(&receiver, Config { ordering: Ordering::None, ..config(&receiver.url) }, 12).await;
    let mut numbers: Vec<_> = receiver.seen().iter().flat_map(events).map(|(_, number)| number).collect();
    numbers.dedup();
    assert_eq!(numbers, (0..120).collect::<Vec<_>>());
    assert_eq!(flight.lock().unwrap().most, 1);
}

#[tokio::test]
async fn without_an_order_all_lanes_work_and_no_more() {
    let (receiver, flight) = receiver();
    let by_key =
        run(&receiver, Config { ordering: Ordering::None, concurrency: 5, ..config(&receiver.url) }, 120)
            .await;
    assert_eq!(by_key.len(), 120);
    let most = flight.lock().unwrap().most;
    assert!((3..=5).contains(&most), "{most} at once");
}

#[tokio::test]
async fn batches_of_several_lanes_share_no_record() {
    let (receiver, flight) = receiver();
    let batch = Batch { events: 5, ..Batch::default() };
    let webhook = Config { ordering: Ordering::Record, concurrency: 4, batch, ..config(&receiver.url) };
    let handle = started(webhook);
    let messages: Vec<_> =
        (0..200).map(|n| format!(r#"{{"data":{{"n":{n},"sobject":{{"Id":"{}"}}}}}}"#, n % 9)).collect();
    let pairs: Vec<_> = messages.iter().map(|message| ("/topic/A", message.as_str())).collect();
    handle.offer(&several(&pairs));
    drained(&handle).await;
    assert_eq!(handle.status().delivered, 200);
    assert_eq!(flight.lock().unwrap().most_of_a_key, 1);
    let mut by_id: BTreeMap<String, Vec<Vec<(String, u64)>>> = BTreeMap::new();
    for seen in receiver.seen() {
        by_id.entry(seen.header("webhook-id").unwrap().to_owned()).or_default().push(events(&seen));
    }
    assert!(by_id.values().all(|attempts| attempts.iter().all(|attempt| *attempt == attempts[0])));
    assert!(by_id.values().any(|attempts| attempts.len() > 1), "some were repeated");
    assert!(by_id.values().any(|attempts| attempts[0].len() == 5), "some were full");
    assert_eq!(by_id.values().map(|attempts| attempts[0].len()).sum::<usize>(), 200);
}

#[tokio::test]
async fn what_several_lanes_refuse_is_parked_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parked");
    let receiver = Receiver::answering(|place, seen| {
        let number = events(seen)[0].1;
        match (number % 10, place % 5) {
            (3, _) => "410 Gone".to_owned(),
            (_, 4) => "503 Busy".to_owned(),
            _ => "200 OK".to_owned(),
        }
    });
    let webhook = Config {
        ordering: Ordering::Record,
        concurrency: 8,
        parked: Some(path.clone()),
        ..config(&receiver.url)
    };
    let handle = started(webhook);
    let messages: Vec<_> =
        (0..100).map(|n| format!(r#"{{"data":{{"n":{n},"sobject":{{"Id":"{}"}}}}}}"#, n % 11)).collect();
    let pairs: Vec<_> = messages.iter().map(|message| ("/topic/A", message.as_str())).collect();
    handle.offer(&several(&pairs));
    drained(&handle).await;
    let status = handle.status();
    assert_eq!((status.delivered, status.parked, status.queued_events), (90, 10, 0));
    let mut numbers: Vec<_> = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["record"]["data"]["n"].as_u64().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).map(|tens| tens * 10 + 3).collect::<Vec<_>>());
}

/// The bound is what is loaded at once: eight requests for each lane.
#[tokio::test]
async fn what_fails_holds_up_its_own_lane_at_once_and_the_others_when_they_have_what_is_loaded() {
    let failing = Arc::new(AtomicBool::new(true));
    let fails = Arc::clone(&failing);
    let receiver = Receiver::answering(move |_, seen| {
        let fails = events(seen)[0].0 == "bad" && fails.load(Relaxed);
        if fails { "503 Busy".to_owned() } else { "200 OK".to_owned() }
    });
    let handle = started(Config { ordering: Ordering::Record, concurrency: 2, ..config(&receiver.url) });
    let ids = std::iter::once("bad").chain(std::iter::repeat_n("good", 40));
    let messages: Vec<_> =
        ids.zip(0..).map(|(id, n)| format!(r#"{{"data":{{"n":{n},"sobject":{{"Id":"{id}"}}}}}}"#)).collect();
    let pairs: Vec<_> = messages.iter().map(|message| ("/topic/A", message.as_str())).collect();
    handle.offer(&several(&pairs));
    let attempts = |key: &str| receiver.seen().iter().filter(|seen| events(seen)[0].0 == key).count();
    eventually("many attempts", || attempts("bad") > 10);
    assert_eq!((attempts("good"), handle.status().delivered), (15, 15));
    failing.store(false, Relaxed);
    drained(&handle).await;
    assert_eq!((attempts("good"), handle.status().delivered), (40, 41));
}
