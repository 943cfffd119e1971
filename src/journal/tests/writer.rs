//! The writer's thread: order, bounds, trouble and its end.

use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::super::{Refused, Writer};
use super::faulty::{Fault, FaultyDisk};
use super::*;

/// What was told: appended, durable, the trouble.
type Told = (u64, u64, Option<String>);

fn start(disk: &FaultyDisk, config: Config) -> (Writer, Receiver<Told>) {
    let (sender, told) = channel();
    let writer = Writer::start(open(disk, config), move |progress| {
        let trouble = progress.trouble.map(ToString::to_string);
        drop(sender.send((progress.appended, progress.durable, trouble)));
    });
    (writer.unwrap(), told)
}

/// Waits until what is told is what is wanted.
fn until(told: &Receiver<Told>, wanted: impl Fn(&Told) -> bool) -> Told {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let now = told.recv_timeout(left).expect("told in time");
        if wanted(&now) {
            return now;
        }
    }
}

#[test]
fn every_policy_makes_what_was_taken_durable_in_the_order_of_its_numbers() {
    let wait = Duration::from_millis(20);
    for sync in [SyncPolicy::Interval(wait), SyncPolicy::Always, SyncPolicy::Never] {
        let disk = FaultyDisk::default();
        let (writer, told) = start(&disk, Config { sync, ..small() });
        for number in 0..200 {
            let range = writer.append(batch(number..number + 1), Kind::Events).unwrap();
            assert_eq!(range.start, number.cast_unsigned());
        }
        until(&told, |(appended, durable, _)| (*appended, *durable) == (200, 200));
        let after = disk.copy();
        after.lose_power(|_| false, true);
        let durable = found(&after).0.numbers().len();
        assert!(durable == 200 || sync == SyncPolicy::Never, "{sync:?}: {durable}");
        assert_eq!(read(&mut writer.library().reader(0)).numbers(), (0..200).collect::<Vec<_>>());
        writer.stop().unwrap();
        assert_eq!(found(&disk).0.numbers(), (0..200).collect::<Vec<_>>());
    }
}

/// A batch of one event that has a mebibyte.
fn bulk(number: i64) -> Arc<Batch> {
    let (body, mut builder) = (Bytes::from(vec![b'x'; 1 << 20]), BatchBuilder::default());
    builder.push("/topic/0", 0, body.len(), Some(ReplayId(number))).unwrap();
    Arc::new(Batch::new(Arc::from("acme"), SystemTime::UNIX_EPOCH, body, builder))
}

#[test]
fn much_that_waits_for_a_sync_is_synced_before_its_time() {
    let disk = FaultyDisk::default();
    let sync = SyncPolicy::Interval(Duration::from_secs(3_600));
    let config = Config { sync, segment_bytes: 64 << 20, max_bytes: 1 << 30, ..Config::default() };
    let (writer, told) = start(&disk, config);
    for number in 0..8 {
        while writer.append(bulk(number), Kind::Events) == Err(Refused::Busy) {
            std::thread::yield_now();
        }
    }
    until(&told, |(_, durable, _)| *durable == 8);
    disk.lose_power(|_| false, false);
    disk.revive();
    assert_eq!(open(&disk, small()).next_sequence(), 8);
}

#[test]
fn a_full_segment_waits_for_its_syncs_before_it_ends_and_becomes_larger_by_a_quarter_at_most() {
    let disk = FaultyDisk::default();
    let sync = SyncPolicy::Interval(Duration::from_secs(3_600));
    let full = 16 << 20;
    let mut journal =
        open(&disk, Config { sync, segment_bytes: full, max_bytes: 1 << 30, ..Config::default() });
    let mut next = 0;
    let mut append = |journal: &mut Journal, batches: i64| {
        for _ in 0..batches {
            journal.append(&bulk(next), Kind::Events).unwrap();
            next += 1;
        }
        disk.names().len()
    };
    assert_eq!(append(&mut journal, 19), 1, "nothing is durable, so that its end would hold up what comes");
    assert!(journal.is_sync_pressing() && journal.durable() == 0);
    assert_eq!(append(&mut journal, 1), 2, "no larger than 20 MiB");
    assert_eq!(journal.durable(), 19, "the one before is durable whole");
    assert_eq!(append(&mut journal, 14), 2);
    let job = journal.begin_sync().unwrap();
    let outcome = job.run();
    journal.finish_sync(&job, outcome).unwrap();
    assert!(!journal.is_sync_pressing());
    assert_eq!(append(&mut journal, 1), 3, "little is left to be made durable");
    assert_eq!(journal.durable(), 34);
    let lengths: Vec<_> = disk.files().into_iter().map(|(_, bytes)| bytes.len() as u64).collect();
    assert!(lengths.iter().all(|length| *length <= full / 4 * 5), "{lengths:?}");
}

#[test]
fn a_full_disk_fills_the_queue_and_no_more_and_everything_goes_on_by_itself() {
    let disk = FaultyDisk::default();
    let queue_bytes = 4 * batch(0..10).size();
    let (writer, told) = start(&disk, Config { queue_bytes, ..small() });
    writer.append(batch(0..10), Kind::Events).unwrap();
    until(&told, |(_, durable, _)| *durable == 10);
    disk.set_full(true);
    let mut next = 10;
    while writer.append(batch(next..next + 10), Kind::Events).is_ok() {
        next += 10;
        assert!(next < 100, "the queue has no bound");
    }
    assert_eq!(writer.append(batch(next..next + 10), Kind::Events), Err(Refused::Busy));
    let (appended, _, trouble) = until(&told, |(_, _, trouble)| trouble.is_some());
    assert!(appended == 10 && trouble.unwrap().starts_with("no space for the journal"));
    disk.set_full(false);
    let all = (next.cast_unsigned(), next.cast_unsigned(), None);
    until(&told, |told| *told == all);
    writer.stop().unwrap();
    assert_eq!(found(&disk).0.numbers(), (0..next).collect::<Vec<_>>());
}

#[test]
fn a_sync_that_fails_delays_what_is_durable_and_loses_nothing() {
    for failing in 0..12 {
        let disk = FaultyDisk::default();
        let (writer, told) = start(&disk, small());
        disk.fault_at(failing, Fault::Fails(ErrorKind::Other));
        for number in 0..40 {
            writer.append(batch(number..number + 1), Kind::Events).unwrap();
        }
        until(&told, |(_, durable, trouble)| *durable == 40 && trouble.is_none());
        disk.lose_power(|_| false, false);
        writer.stop().unwrap();
        assert_eq!(found(&disk).0.numbers(), (0..40).collect::<Vec<_>>(), "{failing}");
    }
}

#[test]
fn a_reader_that_waits_is_woken_by_an_append() {
    let disk = FaultyDisk::default();
    let (writer, _told) = start(&disk, small());
    let reader = writer.library().reader(0);
    assert!(!reader.wait(Duration::from_millis(1)));
    let waiting = std::thread::spawn(move || reader.wait(Duration::from_secs(20)));
    writer.append(batch(0..1), Kind::Events).unwrap();
    assert!(waiting.join().unwrap());
}

#[test]
fn the_end_writes_what_was_taken_and_takes_no_more() {
    let disk = FaultyDisk::default();
    let sync = SyncPolicy::Interval(Duration::from_secs(3_600));
    let (writer, _told) = start(&disk, Config { sync, ..small() });
    for number in 0..50 {
        writer.append(batch(number..number + 1), Kind::Events).unwrap();
    }
    drop(writer);
    disk.lose_power(|_| false, false);
    assert_eq!(found(&disk).0.numbers(), (0..50).collect::<Vec<_>>());

    let (writer, _told) = start(&disk, small());
    disk.set_full(true);
    writer.append(batch(50..51), Kind::Events).unwrap();
    let trouble = writer.stop().unwrap_err();
    assert!(trouble.to_string().starts_with("no space for the journal"), "{trouble}");
}

#[test]
fn a_disk_that_does_not_answer_is_seen_by_a_turn_that_does_not_end() {
    let disk = FaultyDisk::default();
    let (writer, told) = start(&disk, small());
    let soon = |what: &str, turn: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !turn() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::yield_now();
        }
    };
    writer.append(batch(0..1), Kind::Events).unwrap();
    until(&told, |(_, durable, _)| *durable == 1);
    soon("nothing to do", &|| writer.turn().is_none());
    // Whoever changes a file has the whole disk to himself.
    disk.edit(&disk.names()[0], |_| {
        writer.append(batch(1..2), Kind::Events).unwrap();
        soon("it is at it", &|| writer.turn().is_some());
        let turn = writer.turn();
        let end = Instant::now() + Duration::from_millis(50);
        while Instant::now() < end {
            assert_eq!(writer.turn(), turn, "the same turn");
        }
    });
    until(&told, |(_, durable, _)| *durable == 2);
    soon("it waits again", &|| writer.turn().is_none());
}

#[test]
fn a_thread_that_is_gone_is_told_by_the_next_append() {
    let disk = FaultyDisk::default();
    let writer = Writer::start(open(&disk, small()), |_| panic!("on purpose")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while writer.append(batch(0..1), Kind::Events) != Err(Refused::Ended) {
        assert!(Instant::now() < deadline, "still taking");
        std::thread::yield_now();
    }
    assert!(writer.stop().is_err());
}
