//! Batches at the rate of a busy session, to a file: whole, in order, and cheap for the sender.
//!
//! The figures are printed (`cargo test --release --test sinks_speed -- --nocapture`); what is asserted holds on
//! a slow machine too.
#![cfg(test)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cometail::event::{Batch, BatchBuilder};
use cometail::sinks::{Config, Ended, Handle, Kind, Offer, Supply, file, format::Format, start};

const BATCHES: u32 = 30_000;

fn sink(path: &Path) -> Handle {
    let path = file::Template::parse(path.to_str().unwrap()).unwrap();
    let config = Config {
        name: Arc::from("speed"),
        channels: Vec::new(),
        format: Format::Message,
        gap_records: true,
        queue: 256 << 20,
        order: Vec::new(),
        kind: Kind::File(file::Config::new(path)),
    };
    start(config, Supply::Memory).unwrap()
}

/// A batch of `events` numbered messages of 300 bytes.
fn batch(connection: &Arc<str>, number: u32, events: usize) -> Arc<Batch> {
    let mut body = Vec::new();
    let mut builder = BatchBuilder::default();
    for _ in 0..events {
        let start = body.len();
        body.extend_from_slice(format!("{{\"n\":{number:08},\"pad\":\"{:276}\"}}", "").as_bytes());
        builder.push("/topic/A", start, body.len(), None).unwrap();
    }
    Arc::new(Batch::new(Arc::clone(connection), SystemTime::now(), Bytes::from(body), builder))
}

fn numbers(path: &Path) -> Vec<u32> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.get(5..13).unwrap().parse().unwrap()).collect()
}

fn wake_ups() -> u64 {
    let mut total = 0;
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
        total += line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0);
    }
    total
}

#[tokio::test]
async fn lone_batches_at_thirty_thousand_a_second_come_whole_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let handle = sink(&path);
    let connection: Arc<str> = Arc::from("acme");
    let batches: Vec<_> = (0..BATCHES).map(|number| batch(&connection, number, 1)).collect();
    let (wakes, begin) = (wake_ups(), Instant::now());
    let mut offering = Duration::ZERO;
    for (batch, number) in batches.iter().zip(0u32..) {
        while begin.elapsed() < number * Duration::from_nanos(33_333) {
            std::hint::spin_loop();
        }
        let before = Instant::now();
        assert_eq!(handle.offer(batch), Offer::Accepted);
        offering += before.elapsed();
    }
    let (took, wakes) = (begin.elapsed(), wake_ups() - wakes);
    handle.close();
    assert_eq!(handle.ended().await, Ended::Drained);
    println!("30,000 batches in {took:?}: {:?} an offer, {wakes} voluntary switches", offering / BATCHES);
    assert_eq!(numbers(&path), (0..BATCHES).collect::<Vec<_>>());
}

#[tokio::test]
async fn batches_of_a_thousand_come_whole_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let handle = sink(&path);
    let connection: Arc<str> = Arc::from("acme");
    let batches: Vec<_> = (0..300).map(|number| batch(&connection, number, 1000)).collect();
    let begin = Instant::now();
    for batch in &batches {
        assert_eq!(handle.offer(batch), Offer::Accepted);
    }
    handle.close();
    assert_eq!(handle.ended().await, Ended::Drained);
    let took = begin.elapsed();
    println!("300,000 events in {took:?}: {:.1} million a second", 0.3 / took.as_secs_f64());
    assert!(numbers(&path).into_iter().eq((0..300).flat_map(|number| std::iter::repeat_n(number, 1000))));
}

#[test]
fn a_lone_event_is_in_the_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let handle = sink(&path);
    let connection: Arc<str> = Arc::from("acme");
    let mut latencies = Vec::new();
    for number in 0..300 {
        let batch = batch(&connection, number, 1);
        // Events this far apart are lone ones: the traffic is the subject, and nothing is waited for.
        std::thread::sleep(Duration::from_millis(3));
        let begin = Instant::now();
        handle.offer(&batch);
        while handle.status().delivered <= u64::from(number) {
            assert!(begin.elapsed() < Duration::from_secs(10), "event {number} is not delivered");
            std::thread::yield_now();
        }
        latencies.push(begin.elapsed());
    }
    latencies.sort();
    println!("a lone event: median {:?}, 99th of 100 {:?}", latencies[150], latencies[297]);
    assert_eq!(numbers(&path), (0..300).collect::<Vec<_>>());
    assert!(latencies[150] < Duration::from_millis(50), "the worker does not wake at once");
}
