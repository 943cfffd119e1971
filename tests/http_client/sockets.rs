//! Websockets: how they are opened, and what goes over them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cometail::bayeux::border::{Fault, FaultKind, Reply};
use cometail::http::{Client, Config, Jar, Opening, Proxy, Socket, Wire};
use cometail::secret::Secret;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use url::Url;

use crate::support::{Seen, Server, TOKEN, client, config, header, ok, request, with_headers};
use crate::tls::{Authority, secure};

pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Answers the request for a socket; `headers` are more of its own, each ended by `\r\n`.
pub(crate) async fn accept<S>(mut stream: S, seen: &Seen, headers: &str) -> WebSocketStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(&mut stream, seen).await.unwrap();
    let key = derive_accept_key(header(&request, "sec-websocket-key").unwrap().as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
         {headers}Sec-WebSocket-Accept: {key}\r\n\r\n"
    );
    stream.write_all(response.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    WebSocketStream::from_raw_socket(stream, Role::Server, None).await
}

/// Sends back each message.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    while let Some(Ok(message)) = socket.next().await {
        if !message.is_close() {
            socket.send(message).await.unwrap();
        }
    }
}

pub(crate) async fn echoing() -> Server {
    Server::start(|stream, _, seen| async move { echo(accept(stream, &seen, "").await).await }).await
}

pub(crate) async fn opening(client: &Client, url: &Url, deadline: Duration) -> Result<Opening, Fault> {
    let token = Secret::new(TOKEN.to_owned());
    client.open_socket(url, Some(&token), deadline).await
}

pub(crate) async fn open(client: &Client, url: &Url) -> Socket {
    let Opening::Open(socket) = opening(client, url, SOON).await.unwrap() else {
        unreachable!("it was refused")
    };
    *socket
}

async fn refused(client: &Client, url: &Url) -> Reply {
    let Opening::Refused(reply) = opening(client, url, SOON).await.unwrap() else {
        unreachable!("it is open")
    };
    reply
}

pub(crate) async fn next(socket: &mut Socket) -> Result<Bytes, Fault> {
    tokio::time::timeout(SOON, socket.next()).await.expect("a message or a fault within ten seconds")
}

async fn sends_and_gets_back(socket: &mut Socket, text: &str) {
    socket.send(Bytes::from(text.to_owned())).unwrap();
    assert_eq!(next(socket).await.unwrap(), text);
}

#[tokio::test]
async fn messages_go_both_ways_and_the_request_is_like_any_other() {
    let server = echoing().await;
    let mut socket = open(&client(), &server.url("/cometd?a=b")).await;
    for text in ["[]", "", &"é".repeat(100_000), "[{}]"] {
        sends_and_gets_back(&mut socket, text).await;
    }
    let asked = server.requests().remove(0);
    assert!(asked.starts_with("GET /cometd?a=b HTTP/1.1\r\n"), "{asked}");
    assert_eq!(header(&asked, "host").unwrap(), format!("127.0.0.1:{}", server.port));
    assert_eq!(
        (header(&asked, "authorization"), header(&asked, "sec-websocket-version")),
        (Some(TOKEN), Some("13"))
    );
    assert_eq!(
        (header(&asked, "connection"), header(&asked, "upgrade")),
        (Some("Upgrade"), Some("websocket"))
    );
    assert_eq!((header(&asked, "content-length"), header(&asked, "sec-websocket-extensions")), (None, None));
}

#[tokio::test]
async fn what_the_server_says_at_once_and_in_pieces_arrives() {
    let server = Server::start(|stream, _, seen| async move {
        let mut socket = accept(stream, &seen, "").await;
        socket.send(Message::Ping(Bytes::from_static(b"7"))).await.unwrap();
        let stream = socket.get_mut();
        for piece in [&b"\x01\x02[{"[..], b"\x00\x01}", b"\x89\x00", b"\x80", b"\x01]", b"\x82\x02[]"] {
            stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        // Tells what it hears.
        while let Some(Ok(message)) = socket.next().await {
            if message.is_pong() {
                socket.send(Message::text(format!("pong {}", message.into_data().len()))).await.unwrap();
            }
        }
    })
    .await;
    let mut socket = open(&client(), &server.url("/")).await;
    for expected in ["[{}]", "[]", "pong 1", "pong 0"] {
        assert_eq!(next(&mut socket).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let server = Server::start(|stream, _, seen| async move {
        let mut socket = accept(stream, &seen, "").await;
        for number in 0..300 {
            socket.send(Message::text(number.to_string().repeat(200))).await.unwrap();
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
        socket.next().await;
    })
    .await;
    let mut socket = open(&client(), &server.url("/")).await;
    let mut seen = 0;
    while seen < 300 {
        if let Ok(message) = tokio::time::timeout(Duration::from_micros(200), socket.next()).await {
            assert_eq!(message.unwrap(), seen.to_string().repeat(200));
            seen += 1;
        }
    }
}

#[tokio::test]
async fn cookies_go_out_with_the_request_and_come_with_the_response() {
    let server = Server::start(|stream, number, seen| async move {
        let cookie = format!("Set-Cookie: visit={number}; Path=/\r\n");
        echo(accept(stream, &seen, &cookie).await).await;
    })
    .await;
    let jar = Arc::new(Jar::new());
    let client = client().with_jar(jar.clone());
    open(&client, &server.url("/cometd")).await;
    assert!(jar.changed());
    open(&client, &server.url("/cometd")).await;
    let requests = server.requests();
    assert_eq!(header(&requests[0], "cookie"), None);
    assert_eq!(header(&requests[1], "cookie"), Some("visit=1"));
}

#[tokio::test]
async fn tls_is_verified_and_a_tunnel_leads_through_a_proxy() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("localhost", 4000);
    let server = Server::start(move |stream, _, seen| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            echo(accept(stream, &seen, "").await).await;
        }
    })
    .await;
    let fault = opening(&Authority::new().client(), &secure(&server), SOON).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Tls, false), "{fault}");
    sends_and_gets_back(&mut open(&authority.client(), &secure(&server)).await, "[]").await;

    let proxy = crate::proxies::tunnels().await;
    let plain = echoing().await;
    let through = Url::parse(&format!("http://user:hush@127.0.0.1:{}", proxy.port)).unwrap();
    let config = Config { proxy: Proxy::Url(through), ca_file: Some(authority.file()), ..config() };
    let client = Client::new(&config).unwrap();
    for url in [secure(&server), plain.url("/")] {
        sends_and_gets_back(&mut open(&client, &url).await, "[1]").await;
    }
    assert!(proxy.requests().iter().all(|asked| asked.starts_with("CONNECT ") && !asked.contains(TOKEN)));
    assert_eq!(proxy.requests().len(), 2);
    assert_eq!(header(&plain.requests()[0], "proxy-authorization"), None);
}

#[tokio::test]
async fn a_proxy_that_allows_no_tunnel_is_named() {
    let proxy = Server::saying(with_headers("403 Forbidden", "", "no")).await;
    let through = Url::parse(&format!("http://127.0.0.1:{}", proxy.port)).unwrap();
    let client = Client::new(&Config { proxy: Proxy::Url(through), ..config() }).unwrap();
    let url = Url::parse("http://cometd.invalid/").unwrap();
    let fault = opening(&client, &url, SOON).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Proxy, false), "{fault}");
    assert!(fault.detail.contains("403"), "{fault}");
}

#[tokio::test]
async fn a_status_other_than_101_is_the_servers_answer() {
    for status in ["200 OK", "400 Bad", "401 Unauthorized", "403 Forbidden", "404 Not Found", "503 Busy"] {
        let server = Server::saying(with_headers(status, "Retry-After: 7\r\n", "why")).await;
        let reply = refused(&client(), &server.url("/")).await;
        assert_eq!((reply.status.to_string().as_str(), &reply.body[..]), (&status[..3], &b"why"[..]));
        assert_eq!(reply.retry_after, Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn redirects_are_followed_within_the_origin_alone() {
    let server = Server::start(|mut stream, number, seen| async move {
        if number > 1 {
            return echo(accept(stream, &seen, "").await).await;
        }
        request(&mut stream, &seen).await;
        let moved = with_headers("307 Moved", "Location: /elsewhere\r\n", "");
        stream.write_all(moved.as_bytes()).await.unwrap();
    })
    .await;
    sends_and_gets_back(&mut open(&client(), &server.url("/cometd")).await, "[]").await;
    assert!(server.requests()[1].starts_with("GET /elsewhere "));
    for location in ["http://127.0.0.1:1/", "/again", "ftp://127.0.0.1/"] {
        let server =
            Server::saying(with_headers("302 Found", &format!("Location: {location}\r\n"), "")).await;
        let fault = opening(&client(), &server.url("/again"), SOON).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Redirect, false), "{fault}");
        assert!(!fault.detail.contains("hush"), "{fault}");
    }
}

#[tokio::test]
async fn a_switch_to_anything_else_is_refused() {
    let fine = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    for (headers, what) in [
        (String::new(), "does not name one"),
        ("Upgrade: h2c\r\nConnection: Upgrade\r\n".into(), "does not name one"),
        (fine.into(), "Sec-WebSocket-Accept"),
        (format!("{fine}Sec-WebSocket-Accept: x\r\n"), "Sec-WebSocket-Accept"),
    ] {
        let server = Server::closing_after(format!("HTTP/1.1 101 Switching\r\n{headers}\r\n")).await;
        let fault = opening(&client(), &server.url("/"), SOON).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Malformed, false), "{fault}");
        assert!(fault.detail.contains(what), "{fault}");
    }
    let server = Server::start(|stream, _, seen| async move {
        accept(stream, &seen, "Sec-WebSocket-Extensions: permessage-deflate\r\n").await;
    })
    .await;
    let fault = opening(&client(), &server.url("/"), SOON).await.unwrap_err();
    assert!(fault.kind == FaultKind::Malformed && fault.detail.contains("extension"), "{fault}");
}

#[tokio::test]
async fn a_server_that_speaks_no_http_or_says_nothing_is_given_up_in_time() {
    let nonsense = Server::closing_after("hello\r\n\r\n").await;
    let fault = opening(&client(), &nonsense.url("/"), SOON).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Malformed, false), "{fault}");
    let silent = Server::start(|mut stream, _, seen| async move {
        request(&mut stream, &seen).await;
        request(&mut stream, &seen).await;
    })
    .await;
    let fault = opening(&client(), &silent.url("/"), Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Timeout, false), "{fault}");
    assert!(fault.detail.contains("waiting for the response"), "{fault}");
}

#[tokio::test]
async fn the_capture_shows_messages_and_hides_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wire.har");
    let server = echoing().await;
    let wire = Arc::new(Wire::create(&path).unwrap());
    let mut socket = open(&client().with_wire(wire), &server.url("/cometd")).await;
    let text = format!(r#"[{{"ext":{{"token":"{TOKEN}"}},"id":"1"}}]"#);
    sends_and_gets_back(&mut socket, &text).await;
    socket.close().await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("hush"), "{text}");
    let har: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| &entry["_webSocketMessages"][0]["type"]).collect();
    assert_eq!(kinds, [&serde_json::Value::Null, &"send".into(), &"receive".into()]);
    assert_eq!(entries[0]["request"]["method"], "GET");
    assert_eq!(entries[0]["response"]["status"], 101);
    assert_eq!(entries[2]["_webSocketMessages"][0]["data"], r#"[{"ext":{"token":"***"},"id":"1"}]"#);
}

#[tokio::test]
async fn a_lane_that_posts_is_not_disturbed_by_a_socket_of_its_client() {
    let server = Server::start(|mut stream, number, seen| async move {
        if number == 2 {
            return echo(accept(stream, &seen, "").await).await;
        }
        while request(&mut stream, &seen).await.is_some() {
            stream.write_all(ok("[]").as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut client = client();
    crate::support::post(&mut client, &server.url("/")).await.unwrap();
    let mut socket = open(&client, &server.url("/")).await;
    crate::support::post(&mut client, &server.url("/")).await.unwrap();
    sends_and_gets_back(&mut socket, "[]").await;
    assert_eq!(server.connections(), 2);
}
