//! The emulator over real sockets, with an HTTP client of this test's own.

#![cfg(test)]

mod access;
mod allowances;
mod bayeux;
mod client;
mod documented;
mod editions;
mod errors;
mod faults;
mod filtered;
mod generic;
mod heroku;
mod identity;
mod jwt;
mod keys;
mod login;
mod oauth;
mod objects;
mod push_topics;
mod records;
mod reliability;
mod rights;
mod seed;
mod sharing;
mod soap;

use std::net::SocketAddr;
use std::time::Duration;

use cometail::emulator::{Config, Generate, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use client::Client;

const LONG: Duration = Duration::from_secs(20);
const X: &str = "/topic/X";

/// An emulator that lives as long as the test's runtime.
async fn start(config: Config) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, config, std::future::pending()));
    address
}

async fn start_default() -> SocketAddr {
    start(Config::default()).await
}

async fn control(address: SocketAddr, what: &str, body: Value) -> Value {
    let path = format!("/_emulator/{what}");
    let method = if ["state", "deliveries"].contains(&what) { "GET" } else { "POST" };
    let response = Client::new(address, "").await.request(method, &path, &body.to_string()).await;
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()
}

/// Waits until the state is as wanted.
async fn wait_for(address: SocketAddr, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + LONG;
    loop {
        let state = control(address, "state", Value::Null).await;
        if wanted(&state) {
            return state;
        }
        assert!(Instant::now() < deadline, "{state}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["data"]["sobject"]["n"].as_u64().unwrap()).collect()
}

async fn publish(address: SocketAddr, count: u64) -> i64 {
    let done = control(address, "publish", json!({"channel": X, "count": count, "data": {}})).await;
    done["first"].as_i64().unwrap()
}

#[tokio::test]
async fn a_client_shakes_hands_subscribes_connects_and_leaves() {
    let address = start_default().await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    let reply = client.handshake().await;
    assert_eq!(reply["supportedConnectionTypes"], json!(["long-polling"]));
    assert_eq!((&reply["id"], &reply["ext"]["replay"]), (&json!("1"), &json!(true)));
    let reply = client.subscribe(&json!(X), Value::Null).await;
    assert_eq!((&reply["successful"], &reply["subscription"]), (&json!(true), &json!(X)));
    let (events, reply) = client.connect().await;
    assert!(events.is_empty());
    assert_eq!(reply["advice"], json!({"reconnect": "retry", "interval": 0, "timeout": 110_000}));
    client.send_connect().await;
    wait_for(address, |state| state["sessions"][0]["has_open_connect"] == true).await;
    publish(address, 1).await;
    let replies = client.receive().await.unwrap().json();
    assert_eq!(replies[0]["channel"], X);
    assert_eq!(replies[0]["data"]["event"]["type"], "created");
    assert!(replies[0].get("clientId").is_none());
    assert_eq!((&replies[1]["channel"], &replies[1]["successful"]), (&json!("/meta/connect"), &json!(true)));
    let mut tell = async |channel: &str| {
        let message = json!({"channel": channel, "clientId": client.id, "subscription": X});
        client.tell(&message).await["successful"].clone()
    };
    assert_eq!(tell("/meta/unsubscribe").await, true);
    assert_eq!(control(address, "state", Value::Null).await["sessions"][0]["channels"], json!([]));
    assert_eq!(tell("/meta/disconnect").await, true);
    let state = control(address, "state", Value::Null).await;
    assert_eq!(state["sessions"], json!([]));
    let counts: Vec<_> = ["handshakes", "connects", "subscribes", "unsubscribes", "disconnects"]
        .iter()
        .map(|name| state[name].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [1, 2, 1, 1, 1]);
    assert_eq!((&state["events_published"], &state["events_handed_out"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn the_session_cookie_is_demanded() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    let cookie = std::mem::take(&mut client.headers);
    let (_, reply) = client.connect().await;
    let error = reply["error"].as_str().unwrap();
    assert!(error.starts_with("400::Client ") && error.contains("no BAYEUX_BROWSER cookie"), "{error}");
    client.headers = "Cookie: BAYEUX_BROWSER=other\r\n".to_owned();
    assert_eq!(client.connect().await.1["error"], "403::Unknown client");
    client.headers = cookie;
    assert_eq!(client.connect().await.1["successful"], true);
    let address = start(Config { cookies: false, ..Config::default() }).await;
    let mut client = Client::subscribed(address, "/cometd/35.0", None).await;
    client.headers.clear();
    assert_eq!(client.connect().await.1["successful"], true);
}

#[tokio::test]
async fn a_silent_session_expires_and_an_idle_connect_is_answered() {
    let address = start(Config { time_scale: 0.02, ..Config::default() }).await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    assert_eq!(client.connect().await.1["advice"]["timeout"], 2200);
    let begin = Instant::now();
    let (events, reply) = client.connect().await;
    assert!(events.is_empty() && reply["successful"] == true);
    assert!(begin.elapsed() >= Duration::from_millis(2200), "longer than the 800 ms that expire a session");
    wait_for(address, |state| state["sessions"] == json!([])).await;
    let (_, reply) = client.connect().await;
    assert_eq!(reply["error"], "403::Unknown client");
    assert_eq!(reply["advice"], json!({"reconnect": "handshake", "interval": 10}));
    let mut old = Client::new(address, "/cometd/36.0").await;
    old.id = json!("nobody");
    assert_eq!(old.connect().await.1["error"], "402::Unknown client");
    old.id = Value::Null;
    assert_eq!(old.connect().await.1["error"], "403::Client has not completed handshake");
}

#[tokio::test]
async fn replay_starts_where_the_subscription_says() {
    let address = start_default().await;
    let first = publish(address, 4).await;
    for (replay, wanted) in [(-2, vec![0, 1, 2, 3]), (first, vec![1, 2, 3]), (-1, vec![])] {
        let mut client = Client::subscribed(address, "/cometd/61.0", Some(replay)).await;
        assert_eq!(numbers(&client.connect().await.0), wanted, "{replay}");
    }
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    for wrong in [json!(1), json!(first + 999), json!("x")] {
        let reply = client.subscribe(&json!(X), json!({X: wrong})).await;
        let wanted = format!(
            "400::The replayId {{{wrong}}} you provided was invalid. Please provide a valid ID, -2 to replay all \
             events, or -1 to replay only new events."
        );
        assert_eq!(reply["error"], wanted);
    }
    let mut old = Client::subscribed(address, "/cometd/36.0", Some(-2)).await;
    assert!(old.connect().await.0.is_empty(), "no replay below API 37");
}

#[tokio::test]
async fn the_version_in_the_path_decides() {
    let address = start_default().await;
    let mut client = Client::new(address, "/cometd/36.0").await;
    assert!(client.handshake().await.get("ext").is_none());
    for (path, error) in
        [("/cometd/x", "400::API version in the URI is mandatory"), ("/cometd/21.0", "400::Unsup")]
    {
        client.path = path.to_owned();
        let response = client.post(&json!([{"channel": "/meta/handshake"}])).await;
        assert_eq!(response.status, 400);
        assert!(response.json()[0]["error"].as_str().unwrap().starts_with(error), "{}", response.body);
    }
    assert_eq!(client.request("POST", "/services", "[]").await.status, 404);
    assert_eq!(client.request("GET", "/cometd/61.0", "").await.status, 405);
    assert_eq!(client.request("POST", "/cometd/61.0", "{").await.status, 400);
    let mut old = Client::subscribed(address, "/cometd/35.0", None).await;
    publish(address, 1).await;
    let event = old.connect().await.0.remove(0);
    assert_eq!(event["clientId"], old.id);
    assert!(event["data"]["event"].get("replayId").is_none());
    assert!(event["data"]["event"]["createdDate"].as_str().unwrap().ends_with("+0000"));
}

#[tokio::test]
async fn subscriptions_come_in_batches_and_fail_one_by_one() {
    let address =
        start(Config { channels: Some(vec![X.to_owned(), "/u/y".to_owned()]), ..Config::default() }).await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    let id = client.id.clone();
    let one =
        |name: &str| json!({"channel": "/meta/subscribe", "clientId": id, "subscription": name, "id": 7});
    let batch = json!([one("/u/y"), one("/topic/None"), one("/topic/*"), one("x"), one("")]);
    let replies = client.post(&batch).await.json();
    assert_eq!((&replies[0]["successful"], &replies[0]["id"]), (&json!(true), &json!(7)));
    let errors: Vec<_> =
        replies.as_array().unwrap()[1..].iter().map(|reply| reply["error"].clone()).collect();
    assert_eq!(
        errors,
        [
            "400::The channel you requested to subscribe to doesn't exist {/topic/None}",
            "403::Restricted channel",
            "400::Channel subscriptions must start with a leading '/'",
            "400::Channel name not specified",
        ]
    );
    let both = client.subscribe(&json!([X, "/u/y"]), Value::Null).await;
    assert_eq!((&both["successful"], &both["subscription"]), (&json!(true), &json!([X, "/u/y"])));
    let state = control(address, "state", Value::Null).await;
    assert_eq!(state["sessions"][0]["channels"], json!([X, "/u/y"]));
    let large = json!([one(&"x".repeat(32_768))]);
    let response = client.post(&large).await;
    assert_eq!(response.status, 413);
    assert_eq!(response.json()[0]["error"], "413::Maximum Request Size Exceeded");
}

#[tokio::test]
async fn a_client_that_hangs_up_loses_no_event() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    let mut twin = client.twin().await;
    client.send_connect().await;
    wait_for(address, |state| state["sessions"][0]["has_open_connect"] == true).await;
    drop(client);
    wait_for(address, |state| state["sessions"][0]["has_open_connect"] == false).await;
    publish(address, 3).await;
    assert_eq!(control(address, "state", Value::Null).await["sessions"][0]["queued"], 3);
    assert_eq!(numbers(&twin.connect().await.0), [0, 1, 2]);
}

#[tokio::test]
async fn raw_messages_arrive_byte_for_byte() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    let raw = "{\"data\":{\n  \"n\" : 1.50E+3, \"event\":{\"replayId\": REPLAYID}, \"é\":\"\\u00e9\"},\r\n\"channel\":\"/topic/X\"}";
    let done = control(address, "publish", json!({"channel": X, "raw": raw})).await;
    let response = client.post(&json!([client.connect_message()])).await;
    let wanted = raw.replace("REPLAYID", &done["first"].to_string());
    assert!(response.body.starts_with(&format!("[{wanted},")), "{}", response.body);
}

#[tokio::test]
async fn the_generator_and_the_look_interval_work() {
    let generate = Generate { channel: X.to_owned(), every: Duration::from_millis(10) };
    let address = start(Config {
        generate: Some(generate),
        poll_interval: Duration::from_millis(300),
        ..Config::default()
    })
    .await;
    let mut client = Client::subscribed(address, "/cometd/61.0", Some(-2)).await;
    let (events, _) = client.connect().await;
    assert_eq!(events[0]["data"]["sobject"]["Name"], "INV-0001");
    assert_eq!(events[0]["data"]["event"]["type"], "created");
    // On a busy machine a look may come right after the one before.
    let mut most = 0;
    for _ in 0..10 {
        most = most.max(client.connect().await.0.len());
    }
    assert!(most > 2, "several events wait for one look, not {most}");
}

#[tokio::test]
async fn faults_meet_as_many_requests_as_they_should() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    control(address, "faults", json!({"next": 1, "status": 503, "retry_after": 1})).await;
    let response = client.post(&json!([client.connect_message()])).await;
    assert_eq!((response.status, response.head.contains("retry-after: 1")), (503, true));
    control(address, "faults", json!({"next": 1, "body": "<html>", "channel": "/meta/connect"})).await;
    client.subscribe(&json!(X), Value::Null).await;
    assert_eq!(client.post(&json!([client.connect_message()])).await.body, "<html>");
    publish(address, 2).await;
    control(address, "faults", json!({"next": 1, "close": true})).await;
    let mut twin = client.twin().await;
    client.send_connect().await;
    assert!(client.receive().await.is_none(), "closed without a reply");
    control(address, "faults", json!({"next": 1, "close": true, "after": true})).await;
    let mut third = twin.twin().await;
    twin.send_connect().await;
    assert!(twin.receive().await.is_none());
    let state = control(address, "state", Value::Null).await;
    assert_eq!((&state["events_handed_out"], &state["sessions"][0]["queued"]), (&json!(2), &json!(0)));
    publish(address, 1).await;
    assert_eq!(numbers(&third.connect().await.0), [0]);
}

#[tokio::test]
async fn sessions_are_bounded() {
    let address = start_default().await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    for _ in 0..1000 {
        assert_eq!(client.handshake().await["successful"], true);
    }
    assert_eq!(client.handshake().await["error"], "403::Organization concurrent user limit exceeded");
    let forgotten = control(address, "sessions/expire", Value::Null).await;
    assert_eq!(forgotten["expired"], 1000);
    assert_eq!(client.handshake().await["successful"], true);
}

#[tokio::test]
async fn heads_are_bounded() {
    let address = start_default().await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    client.headers = format!("X: {}\r\n", "x".repeat(40_000));
    assert_eq!(client.request("POST", "/cometd/61.0", "[]").await.status, 431);
    let mut client = Client::new(address, "/cometd/61.0").await;
    client.headers = format!("X: {}\r\n", "x".repeat(4000));
    assert_eq!(client.request("POST", "/cometd/61.0", "[]").await.status, 200);
}

#[tokio::test]
async fn control_requests_that_are_wrong_change_nothing() {
    let address = start_default().await;
    let mut client = Client::new(address, "").await;
    for (what, body) in [
        ("publish", r#"{"channel":"/topic/*","data":{}}"#),
        ("publish", r#"{"channel":"/topic/X"}"#),
        ("publish", r#"{"channel":"/topic/X","data":{},"raw":""}"#),
        ("publish", r#"{"channel":"/topic/X","data":{},"count":250001}"#),
        ("publish", r#"{"channel":"/topic/X","data":[]}"#),
        ("faults", r#"{"next":1,"status":99}"#),
        ("faults", r#"{"next":1,"stauts":500}"#),
        ("faults", r#"{"close":true}"#),
        ("faults", r#"{"rate":0}"#),
        ("faults", r#"{"rate":1.1}"#),
        ("faults", r#"{"next":1,"cut":-1}"#),
        ("faults", r#"{"next":1,"restart":3600001}"#),
        ("faults", r#"{"next":1,"restart":1,"delay":1}"#),
        ("faults", r#"{"next":1,"path":"/services/","client":"x"}"#),
        ("faults", r#"{"next":1,"path":"/services/","refuse":{"error":"x"}}"#),
        ("faults", r#"{"next":1,"body":"x","refuse":{"error":"x"}}"#),
        ("faults", r#"{"next":1,"refuse":"x"}"#),
        ("limits", r#"{"requests":-1}"#),
        ("faults", r#"{"next":1,"path":"/services/","channel":"/meta/connect"}"#),
        ("faults", r#"{"next":1,"path":"/services/","lose_session":true}"#),
        ("token", "null"),
    ] {
        let response = client.request("POST", &format!("/_emulator/{what}"), body).await;
        assert_eq!(response.status, 400, "{what} {body}");
        assert!(response.json()["error"].is_string());
    }
    assert_eq!(client.request("GET", "/_emulator/publish", "").await.status, 404);
    let state = control(address, "state", Value::Null).await;
    assert_eq!((&state["events_published"], &state["requests"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn it_serves_until_it_is_told_to_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, Config::default(), async { drop(stopped.await) }));
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    client.send_connect().await;
    wait_for(address, |state| state["sessions"][0]["has_open_connect"] == true).await;
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(client.receive().await.is_none(), "a held connect is cut");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config { time_scale: 0.0, ..Config::default() };
    let error = serve(listener, config, std::future::pending()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
