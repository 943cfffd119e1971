//! Signatures, batches and the end of attempts, over real sockets.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::super::testing::{eventually, one, several};
use super::super::{Supply, start};
use super::testing::{Receiver, Seen, config, drained, sink, started};
use super::*;

const OLD: &str = "raw hush, 24 bytes of it";
const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// HMAC as RFC 2104 writes it down, for keys of at most a block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn expected(key: &[u8], seen: &Seen) -> String {
    let [id, timestamp] = ["webhook-id", "webhook-timestamp"].map(|name| seen.header(name).unwrap());
    let signed = format!("{id}.{timestamp}.{}", seen.body);
    format!("v1,{}", STANDARD.encode(hmac(key, signed.as_bytes())))
}

fn batched(receiver: &Receiver, events: usize) -> Config {
    Config { batch: Batch { events, ..Batch::default() }, ..config(&receiver.url) }
}

fn parked(path: &std::path::Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(receiver: &Receiver) -> Vec<String> {
    receiver.seen().iter().map(|seen| seen.header("webhook-id").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_attempt_is_signed_with_each_key_at_its_own_time() {
    let receiver = Receiver::start(&["503 Busy\r\nRetry-After: 1", "200 OK"]);
    let keys: Vec<_> = [NEW, OLD].iter().map(|secret| Key::parse(secret).unwrap()).collect();
    let handle = started(Config { keys, ..config(&receiver.url) });
    let event = one("/topic/A", r#"{"data":{"text":"\u00fc ü"}}"#);
    handle.offer(&event);
    drained(&handle).await;
    let seen = receiver.seen();
    let times: Vec<u64> =
        seen.iter().map(|seen| seen.header("webhook-timestamp").unwrap().parse().unwrap()).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(times[0] < times[1] && times[1] <= now && times[0] > now - 60, "{times:?}");
    let decoded = STANDARD.decode(&NEW["whsec_".len()..]).unwrap();
    for seen in &seen {
        assert_eq!(seen.header("webhook-id"), Some(event.get(0).unwrap().id().as_str()));
        let both = format!("{} {}", expected(&decoded, seen), expected(OLD.as_bytes(), seen));
        assert_eq!(seen.header("webhook-signature"), Some(both.as_str()));
        assert!(!seen.head.contains("hush, ") && !seen.head.contains("whsec_"));
    }
}

#[tokio::test]
async fn without_keys_there_is_a_time_and_no_signature() {
    let receiver = Receiver::start(&["200 OK"]);
    let handle = started(config(&receiver.url));
    handle.offer(&one("/topic/A", "1"));
    drained(&handle).await;
    let seen = receiver.seen();
    assert!(seen[0].header("webhook-timestamp").is_some() && seen[0].header("webhook-signature").is_none());
}

#[tokio::test]
async fn keys_are_in_no_debug_error_status_or_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parked");
    let receiver = Receiver::start(&["500 Oops", "410 Gone", "200 OK"]);
    let keys: Vec<_> = [NEW, OLD].iter().map(|secret| Key::parse(secret).unwrap()).collect();
    let config = Config { keys, parked: Some(path.clone()), ..config(&receiver.url) };
    let headers = vec![("webhook-signature".to_owned(), Secret::new(OLD.to_owned()))];
    let bad = Config { headers, ..config.clone() };
    let error = start(sink(Format::Message, bad), Supply::Memory).unwrap_err().to_string();
    assert!(error.contains("set by cometail itself"), "{error}");
    let debug = format!("{config:?}");
    let handle = started(config);
    handle.offer(&several(&[("/topic/A", "1"), ("/topic/A", "2")]));
    drained(&handle).await;
    assert_eq!(receiver.bodies(), ["1", "1", "2"]);
    let status = format!("{:?}", handle.status());
    for text in [debug, error, status, fs::read_to_string(&path).unwrap()] {
        for secret in ["hush, ", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "[49, 242,"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[tokio::test]
async fn a_batch_is_an_array_in_each_format() {
    for (format, content_type) in [
        (Format::Message, "application/json"),
        (Format::Data, "application/json"),
        (Format::Envelope, "application/json"),
        (Format::CloudEvents, "application/cloudevents-batch+json"),
    ] {
        let receiver = Receiver::start(&["500 Oops", "200 OK"]);
        let handle = start(sink(format, batched(&receiver, 2)), Supply::Memory).unwrap();
        let batch = several(&[
            ("/topic/A", r#"{"data":1.0}"#),
            ("/topic/B", r#"{"data":2}"#),
            ("/topic/A", r#"{"data":3}"#),
        ]);
        handle.offer(&batch);
        drained(&handle).await;
        let record = |index| {
            let mut record = Vec::new();
            format.append(&batch.get(index).unwrap(), &mut record);
            String::from_utf8(record).unwrap()
        };
        let pair = format!("[{},{}]", record(0), record(1));
        assert_eq!(receiver.bodies(), [pair.clone(), pair, format!("[{}]", record(2))]);
        assert!(receiver.seen().iter().all(|seen| seen.header("content-type") == Some(content_type)));
        let ids = ids(&receiver);
        assert_eq!(ids[0], ids[1], "the same on each attempt");
        assert_eq!(ids[2], batch.get(2).unwrap().id());
        assert_eq!((handle.status().delivered, handle.status().retried), (3, 1));
        let again = start(sink(format, batched(&receiver, 2)), Supply::Memory).unwrap();
        again.offer(&batch);
        drained(&again).await;
        assert_eq!(self::ids(&receiver)[3..], ids[1..], "the same after a restart");
    }
}

#[tokio::test]
async fn a_batch_is_bounded_in_bytes_and_a_larger_event_goes_alone() {
    let receiver = Receiver::start(&["200 OK"]);
    let batch = Batch { events: 100, bytes: 1024 };
    let handle = started(Config { batch, ..config(&receiver.url) });
    let large = format!("\"{}\"", "x".repeat(2000));
    let small = format!("\"{}\"", "y".repeat(300));
    handle.offer(&several(&[&*small, &small, &small, &small, &large, &small].map(|text| ("/topic/A", text))));
    drained(&handle).await;
    let sizes: Vec<_> = receiver.bodies().iter().map(String::len).collect();
    assert!(sizes.iter().all(|size| *size <= 1024 || *size == 2004), "{sizes:?}");
    let all: Vec<String> = receiver
        .bodies()
        .iter()
        .flat_map(|body| serde_json::from_str::<Vec<String>>(body).unwrap())
        .collect();
    assert_eq!(all.iter().map(String::len).collect::<Vec<_>>(), [300, 300, 300, 300, 2000, 300]);
    assert!(sizes.len() < 6, "{sizes:?}");
}

#[tokio::test]
async fn of_a_batch_only_the_poison_is_parked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parked");
    let receiver = Receiver::answering(|_, seen| {
        if seen.body.contains("poison") { "422 No".to_owned() } else { "200 OK".to_owned() }
    });
    let handle = started(Config { parked: Some(path.clone()), ..batched(&receiver, 4) });
    let batch = several(&["1", "\"poison\"", "3", "4", "5"].map(|text| ("/topic/A", text)));
    handle.offer(&batch);
    drained(&handle).await;
    assert_eq!(receiver.bodies(), ["[1,\"poison\",3,4]", "[1]", "[\"poison\"]", "[3]", "[4]", "[5]"]);
    assert_eq!(ids(&receiver)[1..], [0, 1, 2, 3, 4].map(|index| batch.get(index).unwrap().id()));
    let lines = parked(&path);
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["record"], &lines[0]["reason"]), (&"poison".into(), &"HTTP status 422".into()));
    assert_eq!(lines[0]["id"], *batch.get(1).unwrap().id());
    let status = handle.status();
    assert_eq!((status.delivered, status.parked, status.queued_events), (4, 1, 0));
}

#[tokio::test]
async fn what_is_not_delivered_in_its_time_is_parked_and_the_next_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parked");
    let receiver = Receiver::answering(|_, seen| {
        if seen.body.contains('1') { "503 Busy".to_owned() } else { "200 OK".to_owned() }
    });
    let budget = Duration::from_millis(200);
    let before = Instant::now();
    let handle =
        started(Config { parked: Some(path.clone()), retry_for: Some(budget), ..config(&receiver.url) });
    handle.offer(&several(&[("/topic/A", "1"), ("/topic/A", "2")]));
    drained(&handle).await;
    assert!(before.elapsed() >= budget);
    let bodies = receiver.bodies();
    assert!(bodies.len() >= 2 && bodies.last().unwrap() == "2", "{bodies:?}");
    assert_eq!(parked(&path)[0]["reason"], "not delivered within 200ms: HTTP status 503");
    assert_eq!((handle.status().delivered, handle.status().parked), (1, 1));
}

#[tokio::test]
async fn a_wait_that_outlasts_the_time_is_not_waited_for() {
    let receiver = Receiver::start(&["503 Busy\r\nRetry-After: 600", "200 OK"]);
    let handle = started(Config { retry_for: Some(Duration::from_secs(300)), ..config(&receiver.url) });
    handle.offer(&several(&[("/topic/A", "1"), ("/topic/A", "2")]));
    drained(&handle).await;
    assert_eq!(receiver.bodies(), ["1", "2"]);
    assert_eq!((handle.status().delivered, handle.status().refused), (1, 1));
}

#[tokio::test]
async fn of_a_batch_whose_time_is_over_each_event_has_one_more_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parked");
    let receiver = Receiver::answering(|_, seen| {
        if seen.body.contains("ill") { "500 Oops".to_owned() } else { "200 OK".to_owned() }
    });
    let retry_for = Some(Duration::from_millis(100));
    let handle = started(Config { parked: Some(path.clone()), retry_for, ..batched(&receiver, 3) });
    handle.offer(&several(&["1", "\"ill\"", "3"].map(|text| ("/topic/A", text))));
    drained(&handle).await;
    let bodies = receiver.bodies();
    assert_eq!(bodies[bodies.len() - 3..], ["[1]", "[\"ill\"]", "[3]"]);
    assert!(bodies[..bodies.len() - 3].iter().all(|body| body == "[1,\"ill\",3]") && bodies.len() >= 4);
    assert_eq!(parked(&path).len(), 1);
    assert_eq!((handle.status().delivered, handle.status().parked), (2, 1));
}

#[tokio::test]
async fn for_ever_is_for_ever() {
    let receiver = Receiver::start(&["500 Oops"]);
    let handle = started(config(&receiver.url));
    handle.offer(&one("/topic/A", "1"));
    eventually("many attempts", || handle.status().retried >= 30);
    assert_eq!(handle.status().queued_events, 1);
    assert_eq!(handle.abort(), 1);
}
