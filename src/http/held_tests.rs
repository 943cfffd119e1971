//! A stream that is held, between a link and a server that decides about every byte. The clock is virtual.

use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::super::link::{Call, Link, Sent};
use super::super::trouble::chain;
use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";

fn call(body: &'static str) -> Call {
    let body = Full::new(Bytes::from_static(body.as_bytes()));
    hyper::Request::post("/cometd").header("host", "acme").body(body).unwrap()
}

/// A request that is held by its server, which has read so many bytes of it.
async fn held(body: &'static str) -> (Arc<Stream>, DuplexStream, Vec<u8>) {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let mut link = Link::new(near, "acme").await.unwrap();
    let Ok(Sent::Held(stream)) = link.send_or_hold(call(body)).await else { panic!("it is not held") };
    let mut seen = vec![0; 1 << 10];
    let count = far.read(&mut seen).await.unwrap();
    seen.truncate(count);
    (stream, far, seen)
}

async fn again(stream: Arc<Stream>, body: &'static str) -> (Link, Result<Response<Incoming>, String>) {
    let mut link = Link::resume(stream, "acme").await.unwrap();
    let response = link.send(call(body)).await.map_err(|lost| chain(lost.error()));
    (link, response)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_made_again_does_not_go_out_again() {
    let (stream, mut far, seen) = held("[1]").await;
    assert!(seen.starts_with(b"POST /cometd HTTP/1.1\r\n") && seen.ends_with(b"\r\n\r\n[1]"));
    far.write_all(OK).await.unwrap();
    stream.heard().await;
    let (mut link, response) = again(stream, "[1]").await;
    assert_eq!(response.unwrap().status(), 200);
    assert!(link.is_usable().await, "and the next request goes over the same stream");
    let Ok(Sent::Held(_)) = link.send_or_hold(call("[22]")).await else { panic!("it is not held") };
    drop(link);
    let mut rest = vec![0; 1 << 10];
    let count = far.read(&mut rest).await.unwrap();
    assert_eq!(count, seen.len() + 1, "the second request alone");
    assert!(rest[..count].ends_with(b"\r\n\r\n[22]"));
}

#[tokio::test(start_paused = true)]
async fn another_request_than_the_one_that_is_held_is_refused() {
    for other in ["[2]", "[1,2]", "[]"] {
        let (stream, mut far, _) = held("[1]").await;
        far.write_all(OK).await.unwrap();
        stream.heard().await;
        let response = tokio::time::timeout(Duration::from_secs(60), again(stream, other)).await;
        // One that is shorter leaves bytes that never come, which the deadline of its exchange ends.
        let refused = response.map_or(other == "[]", |(_, response)| response.is_err());
        assert!(refused, "{other}");
        let mut more = Vec::new();
        far.read_to_end(&mut more).await.unwrap();
        assert!(more.is_empty(), "nothing of it went out: {more:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_held_stream_is_heard_and_told() {
    let (stream, far, _) = held("[1]").await;
    drop(far);
    stream.heard().await;
    let (_, response) = again(stream, "[1]").await;
    assert!(response.unwrap_err().contains("closed"));
}

#[tokio::test(start_paused = true)]
async fn who_spoke_over_a_stream_before_sees_nothing_of_it_any_more() {
    let (near, mut far) = tokio::io::duplex(64);
    let stream = Stream::new(near);
    let mut old = stream.handle();
    stream.begin();
    assert!(!stream.hold(), "nothing has been asked");
    old.write_all(b"question").await.unwrap();
    assert!(!stream.hold(), "it may not have left");
    old.flush().await.unwrap();
    assert!(stream.hold());
    far.write_all(b"answer").await.unwrap();
    stream.heard().await;
    let nothing = tokio::time::timeout(Duration::from_secs(1), old.read_u8()).await;
    assert!(nothing.is_err());
    let mut new = stream.resume();
    let early = tokio::time::timeout(Duration::from_secs(1), new.read_u8()).await;
    assert!(early.is_err(), "not before the question is asked again");
    new.write_all(b"question").await.unwrap();
    let mut answer = [0; 6];
    new.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
    assert!(!stream.hold(), "it has been answered");
}

/// How long after `begun` a request is held that is sent so many milliseconds after it.
async fn held_after(begun: Instant, sent_after: u64) -> Duration {
    tokio::time::sleep_until(begun + Duration::from_millis(sent_after)).await;
    held("[1]").await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_few_requests_are_held_together_and_many_as_soon_as_may_be() {
    held("[1]").await;
    let step = Instant::now();
    let (one, other) = tokio::join!(held_after(step, 10), held_after(step, 100));
    let apart = other.abs_diff(one);
    assert!(apart <= Duration::from_millis(2), "a step ends for both: {one:?}, {other:?}");
    assert!(other >= Duration::from_millis(150), "neither before its time: {other:?}");

    let (begun, mut many) = (Instant::now(), tokio::task::JoinSet::new());
    for _ in 0..100 {
        many.spawn(held_after(begun, 0));
    }
    let soon = many.join_all().await.into_iter().filter(|after| *after < Duration::from_millis(60)).count();
    assert!(soon >= 60, "{soon} of 100");
}
