//! Redirects: within the origin, and never beyond.

use cometail::bayeux::border::FaultKind;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Server, TOKEN, client, header, ok, post, request, with_headers};

/// Answers requests for `/from` with `status` to `location`, all others with 200.
async fn redirecting(status: &'static str, location: &str) -> Server {
    let redirect = with_headers(status, &format!("Location: {location}\r\n"), "moved");
    Server::start(move |mut stream, _, seen| {
        let redirect = redirect.clone();
        async move {
            while let Some(request) = request(&mut stream, &seen).await {
                let response = if request.contains(" /from") { redirect.clone() } else { ok("[]") };
                stream.write_all(response.as_bytes()).await.unwrap();
            }
        }
    })
    .await
}

#[tokio::test]
async fn within_the_origin_the_post_is_repeated() {
    for status in ["307 T", "308 P", "301 M", "302 F"] {
        let server = redirecting(status, "/to?x=y").await;
        assert_eq!(post(&mut client(), &server.url("/from")).await.unwrap().status, 200, "{status}");
        let requests = server.requests();
        assert_eq!((requests.len(), server.connections()), (2, 1), "{status}");
        assert!(requests[1].starts_with("POST /to?x=y ") && requests[1].ends_with("[]"), "{}", requests[1]);
        assert_eq!(header(&requests[1], "authorization"), Some(TOKEN));
    }
}

#[tokio::test]
async fn another_origin_gets_nothing() {
    let other = Server::saying(ok("[]")).await;
    let absolute = other.url("/to?sid=hush").to_string();
    let named = format!("http://localhost:{}/to?sid=hush", other.port);
    let scheme = "https://127.0.0.1/";
    for location in [absolute.as_str(), &named, scheme, "//127.0.0.2/"] {
        let server = redirecting("307 T", location).await;
        let fault = post(&mut client(), &server.url("/from?sid=hush")).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Redirect, true), "{fault}");
        assert!(fault.detail.contains(&format!("http://127.0.0.1:{}", server.port)), "{fault}");
        assert!(!fault.detail.contains("hush"), "{fault}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_loop_ends_after_five() {
    let server = redirecting("307 T", "/from").await;
    let fault = post(&mut client(), &server.url("/from")).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent, server.requests().len()), (FaultKind::Redirect, true, 6), "{fault}");
}

#[tokio::test]
async fn redirects_without_meaning_are_refused() {
    for response in [
        with_headers("303 See Other", "Location: /to\r\n", ""),
        with_headers("302 Found", "", ""),
        with_headers("302 Found", "Location: http://[\r\n", ""),
    ] {
        let server = Server::saying(response).await;
        let fault = post(&mut client(), &server.url("/from")).await.unwrap_err();
        assert_eq!(
            (fault.kind, fault.sent, server.requests().len()),
            (FaultKind::Redirect, true, 1),
            "{fault}"
        );
    }
}
