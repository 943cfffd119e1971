//! Websockets that end: by the server, by the network, by silence, by a message that is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cometail::bayeux::border::{Fault, FaultKind};
use cometail::http::{Client, Config};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::sockets::{accept, echoing, next, open};
use crate::support::{Server, client, config, until};

/// A server that opens sockets and does `then` with them.
async fn server<F>(then: impl Fn(WebSocketStream<TcpStream>) -> F + Clone + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    Server::start(move |stream, _, seen| {
        let then = then.clone();
        async move {
            let mut socket = accept(stream, &seen, "").await;
            // Whatever it does, it does it after the first message.
            socket.next().await.unwrap().unwrap();
            then(socket).await;
        }
    })
    .await
}

/// Neither reads nor writes nor closes.
async fn hold(_socket: WebSocketStream<TcpStream>) {
    std::future::pending::<()>().await;
}

/// What a socket of `server` ends with after a message was sent.
async fn end(client: &Client, server: &Server) -> Fault {
    let mut socket = open(client, &server.url("/")).await;
    socket.send(Bytes::from_static(b"[]")).unwrap();
    let fault = next(&mut socket).await.unwrap_err();
    assert!(fault.detail.contains(&format!("127.0.0.1:{}", server.port)), "{fault}");
    fault
}

#[tokio::test]
async fn a_server_that_closes_is_heard_and_answered() {
    let server = server(|mut socket| async move {
        let frame = CloseFrame { code: CloseCode::Away, reason: "maintenance".into() };
        socket.close(Some(frame)).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert!(answer.is_close());
    })
    .await;
    let fault = end(&client(), &server).await;
    assert_eq!((fault.kind, fault.sent), (FaultKind::Broken, true), "{fault}");
    assert!(fault.detail.contains("1001") && fault.detail.contains("maintenance"), "{fault}");
}

#[tokio::test]
async fn a_server_that_dies_is_noticed() {
    let fault = end(&client(), &server(|socket| async move { drop(socket) }).await).await;
    assert_eq!((fault.kind, fault.sent), (FaultKind::Broken, true), "{fault}");
    // In the middle of a message.
    let cut = server(|mut socket| async move {
        socket.get_mut().write_all(b"\x81\x7e\x01\x00half").await.unwrap();
    })
    .await;
    assert_eq!(end(&client(), &cut).await.kind, FaultKind::Broken);
}

#[tokio::test]
async fn a_socket_over_which_nothing_was_sent_says_so() {
    let server = Server::start(|stream, _, seen| async move { drop(accept(stream, &seen, "").await) }).await;
    let mut socket = open(&client(), &server.url("/")).await;
    let fault = next(&mut socket).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Broken, false), "{fault}");
}

#[tokio::test]
async fn a_message_over_the_cap_ends_the_socket_whole_or_in_pieces() {
    let config = Config { body_max: 1000, ..config() };
    let client = Client::new(&config).unwrap();
    let whole = server(|mut socket| async move {
        socket.send(Message::text("x".repeat(1001))).await.unwrap();
        socket.next().await;
    })
    .await;
    let pieces = server(|mut socket| async move {
        let piece = "x".repeat(100);
        socket.get_mut().write_all(format!("\x01\x64{piece}").as_bytes()).await.unwrap();
        // The other end stops listening in between.
        for _ in 0..10 {
            socket.get_mut().write_all(format!("\0\x64{piece}").as_bytes()).await.ok();
        }
        socket.next().await;
    })
    .await;
    // A length is only a claim, and what it claims is not set aside.
    let claim = server(|mut socket| async move {
        socket.get_mut().write_all(b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff").await.unwrap();
        socket.next().await;
    })
    .await;
    for server in [whole, pieces, claim] {
        let fault = end(&client, &server).await;
        assert_eq!((fault.kind, fault.sent), (FaultKind::TooLarge, true), "{fault}");
        assert!(fault.detail.contains("1000"), "{fault}");
    }
    let fits = server(|mut socket| async move {
        socket.send(Message::text("x".repeat(1000))).await.unwrap();
        socket.next().await;
    })
    .await;
    let mut socket = open(&client, &fits.url("/")).await;
    socket.send(Bytes::from_static(b"[]")).unwrap();
    assert_eq!(next(&mut socket).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn what_is_no_websocket_ends_it() {
    // Invalid UTF-8, a reserved bit, an unknown kind of frame, a piece of nothing, a ping in pieces.
    let nonsense: [&[u8]; 5] = [b"\x81\x01\xff", b"\xc1\x00", b"\x83\x00", b"\x80\x00", b"\x09\x00"];
    for bytes in nonsense {
        let server = server(move |mut socket| async move {
            socket.get_mut().write_all(bytes).await.unwrap();
            socket.next().await;
        })
        .await;
        let fault = end(&client(), &server).await;
        assert_eq!((fault.kind, fault.sent), (FaultKind::Malformed, true), "{bytes:?}: {fault}");
    }
}

#[tokio::test]
async fn a_peer_that_is_gone_is_noticed_without_any_exchange() {
    let idle = Duration::from_millis(300);
    let client = Client::new(&Config { socket_idle: idle, ..config() }).unwrap();
    // The connection stays open, and nobody reads or writes it.
    let gone = server(|socket| async move { hold(socket).await }).await;
    let begun = Instant::now();
    let fault = end(&client, &gone).await;
    assert_eq!((fault.kind, fault.sent), (FaultKind::Timeout, true), "{fault}");
    assert!(begun.elapsed() >= 2 * idle && begun.elapsed() < 10 * idle, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_silent_peer_that_answers_pings_is_kept() {
    let idle = Duration::from_millis(50);
    let client = Client::new(&Config { socket_idle: idle, ..config() }).unwrap();
    let server = server(|mut socket| async move {
        let begun = Instant::now();
        let mut pings = 0;
        // Reading is what answers them.
        while begun.elapsed() < 10 * Duration::from_millis(50) {
            if let Ok(Some(Ok(message))) =
                tokio::time::timeout(Duration::from_millis(20), socket.next()).await
            {
                pings += usize::from(message.is_ping());
            }
        }
        socket.send(Message::text(if pings >= 2 { "pinged" } else { "not pinged" })).await.unwrap();
        socket.next().await;
    })
    .await;
    let mut socket = open(&client, &server.url("/")).await;
    socket.send(Bytes::from_static(b"[]")).unwrap();
    assert_eq!(next(&mut socket).await.unwrap(), "pinged");
}

#[tokio::test]
async fn a_large_message_on_a_slow_line_is_no_silence() {
    let idle = Duration::from_millis(100);
    let client = Client::new(&Config { socket_idle: idle, ..config() }).unwrap();
    let server = server(|mut socket| async move {
        let stream = socket.get_mut();
        stream.write_all(b"\x81\x28").await.unwrap();
        for _ in 0..40 {
            stream.write_all(b"x").await.unwrap();
            stream.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        socket.next().await;
    })
    .await;
    let mut socket = open(&client, &server.url("/")).await;
    socket.send(Bytes::from_static(b"[]")).unwrap();
    assert_eq!(next(&mut socket).await.unwrap().len(), 40);
}

#[tokio::test]
async fn a_server_that_does_not_read_cannot_make_the_queue_grow() {
    let server = server(|socket| async move { hold(socket).await }).await;
    let mut socket = open(&client(), &server.url("/")).await;
    let message = Bytes::from("x".repeat(32 << 10));
    let mut queued = 0;
    let fault = loop {
        match socket.send(message.clone()) {
            Ok(()) => queued += 1,
            Err(fault) => break fault,
        }
        assert!(queued < 10_000, "the queue has no end");
    };
    assert_eq!(fault.kind, FaultKind::TooLarge, "{fault}");
    assert!(!fault.detail.contains("xxx"), "{fault}");
}

#[tokio::test]
async fn the_end_is_told_and_waits_a_second_at_most() {
    let server_that_answers = echoing().await;
    let begun = Instant::now();
    open(&client(), &server_that_answers.url("/")).await.close().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let silent = Server::start(|stream, _, seen| async move {
        let _socket = accept(stream, &seen, "").await;
        std::future::pending::<()>().await;
    })
    .await;
    let begun = Instant::now();
    open(&client(), &silent.url("/")).await.close().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let told = Arc::new(AtomicBool::new(false));
    let heard = told.clone();
    let server = Server::start(move |stream, _, seen| {
        let heard = heard.clone();
        async move {
            let mut socket = accept(stream, &seen, "").await;
            heard.store(socket.next().await.unwrap().unwrap().is_close(), Ordering::SeqCst);
        }
    })
    .await;
    open(&client(), &server.url("/")).await.close().await;
    until("the close frame", || told.load(Ordering::SeqCst)).await;
}
