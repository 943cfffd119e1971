//! A state directory that becomes read-only under load, and writable again.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::journal::journaled;
use crate::support::{
    A, ARCHIVE, Cometail, Emulator, Place, archive, cometail, connection, run, stays, wait,
};

/// Begins a new segment, which is a new file, often.
const JOURNAL: &str = "[journal]\nkeep = \"1h\"\nsegment_size = \"64KiB\"\n";

/// A daemon in a mount namespace of its own, in which `dir` is read-only from when the file `ro` exists until the
/// file `rw` does: another mount of it covers it. A file system itself cannot be made read-only by hand while
/// files on it are open for writing; those go on being written here.
fn daemon(place: &Place, dir: &Path, config: &str) -> Cometail {
    let script = r#"
        mkdir -p "$1" "$2" && mount --bind "$1" "$2" && mount -o remount,bind,ro "$2" || exit 90
        (
            for try in $(seq 1000); do [ -e "$3" ] && break; sleep 0.05; done
            mount --bind "$2" "$1"
            for try in $(seq 1000); do [ -e "$4" ] && break; sleep 0.05; done
            umount -l "$1"
        ) >/dev/null 2>&1 &
        shift 4
        exec "$@"
    "#;
    let file = place.config(config);
    let daemon = cometail(&["run", "-c", &file]);
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.arg(dir).args([place.path("view"), place.path("ro"), place.path("rw")]);
    command.arg(daemon.get_program()).args(daemon.get_args());
    Cometail::start(&mut command)
}

/// Makes `dir` read-only while events come, looks at the daemon with `look`, makes `dir` writable again, and counts
/// what came.
fn survive(dir: &str, look: impl FnOnce(&Place, &Cometail)) {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = connection(&emulator.url("61.0"), &[A], "") + &archive(&place) + JOURNAL;
    let daemon = daemon(&place, &place.path(dir), &config);
    emulator.wait_polled(1);
    let enough = AtomicBool::new(false);
    let published = std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut next = 0;
            while !enough.load(Ordering::Relaxed) {
                emulator.publish(A, next);
                next += 1;
            }
            next
        });
        // Whatever happens below, the thread ends.
        let guard = Enough(&enough);
        wait("the first segments", || place.path("state/journal/00000000000000000002.segment").exists());
        place.write("ro", "");
        daemon.wait_log("the journal takes nothing");
        look(&place, &daemon);
        let connects = emulator.count("connects");
        stays("nothing is asked for", Duration::from_millis(500), || emulator.count("connects") == connects);
        place.write("rw", "");
        daemon.wait_log("the journal has room again");
        drop(guard);
        publisher.join().unwrap()
    });
    place.wait_for(ARCHIVE, 0..published);
    assert_eq!(journaled(&place.path("state/journal")), (0..published).collect::<Vec<_>>());
    wait("a good journal", || {
        place.status().is_some_and(|status| {
            status["journal"]["state"] == "good" && status["connections"][0]["paused_since"].is_null()
        })
    });
    let log = daemon.log();
    for told in ["the journal takes nothing", "the journal has room again"] {
        assert_eq!(log.matches(told).count(), 1, "{told}: {log}");
    }
    assert!(log.contains("Read-only file system"), "{log}");
    assert_eq!(emulator.count("handshakes"), 1);
    assert_eq!(daemon.stop().code, Some(0));
}

struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_journal_made_read_only_pauses_the_intake_and_goes_on_without_a_loss() {
    survive("state/journal", |place, _| {
        wait("a pause in the status", || {
            place.status().is_some_and(|status| {
                status["connections"][0]["waiting"] == "for room in the journal"
                    && status["connections"][0]["paused_since"].is_u64()
                    && status["journal"]["state"] == "failing"
            })
        });
        let health = run(&["status", "--health", "--state-dir", &place.text("state")]);
        assert_eq!(health.code, Some(1));
        for told in ["takes nothing", "failing", "Read-only file system"] {
            assert!(health.stderr.contains(told), "{told}: {}", health.stderr);
        }
    });
}

#[test]
fn a_state_directory_made_read_only_pauses_the_intake_and_goes_on_without_a_loss() {
    // Its status cannot be written either: its age is what makes that unhealthy.
    survive("state", |_, daemon| daemon.wait_log("the status file is not written"));
}
