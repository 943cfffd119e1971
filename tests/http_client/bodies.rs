//! Bodies: whole, cut at their caps, inflated.

use std::io::Write as _;
use std::time::{Duration, Instant};

use cometail::bayeux::border::{FaultKind, Outcome};
use cometail::http::Client;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Server, client, config, post, post_for_status, request, with_headers};

const READ_MAX: usize = 10_000;
const INFLATED_MAX: usize = 50_000;

fn capped() -> Client {
    let mut config = config();
    config.body_max = READ_MAX;
    config.inflated_max = INFLATED_MAX;
    Client::new(&config).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn with_body(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut response =
        format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response
}

async fn answer(client: &mut Client, response: impl Into<Vec<u8>>) -> Outcome {
    let server = Server::closing_after(response).await;
    post(client, &server.url("/")).await
}

async fn fault(client: &mut Client, response: impl Into<Vec<u8>>) -> FaultKind {
    let fault = answer(client, response).await.unwrap_err();
    assert!(fault.sent, "{fault}");
    fault.kind
}

#[tokio::test]
async fn bodies_of_every_framing_arrive_whole() {
    for size in [0, 1, 300, 20_000, 3_000_000] {
        let body = "x".repeat(size);
        let known = with_headers("200 OK", "", &body);
        let half = size / 2;
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}{:x}\r\n{}\r\n0\r\nT: x\r\n\r\n",
            if half == 0 { String::new() } else { format!("{half:x}\r\n{}\r\n", &body[..half]) },
            (size - half).max(1),
            if size == 0 { "x" } else { &body[half..] },
        );
        let closed = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
        for (response, wanted) in [(known, size), (chunked, size.max(1)), (closed, size)] {
            let reply = answer(&mut client(), response.clone()).await;
            let reply = reply.unwrap_or_else(|fault| panic!("{size} {response:.60}: {fault}"));
            assert_eq!(reply.body.len(), wanted, "{response:.60}");
        }
    }
}

#[tokio::test]
async fn a_length_over_the_cap_is_refused_at_once() {
    // None of the body ever comes: the length alone decides. The last one would not fit into memory.
    for length in [READ_MAX + 1, 1 << 40, usize::MAX / 2] {
        let server = Server::saying(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).await;
        let mut client = capped();
        for connections in 1..=2 {
            let fault = post(&mut client, &server.url("/")).await.unwrap_err();
            assert_eq!((fault.kind, fault.sent), (FaultKind::TooLarge, true), "{fault}");
            assert_eq!(server.connections(), connections);
        }
    }
}

#[tokio::test]
async fn chunks_are_cut_at_the_cap() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    let fits = format!("{head}{}0\r\n\r\n", chunk.repeat(10));
    assert_eq!(answer(&mut capped(), fits).await.unwrap().body.len(), READ_MAX);
    // Without an end: only the cap can stop it.
    let server = Server::start(move |mut stream, _, seen| {
        let chunk = chunk.clone();
        async move {
            request(&mut stream, &seen).await;
            tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
            while tokio::io::AsyncWriteExt::write_all(&mut stream, chunk.as_bytes()).await.is_ok() {}
        }
    })
    .await;
    let fault = post(&mut capped(), &server.url("/")).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::TooLarge, true), "{fault}");
}

#[tokio::test]
async fn a_length_that_lies_is_a_broken_response() {
    let lie = "HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n[]";
    assert_eq!(fault(&mut client(), lie).await, FaultKind::Broken);
    let cut = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[]";
    assert_eq!(fault(&mut client(), cut).await, FaultKind::Broken);
}

#[tokio::test]
async fn gzip_is_undone() {
    let body = "[{\"channel\":\"/topic/A\"}]".repeat(500);
    let packed = gzip(body.as_bytes());
    let headers = "Content-Encoding: gzip\r\n";
    assert_eq!(answer(&mut capped(), with_body(headers, &packed)).await.unwrap().body, body.as_bytes());
    let twice = [gzip(b"[1,"), gzip(b"2]")].concat();
    assert_eq!(answer(&mut capped(), with_body(headers, &twice)).await.unwrap().body, "[1,2]");
    assert_eq!(answer(&mut capped(), with_body(headers, b"")).await.unwrap().body, "");
    let fits = gzip(&vec![b' '; INFLATED_MAX]);
    assert_eq!(answer(&mut capped(), with_body(headers, &fits)).await.unwrap().body.len(), INFLATED_MAX);
}

#[tokio::test]
async fn a_gzip_bomb_is_stopped_at_the_cap() {
    let bomb = gzip(&vec![0; 5 << 20]);
    assert!(bomb.len() < READ_MAX, "{}", bomb.len());
    let response = with_body("Content-Encoding: gzip\r\n", &bomb);
    assert_eq!(fault(&mut capped(), response).await, FaultKind::TooLarge);
    let over = gzip(&vec![b' '; INFLATED_MAX + 1]);
    assert_eq!(
        fault(&mut capped(), with_body("Content-Encoding: gzip\r\n", &over)).await,
        FaultKind::TooLarge
    );
}

#[tokio::test]
async fn gzip_that_is_none_is_malformed() {
    let packed = gzip(&b"[{\"channel\":\"/topic/A\"}]".repeat(100));
    let mut damaged = packed.clone();
    let last = damaged.len() - 6;
    damaged[last] ^= 0xff;
    let bad =
        [&packed[..packed.len() - 9], &packed[..5], b"[]", damaged.as_slice(), &[&packed[..], b"!"].concat()];
    for body in bad {
        let response = with_body("Content-Encoding: gzip\r\n", body);
        assert_eq!(fault(&mut capped(), response).await, FaultKind::Malformed, "{} bytes", body.len());
    }
    let response = with_body("Content-Encoding: br\r\n", b"[]");
    assert_eq!(fault(&mut capped(), response).await, FaultKind::Malformed);
}

#[tokio::test]
async fn where_only_the_status_matters_no_body_is_a_fault() {
    let broken = with_body("Content-Encoding: gzip\r\n", b"this is no gzip");
    let odd = with_headers("201 Created", "Content-Encoding: br\r\n", "xx");
    for (response, kept) in [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx".to_vec(), false),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n".to_vec(), false),
        (broken, true),
        (odd.into_bytes(), true),
        (with_headers("500 Oops", "", &"x".repeat(60_000)).into_bytes(), true),
        (with_headers("200 OK", "", &"x".repeat(70_000)).into_bytes(), false),
    ] {
        let server = Server::saying(response.clone()).await;
        let mut client = capped();
        for _ in 0..2 {
            let reply =
                post_for_status(&mut client, &server.url("/"), Duration::from_secs(20)).await.unwrap();
            assert!(reply.body.is_empty() && [200, 201, 500].contains(&reply.status));
        }
        let head = String::from_utf8_lossy(&response[..60.min(response.len())]).into_owned();
        assert_eq!(server.connections(), if kept { 1 } else { 2 }, "{head}");
    }
}

#[tokio::test]
async fn a_body_that_never_ends_holds_up_no_status() {
    let server = Server::start(|mut stream, _, seen| async move {
        request(&mut stream, &seen).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for (deadline, at_most) in [(Duration::from_secs(60), 10_000), (Duration::from_millis(300), 900)] {
        let begun = Instant::now();
        let reply = post_for_status(&mut client(), &server.url("/"), deadline).await.unwrap();
        assert_eq!(reply.status, 200);
        assert!(begun.elapsed() < Duration::from_millis(at_most), "{:?}", begun.elapsed());
    }
}
