//! The room's tests: against the real file system and against one that fails.

mod basics;
mod crash;
mod damage;
mod faulty;
mod keeping;
mod reads;
mod writer;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::disk::Disk;
use super::{Config, Journal, Kind, Read, Reader, SyncPolicy};
use crate::event::{Batch, BatchBuilder, ReplayId};
use faulty::FaultyDisk;

/// Small segments, and nothing in memory, so that the disk is read.
fn small() -> Config {
    Config {
        segment_bytes: 2_000,
        max_bytes: 1 << 20,
        tail_bytes: 0,
        sync: SyncPolicy::Always,
        ..Config::default()
    }
}

fn open(disk: &FaultyDisk, config: Config) -> Journal {
    Journal::open_on(Arc::new(disk.clone()) as Arc<dyn Disk>, config, None).unwrap()
}

/// A batch of the events numbered `numbers`, on two channels; the number is the replay id.
fn batch(numbers: std::ops::Range<i64>) -> Arc<Batch> {
    let (mut body, mut builder) = (Vec::new(), BatchBuilder::default());
    for number in numbers {
        body.push(b' ');
        let start = body.len();
        body.extend_from_slice(message(number).as_bytes());
        let channel = format!("/topic/{}", number % 2);
        builder.push(&channel, start, body.len(), Some(ReplayId(number))).unwrap();
    }
    Arc::new(Batch::new(Arc::from("acme"), SystemTime::UNIX_EPOCH, Bytes::from(body), builder))
}

fn message(number: i64) -> String {
    let fill = usize::try_from(number.rem_euclid(7)).unwrap() * 20;
    format!(r#"{{"channel":"/topic/{}","data":{{"n":{number},"fill":"{}"}}}}"#, number % 2, "x".repeat(fill))
}

/// What a reader gives: the numbers of events, each with its sequence number, and the holes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    events: Vec<(u64, i64)>,
    /// First and next number of each.
    holes: Vec<(u64, u64)>,
}

impl Seen {
    fn numbers(&self) -> Vec<i64> {
        self.events.iter().map(|(_, number)| *number).collect()
    }
}

/// Reads to the end, and checks of each event that it is what was written.
fn read(reader: &mut Reader) -> Seen {
    let mut seen = Seen::default();
    while read_one(reader, &mut seen).unwrap() {}
    seen
}

/// Reads what stands next, if there is anything; a failure leaves the reader where it is.
fn read_one(reader: &mut Reader, seen: &mut Seen) -> std::io::Result<bool> {
    let from = reader.next_sequence();
    let read = reader.try_next().inspect_err(|_| assert_eq!(reader.next_sequence(), from))?;
    match &read {
        None => {}
        Some(Read::Hole(range)) => {
            assert!(range.start == from && range.end > range.start, "{range:?} at {from}");
            seen.holes.push((range.start, range.end));
        }
        Some(Read::Record(record)) => {
            assert_eq!(record.kind, Kind::Events);
            for (sequence, event) in record.events_from(from) {
                let number = event.replay.unwrap().0;
                assert_eq!(event.message, message(number).as_bytes());
                assert_eq!(event.channel.as_str(), format!("/topic/{}", number % 2));
                seen.events.push((sequence, number));
            }
            assert_eq!(reader.next_sequence(), record.end());
        }
    }
    Ok(read.is_some())
}

/// What a fresh process finds.
fn found(disk: &FaultyDisk) -> (Seen, u64) {
    disk.revive();
    let journal = open(disk, small());
    (read(&mut journal.reader(0)), journal.next_sequence())
}
