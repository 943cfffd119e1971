//! `cometail journal` on journals that the test makes: looked at while they are written, damaged, replayed.

use std::io::Write as _;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cometail::event::{Batch, BatchBuilder, ReplayId};
use cometail::journal::{Config, Journal, Kind, SyncPolicy};
use rustix::fs::inotify;
use serde_json::json;

use crate::support::{
    A, Answer, Ended, Place, Posted, Server, cometail, connection, json, number, numbers, run, wait,
};

const B: &str = "/topic/B";

/// Small segments, each append durable.
pub(crate) fn journal(place: &Place) -> Journal {
    std::fs::create_dir_all(place.path("state")).unwrap();
    let config = Config {
        segment_bytes: 2_000,
        sync: SyncPolicy::Always,
        keep: Duration::from_hours(1),
        ..Config::default()
    };
    Journal::open(&place.path("state/journal"), config).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Events of these numbers in one batch, even ones on A and odd ones on B; the first arrived so many seconds after
/// 1970 as its number is.
pub(crate) fn append(journal: &mut Journal, events: std::ops::Range<u64>) {
    put(journal, events);
    journal.sync().unwrap();
}

fn put(journal: &mut Journal, events: std::ops::Range<u64>) {
    let (mut body, mut builder) = (Vec::new(), BatchBuilder::default());
    let received = at(events.start);
    for n in events {
        let start = body.len();
        let channel = if n % 2 == 0 { A } else { B };
        let message = json!({"channel": channel, "data": {"sobject": {"n": n, "fill": "x".repeat(100)}}});
        body.extend_from_slice(message.to_string().as_bytes());
        builder.push(channel, start, body.len(), Some(ReplayId(n.cast_signed() + 1_000))).unwrap();
    }
    let batch = Batch::new(Arc::from("c"), received, body.into(), builder);
    journal.append(&Arc::new(batch), Kind::Events).unwrap();
}

/// Forty events in batches of five.
fn fill(journal: &mut Journal) {
    (0..40).step_by(5).for_each(|first| append(journal, first..first + 5));
}

/// A configuration with the sink `hook` at `url` and the file sink `copy`.
pub(crate) fn configure(place: &Place, url: &str) -> String {
    let hook = format!(
        "[sink.hook.webhook]\nurl = {url:?}\nproxy = \"direct\"\nformat = \"envelope\"\nretry_initial = \"10ms\"\n"
    );
    let copy = format!("[sink.copy.file]\npath = {:?}\nchannels = [{A:?}]\n", place.text("copy.jsonl"));
    place.config(&(connection("http://127.0.0.1:9/cometd/61.0", &[A], "") + &hook + &copy))
}

pub(crate) fn command(place: &Place, words: &str, more: &[&str]) -> Ended {
    let file = place.text("cometail.toml");
    let mut arguments = vec!["journal"];
    arguments.extend(words.split(' '));
    arguments.extend(["-c", &file]);
    arguments.extend(more);
    run(&arguments)
}

fn verify(place: &Place) -> (Option<i32>, String) {
    let ended = run(&["journal", "verify", "--dir", &place.text("state/journal")]);
    assert_eq!(ended.stderr, "");
    (ended.code, ended.stdout)
}

/// Every file of a directory and what is in it.
pub(crate) fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in dir.read_dir().unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(contents(&entry.path()));
        } else {
            all.push((entry.path().display().to_string(), std::fs::read(entry.path()).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_journal_is_looked_at_while_it_is_written() {
    let place = Place::new();
    let mut journal = journal(&place);
    fill(&mut journal);
    let library = journal.library();
    let mut cursor = library.cursor("copy", 0).unwrap();
    cursor.commit(30, b"", true).unwrap();
    configure(&place, "http://127.0.0.1:9/");
    let before = contents(&place.path("state/journal"));
    let ended = command(&place, "inspect", &["--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let found = json(&ended.stdout);
    assert_eq!((&found["written"], &found["next"], &found["damage"]), (&json!(true), &json!(40), &json!([])));
    assert_eq!(found["cursors"], json!([{"name": "copy", "sequence": 30, "lag": 10}]));
    let positions = json!([
        {"connection": "c", "channel": A, "replay_id": 1_038}, {"connection": "c", "channel": B, "replay_id": 1_039}
    ]);
    assert_eq!(found["positions"], positions);
    let segments = found["segments"].as_array().unwrap();
    assert!(segments.len() > 2);
    let (first, last) = (&segments[0], &segments[segments.len() - 1]);
    assert_eq!((&first["first"], &last["end"]), (&json!(0), &json!(40)));
    assert_eq!(first["first_received"], "1970-01-01T00:00:00.000Z");
    assert_eq!(last["last_received"], "1970-01-01T00:00:35.000Z");
    let sizes: u64 =
        before.iter().filter(|(name, _)| name.ends_with(".segment")).map(|(_, b)| b.len() as u64).sum();
    assert_eq!(segments.iter().map(|segment| segment["bytes"].as_u64().unwrap()).sum::<u64>(), sizes);

    let text = command(&place, "inspect", &[]).stdout;
    assert!(text.contains("next event 40, a process writes it\n"), "{text}");
    assert!(text.contains("cursor copy: next event 30, 10 behind\n"), "{text}");
    assert!(text.contains("position c /topic/A: replay id 1038\n"), "{text}");
    let (code, told) = verify(&place);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("ok: ") && told.contains(" 40 events, 1 cursors"), "{told}");
    // Nothing was changed, and the writer goes on.
    assert_eq!(contents(&place.path("state/journal")), before);
    append(&mut journal, 40..41);
    assert_eq!(json(&command(&place, "inspect", &["--json"]).stdout)["next"], 41);
}

#[test]
fn a_journal_that_is_written_all_the_time_is_whole() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("state")).unwrap();
    let config = Config { segment_bytes: 20_000, sync: SyncPolicy::Never, ..Config::default() };
    let mut journal = Journal::open(&place.path("state/journal"), config).unwrap();
    let writer = std::thread::spawn(move || {
        for first in (0..40_000).step_by(7) {
            put(&mut journal, first..first + 7);
            // What is old goes: whoever reads finds files gone.
            if first % 1_400 == 0 {
                journal.retain(SystemTime::now()).unwrap();
            }
        }
        journal
    });
    let mut rounds = 0;
    while rounds < 5 || !writer.is_finished() {
        let (code, told) = verify(&place);
        assert_eq!(code, Some(0), "{told}");
        rounds += 1;
    }
    assert!(writer.join().unwrap().library().oldest_sequence() > 0, "files went");
}

#[test]
fn damage_is_told_with_its_file_and_place_and_nothing_is_repaired() {
    let place = Place::new();
    let mut journal = journal(&place);
    fill(&mut journal);
    drop(journal.library().cursor("hook", 0).unwrap().commit(7, b"", true));
    drop(journal);
    let dir = place.path("state/journal");
    let mut segments: Vec<_> =
        (contents(&dir).into_iter()).filter(|(name, _)| name.ends_with(".segment")).collect();
    assert_eq!(verify(&place).0, Some(0));

    // A flipped byte in the body of the first segment's last record.
    let (first, mut bytes) = segments.remove(0);
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    std::fs::write(&first, &bytes).unwrap();
    let (code, told) = verify(&place);
    let name = "00000000000000000001.segment at byte ";
    assert_eq!(code, Some(1));
    assert!(told.starts_with(name) && told.contains("does not have its checksum; events "), "{told}");
    let byte: usize = told[name.len()..].split(',').next().unwrap().parse().unwrap();
    assert_eq!(bytes[byte..byte + 4], [0xF5, 0x00, 0x72, 0x1E], "where the record begins");
    assert!(told.ends_with("not whole: 1 problems\n"), "{told}");

    // A tail that is cut, a segment that is gone, a cursor that cannot be read.
    let (last, bytes) = segments.pop().unwrap();
    std::fs::write(&last, &bytes[..bytes.len() - 3]).unwrap();
    std::fs::remove_file(&segments[0].0).unwrap();
    std::fs::write(dir.join("cursors/hook.1"), "x").unwrap();
    let before = contents(&dir);
    let (code, told) = verify(&place);
    assert_eq!(code, Some(1));
    assert!(told.contains("00000000000000000002.segment: the segment is missing; events "), "{told}");
    assert!(told.contains("a record is cut short"), "{told}");
    assert!(told.contains("cursors/hook: no file of this cursor is whole\n"), "{told}");
    assert!(told.ends_with("not whole: 4 problems\n"), "{told}");
    configure(&place, "http://127.0.0.1:9/");
    let damage = json(&command(&place, "inspect", &["--json"]).stdout)["damage"].take();
    assert_eq!(damage.as_array().unwrap().len(), 4, "{damage}");

    // What is whole is printed; what is missing is told.
    let ended = command(&place, "replay", &[]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains(": not in the journal any more; removed, damaged or missing"),
        "{}",
        ended.stderr
    );
    let seen = numbers(&ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>());
    assert!(seen.is_sorted() && seen.len() > 10 && seen.len() < 35, "{seen:?}");
    assert_eq!(contents(&dir), before, "nothing is written");
}

#[test]
fn a_record_that_is_being_written_is_no_damage() {
    let place = Place::new();
    fill(&mut journal(&place));
    let dir = place.path("state/journal");
    let lock = std::fs::File::open(dir.join("lock")).unwrap();
    let mut segments = contents(&dir).into_iter().filter(|(name, _)| name.ends_with(".segment"));
    let (last, bytes) = segments.next_back().unwrap();
    std::fs::write(&last, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(verify(&place).0, Some(1), "nobody writes");
    lock.lock().unwrap();
    assert_eq!(verify(&place).0, Some(1), "nobody goes on");
    let opened = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&opened, &last, inotify::WatchFlags::OPEN).unwrap();
    let writer = std::thread::spawn(move || {
        // Who does not wait for the rest opens the segment fewer times.
        let (mut times, mut buffer) = (0, [MaybeUninit::uninit(); 4096]);
        let mut events = inotify::Reader::new(&opened, &mut buffer);
        wait("a command that looks again and again", || {
            times += u32::from(events.next().is_ok());
            times == 10
        });
        let mut segment = std::fs::File::options().append(true).open(last).unwrap();
        segment.write_all(&bytes[bytes.len() - 3..]).unwrap();
    });
    let (code, told) = verify(&place);
    assert_eq!(code, Some(0), "{told}");
    writer.join().unwrap();
}

#[test]
fn where_there_is_no_journal_that_is_said() {
    let place = Place::new();
    for (word, code) in [("inspect", 74), ("verify", 74), ("replay", 74)] {
        let ended = run(&["journal", word, "--dir", &place.text("nothing")]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""));
        assert!(ended.stderr.contains("there is no journal in "), "{}", ended.stderr);
    }
    configure(&place, "http://127.0.0.1:9/");
    for (words, more, code) in [
        ("replay", ["--to", "other"].as_slice(), 2),
        ("replay", ["--after", "5"].as_slice(), 2),
        ("replay", ["--from", "yesterday"].as_slice(), 2),
        ("parked list", ["copy"].as_slice(), 2),
        ("parked drop", ["hook"].as_slice(), 2),
        ("inspect", ["-c", "/nowhere/cometail.toml"].as_slice(), 2),
    ] {
        let ended = command(&place, words, more);
        assert_eq!(ended.code, Some(code), "{words}: {}", ended.stderr);
    }
    assert_eq!(run(&["journal", "inspect", "-c", &place.text("nothing")]).code, Some(78));
}

#[test]
fn a_range_is_printed_in_every_form() {
    let place = Place::new();
    let mut journal = journal(&place);
    fill(&mut journal);
    configure(&place, "http://127.0.0.1:9/");
    let printed = |more: &[&str]| {
        let ended = command(&place, "replay", more);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{more:?}");
        ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&printed(&[])), (0..40).collect::<Vec<_>>());
    assert_eq!(numbers(&printed(&["--from", "7", "--until", "12"])), [7, 8, 9, 10, 11]);
    let time = ["--from", "1970-01-01T00:00:10Z", "--until", "1970-01-01T00:00:20Z"];
    assert_eq!(numbers(&printed(&time)), (10..20).collect::<Vec<_>>());
    assert_eq!(numbers(&printed(&["--channel", B, "--after", "1030", "--count", "3"])), [31, 33, 35]);
    assert_eq!(numbers(&printed(&["--channel", "/topic/*", "--connection", "c"])).len(), 40);
    assert!(printed(&["--connection", "other"]).is_empty());
    let one = |format: &str| json(&printed(&["--from", "6", "--count", "1", "--format", format])[0]);
    assert_eq!(one("message")["channel"], A);
    assert_eq!(one("data")["sobject"]["n"], 6);
    let envelope = one("envelope");
    assert_eq!((&envelope["replayId"], &envelope["connection"]), (&json!(1_006), &json!("c")));
    assert_eq!(envelope["receivedAt"], "1970-01-01T00:00:05.000Z");
    assert_eq!(one("cloudevents")["id"], envelope["id"]);
}

#[test]
fn a_reader_that_goes_away_is_a_quiet_end() {
    let place = Place::new();
    let mut journal = journal(&place);
    (0..3_000).step_by(100).for_each(|first| append(&mut journal, first..first + 100));
    let dir = place.text("state/journal");
    let mut replay = cometail(&["journal", "replay", "--dir", &dir]);
    let (process, stdout) = crate::support::Cometail::start_unread(&mut replay);
    drop(stdout);
    let ended = process.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

pub(crate) fn ids(posted: &[Posted]) -> Vec<String> {
    posted.iter().map(|posted| posted.header("webhook-id").unwrap().to_owned()).collect()
}

#[test]
fn a_range_is_sent_to_a_webhook_with_the_ids_that_the_events_have() {
    let place = Place::new();
    let mut journal = journal(&place);
    fill(&mut journal);
    // It is down at first, and refuses one event for good.
    let receiver = Server::start(|place, posted| match place {
        0 => Answer::Status(503, "", ""),
        _ if number(&posted.body) == 14 => Answer::Status(410, "", ""),
        _ => Answer::OK,
    });
    configure(&place, &receiver.url());
    let ended = command(&place, "replay", &["--from", "12", "--until", "17", "--to", "hook"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("cometail: 4 events sent to hook, 1 parked\n"), "{}", ended.stderr);
    let posted = receiver.seen();
    let bodies: Vec<_> = posted.iter().map(|posted| posted.body.clone()).collect();
    assert_eq!(numbers(&bodies), [12, 12, 13, 14, 15, 16]);
    let printed = command(&place, "replay", &["--from", "12", "--until", "17", "--format", "envelope"]);
    let wanted: Vec<_> =
        printed.stdout.lines().map(|line| json(line)["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids(&posted)[1..], wanted);
    assert_eq!(bodies[1..], printed.stdout.lines().collect::<Vec<_>>());
    assert_eq!(place.lines("state/parked/hook.jsonl").len(), 1);
}

#[test]
fn a_range_is_sent_to_a_file_but_not_while_a_daemon_writes_it() {
    let place = Place::new();
    let mut journal = journal(&place);
    fill(&mut journal);
    configure(&place, "http://127.0.0.1:9/");
    let range = ["--until", "10", "--to", "copy"];
    let ended = command(&place, "replay", &range);
    assert_eq!(ended.code, Some(75));
    assert!(
        ended.stderr.contains("a daemon is running and writes the files of sink 'copy' itself"),
        "{}",
        ended.stderr
    );
    drop(journal);
    let ended = command(&place, "replay", &range);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("cometail: 5 events sent to copy, 5 not taken by it\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(place.numbers("copy.jsonl"), [0, 2, 4, 6, 8]);

    // A daemon has written it by now: its next start is not to cut off what is added.
    let cursor = |journal: &Journal| journal.library().cursor("copy", 0).unwrap();
    let journal = self::journal(&place);
    cursor(&journal).commit(7, b"", true).unwrap();
    drop(journal);
    let ended = command(&place, "replay", &range);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(place.numbers("copy.jsonl"), [0, 2, 4, 6, 8, 0, 2, 4, 6, 8]);
    let journal = self::journal(&place);
    let (committed, length) = (cursor(&journal), std::fs::metadata(place.path("copy.jsonl")).unwrap().len());
    let committed = committed.committed().unwrap();
    assert_eq!(committed.sequence, 7, "the cursor stays where it is");
    assert_eq!(json(std::str::from_utf8(&committed.note).unwrap())["files"][0]["len"], length);
}

#[test]
fn a_replay_to_a_dead_endpoint_ends_when_asked_and_tells_what_was_sent() {
    let place = Place::new();
    let mut journal = journal(&place);
    fill(&mut journal);
    let receiver = Server::start(|place, _| if place < 3 { Answer::OK } else { Answer::Status(503, "", "") });
    let file = configure(&place, &receiver.url());
    let replay =
        crate::support::Cometail::start(&mut cometail(&["journal", "replay", "-c", &file, "--to", "hook"]));
    wait("attempts that failed", || receiver.seen().len() > 5);
    let ended = replay.stop();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("cometail: 3 events sent to hook, 37 not sent: interrupted\n"),
        "{}",
        ended.stderr
    );
}
