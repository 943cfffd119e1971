//! The capture: a whole HAR after every entry, without secrets, within its limit.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cometail::http::{Jar, Wire, WireConfig};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Server, TOKEN, client, post, post_within, request, with_headers};

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.contains("hush"), "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn every_exchange_is_captured_without_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wire.har");
    let body = r#"[{"channel":"/meta/handshake","access_token":"hush","note":"00Dx0000!hush-hush-token"}]"#;
    let server = Server::saying(with_headers(
        "200 OK",
        "Content-Type: application/json\r\nSet-Cookie: sid=hush; Path=/\r\n",
        body,
    ))
    .await;
    let wire = Arc::new(Wire::create(&path).unwrap());
    assert_eq!(read(&path)["log"]["entries"], Value::Array(Vec::new()));
    let mut client = client().with_wire(wire).with_jar(Arc::new(Jar::new()));
    for count in 1..=3 {
        post(&mut client, &server.url("/cometd?sid=hush&a=b")).await.unwrap();
        assert_eq!(read(&path)["log"]["entries"].as_array().unwrap().len(), count);
    }
    let har = read(&path);
    assert_eq!(har["log"]["version"], "1.2");
    let entry = &har["log"]["entries"][1];
    assert_eq!(entry["request"]["url"], server.url("/cometd?sid=***&a=b").as_str());
    assert_eq!(entry["request"]["postData"]["text"], "[]");
    assert_eq!(entry["response"]["status"], 200);
    let shown = r#"[{"channel":"/meta/handshake","access_token":"***","note":"***"}]"#;
    assert_eq!(entry["response"]["content"]["text"], shown);
    let headers = entry["request"]["headers"].to_string();
    assert!(headers.contains("Bearer ***") && headers.contains("sid=***"), "{headers}");
    assert!(entry["startedDateTime"].as_str().unwrap().ends_with('Z'));
}

/// A server that repeats the token and its cookies everywhere it can.
#[tokio::test]
async fn what_a_server_repeats_is_in_no_capture() {
    const COOKIE: &str = "Cookie-hush-value";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wire.har");
    let token = TOKEN.strip_prefix("Bearer ").unwrap();
    let server = Server::start(move |mut stream, _, seen| async move {
        let echo = format!("X-Echo: {token} {COOKIE}\r\nSet-Cookie: sid={COOKIE}; Path=/\r\n");
        for number in 1.. {
            if request(&mut stream, &seen).await.is_none() {
                return;
            }
            let location = match number {
                1 => format!("/{token}/{COOKIE}?x={token}"),
                _ => format!("https://{token}.evil.example/{COOKIE}"),
            };
            let response = match number {
                2 => with_headers("200 OK", &echo, &format!("no right for {token} {COOKIE}")),
                _ => with_headers("307 Temporary Redirect", &format!("{echo}Location: {location}\r\n"), ""),
            };
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    })
    .await;
    let wire = Arc::new(Wire::create(&path).unwrap());
    let mut client = client().with_wire(wire).with_jar(Arc::new(Jar::new()));
    post(&mut client, &server.url("/")).await.unwrap();
    post(&mut client, &server.url("/")).await.unwrap_err();
    let har = read(&path);
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    assert!(server.requests()[1].contains(token) && server.requests()[1].contains(COOKIE), "they were used");
    assert_eq!(entries[0]["response"]["redirectURL"], "/***/***?x=***");
    assert_eq!(entries[1]["request"]["url"], server.url("/***/***?x=***").as_str());
    assert_eq!(entries[1]["response"]["content"]["text"], "no right for *** ***");
    assert_eq!(entries[2]["response"]["redirectURL"], "https://***.evil.example/***");
}

#[tokio::test]
async fn exchanges_without_a_response_are_captured_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wire.har");
    let server = Server::start(|stream, _, _| async move {
        tokio::time::sleep(Duration::from_mins(1)).await;
        drop(stream);
    })
    .await;
    let mut client = client().with_wire(Arc::new(Wire::create(&path).unwrap()));
    post_within(&mut client, &server.url("/"), Duration::from_millis(50)).await.unwrap_err();
    let har = read(&path);
    let entry = &har["log"]["entries"][0];
    assert_eq!(entry["response"]["status"], 0);
    assert!(entry["_error"].as_str().unwrap().contains("deadline"), "{entry}");
    let url = server.url("/");
    tokio::select! {
        biased;
        outcome = post(&mut client, &url) => panic!("{outcome:?}"),
        () = crate::support::until("the connection", || server.connections() == 2) => {}
    }
    post_within(&mut client, &url, Duration::from_millis(50)).await.unwrap_err();
    assert!(read(&path)["log"]["entries"][1]["_error"].as_str().unwrap().contains("given up"));
}

#[tokio::test]
async fn a_capture_stops_at_its_limit_and_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wire.har");
    let server = Server::saying(with_headers("200 OK", "", &"x".repeat(1000))).await;
    let wire = Arc::new(Wire::new(WireConfig { max: 10_000, ..WireConfig::new(path.clone()) }));
    wire.start().unwrap();
    let mut client = client().with_wire(wire.clone());
    for _ in 0..20 {
        post(&mut client, &server.url("/")).await.unwrap();
        read(&path);
    }
    let har = read(&path);
    let entries = har["log"]["entries"].as_array().unwrap().len();
    assert!((3..10).contains(&entries), "{entries}");
    assert!(har["log"]["comment"].as_str().unwrap().contains("10000 bytes"));
    assert!(std::fs::metadata(&path).unwrap().len() < 10_200);
    assert!(!wire.is_on());
}

#[cfg(unix)]
#[test]
fn a_capture_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wire.har");
    std::fs::write(&path, "old and readable by all, and longer than an empty capture ".repeat(10)).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    Wire::create(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    read(&path);
    assert!(Wire::create(dir.path()).is_err());
    assert!(Wire::create(Path::new("/dev/null")).is_err());
}
