//! Connections: kept alive, replaced when dead, never left half used; what is known of a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cometail::bayeux::border::FaultKind;
use cometail::http::Request;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use url::Url;

use crate::support::{
    Server, TOKEN, client, config, header, ok, post, post_within, request, until, with_headers,
};

/// Longer than a client trusts an idle connection without looking.
const IDLE: Duration = Duration::from_millis(30);

#[tokio::test]
async fn one_connection_carries_all_requests_of_a_lane() {
    let server = Server::saying(ok("[]")).await;
    let mut client = client();
    for _ in 0..50 {
        assert_eq!(post(&mut client, &server.url("/cometd/61.0")).await.unwrap().body, "[]");
    }
    assert_eq!(server.connections(), 1);
    let mut other = client.lane();
    post(&mut other, &server.url("/cometd/61.0")).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_request_says_what_it_must() {
    let server = Server::saying(ok("[]")).await;
    let extra = [
        ("x-extra".parse().unwrap(), "1".parse().unwrap()),
        ("transfer-encoding".parse().unwrap(), "chunked".parse().unwrap()),
    ];
    let url = server.url("/cometd/61.0?a=b");
    let request = Request {
        url: &url,
        body: Bytes::from_static(b"[{}]"),
        content_type: "application/json",
        authorization: None,
        headers: &extra,
        deadline: Duration::from_secs(5),
    };
    assert_eq!(client().post(request).await.unwrap().status, 200);
    let seen = server.requests().remove(0);
    assert!(
        seen.starts_with("POST /cometd/61.0?a=b HTTP/1.1\r\n") && seen.ends_with("\r\n\r\n[{}]"),
        "{seen}"
    );
    let host = format!("127.0.0.1:{}", server.port);
    let wanted = [
        ("host", Some(host.as_str())),
        ("content-type", Some("application/json")),
        ("content-length", Some("4")),
        ("accept-encoding", Some("gzip")),
        ("x-extra", Some("1")),
        ("transfer-encoding", None),
        ("authorization", None),
        ("cookie", None),
    ];
    for (name, value) in wanted {
        assert_eq!(header(&seen, name), value, "{name}");
    }
}

#[tokio::test]
async fn a_dead_kept_alive_connection_is_replaced_silently() {
    let server = Server::closing_after(ok("[]")).await;
    let mut client = client();
    for closed in 1..=5 {
        assert_eq!(post(&mut client, &server.url("/")).await.unwrap().status, 200);
        server.wait_closed(closed).await;
        tokio::time::sleep(IDLE).await;
    }
    assert_eq!((server.connections(), server.requests().len()), (5, 5));
}

/// Nothing looks at the socket between two runs of the runtime, as in a sink's thread.
#[test]
fn a_connection_that_died_while_the_runtime_stood_still_is_replaced() {
    let outside = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = outside.block_on(Server::closing_after(ok("[]")));
    let inside = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut client = client();
    for closed in 1..=3 {
        assert_eq!(inside.block_on(post(&mut client, &server.url("/"))).unwrap().status, 200);
        outside.block_on(server.wait_closed(closed));
        std::thread::sleep(IDLE);
    }
}

#[tokio::test]
async fn a_response_that_says_close_is_the_last_of_its_connection() {
    let server = Server::saying(with_headers("200 OK", "Connection: close\r\n", "[]")).await;
    let mut client = client();
    post(&mut client, &server.url("/")).await.unwrap();
    post(&mut client, &server.url("/")).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_reset_after_the_request_counts_as_sent_and_is_not_repeated() {
    let server = Server::start(|mut stream, number, seen| async move {
        request(&mut stream, &seen).await;
        if number == 1 {
            stream.write_all(ok("[]").as_bytes()).await.unwrap();
            request(&mut stream, &seen).await;
        }
        stream.set_zero_linger().unwrap();
    })
    .await;
    let mut client = client();
    post(&mut client, &server.url("/")).await.unwrap();
    for _ in 0..2 {
        let fault = post(&mut client, &server.url("/")).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Broken, true), "{fault}");
        assert!(fault.detail.contains(&format!("127.0.0.1:{}", server.port)), "{fault}");
    }
    assert_eq!((server.connections(), server.requests().len()), (2, 3));
}

#[tokio::test]
async fn a_body_that_breaks_off_counts_as_sent() {
    let cut = ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{", "HTTP/1.1 200 OK\r\nConte"];
    for response in cut {
        let server = Server::closing_after(response).await;
        let fault = post(&mut client(), &server.url("/")).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Broken, true), "{fault}");
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn what_is_no_http_is_malformed() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200));
    let bad = [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 wat\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
        &long,
        &many,
    ];
    for response in bad {
        let server = Server::closing_after(response).await;
        let fault = post(&mut client(), &server.url("/")).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Malformed, true), "{response:.40}: {fault}");
    }
}

#[tokio::test]
async fn the_deadline_is_not_moved_by_a_byte_now_and_then() {
    for head in ["HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "HTTP/1.1 200 OK\r\nX: "] {
        let server = Server::start(move |mut stream, _, seen| async move {
            request(&mut stream, &seen).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let mut client = client();
        let begin = Instant::now();
        let fault = post_within(&mut client, &server.url("/"), Duration::from_millis(300)).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Timeout, true), "{fault}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        // The late connection is gone: the next request opens another.
        post_within(&mut client, &server.url("/"), Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_request_given_up_takes_its_connection_with_it() {
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    let server = Server::start(move |mut stream, number, seen| {
        let closed = Arc::clone(&count);
        async move {
            while request(&mut stream, &seen).await.is_some() {
                if number > 1 {
                    stream.write_all(ok("[]").as_bytes()).await.unwrap();
                }
            }
            closed.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let mut client = client();
    let url = server.url("/");
    tokio::select! {
        outcome = post(&mut client, &url) => panic!("{outcome:?}"),
        () = until("the request", || server.requests().len() == 1) => {}
    }
    until("the end of the connection", || closed.load(Ordering::SeqCst) == 1).await;
    assert_eq!(post(&mut client, &url).await.unwrap().status, 200);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn what_fails_before_the_request_was_not_sent() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refused = Url::parse(&format!("http://127.0.0.1:{unused}/?sid=hush")).unwrap();
    let fault = post(&mut client(), &refused).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Connect, false));
    assert_eq!(fault.detail, format!("tcp connect to 127.0.0.1:{unused} (127.0.0.1) refused"));

    let unknown = Url::parse("http://cometd.invalid/?sid=hush").unwrap();
    let fault = post(&mut client(), &unknown).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Dns, false), "{fault}");
    assert!(fault.detail.contains("cometd.invalid") && !fault.detail.contains("hush"), "{fault}");

    let fault = post(&mut client(), &Url::parse("ftp://acme.example/").unwrap()).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Connect, false));
}

#[tokio::test]
async fn connecting_has_a_timeout_of_its_own() {
    // A server that accepts and never answers the TLS handshake.
    let server = Server::start(|stream, _, _| async move {
        tokio::time::sleep(Duration::from_mins(1)).await;
        drop(stream);
    })
    .await;
    let url = Url::parse(&format!("https://127.0.0.1:{}/", server.port)).unwrap();
    let mut config = config();
    config.connect_timeout = Duration::from_millis(100);
    let mut client = cometail::http::Client::new(&config).unwrap();
    let fault = post(&mut client, &url).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Connect, false), "{fault}");
    assert!(fault.detail.contains("TLS handshake"), "{fault}");
    // A deadline that is shorter wins, and nothing was sent either.
    config.connect_timeout = Duration::from_mins(1);
    let mut client = cometail::http::Client::new(&config).unwrap();
    let fault = post_within(&mut client, &url, Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Timeout, false), "{fault}");
}

#[tokio::test]
async fn an_authorization_that_no_header_may_hold_is_refused() {
    let server = Server::saying(ok("[]")).await;
    let token = cometail::secret::Secret::new("Bearer hush\r\nX: y".to_owned());
    let url = server.url("/");
    let request = Request {
        url: &url,
        body: Bytes::new(),
        content_type: "application/json",
        authorization: Some(&token),
        headers: &[],
        deadline: Duration::from_secs(5),
    };
    let fault = client().post(request).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent, server.connections()), (FaultKind::Malformed, false, 0));
    assert!(!fault.detail.contains("hush") && !fault.detail.contains(TOKEN), "{fault}");
}

#[tokio::test]
async fn retry_after_and_any_status_are_replies() {
    let server = Server::saying(with_headers("503 Busy", "Retry-After: 7\r\n", "busy")).await;
    let reply = post(&mut client(), &server.url("/")).await.unwrap();
    assert_eq!((reply.status, reply.retry_after), (503, Some(Duration::from_secs(7))));
    assert_eq!(reply.body, "busy");
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(100));
    let server = Server::saying(with_headers("429 Slow", &format!("Retry-After: {date}\r\n"), "")).await;
    let reply = post(&mut client(), &server.url("/")).await.unwrap();
    let wait = reply.retry_after.unwrap();
    assert!(
        reply.status == 429 && wait > Duration::from_mins(1) && wait <= Duration::from_secs(100),
        "{wait:?}"
    );
}
