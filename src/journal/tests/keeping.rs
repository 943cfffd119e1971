//! What stays and what goes: cursors, the size, the age; and what is refused.

use std::time::Duration;

use super::super::{OpenError, Reason, Trouble, WhenFull, inspect, segment};
use super::faulty::{Fault, FaultyDisk};
use super::*;

/// Room for about three segments.
fn tight(when_full: WhenFull) -> Config {
    Config { max_bytes: 7_000, when_full, ..small() }
}

fn fill(journal: &mut Journal) -> (i64, Trouble) {
    loop {
        let next = journal.next_sequence().cast_signed();
        if let Err(trouble) = journal.append(&batch(next..next + 2), Kind::Events) {
            return (next, trouble);
        }
    }
}

#[test]
fn a_full_journal_pauses_until_the_slowest_cursor_has_passed_a_segment() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, tight(WhenFull::Pause));
    let library = journal.library();
    let (mut slow, mut fast) = (library.cursor("slow", 0).unwrap(), library.cursor("fast", 0).unwrap());
    let (next, trouble) = fill(&mut journal);
    assert!(matches!(trouble, Trouble::Full) && journal.bytes() <= 7_000 && next > 20, "{next}: {trouble}");
    fast.commit(next.cast_unsigned(), b"", false).unwrap();
    assert!(matches!(fill(&mut journal), (same, Trouble::Full) if same == next));
    assert_eq!(read(&mut journal.reader(0)).numbers(), (0..next).collect::<Vec<_>>());
    slow.commit(next.cast_unsigned() - 4, b"", false).unwrap();
    let (later, _) = fill(&mut journal);
    assert!(later > next + 10, "{later}");
    assert_eq!(
        read(&mut journal.reader(next.cast_unsigned() - 4)).numbers(),
        (next - 4..later).collect::<Vec<_>>()
    );
    assert!(journal.take_losses().is_empty());
    // Nobody holds it back any more.
    drop((slow, fast));
    for number in later..later + 500 {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
    }
    assert!(journal.bytes() <= 7_000);
}

/// A sink that has ended may let go of its cursor when its successor has one already.
#[test]
fn a_cursor_that_goes_late_takes_nothing_from_the_next_one_of_its_name() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, tight(WhenFull::Pause));
    let library = journal.library();
    let late = library.cursor("sink", 0).unwrap();
    let _next = library.cursor("sink", 0).unwrap();
    drop(late);
    assert!(matches!(fill(&mut journal), (_, Trouble::Full)));
    assert_eq!(library.oldest_sequence(), 0);
}

#[test]
fn a_full_journal_that_drops_says_which_events_of_which_channels_were_not_read() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, tight(WhenFull::DropOldest));
    let mut cursor = journal.library().cursor("dead", 0).unwrap();
    let mut reader = journal.reader(0);
    let first = batch(0..5);
    journal.append(&first, Kind::Events).unwrap();
    cursor.commit(3, b"", false).unwrap();
    for number in 5..300 {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
        assert!(journal.bytes() <= 7_000);
    }
    let losses = journal.take_losses();
    assert_eq!(losses[0].events.start, 3);
    assert!(losses.iter().zip(&losses[1..]).all(|(a, b)| a.events.end == b.events.start));
    let lost = 3..losses.last().unwrap().events.end;
    for channel in ["/topic/0", "/topic/1"] {
        let told: u64 = losses
            .iter()
            .flat_map(|loss| &loss.channels)
            .filter(|of| of.channel.as_str() == channel)
            .map(|of| of.events)
            .sum();
        let parity = u64::from(channel == "/topic/1");
        assert_eq!(told, lost.clone().filter(|number| number % 2 == parity).count() as u64);
    }
    let seen = read(&mut reader);
    assert_eq!(seen.holes, [(0, lost.end)]);
    assert_eq!(seen.numbers(), (lost.end.cast_signed()..300).collect::<Vec<_>>());
}

#[test]
fn a_batch_larger_than_the_journal_is_taken_when_nothing_else_is_held() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, tight(WhenFull::Pause));
    let mut cursor = journal.library().cursor("sink", 0).unwrap();
    journal.append(&batch(0..2), Kind::Events).unwrap();
    assert!(matches!(journal.append(&batch(2..200), Kind::Events), Err(Trouble::Full)));
    cursor.commit(2, b"", false).unwrap();
    journal.append(&batch(2..200), Kind::Events).unwrap();
    assert!(matches!(journal.append(&batch(200..201), Kind::Events), Err(Trouble::Full)));
    cursor.commit(200, b"", false).unwrap();
    journal.append(&batch(200..201), Kind::Events).unwrap();
    assert_eq!(read(&mut journal.reader(199)).numbers(), [200]);
}

#[test]
fn events_are_kept_for_a_time_after_they_were_read_and_for_no_longer_than_the_other() {
    let disk = FaultyDisk::default();
    let (keep, max_age) = (Duration::from_secs(100), Some(Duration::from_secs(1_000)));
    let mut journal = open(&disk, Config { keep, max_age, ..small() });
    let mut cursor = journal.library().cursor("sink", 0).unwrap();
    for number in 0..60 {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
    }
    let now = SystemTime::now();
    assert!(!journal.retain(now + keep * 2).unwrap(), "not read");
    cursor.commit(60, b"", false).unwrap();
    assert!(!journal.retain(now).unwrap(), "read just now");
    assert!(!journal.retain(SystemTime::UNIX_EPOCH).unwrap(), "the clock is wrong");
    assert!(journal.retain(now + keep * 2).unwrap());
    assert!(journal.bytes() > 0, "the last segment stays");
    cursor.commit(0, b"", false).unwrap();
    for number in 60..120 {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
    }
    assert!(journal.retain(now + keep * 20).unwrap(), "unread, and too old");
    assert!(!journal.take_losses().is_empty());
}

#[test]
fn a_cursor_survives_and_a_torn_one_falls_back_to_the_commit_before() {
    let disk = FaultyDisk::default();
    let journal = open(&disk, small());
    let library = journal.library();
    let name = "a sink/../näme.0";
    let mut cursor = library.cursor(name, 7).unwrap();
    assert_eq!(cursor.committed(), None);
    cursor.commit(10, b"a long note of the sink's own", true).unwrap();
    cursor.commit(11, b"", true).unwrap();
    cursor.commit(12, b"short", false).unwrap();
    drop(cursor);
    let committed = |disk: &FaultyDisk| {
        let cursor = open(disk, small()).library().cursor(name, 7).unwrap();
        cursor.committed().map(|committed| (committed.sequence, committed.note.clone()))
    };
    assert_eq!(committed(&disk), Some((12, b"short".to_vec())));
    let newest = disk.names().into_iter().find(|name| name.ends_with(".1")).unwrap();
    for cut in 0..40 {
        let disk = disk.copy();
        disk.edit(&newest, |bytes| bytes.truncate(cut));
        assert_eq!(committed(&disk), Some((11, Vec::new())), "{cut}");
    }
    let other = newest.replace(".1", ".0");
    for name in [&newest, &other] {
        disk.edit(name, |bytes| bytes.truncate(10));
    }
    let library = open(&disk, small()).library();
    let damaged = |name| {
        library.cursor(name, 7).map(|cursor| (cursor.is_damaged(), cursor.committed().cloned())).unwrap()
    };
    assert_eq!((damaged(name), damaged("new")), ((true, None), (false, None)));
}

#[test]
fn a_cursor_moves_on_a_full_file_system_after_a_restart_too() {
    let disk = FaultyDisk::default();
    let mut cursor = open(&disk, small()).library().cursor("sink", 0).unwrap();
    (1..=3).for_each(|sequence| cursor.commit(sequence, b"note", false).unwrap());
    drop(cursor);
    let mut cursor = open(&disk, small()).library().cursor("sink", 0).unwrap();
    disk.set_full(true);
    for sequence in 4..=6 {
        cursor.commit(sequence, b"note", true).unwrap();
        let again = open(&disk, small()).library().cursor("sink", 0).unwrap();
        assert_eq!(again.committed().map(|committed| committed.sequence), Some(sequence));
    }
    assert!(cursor.commit(7, &[0; 100], true).is_err(), "there is no space for more");
    let again = open(&disk, small()).library().cursor("sink", 0).unwrap();
    assert_eq!(again.committed().map(|committed| committed.sequence), Some(6));
}

#[test]
fn whatever_operation_of_a_commit_is_the_last_the_cursor_stands_before_or_behind_it() {
    for sync in [true, false] {
        for last in 0..24 {
            let disk = FaultyDisk::default();
            let mut cursor = open(&disk, small()).library().cursor("sink", 0).unwrap();
            let start = disk.operations();
            disk.fault_at(last, Fault::Dies);
            let done =
                (1..=6).take_while(|sequence| cursor.commit(*sequence, b"note", sync).is_ok()).count() as u64;
            assert!(disk.operations() > start);
            drop(cursor);
            disk.revive();
            if sync {
                disk.lose_power(|block| block % 2 == 1, false);
            }
            let cursor = open(&disk, small()).library().cursor("sink", 0).unwrap();
            let at = cursor.committed().map_or(0, |committed| committed.sequence);
            assert!(at == done || at == done + 1, "operation {last}: {at} after {done}");
        }
    }
}

#[test]
fn numbers_that_a_cursor_has_passed_are_not_given_out_again() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, small());
    journal.append(&batch(0..4), Kind::Events).unwrap();
    journal.sync().unwrap();
    journal.append(&batch(4..9), Kind::Events).unwrap();
    journal.library().cursor("sink", 0).unwrap().commit(9, b"", true).unwrap();
    drop(journal);
    disk.lose_power(|_| false, false);
    disk.revive();
    let mut journal = open(&disk, small());
    assert_eq!(
        journal.recovery().holes.iter().map(|hole| (hole.reason, hole.events.clone())).collect::<Vec<_>>(),
        [(Reason::Unsynced, Some(4..9))]
    );
    assert_eq!(journal.append(&batch(9..12), Kind::Events).unwrap(), 9..12);
    let seen = read(&mut journal.reader(0));
    assert_eq!((seen.numbers(), seen.holes), (vec![0, 1, 2, 3, 9, 10, 11], vec![(4, 9)]));
}

#[test]
fn a_missing_segment_is_a_hole_and_an_empty_or_zeroed_one_as_well() {
    for what in ["gone", "empty", "zeros"] {
        let disk = FaultyDisk::default();
        let mut journal = open(&disk, small());
        for number in 0..60 {
            journal.append(&batch(number..number + 1), Kind::Events).unwrap();
        }
        drop(journal);
        let name = segment::name(2);
        match what {
            "gone" => disk.remove(&name).unwrap(),
            "empty" => disk.edit(&name, Vec::clear),
            _ => disk.edit(&name, |bytes| bytes.fill(0)),
        }
        let journal = open(&disk, small());
        let seen = read(&mut journal.reader(0));
        assert_eq!(seen.holes.len(), 1, "{what}");
        let hole = seen.holes[0].0..seen.holes[0].1;
        assert!(
            journal.recovery().holes.iter().any(|told| told.events == Some(hole.clone())),
            "{what}: {:?}",
            journal.recovery()
        );
        let expected: Vec<_> =
            (0..60).filter(|number: &i64| !hole.contains(&number.cast_unsigned())).collect();
        assert_eq!(seen.numbers(), expected, "{what}");
    }
}

#[test]
fn a_newer_journal_is_refused_and_nothing_in_it_is_changed() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, small());
    journal.append(&batch(0..60), Kind::Events).unwrap();
    journal.append(&batch(60..70), Kind::Events).unwrap();
    drop(journal);
    let name = segment::name(2);
    disk.edit(&name, |bytes| {
        bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&(!2_u32).to_le_bytes());
        bytes.truncate(bytes.len() - 3);
    });
    let before: Vec<_> = disk.names().iter().map(|name| disk.bytes(name)).collect();
    let refused = Journal::open_on(Arc::new(disk.clone()), small(), None).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { version: 2, .. }), "{refused}");
    assert!(refused.to_string().contains("version 2"), "{refused}");
    assert_eq!(disk.names().iter().map(|name| disk.bytes(name)).collect::<Vec<_>>(), before);
}

#[test]
fn one_process_writes_a_directory_and_others_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = Journal::open(&path, small()).unwrap();
    for number in 0..60 {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
    }
    journal.sync().unwrap();
    journal.library().cursor("sink", 0).unwrap().commit(20, b"", true).unwrap();
    let refused = Journal::open(&path, small()).unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)) && refused.to_string().contains("in use"), "{refused}");
    let inspection = inspect(&path).unwrap();
    assert_eq!(inspection.segments.iter().map(|segment| segment.events).sum::<u64>(), 60);
    assert_eq!((inspection.next, inspection.cursors[0].1.sequence), (60, 20));
    assert_eq!(&inspection.positions, journal.positions());
    let library = super::super::Library::open(&path).unwrap();
    assert_eq!(read(&mut library.reader(0)).numbers(), (0..60).collect::<Vec<_>>());
    drop(journal);
    assert_eq!(Journal::open(&path, small()).unwrap().next_sequence(), 60);
}

#[test]
fn the_latest_events_of_each_channel_are_found_from_the_end() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, small());
    for number in 0..100 {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
    }
    let numbers = |per_channel, max_bytes| -> Vec<_> {
        let records = journal.library().recent(per_channel, max_bytes).unwrap();
        records.iter().flat_map(|record| record.batch.iter()).map(|event| event.replay.unwrap().0).collect()
    };
    assert_eq!(numbers(10, 1 << 20), (80..100).collect::<Vec<_>>());
    assert_eq!(numbers(1_000, 1 << 20), (0..100).collect::<Vec<_>>());
    assert_eq!(numbers(1_000, 1), [99], "however large the last segment is");
    let some = numbers(1_000, 1_000);
    assert!((3..=10).contains(&some.len()) && some.last() == Some(&99), "{some:?}");
}
