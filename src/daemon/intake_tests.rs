//! An intake on a real journal, which a cursor keeps from making room.

use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::super::journal::Opened;
use super::*;
use crate::event::BatchBuilder;
use crate::journal::{Config, Cursor};

const BODY: usize = 40_000;

fn batch(replay: Option<i64>) -> Arc<Batch> {
    let message = format!(r#"{{"channel":"/topic/A","data":"{}"}}"#, "x".repeat(BODY));
    let mut builder = BatchBuilder::default();
    builder.push("/topic/A", 0, message.len(), replay.map(ReplayId)).unwrap();
    Arc::new(Batch::new(Arc::from("acme"), SystemTime::now(), Bytes::from(message), builder))
}

/// A journal with room for two batches, and a sink that has read none of it.
fn small(dir: &Path) -> (Intake, Arc<Appender>, Cursor) {
    let max = 100_000;
    let config = Config { max_bytes: max, segment_bytes: max / 2, queue_bytes: 100_000, ..Config::default() };
    let opened = Opened::open(dir.join("journal"), config, &[]).unwrap();
    let mut cursor = opened.library().cursor("slow", 0).unwrap();
    cursor.commit(0, b"", false).unwrap();
    let appender = opened.start(Arc::new(Outlet::new(Vec::new())), &[]).unwrap();
    (Intake::journal(appender.clone()), appender, cursor)
}

async fn until(intake: &mut Intake, what: &str, mut holds: impl FnMut(&mut Intake) -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds(intake) {
        let news = tokio::time::timeout_at(deadline, intake.changed(true, true)).await;
        assert!(news.is_ok(), "not in time: {what}");
    }
}

#[tokio::test]
async fn a_position_is_committed_when_its_event_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (mut intake, appender, _cursor) = small(dir.path());
    assert!(intake.take(&batch(Some(7)), Kind::Events).is_empty(), "not before it is durable");
    let mut committed = Vec::new();
    until(&mut intake, "a commit", |intake| {
        committed.extend(intake.take_committed());
        !committed.is_empty()
    })
    .await;
    assert_eq!(committed, [(Channel::as_sent("/topic/A"), ReplayId(7))]);
    assert_eq!(*appender.durable().borrow(), 1);
}

#[tokio::test]
async fn what_becomes_durable_wakes_only_who_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut intake, appender, _cursor) = small(dir.path());
    intake.take(&batch(Some(7)), Kind::Events);
    let mut durable = appender.durable();
    tokio::time::timeout(Duration::from_secs(20), durable.wait_for(|end| *end == 1)).await.unwrap().unwrap();
    let news = tokio::time::timeout(Duration::ZERO, intake.changed(false, false)).await;
    assert!(news.is_err(), "nobody waits for it");
    tokio::time::timeout(Duration::from_secs(20), intake.changed(false, true)).await.unwrap();
    assert_eq!(intake.take_committed(), [(Channel::as_sent("/topic/A"), ReplayId(7))]);
}

#[tokio::test]
async fn more_is_asked_for_only_when_events_without_a_number_are_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (mut intake, appender, mut cursor) = small(dir.path());
    intake.take(&batch(None), Kind::Events);
    until(&mut intake, "room for one", |intake| intake.is_confirmed(false)).await;
    assert_eq!(appender.room().borrow().appended, 1);
    for number in 1..4 {
        intake.take(&batch(Some(number)), Kind::Events);
        assert!(intake.is_confirmed(false), "the server sends numbered events again");
    }
    until(&mut intake, "a full journal", |intake| intake.is_stuck()).await;
    intake.take(&batch(None), Kind::Events);
    assert!(!intake.has_room(), "it is held back");
    cursor.commit(4, b"", false).unwrap();
    until(&mut intake, "room", |intake| intake.has_room() && intake.is_confirmed(false)).await;
    assert_eq!(appender.room().borrow().appended, 5);
}

#[tokio::test]
async fn nothing_is_acknowledged_that_is_not_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (mut intake, appender, mut cursor) = small(dir.path());
    for number in 1..4 {
        intake.take(&batch(Some(number)), Kind::Events);
    }
    until(&mut intake, "a full journal", |intake| intake.is_stuck()).await;
    assert!(intake.is_confirmed(false) && !intake.is_confirmed(true));
    cursor.commit(3, b"", false).unwrap();
    until(&mut intake, "room", |intake| intake.has_room() && intake.is_confirmed(true)).await;
    assert_eq!(appender.room().borrow().appended, 3);
}

#[tokio::test]
async fn what_has_no_room_at_the_end_is_not_overtaken() {
    let dir = tempfile::tempdir().unwrap();
    let (mut intake, appender, mut cursor) = small(dir.path());
    for number in 1..4 {
        intake.take(&batch(Some(number)), Kind::Events);
    }
    until(&mut intake, "a full journal", |intake| {
        let taken = intake.has_room();
        taken && appender.room().borrow().troubled
    })
    .await;
    intake.take(&batch(Some(4)), Kind::Events);
    intake.end();
    assert!(intake.has_room(), "it is given up");
    cursor.commit(2, b"", false).unwrap();
    until(&mut intake, "room", |intake| !intake.is_stuck()).await;
    intake.take(&batch(Some(5)), Kind::Events);
    assert!(intake.has_room(), "it is given up as well");
    assert!(appender.stop(Duration::from_secs(20)).await, "all of them come again");
    assert_eq!(appender.room().borrow().appended, 3);
}

#[tokio::test]
async fn an_end_that_is_asked_for_twice_tells_what_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (mut intake, appender, _cursor) = small(dir.path());
    for _ in 0..3 {
        intake.take(&batch(None), Kind::Events);
    }
    until(&mut intake, "a full journal", |intake| {
        let taken = intake.has_room();
        taken && appender.room().borrow().troubled
    })
    .await;
    assert!(!appender.stop(Duration::ZERO).await);
    assert!(!appender.stop(Duration::ZERO).await, "it stays lost");
}

#[tokio::test]
async fn what_waits_to_become_durable_is_bounded_and_commits_the_last_of_each_channel() {
    let dir = tempfile::tempdir().unwrap();
    let (mut intake, _appender, _cursor) = small(dir.path());
    let Intake::Journal(desk) = &mut intake else { unreachable!() };
    for number in 0..10_000_i64 {
        let channel = Channel::as_sent(&format!("/topic/{}", number % 3));
        desk.await_durable(number.cast_unsigned() + 1, vec![(channel, ReplayId(number))]);
    }
    assert_eq!(desk.pending.len(), PENDING_MAX);
    let waiting = desk.pending.back().unwrap();
    assert_eq!((waiting.end, waiting.positions.len()), (10_000, 3));
    let mut last: Vec<_> = waiting.positions.iter().map(|(_, replay)| replay.0).collect();
    last.sort_unstable();
    assert_eq!(last, [9_997, 9_998, 9_999]);
    desk.await_durable(0, vec![(Channel::as_sent("/topic/0"), ReplayId(10_000))]);
    assert_eq!(desk.pending.back().unwrap().end, 10_000, "what waits for nothing hastens nothing before it");
}
