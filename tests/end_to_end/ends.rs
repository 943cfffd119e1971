//! Sinks that read no more: one that has ended, one that is not in the configuration any more. Neither fills the
//! journal, and each goes on where it was as far as the events are still there.

use crate::support::{
    A, ARCHIVE, Cometail, Emulator, Place, archive, cometail, connection, number, until, wait,
};

/// What is published is more than this.
const LITTLE: &str = "[journal]\nmax_size = \"1MiB\"\nsegment_size = \"64KiB\"\n";
const MANY: u64 = 20;

fn publish(emulator: &Emulator) {
    for _ in 0..MANY {
        emulator.publish_many(A, 1000);
    }
}

/// The events 0 and then `MANY` times 0 to 999.
fn published() -> Vec<u64> {
    std::iter::once(0).chain((0..MANY).flat_map(|_| 0..1000)).collect()
}

fn sink_of(place: &Place, name: &str) -> serde_json::Value {
    let status = place.status().unwrap_or_default();
    let sinks = status["sinks"].as_array().cloned().unwrap_or_default();
    sinks.into_iter().find(|sink| sink["name"] == name).unwrap_or_default()
}

/// Waits for lines that end with the event 5000; there is one gap record, which comes first, and then events.
fn assert_gap_and_rest(lines: impl Fn() -> Vec<String>) {
    let is_last = |line: &String| !line.contains("\"gap\"") && number(line) == 5000;
    let lines = until("the last event", || Some(lines()).filter(|lines| lines.last().is_some_and(is_last)));
    let (gap, rest) = lines.split_first().unwrap();
    assert!(gap.contains("are not in the journal any more") && gap.contains(A), "{gap}");
    let rest: Vec<_> = rest.iter().map(|line| number(line)).collect();
    let all: Vec<_> = published().into_iter().chain([5000]).collect();
    assert!(all.ends_with(&rest), "{} of {}", rest.len(), all.len());
}

#[test]
fn a_closed_stdout_does_not_fill_the_journal_and_goes_on_with_a_gap() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config =
        connection(&emulator.url("61.0"), &[A], "") + &archive(&place) + "[sink.screen.stdout]\n" + LITTLE;
    let file = place.config(&config);
    let (daemon, stdout) = Cometail::start_unread(&mut cometail(&["run", "-c", &file]));
    drop(stdout);
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    daemon.wait_log("the journal keeps nothing for this sink any more");
    publish(&emulator);
    place.wait_for(ARCHIVE, published());
    wait("the status", || {
        sink_of(&place, "archive")["lag"] == 0 && sink_of(&place, "screen")["kept"] == false
    });
    let (screen, archive) = (sink_of(&place, "screen"), sink_of(&place, "archive"));
    assert!(screen["state"] == "ended" && screen["kept"] == false && screen["cursor"] == 0, "{screen}");
    assert!(archive["kept"] == true, "{archive}");
    let shown = crate::support::run(&["status", "--state-dir", &place.text("state")]).stdout;
    assert!(
        crate::support::squeezed(&shown).contains("\nscreen stdout ended ") && shown.contains("not kept"),
        "{shown}"
    );
    assert_eq!(daemon.stop().code, Some(74));
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish(A, 5000);
    assert_gap_and_rest(|| daemon.lines());
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_sink_that_left_the_configuration_does_not_fill_the_journal_and_may_come_back() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let without = connection(&emulator.url("61.0"), &[A], "") + &archive(&place) + LITTLE;
    let with = format!("{without}[sink.gone.file]\npath = {:?}\n", place.text("out/gone"));
    let daemon = place.run(&with);
    emulator.wait_polled(1);
    assert_eq!(daemon.stop().code, Some(0));
    let daemon = place.run(&without);
    daemon.wait_log("a sink that is not in the configuration any more has a cursor");
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    publish(&emulator);
    place.wait_for(ARCHIVE, published());
    assert_eq!(daemon.stop().code, Some(0));
    let daemon = place.run(&with);
    emulator.wait_polled(1);
    emulator.publish(A, 5000);
    assert_gap_and_rest(|| place.lines("out/gone"));
    assert!(!daemon.log().contains("not in the configuration"), "{}", daemon.log());
    assert_eq!(daemon.stop().code, Some(0));
}
