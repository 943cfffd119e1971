//! Every operation on the file system fails or is the last one, in turn.

use std::io::ErrorKind;

use super::super::Trouble;
use super::faulty::{Fault, FaultyDisk};
use super::*;

/// Appends and syncs until the journal holds `events`; how many were appended and how many were durable when
/// it could not go on. Each failure is tried again a few times, as the owner does.
fn write(disk: &FaultyDisk, config: &Config, events: i64, tries: u32) -> (i64, i64) {
    let Ok(mut journal) = Journal::open_on(Arc::new(disk.clone()), config.clone(), None) else {
        return (0, 0);
    };
    let mut left = tries;
    let mut next = journal.next_sequence().cast_signed();
    while next < events {
        let size = 1 + next % 4;
        // Now and then several that have gathered.
        let group: Vec<_> = (0..=next / 5 % 3).map(|one| next + one * size).collect();
        let group: Vec<_> = group.into_iter().map(|first| batch(first..first + size)).collect();
        match journal.append_all(group.iter().map(|batch| (batch, Kind::Events))) {
            Ok(()) => next = journal.next_sequence().cast_signed(),
            Err(_) if left > 0 => left -= 1,
            Err(_) => break,
        }
        if next % 3 == 0 && journal.sync().is_err() {
            left = left.saturating_sub(1);
        }
    }
    (next, journal.durable().cast_signed())
}

fn operations_of_a_run() -> u64 {
    let disk = FaultyDisk::default();
    assert!(write(&disk, &small(), 60, 0).0 >= 60);
    disk.operations()
}

#[test]
fn whatever_operation_is_the_last_what_was_appended_is_there_and_nothing_else() {
    for last in 0..operations_of_a_run() {
        let disk = FaultyDisk::default();
        disk.fault_at(last, Fault::Dies);
        let (appended, _) = write(&disk, &small(), 60, 0);
        let (seen, next) = found(&disk);
        // A batch whose append was never answered may be there whole; none is there in part.
        let there = seen.numbers();
        assert_eq!(there, (0..next.cast_signed()).collect::<Vec<_>>(), "operation {last}");
        assert!(there.len() >= usize::try_from(appended).unwrap(), "operation {last}: {appended}");
        assert!(seen.holes.is_empty(), "operation {last}");
        assert!(write(&disk, &small(), 80, 0).0 >= 80);
        assert!(found(&disk).0.holes.is_empty(), "operation {last}");
    }
}

#[test]
fn whatever_operation_fails_the_journal_goes_on_and_loses_nothing() {
    for kind in [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem] {
        for failing in 0..operations_of_a_run() {
            let disk = FaultyDisk::default();
            disk.fault_at(failing, Fault::Fails(kind));
            // Opening fails outright; what follows is tried again.
            let written = write(&disk, &small(), 60, 3).0.max(write(&disk, &small(), 60, 3).0);
            assert!(written >= 60, "operation {failing}: {written}");
            let (seen, next) = found(&disk);
            assert_eq!(seen.numbers(), (0..next.cast_signed()).collect::<Vec<_>>(), "operation {failing}");
        }
    }
}

#[test]
fn whatever_operation_fails_what_was_called_durable_survives_a_loss_of_power() {
    for failing in 0..operations_of_a_run() {
        for keep in [0, 1, 2, 3] {
            let disk = FaultyDisk::default();
            disk.fault_at(failing, Fault::Fails(ErrorKind::Other));
            let (_, durable) = write(&disk, &small(), 60, 3);
            let kept = |block: usize| match keep {
                0 => false,
                1 => true,
                other => block % 2 == other - 2,
            };
            disk.lose_power(kept, keep == 1);
            let (seen, _) = found(&disk);
            let there = seen.numbers();
            let missing: Vec<_> = (0..durable).filter(|number| !there.contains(number)).collect();
            assert!(missing.is_empty(), "operation {failing}, {keep}: {missing:?} of {durable}");
            assert!(there.is_sorted(), "operation {failing}, {keep}");
        }
    }
}

#[test]
fn a_failed_sync_is_not_tried_again_on_the_same_file() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, small());
    journal.append(&batch(0..3), Kind::Events).unwrap();
    journal.sync().unwrap();
    journal.append(&batch(3..6), Kind::Events).unwrap();
    disk.fault_at(0, Fault::Fails(ErrorKind::Other));
    assert_eq!(journal.sync().unwrap(), 6, "written to a new segment, and durable there");
    assert_eq!(disk.names().len(), 2);
    assert_eq!(read(&mut journal.reader(0)).numbers(), [0, 1, 2, 3, 4, 5]);
    drop(journal);
    disk.lose_power(|_| false, false);
    let (seen, next) = found(&disk);
    assert_eq!((seen.numbers(), next), (vec![0, 1, 2, 3, 4, 5], 6));
}

#[test]
fn a_sync_that_failed_on_its_thread_is_not_made_good_by_another_before_that_is_known() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, small());
    journal.append(&batch(0..3), Kind::Events).unwrap();
    let job = journal.begin_sync().unwrap();
    disk.fault_at(0, Fault::Fails(ErrorKind::Other));
    let outcome = job.run();
    assert!(outcome.is_err());
    assert_eq!(journal.sync().unwrap(), 3);
    journal.finish_sync(&job, outcome).unwrap();
    assert!(journal.take_sync_failure().is_some());
    disk.lose_power(|_| false, false);
    assert_eq!(found(&disk).0.numbers(), [0, 1, 2]);
}

#[test]
fn a_full_disk_refuses_and_takes_again_when_there_is_space() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, Config { segment_bytes: 1 << 20, ..small() });
    journal.append(&batch(0..3), Kind::Events).unwrap();
    disk.set_full(true);
    let name = disk.names().remove(0);
    let before = disk.bytes(&name);
    for _ in 0..3 {
        let refused = journal.append(&batch(3..20), Kind::Events);
        assert!(matches!(refused, Err(Trouble::NoSpace(_))), "{refused:?}");
        assert_eq!(disk.bytes(&name), before, "half a record is left");
        assert_eq!(read(&mut journal.reader(0)).numbers(), [0, 1, 2]);
        assert_eq!(found_without_repair(&disk).numbers(), [0, 1, 2]);
    }
    disk.set_full(false);
    assert_eq!(journal.append(&batch(3..20), Kind::Events).unwrap(), 3..20);
    assert_eq!(found_without_repair(&disk).numbers(), (0..20).collect::<Vec<_>>());
}

fn found_without_repair(disk: &FaultyDisk) -> Seen {
    found(&disk.copy()).0
}
