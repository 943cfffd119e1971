//! `StreamingChannel`s and pushes to them (guide, "Streaming Channel Push").

use std::net::SocketAddr;

use cometail::emulator::{Config, Seed};
use serde_json::{Value, json};

use super::client::Client;
use super::records::{create, rest};
use super::{control, start, start_default};

const CHANNEL: &str = "/u/notifications/ExampleUserChannel";

/// An org of two users and the guide's channel; where it is, and the path to push to.
async fn org() -> (SocketAddr, String) {
    let seed = "[user.\"a@example.com\"]\npassword = \"p\"\n[user.\"b@example.com\"]\npassword = \"p\"\n";
    let seed = Seed::parse(seed, std::path::Path::new("")).unwrap();
    let address = start(Config { seed, ..Config::default() }).await;
    let id = create(address, "StreamingChannel", json!({"Name": CHANNEL})).await;
    (address, format!("sobjects/StreamingChannel/{id}/push"))
}

/// The id of a user, and a subscriber of that user's.
async fn listen(address: SocketAddr, name: &str) -> (String, Client) {
    let query = format!("query?q=SELECT+Id+FROM+User+WHERE+Username='{name}'");
    let found = rest(address, "GET", &query, Value::Null).await.1;
    let issued = control(address, "tokens/issue", json!({"username": name})).await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    client.headers = format!("Authorization: Bearer {}\r\n", issued["access_token"].as_str().unwrap());
    client.handshake().await;
    assert_eq!(client.subscribe(&json!(CHANNEL), Value::Null).await["successful"], true);
    client.connect().await;
    (found["records"][0]["Id"].as_str().unwrap().to_owned(), client)
}

async fn push(address: SocketAddr, path: &str, payload: &str, users: &[&str]) -> Value {
    let body = json!({"pushEvents": [{"payload": payload, "userIds": users}]});
    let (status, reply) = rest(address, "POST", path, body).await;
    assert_eq!(status, 200, "{reply}");
    reply[0].clone()
}

#[tokio::test]
async fn a_push_without_users_is_a_broadcast() {
    let (address, path) = org().await;
    let (_, mut a) = listen(address, "a@example.com").await;
    let (_, mut b) = listen(address, "b@example.com").await;
    let result = push(address, &path, "Broadcast message to all subscribers", &[]).await;
    assert_eq!(result, json!({"fanoutCount": -1, "userOnlineStatus": {}}));
    for client in [&mut a, &mut b] {
        let event = client.connect().await.0.remove(0);
        assert_eq!(
            (&event["channel"], &event["data"]["payload"]),
            (&json!(CHANNEL), &json!("Broadcast message to all subscribers"))
        );
        assert!(
            event["data"]["event"]["createdDate"].is_string() && event["data"]["event"]["replayId"].is_i64()
        );
    }
}

#[tokio::test]
async fn a_push_to_users_reaches_them_alone_and_tells_who_was_online() {
    let (address, path) = org().await;
    let (one, mut a) = listen(address, "a@example.com").await;
    let (_, mut b) = listen(address, "b@example.com").await;
    let absent = "005xx000001Svq4AAC";
    let result = push(address, &path, "hello world!", &[&one[..15], absent]).await;
    assert_eq!(result["fanoutCount"], 1);
    assert_eq!(result["userOnlineStatus"], json!({&one: true, absent: false}));
    push(address, &path, "for all", &[]).await;
    let payloads =
        |events: &[Value]| events.iter().map(|event| event["data"]["payload"].clone()).collect::<Vec<_>>();
    assert_eq!(payloads(&a.connect().await.0), ["hello world!", "for all"]);
    assert_eq!(payloads(&b.connect().await.0), ["for all"]);
    let mut late = Client::new(address, "/cometd/61.0").await;
    late.headers = format!(
        "Authorization: {}\r\n",
        b.headers.split("Authorization: ").nth(1).unwrap().lines().next().unwrap()
    );
    late.handshake().await;
    late.subscribe(&json!(CHANNEL), json!({CHANNEL: -2})).await;
    assert_eq!(payloads(&late.connect().await.0), ["for all"], "a replay tells no more");
}

#[tokio::test]
async fn a_push_that_nobody_hears_has_a_fanout_of_0() {
    let (address, path) = org().await;
    assert_eq!(push(address, &path, "a", &[]).await, json!({"fanoutCount": 0, "userOnlineStatus": {}}));
    let result = push(address, &path, "a", &["005xx000001Svq3AAC"]).await;
    assert_eq!(result, json!({"fanoutCount": 0, "userOnlineStatus": {"005xx000001Svq3AAC": false}}));
}

#[tokio::test]
async fn the_push_of_the_guide_has_a_result_for_each_event() {
    let (address, path) = org().await;
    let (one, _a) = listen(address, "a@example.com").await;
    let body = json!({"pushEvents": [
        {"payload": "hello world!", "userIds": [one, "005xx000001Svq4AAC"]},
        {"payload": "broadcast to everybody (empty user list)!", "userIds": []}
    ]});
    let (status, reply) = rest(address, "POST", &path, body).await;
    let wanted = json!([
        {"fanoutCount": 1, "userOnlineStatus": {one: true, "005xx000001Svq4AAC": false}},
        {"fanoutCount": -1, "userOnlineStatus": {}}
    ]);
    assert_eq!((status, reply), (200, wanted));
}

#[tokio::test]
async fn get_tells_the_channel_and_who_listens() {
    let (address, path) = org().await;
    let nobody = rest(address, "GET", &path, Value::Null).await.1;
    assert_eq!(nobody, json!({"OnlineUserIds": [], "ChannelName": CHANNEL}));
    let (one, client) = listen(address, "a@example.com").await;
    let (_, twice) = listen(address, "a@example.com").await;
    let (two, _b) = listen(address, "b@example.com").await;
    let both = rest(address, "GET", &path, Value::Null).await.1;
    assert_eq!(both["OnlineUserIds"], json!([one, two]));
    drop((client, twice));
    control(address, "sessions/expire", Value::Null).await;
    assert_eq!(rest(address, "GET", &path, Value::Null).await.1["OnlineUserIds"], json!([]));
}

#[tokio::test]
async fn pushes_that_are_wrong_push_nothing() {
    let (address, path) = org().await;
    let (_, mut client) = listen(address, "a@example.com").await;
    for (body, code) in [
        (json!({"pushEvents": [{"payload": "x".repeat(3001)}]}), "STRING_TOO_LONG"),
        (json!({"pushEvents": [{"payload": "é".repeat(1501)}]}), "STRING_TOO_LONG"),
        (json!({"pushEvents": [{"payload": "a"}, {"payload": "b", "userIds": ["x"]}]}), "MALFORMED_ID"),
        (json!({"pushEvents": [{"payload": "a", "userIds": ["0M6Em0000000001KAA"]}]}), "MALFORMED_ID"),
        (json!({"pushEvents": [{"payload": {"a": 1}}]}), "JSON_PARSER_ERROR"),
        (json!({"pushEvents": []}), "INVALID_FIELD"),
        (json!({"pushEvents": [{"userIds": []}]}), "JSON_PARSER_ERROR"),
        (json!({}), "JSON_PARSER_ERROR"),
    ] {
        let (status, reply) = rest(address, "POST", &path, body).await;
        assert_eq!((status, &reply[0]["errorCode"]), (400, &json!(code)), "{reply}");
    }
    push(address, &path, &"x".repeat(3000), &[]).await;
    assert_eq!(client.connect().await.0.len(), 1);
    let other = "sobjects/StreamingChannel/0M6Em000000009AAAA/push";
    assert_eq!(rest(address, "GET", other, Value::Null).await.0, 404);
    assert_eq!(rest(address, "DELETE", &path, Value::Null).await.0, 405);
}

#[tokio::test]
async fn a_strict_org_has_only_what_it_has_records_of() {
    let address = start(Config { strict: true, ..Config::default() }).await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    client.handshake().await;
    let missing = client.subscribe(&json!("/topic/X"), Value::Null).await;
    assert_eq!(missing["error"], "400::The channel you requested to subscribe to doesn't exist {/topic/X}");
    let query = "SELECT Id, Name FROM Account";
    create(address, "PushTopic", json!({"Name": "X", "Query": query, "ApiVersion": 61.0})).await;
    assert_eq!(client.subscribe(&json!("/topic/X"), Value::Null).await["successful"], true);
    assert_eq!(client.subscribe(&json!("/u/made"), Value::Null).await["successful"], true);
    let found =
        rest(address, "GET", "query?q=SELECT+Name,+IsDynamic+FROM+StreamingChannel", Value::Null).await.1;
    let channel = &found["records"][0];
    assert_eq!((&channel["Name"], &channel["IsDynamic"]), (&json!("/u/made"), &json!(true)));
    let case = client.subscribe(&json!("/u/Made"), Value::Null).await;
    assert_eq!(case["error"], "404::channel names may not vary only by case");
    let wrong = client.subscribe(&json!("/u/a-b"), Value::Null).await;
    assert_eq!(wrong["error"], "403::Cannot create channel {/u/a-b}");
}

#[tokio::test]
async fn any_channel_exists_where_the_org_is_not_strict() {
    let address = start_default().await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    client.handshake().await;
    assert_eq!(client.subscribe(&json!(["/topic/X", "/u/a-b"]), Value::Null).await["successful"], true);
}

#[tokio::test]
async fn users_without_access_to_channels_neither_subscribe_nor_make_them() {
    let seed = Seed::parse(
        r#"
        [user."none@example.com"]
        password = "p"
        objects = { StreamingChannel = "none" }
        [user."read@example.com"]
        password = "p"
        objects = { StreamingChannel = "read" }
        [[record.StreamingChannel]]
        Name = "/u/a"
        "#,
        std::path::Path::new(""),
    );
    // The first user by name makes what the seed has, and so needs the right to.
    assert!(seed.unwrap_err().to_string().contains("record of StreamingChannel: NOT_FOUND"));
    let seed = "[user.\"none@example.com\"]\npassword = \"p\"\nobjects = { StreamingChannel = \"none\" }\n\
        [user.\"read@example.com\"]\npassword = \"p\"\nobjects = { StreamingChannel = \"read\" }";
    let seed = Seed::parse(seed, std::path::Path::new("")).unwrap();
    let address = start(Config { seed, strict: true, ..Config::default() }).await;
    for (name, error) in [
        ("none@example.com", "403::No access on channel"),
        ("read@example.com", "403::Cannot create channel {/u/a}"),
    ] {
        let issued = control(address, "tokens/issue", json!({"username": name})).await;
        let mut client = Client::new(address, "/cometd/61.0").await;
        client.headers = format!("Authorization: Bearer {}\r\n", issued["access_token"].as_str().unwrap());
        client.handshake().await;
        assert_eq!(client.subscribe(&json!("/u/a"), Value::Null).await["error"], error);
    }
}
