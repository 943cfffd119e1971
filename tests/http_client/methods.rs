//! Methods other than POST, and the headers that decide what follows.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cometail::bayeux::border::{Fault, FaultKind};
use cometail::http::{Client, Request, Response};
use cometail::secret::Secret;
use hyper::Method;
use tokio::io::AsyncWriteExt as _;
use url::Url;

use crate::support::{Server, TOKEN, client, header, ok, request, with_headers};

async fn send(client: &mut Client, method: Method, url: &Url, body: &'static str) -> Result<Response, Fault> {
    let token = Secret::new(TOKEN.to_owned());
    let request = Request {
        url,
        body: Bytes::from_static(body.as_bytes()),
        content_type: "application/json",
        authorization: Some(&token),
        headers: &[],
        deadline: Duration::from_secs(20),
    };
    client.send(method, request).await
}

#[tokio::test]
async fn every_method_goes_out_as_it_is_on_one_connection() {
    let server = Server::saying(ok("[]")).await;
    let mut client = client();
    for (method, body) in [
        (Method::GET, ""),
        (Method::POST, "{}"),
        (Method::PUT, "{\"a\":1}"),
        (Method::PATCH, "{\"a\":2}"),
        (Method::DELETE, ""),
    ] {
        let response = send(&mut client, method.clone(), &server.url("/x?a=b"), body).await.unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"[]"[..]));
        let asked = server.requests().pop().unwrap();
        assert!(asked.starts_with(&format!("{method} /x?a=b HTTP/1.1\r\n")), "{asked}");
        assert!(asked.ends_with(&format!("\r\n\r\n{body}")), "{asked}");
        let kind = header(&asked, "content-type");
        assert_eq!(kind, (!body.is_empty()).then_some("application/json"), "{asked}");
        assert_eq!(header(&asked, "authorization"), Some(TOKEN));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn headers_that_decide_what_follows_are_told() {
    let server = Server::saying(with_headers(
        "503 Busy",
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 7\r\nLocation: /there?x=y\r\nContent-Type: text/html\r\n",
        "busy",
    ))
    .await;
    let response = send(&mut client(), Method::GET, &server.url("/"), "").await.unwrap();
    assert_eq!(response.status, 503);
    assert_eq!(response.date, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)));
    assert_eq!(response.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(response.location.as_deref(), Some("/there?x=y"));
    assert_eq!(response.content_type.as_deref(), Some("text/html"));
    let server = Server::saying(with_headers("200 OK", "Date: soon\r\nLocation: \u{e9}\r\n", "")).await;
    let response = send(&mut client(), Method::GET, &server.url("/"), "").await.unwrap();
    assert_eq!((response.date, response.location, response.content_type), (None, None, None));
}

#[tokio::test]
async fn a_response_that_has_no_body_is_whole() {
    let server = Server::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let mut client = client();
    for _ in 0..2 {
        let response = send(&mut client, Method::PATCH, &server.url("/"), "{}").await.unwrap();
        assert_eq!((response.status, response.body.len()), (204, 0));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_redirect_repeats_the_method_and_see_other_is_for_get_alone() {
    for (status, method, body) in [
        ("307 T", Method::PATCH, "{}"),
        ("308 P", Method::DELETE, ""),
        ("302 F", Method::GET, ""),
        ("303 S", Method::GET, ""),
    ] {
        let server = Server::start(move |mut stream, _, seen| async move {
            while let Some(asked) = request(&mut stream, &seen).await {
                let moved = with_headers(status, "Location: /to\r\n", "moved");
                let response = if asked.contains(" /from ") { moved } else { ok("[]") };
                stream.write_all(response.as_bytes()).await.unwrap();
            }
        })
        .await;
        let response = send(&mut client(), method.clone(), &server.url("/from"), body).await.unwrap();
        assert_eq!(response.status, 200);
        assert!(server.requests()[1].starts_with(&format!("{method} /to ")), "{status}");
    }
    let server = Server::saying(with_headers("303 S", "Location: /to\r\n", "")).await;
    let fault = send(&mut client(), Method::PATCH, &server.url("/from"), "{}").await.unwrap_err();
    assert_eq!((fault.kind, fault.sent, server.requests().len()), (FaultKind::Redirect, true, 1), "{fault}");
}
