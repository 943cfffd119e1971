//! Reloads under traffic: every event is in every file once, in its order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::scene::{Scene, connection_on, sink};
use crate::support::{A, Emulator};

/// How often the configuration changes.
const RELOADS: u64 = 20;

/// Publishes numbered events, one after the other, until it is asked to stop.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Traffic {
    fn start(emulator: &Arc<Emulator>) -> Self {
        Self::start_at(emulator, 0)
    }

    /// From this number on.
    pub(crate) fn start_at(emulator: &Arc<Emulator>, first: u64) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(first)));
        let (stopped, published, emulator) = (Arc::clone(&stop), Arc::clone(&count), Arc::clone(emulator));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let n = published.load(Ordering::Relaxed);
                emulator.publish(A, n);
                published.store(n + 1, Ordering::Relaxed);
                // The pace of the traffic: faster, the emulator's backlog would be what is tested.
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        Self { stop, count, thread }
    }

    /// How many there were.
    pub(crate) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.count.load(Ordering::Relaxed)
    }
}

/// The configuration of a turn. `c` and the sink `steady` are always the same; `d` and the sink `moved` change each
/// time; `e` and the sink `guest` come and go.
fn config(scene: &Scene, emulators: &[Arc<Emulator>; 3], turn: u64) -> String {
    let [c, d, e] = emulators;
    let mut text = connection_on("c", c, "") + &sink(scene, "steady", "[\"/**\"]");
    text += &connection_on("d", d, &format!("request_timeout = \"{}s\"", 20 + turn));
    text += &(sink(scene, "moved", "[\"/**\"]") + &format!("queue = \"{}MiB\"\n", 1 + turn));
    if turn % 3 != 1 {
        text += &connection_on("e", e, "replay = \"all\"");
    }
    if turn.is_multiple_of(2) {
        text += &sink(scene, "guest", "[\"/**\"]");
    }
    text
}

#[test]
fn no_event_is_lost_or_doubled_by_twenty_reloads() {
    let scene = Scene::new();
    let emulators = [(); 3].map(|()| Arc::new(Emulator::start()));
    let daemon = scene.run(&config(&scene, &emulators, 0));
    for emulator in &emulators {
        emulator.wait_polled(1);
    }
    let traffic = [0, 1, 2].map(|at| Traffic::start(&emulators[at]));
    for turn in 1..=RELOADS {
        let told = scene.reload(&config(&scene, &emulators, turn));
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        assert!(told.stdout.contains("connection d: changed\n"), "{}", told.stdout);
        assert!(told.stdout.contains("sink moved: changed\n"), "{}", told.stdout);
        assert!(!told.stdout.contains("connection c") && !told.stdout.contains("steady"), "{}", told.stdout);
    }
    let last = scene.reload(&config(&scene, &emulators, 0));
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    let counts = traffic.map(Traffic::stop);
    for (name, count) in ["c", "d", "e"].into_iter().zip(counts) {
        assert!(count > 50, "{count} events on {name}");
        for sink in ["steady", "moved"] {
            scene.place.wait_for(&format!("out/{sink}.{name}.jsonl"), 0..count);
        }
        let guest = scene.place.numbers(&format!("out/guest.{name}.jsonl"));
        assert!(guest.is_sorted_by(|a, b| a < b), "guest, {name}: {guest:?}");
    }
    assert_eq!(emulators[0].count("handshakes"), 1);
    assert_eq!(emulators[1].count("handshakes"), 1, "a changed connection goes on with its session");
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
