//! What becomes of an order, and that events of a channel come that was asked for while the daemon ran.

use std::sync::Arc;
use std::time::Instant;

use cometail::admin::{Order, Refusal, Target};
use cometail::event::{Channel, ReplayId};

use super::Site;
use super::client::{Client, JSON, Reply};
use super::fake::Fake;
use super::support::wait;

const CHANNELS: &str = "/api/v1/connections/acme/channels";

fn subscribe(replay: ReplayId) -> Order {
    Order::Subscribe { connection: Arc::from("acme"), channel: Channel::parse("/topic/X").unwrap(), replay }
}

#[test]
fn each_path_is_one_order() {
    let mut fake = Fake::start(4);
    let (acme, orders) = (Target::Connection(Arc::from("acme")), Target::Sink(Arc::from("orders")));
    let unsubscribed = Order::Unsubscribe {
        connection: Arc::from("acme"),
        channel: Channel::parse("/topic/X?Name='a b+c'").unwrap(),
    };
    let query = format!("{CHANNELS}?channel=/topic/X%3FName%3D%27a+b%2Bc%27");
    for (method, path, body, wanted) in [
        ("POST", CHANNELS, r#"{"channel": "/topic/X"}"#, subscribe(ReplayId::NEW)),
        ("POST", CHANNELS, r#"{"channel": "/topic/X", "replay": "new"}"#, subscribe(ReplayId::NEW)),
        ("POST", CHANNELS, r#"{"channel": "/topic/X", "replay": "all"}"#, subscribe(ReplayId::ALL)),
        ("POST", CHANNELS, r#"{"channel": "/topic/X", "replay": 123}"#, subscribe(ReplayId(123))),
        ("DELETE", &query, "", unsubscribed),
        ("POST", "/api/v1/connections/acme/pause", "", Order::Pause(acme.clone())),
        ("POST", "/api/v1/connections/acme/resume", "{}", Order::Resume(acme)),
        ("POST", "/api/v1/sinks/orders/pause", "", Order::Pause(orders.clone())),
        ("POST", "/api/v1/sinks/orders/resume", "", Order::Resume(orders)),
        ("POST", "/api/v1/reload", "", Order::Reload),
        ("POST", "/api/v1/capture", r#"{"on": true}"#, Order::Capture(true)),
        ("POST", "/api/v1/capture", r#"{"on": false}"#, Order::Capture(false)),
    ] {
        let (order, reply) = fake.meet(Some(Ok(())), |client| client.ask(method, path, &[JSON], body));
        assert_eq!(order, wanted, "{path} {body}");
        assert_eq!((reply.status, reply.body.as_str()), (202, r#"{"accepted":true,"done":true}"#), "{path}");
    }
}

#[test]
fn every_refusal_has_its_status_and_its_reasons() {
    let mut fake = Fake::start(4);
    let reload = |client: &Client| client.post("/api/v1/reload", "");
    let unknown = Refusal::Unknown(Target::Sink(Arc::from("x")));
    let problems = vec![String::from("a.toml:1:1: url: found nothing"), String::from("two")];
    for (refusal, status, told) in [
        (unknown, 404, "there is no sink x: "),
        (Refusal::Impossible(String::from("not while it rains")), 409, "not while it rains: "),
        (Refusal::Invalid(problems), 422, "nothing has changed: a.toml:1:1: url: found nothing; two"),
        (Refusal::Busy, 503, "too many orders wait; ask again: "),
    ] {
        let (_, reply) = fake.meet(Some(Err(refusal)), reload);
        assert_eq!((reply.status, reply.error().as_str()), (status, told));
        assert_eq!(reply.header("retry-after").is_some(), status == 503);
    }
    let (_, reply) = fake.meet(None, reload);
    assert_eq!((reply.status, reply.error().as_str()), (503, "the daemon is ending: "));
}

#[test]
fn a_daemon_that_does_not_answer_is_waited_for_five_seconds_and_a_full_queue_not_at_all() {
    let fake = Fake::start(1);
    let begun = Instant::now();
    let ask = |client: Client| std::thread::spawn(move || client.post("/api/v1/reload", ""));
    let first = ask(fake.client.clone());
    let refused: Reply = loop {
        // Whichever of the two comes first is the one that waits.
        let second = ask(fake.client.clone()).join().unwrap();
        if second.status == 503 {
            break second;
        }
        assert_eq!(second.status, 202);
    };
    assert_eq!(refused.header("retry-after"), Some("1"));
    let first = first.join().unwrap();
    let late = begun.elapsed().as_secs();
    assert!(matches!(first.status, 202 | 503), "{first:?}");
    if first.status == 202 {
        assert_eq!(first.body, r#"{"accepted":true,"done":false}"#);
        assert!((5..20).contains(&late), "{late} s");
    }
    assert_eq!(fake.client.get("/healthz").status, 200);
    let Fake { client, orders, server, .. } = fake;
    drop(orders);
    assert_eq!(client.post("/api/v1/reload", "").error(), "the daemon is ending: ");
    drop(server);
}

#[test]
fn what_is_wrong_in_a_request_is_told_and_reaches_nobody() {
    let mut fake = Fake::start(4);
    let post = |path: &str, body: &str| fake.client.post(path, body);
    for (path, body, told) in [
        (CHANNELS, "", "the body: EOF"),
        (CHANNELS, "[]", "the body: "),
        (CHANNELS, "{}", "missing field `channel`"),
        (CHANNELS, r#"{"channel": "topic"}"#, "channel: a channel starts with '/'"),
        (CHANNELS, r#"{"channel": "/meta/connect"}"#, "the protocol's own"),
        (CHANNELS, r#"{"channel": "/topic/X", "replay": -3}"#, "replay: found -3"),
        (CHANNELS, r#"{"channel": "/topic/X", "replay": "nwe"}"#, "the body: "),
        (CHANNELS, r#"{"channel": "/topic/X", "replay": 1.5}"#, "the body: "),
        (CHANNELS, r#"{"channel": "/topic/X", "reply": 1}"#, "unknown field `reply`"),
        (CHANNELS, "{\"channel\": \"/topic/\\u0007\"}", "no control character"),
        ("/api/v1/capture", r#"{"on": 1}"#, "the body: "),
        ("/api/v1/reload", r#"{"now": true}"#, "unknown field `now`"),
        ("/api/v1/sinks/a/pause", "x", "the body: "),
    ] {
        let reply = post(path, body);
        assert_eq!(reply.status, 422, "{path} {body}");
        assert!(reply.error().contains(told), "{path} {body}: {}", reply.error());
    }
    for query in ["", "?", "?channel=", "?channel=topic", "?chanel=/a", "?channel=/a&channel=/b"] {
        let reply = fake.client.ask("DELETE", &format!("{CHANNELS}{query}"), &[JSON], "");
        assert_eq!(reply.status, 422, "{query}");
    }
    assert!(fake.orders.try_recv().is_err());
}

#[test]
fn a_channel_that_is_asked_for_at_runtime_brings_its_events_until_it_is_not_wanted() {
    let site = Site::start("").live();
    let channels = "/api/v1/connections/c/channels";
    site.emulator.publish("/topic/B", 1);
    for _ in 0..2 {
        let reply = site.client.post(channels, r#"{"channel": "/topic/B", "replay": "all"}"#);
        assert_eq!(reply.status, 202, "asking twice is asking once: {reply:?}");
    }
    site.emulator.wait_polled(2);
    site.emulator.publish("/topic/B", 2);
    site.place.wait_for("out/topic.B.jsonl", 1..3);
    let gone = format!("{channels}?channel=/topic/B");
    for _ in 0..2 {
        assert_eq!(site.client.ask("DELETE", &gone, &[JSON], "").status, 202);
    }
    wait("one channel in the status", || {
        site.client.status()["connections"][0]["channels"].as_array().unwrap().len() == 1
    });
    site.emulator.wait_polled(1);
    let reply = site.client.post("/api/v1/connections/d/channels", r#"{"channel": "/topic/B"}"#);
    assert_eq!((reply.status, reply.error().as_str()), (404, "there is no connection d: "));
    site.emulator.publish_each(0..2);
    site.place.wait_for(super::support::ARCHIVE, 0..2);
}

#[test]
fn a_paused_connection_or_sink_goes_on_with_every_event_once() {
    let site = Site::start("").live();
    let order = |path: &str| {
        let reply = site.client.post(&format!("/api/v1/{path}"), "");
        assert_eq!((reply.status, reply.json()["done"] == true), (202, true), "{path}: {reply:?}");
    };
    let mut next = 0;
    for round in 0..3 {
        for what in ["connections/c", "sinks/archive"] {
            site.emulator.publish_each(next..next + 3);
            (0..2).for_each(|_| order(&format!("{what}/pause")));
            if what.starts_with("connections") {
                site.emulator.wait_unpolled();
                wait("not ready", || site.client.get("/readyz").status == 503);
            }
            site.emulator.publish_each(next + 3..next + 6);
            (0..2).for_each(|_| order(&format!("{what}/resume")));
            next += 6;
            site.place.wait_for(super::support::ARCHIVE, 0..next);
            wait("ready", || site.client.get("/readyz").status == 200);
        }
        site.emulator.publish(super::support::A, next);
        next += 1;
        site.place.wait_for(super::support::ARCHIVE, 0..next);
        assert_eq!(site.client.get("/healthz").status, 200, "round {round}");
    }
    for (path, what) in [("connections/d/pause", "connection d"), ("sinks/d/resume", "sink d")] {
        let reply = site.client.post(&format!("/api/v1/{path}"), "");
        assert_eq!((reply.status, reply.error()), (404, format!("there is no {what}: ")));
    }
}

#[test]
fn a_reload_says_what_is_wrong_and_a_good_file_is_used() {
    let site = Site::start("").live();
    let (file, good) = (site.place.path("cometail.toml"), site.place.text("cometail.toml"));
    let text = std::fs::read_to_string(&good).unwrap();
    std::fs::write(&file, text.replace("channels = [", "chanels = [")).unwrap();
    let reply = site.client.post("/api/v1/reload", "");
    assert_eq!(reply.status, 422, "{reply:?}");
    assert!(reply.error().contains("did you mean channels?"), "{}", reply.error());
    std::fs::write(&file, text.replace("\"/topic/A\"]", "\"/topic/A\", \"/topic/B\"]")).unwrap();
    let reply = site.client.post("/api/v1/reload", "");
    assert_eq!(reply.status, 202, "{reply:?}");
    site.emulator.wait_polled(2);
}

#[test]
fn a_capture_is_switched_on_and_off() {
    let site = Site::start("").live();
    let switch = |on: bool| site.client.post("/api/v1/capture", &format!(r#"{{"on": {on}}}"#)).status;
    let file = site.place.path("state/wire.har");
    assert!(!file.exists(), "it is off at the start");
    assert_eq!((switch(true), switch(true)), (202, 202));
    site.emulator.publish_each(0..3);
    site.place.wait_for(super::support::ARCHIVE, 0..3);
    site.emulator.wait_polled(1);
    assert_eq!((switch(false), switch(false)), (202, 202));
    let har = std::fs::read_to_string(&file).unwrap();
    assert!(har.contains("/meta/connect") && har.ends_with("]}}\n"), "{har}");
}
