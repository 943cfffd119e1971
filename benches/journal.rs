//! What the journal costs: appending batches of 1, 10, 100 and 1,000 events of 500 bytes, and reading them back.
//!
//! Beside each append stands a plain `write` of the same messages to files of the same size, in the same
//! directory. Nothing is synced, but by `writer`, which runs with the default policy: every 100 ms.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cometail::event::{Batch, BatchBuilder, ReplayId};
use cometail::journal::{Config, Journal, Kind, Read, SyncPolicy, Writer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const EVENT: usize = 500;
const SIZES: [usize; 4] = [1, 10, 100, 1_000];
const SEGMENT: u64 = 64 << 20;

fn config() -> Config {
    Config { max_bytes: 4 * SEGMENT, segment_bytes: SEGMENT, sync: SyncPolicy::Never, ..Config::default() }
}

fn batch(events: usize) -> Arc<Batch> {
    let (mut body, mut builder) = (Vec::new(), BatchBuilder::default());
    for number in 0..events {
        let start = body.len();
        let head = format!(r#"{{"channel":"/topic/Orders","data":{{"n":{number:09},"fill":""#);
        body.extend_from_slice(head.as_bytes());
        body.resize(start + EVENT - 3, b'x');
        body.extend_from_slice(br#""}}"#);
        let replay = Some(ReplayId(i64::try_from(number).unwrap_or(0)));
        builder.push("/topic/Orders", start, body.len(), replay).expect("a body below 4 GiB");
    }
    Arc::new(Batch::new(Arc::from("acme"), SystemTime::now(), Bytes::from(body), builder))
}

/// Files of the size of a segment, one after the other, the one before removed.
struct Plain<'a> {
    dir: &'a Path,
    file: File,
    len: u64,
    number: u64,
}

impl<'a> Plain<'a> {
    fn new(dir: &'a Path) -> Self {
        Self { dir, file: File::create(dir.join("0")).expect("a file"), len: 0, number: 0 }
    }

    fn write(&mut self, batch: &Batch, buffer: &mut Vec<u8>) {
        if self.len > SEGMENT {
            std::fs::remove_file(self.dir.join(self.number.to_string())).expect("removed");
            self.number += 1;
            self.file = File::create(self.dir.join(self.number.to_string())).expect("a file");
            self.len = 0;
        }
        buffer.clear();
        batch.iter().for_each(|event| buffer.extend_from_slice(event.message));
        self.file.write_all(buffer).expect("written");
        self.len += buffer.len() as u64;
    }
}

fn appending(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for events in SIZES {
        let batch = batch(events);
        group.throughput(Throughput::ElementsAndBytes {
            elements: events as u64,
            bytes: (events * EVENT) as u64,
        });
        group.bench_function(format!("plain write/{events}"), |bencher| {
            let dir = tempfile::tempdir().expect("a directory");
            let (mut plain, mut buffer) = (Plain::new(dir.path()), Vec::new());
            bencher.iter(|| plain.write(&batch, &mut buffer));
        });
        group.bench_function(format!("journal/{events}"), |bencher| {
            let dir = tempfile::tempdir().expect("a directory");
            let mut journal = Journal::open(dir.path(), config()).expect("a journal");
            bencher.iter(|| journal.append(&batch, Kind::Events).expect("appended"));
        });
        group.bench_function(format!("writer/{events}"), |bencher| {
            bencher.iter_custom(|times| through_the_writer(&batch, times));
        });
    }
    group.finish();
}

fn through_the_writer(batch: &Arc<Batch>, times: u64) -> Duration {
    let dir = tempfile::tempdir().expect("a directory");
    let config = Config { sync: Config::default().sync, ..config() };
    let journal = Journal::open(dir.path(), config).expect("a journal");
    let writer = Writer::start(journal, |_| ()).expect("threads");
    let (start, mut next) = (Instant::now(), 0);
    for _ in 0..times {
        next = loop {
            match writer.append(Arc::clone(batch), Kind::Events) {
                Ok(range) => break range.end,
                Err(_) => std::thread::yield_now(),
            }
        };
    }
    while writer.library().next_sequence() < next {
        std::thread::yield_now();
    }
    start.elapsed()
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    for (source, tail_bytes) in [("disk", 0), ("memory", 256 << 20)] {
        for events in SIZES {
            let (batch, batches) = (batch(events), (8 << 20) / (events * EVENT));
            let dir = tempfile::tempdir().expect("a directory");
            let config = Config { tail_bytes, ..config() };
            let mut journal = Journal::open(dir.path(), config).expect("a journal");
            for _ in 0..batches {
                journal.append(&batch, Kind::Events).expect("appended");
            }
            let (elements, bytes) = ((batches * events) as u64, (batches * events * EVENT) as u64);
            group.throughput(Throughput::ElementsAndBytes { elements, bytes });
            group.bench_function(format!("{source}/{events}"), |bencher| {
                bencher.iter(|| {
                    let mut reader = journal.reader(0);
                    while let Some(Read::Record(record)) = reader.try_next().expect("read") {
                        black_box(record);
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = appending, reading
}
criterion_main!(benches);
