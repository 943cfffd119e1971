//! Events that are sent once more to the files of a daemon.

use crate::support::{A, ARCHIVE, Emulator, Place, archive, connection, run};

#[test]
fn what_is_sent_once_more_to_a_daemons_files_stays_there_and_the_daemon_goes_on() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config =
        connection(&emulator.url("61.0"), &[A], "") + &archive(&place) + "[journal]\nkeep = \"1h\"\n";
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish_each(0..10);
    place.wait_for(ARCHIVE, 0..10);
    let file = place.text("cometail.toml");
    let replay = || run(&["journal", "replay", "-c", &file, "--until", "4", "--to", "archive"]);
    let refused = replay();
    assert_eq!(refused.code, Some(75), "{}", refused.stderr);
    assert!(refused.stderr.contains("stop it first, or print into a file"), "{}", refused.stderr);
    // What the cursor does not have is cut off first, and comes once more from the daemon.
    daemon.kill();
    let done = replay();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("4 events sent to archive"), "{}", done.stderr);
    let before = place.numbers(ARCHIVE);
    assert!(before.ends_with(&[0, 1, 2, 3]) && before.len() <= 14, "{before:?}");
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish(A, 10);
    let committed = u64::try_from(before.len() - 4).unwrap();
    place.wait_for(ARCHIVE, (0..committed).chain(0..4).chain(committed..11));
    assert_eq!(daemon.stop().code, Some(0));
}
