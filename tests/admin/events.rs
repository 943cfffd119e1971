//! Streams of events: what comes, what a slow reader misses, and that a thousand readers cost the daemon nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Site;
use super::client::Event;
use super::fake::Fake;
use super::support::{A, ARCHIVE, LONG, until};

/// As many streams as there may be.
const STREAMS: usize = 1024;

fn messages(numbers: std::ops::Range<u64>, size: usize) -> Vec<String> {
    let fill = "x".repeat(size);
    numbers.map(|n| format!("{{\"channel\":\"{A}\",\"data\":{{\"n\":{n},\"fill\":\"{fill}\"}}}}")).collect()
}

#[test]
fn events_come_as_the_server_sent_them_with_the_status_before_and_after() {
    let site = Site::start("").live();
    let mut events = site.client.events("");
    let first = events.next();
    assert_eq!(first.name, "status");
    assert_eq!(serde_json::from_str::<Value>(&first.data).unwrap()["connections"][0]["state"], "live");
    let raw = r#"{"data": {"event":{"replayId":42,"createdDate":"x"},  "sobject":{"n":1.50,"s":"\u00e4\u2028"}}, "channel":"/topic/A"}"#;
    site.emulator.publish_raw(A, raw);
    let data = events.text_of("message");
    let file = until("the event in the file", || site.place.lines(ARCHIVE).pop());
    let (head, rest) = data.split_once("\"message\":").unwrap();
    assert_eq!(rest, format!("{file}}}"), "byte by byte what the sink got");
    let event: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(
        (&event["connection"], &event["channel"], &event["replay"]),
        (&json!("c"), &json!(A), &json!(42))
    );
    assert!(event["received"].as_u64().unwrap() > 1_500_000_000_000, "{head}");
    let status = events.next_of("status");
    assert_eq!(status["connections"][0]["events"], 1);
}

#[test]
fn what_would_end_a_line_a_script_or_a_document_stays_within_its_event() {
    let fake = Fake::start(1);
    let mut events = fake.client.events("");
    let odd = [
        "{\"s\":\"</script><img src=x onerror=alert(1)>\"}",
        "{\"s\":\"\\u0000\\r\\n\\ndata: {}\\u2028\"}",
        "{\"s\":\"\u{2028}\u{2029}\u{85}\u{feff}\u{7f}\u{9b}31m\"}",
        "{\"s\":\"\u{202e}\u{10ffff}\"}",
        "{\r\n\"event: status\":\r\r\n\n1}",
    ];
    for text in odd {
        fake.offer("<b>&\"'", "/topic/</script>?x='\u{2028}'", &[text.to_owned()]);
        let data = events.text_of("message");
        let event: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(event["message"], serde_json::from_str::<Value>(text).unwrap(), "{data}");
        assert_eq!(event["connection"], "<b>&\"'");
        let sent = text.replace(['\r', '\n'], " ");
        assert!(data.ends_with(&format!("\"message\":{sent}}}")), "{data}");
    }
    // What is no JSON is no event that a page could take for one, and nothing but counted.
    for bad in ["{}\n\nevent: status\ndata: {}", "{", "\u{0}", "{\"s\":\"\u{1}\"}"] {
        fake.offer("c", A, &[bad.to_owned()]);
        assert_eq!(events.next_of("dropped")["events"], 1, "{bad:?}");
    }
}

#[test]
fn a_stream_is_of_the_connection_and_the_channels_that_it_names() {
    let fake = Fake::start(1);
    let mut all = fake.client.events("");
    let mut one = fake.client.events("?connection=other");
    let mut some = fake.client.events("?channel=/topic/A*&channel=%2Fu%2F**&snapshot_every=60s");
    for (connection, channel) in
        [("c", "/topic/A"), ("c", "/topic/B"), ("other", "/topic/AB"), ("c", "/u/x/y"), ("c", "/u")]
    {
        fake.offer(connection, channel, &[String::from("{}")]);
    }
    let channels = |stream: &mut super::client::Events, count: usize| -> Vec<String> {
        (0..count).map(|_| stream.next_of("message")["channel"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(channels(&mut all, 5), ["/topic/A", "/topic/B", "/topic/AB", "/u/x/y", "/u"]);
    assert_eq!(channels(&mut one, 1), ["/topic/AB"]);
    assert_eq!(channels(&mut some, 3), ["/topic/A", "/topic/AB", "/u/x/y"]);
    for query in ["?x=1", "?channel=topic", "?channel=/a**", "?snapshot_every=1", "?snapshot_every=1h"] {
        assert_eq!(fake.client.get(&format!("/api/v1/events{query}")).status, 422, "{query}");
    }
}

#[test]
fn the_status_comes_when_something_changed() {
    let fake = Fake::start(1);
    let mut events = fake.client.events("");
    assert_eq!(events.next_of("status")["connections"][0]["events"], 0);
    fake.status.lock().unwrap().connections[0].events = 7;
    let begun = Instant::now();
    assert_eq!(events.next_of("status")["connections"][0]["events"], 7);
    assert!(begun.elapsed() < Duration::from_secs(8), "not only with the next heartbeat");
    fake.status.lock().unwrap().updated_at = 99;
    let begun = Instant::now();
    assert_eq!(events.next_of("status")["updated_at"], 99);
    let quiet = begun.elapsed();
    assert!(quiet > Duration::from_secs(7), "its time alone is no news: {quiet:?}");
}

#[test]
fn a_slow_reader_hears_how_much_it_missed_and_holds_up_no_other() {
    let fake = Fake::start(1);
    let mut slow = fake.client.events("");
    let mut quick = fake.client.events("");
    // 48 MB: more than the ring and what sockets hold.
    let mut seen = 0;
    for round in 0..200_u64 {
        let begun = Instant::now();
        fake.offer("c", A, &messages(round * 10..round * 10 + 10, 24 << 10));
        assert!(begun.elapsed() < Duration::from_secs(1), "an offer waits for nobody");
        while seen < round * 10 + 10 {
            assert_eq!(quick.next_of("message")["message"]["data"]["n"], seen);
            seen += 1;
        }
    }
    let (mut next, mut missed, begun) = (0, 0, Instant::now());
    while next < 2000 {
        assert!(begun.elapsed() < LONG, "{next} of 2000");
        let Event { name, data } = slow.next();
        let data: Value = serde_json::from_str(&data).unwrap();
        match name.as_str() {
            "dropped" => {
                let events = data["events"].as_u64().unwrap();
                (next, missed) = (next + events, missed + events);
            }
            "message" => {
                assert_eq!(data["message"]["data"]["n"], next, "each event, or how many are missing");
                next += 1;
            }
            _ => {}
        }
    }
    assert!((200..2000).contains(&missed), "{missed}");
}

#[test]
fn what_the_server_does_not_take_in_time_is_counted_as_well() {
    let fake = Fake::start(1);
    let mut events = fake.client.events("");
    events.next_of("status");
    // More than 16 MiB in one go, and one event that is too large to be shown.
    fake.offer("c", A, &messages(0..20, 1 << 20));
    fake.offer("c", A, &messages(20..21, 2 << 20));
    fake.offer("c", A, &messages(21..22, 10));
    let mut missed = 0;
    while missed < 21 {
        missed += events.next_of("dropped")["events"].as_u64().unwrap();
    }
    assert_eq!(missed, 21);
    fake.offer("c", A, &messages(22..23, 10));
    let n = |event: Value| event["message"]["data"]["n"].as_u64().unwrap();
    let last = loop {
        let n = n(events.next_of("message"));
        if n == 22 {
            break n;
        }
    };
    assert_eq!(last, 22);
}

#[test]
fn a_thousand_readers_hold_up_neither_the_poll_nor_each_other() {
    let site = Site::start("").live();
    // Half of them never read.
    let mut streams: Vec<_> = (0..STREAMS).map(|_| site.client.events("?snapshot_every=60s")).collect();
    let refused = site.client.get("/api/v1/events");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert_eq!(refused.error(), "there are too many streams: ");
    site.emulator.publish_each(0..100);
    site.place.wait_for(ARCHIVE, 0..100);
    for stream in streams.iter_mut().skip(STREAMS / 2) {
        for n in 0..100 {
            assert_eq!(stream.next_of("message")["message"]["data"]["sobject"]["n"], n);
        }
    }
    let status = site.client.status();
    let longest = status["connections"][0]["longest_without_poll_ms"].as_u64().unwrap();
    assert!(longest < 1000, "{longest} ms without a poll");
    assert_eq!(status["connections"][0]["handshakes"], 1);
    drop(streams);
    let mut next = until("room for a stream", || site.client.try_events("").ok());
    next.next_of("status");
}
