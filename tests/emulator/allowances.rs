//! What an edition allows, and what is left of it.

use std::net::SocketAddr;

use cometail::emulator::{Config, Edition};
use serde_json::{Value, json};

use super::client::Client;
use super::records::{create, rest, rest_at};
use super::{X, control, start, start_default};

async fn left(address: SocketAddr, name: &str) -> (u64, u64) {
    let limits = rest(address, "GET", "limits", Value::Null).await.1;
    let number = |which: &str| limits[name][which].as_u64().unwrap_or_else(|| panic!("{name}: {limits}"));
    (number("Max"), number("Remaining"))
}

async fn topic(address: SocketAddr) {
    let query = "SELECT Id, Name FROM Account";
    create(address, "PushTopic", json!({"Name": "X", "Query": query, "ApiVersion": 61.0})).await;
}

#[tokio::test]
async fn the_limits_resource_counts_events_pushes_clients_and_calls() {
    let address = start_default().await;
    topic(address).await;
    let channel = create(address, "StreamingChannel", json!({"Name": "/u/a"})).await;
    for name in ["DailyStreamingApiEvents", "DailyDurableStreamingApiEvents"] {
        assert_eq!(left(address, name).await, (200_000, 200_000));
    }
    for name in ["a", "b", "c"] {
        create(address, "Account", json!({"Name": name})).await;
    }
    let path = format!("sobjects/StreamingChannel/{channel}/push");
    let body = json!({"pushEvents": [{"payload": "1"}, {"payload": "2"}]});
    assert_eq!(rest(address, "POST", &path, body).await.0, 200);
    for (name, max, used) in [
        ("DailyStreamingApiEvents", 200_000, 3),
        ("DailyDurableStreamingApiEvents", 200_000, 3),
        ("DailyGenericStreamingApiEvents", 100_000, 2),
        ("DailyDurableGenericStreamingApiEvents", 100_000, 2),
        ("StreamingApiConcurrentClients", 1000, 0),
    ] {
        assert_eq!(left(address, name).await, (max, max - used), "{name}");
    }
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    assert_eq!(left(address, "DurableStreamingApiConcurrentClients").await, (1000, 999));
    let before = left(address, "DailyApiRequests").await.1;
    assert_eq!(left(address, "DailyApiRequests").await.1, before - 1);
}

#[tokio::test]
async fn the_version_decides_which_limits_there_are() {
    let address = start_default().await;
    let old = rest_at(address, "36.0", "GET", "limits", Value::Null).await.1;
    assert!(
        old.get("DailyStreamingApiEvents").is_some() && old.get("DailyDurableStreamingApiEvents").is_none()
    );
    assert_eq!(rest_at(address, "23.0", "GET", "limits", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_used_up_day_drops_events_and_refuses_handshakes() {
    let address = start(Config { edition: Edition::Developer, ..Config::default() }).await;
    topic(address).await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    control(address, "usage", json!({"events": 49_999, "generic_events": 10_000})).await;
    for name in ["last", "dropped"] {
        create(address, "Account", json!({"Name": name})).await;
    }
    assert_eq!(left(address, "DailyStreamingApiEvents").await, (50_000, 0));
    let (events, _) = client.connect().await;
    let names: Vec<_> = events.iter().map(|event| event["data"]["sobject"]["Name"].clone()).collect();
    assert_eq!(names, ["last"]);
    let reply = Client::new(address, "/cometd/61.0").await.handshake().await;
    assert_eq!(reply["error"], "403::Organization total events daily limit exceeded");
    let channel = create(address, "StreamingChannel", json!({"Name": "/u/a"})).await;
    let path = format!("sobjects/StreamingChannel/{channel}/push");
    let (status, reply) = rest(address, "POST", &path, json!({"pushEvents": [{"payload": "1"}]})).await;
    assert_eq!((status, &reply[0]["errorCode"]), (400, &json!("LIMIT_EXCEEDED")));
}

#[tokio::test]
async fn clients_are_limited_by_edition() {
    let address = start(Config { edition: Edition::Free, ..Config::default() }).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::subscribed(address, "/cometd/61.0", None).await);
    }
    let reply = Client::new(address, "/cometd/61.0").await.handshake().await;
    assert_eq!(reply["error"], "403::Organization concurrent user limit exceeded");
    assert_eq!(left(address, "StreamingApiConcurrentClients").await, (20, 0));
    let again = clients[0].subscribe(&json!(X), Value::Null).await;
    assert_eq!(again["successful"], true, "a subscription that there is does not count twice");
}
