//! Every error of the protocol, row by row, each from its cause.

use std::net::SocketAddr;

use cometail::emulator::{Config, Edition, Seed};
use serde_json::{Value, json};

use super::client::Client;
use super::records::create;
use super::{X, control, publish, start, start_default, wait_for};

const NEW: &str = "/cometd/61.0";
const OLD: &str = "/cometd/35.0";

/// An org with a topic, a channel, and users who lack one right each.
async fn org() -> SocketAddr {
    let seed = r#"
        [user."admin@example.com"]
        password = "p"
        [user."entity@example.com"]
        password = "p"
        objects = { Account = "none" }
        [user."where@example.com"]
        password = "p"
        hidden_fields = ["Account.Industry"]
        [user."streaming@example.com"]
        password = "p"
        permissions = ["ApiEnabled"]
        [user."data@example.com"]
        password = "p"
        permissions = ["ApiEnabled", "Streaming"]
        [user."channel@example.com"]
        password = "p"
        objects = { StreamingChannel = "none" }
        [user."read@example.com"]
        password = "p"
        objects = { StreamingChannel = "read" }
    "#;
    let seed = Seed::parse(seed, std::path::Path::new("")).unwrap();
    let config = Config { seed, strict: true, edition: Edition::Developer, ..Config::default() };
    let address = start(config).await;
    let query = "SELECT Id, Name FROM Account WHERE Industry = 'Energy'";
    create(address, "PushTopic", json!({"Name": "X", "Query": query, "ApiVersion": 35.0})).await;
    create(address, "StreamingChannel", json!({"Name": "/u/a"})).await;
    address
}

/// A client that has shaken hands as this user.
async fn client_of(address: SocketAddr, user: &str, path: &str) -> Client {
    let issued = control(address, "tokens/issue", json!({"username": format!("{user}@example.com")})).await;
    let mut client = Client::new(address, path).await;
    client.headers = format!("Authorization: Bearer {}\r\n", issued["access_token"].as_str().unwrap());
    assert_eq!(client.handshake().await["successful"], true);
    client
}

/// The refusal of a subscription; the session stays as it was.
async fn refused(client: &mut Client, subscription: &Value, positions: Value) -> Value {
    let reply = client.subscribe(subscription, positions).await;
    assert_eq!((&reply["successful"], &reply["subscription"]), (&json!(false), subscription), "{reply}");
    let mut message = client.connect_message();
    message["advice"] = json!({"timeout": 0});
    assert_eq!(client.tell(&message).await["successful"], true, "a refused subscription ends nothing");
    reply["error"].clone()
}

macro_rules! subscriptions {
    ($($row:ident: $user:literal at $path:expr, $name:expr => $error:literal;)*) => {
        $(#[tokio::test]
        async fn $row() {
            let address = org().await;
            let mut client = client_of(address, $user, $path).await;
            assert_eq!(refused(&mut client, &json!($name), Value::Null).await, $error);
        })*
    };
}

subscriptions! {
    e403_denied_by_security_policy_create_denied: "admin" at OLD, "/topic/None" => "403:denied_by_security_policy:create_denied";
    e403_denied_by_security_policy_subscribe_denied_entity: "entity" at OLD, X => "403:denied_by_security_policy:subscribe_denied";
    e403_denied_by_security_policy_subscribe_denied_channel: "channel" at OLD, "/u/a" => "403:denied_by_security_policy:subscribe_denied";
    e400_the_channel_does_not_exist: "admin" at NEW, "/topic/None" => "400::The channel you requested to subscribe to doesn't exist {/topic/None}";
    e400_the_channel_does_not_exist_of_no_kind: "admin" at NEW, "/x" => "400::The channel you requested to subscribe to doesn't exist {/x}";
    e400_the_channel_does_not_exist_filtered: "admin" at NEW, "/u/a?b='c'" => "400::The channel you requested to subscribe to doesn't exist {/u/a}";
    e404_unknown_channel: "admin" at OLD, "/x" => "404::Unknown channel";
    e404_channel_names_may_not_vary_only_by_case_topic: "admin" at NEW, "/topic/x" => "404::channel names may not vary only by case";
    e404_channel_names_may_not_vary_only_by_case_generic: "admin" at NEW, "/u/A" => "404::channel names may not vary only by case";
    e400_channel_subscriptions_must_start_with_a_leading_slash: "admin" at NEW, "topic/X" => "400::Channel subscriptions must start with a leading '/'";
    e400_channel_name_not_specified: "admin" at NEW, "" => "400::Channel name not specified";
    e400_channel_name_not_specified_empty_array: "admin" at NEW, [""] => "400::Channel name not specified";
    e400_query_fields_do_not_exist: "admin" at NEW, "/topic/X?Nope='a'&Name='b'&Industry='c'" => "400::Query fields {Nope, Industry} do not exist on the topic entity";
    e403_subscriber_does_not_have_access_to_the_entity: "entity" at NEW, X => "403::Subscriber does not have access to the entity in this topic";
    e403_subscriber_does_not_have_access_to_where_fields: "where" at NEW, X => "403::Subscriber does not have access to all fields referenced in the where clause of the PushTopic";
    e403_user_not_enabled_for_streaming: "streaming" at NEW, X => "403::User not enabled for streaming";
    e403_restricted_channel_wildcard: "admin" at NEW, "/topic/*" => "403::Restricted channel";
    e403_restricted_channel_deep_wildcard: "admin" at OLD, "/**" => "403::Restricted channel";
    e403_restricted_channel_meta: "admin" at NEW, "/meta/connect" => "403::Restricted channel";
    e403_user_not_allowed_to_subscribe_cdc: "data" at NEW, "/data/ChangeEvents" => "403::User not allowed to subscribe CDC without View All Data permissions";
    e403_no_access_on_channel: "channel" at NEW, "/u/a" => "403::No access on channel";
    e403_cannot_create_channel: "read" at NEW, "/u/new" => "403::Cannot create channel {/u/new}";
    e403_cannot_create_channel_of_a_bad_name: "admin" at NEW, "/u/a-b" => "403::Cannot create channel {/u/a-b}";
}

#[tokio::test]
async fn e403_unable_to_create_channel_dynamically() {
    let address = org().await;
    let mut client = client_of(address, "admin", NEW).await;
    for n in 1..200 {
        create(address, "StreamingChannel", json!({"Name": format!("/u/n{n}")})).await;
    }
    let error = "403::Unable to create channel dynamically, maximum channel limit has been exceeded";
    assert_eq!(refused(&mut client, &json!("/u/more"), Value::Null).await, error);
}

#[tokio::test]
async fn e400_the_replay_id_was_invalid() {
    let address = start_default().await;
    let last = publish(address, 1).await;
    let mut client = Client::subscribed(address, NEW, None).await;
    for wrong in [json!(last + 1), json!(last - 1), json!(0), json!(-3), json!("x"), json!(1.5)] {
        let error = format!(
            "400::The replayId {{{wrong}}} you provided was invalid. Please provide a valid ID, -2 to replay all events, \
             or -1 to replay only new events."
        );
        assert_eq!(refused(&mut client, &json!(X), json!({X: wrong})).await, error);
    }
}

#[tokio::test]
async fn e403_subscription_limit_exceeded_for_this_topic() {
    let address = start_default().await;
    control(address, "limits", json!({"topic_clients": 1})).await;
    let mut first = Client::subscribed(address, NEW, None).await;
    let mut second = Client::new(address, NEW).await;
    second.handshake().await;
    let error = "403::Subscription limit exceeded for this topic";
    assert_eq!(refused(&mut second, &json!(X), Value::Null).await, error);
    assert_eq!(refused(&mut second, &json!("/topic/X?A='b'"), Value::Null).await, error);
    assert_eq!(second.subscribe(&json!("/topic/Y"), Value::Null).await["successful"], true);
    assert_eq!(first.subscribe(&json!(X), Value::Null).await["successful"], true);
}

#[tokio::test]
async fn e403_organization_concurrent_user_limit_exceeded() {
    let address = start_default().await;
    control(address, "limits", json!({"clients": 1})).await;
    assert_eq!(Client::new(address, NEW).await.handshake().await["successful"], true);
    let reply = Client::new(address, NEW).await.handshake().await;
    assert_eq!(reply["error"], "403::Organization concurrent user limit exceeded");
}

#[tokio::test]
async fn e403_organization_total_events_daily_limit_exceeded() {
    let address = start_default().await;
    control(address, "usage", json!({"events": 200_000})).await;
    let reply = Client::new(address, NEW).await.handshake().await;
    assert_eq!(reply["error"], "403::Organization total events daily limit exceeded");
}

#[tokio::test]
async fn e403_handshake_denied_simultaneous_connections_per_server() {
    let address = start_default().await;
    control(address, "limits", json!({"server_clients": 0})).await;
    let reply = Client::new(address, NEW).await.handshake().await;
    assert_eq!(reply["error"], "403::Handshake denied");
    let reason = reply["ext"]["sfdc"]["failureReason"].as_str().unwrap();
    assert!(reason.contains("limit the number of simultaneous connections per server"), "{reason}");
    let mut client = Client::new(address, "").await;
    let response = client.request("POST", "/_emulator/limits", r#"{"server_clients":10001}"#).await;
    assert_eq!(response.status, 400);
}

#[tokio::test]
async fn e402_and_e403_unknown_client() {
    let address = start_default().await;
    for (path, error) in [(NEW, "403::Unknown client"), (OLD, "402::Unknown client")] {
        let mut client = Client::new(address, path).await;
        client.id = json!("nobody");
        let advice = json!({"reconnect": "handshake", "interval": 500});
        for reply in [client.connect().await.1, client.subscribe(&json!(X), Value::Null).await] {
            assert_eq!((&reply["error"], &reply["advice"]), (&json!(error), &advice));
        }
    }
}

#[tokio::test]
async fn e403_client_has_not_completed_handshake() {
    let address = start_default().await;
    for path in [NEW, OLD] {
        let mut client = Client::new(address, path).await;
        for reply in [client.connect().await.1, client.subscribe(&json!(X), Value::Null).await] {
            assert_eq!(reply["error"], "403::Client has not completed handshake");
        }
    }
}

#[tokio::test]
async fn e401_authentication_invalid_on_connect() {
    let address = org().await;
    let mut client = client_of(address, "admin", NEW).await;
    control(address, "tokens/revoke", json!({})).await;
    let reply = client.connect().await.1;
    assert_eq!(reply["error"], "401::Authentication invalid");
    assert_eq!(reply["advice"]["reconnect"], "none");
}

#[tokio::test]
async fn e403_handshake_denied_and_http_401_for_want_of_a_token() {
    let address = start(Config { login: true, ..Config::default() }).await;
    let mut client = Client::new(address, NEW).await;
    for (headers, reason) in [
        ("", "401::Request requires authentication"),
        ("Authorization: Bearer wrong\r\n", "401::Authentication invalid"),
    ] {
        client.headers = headers.to_owned();
        let reply = client.handshake().await;
        assert_eq!(reply["error"], "403::Handshake denied");
        assert_eq!(reply["ext"]["sfdc"]["failureReason"], reason);
        assert_eq!(reply["advice"]["reconnect"], "none");
    }
    client.path = OLD.to_owned();
    assert_eq!(client.post(&json!([{"channel": "/meta/handshake"}])).await.status, 401);
}

/// A server whose resources one held connect uses up.
async fn busy(address: SocketAddr) -> Client {
    let mut holder = Client::subscribed(address, NEW, None).await;
    holder.connect().await;
    control(address, "limits", json!({"requests": 1})).await;
    holder.send_connect().await;
    wait_for(address, |state| open_connects(state) == 1).await;
    holder
}

fn open_connects(state: &Value) -> usize {
    state["sessions"].as_array().unwrap().iter().filter(|one| one["has_open_connect"] == true).count()
}

#[tokio::test]
async fn e503_server_is_too_busy_on_handshake_connect_and_subscribe() {
    let address = start_default().await;
    let mut holder = busy(address).await;
    let mut second = holder.twin().await;
    let reason = "503::Server is too busy.  Please try your request again later.";
    for reply in [second.connect().await.1, second.subscribe(&json!(X), Value::Null).await] {
        assert_eq!(
            (&reply["successful"], &reply["error"]),
            (&json!(false), &json!("401::Authentication invalid"))
        );
        assert_eq!(reply["ext"]["sfdc"]["failureReason"], reason);
        assert_eq!(reply["advice"], json!({"reconnect": "none", "interval": 0}));
    }
    let reply = Client::new(address, NEW).await.handshake().await;
    assert_eq!(
        (&reply["error"], &reply["advice"]["reconnect"]),
        (&json!("403::Handshake denied"), &json!("none"))
    );
    assert_eq!(reply["ext"]["sfdc"]["failureReason"], reason);
    publish(address, 1).await;
    assert_eq!(holder.receive().await.unwrap().json()[0]["channel"], X, "what is under way goes on");
    assert_eq!(second.subscribe(&json!(X), Value::Null).await["successful"], true);
}

#[tokio::test]
async fn e503_server_is_too_busy_is_a_status_where_there_is_no_ext() {
    let address = start_default().await;
    let mut old = Client::subscribed(address, OLD, None).await;
    let holder = busy(address).await;
    let response = old.post(&json!([old.connect_message()])).await;
    assert_eq!(response.status, 503);
    assert!(response.body.starts_with("503::Server is too busy"), "{}", response.body);
    drop(holder);
    wait_for(address, |state| open_connects(state) == 0).await;
    assert_eq!(old.connect().await.1["successful"], true, "who hangs up uses nothing any more");
}

#[tokio::test]
async fn e503_server_is_too_busy_on_demand() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, NEW, None).await;
    let refuse = json!({"error": "503::Server is too busy", "advice": {"reconnect": "retry", "interval": 9}});
    control(address, "faults", json!({"next": 1, "refuse": refuse})).await;
    let reply = client.connect().await.1;
    assert_eq!(
        (&reply["error"], &reply["advice"]["interval"]),
        (&json!("503::Server is too busy"), &json!(9))
    );
    assert_eq!((&reply["id"], &reply["channel"]), (&json!("c"), &json!("/meta/connect")));
    control(address, "faults", json!({"next": 1, "status": 503})).await;
    assert_eq!(client.post(&json!([client.connect_message()])).await.status, 503);
    assert_eq!(client.connect().await.1["successful"], true);
}

#[tokio::test]
async fn e400_api_version_in_the_uri() {
    let address = start_default().await;
    for (path, error) in [
        ("/cometd/61", "400::API version in the URI is mandatory. URI format: '/cometd/XX.X'"),
        ("/cometd/22.0", "400::Unsupported API version. Only API versions '23.0' and above are supported."),
    ] {
        let response = Client::new(address, path).await.post(&json!([{"channel": "/meta/handshake"}])).await;
        assert_eq!((response.status, &response.json()[0]["error"]), (400, &json!(error)));
    }
}

#[tokio::test]
async fn e413_maximum_request_size_exceeded_from_the_first_byte_too_many() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, NEW, None).await;
    let message = client.connect_message().to_string();
    for (length, status) in [(32_768, 200), (32_769, 413)] {
        let body = format!("[{message}{}]", " ".repeat(length - message.len() - 2));
        let response = client.request("POST", NEW, &body).await;
        assert_eq!(response.status, status, "{length}");
        if status == 413 {
            assert_eq!(response.json()[0]["error"], "413::Maximum Request Size Exceeded");
        }
        control(address, "publish", json!({"channel": X, "data": {}})).await;
    }
}

#[tokio::test]
async fn e400_no_cookie_present() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, NEW, None).await;
    client.headers.clear();
    let error = client.connect().await.1["error"].as_str().unwrap().to_owned();
    let wanted = format!(
        "400::Client {} has established a session, but no BAYEUX_BROWSER cookie present",
        client.id.as_str().unwrap()
    );
    assert_eq!(error, wanted);
}
