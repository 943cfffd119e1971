use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::time::Instant;

use super::filter::Pattern;
use super::testing::{batch_at, eventually, one, several};
use super::*;
use crate::journal::{self, Journal, Writer};

const DEADLINE: Duration = Duration::from_secs(10);

fn config(kind: Kind) -> Config {
    Config {
        name: Arc::from("test"),
        channels: Vec::new(),
        format: Format::Message,
        queue: 1 << 20,
        gap_records: true,
        order: Vec::new(),
        kind,
    }
}

fn to_file(path: &Path) -> Config {
    let path = file::Template::parse(path.to_str().unwrap()).unwrap();
    config(Kind::File(file::Config::new(path)))
}

/// A sink that writes to a pipe in place of standard output, and the pipe's other end.
fn to_pipe(kind: stdout::Config, change: impl FnOnce(&mut Config)) -> (Handle, File) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    (to_descriptor(writer, kind, change), File::from(reader))
}

fn to_descriptor(
    writer: std::os::fd::OwnedFd,
    kind: stdout::Config,
    change: impl FnOnce(&mut Config),
) -> Handle {
    let mut config = config(Kind::Stdout(kind));
    change(&mut config);
    let target = Target::Stdout(stdout::Sink::new(File::from(writer), kind, config.format));
    let Ok(handle) = start_with(config, target, None, Supply::Memory, false) else {
        panic!("the sink did not start")
    };
    handle
}

async fn ended(handle: &Handle) -> Ended {
    tokio::time::timeout(DEADLINE, handle.ended()).await.expect("the sink did not end")
}

#[tokio::test]
async fn what_waits_is_delivered_before_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let handle = start(to_file(&path), Supply::Memory).unwrap();
    for n in 0..1000 {
        assert_eq!(handle.offer(&one("/topic/A", &n.to_string())), Offer::Accepted);
    }
    handle.close();
    assert_eq!(handle.offer(&one("/topic/A", "late")), Offer::Closed);
    assert_eq!(ended(&handle).await, Ended::Drained);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.lines().eq((0..1000).map(|n| n.to_string())), "{text}");
    let status = handle.status();
    assert_eq!((status.delivered, status.dropped, status.queued_events), (1000, 0, 0));
    assert_eq!((status.queued_bytes, status.state), (0, State::Ended));
    assert_eq!(serde_json::to_value(&status).unwrap()["state"], "ended");
}

#[tokio::test]
async fn a_filter_takes_its_channels_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let mut config = to_file(&path);
    config.channels = vec![Pattern::parse("/topic/Order*").unwrap()];
    let handle = start(config, Supply::Memory).unwrap();
    assert_eq!(handle.offer(&one("/topic/A", "0")), Offer::Filtered);
    let mixed = several(&[("/topic/Orders", "1"), ("/topic/A", "2"), ("/topic/Order", "3")]);
    assert_eq!(handle.offer(&mixed), Offer::Accepted);
    handle.close();
    assert_eq!(ended(&handle).await, Ended::Drained);
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n3\n");
    assert_eq!(handle.status().delivered, 2);
}

#[tokio::test]
async fn a_stuck_reader_delays_no_offer_and_every_event_is_accounted_for() {
    let (handle, mut reader) = to_pipe(stdout::Config::default(), |config| config.queue = 400_000);
    let message = format!("\"{}\"", "x".repeat(1000));
    let (mut accepted, mut full, mut slowest) = (0, 0, Duration::ZERO);
    for _ in 0..3000 {
        let batch = several(&[("/topic/A", &message), ("/topic/B", &message)]);
        let before = Instant::now();
        match handle.offer(&batch) {
            Offer::Accepted => accepted += 2,
            Offer::Full { events } => full += events,
            other => panic!("{other:?}"),
        }
        slowest = slowest.max(before.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "an offer took {slowest:?}");
    assert!(full > 0 && accepted > 0);
    let status = handle.status();
    assert_eq!(status.dropped, full as u64);
    assert_eq!(status.delivered + status.queued_events, accepted);
    assert!(status.queued_bytes <= 400_000 && status.queued_events > 0);
    handle.close();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text.lines().count() as u64
    });
    assert_eq!(ended(&handle).await, Ended::Drained);
    assert_eq!(reading.join().unwrap(), accepted);
    assert_eq!(handle.status().delivered, accepted);
}

#[tokio::test]
async fn an_abort_gives_up_and_counts_what_waits() {
    let (handle, reader) = to_pipe(stdout::Config::default(), |_| ());
    let message = format!("\"{}\"", "x".repeat(200_000));
    handle.offer(&one("/topic/A", &message));
    handle.offer(&one("/topic/A", &message));
    handle.close();
    let given_up = handle.abort();
    assert_eq!(ended(&handle).await, Ended::Aborted(given_up));
    assert_eq!(given_up, 2);
    assert_eq!(handle.status().dropped, 2);
    drop(reader);
}

#[tokio::test]
async fn a_reader_that_has_gone_ends_the_sink() {
    let (handle, reader) = to_pipe(stdout::Config::default(), |_| ());
    drop(reader);
    assert_eq!(handle.offer(&one("/topic/A", "1")), Offer::Accepted);
    assert_eq!(ended(&handle).await, Ended::Closed);
    assert_eq!(handle.offer(&one("/topic/A", "2")), Offer::Closed);
    assert_eq!(handle.status().dropped, 1);
}

#[tokio::test]
async fn the_limit_is_exact() {
    let kind = stdout::Config { limit: Some(3), ..stdout::Config::default() };
    let (handle, mut reader) = to_pipe(kind, |_| ());
    handle.offer(&one("/topic/A", "1"));
    handle.offer(&several(&[("/t", "2"), ("/t", "3"), ("/t", "4"), ("/t", "5")]));
    assert_eq!(ended(&handle).await, Ended::Limit);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "1\n2\n3\n");
    assert_eq!(handle.status().delivered, 3);
}

#[tokio::test]
async fn a_limit_of_none_ends_at_once() {
    let kind = stdout::Config { limit: Some(0), ..stdout::Config::default() };
    let (handle, _reader) = to_pipe(kind, |_| ());
    assert_eq!(ended(&handle).await, Ended::Limit);
}

#[test]
fn pretty_records_are_indented_and_lone_events_come_at_once() {
    let kind = stdout::Config { pretty: true, ..stdout::Config::default() };
    let (handle, reader) = to_pipe(kind, |_| ());
    let mut lines = BufReader::new(reader).lines();
    for _ in 0..3 {
        handle.offer(&one("/topic/A", r#"{"b":1.0,"a":2}"#));
        let record: Vec<_> = lines.by_ref().take(4).map(Result::unwrap).collect();
        assert_eq!(record, ["{", "  \"b\": 1.0,", "  \"a\": 2", "}"]);
    }
}

#[test]
fn a_reader_on_a_non_blocking_pipe_is_waited_for() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let handle = to_descriptor(writer, stdout::Config::default(), |_| ());
    let mut reader = File::from(reader);
    let message = format!("\"{}\"", "x".repeat(300_000));
    handle.offer(&one("/topic/A", &message));
    drop(handle);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text.len(), message.len() + 1);
}

fn dated(second: u32, n: u32) -> String {
    format!(r#"{{"data":{{"event":{{"createdDate":"2026-01-02T03:04:{second:02}.000Z"}},"n":{n}}}}}"#)
}

fn now_millisecond() -> u64 {
    let since = SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn ordered(window: Duration) -> impl FnOnce(&mut Config) {
    move |config| {
        config.order = vec![Order {
            connection: Arc::from("acme"),
            channels: Pattern::parse("/topic/*").unwrap(),
            window,
        }];
    }
}

#[tokio::test]
async fn ordered_channels_leave_by_creation_and_others_at_once() {
    let (handle, reader) = to_pipe(stdout::Config::default(), ordered(Duration::from_hours(1)));
    let (late, early) = (dated(9, 1), dated(3, 2));
    let batch = batch_at("acme", now_millisecond(), &[("/topic/A", &late, None), ("/u/x", "direct", None)]);
    handle.offer(&Arc::new(batch));
    let mut lines = BufReader::new(reader).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "direct");
    handle.offer(&Arc::new(batch_at("acme", now_millisecond(), &[("/topic/B", &early, None)])));
    handle.offer(&Arc::new(batch_at("other", now_millisecond(), &[("/topic/A", "elsewhere", None)])));
    assert_eq!(lines.next().unwrap().unwrap(), "elsewhere");
    eventually("two held events", || handle.status().queued_events == 2);
    handle.close();
    assert_eq!([lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()], [early, late]);
    assert_eq!(ended(&handle).await, Ended::Drained);
}

#[test]
fn a_held_event_leaves_when_its_window_is_over() {
    let window = Duration::from_millis(200);
    let (handle, reader) = to_pipe(stdout::Config::default(), ordered(window));
    let sent = Instant::now();
    handle.offer(&Arc::new(batch_at("acme", now_millisecond(), &[("/topic/A", &dated(9, 1), None)])));
    let line = BufReader::new(reader).lines().next().unwrap().unwrap();
    assert_eq!(line, dated(9, 1));
    let held = sent.elapsed();
    assert!(held + Duration::from_millis(5) >= window && held < Duration::from_secs(5), "{held:?}");
}

#[test]
fn ordering_without_room_lets_events_go_early() {
    let (handle, reader) = to_pipe(stdout::Config::default(), |config| {
        ordered(Duration::from_hours(1))(config);
        config.queue = 2000;
    });
    for n in 0..20 {
        let batch = Arc::new(batch_at("acme", now_millisecond(), &[("/topic/A", &dated(n, n), None)]));
        eventually("room", || handle.offer(&batch) == Offer::Accepted || handle.status().unordered == 0);
    }
    assert_eq!(BufReader::new(reader).lines().next().unwrap().unwrap(), dated(0, 0));
    assert!(handle.status().unordered > 0);
}

#[tokio::test]
async fn a_failing_file_is_tried_until_it_works() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    fs::create_dir(&path).unwrap();
    let handle = start(to_file(&path), Supply::Memory).unwrap();
    handle.offer(&one("/topic/A", "1"));
    eventually("a retry", || handle.status().retried >= 2);
    let status = handle.status();
    assert_eq!((status.state, status.queued_events), (State::Retrying, 1));
    assert!(status.failing_since.is_some_and(|since| since <= now_millisecond()));
    assert!(status.last_error.unwrap().contains("is a directory"));
    fs::remove_dir(&path).unwrap();
    handle.offer(&one("/topic/A", "2"));
    handle.close();
    assert_eq!(ended(&handle).await, Ended::Drained);
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");
    assert_eq!(handle.status().failing_since, None);
}

#[test]
fn a_signal_after_rotation_takes_effect_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("out"), directory.path().join("out.1"));
    let handle = start(to_file(&path), Supply::Memory).unwrap();
    handle.offer(&one("/topic/A", "1"));
    eventually("the first line", || fs::read_to_string(&path).is_ok_and(|text| text == "1\n"));
    fs::rename(&path, &old).unwrap();
    handle.reopen();
    handle.offer(&one("/topic/A", "2"));
    eventually("the second line", || fs::read_to_string(&path).is_ok_and(|text| text == "2\n"));
    assert_eq!(fs::read_to_string(&old).unwrap(), "1\n");
}

#[test]
fn what_cannot_start_says_what_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = start(to_file(&file.join("sub/{channel}")), Supply::Memory).unwrap_err().to_string();
    for part in ["sink test", file.to_str().unwrap(), "cannot make the directory", "make it, or name"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn what_could_not_be_synced_is_not_committed_and_is_written_again_after_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(&directory.path().join("journal"), journal::Config::default()).unwrap();
    let writer = Writer::start(journal, |_| ()).unwrap();
    let path = directory.path().join("out");
    let synced = || {
        let mut config = to_file(&path);
        let Kind::File(file) = &mut config.kind else { unreachable!() };
        file.sync = true;
        start(config, Supply::Journal(writer.library().clone(), Channels::default())).unwrap()
    };
    let append = |handle: &Handle, message: &str| {
        writer.append(one("/topic/A", message), journal::Kind::Events).unwrap();
        eventually("appending", || writer.queued_bytes() == 0);
        handle.wake();
    };
    let handle = synced();
    append(&handle, "1");
    eventually("a commit", || handle.status().cursor == Some(1));
    output::tests::fail_sync(&path);
    append(&handle, "2");
    let failed = ended(&handle).await;
    assert!(matches!(&failed, Ended::Failed(error) if error.contains("out: cannot sync: ")), "{failed:?}");
    assert_eq!(handle.status().cursor, Some(1), "nothing is committed after that");
    drop(handle);
    // As the kernel leaves what it dropped.
    fs::write(&path, "1\n\0\0").unwrap();
    let handle = synced();
    append(&handle, "3");
    eventually("the next commit", || handle.status().cursor == Some(3));
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n3\n");
}

fn journal_in(directory: &Path) -> Writer {
    let journal = Journal::open(&directory.join("journal"), journal::Config::default()).unwrap();
    Writer::start(journal, |_| ()).unwrap()
}

/// What is in the file of a sink on the journal when it has been given everything and `messages`.
async fn delivered(writer: &Writer, path: &Path, messages: &[&str]) -> String {
    let supply = Supply::Journal(writer.library().clone(), Channels::default());
    let handle = start(to_file(path), supply).unwrap();
    for message in messages {
        writer.append(one("/topic/A", message), journal::Kind::Events).unwrap();
    }
    eventually("appending", || writer.queued_bytes() == 0);
    handle.close();
    assert_eq!(ended(&handle).await, Ended::Drained);
    fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn numbers_that_are_given_out_again_after_a_loss_of_power_do_not_count_as_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, path) = (journal_in(directory.path()), directory.path().join("out"));
    assert_eq!(delivered(&writer, &path, &["0", "1"]).await, "0\n1\n");
    // An order held 1 while 2 to 4 left, which a loss of power took from the journal.
    let note = Note { done: vec![(2, 5)], ..Note::default() };
    writer.library().cursor("test", 0).unwrap().commit(1, &note.bytes().unwrap(), true).unwrap();
    drop(writer);
    let writer = journal_in(directory.path());
    assert_eq!(delivered(&writer, &path, &["2", "3", "4", "5"]).await, "0\n1\n1\n2\n3\n4\n5\n");
}

#[tokio::test]
async fn a_damaged_cursor_begins_with_the_oldest_event_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, path) = (journal_in(directory.path()), directory.path().join("out"));
    assert_eq!(delivered(&writer, &path, &["0", "1"]).await, "0\n1\n");
    for slot in ["test.0", "test.1"] {
        fs::write(directory.path().join("journal/cursors").join(slot), "no cursor").unwrap();
    }
    assert_eq!(delivered(&writer, &path, &["2"]).await, "0\n1\n0\n1\n2\n");
    assert_eq!(delivered(&writer, &path, &["3"]).await, "0\n1\n0\n1\n2\n3\n");
}
