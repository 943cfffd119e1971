//! Guide, "Streaming API Limits": each limit of each edition, up to the last one allowed and one more.

use std::net::SocketAddr;

use cometail::emulator::{Config, Edition};
use serde_json::{Value, json};

use super::client::Client;
use super::records::{create, rest};
use super::{X, control, start};

const QUERY: &str = "SELECT Id, Name FROM Account";

async fn org(edition: Edition) -> SocketAddr {
    start(Config { edition, strict: true, ..Config::default() }).await
}

/// Creates a record; the code of the refusal, if it is refused.
async fn attempt(address: SocketAddr, kind: &str, body: Value) -> Result<(), String> {
    let (status, reply) = rest(address, "POST", &format!("sobjects/{kind}"), body).await;
    if status == 201 { Ok(()) } else { Err(reply[0]["errorCode"].as_str().unwrap_or_default().to_owned()) }
}

/// Records beyond what a type may have: the last one is refused, and its place taken when another one goes.
async fn records_up_to(edition: Edition, kind: &str, max: usize, body: impl Fn(usize) -> Value) {
    let address = org(edition).await;
    let most: Vec<_> = (1..max).map(&body).collect();
    assert_eq!(control(address, "records", json!({kind: most})).await["loaded"], max - 1);
    let last = create(address, kind, body(max)).await;
    assert_eq!(attempt(address, kind, body(max + 1)).await, Err("LIMIT_EXCEEDED".to_owned()));
    assert_eq!(rest(address, "DELETE", &format!("sobjects/{kind}/{last}"), Value::Null).await.0, 204);
    assert_eq!(attempt(address, kind, body(max + 1)).await, Ok(()));
}

async fn topics(edition: Edition, max: usize) {
    let body = |n| json!({"Name": format!("T{n}"), "Query": QUERY, "ApiVersion": 35.0});
    records_up_to(edition, "PushTopic", max, body).await;
}

async fn channels(edition: Edition, max: usize) {
    records_up_to(edition, "StreamingChannel", max, |n| json!({"Name": format!("/u/c{n}")})).await;
}

/// The limits on clients at a time: of the org, of each topic and of each generic channel.
async fn clients(edition: Edition, max: usize) {
    let address = org(edition).await;
    create(address, "PushTopic", json!({"Name": "X", "Query": QUERY, "ApiVersion": 35.0})).await;
    create(address, "StreamingChannel", json!({"Name": "/u/a"})).await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    for n in 0..max {
        // One connection carries the requests of all of them; the cookie tells them apart.
        client.headers.clear();
        assert_eq!(client.handshake().await["successful"], true, "{n}");
        assert_eq!(client.subscribe(&json!([X, "/u/a"]), Value::Null).await["successful"], true, "{n}");
    }
    client.headers.clear();
    let refused = client.handshake().await;
    assert_eq!(refused["error"], "403::Organization concurrent user limit exceeded");
    control(address, "limits", json!({"clients": max + 1})).await;
    client.headers.clear();
    assert_eq!(client.handshake().await["successful"], true);
    for channel in [X, "/u/a"] {
        let refused = client.subscribe(&json!(channel), Value::Null).await;
        assert_eq!(refused["error"], "403::Subscription limit exceeded for this topic", "{channel}");
    }
}

/// The last event of the day is told of, the one after it is not, and who comes then is refused.
async fn events(edition: Edition, max: usize) {
    let address = org(edition).await;
    create(address, "PushTopic", json!({"Name": "X", "Query": QUERY, "ApiVersion": 35.0})).await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    control(address, "usage", json!({"events": max - 1})).await;
    for name in ["last", "dropped"] {
        create(address, "Account", json!({"Name": name})).await;
    }
    let (events, _) = client.connect().await;
    assert_eq!((events.len(), &events[0]["data"]["sobject"]["Name"]), (1, &json!("last")));
    let refused = Client::new(address, "/cometd/61.0").await.handshake().await;
    assert_eq!(refused["error"], "403::Organization total events daily limit exceeded");
}

/// The last push of the day is told of, the one after it is refused.
async fn pushes(edition: Edition, max: usize) {
    let address = org(edition).await;
    let id = create(address, "StreamingChannel", json!({"Name": "/u/a"})).await;
    control(address, "usage", json!({"generic_events": max - 1})).await;
    let path = format!("sobjects/StreamingChannel/{id}/push");
    let push = async || rest(address, "POST", &path, json!({"pushEvents": [{"payload": "1"}]})).await;
    assert_eq!(push().await.0, 200);
    let (status, reply) = push().await;
    assert_eq!((status, &reply[0]["errorCode"]), (400, &json!("LIMIT_EXCEEDED")));
}

macro_rules! limits {
    ($($row:ident: $edition:ident, $limit:ident = $max:literal;)*) => {
        $(#[tokio::test]
        async fn $row() {
            $limit(Edition::$edition, $max).await;
        })*
    };
}

limits! {
    push_topics_per_org_performance: Performance, topics = 100;
    push_topics_per_org_unlimited: Unlimited, topics = 50;
    push_topics_per_org_enterprise: Enterprise, topics = 50;
    push_topics_per_org_professional: Professional, topics = 40;
    push_topics_per_org_developer: Developer, topics = 40;
    push_topics_per_org_free: Free, topics = 40;
    clients_per_topic_and_concurrent_performance: Performance, clients = 2000;
    clients_per_topic_and_concurrent_unlimited: Unlimited, clients = 1000;
    clients_per_topic_and_concurrent_enterprise: Enterprise, clients = 1000;
    clients_per_topic_and_concurrent_professional: Professional, clients = 20;
    clients_per_topic_and_concurrent_developer: Developer, clients = 20;
    clients_per_topic_and_concurrent_free: Free, clients = 20;
    events_in_24_hours_performance: Performance, events = 1_000_000;
    events_in_24_hours_unlimited: Unlimited, events = 200_000;
    events_in_24_hours_enterprise: Enterprise, events = 200_000;
    events_in_24_hours_professional: Professional, events = 50_000;
    events_in_24_hours_developer: Developer, events = 50_000;
    events_in_24_hours_free: Free, events = 10_000;
    streaming_channels_per_org_performance: Performance, channels = 1000;
    streaming_channels_per_org_unlimited: Unlimited, channels = 1000;
    streaming_channels_per_org_enterprise: Enterprise, channels = 1000;
    streaming_channels_per_org_professional: Professional, channels = 1000;
    streaming_channels_per_org_developer: Developer, channels = 200;
    generic_events_in_24_hours_performance: Performance, pushes = 100_000;
    generic_events_in_24_hours_unlimited: Unlimited, pushes = 100_000;
    generic_events_in_24_hours_enterprise: Enterprise, pushes = 100_000;
    generic_events_in_24_hours_professional: Professional, pushes = 100_000;
    generic_events_in_24_hours_developer: Developer, pushes = 10_000;
}
