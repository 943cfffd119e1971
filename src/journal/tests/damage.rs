//! Bytes that are not what was written: the rest is read, and each hole is told.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::disk::Disk as _;
use super::super::scan::{Item, Scanner};
use super::super::{Reason, segment};
use super::faulty::{Fault, FaultyDisk};
use super::*;

/// A journal of `events` in one segment, every one of them durable but the last `unsynced`.
fn one_segment(events: i64, unsynced: i64) -> (FaultyDisk, String) {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, Config { segment_bytes: 1 << 20, ..small() });
    for number in 0..events {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
        if number < events - unsynced {
            journal.sync().unwrap();
        }
    }
    let name = disk.names().remove(0);
    (disk, name)
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_everything_before_it_is_read() {
    let (disk, name) = one_segment(8, 0);
    let whole = disk.bytes(&name).len();
    for len in (0..whole).rev() {
        let disk = disk.copy();
        disk.edit(&name, |bytes| bytes.truncate(len));
        let (seen, next) = found(&disk);
        assert_eq!(seen.numbers(), (0..next.cast_signed()).collect::<Vec<_>>(), "{len}");
        assert!(seen.holes.is_empty());
        let mut journal = open(&disk, small());
        journal.append(&batch(next.cast_signed()..40), Kind::Events).unwrap();
        drop(journal);
        assert_eq!(found(&disk).0.numbers(), (0..40).collect::<Vec<_>>(), "{len}");
    }
}

#[test]
fn any_flipped_bit_costs_one_record_at_most_and_the_hole_is_told() {
    let (disk, name) = one_segment(8, 0);
    let whole = disk.bytes(&name).len();
    for bit in 0..whole * 8 {
        let disk = disk.copy();
        disk.edit(&name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let journal = open(&disk, small());
        let seen = read(&mut journal.reader(0));
        assert!(seen.events.len() >= 7, "bit {bit}: {seen:?}");
        assert!(!journal.recovery().holes.is_empty() || journal.recovery().cut > 0, "bit {bit}");
        // The last record's number is not known when its header is gone: it counts as never written.
        if journal.next_sequence() == 8 {
            let held: u64 = seen.holes.iter().map(|(start, end)| end - start).sum();
            assert_eq!(held + seen.events.len() as u64, 8, "bit {bit}");
        }
        assert!(seen.events.iter().all(|(sequence, number)| *sequence == number.cast_unsigned()));
    }
}

#[test]
fn whatever_operation_of_a_recovery_is_the_last_the_next_one_finds_the_same() {
    let (disk, name) = one_segment(30, 0);
    let at = memchr::memmem::find(&disk.bytes(&name), b"\"n\":20,").unwrap();
    disk.edit(&name, |bytes| {
        bytes[at] ^= 1;
        bytes.truncate(bytes.len() - 5);
    });
    let expected: Vec<_> = (0..29).filter(|number| *number != 20).collect();
    for last in 0..12 {
        let disk = disk.copy();
        disk.fault_at(last, Fault::Dies);
        drop(Journal::open_on(Arc::new(disk.clone()), small(), None));
        let (seen, next) = found(&disk);
        assert_eq!((seen.numbers(), seen.holes, next), (expected.clone(), vec![(20, 21)], 29), "{last}");
    }
}

#[test]
fn positions_stop_before_a_hole_that_may_never_have_been_durable_and_pass_one_that_was() {
    for (unsynced, position) in [(15, 19), (0, 29)] {
        let (disk, name) = one_segment(30, unsynced);
        // The record of event 20, by its marker.
        let bytes = disk.bytes(&name);
        let at = memchr::memmem::find_iter(&bytes, b"\"n\":20,").next().unwrap();
        disk.edit(&name, |bytes| bytes[at] ^= 1);
        let journal = open(&disk, small());
        let holes: Vec<_> =
            journal.recovery().holes.iter().map(|hole| (hole.reason, hole.events.clone())).collect();
        assert_eq!(holes, [(Reason::Sum, Some(20..21))]);
        assert_eq!(read(&mut journal.reader(0)).holes, [(20, 21)]);
        let highest = journal.positions().iter().map(|(_, _, replay)| replay.0).max();
        assert_eq!(highest, Some(position), "{unsynced}");
        let kept = disk.names().into_iter().filter(|name| name.starts_with("quarantine/"));
        let kept: Vec<_> = kept.map(|name| disk.bytes(&name)).collect();
        assert_eq!(kept.len(), 1);
        assert!(
            kept[0].starts_with(b"segment 1, bytes ")
                && memchr::memmem::find(&kept[0], b"events 20 to 20").is_some()
        );
    }
}

/// A file as damage changes it: each byte with the place where it stood, while it is what it was.
type Traced = Vec<(u8, Option<usize>)>;

fn damage(file: &mut Traced, at: usize, what: u8) {
    let spoiled = |byte: u8| (byte, None);
    match what {
        0 => file.truncate(at),
        1 => file.iter_mut().skip(at).take(200).for_each(|byte| *byte = spoiled(0)),
        2 => file.iter_mut().skip(at).take(1).for_each(|byte| *byte = spoiled(byte.0 ^ 0x10)),
        3 => drop(file.splice(at..at, b"nothing that belongs here".map(spoiled))),
        _ => drop(file.drain(at..file.len().min(at + 150))),
    }
}

/// Where each record stands in a segment, and its events.
fn layout(disk: &FaultyDisk, name: &str) -> Vec<(std::ops::Range<usize>, std::ops::Range<u64>)> {
    let handle = disk.open(name).unwrap();
    let limit = handle.len().unwrap();
    let mut scanner = Scanner::new(handle, segment::number(name).unwrap(), segment::HEADER as u64);
    let (mut records, mut start) = (Vec::new(), segment::HEADER);
    while let Some(item) = scanner.next(limit, 0).unwrap() {
        let Item::Record(header, _) = item else { panic!("{item:?}") };
        let end = start + super::super::record::HEADER + usize::try_from(header.length).unwrap();
        records.push((start..end, header.first..header.end()));
        start = end;
    }
    records
}

/// The events of the records that damage left as they were.
fn untouched(file: &Traced, records: &[(std::ops::Range<usize>, std::ops::Range<u64>)]) -> Vec<u64> {
    let places: BTreeMap<_, _> =
        file.iter().enumerate().filter_map(|(now, (_, was))| Some(((*was)?, now))).collect();
    let whole = |bytes: &std::ops::Range<usize>| {
        let Some(start) = places.get(&bytes.start) else { return false };
        bytes.clone().enumerate().all(|(offset, was)| places.get(&was) == Some(&(start + offset)))
    };
    records.iter().filter(|(bytes, _)| whole(bytes)).flat_map(|(_, events)| events.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_to_the_bytes_every_other_record_is_read_in_order_and_each_hole_is_told(
        sizes in prop::collection::vec(1_i64..12, 1..25),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..5), 0..6),
    ) {
        let disk = FaultyDisk::default();
        let mut journal = open(&disk, small());
        let mut next = 0;
        for size in sizes {
            journal.append(&batch(next..next + size), Kind::Events).unwrap();
            next += size;
        }
        drop(journal);
        let names = disk.names();
        let trace = |name: &String| disk.bytes(name).into_iter().zip((0..).map(Some)).collect::<Traced>();
        let mut files: Vec<Traced> = names.iter().map(trace).collect();
        for (file, place, what) in damages {
            let file = &mut files[file.index(names.len())];
            let at = place.index(file.len().max(1)).min(file.len());
            damage(file, at, what);
        }
        let mut expected = Vec::new();
        for (name, file) in names.iter().zip(&files) {
            expected.extend(untouched(file, &layout(&disk, name)));
            disk.edit(name, |bytes| *bytes = file.iter().map(|(byte, _)| *byte).collect());
        }
        let mut journal = open(&disk, small());
        let seen = read(&mut journal.reader(0));
        for event in expected {
            prop_assert!(seen.events.iter().any(|(sequence, _)| *sequence == event), "{event} in {seen:?}");
        }
        let mut at = 0;
        let mut holes = seen.holes.iter().peekable();
        for (sequence, number) in &seen.events {
            prop_assert_eq!(*sequence, number.cast_unsigned());
            while let Some(hole) = holes.next_if(|(start, _)| *start == at) {
                at = hole.1;
            }
            prop_assert_eq!(at, *sequence);
            at += 1;
        }
        // What follows goes on behind it.
        let range = journal.append(&batch(400..403), Kind::Events).unwrap();
        prop_assert!(range.start >= at);
        drop(journal);
        let journal = open(&disk, small());
        let again = read(&mut journal.reader(0));
        prop_assert_eq!(again.events.len(), seen.events.len() + 3);
    }
}
