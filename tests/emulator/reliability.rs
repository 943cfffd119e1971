//! What outlives a connection and what does not: acknowledgements and restarts.

use std::net::SocketAddr;

use cometail::emulator::Config;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant};

use super::client::Client;
use super::{LONG, X, control, numbers, publish, start, start_default, wait_for};

/// Waits until it listens or no longer does.
pub(super) async fn wait_listening(address: SocketAddr, wanted: bool) {
    let deadline = Instant::now() + LONG;
    while TcpStream::connect(address).await.is_ok() != wanted {
        assert!(Instant::now() < deadline, "listening: {wanted}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again() {
    let address = start(Config { ack: true, ..Config::default() }).await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    let reply = client.handshake_with(json!({"replay": true, "ack": true})).await;
    assert_eq!((&reply["ext"]["ack"], &reply["ext"]["replay"]), (&json!(true), &json!(true)));
    client.subscribe(&json!(X), Value::Null).await;
    let mut connect = async |ack: Option<i64>| {
        let mut message = client.connect_message();
        message["ext"] = ack.map_or(Value::Null, |ack| json!({"ack": ack}));
        message["advice"] = json!({"timeout": 0});
        let mut replies = client.post(&json!([message])).await.json();
        let reply = replies.as_array_mut().unwrap().pop().unwrap();
        (numbers(replies.as_array().unwrap()), reply["ext"]["ack"].clone())
    };
    assert_eq!(connect(Some(-1)).await, (vec![], json!(1)));
    publish(address, 2).await;
    assert_eq!(connect(Some(1)).await, (vec![0, 1], json!(2)));
    assert_eq!(connect(Some(-1)).await, (vec![0, 1], json!(3)));
    assert_eq!(connect(None).await, (vec![0, 1], json!(4)));
    assert_eq!(connect(Some(4)).await, (vec![], json!(5)));
    publish(address, 1).await;
    assert_eq!(connect(Some(9)).await, (vec![], json!(6)), "acknowledged unseen");
}

#[tokio::test]
async fn nothing_is_acknowledged_that_was_not_asked_for() {
    for (offered, asked) in [(true, false), (false, true)] {
        let address = start(Config { ack: offered, ..Config::default() }).await;
        let mut client = Client::new(address, "/cometd/61.0").await;
        let reply = client.handshake_with(json!({"ack": asked})).await;
        assert!(reply["ext"].get("ack").is_none(), "{reply}");
        assert!(client.connect().await.1.get("ext").is_none());
    }
}

#[tokio::test]
async fn replay_is_there_without_being_asked_for_in_the_handshake() {
    for (path, offered) in [("/cometd/61.0", json!(true)), ("/cometd/36.0", Value::Null)] {
        let address = start_default().await;
        publish(address, 2).await;
        let mut client = Client::new(address, path).await;
        assert_eq!(client.handshake_with(json!({})).await["ext"]["replay"], offered);
        assert_eq!(client.subscribe(&json!(X), json!({X: -2})).await["successful"], true);
        let wanted: &[u64] = if offered == json!(true) { &[0, 1] } else { &[] };
        assert_eq!(numbers(&client.connect().await.0), wanted);
    }
}

#[tokio::test]
async fn a_restart_cuts_forgets_refuses_and_keeps_the_events() {
    let address = start_default().await;
    let first = publish(address, 3).await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    client.send_connect().await;
    wait_for(address, |state| state["sessions"][0]["has_open_connect"] == true).await;
    let mut other = Client::new(address, "").await;
    other.send("POST", "/_emulator/restart", r#"{"down_ms":3600000}"#).await;
    assert!(client.receive().await.is_none(), "a held connect is cut");
    wait_listening(address, false).await;

    let address = start_default().await;
    let mut other = Client::new(address, "").await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    let kept = publish(address, 3).await;
    assert!(kept > first);
    other.send("POST", "/_emulator/restart", r#"{"down_ms":1}"#).await;
    while other.receive().await.is_some() {}
    wait_listening(address, true).await;
    client = client.twin_at(address).await;
    assert_eq!(client.connect().await.1["error"], "403::Unknown client");
    let mut client = Client::subscribed(address, "/cometd/61.0", Some(kept)).await;
    assert_eq!(numbers(&client.connect().await.0), [1, 2]);
    let state = control(address, "state", Value::Null).await;
    assert_eq!(state["events_published"], 3);
}

#[tokio::test]
async fn a_restart_that_is_wrong_is_none() {
    let address = start_default().await;
    let mut client = Client::new(address, "").await;
    for body in ["", "{}", r#"{"down_ms":3600001}"#, r#"{"down_ms":-1}"#, r#"{"down_ms":1,"x":1}"#] {
        let response = client.request("POST", "/_emulator/restart", body).await;
        assert_eq!(response.status, 400, "{body}");
    }
}
