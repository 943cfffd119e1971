//! What goes in comes out, in the right order, through restarts.

use super::super::{BODY_MAX, Recovery, record};
use super::faulty::FaultyDisk;
use super::*;
use crate::event::Channel;

#[test]
fn what_was_appended_is_read_in_order_from_any_place_before_and_after_a_restart() {
    for tail_bytes in [0, 3_000, 1 << 20] {
        let disk = FaultyDisk::default();
        let config = Config { tail_bytes, ..small() };
        let mut journal = open(&disk, config.clone());
        let mut next = 0;
        for size in [1, 10, 3, 40, 2, 1, 1, 25] {
            let range = journal.append(&batch(next..next + size), Kind::Events).unwrap();
            assert_eq!(range, next.cast_unsigned()..(next + size).cast_unsigned());
            next += size;
        }
        let check = |journal: &Journal| {
            for from in 0..=next {
                let seen = read(&mut journal.reader(from.cast_unsigned()));
                assert_eq!(seen.numbers(), (from..next).collect::<Vec<_>>());
                assert!(seen.holes.is_empty() && seen.events.iter().all(|(a, b)| *a == b.cast_unsigned()));
            }
        };
        check(&journal);
        drop(journal);
        let journal = open(&disk, config);
        assert_eq!(journal.recovery(), &Recovery::default());
        assert_eq!(journal.next_sequence(), next.cast_unsigned());
        check(&journal);
    }
}

#[test]
fn positions_are_each_channels_last_replay_id_and_move_only_when_durable() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, small());
    let position = |journal: &Journal, channel: &str| {
        journal.positions().get("acme", &Channel::parse(channel).unwrap()).map(|replay| replay.0)
    };
    journal.append(&batch(0..5), Kind::Events).unwrap();
    assert_eq!(position(&journal, "/topic/0"), None);
    assert_eq!(journal.sync().unwrap(), 5);
    assert_eq!((position(&journal, "/topic/0"), position(&journal, "/topic/1")), (Some(4), Some(3)));
    for number in 5..60 {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
    }
    drop(journal);
    let journal = open(&disk, small());
    assert!(disk.names().len() > 3, "several segments");
    assert_eq!((position(&journal, "/topic/0"), position(&journal, "/topic/1")), (Some(58), Some(59)));
}

#[test]
fn a_record_gives_back_kind_connection_time_channels_and_events_without_a_number() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, small());
    let received = SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(1_700_000_000_123_456_789);
    let (body, mut builder) = (Bytes::from_static(br#"[{"gap":{}},{"data":null}]"#), BatchBuilder::default());
    builder.push("/topic/Ünïcode?a='b'", 1, 11, None).unwrap();
    builder.push("/topic/B", 12, 25, Some(ReplayId(-7))).unwrap();
    builder.push("/topic/B", 12, 12, Some(ReplayId(i64::MAX))).unwrap();
    let gap = Arc::new(Batch::new(Arc::from("another"), received, body, builder));
    journal.append(&gap, Kind::Gap).unwrap();
    journal.append(&batch(0..1), Kind::Events).unwrap();
    drop(journal);
    let mut reader = open(&disk, small()).reader(0);
    let Some(Read::Record(record)) = reader.try_next().unwrap() else { panic!("no record") };
    assert_eq!((record.first, record.kind, record.batch.received()), (0, Kind::Gap, received));
    let seen: Vec<_> = (record.batch.iter())
        .map(|event| (&**event.connection, event.channel.as_str(), event.message, event.replay))
        .collect();
    let expected: [(_, _, &[u8], _); 3] = [
        ("another", "/topic/Ünïcode?a='b'", br#"{"gap":{}}"#, None),
        ("another", "/topic/B", br#"{"data":null}"#, Some(ReplayId(-7))),
        ("another", "/topic/B", b"", Some(ReplayId(i64::MAX))),
    ];
    assert_eq!(seen, expected);
    let Some(Read::Record(next)) = reader.try_next().unwrap() else { panic!("no record") };
    assert_eq!((next.first, next.kind, &**next.batch.connection()), (3, Kind::Events, "acme"));
}

#[test]
fn a_position_is_the_last_number_and_not_the_highest() {
    let disk = FaultyDisk::default();
    let mut journal = open(&disk, small());
    for number in [40, 2] {
        journal.append(&batch(number..number + 1), Kind::Events).unwrap();
    }
    journal.sync().unwrap();
    let positions: Vec<_> =
        journal.positions().iter().map(|(_, channel, id)| (channel.as_str(), id.0)).collect();
    assert_eq!(positions, [("/topic/0", 2)]);
    let kept = journal.positions().clone();
    drop(journal);
    assert_eq!(open(&disk, small()).positions(), &kept);
}

#[test]
fn no_response_that_the_configuration_allows_is_too_large_for_a_record() {
    // What weighs most beside its bytes: short events, each of a channel of its own, and one of a long channel.
    for (events, width) in [(10_000, 0), (10_000, 5), (100, 1_000), (1, 60_000)] {
        let (mut body, mut builder) = (Vec::from(b"["), BatchBuilder::default());
        for number in 0..events {
            let start = body.len();
            let channel = format!("/{number:0>width$}");
            body.extend_from_slice(format!(r#"{{"channel":"{channel}"}}"#).as_bytes());
            builder.push(&channel, start, body.len(), Some(ReplayId(number))).unwrap();
            body.push(b',');
        }
        let length = body.len() as u64;
        let size = record::size_of(&Batch::new(Arc::from("acme"), SystemTime::now(), body.into(), builder));
        let largest = u128::from(size) * u128::from(BODY_MAX) / u128::from(length);
        assert!(largest < u128::from(record::SIZE_MAX), "{events} events: {size} of {length}");
    }
}

#[test]
fn how_much_is_left_is_told_without_a_read_of_the_disk() {
    let disk = FaultyDisk::default();
    let tail_bytes = batch(297..300).size() * 4;
    let mut journal = open(&disk, Config { tail_bytes, ..small() });
    assert_eq!(journal.library().behind(0).received, None);
    for number in (0..300).step_by(3) {
        journal.append(&batch(number..number + 3), Kind::Events).unwrap();
    }
    let library = journal.library();
    let (all, segments) = library.size();
    assert!(segments > 5);
    let before = disk.reads();
    let behind = |sequence| library.behind(sequence);
    assert_eq!((behind(0).bytes, behind(300).bytes, behind(u64::MAX).bytes), (all, 0, 0));
    // No more than one segment's worth of error, and never less for more events.
    let bytes: Vec<_> = (0..=300).map(|sequence| behind(sequence).bytes).collect();
    assert!(bytes.is_sorted_by(|one, next| one >= next));
    assert!(bytes[150].abs_diff(all / 2) < 4_000, "{} of {all}", bytes[150]);
    // Only what is in memory tells when it arrived.
    assert_eq!((behind(0).received, behind(300).received), (None, None));
    assert_eq!(behind(298).received, Some(SystemTime::UNIX_EPOCH));
    assert_eq!(disk.reads(), before);
}
