//! Polls that a server holds for longer than the client keeps more than their socket: nothing goes out twice, nothing
//! is lost, and whoever waits is let go as from any other.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cometail::bayeux::border::FaultKind;
use cometail::http::{Client, Config, Jar, Request};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use url::Url;

use crate::support::{
    Seen, Server, client, config, header, ok, post, post_within, request, until, with_headers,
};
use crate::tls::Authority;

/// How long servers here say nothing, which is what is tested and nothing that could be waited for: several times as long
/// as the time after which a client keeps the socket alone, which is a quarter of a second at most.
const HELD: Duration = Duration::from_secs(1);
/// Between two pieces of a response.
const PAUSE: Duration = Duration::from_millis(30);

/// Holds each request of a connection, and answers with `pieces`, one after another.
async fn hold(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<Seen>, pieces: Arc<[Vec<u8>]>) {
    while request(&mut stream, &seen).await.is_some() {
        let mut more = [0; 1];
        let early = tokio::time::timeout(HELD, stream.read(&mut more)).await;
        assert!(early.is_err(), "something came after the request: {early:?}");
        for piece in &*pieces {
            if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn holding(pieces: Vec<Vec<u8>>) -> Server {
    let pieces: Arc<[Vec<u8>]> = pieces.into();
    Server::start(move |stream, _, seen| hold(stream, seen, Arc::clone(&pieces))).await
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body].concat()
}

/// Two polls in a row on one connection, each held, each answered with `pieces`, which say `body`.
async fn is_heard(pieces: Vec<Vec<u8>>, body: &str) {
    let server = holding(pieces).await;
    let mut client = client();
    for count in 1..=2 {
        assert_eq!(post(&mut client, &server.url("/")).await.unwrap().body, body);
        assert_eq!((server.connections(), server.requests().len()), (1, count));
    }
    let requests = server.requests();
    assert_eq!(requests[0], requests[1]);
}

#[tokio::test]
async fn a_held_poll_gets_its_response() {
    is_heard(vec![ok("[1,2]").into_bytes()], "[1,2]").await;
}

#[tokio::test]
async fn a_response_to_a_held_poll_may_come_in_any_pieces() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n";
    for cut in [1, 20, 50, 60] {
        let (first, rest) = chunked.as_bytes().split_at(cut);
        is_heard(vec![first.to_vec(), rest.to_vec()], "[1]").await;
    }
}

#[tokio::test]
async fn a_response_to_a_held_poll_may_be_large_or_gzip() {
    let large = format!("[\"{}\"]", "x".repeat(300_000));
    is_heard(vec![ok(&large).into_bytes()], &large).await;
    is_heard(vec![gzipped(&large)], &large).await;
}

#[tokio::test]
async fn an_interim_response_does_not_end_a_held_poll() {
    let interim = b"HTTP/1.1 102 Processing\r\n\r\n".to_vec();
    is_heard(vec![interim.clone(), ok("[1]").into_bytes()], "[1]").await;
    is_heard(vec![[interim, ok("[1]").into_bytes()].concat()], "[1]").await;
}

#[tokio::test]
async fn a_held_poll_that_is_closed_counts_as_sent_and_is_not_repeated() {
    for reset in [false, true] {
        let server = Server::start(move |mut stream, _, seen| async move {
            request(&mut stream, &seen).await;
            tokio::time::sleep(HELD).await;
            if reset {
                stream.set_zero_linger().unwrap();
            }
        })
        .await;
        let fault = post(&mut client(), &server.url("/")).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Broken, true), "{fault:?}");
        assert_eq!((server.connections(), server.requests().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_response_without_meaning_to_a_held_poll_is_malformed() {
    let server = holding(vec![b"SMTP ready\r\n\r\n".to_vec()]).await;
    let fault = post(&mut client(), &server.url("/")).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Malformed, true), "{fault:?}");
}

#[tokio::test]
async fn the_deadline_ends_a_held_poll_and_its_connection() {
    let server = Server::start(|mut stream, _, seen| async move {
        while request(&mut stream, &seen).await.is_some() {}
        drop(stream);
        seen.close();
    })
    .await;
    let begun = Instant::now();
    let fault = post_within(&mut client(), &server.url("/"), HELD).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Timeout, true), "{fault:?}");
    assert!((HELD..HELD * 3).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    server.wait_closed(1).await;
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_held_poll_that_is_given_up_closes_its_connection() {
    let server = Server::start(|mut stream, number, seen| async move {
        while request(&mut stream, &seen).await.is_some() {
            if number > 1 {
                stream.write_all(ok("[]").as_bytes()).await.unwrap();
            }
        }
        drop(stream);
        seen.close();
    })
    .await;
    let mut client = client();
    let url = server.url("/");
    tokio::time::timeout(HELD, post(&mut client, &url)).await.unwrap_err();
    server.wait_closed(1).await;
    assert_eq!(post(&mut client, &url).await.unwrap().body, "[]");
    assert_eq!((server.connections(), server.requests().len()), (2, 2));
}

#[tokio::test]
async fn cookies_that_change_meanwhile_are_those_of_the_next_request() {
    let server = Server::start(|mut stream, _, seen| async move {
        while let Some(request) = request(&mut stream, &seen).await {
            let name = if request.starts_with("POST /side") { "side" } else { "poll" };
            if name == "poll" {
                tokio::time::sleep(HELD).await;
            }
            let cookie = format!("Set-Cookie: {name}=1\r\n");
            stream.write_all(with_headers("200 OK", &cookie, "[]").as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut poll = client().with_jar(Arc::new(Jar::new()));
    let mut side = poll.lane();
    let (url, other) = (server.url("/"), server.url("/side"));
    post(&mut side, &other).await.unwrap();
    let meanwhile = async {
        until("the poll is open", || server.requests().len() == 2).await;
        // By then the client keeps the socket alone, which nothing shows from outside; the server still says nothing.
        tokio::time::sleep(HELD / 2).await;
        post(&mut side, &server.url("/side/2")).await.unwrap();
    };
    let (polled, ()) = tokio::join!(post(&mut poll, &url), meanwhile);
    polled.unwrap();
    post(&mut side, &other).await.unwrap();
    let cookies: Vec<_> =
        server.requests().iter().map(|text| header(text, "cookie").map(str::to_owned)).collect();
    assert_eq!(cookies.first(), Some(&None));
    assert_eq!(cookies.get(1).unwrap().as_deref(), Some("side=1"));
    assert!(cookies.last().unwrap().as_ref().is_some_and(|all| all.contains("poll=1")), "{cookies:?}");
}

/// A server that is slow to read holds nothing: the request has not left.
#[tokio::test]
async fn a_request_that_is_still_on_its_way_goes_on() {
    let length = 16 << 20;
    let server = Server::start(move |mut stream, _, _| async move {
        tokio::time::sleep(HELD).await;
        let mut text = Vec::new();
        while !text.windows(4).any(|part| part == b"\r\n\r\n") {
            stream.read_buf(&mut text).await.unwrap();
        }
        let head = text.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
        let mut left = length - (text.len() - head);
        let mut buffer = vec![0; 1 << 20];
        while left > 0 {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!((1..=left).contains(&read));
            left -= read;
        }
        stream.write_all(ok("[]").as_bytes()).await.unwrap();
    })
    .await;
    let url = server.url("/");
    let body = Bytes::from(vec![b' '; length]);
    assert_eq!(client().post(plainly(&url, body)).await.unwrap().body, "[]");
}

fn plainly(url: &Url, body: Bytes) -> Request<'_> {
    let deadline = Duration::from_secs(20);
    Request { url, body, content_type: "text/plain", authorization: None, headers: &[], deadline }
}

#[tokio::test]
async fn a_held_poll_gets_its_response_over_tls() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("localhost", 4000);
    let large = format!("[\"{}\"]", "x".repeat(100_000));
    let pieces: Arc<[Vec<u8>]> = [ok(&large).into_bytes()].into();
    let server = Server::start(move |stream, _, seen| {
        let (acceptor, pieces) = (acceptor.clone(), Arc::clone(&pieces));
        async move { hold(acceptor.accept(stream).await.unwrap(), seen, pieces).await }
    })
    .await;
    let mut client = Client::new(&Config { ca_file: Some(authority.file()), ..config() }).unwrap();
    let url = Url::parse(&format!("https://localhost:{}/", server.port)).unwrap();
    for count in 1..=2 {
        assert_eq!(post(&mut client, &url).await.unwrap().body, large);
        assert_eq!((server.connections(), server.requests().len()), (1, count));
    }
}
