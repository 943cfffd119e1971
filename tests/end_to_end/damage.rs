//! Damaged journals: what is told of them, and when.

use crate::journal::journal_of;
use crate::support::{A, ARCHIVE, Emulator, Place, archive, connection, wait};

/// A sink that delivers nothing: it has passed no damage.
const STUCK: &str =
    "[daemon]\ngrace = \"300ms\"\n[sink.stuck.webhook]\nurl = \"http://127.0.0.1:1/\"\nproxy = \"direct\"\n";

/// Two files that take everything at once, one of them with gap records.
fn config(place: &Place, emulator: &Emulator) -> String {
    let all = format!("[sink.all.file]\npath = {:?}\n", place.text("out/all"));
    connection(&emulator.url("61.0"), &[A], "") + &archive(place) + "[journal]\nkeep = \"1h\"\n" + &all
}

/// The gap records that tell of damage.
fn told(place: &Place) -> Vec<String> {
    place.lines("out/all").into_iter().filter(|line| line.contains("the journal was damaged in ")).collect()
}

/// Starts on the journal as it is, takes one event and ends; the log.
fn round(place: &Place, emulator: &Emulator, config: &str, event: u64) -> String {
    let daemon = place.run(config);
    emulator.wait_polled(1);
    emulator.publish(A, event);
    let line = format!(r#""n":{event}"#);
    wait("the event", || place.lines("out/all").iter().any(|one| one.contains(&line)));
    wait("the event in the archive", || place.numbers(ARCHIVE).last() == Some(&event));
    daemon.stop().stderr
}

fn segment(place: &Place, number: u64) -> std::path::PathBuf {
    place.path(&format!("state/journal/{number:020}.segment"))
}

fn spoil_header(place: &Place, number: u64) {
    let mut bytes = std::fs::read(segment(place, number)).unwrap();
    bytes[20] ^= 1;
    std::fs::write(segment(place, number), bytes).unwrap();
}

#[test]
fn damage_is_told_as_a_gap_of_every_channel_and_the_rest_is_delivered() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = config(&place, &emulator) + STUCK;
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish_each(0..8);
    wait("durable events", || journal_of(&place.status().unwrap_or_default(), "durable") == 8);
    // Its record says that the others are durable: nobody is asked for them again.
    emulator.publish(A, 8);
    place.wait_for(ARCHIVE, 0..9);
    assert_eq!(daemon.stop().code, Some(0));
    let segment = place.path("state/journal/00000000000000000001.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish(A, 9);
    wait("the last event", || place.lines("out/all").len() >= 11);
    let gaps: Vec<_> = place.lines("out/all").into_iter().filter(|line| line.contains(r#""gap""#)).collect();
    assert!(gaps.len() == 1 && gaps[0].contains("damaged in 1 places") && gaps[0].contains(A), "{gaps:?}");
    wait("a status", || journal_of(&place.status().unwrap_or_default(), "damaged") == 1);
    assert_eq!(journal_of(&place.status().unwrap(), "gaps"), 1);
    assert!(daemon.log().contains("the journal is damaged"), "{}", daemon.log());
    place.wait_for(ARCHIVE, 0..10);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn damage_is_told_once_and_new_damage_again_and_what_every_sink_has_passed_never() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = config(&place, &emulator);
    let stuck = config.clone() + STUCK;
    // Each start writes a segment of its own.
    for event in 0..4 {
        round(&place, &emulator, &stuck, event);
    }
    std::fs::remove_file(segment(&place, 2)).unwrap();
    let log = round(&place, &emulator, &stuck, 4);
    assert!(log.contains("the journal is damaged: the segment is missing"), "{log}");
    for event in 5..7 {
        let log = round(&place, &emulator, &stuck, event);
        assert!(!log.contains("the journal is damaged"), "{log}");
        assert_eq!(log.matches("damage that was told before").count(), 1, "{log}");
    }
    let gaps = told(&place);
    assert!(
        gaps.len() == 1 && gaps[0].contains("1 places") && gaps[0].contains("segment 2 at 0"),
        "{gaps:?}"
    );

    spoil_header(&place, 3);
    for event in 7..9 {
        round(&place, &emulator, &stuck, event);
    }
    let gaps = told(&place);
    assert!(
        gaps.len() == 2 && gaps[1].contains("1 places") && gaps[1].contains("segment 3 at 0"),
        "{gaps:?}"
    );

    // Without the sink that has passed nothing, nobody has missed anything.
    spoil_header(&place, 4);
    let log = round(&place, &emulator, &config, 9);
    assert!(log.contains("that every sink has passed") && log.contains(r#""places":2"#), "{log}");
    assert_eq!(told(&place).len(), 2);
    assert_eq!(place.numbers(ARCHIVE), (0..10).collect::<Vec<_>>());
}
