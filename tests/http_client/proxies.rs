//! Proxies: tunnels for https, the absolute form for http, exemptions, refusals.

use std::sync::Arc;

use cometail::bayeux::border::FaultKind;
use cometail::http::{Client, Config, Proxy};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use url::Url;

use crate::support::{Seen, Server, TOKEN, config, header, ok, post, request, with_headers};
use crate::tls::{Authority, secure};

/// Opens the tunnels it is asked for.
pub(crate) async fn tunnels() -> Server {
    Server::start(|mut stream: TcpStream, _, seen: Arc<Seen>| async move {
        let request = request(&mut stream, &seen).await.unwrap();
        let mut server = TcpStream::connect(request.split(' ').nth(1).unwrap()).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").await.unwrap();
        tokio::io::copy_bidirectional(&mut stream, &mut server).await.ok();
    })
    .await
}

fn through(proxy: &Server, userinfo: &str) -> Config {
    let url = Url::parse(&format!("http://{userinfo}127.0.0.1:{}", proxy.port)).unwrap();
    Config { proxy: Proxy::Url(url), ..config() }
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let authority = Authority::new();
    let server = authority.server("localhost", 4000).await;
    let proxy = tunnels().await;
    let mut config = through(&proxy, "user:p%40ss@");
    config.ca_file = Some(authority.file());
    let mut client = Client::new(&config).unwrap();
    for _ in 0..3 {
        assert_eq!(post(&mut client, &secure(&server)).await.unwrap().body, "[]");
    }
    assert_eq!((proxy.connections(), server.connections(), proxy.requests().len()), (1, 1, 1));
    let asked = proxy.requests().remove(0);
    assert!(asked.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", server.port)), "{asked}");
    assert_eq!(header(&asked, "proxy-authorization"), Some("Basic dXNlcjpwQHNz"));
    assert_eq!((header(&asked, "authorization"), header(&asked, "cookie")), (None, None));
    let inner = server.requests().remove(0);
    assert!(inner.starts_with("POST /cometd HTTP/1.1\r\n"), "{inner}");
    assert_eq!(header(&inner, "proxy-authorization"), None);
}

#[tokio::test]
async fn the_environment_decides_and_no_proxy_exempts() {
    let authority = Authority::new();
    let server = authority.server("localhost", 4000).await;
    let proxy = tunnels().await;
    let mut config = Config { proxy: Proxy::Environment, ..config() };
    config.ca_file = Some(authority.file());
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let client = |exempt: &'static str| {
        Client::with_environment(&config, |name| match name {
            "HTTPS_PROXY" => Some(address.clone()),
            "no_proxy" => Some(exempt.to_owned()),
            _ => None,
        })
        .unwrap()
    };
    post(&mut client("acme.example"), &secure(&server)).await.unwrap();
    assert_eq!(proxy.connections(), 1);
    post(&mut client("acme.example, localhost"), &secure(&server)).await.unwrap();
    assert_eq!((proxy.connections(), server.connections()), (1, 2));
}

#[tokio::test]
async fn http_is_asked_in_the_absolute_form() {
    let proxy = Server::saying(ok("[]")).await;
    let mut client = Client::new(&through(&proxy, "user:pass@")).unwrap();
    let url = Url::parse("http://cometd.invalid/cometd?a=b").unwrap();
    for _ in 0..2 {
        assert_eq!(post(&mut client, &url).await.unwrap().body, "[]");
    }
    let asked = proxy.requests().remove(0);
    assert!(asked.starts_with("POST http://cometd.invalid:80/cometd?a=b HTTP/1.1\r\n"), "{asked}");
    assert_eq!(header(&asked, "host"), Some("cometd.invalid"));
    assert_eq!(header(&asked, "proxy-authorization"), Some("Basic dXNlcjpwYXNz"));
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_refusal_names_the_proxy_and_its_status() {
    for status in ["407 Proxy Authentication Required", "403 Forbidden", "302 Found"] {
        let proxy = Server::saying(with_headers(status, "Location: http://127.0.0.1:1/\r\n", "no")).await;
        let mut client = Client::new(&through(&proxy, "user:hush@")).unwrap();
        let url = Url::parse("https://cometd.invalid/?sid=hush").unwrap();
        let fault = post(&mut client, &url).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Proxy, false), "{fault}");
        for part in [&format!("127.0.0.1:{}", proxy.port), &status[..3], "cometd.invalid:443"] {
            assert!(fault.detail.contains(part), "{fault}");
        }
        assert!(!fault.detail.contains("hush") && !fault.detail.contains("user:"), "{fault}");
        assert!(proxy.requests().iter().all(|request| !request.contains(TOKEN)));
    }
}

#[tokio::test]
async fn a_password_refused_for_http_did_not_reach_the_server() {
    let proxy = Server::saying(with_headers("407 No", "Set-Cookie: a=b\r\n", "no")).await;
    let mut client = Client::new(&through(&proxy, "")).unwrap();
    let fault = post(&mut client, &Url::parse("http://cometd.invalid/").unwrap()).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Proxy, false), "{fault}");
    assert!(fault.detail.contains("407"), "{fault}");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_talks_nonsense_is_named() {
    let url = Url::parse("https://cometd.invalid/").unwrap();
    let gone = Server::saying("").await;
    let config = through(&gone, "");
    let port = gone.port;
    drop(gone);
    crate::support::until("the proxy's end", || std::net::TcpStream::connect(("127.0.0.1", port)).is_err())
        .await;
    let fault = post(&mut Client::new(&config).unwrap(), &url).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Proxy, false), "{fault}");
    assert!(
        fault.detail.contains(&format!("127.0.0.1:{port}")) && fault.detail.contains("refused"),
        "{fault}"
    );
    for nonsense in ["", "hello\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"] {
        let proxy = Server::closing_after(nonsense).await;
        let fault = post(&mut Client::new(&through(&proxy, "")).unwrap(), &url).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Proxy, false), "{nonsense}: {fault}");
    }
}
