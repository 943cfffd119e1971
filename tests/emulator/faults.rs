//! Faults on demand, and what was sent to whom.

use std::net::SocketAddr;

use cometail::emulator::Config;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

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

/// What `/_emulator/faults` answers to this method.
async fn faults(address: SocketAddr, method: &str, id: &str) -> (u16, Value) {
    let path = format!("/_emulator/faults{id}");
    let response = Client::new(address, "").await.request(method, &path, "").await;
    (response.status, response.json())
}

#[tokio::test]
async fn faults_are_listed_and_taken_off_the_list() {
    let address = start_default().await;
    let first = control(address, "faults", json!({"next": 2, "status": 503})).await["id"].clone();
    let second = control(address, "faults", json!({"rate": 1.0, "seed": 3, "delay": 1})).await["id"].clone();
    let mut client = Client::new(address, "/cometd/61.0").await;
    assert_eq!(client.post(&json!([])).await.status, 503);
    let (_, listed) = faults(address, "GET", "").await;
    let wanted = json!([
        {"id": first, "next": 2, "status": 503, "left": 1, "met": 1},
        {"id": second, "rate": 1.0, "seed": 3, "delay": 1, "met": 1},
    ]);
    assert_eq!(listed["faults"], wanted);
    assert_eq!(faults(address, "DELETE", &format!("/{first}")).await.0, 200);
    assert_eq!(client.post(&json!([])).await.status, 200);
    for missing in [format!("/{first}"), "/x".to_owned(), "s".to_owned(), "/".to_owned()] {
        assert_eq!(faults(address, "DELETE", &missing).await.0, 404, "{missing}");
    }
    assert_eq!(faults(address, "DELETE", "").await, (200, json!({"ended": 1})));
    assert_eq!(faults(address, "GET", "").await.1["faults"], json!([]));
}

#[tokio::test]
async fn faults_stack_one_spoils_after_the_other_and_the_rest_come_together() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    publish(address, 3).await;
    for fault in [
        json!({"next": 1, "status": 502}),
        json!({"next": 1, "status": 500, "body": "late"}),
        json!({"next": 3, "delay": 40}),
        json!({"next": 1, "reorder": true, "delay": 60, "channel": "/meta/connect"}),
    ] {
        control(address, "faults", fault).await;
    }
    let mut ends = Vec::new();
    for _ in 0..2 {
        let response = client.post(&json!([])).await;
        ends.push((response.status, response.body));
    }
    assert_eq!(ends, [(502, String::new()), (500, "late".to_owned())]);
    let begin = Instant::now();
    let (events, _) = client.connect().await;
    assert!(begin.elapsed() >= Duration::from_millis(100), "delays add up");
    assert!(events.len() == 3 && !numbers(&events).is_sorted());
    assert_eq!(faults(address, "GET", "").await.1["faults"], json!([]), "all have met what they should");
}

#[tokio::test]
async fn faults_are_for_one_client_or_one_user() {
    let seed = "[user.\"a@example.com\"]\npassword = \"p\"\n[user.\"b@example.com\"]\npassword = \"p\"";
    let seed = cometail::emulator::Seed::parse(seed, std::path::Path::new("")).unwrap();
    let address = start(Config { seed, ..Config::default() }).await;
    let (mut first, mut second) = (
        Client::subscribed(address, "/cometd/61.0", None).await,
        Client::subscribed(address, "/cometd/61.0", None).await,
    );
    control(address, "faults", json!({"rate": 1.0, "status": 503, "client": second.id})).await;
    assert_eq!(first.connect().await.1["successful"], true);
    assert_eq!(second.post(&json!([second.connect_message()])).await.status, 503);
    faults(address, "DELETE", "").await;
    control(address, "faults", json!({"rate": 1.0, "status": 503, "user": "B@example.com"})).await;
    control(
        address,
        "faults",
        json!({"rate": 1.0, "status": 500, "user": "b@example.com", "path": "/services/"}),
    )
    .await;
    for (user, bayeux, rest) in [("a@example.com", 200, 200), ("b@example.com", 503, 500)] {
        let issued =
            control(address, "tokens/issue", json!({"username": user})).await["access_token"].clone();
        let mut client = Client::new(address, "/cometd/61.0").await;
        client.headers = format!("Authorization: Bearer {}\r\n", issued.as_str().unwrap());
        assert_eq!(client.post(&json!([])).await.status, bayeux, "{user}");
        assert_eq!(client.request("GET", "/services/data/v61.0/limits", "").await.status, rest, "{user}");
    }
}

#[tokio::test]
async fn messages_are_refused_with_a_reason_each_by_its_id() {
    let address = start_default().await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    let refuse = json!({"error": "403::Handshake denied", "failure": "503::Server is too busy"});
    let fault = json!({"next": 1, "refuse": refuse, "retry_after": 2, "status": 503});
    control(address, "faults", fault).await;
    let batch = json!([{"channel": "/meta/handshake", "id": 1}, {"channel": "/meta/connect", "id": "b"}]);
    let response = client.post(&batch).await;
    assert!(response.status == 503 && response.head.contains("retry-after: 2"), "{}", response.head);
    let ext = json!({"sfdc": {"failureReason": "503::Server is too busy"}});
    let refusal = |channel: &str, id: Value| json!({"channel": channel, "id": id, "successful": false, "error": "403::Handshake denied", "ext": ext});
    let wanted = json!([refusal("/meta/handshake", json!(1)), refusal("/meta/connect", json!("b"))]);
    assert_eq!(response.json(), wanted);
    assert_eq!(client.handshake().await["successful"], true);
}

#[tokio::test]
async fn a_request_meets_a_restart() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    publish(address, 1).await;
    control(address, "faults", json!({"next": 1, "restart": 1, "channel": "/meta/connect"})).await;
    assert_eq!(client.subscribe(&json!(X), Value::Null).await["successful"], true);
    client.send_connect().await;
    assert!(client.receive().await.is_none(), "cut, and nothing said before");
    super::reliability::wait_listening(address, true).await;
    let mut client = client.twin_at(address).await;
    assert_eq!(client.connect().await.1["error"], "403::Unknown client");
    let mut client = Client::subscribed(address, "/cometd/61.0", Some(-2)).await;
    assert_eq!(numbers(&client.connect().await.0), [0]);
}
