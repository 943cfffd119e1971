//! A process with a journal and file sinks is killed again and again while events come in and files are renamed
//! under it: every event is in the files of each sink exactly once.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cometail::journal::{Journal, Kind, Writer};
use cometail::sinks::filter::Pattern;
use cometail::sinks::{self, Ended, Handle, Order, file::Compression};

use crate::support::{
    append, assert_exactly_once, batch, config, file_config, files, journal_config, open, start, text,
    to_file,
};

const DIR: &str = "SINKS_TEST_DIR";
pub(crate) const EVENTS: &str = "SINKS_TEST_EVENTS";
/// How often to kill; the default suits an automatic run.
const KILLS: &str = "SINKS_TEST_KILLS";
/// An endpoint: the one sink of the process posts to it.
pub(crate) const URL: &str = "SINKS_TEST_URL";
const CHANNELS: u64 = 90;

fn sinks(dir: &Path) -> Vec<sinks::Config> {
    let mut rotated = file_config(&dir.join("rotated"), "{connection}.jsonl");
    (rotated.max_bytes, rotated.compress) = (Some(20_000), Some(Compression::Gzip));
    let mut ordered = file_config(&dir.join("ordered"), "out");
    ordered.max_bytes = Some(200_000);
    let mut ordered = config("ordered", sinks::Kind::File(ordered));
    ordered.order = vec![Order {
        connection: Arc::from("acme"),
        channels: Pattern::parse("/topic/1*").unwrap(),
        window: Duration::from_millis(15),
    }];
    let mut synced = file_config(&dir.join("synced"), "%S/out");
    synced.sync = true;
    vec![
        to_file("renamed", &dir.join("renamed"), "out"),
        to_file("many", &dir.join("many"), "{channel}.jsonl"),
        config("rotated", sinks::Kind::File(rotated)),
        ordered,
        config("synced", sinks::Kind::File(synced)),
    ]
}

/// Appends numbered events, which five sinks write to files, up to a number or until it is killed. By itself it
/// does that in one go.
#[test]
fn a_daemon() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = std::env::var_os(DIR).map_or_else(|| temporary.path().to_owned(), Into::into);
    let end = std::env::var(EVENTS).map_or(2_000, |events| events.parse().unwrap());
    let journal = Journal::open(&dir.join("journal"), journal_config()).unwrap();
    let library = journal.library();
    let configs = std::env::var(URL).map_or_else(|_| sinks(&dir), |url| webhook(&url));
    let handles: Vec<_> = configs.into_iter().map(|config| start(config, &library)).collect();
    // In this order, as in the daemon: what only the sinks that have started are done with must not leave the journal.
    let writer = Writer::start(journal, |_| ()).unwrap();
    println!("\nstarted");
    let mut next = library.next_sequence();
    while next < end {
        let events = (1 + next % 13).min(end - next);
        append(&writer, &batch(next, events, CHANNELS), Kind::Events);
        next += events;
        if next.is_multiple_of(101) {
            handles.iter().for_each(Handle::reopen);
        }
        std::thread::sleep(Duration::from_micros(300));
        handles.iter().for_each(Handle::wake);
    }
    while library.next_sequence() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    handles.iter().for_each(Handle::close);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for handle in &handles {
        assert_eq!(runtime.block_on(handle.ended()), Ended::Drained);
        let status = handle.status();
        assert_eq!((status.lag, status.cursor, status.dropped), (Some(0), Some(end), 0));
    }
    writer.stop().unwrap();
}

fn webhook(url: &str) -> Vec<sinks::Config> {
    let text = format!(
        "[connection.a]\nurl = \"http://localhost\"\nchannels = [\"/x\"]\n[sink.hook.webhook]\nurl = \"{url}\"\n\
         retry_initial = \"1ms\"\nretry_max = \"3ms\"\nproxy = \"direct\"\n"
    );
    cometail::config::parse("test.toml", &text).unwrap_or_else(|problems| panic!("{problems}")).sinks
}

pub(crate) fn spawn(dir: &Path, variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crashes::a_daemon", "--nocapture"]);
    command.env(DIR, dir).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Kills a daemon, which mostly gets to its work, at a random instant.
pub(crate) fn run_and_kill(mut child: Child, dir: &Path, random: &mut fastrand::Rng) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    if random.u8(..) > 20 {
        assert!(lines.any(|line| line.unwrap() == "started"), "it ended by itself: {:?}", child.wait());
    }
    std::thread::sleep(Duration::from_micros(random.u64(0..60_000)));
    if random.bool() {
        // What a rotation from outside does.
        let (path, name) = (dir.join("renamed"), format!("out.{}", random.u64(..)));
        drop(fs::rename(path.join("out"), path.join(name)));
        std::thread::sleep(Duration::from_micros(random.u64(0..3_000)));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn files_have_every_event_exactly_once_however_often_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let kills = std::env::var(KILLS).map_or(60, |kills| kills.parse().unwrap());
    let mut random = fastrand::Rng::new();
    println!("seed {}", random.get_seed());
    for _ in 0..kills {
        run_and_kill(spawn(dir, &[(EVENTS, &u64::MAX.to_string())]), dir, &mut random);
    }
    let (writer, library) = open(&dir.join("journal"));
    let end = library.next_sequence() + 500;
    writer.stop().unwrap();
    let ended = spawn(dir, &[(EVENTS, &end.to_string())]).wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

    let mut found = Vec::new();
    for sink in ["renamed", "many", "ordered", "synced"] {
        found.push(assert_exactly_once(&dir.join(sink), end));
    }
    let rotated = dir.join("rotated");
    let unfinished = |path: &Path| path.extension().is_some_and(|ending| ending == "unfinished");
    for path in files(&rotated) {
        // The last process may have ended while it compressed.
        if unfinished(&path) {
            fs::remove_file(&path).unwrap();
        } else {
            assert!(text(&path).len() <= 20_000, "{}", path.display());
        }
    }
    let doubled: Vec<_> =
        files(&rotated).into_iter().filter(|path| path.with_added_extension("gz").exists()).collect();
    for path in &doubled {
        fs::remove_file(path).unwrap();
    }
    assert!(doubled.len() <= 1, "{doubled:?}");
    found.push(assert_exactly_once(&rotated, end));
    println!("{kills} kills, {end} events, files of renamed, many, ordered, synced, rotated: {found:?}");
    assert!(end > 1_000 && found[4] > 3, "too little happened");
}
