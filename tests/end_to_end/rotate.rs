//! Rotation of output files while events flow: none is lost, none comes twice.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::process::Signal;

use crate::support::{A, ARCHIVE, Cometail, Emulator, Place, archive, connection, gaps, wait};

/// Where the file goes.
const ROTATED: &str = "out/rotated.jsonl";

fn rename(place: &Place) {
    std::fs::rename(place.path(ARCHIVE), place.path(ROTATED)).unwrap();
}

/// Rotates with `rotate` while events are published one by one.
fn rotate_under_load(rotate: impl FnOnce(&Place, &Cometail)) {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
    emulator.wait_polled(1);
    let (enough, published) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                emulator.publish(A, published.fetch_add(1, Ordering::Relaxed));
            }
        });
        // However this goes, the load ends.
        let guard = Ends(&enough);
        wait("events in the file", || place.lines(ARCHIVE).len() > 50);
        rotate(&place, &daemon);
        wait("events in the new file", || place.lines(ARCHIVE).len() > 50);
        drop(guard);
        load.join().unwrap();
    });
    let total = published.load(Ordering::Relaxed);
    let both = || [place.numbers(ROTATED), place.numbers(ARCHIVE)].concat();
    wait("every event in one of the files", || u64::try_from(both().len()).unwrap() >= total);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let both = both();
    assert_eq!(both, (0..total).collect::<Vec<_>>(), "{}", gaps(&both));
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_renamed_file_is_noticed_and_no_event_is_lost_or_doubled() {
    rotate_under_load(|place, _| rename(place));
}

#[test]
fn after_a_hangup_signal_no_event_is_lost_or_doubled() {
    rotate_under_load(|place, daemon| {
        rename(place);
        daemon.signal(Signal::HUP);
    });
}

/// Whether the process has a file open.
#[cfg(target_os = "linux")]
fn has_open(daemon: &Cometail, place: &Place, name: &str) -> bool {
    let wanted = std::fs::canonicalize(place.path(name)).unwrap();
    let files = std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap();
    files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok()).any(|path| path == wanted)
}

#[test]
#[cfg(target_os = "linux")]
fn a_hangup_signal_lets_go_of_the_file_at_once() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    place.wait_for(ARCHIVE, [0]);
    rename(&place);
    assert!(has_open(&daemon, &place, ROTATED));
    daemon.signal(Signal::HUP);
    wait("the old file to be closed without an event", || !has_open(&daemon, &place, ROTATED));
    emulator.publish(A, 1);
    place.wait_for(ARCHIVE, [1]);
    assert_eq!(place.numbers(ROTATED), [0]);
}
