//! Sinks on a journal within one process: where they begin and go on, what holds nobody up, what is not touched.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cometail::event::{Channel, Gap};
use cometail::journal::Kind;
use cometail::sinks::filter::Pattern;
use cometail::sinks::{self, Ended, Handle, Order, State, Supply, file::Compression, format::Format};

use crate::support::{
    append, assert_exactly_once, batch, channels, config, eventually, file_config, files, numbers, open,
    start, text, to_file,
};

pub(crate) fn end(handle: &Handle) -> Ended {
    handle.close();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let deadline = Duration::from_secs(20);
    runtime.block_on(async { tokio::time::timeout(deadline, handle.ended()).await }).unwrap()
}

/// Appends numbered events and waits until readers see them.
fn fill(writer: &cometail::journal::Writer, events: u64) {
    let library = writer.library();
    let upto = library.next_sequence() + events;
    let mut next = library.next_sequence();
    while next < upto {
        let some = (upto - next).min(50);
        append(writer, &batch(next, some, 3), Kind::Events);
        next += some;
    }
    eventually("appending", || library.next_sequence() == upto);
}

#[test]
fn a_new_sink_begins_at_the_end_and_goes_on_where_it_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let (dir, out) = (directory.path().join("journal"), directory.path().join("out"));
    let (writer, library) = open(&dir);
    fill(&writer, 100);
    let handle = start(to_file("orders", &out, "a"), &library);
    fill(&writer, 100);
    handle.wake();
    assert_eq!(end(&handle), Ended::Drained);
    fill(&writer, 100);
    let handle = start(to_file("orders", &out, "a"), &library);
    fill(&writer, 100);
    handle.wake();
    eventually("delivery", || handle.status().lag == Some(0) && handle.status().cursor == Some(400));
    let status = handle.status();
    assert_eq!((status.delivered, status.queued_events, status.state), (200, 0, State::Idle));
    assert_eq!(numbers(&out.join("a")), (100..400).collect::<Vec<_>>());
}

#[test]
fn a_dead_sink_holds_up_no_other_and_gets_everything_later() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, library) = open(&directory.path().join("journal"));
    let (dead, alive) = (directory.path().join("dead"), directory.path().join("alive"));
    fs::create_dir_all(dead.join("a")).unwrap();
    let handles =
        [start(to_file("dead", &dead, "a"), &library), start(to_file("alive", &alive, "a"), &library)];
    for _ in 0..20 {
        fill(&writer, 1_000);
        handles.iter().for_each(Handle::wake);
    }
    eventually("delivery to the other", || handles[1].status().lag == Some(0));
    let status = handles[0].status();
    assert_eq!((status.state, status.lag, status.cursor), (State::Retrying, Some(20_000), Some(0)));
    assert!(status.queued_bytes < 2 << 20, "{} bytes in memory", status.queued_bytes);
    fs::remove_dir(dead.join("a")).unwrap();
    for (handle, dir) in handles.iter().zip([dead, alive]) {
        assert_eq!(end(handle), Ended::Drained);
        assert_eq!(numbers(&dir.join("a")), (0..20_000).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_given_up_stays_in_the_journal_for_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, library) = open(&directory.path().join("journal"));
    let out = directory.path().join("out");
    // What the sink has had stays until this one has passed it as well.
    let mut other = library.cursor("other", 0).unwrap();
    let handle = start(to_file("orders", &out, "a"), &library);
    fill(&writer, 5_000);
    assert_eq!(end(&handle), Ended::Drained);
    drop(handle);
    fs::rename(out.join("a"), out.join("first")).unwrap();
    fs::create_dir_all(out.join("a")).unwrap();
    let handle = start(to_file("orders", &out, "a"), &library);
    fill(&writer, 5_000);
    handle.wake();
    eventually("an attempt", || handle.status().retried > 0);
    assert_eq!(handle.abort(), 0);
    assert_eq!((handle.status().dropped, handle.status().lag), (0, Some(5_000)));
    other.commit(10_000, b"", false).unwrap();
    eventually("segments that go", || library.oldest_sequence() > 4_000);
    // For as long as there is no sink.
    other.commit(5_000, b"", false).unwrap();
    // The thread that let go of those takes these when it is done.
    fill(&writer, 5_000);
    assert!(library.oldest_sequence() <= 5_000, "{}", library.oldest_sequence());
    drop(handle);
    fs::remove_dir(out.join("a")).unwrap();
    let handle = start(to_file("orders", &out, "a"), &library);
    assert_eq!(end(&handle), Ended::Drained);
    assert_eq!(numbers(&out.join("first")), (0..5_000).collect::<Vec<_>>());
    assert_eq!(numbers(&out.join("a")), (5_000..15_000).collect::<Vec<_>>());
}

#[test]
fn commits_are_few_and_come_at_once_when_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, library) = open(&directory.path().join("journal"));
    let handle = start(to_file("orders", directory.path(), "a"), &library);
    let (mut cursors, begin) = (vec![handle.status().cursor], Instant::now());
    let mut slowest = Duration::ZERO;
    for number in 0..500 {
        append(&writer, &batch(number, 1, 1), Kind::Events);
        let appended = Instant::now();
        while handle.status().delivered <= number {
            assert!(appended.elapsed() < Duration::from_secs(10), "event {number} is not delivered");
            handle.wake();
            std::thread::yield_now();
        }
        slowest = slowest.max(appended.elapsed());
        cursors.push(handle.status().cursor);
    }
    let (took, idle) = (begin.elapsed(), Instant::now());
    eventually("the last commit", || handle.status().cursor == Some(500));
    assert!(idle.elapsed() < Duration::from_secs(1), "the last commit came late");
    cursors.dedup();
    println!("500 events in {took:?}, the slowest {slowest:?}, {} commits", cursors.len());
    let most = usize::try_from(took.as_millis() / 100).unwrap() + 5;
    assert!(cursors.len() <= most, "{} commits in {took:?}", cursors.len());
}

#[test]
fn an_order_holds_through_a_restart_and_repeats_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, library) = open(&directory.path().join("journal"));
    let out = directory.path().join("out");
    let ordered = || {
        let order = Order {
            connection: Arc::from("acme"),
            channels: Pattern::parse("/topic/1").unwrap(),
            window: Duration::from_hours(1),
        };
        sinks::Config { order: vec![order], ..to_file("orders", &out, "a") }
    };
    let handle = start(ordered(), &library);
    fill(&writer, 300);
    handle.wake();
    // Two of three channels are not held.
    eventually("the others", || handle.status().delivered == 200 && handle.status().cursor == Some(1));
    assert_eq!(handle.status().lag, Some(299));
    handle.abort();
    drop(handle);
    let handle = start(ordered(), &library);
    assert_eq!(end(&handle), Ended::Drained);
    assert_eq!(handle.status().delivered, 100);
    assert_exactly_once(&out, 300);
}

#[test]
fn more_held_events_than_a_cursor_can_name_leave_early() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, library) = open(&directory.path().join("journal"));
    let out = directory.path().join("out");
    let order = Order {
        connection: Arc::from("acme"),
        channels: Pattern::parse("/topic/1").unwrap(),
        window: Duration::from_hours(1),
    };
    let handle =
        start(sinks::Config { order: vec![order], queue: 1 << 30, ..to_file("orders", &out, "a") }, &library);
    for first in 0..4 {
        append(&writer, &batch(first * 15_000, 15_000, 2), Kind::Events);
        handle.wake();
    }
    eventually("early ones", || handle.status().unordered > 0 && handle.status().delivered > 40_000);
    eventually("a commit", || handle.status().cursor > Some(0));
    assert_eq!(end(&handle), Ended::Drained);
    assert_exactly_once(&out, 60_000);
}

#[test]
fn a_gap_is_a_gap_again_when_it_is_read_from_the_disk_and_can_be_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, library) = open(&directory.path().join("journal"));
    let out = directory.path().join("out");
    let form = |name, gap_records| sinks::Config {
        gap_records,
        format: Format::Envelope,
        ..to_file(name, &out, name)
    };
    for name in ["all", "events"] {
        assert_eq!(end(&start(form(name, true), &library)), Ended::Drained);
    }
    let channel = Channel::parse("/topic/A").unwrap();
    let now = SystemTime::now();
    let gap = Gap { channel: &channel, since: now, until: now, reason: "a test" };
    append(&writer, &Arc::new(gap.record(Arc::from("acme"), now)), Kind::Gap);
    eventually("the gap", || library.next_sequence() == 1);
    // More than stays in memory.
    fill(&writer, 1_000);
    for (name, gap_records, first) in [("all", true, "\"gap\":{"), ("events", false, "\"data\":{")] {
        let handle = start(form(name, gap_records), &library);
        assert_eq!(end(&handle), Ended::Drained);
        assert_eq!(handle.status().cursor, Some(1_001));
        let text = text(&out.join(name));
        assert!(text.lines().next().unwrap().contains(first), "{text}");
        assert_eq!(text.lines().count(), 1_000 + usize::from(gap_records));
    }
}

/// Delivers `events` events to the file `a` in `dir` by a sink of its own time.
fn deliver(writer: &cometail::journal::Writer, dir: &Path, events: u64) {
    let handle = start(to_file("orders", dir, "a"), writer.library());
    fill(writer, events);
    handle.wake();
    assert_eq!(end(&handle), Ended::Drained);
}

#[test]
fn only_the_very_file_is_cut_back_wherever_it_went() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _) = open(&directory.path().join("journal"));
    let out = directory.path().join("out");
    deliver(&writer, &out, 10);
    let committed = text(&out.join("a"));
    // Uncommitted bytes, as a kill leaves them, under another name; a longer file of somebody else in its place.
    fs::write(out.join("foreign"), format!("{committed}not ours\n")).unwrap();
    fs::rename(out.join("a"), out.join("moved")).unwrap();
    fs::write(out.join("moved"), format!("{committed}half a li")).unwrap();
    fs::rename(out.join("foreign"), out.join("a")).unwrap();
    deliver(&writer, &out, 10);
    assert_eq!(text(&out.join("moved")), committed);
    let foreign = text(&out.join("a"));
    assert!(foreign.starts_with(&format!("{committed}not ours\n")) && foreign.lines().count() == 21);
}

#[test]
fn a_file_that_is_shorter_or_gone_is_not_padded() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _) = open(&directory.path().join("journal"));
    let out = directory.path().join("out");
    deliver(&writer, &out, 10);
    fs::write(out.join("a"), "").unwrap();
    deliver(&writer, &out, 10);
    assert_eq!(numbers(&out.join("a")), (10..20).collect::<Vec<_>>());
    fs::remove_file(out.join("a")).unwrap();
    deliver(&writer, &out, 10);
    assert_eq!(numbers(&out.join("a")), (20..30).collect::<Vec<_>>());
}

#[test]
fn files_are_rotated_by_size_and_age_and_compressed_with_and_without_a_journal() {
    for journal in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let (writer, library) = open(&directory.path().join("journal"));
        let out = directory.path().join("out");
        let mut kind = file_config(&out, "a");
        (kind.max_bytes, kind.compress) =
            (Some(1_000), Some(if journal { Compression::Gzip } else { Compression::Zstd }));
        kind.max_age = Some(Duration::from_millis(300));
        let supply = if journal { Supply::Journal(library.clone(), channels()) } else { Supply::Memory };
        let handle = sinks::start(config("orders", sinks::Kind::File(kind)), supply).unwrap();
        let events = batch(0, 100, 1);
        if journal {
            append(&writer, &events, Kind::Events);
            eventually("appending", || library.next_sequence() == 100);
            handle.wake();
        } else {
            handle.offer(&events);
        }
        // The last file is rotated for its age, with nothing to deliver.
        let is_compressed =
            |path: &Path| path.extension().is_some_and(|ending| ending == "gz" || ending == "zst");
        eventually("the last rotation", || {
            let files = files(&out);
            handle.status().delivered == 100
                && !files.is_empty()
                && files.iter().all(|path| is_compressed(path))
        });
        assert!(assert_exactly_once(&out, 100) > 10);
        let files = files(&out);
        assert!(files.iter().all(|path| text(path).len() <= 1_000), "{files:?}");
        let name = files[0].file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("a.2") && name.contains('T') && name.contains('Z'), "{name}");
    }
}

#[test]
fn what_was_not_compressed_to_the_end_is_compressed_after_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, library) = open(&directory.path().join("journal"));
    let out = directory.path().join("out");
    let rotating = || {
        let mut kind = file_config(&out, "a");
        (kind.max_bytes, kind.compress) = (Some(20_000), Some(Compression::Gzip));
        config("orders", sinks::Kind::File(kind))
    };
    let handle = start(rotating(), &library);
    fill(&writer, 100);
    assert_eq!(end(&handle), Ended::Drained);
    drop(handle);
    // As a kill in the middle leaves it.
    let rotated = out.join("a.20260102T030405.678Z");
    fs::rename(out.join("a"), &rotated).unwrap();
    fs::write(out.join("a.20260102T030405.678Z.gz.unfinished"), "half").unwrap();
    let note = format!(r#"{{"rotated":["{}"]}}"#, rotated.display());
    library.cursor("orders", 0).unwrap().commit(100, note.as_bytes(), false).unwrap();
    let handle = start(rotating(), &library);
    let compressed = out.join("a.20260102T030405.678Z.gz");
    eventually("compression", || files(&out) == [compressed.clone()]);
    assert_eq!(end(&handle), Ended::Drained);
    assert_eq!(numbers(&compressed), (0..100).collect::<Vec<_>>());
}
