//! Events that are not in the journal any more: gap records in their place, as exactly as events, and sinks that have
//! ended hold nothing back.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cometail::journal::{self, Journal, Kind, Library, Writer};
use cometail::sinks::filter::Pattern;
use cometail::sinks::{self, Ended, Handle};

use crate::live::end;
use crate::support::{
    append, batch, channels, config, eventually, file_config, files, journal_config, message, start, text,
    to_file,
};

const DIR: &str = "SINKS_TEST_HOLES_DIR";
const CHANNELS: u64 = 90;

fn journal(dir: &Path) -> Journal {
    let config = journal::Config { segment_bytes: 20_000, keep: Duration::from_hours(1), ..journal_config() };
    Journal::open(&dir.join("journal"), config).unwrap()
}

fn open(dir: &Path) -> (Writer, Library) {
    let writer = Writer::start(journal(dir), |_| ()).unwrap();
    let library = writer.library().clone();
    (writer, library)
}

fn fill(writer: &Writer, events: u64, channels: u64) {
    let library = writer.library();
    let (mut next, upto) = (library.next_sequence(), library.next_sequence() + events);
    while next < upto {
        let some = (upto - next).min(20);
        append(writer, &batch(next, some, channels), Kind::Events);
        next += some;
    }
    eventually("appending", || library.next_sequence() == upto);
}

/// A journal of `events` events whose segments are not all there; what sinks have the cursors at its beginning, and
/// how many holes there are.
fn damaged(dir: &Path, sinks: &[sinks::Config], events: u64, channels: u64) -> u64 {
    let (writer, library) = open(dir);
    for sink in sinks {
        assert_eq!(end(&start(sink.clone(), &library)), Ended::Drained);
    }
    writer.stop().unwrap();
    // Without a writer, which gathers what comes at once.
    let mut journal = journal(dir);
    for first in (0..events).step_by(20) {
        journal.append(&batch(first, 20.min(events - first), channels), Kind::Events).unwrap();
    }
    drop(journal);
    let mut holes = 0;
    let segments: Vec<_> = files(&dir.join("journal")).into_iter().filter(|path| is_segment(path)).collect();
    for segment in segments[..segments.len() - 1].iter().skip(1).step_by(2) {
        fs::remove_file(segment).unwrap();
        holes += 1;
    }
    assert!(holes > 1, "{segments:?}");
    holes
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "segment")
}

/// The numbers of the events in a file, and its gap records.
fn split(text: &str) -> (Vec<u64>, Vec<serde_json::Value>) {
    let (mut numbers, mut gaps) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        match record["n"].as_u64() {
            Some(number) => {
                assert_eq!(line, message(number));
                numbers.push(number);
            }
            None => gaps.push(record),
        }
    }
    (numbers, gaps)
}

#[test]
fn what_is_not_in_the_journal_any_more_is_told_in_its_place_to_each_channel() {
    let directory = tempfile::tempdir().unwrap();
    let (dir, out) = (directory.path(), directory.path().join("out"));
    let all = to_file("all", &out, "all");
    let one = sinks::Config {
        channels: vec![Pattern::parse("/topic/1").unwrap()],
        ..to_file("one", &out, "one/{channel}")
    };
    let none = sinks::Config { gap_records: false, ..to_file("none", &out, "none") };
    let configs = [all, one, none];
    let holes = damaged(dir, &configs, 1_000, 3);
    let (_writer, library) = open(dir);
    for config in configs {
        let handle = start(config, &library);
        assert_eq!(end(&handle), Ended::Drained);
        assert!(handle.status().dropped > 0 && handle.status().lag == Some(0));
    }
    let (numbers, gaps) = split(&text(&out.join("all")));
    assert!(gaps.len() as u64 == holes * 90 && numbers.len() < 1_000, "{} gaps", gaps.len());
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(text(&out.join("none")).lines().count() == numbers.len(), "events alone");
    let path = out.join("one/topic.1");
    assert_eq!(files(&out.join("one")), std::slice::from_ref(&path));
    let (numbers, gaps) = split(&text(&path));
    assert!(gaps.len() as u64 == holes && numbers.iter().all(|number| number % 3 == 1));
    // In the place of what is missing, and with the times of its neighbours.
    let first = text(&path).lines().position(|line| line.contains("\"gap\"")).unwrap();
    assert!(numbers[first] - numbers[first - 1] > 3, "{numbers:?}");
    let gap = &gaps[0]["gap"];
    assert!(gaps[0]["channel"] == "/topic/1" && gap["since"].as_str() <= gap["until"].as_str(), "{gap}");
    assert!(gap["since"].as_str() > Some("2020"), "{gap}");
    let reason = gap["reason"].as_str().unwrap();
    assert!(reason.contains("are not in the journal any more (") && reason.contains("lost to this sink"));
}

fn sinks(dir: &Path) -> Vec<sinks::Config> {
    let mut rotated = file_config(&dir.join("rotated"), "out");
    rotated.max_bytes = Some(20_000);
    vec![
        to_file("many", &dir.join("many"), "{channel}"),
        config("rotated", sinks::Kind::File(rotated)),
        to_file("single", &dir.join("single"), "out"),
    ]
}

/// Delivers what is in a damaged journal, until it is killed.
#[test]
fn a_reader() {
    let Some(dir) = std::env::var_os(DIR) else {
        let temporary = tempfile::tempdir().unwrap();
        damaged(temporary.path(), &sinks(temporary.path()), 500, CHANNELS);
        return deliver(temporary.path());
    };
    deliver(dir.as_ref());
}

fn deliver(dir: &Path) {
    let (_writer, library) = open(dir);
    let handles: Vec<_> = sinks(dir).into_iter().map(|config| start(config, &library)).collect();
    for handle in &handles {
        assert_eq!(end(handle), Ended::Drained);
    }
}

fn spawn(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "holes::a_reader"]).env(DIR, dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_gap_in_the_journal_is_told_exactly_once_however_often_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let holes = damaged(dir, &sinks(dir), 6_000, CHANNELS);
    let mut random = fastrand::Rng::new();
    println!("seed {}", random.get_seed());
    let lines = |dir: &Path| files(dir).iter().map(|path| text(path).lines().count()).sum::<usize>();
    let mut midway = 0;
    for _ in 0..40 {
        let before = lines(&dir.join("many"));
        let mut child = spawn(dir);
        // Where a kill is of use: in the midst of the delivery, wherever that is.
        let more = random.usize(0..400);
        eventually("delivery", || lines(&dir.join("many")) > before + more || has_ended(&mut child));
        midway += usize::from(!has_ended(&mut child));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let done = spawn(dir).wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    println!("{holes} holes, {midway} kills midway");
    assert!(midway > 3, "too little happened");
    let mut all = Vec::new();
    for name in ["single", "rotated", "many"] {
        let (mut numbers, mut gaps) = (Vec::new(), Vec::new());
        for path in files(&dir.join(name)) {
            let (some, told) = split(&text(&path));
            assert!(name != "many" || told.len() as u64 == holes, "{}: {} gaps", path.display(), told.len());
            numbers.extend(some);
            gaps.extend(told.into_iter().map(|gap| gap.to_string()));
        }
        numbers.sort_unstable();
        gaps.sort_unstable();
        assert_eq!(gaps.len() as u64, holes * CHANNELS, "{name}");
        gaps.dedup();
        assert_eq!(gaps.len() as u64, holes * CHANNELS, "{name}: the same record twice");
        all.push(numbers);
    }
    assert!(all[0].is_sorted_by(|a, b| a < b) && all.iter().all(|numbers| *numbers == all[0]));
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_some()
}

#[test]
fn a_released_sink_holds_nothing_back_and_goes_on_with_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, library) = crate::support::open(&directory.path().join("journal"));
    let (ended_out, other_out) = (directory.path().join("ended"), directory.path().join("other"));
    fs::create_dir_all(ended_out.join("a")).unwrap();
    let others = to_file("other", &other_out, "a");
    let handles = [start(to_file("ended", &ended_out, "a"), &library), start(others, &library)];
    fill(&writer, 2_000, 3);
    handles.iter().for_each(Handle::wake);
    eventually("an attempt", || handles[0].status().retried > 0);
    handles[0].abort();
    assert_eq!(handles[0].status().kept, Some(true));
    fill(&writer, 3_000, 3);
    handles[1].wake();
    eventually("the other", || handles[1].status().lag == Some(0));
    assert!(library.size().1 > 3, "{:?}", library.size());
    handles[0].release();
    let status = handles[0].status();
    assert_eq!((status.kept, status.cursor, handles[1].status().kept), (Some(false), Some(0), Some(true)));
    eventually("retention", || library.size().1 == 1);
    fs::remove_dir(ended_out.join("a")).unwrap();
    let handle =
        sinks::start(to_file("ended", &ended_out, "a"), sinks::Supply::Journal(library.clone(), channels()));
    assert_eq!(end(&handle.unwrap()), Ended::Drained);
    let (numbers, gaps) = split(&text(&ended_out.join("a")));
    assert!(gaps.len() == 90 && numbers.last() == Some(&4_999) && numbers[0] > 2_000, "{}", gaps.len());
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
}
