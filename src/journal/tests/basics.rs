//! What goes in comes out, in the right order, through restarts.

use super::super::Recovery;
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
