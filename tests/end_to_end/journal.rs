//! The journal between the sessions and the sinks: kills, repeats, a full file system, journals that are not ours.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cometail::journal::{Config, Journal, Library, Read};

use crate::support::{
    A, ARCHIVE, Answer, Cometail, Emulator, Place, Server, archive, cometail, connection, listen_later,
    number, reaches, run, stays, wait,
};

/// Everything that was ever appended stays.
const KEEP: &str = "[journal]\nkeep = \"1h\"\n";

fn config(place: &Place, emulator: &Emulator, version: &str, more: &str) -> String {
    connection(&emulator.url(version), &[A], more) + &archive(place) + KEEP
}

/// The numbers of the events in a journal, in their order.
pub(crate) fn journaled(dir: &Path) -> Vec<u64> {
    let mut reader = Library::open(dir).unwrap().reader(0);
    let mut numbers = Vec::new();
    while let Some(read) = reader.try_next().unwrap() {
        let Read::Record(record) = read else { panic!("{read:?}") };
        numbers.extend(record.batch.iter().map(|event| number(std::str::from_utf8(event.message).unwrap())));
    }
    numbers
}

pub(crate) fn journal_of(status: &serde_json::Value, field: &str) -> serde_json::Value {
    status["journal"][field].clone()
}

#[test]
fn kills_under_load_lose_and_repeat_nothing_and_need_no_handshakes() {
    const KILLS: usize = 10;
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = config(&place, &emulator, "61.0", "");
    let mut daemon = place.run(&config);
    emulator.wait_polled(1);
    // A position to go on from.
    emulator.publish(A, 0);
    place.wait_for(ARCHIVE, [0]);
    let enough = AtomicBool::new(false);
    let (published, daemon) = std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut next = 1;
            while !enough.load(Ordering::Relaxed) {
                emulator.publish(A, next);
                next += 1;
            }
            next
        });
        for kill in 0..KILLS {
            let before = journaled(&place.path("state/journal")).len();
            wait("more events in the journal", || {
                journaled(&place.path("state/journal")).len() > before + 20 + kill * 7
            });
            daemon.kill();
            daemon = place.run(&config);
        }
        enough.store(true, Ordering::Relaxed);
        (publisher.join().unwrap(), daemon)
    });
    wait("every event", || journaled(&place.path("state/journal")).len() as u64 >= published);
    let wanted: Vec<_> = (0..published).collect();
    assert_eq!(journaled(&place.path("state/journal")), wanted);
    place.wait_for(ARCHIVE, wanted);
    assert_eq!(emulator.count("handshakes"), 1, "the session goes on");
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_session_that_is_gone_after_a_kill_costs_one_handshake_and_no_event() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = config(&place, &emulator, "61.0", "");
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish_each(0..3);
    place.wait_for(ARCHIVE, 0..3);
    daemon.kill();
    emulator.expire_sessions();
    emulator.publish_each(3..6);
    let daemon = place.run(&config);
    place.wait_for(ARCHIVE, 0..6);
    assert_eq!(emulator.count("handshakes"), 2);
    assert_eq!(daemon.stop().code, Some(0));
    // And after an end in order, when there is no session to resume.
    emulator.publish_each(6..9);
    let daemon = place.run(&config);
    place.wait_for(ARCHIVE, 0..9);
    assert_eq!((emulator.count("handshakes"), daemon.stop().code), (3, Some(0)));
}

/// A check asks again for the last events, which the process before had.
#[test]
fn what_a_server_repeats_after_a_restart_is_not_taken_again() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&config(&place, &emulator, "61.0", "replay = \"all\""));
    emulator.wait_polled(1);
    emulator.publish_each(0..50);
    place.wait_for(ARCHIVE, 0..50);
    daemon.kill();
    let daemon = place.run(&config(&place, &emulator, "61.0", "replay = \"all\"\nrecheck = \"1s\""));
    wait("repeats", || {
        place.status().is_some_and(|status| status["connections"][0]["repeats"].as_u64() >= Some(50))
    });
    emulator.publish(A, 50);
    place.wait_for(ARCHIVE, 0..51);
    assert_eq!(daemon.stop().code, Some(0));
    assert_eq!(journaled(&place.path("state/journal")), (0..51).collect::<Vec<_>>());
}

/// A daemon whose journal is a file system of 1 MiB, in a mount namespace of its own, until `more` exists.
fn on_little_space(place: &Place, config: &str) -> Cometail {
    let script = r#"
        mkdir -p "$1" && mount -t tmpfs -o size=1m tmpfs "$1" || exit 90
        (
            for try in $(seq 1000); do [ -e "$2" ] && break; sleep 0.05; done
            mount -o remount,size=64m "$1"
        ) >/dev/null 2>&1 &
        shift 2
        exec "$@"
    "#;
    let file = place.config(config);
    let daemon = cometail(&["run", "-c", &file]);
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.args([place.path("state/journal"), place.path("more")]);
    command.arg(daemon.get_program()).args(daemon.get_args());
    Cometail::start(&mut command)
}

/// Publishes more than fits, and waits until nothing is asked for.
fn fill(emulator: &Emulator, place: &Place) {
    emulator.wait_polled(1);
    for _ in 0..20 {
        emulator.publish_many(A, 1000);
    }
    wait("a pause", || {
        place.status().is_some_and(|status| status["connections"][0]["waiting"] == "for room in the journal")
    });
}

#[test]
fn a_full_file_system_pauses_the_intake_and_room_ends_the_pause_without_a_loss() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = on_little_space(&place, &config(&place, &emulator, "61.0", ""));
    fill(&emulator, &place);
    let status = place.status().unwrap();
    assert_eq!(journal_of(&status, "state"), "no space");
    assert!(
        status["connections"][0]["paused_since"].is_u64() && journal_of(&status, "since").is_u64(),
        "{status}"
    );
    let health = run(&["status", "--health", "--state-dir", &place.text("state")]);
    assert_eq!(health.code, Some(1));
    assert!(
        health.stderr.contains("takes nothing") && health.stderr.contains("no space"),
        "{}",
        health.stderr
    );
    let shown = run(&["status", "--state-dir", &place.text("state")]);
    assert!(
        shown.stdout.contains("paused for") && shown.stdout.contains("/journal  no space  "),
        "{}",
        shown.stdout
    );
    let connects = emulator.count("connects");
    stays("nothing is asked for", Duration::from_millis(500), || emulator.count("connects") == connects);
    place.write("more", "");
    wait("every event", || place.lines(ARCHIVE).len() >= 20_000);
    let numbers = place.numbers(ARCHIVE);
    assert_eq!(numbers, (0..20).flat_map(|_| 0..1000).collect::<Vec<u64>>());
    wait("a good journal", || journal_of(&place.status().unwrap(), "state") == "good");
    assert!(place.status().unwrap()["connections"][0]["paused_since"].is_null());
    let log = daemon.log();
    for told in ["the journal takes nothing", "the journal has room again"] {
        assert_eq!(log.matches(told).count(), 1, "{told}: {log}");
    }
    assert_eq!(emulator.count("handshakes"), 1);
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_signal_ends_a_pause_at_once() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = config(&place, &emulator, "61.0", "");
    let daemon = on_little_space(&place, &config);
    fill(&emulator, &place);
    let asked = Instant::now();
    let ended = daemon.stop();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("are lost"), "{}", ended.stderr);
    assert_eq!(emulator.count("disconnects"), 1);
}

#[test]
fn events_that_come_only_once_are_told_as_lost_when_the_end_finds_no_room() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = on_little_space(&place, &config(&place, &emulator, "36.0", ""));
    fill(&emulator, &place);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(74), "{}", ended.stderr);
    assert!(ended.stderr.contains("events without a replay id are lost"), "{}", ended.stderr);
}

/// A daemon with a journal of 1 MiB and a webhook, of so many events in a request, that is dead until it is listened on.
fn with_a_dead_webhook(
    place: &Place,
    emulator: &Emulator,
    policy: &str,
    batch: usize,
) -> (Cometail, impl FnOnce() -> std::net::TcpListener) {
    let (address, listen) = listen_later();
    let hook = format!(
        "[sink.hook.webhook]\nurl = \"http://{address}/hook\"\nproxy = \"direct\"\nretry_initial = \"20ms\"\n\
         retry_max = \"50ms\"\nbatch = {batch}\n[journal]\nmax_size = \"1MiB\"\nsegment_size = \"64KiB\"\nwhen_full = {policy:?}\n"
    );
    let config = connection(&emulator.url("61.0"), &[A], "") + &archive(place) + &hook;
    (place.run(&config), listen)
}

#[test]
fn a_journal_of_full_size_pauses_the_intake_until_the_slowest_sink_goes_on() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let (daemon, listen) = with_a_dead_webhook(&place, &emulator, "pause", 1);
    fill(&emulator, &place);
    let status = place.status().unwrap();
    assert_eq!(journal_of(&status, "state"), "full");
    let error = journal_of(&status, "last_error").to_string();
    assert!(error.contains("a sink is too far behind (hook)"), "{error}");
    assert!(journal_of(&status, "bytes").as_u64().unwrap() <= 1 << 20, "{status}");
    let hook = Server::on(listen(), |_, _| Answer::OK);
    reaches("every event at the webhook", 20_000, || hook.count());
    place.wait_for(ARCHIVE, (0..20).flat_map(|_| 0..1000));
    let bodies = hook.seen();
    assert!(bodies.iter().map(|posted| number(&posted.body)).eq((0..20).flat_map(|_| 0..1000)));
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn what_a_full_journal_drops_is_told_as_a_gap() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let (daemon, listen) = with_a_dead_webhook(&place, &emulator, "drop_oldest", 500);
    emulator.wait_polled(1);
    for _ in 0..20 {
        emulator.publish_many(A, 1000);
    }
    place.wait_for(ARCHIVE, (0..20).flat_map(|_| 0..1000));
    daemon.wait_log("events left the journal before every sink had them");
    wait("the loss in the status", || {
        let status = place.status().unwrap_or_default();
        journal_of(&status, "lost").as_u64() > Some(0) && journal_of(&status, "gaps").as_u64() > Some(0)
    });
    let hook = Server::on(listen(), |_, _| Answer::OK);
    wait("the gap at the webhook", || {
        hook.seen().iter().any(|posted| posted.body.contains("left the journal before every sink had them"))
    });
    assert_eq!(daemon.stop().code, Some(0));
}

#[test]
fn a_journal_that_another_process_writes_is_left_alone() {
    let (emulator, place) = (Emulator::start(), Place::new());
    std::fs::create_dir(place.path("state")).unwrap();
    let _other = Journal::open(&place.path("state/journal"), Config::default()).unwrap();
    let ended = place.run(&config(&place, &emulator, "61.0", "")).end();
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    assert!(ended.stderr.contains("in use by another cometail"), "{}", ended.stderr);
    assert_eq!(emulator.count("handshakes"), 0);
}

#[test]
fn a_journal_of_a_newer_version_is_refused_and_not_touched() {
    let (emulator, place) = (Emulator::start(), Place::new());
    std::fs::create_dir_all(place.path("state/journal")).unwrap();
    let mut bytes = b"cometail".to_vec();
    bytes.extend(2_u32.to_le_bytes());
    bytes.extend((!2_u32).to_le_bytes());
    bytes.extend([7; 100]);
    let segment = place.path("state/journal/00000000000000000001.segment");
    std::fs::write(&segment, &bytes).unwrap();
    let ended = place.run(&config(&place, &emulator, "61.0", "")).end();
    assert_eq!(ended.code, Some(74), "{}", ended.stderr);
    assert!(ended.stderr.contains("has format version 2"), "{}", ended.stderr);
    assert_eq!(std::fs::read(&segment).unwrap(), bytes);
}

#[test]
fn without_a_state_directory_events_are_in_memory_and_that_is_said() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let text = connection(&emulator.url("61.0"), &[A], "") + &archive(&place) + "[state]\npersist = false\n";
    let file = place.write("cometail.toml", &text);
    let mut command = cometail(&["run", "-c", &file]);
    let daemon = Cometail::start(command.env("HOME", place.path("")));
    daemon.wait_log("no state directory: events are in memory alone");
    emulator.wait_polled(1);
    emulator.publish_each(0..3);
    place.wait_for(ARCHIVE, 0..3);
    assert_eq!(daemon.stop().code, Some(0));
    let left: Vec<_> =
        std::fs::read_dir(place.path("")).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the configuration and the output: {left:?}");
}
