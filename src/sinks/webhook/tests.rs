use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use super::super::testing::{eventually, one, several};
use super::super::{Ended, State, Supply, start};
use super::testing::{Receiver, config, drained, sink, started};
use super::*;

#[tokio::test]
async fn each_record_is_posted_in_order_with_its_headers() {
    let receiver = Receiver::start(&["204 No Content"]);
    let mut config = config(&receiver.url);
    config.headers = vec![
        ("X-Team".to_owned(), Secret::new("billing".to_owned())),
        ("Authorization".to_owned(), Secret::new("Bearer hush".to_owned())),
    ];
    let handle = started(config);
    let batch = several(&[("/topic/A", r#"{"data":1.0}"#), ("/topic/B", r#"{"data":2}"#)]);
    handle.offer(&batch);
    drained(&handle).await;
    assert_eq!(receiver.bodies(), [r#"{"data":1.0}"#, r#"{"data":2}"#]);
    for (seen, event) in receiver.seen().iter().zip(batch.iter()) {
        assert!(seen.head.starts_with("POST /hook?key=hush HTTP/1.1\r\n"), "{}", seen.head);
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(seen.header("webhook-id"), Some(event.id().as_str()));
        assert_eq!(seen.header("x-team"), Some("billing"));
        assert_eq!(seen.header("authorization"), Some("Bearer hush"));
        assert!(seen.header("user-agent").unwrap().starts_with("cometail/"));
    }
    assert_eq!((handle.status().delivered, handle.status().retried), (2, 0));
}

#[tokio::test]
async fn a_cloud_event_has_its_own_content_type() {
    let receiver = Receiver::start(&["200 OK"]);
    let handle = start(sink(Format::CloudEvents, config(&receiver.url)), Supply::Memory).unwrap();
    handle.offer(&one("/topic/A", r#"{"data":1}"#));
    drained(&handle).await;
    let seen = receiver.seen();
    assert_eq!(seen[0].header("content-type"), Some("application/cloudevents+json"));
    assert!(seen[0].body.starts_with(r#"{"specversion":"1.0","#));
}

#[tokio::test]
async fn passing_errors_are_tried_again_with_the_same_id() {
    let receiver =
        Receiver::start(&["500 Oops", "503 Busy", "429 Slow Down", "408 Timeout", "425 Too Early", "200 OK"]);
    let handle = started(config(&receiver.url));
    handle.offer(&one("/topic/A", r#"{"data":1}"#));
    handle.offer(&one("/topic/A", r#"{"data":2}"#));
    drained(&handle).await;
    let (one, two) = (r#"{"data":1}"#, r#"{"data":2}"#);
    assert_eq!(receiver.bodies(), [one, one, one, one, one, one, two]);
    let ids: Vec<_> =
        receiver.seen().iter().map(|seen| seen.header("webhook-id").unwrap().to_owned()).collect();
    assert!(ids[..6].iter().all(|id| *id == ids[0]) && ids[6] != ids[0]);
    let status = handle.status();
    assert_eq!((status.delivered, status.retried, status.failing_since), (2, 5, None));
    assert_eq!(status.last_error.as_deref(), Some("HTTP status 425"));
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let receiver = Receiver::start(&["503 Busy\r\nRetry-After: 1", "200 OK"]);
    let handle = started(config(&receiver.url));
    handle.offer(&one("/topic/A", "1"));
    drained(&handle).await;
    let seen = receiver.seen();
    let waited = seen[1].at - seen[0].at;
    assert!(waited >= Duration::from_millis(990), "{waited:?}");
}

#[tokio::test]
async fn a_silent_endpoint_runs_into_the_deadline_and_is_tried_again() {
    let receiver = Receiver::start(&["", "200 OK"]);
    let handle = started(Config { timeout: Duration::from_millis(150), ..config(&receiver.url) });
    handle.offer(&one("/topic/A", "1"));
    drained(&handle).await;
    assert_eq!(receiver.bodies(), ["1", "1"]);
    assert!(handle.status().last_error.unwrap().starts_with("timeout"));
}

#[tokio::test]
async fn a_dead_endpoint_delays_no_offer_and_abort_ends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let handle = started(config(&url));
    let before = Instant::now();
    for _ in 0..100 {
        handle.offer(&one("/topic/A", "1"));
    }
    assert!(before.elapsed() < Duration::from_secs(1));
    eventually("three retries", || handle.status().retried >= 3);
    assert_eq!(handle.status().state, State::Retrying);
    handle.close();
    assert_eq!(handle.abort(), 100);
    assert_eq!(handle.ended().await, Ended::Aborted(100));
    assert_eq!((handle.status().delivered, handle.status().dropped), (0, 100));
}

#[tokio::test]
async fn what_is_refused_for_good_is_parked_and_the_next_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parked/orders.jsonl");
    let receiver = Receiver::start(&["410 Gone", "302 Found\r\nLocation: http://127.0.0.1:1/", "200 OK"]);
    let handle = started(Config { parked: Some(path.clone()), ..config(&receiver.url) });
    let batch = several(&[("/topic/A", r#"{"n":1.0}"#), ("/topic/A", "2"), ("/topic/A", "3")]);
    handle.offer(&batch);
    drained(&handle).await;
    assert_eq!(receiver.bodies(), [r#"{"n":1.0}"#, "2", "3"]);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["reason"], "HTTP status 410");
    assert_eq!(
        (&lines[0]["sink"], lines[0]["id"].as_str().unwrap()),
        (&"orders".into(), &*batch.get(0).unwrap().id())
    );
    assert!(text.lines().next().unwrap().ends_with(r#","record":{"n":1.0}}"#), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let status = handle.status();
    assert_eq!((status.delivered, status.parked, status.refused, status.queued_events), (1, 2, 0, 0));
}

#[tokio::test]
async fn a_full_file_for_parked_events_holds_the_sink_up_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parked");
    let receiver = Receiver::start(&["410 Gone", "410 Gone", "200 OK"]);
    let handle = started(Config { parked: Some(path.clone()), parked_max: 1, ..config(&receiver.url) });
    for number in ["1", "2", "3"] {
        handle.offer(&one("/topic/A", number));
    }
    eventually("two retries", || handle.status().retried >= 2);
    let status = handle.status();
    assert_eq!(
        (status.parked, status.refused, status.queued_events, status.state),
        (1, 0, 2, State::Retrying)
    );
    assert!(status.last_error.unwrap().contains("`parked_max`"));
    fs::rename(&path, directory.path().join("away")).unwrap();
    drained(&handle).await;
    assert_eq!(receiver.bodies(), ["1", "2", "3"]);
    assert_eq!((handle.status().parked, handle.status().delivered), (2, 1));
    assert!(fs::read_to_string(&path).unwrap().ends_with(",\"record\":2}\n"));
}

#[tokio::test]
async fn a_file_for_parked_events_that_fails_is_tried_until_it_works() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parked");
    let receiver = Receiver::start(&["410 Gone", "200 OK"]);
    let handle = started(Config { parked: Some(path.clone()), ..config(&receiver.url) });
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    handle.reopen();
    handle.offer(&one("/topic/A", "1"));
    handle.offer(&one("/topic/A", "2"));
    eventually("two retries", || handle.status().retried >= 2);
    let status = handle.status();
    assert_eq!((status.parked, status.queued_events), (0, 2));
    assert!(status.last_error.unwrap().starts_with("parking: "));
    fs::remove_dir(&path).unwrap();
    drained(&handle).await;
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    assert_eq!(receiver.bodies(), ["1", "2"]);
    assert_eq!((handle.status().parked, handle.status().delivered), (1, 1));
}

#[tokio::test]
async fn without_a_file_a_refused_event_is_counted() {
    let receiver = Receiver::start(&["404 Not Found", "200 OK"]);
    let handle = started(config(&receiver.url));
    handle.offer(&one("/topic/A", "1"));
    handle.offer(&one("/topic/A", "2"));
    drained(&handle).await;
    assert_eq!(receiver.bodies(), ["1", "2"]);
    assert_eq!((handle.status().delivered, handle.status().refused), (1, 1));
}

#[test]
fn what_cannot_start_is_said_without_secrets() {
    let refused =
        |config: Config| start(sink(Format::Message, config), Supply::Memory).unwrap_err().to_string();
    let url = Url::parse("ftp://user:hush@example.com/hush?hush").unwrap();
    let error = refused(config(&url));
    assert!(error.contains("scheme is 'ftp'") && error.contains("http or https"), "{error}");
    assert!(!error.contains("hush"), "{error}");
    let url = Url::parse("https://example.com/").unwrap();
    for (name, value, why) in [
        ("bad name", "x", "no header name"),
        ("X-A", "hush\r\nX-B: hush", "control character"),
        ("webhook-id", "hush", "set by cometail itself"),
    ] {
        let headers = vec![(name.to_owned(), Secret::new(value.to_owned()))];
        let error = refused(Config { headers, ..config(&url) });
        assert!(error.contains(why) && !error.contains("hush"), "{error}");
    }
    let directory = tempfile::tempdir().unwrap();
    let error = refused(Config { parked: Some(directory.path().to_owned()), ..config(&url) });
    assert!(
        error.contains("is a directory") && error.contains(directory.path().to_str().unwrap()),
        "{error}"
    );
}

#[tokio::test]
async fn a_success_is_believed_whatever_its_body_is() {
    let receiver = Receiver::start(&[
        "200 OK\r\nContent-Encoding: br",
        "200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk",
        "204 No Content",
    ]);
    let handle = started(config(&receiver.url));
    handle.offer(&several(&[("/topic/A", "1"), ("/topic/A", "2"), ("/topic/A", "3")]));
    drained(&handle).await;
    assert_eq!(receiver.bodies(), ["1", "2", "3"]);
    assert_eq!((handle.status().delivered, handle.status().retried), (3, 0));
}
