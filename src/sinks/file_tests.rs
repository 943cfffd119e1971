use std::fs;

use super::super::filter::Filter;
use super::super::queue::Queue;
use super::super::testing::{batch_at, several};
use super::*;
use crate::event::Batch;

fn sink(template: &str) -> Sink {
    Sink::open(&Config::new(Template::parse(template).unwrap()), Format::Message).unwrap()
}

fn run(batch: Arc<Batch>) -> Run {
    let events = 0..batch.len();
    Run { lease: Queue::new(usize::MAX, Filter::new(&[]), true).lease(batch), events }
}

/// Flushes as the worker does.
fn flush(sink: &mut Sink) -> Result<(), Failure> {
    loop {
        match sink.flush() {
            Err(Failure::Unnoted) => sink.noted(),
            Ok(()) => {
                sink.settle();
                return Ok(());
            }
            failed => return failed,
        }
    }
}

/// Delivers a batch as the worker does; how many flushes that took.
fn deliver(sink: &mut Sink, batch: Arc<Batch>) -> usize {
    let mut run = run(batch);
    let mut flushes = 0;
    while !run.events.is_empty() {
        run.events.start += sink.load(&run);
        flush(sink).unwrap();
        flushes += 1;
    }
    flushes
}

fn root(directory: &tempfile::TempDir, template: &str) -> String {
    format!("{}/{template}", directory.path().display())
}

#[test]
fn each_channel_has_its_file_in_the_order_of_arrival() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(&root(&directory, "{connection}/{channel}/%Y-%m-%d.jsonl"));
    let batch = several(&[("/topic/A", "1"), ("/topic/B", "2"), ("/topic/A", "3")]);
    assert_eq!(deliver(&mut sink, batch), 1);
    let read = |name: &str| fs::read_to_string(directory.path().join("acme").join(name)).unwrap();
    assert_eq!(read("topic.A/2026-01-02.jsonl"), "1\n3\n");
    assert_eq!(read("topic.B/2026-01-02.jsonl"), "2\n");
}

#[test]
fn the_path_follows_the_time_of_arrival() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(&root(&directory, "%H%M%S"));
    for millisecond in [999, 1000, 1001, 61_000, 1002] {
        deliver(
            &mut sink,
            Arc::new(batch_at("acme", millisecond, &[("/t/A", &millisecond.to_string(), None)])),
        );
    }
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!((read("000000"), read("000001")), ("999\n".to_owned(), "1000\n1001\n1002\n".to_owned()));
    assert_eq!(read("000101"), "61000\n");
}

#[test]
fn a_channel_name_stays_below_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(&root(&directory, "out/{channel}"));
    deliver(&mut sink, several(&[("/topic/../../../etc/passwd", "1"), ("..", "2"), ("/", "3"), ("/.", "4")]));
    let mut names: Vec<_> = fs::read_dir(directory.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["%-", "%2E", "%_%2E%2E", "topic.%2E%2E.%2E%2E.%2E%2E.etc.passwd"]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn more_channels_than_open_files_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(&root(&directory, "{channel}"));
    let names: Vec<_> = (0..200).map(|n| format!("/t/{n}")).collect();
    for round in ["1", "2"] {
        let messages: Vec<_> = names.iter().map(|name| (name.as_str(), round)).collect();
        assert!(deliver(&mut sink, several(&messages)) >= 200 / OPEN_MAX);
        assert!(sink.outputs.len() <= OPEN_MAX);
    }
    for n in 0..200 {
        assert_eq!(fs::read_to_string(directory.path().join(format!("t.{n}"))).unwrap(), "1\n2\n");
    }
}

#[test]
fn one_failing_file_leaves_the_others_written_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(&root(&directory, "{channel}"));
    fs::create_dir(directory.path().join("t.bad")).unwrap();
    let run = run(several(&[("/t/good", "1"), ("/t/bad", "2"), ("/t/good", "3")]));
    assert_eq!(sink.load(&run), 3);
    for _ in 0..3 {
        let Err(Failure::Retry { error, .. }) = flush(&mut sink) else { panic!("a directory was written") };
        assert!(error.contains("t.bad: is a directory"), "{error}");
    }
    fs::remove_dir(directory.path().join("t.bad")).unwrap();
    flush(&mut sink).unwrap();
    flush(&mut sink).unwrap();
    assert_eq!(fs::read_to_string(directory.path().join("t.good")).unwrap(), "1\n3\n");
    assert_eq!(fs::read_to_string(directory.path().join("t.bad")).unwrap(), "2\n");
}

#[test]
fn reopening_lets_go_of_a_renamed_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(&root(&directory, "out"));
    deliver(&mut sink, several(&[("/t/A", "1")]));
    fs::rename(directory.path().join("out"), directory.path().join("out.1")).unwrap();
    sink.reopen();
    deliver(&mut sink, several(&[("/t/A", "2")]));
    assert_eq!(fs::read_to_string(directory.path().join("out.1")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(directory.path().join("out")).unwrap(), "2\n");
}

#[test]
fn a_large_batch_is_written_in_bounded_loads() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(&root(&directory, "out"));
    let message = format!("\"{}\"", "x".repeat(300_000));
    let messages: Vec<_> = (0..12).map(|_| ("/t/A", message.as_str())).collect();
    assert_eq!(deliver(&mut sink, several(&messages)), 3);
    assert_eq!(fs::metadata(directory.path().join("out")).unwrap().len(), 12 * 300_003);
}

#[test]
fn a_root_that_cannot_be_made_is_found_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let template = Template::parse(&root(&directory, "file/sub/{channel}")).unwrap();
    let Err((found, _)) = Sink::open(&Config::new(template), Format::Message) else {
        panic!("a file was taken for a directory");
    };
    assert!(found.contains("cannot make the directory"), "{found}");
}
