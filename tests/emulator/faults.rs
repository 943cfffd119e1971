//! Faults on demand, and what was sent to whom.

use std::net::SocketAddr;

use cometail::emulator::Config;
use serde_json::{Value, json};

use super::client::Client;
use super::records::rest;
use super::{X, control, numbers, publish, start, start_default, wait_for};

/// The head and the body of a response after which the server closed the connection.
async fn last_response(client: &mut Client) -> (String, Vec<u8>) {
    let bytes = client.drain().await;
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    (String::from_utf8(bytes[..at].to_vec()).unwrap().to_lowercase(), bytes[at + 4..].to_vec())
}

/// What a client was sent of `/topic/X`: handed out, and written.
async fn sent(address: SocketAddr, client: &Value) -> (u64, u64) {
    let all = control(address, "deliveries", Value::Null).await;
    let sent = &all["clients"][client.as_str().unwrap()]["events"][X];
    (sent["handed_out"].as_u64().unwrap_or(0), sent["written"].as_u64().unwrap_or(0))
}

#[tokio::test]
async fn a_rate_with_a_seed_meets_the_same_requests_again() {
    let mut patterns = Vec::new();
    for _ in 0..2 {
        let address = start_default().await;
        let mut client = Client::new(address, "/cometd/61.0").await;
        control(address, "faults", json!({"rate": 0.2, "seed": 7, "status": 503})).await;
        let mut met = Vec::new();
        for _ in 0..200 {
            met.push(client.post(&json!([])).await.status == 503);
        }
        let count = met.iter().filter(|met| **met).count();
        assert!((20..60).contains(&count), "{count}");
        let state = control(address, "state", Value::Null).await;
        assert_eq!(state["faults"], count);
        control(address, "faults", json!({"next": 0})).await;
        assert_eq!(client.post(&json!([])).await.status, 200);
        patterns.push(met);
    }
    assert_eq!(patterns[0], patterns[1]);
}

#[tokio::test]
async fn a_body_is_cut_where_the_fault_says() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    publish(address, 2).await;
    control(address, "faults", json!({"next": 1, "cut": 12, "channel": "/meta/connect"})).await;
    let mut twin = client.twin().await;
    client.send_connect().await;
    let (head, body) = last_response(&mut client).await;
    assert_eq!(body, br#"[{"channel":"#);
    let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    assert!(length.parse::<usize>().unwrap() > 12, "{head}");
    assert_eq!(sent(address, &twin.id).await, (2, 0), "handed out, and never written to the end");
    publish(address, 1).await;
    assert_eq!(numbers(&twin.connect().await.0), [0]);
    wait_for(address, |state| state["events_written"] == 1).await;
    assert_eq!(sent(address, &twin.id).await, (3, 1));
}

#[tokio::test]
async fn a_large_body_is_cut_to_the_byte_too() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    let data = json!({"sobject": {"text": "x".repeat(4_000_000)}});
    control(address, "publish", json!({"channel": X, "data": data})).await;
    control(address, "faults", json!({"next": 1, "cut": 3_900_000})).await;
    client.send_connect().await;
    let (_, body) = last_response(&mut client).await;
    assert_eq!(body.len(), 3_900_000);
}

#[tokio::test]
async fn a_cut_anywhere_leaves_less_than_the_whole() {
    let address = start_default().await;
    for seed in 0..20 {
        let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
        control(address, "faults", json!({"next": 1, "cut": true, "seed": seed})).await;
        client.send_connect().await;
        assert!(client.receive().await.is_none(), "{seed}");
    }
}

#[tokio::test]
async fn a_corrupt_byte_makes_a_body_that_is_no_utf_8() {
    let address = start_default().await;
    for corrupt in [json!(true), json!(0), json!(1_000_000)] {
        let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
        client.headers.push_str("Connection: close\r\n");
        control(address, "faults", json!({"next": 1, "corrupt": corrupt})).await;
        client.send_connect().await;
        let (head, body) = last_response(&mut client).await;
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert_eq!(body.iter().filter(|byte| !byte.is_ascii()).count(), 1, "{corrupt}");
    }
}

#[tokio::test]
async fn the_events_of_one_response_come_in_another_order_and_none_is_missing() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    publish(address, 5).await;
    control(address, "faults", json!({"next": 1, "reorder": true})).await;
    let (events, reply) = client.connect().await;
    assert_eq!((&reply["channel"], &reply["successful"]), (&json!("/meta/connect"), &json!(true)));
    let mut order = numbers(&events);
    assert!(!order.is_sorted(), "{order:?}");
    order.sort_unstable();
    assert_eq!(order, [0, 1, 2, 3, 4]);
    publish(address, 3).await;
    assert_eq!(numbers(&client.connect().await.0), [0, 1, 2], "only once");
}

#[tokio::test]
async fn the_sessions_of_the_next_requests_are_lost_and_those_of_others_are_not() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    let mut other = Client::subscribed(address, "/cometd/61.0", None).await;
    control(address, "faults", json!({"next": 1, "lose_session": true})).await;
    let (_, reply) = client.connect().await;
    assert_eq!(reply["error"], "403::Unknown client");
    assert_eq!(reply["advice"]["reconnect"], "handshake");
    assert_eq!(other.connect().await.1["successful"], true);
    control(address, "faults", json!({"next": 1, "lose_session": true, "after": true})).await;
    let message = json!({"channel": "/meta/connect", "clientId": other.id, "advice": {"timeout": 0}});
    assert_eq!(other.tell(&message).await["successful"], true, "answered, then lost");
    assert_eq!(other.connect().await.1["error"], "403::Unknown client");
}

#[tokio::test]
async fn the_tokens_of_the_next_requests_are_revoked() {
    let address = start(Config { login: true, ..Config::default() }).await;
    let issue = json!({"username": "admin@example.com"});
    let issued = control(address, "tokens/issue", issue).await["access_token"].clone();
    let mut client = Client::new(address, "/cometd/61.0").await;
    client.headers = format!("Authorization: Bearer {}\r\n", issued.as_str().unwrap());
    assert_eq!(client.handshake().await["successful"], true);
    control(address, "faults", json!({"next": 1, "revoke_token": true})).await;
    let (_, reply) = client.connect().await;
    assert_eq!(reply["error"], "401::Authentication invalid");
    assert_eq!(reply["advice"], json!({"reconnect": "none", "interval": 0}));
    assert_eq!(control(address, "state", Value::Null).await["tokens"], 0);
}

#[tokio::test]
async fn a_path_has_its_tokens_revoked_and_its_answers_cut() {
    let address = start_default().await;
    let issue = json!({"username": "admin@example.com"});
    let issued = control(address, "tokens/issue", issue).await["access_token"].clone();
    let mut client = Client::new(address, "").await;
    client.headers = format!("Authorization: Bearer {}\r\n", issued.as_str().unwrap());
    let limits = "/services/data/v61.0/limits";
    control(address, "faults", json!({"next": 1, "path": "/services/data/", "revoke_token": true})).await;
    let response = client.request("GET", limits, "").await;
    assert_eq!((response.status, &response.json()[0]["errorCode"]), (401, &json!("INVALID_SESSION_ID")));
    control(address, "faults", json!({"next": 1, "path": "/services/data/", "cut": true})).await;
    client.send("GET", limits, "").await;
    assert!(client.receive().await.is_none());
    assert_eq!(rest(address, "GET", "limits", Value::Null).await.0, 200);
}

#[tokio::test]
async fn every_event_is_accounted_for_by_client_and_channel() {
    let address = start_default().await;
    let mut first = Client::subscribed(address, "/cometd/61.0", None).await;
    let mut second = Client::new(address, "/cometd/61.0").await;
    second.handshake().await;
    second.subscribe(&json!([X, "/u/y"]), Value::Null).await;
    publish(address, 3).await;
    control(address, "publish", json!({"channel": "/u/y", "count": 2, "data": {}})).await;
    assert_eq!(first.connect().await.0.len(), 3);
    control(address, "faults", json!({"next": 1, "after": true, "close": true})).await;
    let mut twin = second.twin().await;
    second.send_connect().await;
    assert!(second.receive().await.is_none());
    publish(address, 1).await;
    assert_eq!(twin.connect().await.0.len(), 1);
    wait_for(address, |state| state["events_written"] == 4).await;
    let all = control(address, "deliveries", Value::Null).await;
    let of = |client: &Client| all["clients"][client.id.as_str().unwrap()].clone();
    assert_eq!(
        of(&first),
        json!({"responses": {"handed_out": 3, "written": 3}, "events": {X: {"handed_out": 3, "written": 3}}})
    );
    assert_eq!(
        of(&twin),
        json!({
            "responses": {"handed_out": 4, "written": 3},
            "events": {X: {"handed_out": 4, "written": 1}, "/u/y": {"handed_out": 2, "written": 0}}
        })
    );
    assert_eq!(all["others"]["clients"], 0);
    let state = control(address, "state", Value::Null).await;
    assert_eq!(state["events_handed_out"], 9);
    control(address, "sessions/expire", Value::Null).await;
    assert_eq!(control(address, "deliveries", Value::Null).await, all, "an account outlives its session");
}
