//! Every read of the file system fails or is short, in turn: that is an error, and never damage.

use proptest::prelude::*;

use super::super::inspect::inspect_on;
use super::super::{Committed, Library, OpenError, Recovery, WhenFull};
use super::faulty::{FaultyDisk, ReadFault};
use super::*;

/// A journal with everything that a recovery has to do with: a cursor, whole segments, one that is gone, one
/// without header and records, damaged records, a torn tail, and a segment that was not finished.
fn worn() -> FaultyDisk {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, small());
    let mut cursor = journal.library().cursor("sink", 0).unwrap();
    for number in (0..105).step_by(3) {
        journal.append(&batch(number..number + 3), Kind::Events).unwrap();
        cursor.commit(number.cast_unsigned() / 2, b"a note", false).unwrap();
    }
    drop((cursor, journal));
    let segments: Vec<_> = disk.names().into_iter().filter(|name| name.ends_with(".segment")).collect();
    let (last, whole) = segments.split_last().unwrap();
    let flip = |bytes: &mut Vec<u8>| {
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
    };
    disk.edit(&whole[0], |bytes| bytes[9] ^= 1);
    disk.edit(&whole[1], |bytes| bytes.fill(0));
    disk.edit(&whole[3], flip);
    disk.edit(last, |bytes| {
        flip(bytes);
        bytes.truncate(bytes.len() - 5);
    });
    disk.remove(&whole[2]).unwrap();
    disk.create("00000000000000000099.segment.unfinished").unwrap();
    disk
}

/// Everything that an opened journal says.
type Told = (Recovery, u64, String, Option<Committed>, Seen);

fn told(journal: &Journal) -> Told {
    let cursor = journal.library().cursor("sink", 0).unwrap().committed().cloned();
    let positions = format!("{:?}", journal.positions().iter().collect::<Vec<_>>());
    let seen = read(&mut journal.reader(0));
    (journal.recovery().clone(), journal.next_sequence(), positions, cursor, seen)
}

/// How many reads `of` makes of `disk`.
fn reads<T>(disk: &FaultyDisk, of: impl FnOnce() -> T) -> u64 {
    let before = disk.reads();
    drop(of());
    disk.reads() - before
}

/// Every read of the `reads` ones, faulted in every way.
fn faults(reads: u64) -> impl Iterator<Item = (u64, ReadFault)> {
    ReadFault::ALL.into_iter().flat_map(move |fault| (0..reads).map(move |read| (read, fault)))
}

fn assert_names_a_place(error: &OpenError, disk: &FaultyDisk) {
    let text = error.to_string();
    let named = disk.names().iter().any(|name| text.contains(name));
    assert!(named || text.contains("its directory: ") || text.contains("cursors: "), "{text}");
}

fn try_open(disk: &FaultyDisk) -> Result<Journal, OpenError> {
    Journal::open_on(Arc::new(disk.clone()), small(), None)
}

#[test]
fn whatever_read_of_a_recovery_fails_nothing_is_changed_and_the_next_one_finds_the_same() {
    let worn = worn();
    let good = worn.copy();
    let all = reads(&good, || open(&good, small()));
    let expected = told(&open(&worn.copy(), small()));
    assert!(expected.0.holes.len() >= 4 && expected.0.cut > 0 && expected.4.holes.len() == 3, "{expected:?}");
    let mut refused = 0;
    for (read, fault) in faults(all) {
        let disk = worn.copy();
        disk.fault_read(read, fault);
        let opened = try_open(&disk);
        disk.end_read_fault();
        let journal = opened.unwrap_or_else(|error| {
            assert_names_a_place(&error, &disk);
            assert_eq!(disk.files(), worn.files(), "{fault:?} at read {read}");
            refused += 1;
            open(&disk, small())
        });
        // Only a copy for a person may be missing.
        let copy = |name: &String| name.starts_with("quarantine/");
        let (copies, others): (Vec<_>, Vec<_>) = disk.names().into_iter().partition(copy);
        let (all_copies, all_others): (Vec<_>, Vec<_>) = good.names().into_iter().partition(copy);
        assert!(copies.iter().all(|name| disk.bytes(name) == good.bytes(name)), "half a copy");
        assert_eq!((others, copies.len() <= all_copies.len()), (all_others, true));
        assert_eq!(told(&journal), expected, "{fault:?} at read {read}");
    }
    assert!(refused > all * 2, "{refused} of {all}");
}

#[test]
fn whatever_read_fails_a_reader_stays_where_it_is_and_goes_on_when_that_ends() {
    let disk = worn();
    let journal = open(&disk, small());
    let all = reads(&disk, || read(&mut journal.reader(0)));
    let expected = read(&mut journal.reader(0));
    for (at, fault) in faults(all) {
        disk.fault_read(at, fault);
        let (mut reader, mut seen, mut failures) = (journal.reader(0), Seen::default(), 0);
        while read_one(&mut reader, &mut seen).unwrap_or_else(|error| {
            assert!(error.to_string().contains(".segment"), "{error}");
            failures += 1;
            if failures == 3 {
                disk.end_read_fault();
            }
            true
        }) {}
        disk.end_read_fault();
        assert_eq!(seen, expected, "{fault:?} at read {at}");
        assert!(failures <= 3, "{failures} failures, {fault:?} at read {at}");
    }
}

#[test]
fn whatever_read_of_a_cursor_fails_it_is_not_taken_for_a_new_one() {
    let disk = worn();
    let library = open(&disk, small()).library();
    let committed = library.cursor("sink", 0).unwrap().committed().cloned();
    assert!(committed.is_some());
    for (at, fault) in faults(reads(&disk, || library.cursor("sink", 0))) {
        disk.fault_read(at, fault);
        match library.cursor("sink", 0) {
            Ok(cursor) => assert_eq!(cursor.committed(), committed.as_ref(), "{fault:?} at read {at}"),
            Err(error) => assert!(error.to_string().starts_with("cursors/sink."), "{error}"),
        }
        disk.end_read_fault();
    }
    assert_eq!(library.cursor("sink", 0).unwrap().committed(), committed.as_ref());
}

/// All that is found without being the writer.
fn looked_at(disk: &FaultyDisk) -> Result<String, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let found = inspect_on(&disk, &mut |_, _| {})?;
    let library = Library::open_on(disk)?;
    let (recent, cursors) = (library.recent(10, 1 << 20)?, library.cursors()?);
    Ok(format!("{found:?} {recent:?} {cursors:?}"))
}

#[test]
fn whatever_read_fails_who_looks_is_told_and_sees_no_damage_that_is_not_there() {
    let disk = worn();
    let before = disk.files();
    let all = reads(&disk, || looked_at(&disk));
    let expected = looked_at(&disk).unwrap();
    for (at, fault) in faults(all) {
        disk.fault_read(at, fault);
        match looked_at(&disk) {
            Ok(found) => {
                assert!(!fault.is_error(), "{fault:?} at read {at} is not told");
                assert_eq!(found, expected, "{fault:?} at read {at}");
            }
            Err(error) => assert_names_a_place(&error, &disk),
        }
        disk.end_read_fault();
    }
    assert_eq!((looked_at(&disk).unwrap(), disk.files()), (expected, before));
}

#[test]
fn what_is_dropped_unread_is_told_by_its_numbers_even_if_it_cannot_be_read() {
    let disk = FaultyDisk::default();
    let config = Config { max_bytes: 8_000, when_full: WhenFull::DropOldest, ..small() };
    let mut journal = open(&disk, config);
    let _cursor = journal.library().cursor("sink", 0).unwrap();
    disk.fault_read(0, ReadFault::KeepsFailing);
    for number in 0..100 {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
    }
    let losses = journal.take_losses();
    let first = journal.library().oldest_sequence();
    let lost: Vec<_> = losses.iter().flat_map(|loss| loss.events.clone()).collect();
    assert!(first > 0 && lost.iter().copied().eq(0..first), "{lost:?}");
    disk.end_read_fault();
    assert_eq!(read(&mut journal.reader(first)).numbers(), (first.cast_signed()..100).collect::<Vec<_>>());
}

/// What happens next to a journal, its reader and its disk.
#[derive(Clone, Debug)]
enum Step {
    Append(i64),
    Read(u8),
    Fault(u64, ReadFault),
    Heal,
    /// Another reader begins at a place that has been read.
    Seek(prop::sample::Index),
    /// Another process.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = (0_u64..8, prop::sample::select(ReadFault::ALL.to_vec()));
    prop_oneof![
        4 => (1_i64..12).prop_map(Step::Append),
        4 => (1_u8..6).prop_map(Step::Read),
        3 => fault.prop_map(|(at, fault)| Step::Fault(at, fault)),
        2 => Just(Step::Heal),
        1 => any::<prop::sample::Index>().prop_map(Step::Seek),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The model: numbers from 0 on, each read once, in order, without a hole.
    #[test]
    fn whatever_reads_fail_and_when_every_event_is_read_in_order_and_no_hole_is_told(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let disk = FaultyDisk::default();
        let mut journal = open(&disk, small());
        let (mut reader, mut next, mut read_upto) = (journal.reader(0), 0, 0);
        let mut seen = Seen::default();
        for step in steps.into_iter().chain([Step::Heal, Step::Read(u8::MAX)]) {
            match step {
                Step::Append(size) => {
                    journal.append(&batch(next..next + size), Kind::Events).unwrap();
                    next += size;
                }
                Step::Read(times) => {
                    for _ in 0..times {
                        drop(read_one(&mut reader, &mut seen));
                    }
                }
                Step::Fault(at, fault) => disk.fault_read(at, fault),
                Step::Heal => disk.end_read_fault(),
                Step::Seek(place) => reader = journal.reader(place.index(read_upto + 1) as u64),
                Step::Reopen => {
                    let Ok(opened) = try_open(&disk) else { continue };
                    prop_assert_eq!(opened.recovery(), &Recovery::default());
                    reader = opened.reader(reader.next_sequence());
                    journal = opened;
                }
            }
            prop_assert!(seen.holes.is_empty(), "{:?}", seen.holes);
            let from = reader.next_sequence() - seen.events.len() as u64;
            let expected: Vec<_> = (from..).map(|one| (one, one.cast_signed())).take(seen.events.len()).collect();
            prop_assert_eq!(&seen.events, &expected);
            read_upto = read_upto.max(usize::try_from(reader.next_sequence()).unwrap());
            seen = Seen::default();
        }
        prop_assert_eq!((reader.next_sequence(), journal.next_sequence()), (next.cast_unsigned(), next.cast_unsigned()));
    }
}
