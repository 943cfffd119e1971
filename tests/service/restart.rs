//! A restart as a service manager does it: the session on the server goes on.

use std::time::{Duration, Instant};

use crate::manager::Manager;
use crate::support::{A, ARCHIVE, Cometail, Emulator, Place, archive, cometail, connection};

/// The guide's 40 s are 4 s.
const SCALE: f64 = 0.1;

fn start(manager: &Manager, place: &Place, emulator: &Emulator) -> Cometail {
    let config = connection(&emulator.url("61.0"), &[A], "on_stop = \"keep\"") + &archive(place);
    let file = place.config(&config);
    let mut command = cometail(&["run", "-c", &file]);
    manager.adopt(&mut command, None);
    Cometail::start(&mut command)
}

/// Ends the daemon and starts it after so many of the guide's seconds, with events before, between and after.
fn restarted(after: f64) {
    let (emulator, place) = (Emulator::start_with(&["--time-scale", &SCALE.to_string()]), Place::new());
    let first = Manager::start();
    let daemon = start(&first, &place, &emulator);
    first.wait("READY=1");
    emulator.wait_polled(1);
    emulator.publish_each(0..5);
    place.wait_for(ARCHIVE, 0..5);
    let ended = Instant::now();
    assert_eq!(daemon.stop().code, Some(0));
    emulator.publish_each(5..10);
    let absent = Duration::from_secs_f64(after * SCALE);
    // The time itself is what is tested.
    std::thread::sleep(absent.saturating_sub(ended.elapsed()));
    let second = Manager::start();
    let daemon = start(&second, &place, &emulator);
    second.wait("READY=1");
    daemon.wait_log("resuming the saved session");
    place.wait_for(ARCHIVE, 0..10);
    emulator.publish_each(10..15);
    place.wait_for(ARCHIVE, 0..15);
    let counts = ["handshakes", "disconnects"].map(|counter| emulator.count(counter));
    assert_eq!(counts, [1, 0], "the session is the first one still");
}

#[test]
fn a_restart_keeps_the_session_and_every_event_comes_once() {
    restarted(0.0);
}

#[test]
fn a_start_that_takes_twenty_seconds_keeps_it_too() {
    restarted(20.0);
}
