//! A daemon that is killed at random instants while a server publishes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::receiver::{Health, Receiver, difference};
use crate::support::{A, ARCHIVE, Cometail, Emulator, Place, cometail, connection, json};

/// The tests that share the number of kills.
const TESTS: u64 = 5;
const KILLS: u64 = 300;
/// How long a process lives at least, in microseconds: it has not read its configuration.
const LIFE_MIN: u64 = 1_000;
/// How long every third one lives at most: it is killed while it starts, reads its journal or cuts back its file.
const SHORT_LIFE: u64 = 60_000;
/// How long the others live at most, well into their work; longer where a busy machine makes that too short.
const LIFE: std::ops::RangeInclusive<u64> = 300_000..=3_000_000;
/// How long no event may come out at the end, on a machine that is busy with other things too.
const STALL: Duration = Duration::from_secs(30);

/// How often each test kills.
pub(crate) fn kills() -> u64 {
    variable("COMETAIL_CRASH_KILLS").unwrap_or(KILLS).div_ceil(TESTS)
}

fn variable(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// What a server does to its clients from time to time.
type Trouble = fn(&Emulator, &mut fastrand::Rng);

/// A test.
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    pub(crate) kills: u64,
    /// How the server is: what it multiplies its times by, and what else it is asked for.
    pub(crate) server: &'static [&'static str],
    pub(crate) health: Health,
    pub(crate) trouble: Option<Trouble>,
}

/// What happened in a trial; a message of a failure shows it.
#[derive(Debug)]
#[expect(dead_code, reason = "for messages")]
struct Figures {
    seed: u64,
    /// Kills that hit a running process.
    kills: u64,
    /// Lives in which the file grew.
    fruitful: u64,
    events: u64,
    troubles: u64,
    handshakes: u64,
}

/// The two processes and the receiver of a trial, and its directory.
struct Scene {
    emulator: Emulator,
    place: Place,
    receiver: Receiver,
    config: String,
}

impl Scene {
    fn new(trial: &Trial, seed: u64) -> Self {
        let (emulator, place) = (Emulator::start_with(trial.server), Place::new());
        let receiver = Receiver::start(trial.health, seed);
        let sinks = format!(
            "[sink.archive.file]\npath = {:?}\n[sink.hook.webhook]\nurl = {:?}\nproxy = \"direct\"\n\
             retry_initial = \"1ms\"\nretry_max = \"5ms\"\n",
            place.text("out/{channel}.jsonl"),
            receiver.url()
        );
        let config = place.config(&(connection(&emulator.url("61.0"), &[A], "") + &sinks));
        Self { emulator, place, receiver, config }
    }

    fn daemon(&self) -> Cometail {
        Cometail::start(&mut cometail(&["run", "-c", &self.config]))
    }

    /// The size of the file.
    fn size(&self) -> u64 {
        std::fs::metadata(self.place.path(ARCHIVE)).map_or(0, |data| data.len())
    }

    /// Waits until file and webhook have the events below `end`, as long as there is progress.
    fn wait(&self, end: u64, context: &str) {
        let (mut deadline, mut best) = (Instant::now() + STALL, (0, 0));
        loop {
            let lines = self.place.lines(ARCHIVE);
            if lines.len() as u64 >= end && self.receiver.has_taken(end - 1) {
                return;
            }
            let now = (lines.len(), self.receiver.count());
            if now != best {
                (deadline, best) = (Instant::now() + STALL, now);
            }
            if Instant::now() >= deadline {
                self.stalled(&lines, end, context);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asserts that file and webhook have the events below `end` as they should; tells all figures.
    fn check(&self, end: u64, context: &str) -> String {
        let lines = self.place.lines(ARCHIVE);
        let (numbers, odd) = numbers(&lines);
        assert!(odd.is_empty(), "{context}: lines that are no events: {odd:?}");
        let whole = numbers.iter().copied().eq(0..end);
        assert!(whole, "{context}: file: {}", difference(&numbers, end));
        format!("{context}, {:?}", self.receiver.check(end, context))
    }

    fn stalled(&self, lines: &[String], end: u64, context: &str) -> ! {
        let (numbers, odd) = numbers(lines);
        panic!(
            "{context}: no progress for {STALL:?}; file: {}; odd lines: {odd:?}; {} requests at the webhook",
            difference(&numbers, end),
            self.receiver.count()
        )
    }
}

impl Trial {
    /// Kills, lets the last process finish, and checks what came out.
    pub(crate) fn run(&self) {
        let seed = variable("COMETAIL_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
        let _told = Seed(seed);
        let (begin, scene) = (Instant::now(), Scene::new(self, seed));
        let daemon = self.first(&scene);
        let (enough, next, troubles) = (AtomicBool::new(false), AtomicU64::new(1), AtomicU64::new(0));
        let (daemon, fruitful) = std::thread::scope(|scope| {
            let end = End(&enough);
            scope.spawn(|| publish(&scene.emulator, seed, &enough, &next));
            scope.spawn(|| self.trouble(&scene.emulator, seed, &enough, &troubles));
            let done = self.kill_and_start(&scene, seed, daemon);
            drop(end);
            done
        });
        let last = next.load(Ordering::Relaxed);
        scene.emulator.fault(&serde_json::json!({"next": 0}));
        scene.emulator.publish(A, last);
        let figures = Figures {
            seed,
            kills: self.kills,
            fruitful,
            events: last + 1,
            troubles: troubles.into_inner(),
            handshakes: scene.emulator.count("handshakes"),
        };
        let context = format!("{}: {figures:?}", self.name);
        scene.wait(last + 1, &context);
        assert_eq!(daemon.stop().code, Some(0), "{context}");
        let told = scene.check(last + 1, &context);
        if std::env::var_os("COMETAIL_CRASH_KILLS").is_some() {
            eprintln!("{told}, {:?}", begin.elapsed());
        }
        assert!(fruitful * 10 > self.kills, "{told}: most lives are too short");
    }

    /// The first process, which gets to a position to go on from.
    fn first(&self, scene: &Scene) -> Cometail {
        let daemon = scene.daemon();
        scene.emulator.wait_polled(1);
        scene.emulator.publish(A, 0);
        scene.wait(1, self.name);
        daemon
    }

    /// Kills each process at a random instant of its life; gives the last, which lives, and the lives in which
    /// the file grew.
    fn kill_and_start(&self, scene: &Scene, seed: u64, mut daemon: Cometail) -> (Cometail, u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut fruitful, mut longest) = (0, *LIFE.start());
        for kill in 0..self.kills {
            let before = scene.size();
            let most = if random.u8(..3) == 0 { SHORT_LIFE } else { longest };
            std::thread::sleep(Duration::from_micros(random.u64(LIFE_MIN..most)));
            daemon.signal(rustix::process::Signal::KILL);
            let ended = daemon.end();
            assert_eq!(
                ended.code, None,
                "{}: before kill {kill} it ended by itself:\n{}",
                self.name, ended.stderr
            );
            fruitful += u64::from(scene.size() > before);
            let enough = fruitful * 5 >= kill;
            longest =
                (if enough { longest * 9 / 10 } else { longest * 10 / 9 }).clamp(*LIFE.start(), *LIFE.end());
            daemon = scene.daemon();
        }
        (daemon, fruitful)
    }

    fn trouble(&self, emulator: &Emulator, seed: u64, enough: &AtomicBool, count: &AtomicU64) {
        let Some(trouble) = self.trouble else { return };
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(1));
        while !enough.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(random.u64(50..500)));
            trouble(emulator, &mut random);
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Tells the seed of a test that fails, wherever it fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again: COMETAIL_CRASH_SEED={}", self.0);
        }
    }
}

/// Ends the other threads, after a failure too.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Publishes events with the numbers from `next`, alone and in bursts. A restart may leave it open whether an event
/// was published; the server has counted.
fn publish(emulator: &Emulator, seed: u64, enough: &AtomicBool, next: &AtomicU64) {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_add(2));
    while !enough.load(Ordering::Relaxed) {
        for _ in 0..random.u8(1..20) {
            let n = next.load(Ordering::Relaxed);
            let published = match emulator.try_publish(A, n) {
                Ok(()) => n + 1,
                Err(_) => emulator.state_when_up()["events_published"].as_u64().unwrap(),
            };
            assert!(published == n || published == n + 1, "{published} events after event {n}");
            next.store(published, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(random.u64(1..30)));
    }
}

/// The numbers of the events in lines, and the first of the lines that are none.
fn numbers(lines: &[String]) -> (Vec<u64>, Vec<&String>) {
    let number = |line: &String| json(line)["data"]["sobject"]["n"].as_u64();
    let odd = lines.iter().filter(|line| number(line).is_none()).take(5).collect();
    (lines.iter().filter_map(number).collect(), odd)
}
