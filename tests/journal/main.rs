//! The journal with real processes that die and a real file system that is full.
//!
//! The process that appends is this test binary, run again with the one test [`an_appender`].

#![cfg(target_os = "linux")]
#![cfg(test)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cometail::event::{Batch, BatchBuilder, ReplayId};
use cometail::journal::{Config, Journal, Kind, Library, Read, Reader, Refused, SyncPolicy, Writer};

const DIR: &str = "JOURNAL_TEST_DIR";
const EVENTS: &str = "JOURNAL_TEST_EVENTS";

fn config() -> Config {
    Config {
        segment_bytes: 100_000,
        keep: Duration::from_hours(1),
        sync: SyncPolicy::Interval(Duration::from_millis(5)),
        tail_bytes: 10_000,
        queue_bytes: 100_000,
        ..Config::default()
    }
}

fn message(number: u64) -> String {
    let length = usize::try_from(number * 7919 % 1_500).unwrap();
    format!(r#"{{"channel":"/topic/A","data":{{"n":{number},"fill":"{}"}}}}"#, "x".repeat(length))
}

fn batch(first: u64, events: u64) -> Arc<Batch> {
    let (mut body, mut builder) = (Vec::new(), BatchBuilder::default());
    for number in first..first + events {
        let start = body.len();
        body.extend_from_slice(message(number).as_bytes());
        builder.push("/topic/A", start, body.len(), Some(ReplayId(number.cast_signed()))).unwrap();
    }
    Arc::new(Batch::new(Arc::from("acme"), SystemTime::now(), Bytes::from(body), builder))
}

/// Reads to the end: every number once, in order, from 0 on; how many there are.
fn read_all(reader: &mut Reader) -> u64 {
    let mut next = 0;
    while let Some(read) = reader.try_next().unwrap() {
        let Read::Record(record) = read else { panic!("{read:?}") };
        for (sequence, event) in record.events_from(0) {
            assert_eq!(sequence, next);
            assert_eq!(event.message, message(next).as_bytes());
            next += 1;
        }
    }
    next
}

/// Appends events, each with its own sequence number in it, and says on standard output what is durable: the
/// other tests run it in a process of its own until they kill it. By itself it appends a thousand.
#[test]
fn an_appender() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = std::env::var_os(DIR).map_or_else(|| temporary.path().to_owned(), Into::into);
    let events = std::env::var(EVENTS).map_or(1_000, |events| events.parse().unwrap());
    let journal = Journal::open(&dir, config()).unwrap();
    assert!(journal.recovery().holes.is_empty(), "{:?}", journal.recovery());
    let mut next = journal.next_sequence();
    assert_eq!(read_all(&mut journal.reader(0)), next);
    let writer = Writer::start(journal, |progress| {
        let trouble = progress.trouble.map(ToString::to_string).unwrap_or_default();
        let line = format!("\ntold {} {} {trouble}\n", progress.appended, progress.durable);
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    });
    let writer = writer.unwrap();
    while next < events {
        let size = 1 + next % 13;
        match writer.append(batch(next, size), Kind::Events) {
            Ok(range) => next = range.end,
            Err(Refused::Busy) => std::thread::sleep(Duration::from_millis(1)),
            Err(refused) => panic!("{refused:?}"),
        }
    }
    let mut reader = writer.library().reader(0);
    writer.stop().unwrap();
    assert_eq!(read_all(&mut reader), next);
}

/// A process that appends until it is killed.
struct Appender {
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Appender {
    fn start(mut command: Command, dir: &Path) -> Self {
        command.env(DIR, dir).env(EVENTS, u64::MAX.to_string());
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        Self { child, told }
    }

    /// The next line: appended, durable, trouble; `None` at the end.
    fn next(&mut self) -> Option<(u64, u64, String)> {
        loop {
            let mut line = String::new();
            if self.told.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(told) = line.strip_prefix("told ") {
                let mut words = told.trim_end_matches('\n').splitn(3, ' ');
                let mut number = || words.next().unwrap().parse().unwrap();
                let (appended, durable) = (number(), number());
                return Some((appended, durable, words.next().unwrap().to_owned()));
            }
        }
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn appender_args() -> [&'static str; 4] {
    ["--exact", "an_appender", "--nocapture", "--test-threads=1"]
}

#[test]
fn whatever_was_told_is_there_after_a_kill_at_any_instant() {
    let dir = tempfile::tempdir().unwrap();
    let random = fastrand::Rng::new();
    let (mut random, seed) = (random.clone(), random.get_seed());
    let mut before = 0;
    for round in 0..40 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(appender_args());
        let mut appender = Appender::start(command, dir.path());
        let mut told = appender.next().unwrap().0;
        std::thread::sleep(Duration::from_micros(random.u64(0..15_000)));
        appender.child.kill().unwrap();
        while let Some((appended, _, trouble)) = appender.next() {
            assert_eq!(trouble, "");
            told = appended;
        }
        drop(appender);
        let journal = Journal::open(dir.path(), config()).unwrap();
        let there = read_all(&mut journal.reader(0));
        assert!(
            there >= told && told > before,
            "round {round}, seed {seed}: {there} of {told} after {before}"
        );
        let position = journal.positions().iter().next().unwrap().2.0;
        assert_eq!(position.cast_unsigned(), there - 1, "round {round}, seed {seed}");
        before = there;
    }
}

/// In a mount namespace of its own, on a file system of 1 MiB: needs the right to mount, or user namespaces.
#[test]
fn a_file_system_without_space_stops_the_intake_and_more_space_starts_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mount, more) = (dir.path().join("mount"), dir.path().join("more"));
    std::fs::create_dir(&mount).unwrap();
    let script = r#"
        mount -t tmpfs -o size=1m tmpfs "$1" || exit 90
        (
            for try in $(seq 1000); do [ -e "$2" ] && break; sleep 0.05; done
            mount -o remount,size=8m "$1"
        ) &
        shift 2
        exec "$@"
    "#;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.args([mount.as_path(), more.as_path(), &std::env::current_exe().unwrap()]).args(appender_args());
    let mut appender = Appender::start(command, &mount);
    let mut told = || appender.next().expect("unshare and mount are allowed, and the appender goes on");
    let full = std::iter::from_fn(|| Some(told())).find(|told| told.2.contains("no space for the journal"));
    let (full, ..) = full.unwrap();
    std::fs::write(&more, "").unwrap();
    let (_, durable, _) = std::iter::from_fn(|| Some(told())).find(|told| told.1 > full).unwrap();
    // As the process itself sees it, in its own namespace.
    let seen = Path::new("/proc").join(appender.child.id().to_string()).join("root");
    let seen = seen.join(mount.strip_prefix("/").unwrap());
    assert!(read_all(&mut Library::open(&seen).unwrap().reader(0)) >= durable);
}
