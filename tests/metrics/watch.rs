//! `cometail status --watch`, in a pipe and on a terminal.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::{A, Cometail, Emulator, Place, archive, cometail, connection, json, run, wait};

fn start(place: &Place, emulator: &Emulator) -> Cometail {
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(place)));
    wait("health", || run(&["status", "--health", "--state-dir", &place.text("state")]).code == Some(0));
    daemon
}

fn watch(place: &Place, options: &[&str]) -> Cometail {
    let dir = place.text("state");
    Cometail::start(&mut cometail(&[&["status", "--watch", "--state-dir", &dir], options].concat()))
}

#[test]
fn in_a_pipe_each_change_is_a_line_with_its_time() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let watched = watch(&place, &[]);
    wait("no daemon", || watched.lines().iter().any(|line| line.contains("does the daemon run?")));
    let daemon = start(&place, &emulator);
    let has = |text: &str| watched.lines().iter().any(|line| line.ends_with(text));
    wait("health", || has(&format!("Z process {}: healthy", daemon.id())));
    wait("the channel", || has("Z connection c channel /topic/A: live"));
    emulator.publish(A, 1);
    wait("the event", || has("Z connection c: live, 1 events, waiting for events"));
    wait("its delivery", || has("Z sink archive: idle, 1 delivered, 0 behind"));
    let channel = |line: &&String| line.contains("/topic/A: live");
    assert_eq!(watched.lines().iter().filter(channel).count(), 1, "told once: {:?}", watched.lines());
    let process = daemon.id();
    daemon.kill();
    wait("the end", || has(&format!("Z process {process}: unhealthy")));
    assert!(!watched.lines().concat().contains('\u{1b}'));
    // Not SIGINT, which whoever runs this in the background has told everything to ignore.
    watched.signal(Signal::TERM);
    assert_eq!((watched.end().code, process > 0), (None, true));
}

#[test]
fn as_json_each_change_is_the_whole_status_on_a_line() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let _daemon = start(&place, &emulator);
    let watched = watch(&place, &["--json"]);
    let events = |line: &String| json(line)["connections"][0]["events"].as_u64().unwrap();
    wait("a first line", || watched.lines().first().is_some_and(|line| events(line) == 0));
    emulator.publish(A, 1);
    wait("the event", || watched.lines().last().is_some_and(|line| events(line) == 1));
}

#[test]
fn it_ends_when_nobody_reads() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let _daemon = start(&place, &emulator);
    let dir = place.text("state");
    let (watched, stdout) =
        Cometail::start_unread(&mut cometail(&["status", "--watch", "--state-dir", &dir]));
    drop(stdout);
    emulator.publish(A, 1);
    let ended = watched.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn on_a_terminal_it_is_drawn_again_in_place() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let _daemon = start(&place, &emulator);
    // A terminal of 40 rows.
    let line = format!(
        "stty rows 40 cols 100; exec {} status --watch --state-dir {}",
        env!("CARGO_BIN_EXE_cometail"),
        place.text("state")
    );
    let mut script = Command::new("script");
    script.args(["-qfec", &line, "/dev/null"]).stdin(Stdio::null());
    let watched = Cometail::start(&mut script);
    wait("a first frame", || watched.lines().iter().any(|line| line.starts_with("\u{1b}[2J\u{1b}[H")));
    emulator.publish(A, 1);
    // Name, state, since when (two words), events.
    let events = |line: &String| line.starts_with("c ") && line.split_whitespace().nth(4) == Some("1");
    wait("the event", || watched.lines().iter().any(events));
    let text = watched.lines().join("\n");
    assert_eq!(text.matches("\u{1b}[2J").count(), 1, "cleared once");
    assert!(text.matches("\u{1b}[H").count() >= 2, "{text}");
    assert!(text.contains("\nCONNECTION  CHANNEL   STANDING\u{1b}[K\r"), "{text:?}");
    drop(watched);
}

#[test]
fn health_is_not_watched() {
    let ended = run(&["status", "--watch", "--health"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}
