//! The protocol's corners: two connects at once, a client that leaves, whose session it is, API 22, retention.

use std::net::SocketAddr;
use std::time::Duration;

use cometail::emulator::{Config, Seed};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::Client;
use super::{LONG, X, control, publish, start, start_default, wait_for};

/// A client whose connect is held.
async fn polling(address: SocketAddr, path: &str) -> Client {
    let mut client = Client::subscribed(address, path, None).await;
    client.connect().await;
    client.send_connect().await;
    wait_for(address, |state| state["sessions"][0]["has_open_connect"] == true).await;
    client
}

async fn token(address: SocketAddr, username: &str) -> String {
    let issued = control(address, "tokens/issue", json!({"username": username})).await;
    issued["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_second_connect_ends_the_first_as_the_reference_server_does() {
    let address = start_default().await;
    let mut client = polling(address, "/cometd/61.0").await;
    let mut twin = client.twin().await;
    twin.send_connect().await;
    let response = client.receive().await.unwrap();
    assert_eq!(response.status, 408, "no answer, so that nobody connects once more for it");
    publish(address, 1).await;
    assert_eq!(twin.receive().await.unwrap().json()[0]["channel"], X, "nothing went to the first");
    let accounts = control(address, "deliveries", Value::Null).await;
    let responses = &accounts["clients"][twin.id.as_str().unwrap()]["responses"];
    assert_eq!(responses["handed_out"], 4, "handshake, subscribe, first connect, this one");
    twin.send_connect().await;
    control(address, "sessions/expire", Value::Null).await;
    assert_eq!(twin.receive().await.unwrap().json()[0]["error"], "403::Unknown client");
}

#[tokio::test]
async fn a_disconnect_ends_the_connect_that_is_held() {
    let address = start_default().await;
    let mut client = polling(address, "/cometd/61.0").await;
    let mut twin = client.twin().await;
    let bye = twin.tell(&json!({"channel": "/meta/disconnect", "clientId": twin.id, "id": 9})).await;
    assert_eq!((&bye["successful"], &bye["id"]), (&json!(true), &json!(9)));
    let replies = client.receive().await.unwrap().json();
    assert_eq!(
        (&replies[0]["successful"], &replies[0]["advice"]),
        (&json!(true), &json!({"reconnect": "none"}))
    );
    assert_eq!(client.connect().await.1["error"], "403::Unknown client");
    let again = twin.tell(&json!({"channel": "/meta/disconnect", "clientId": twin.id})).await;
    assert_eq!(again["error"], "403::Unknown client");
}

#[tokio::test]
async fn the_server_says_its_transports_whatever_the_client_has() {
    let address = start_default().await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    for transports in [json!(["websocket"]), json!([]), Value::Null] {
        let message = json!({"channel": "/meta/handshake", "supportedConnectionTypes": transports});
        let reply = client.tell(&message).await;
        assert_eq!(reply["successful"], true, "{reply}");
        assert_eq!(reply["supportedConnectionTypes"], json!(["long-polling"]));
    }
}

#[tokio::test]
async fn a_message_without_a_channel_is_refused_by_itself() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    let batch = json!([{"id": 1, "clientId": client.id}, {"id": 2, "channel": "/meta/connect", "clientId": client.id}]);
    let replies = client.post(&batch).await.json();
    assert_eq!((&replies[0]["error"], &replies[0]["id"]), (&json!("400::channel_missing"), &json!(1)));
    assert_eq!((&replies[1]["successful"], &replies[1]["id"]), (&json!(true), &json!(2)));
}

#[tokio::test]
async fn a_client_that_gives_advice_is_advised_again() {
    let address = start_default().await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    let mut message = client.connect_message();
    message["advice"] = json!({"timeout": 0});
    let advice = json!({"reconnect": "retry", "interval": 0, "timeout": 110_000});
    assert_eq!(client.tell(&message).await["advice"], advice);
}

#[tokio::test]
async fn a_session_is_its_users_alone() {
    let seed = "[user.\"a@example.com\"]\npassword = \"p\"\n[user.\"b@example.com\"]\npassword = \"p\"";
    let seed = Seed::parse(seed, std::path::Path::new("")).unwrap();
    let address = start(Config { seed, login: true, ..Config::default() }).await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    let first = token(address, "a@example.com").await;
    client.headers = format!("Authorization: Bearer {first}\r\n");
    client.handshake().await;
    client.subscribe(&json!(X), Value::Null).await;
    client.connect().await;
    let cookie = client.headers.split_once("\r\n").unwrap().1.to_owned();
    for (user, good) in [("b@example.com", false), ("a@example.com", true)] {
        let other = token(address, user).await;
        client.headers = format!("Authorization: Bearer {other}\r\n{cookie}");
        let subscribed = client.subscribe(&json!(X), Value::Null).await;
        let left = client.tell(&json!({"channel": "/meta/disconnect", "clientId": client.id})).await;
        for reply in [subscribed, left] {
            assert_eq!(reply["successful"], good, "{user}: {reply}");
            assert!(good || reply["error"] == "403::Unknown client", "{reply}");
        }
    }
}

#[tokio::test]
async fn api_22_wants_the_cookies_that_its_client_sets_by_hand() {
    let address = start_default().await;
    let token = token(address, "admin@example.com").await;
    let cookies = [
        "com.salesforce.LocaleInfo=us",
        "login=admin@example.com",
        &format!("sid={token}"),
        "language=en_US",
    ];
    let mut client = Client::new(address, "/cometd").await;
    let shake = json!([{"channel": "/meta/handshake", "supportedConnectionTypes": ["long-polling"]}]);
    for missing in 0..=cookies.len() {
        let sent: Vec<_> =
            cookies.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, one)| *one).collect();
        client.headers = format!("Authorization: OAuth {token}\r\nCookie: {}\r\n", sent.join("; "));
        let wanted = if missing == cookies.len() { 200 } else { 401 };
        assert_eq!(client.post(&shake).await.status, wanted, "{sent:?}");
    }
    client.headers = client.headers.replace("sid=", "sid=x");
    assert_eq!(client.post(&shake).await.status, 401, "another sid");
    client.path = "/cometd/23.0".to_owned();
    client.headers = format!("Authorization: OAuth {token}\r\n");
    assert_eq!(client.post(&shake).await.status, 200, "later versions set none");
}

#[tokio::test]
async fn events_are_kept_for_24_h_and_those_of_the_platform_for_72_h_both_scaled() {
    const DAY: Duration = Duration::from_millis(1500);
    let address = start(Config { retention: DAY, ..Config::default() }).await;
    let begin = Instant::now();
    let old = publish(address, 1).await;
    let event = json!({"channel": "/event/E__e", "data": {}});
    let long = control(address, "publish", event).await["first"].as_i64().unwrap();
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    let valid = async |client: &mut Client, channel: &str, id: i64| {
        client.subscribe(&json!(channel), json!({channel: id})).await["successful"] == true
    };
    for (channel, id, kept) in [(X, old, DAY), ("/event/E__e", long, DAY * 3)] {
        let good = valid(&mut client, channel, id).await;
        assert!(good || begin.elapsed() > kept, "{channel}");
        while valid(&mut client, channel, id).await {
            assert!(begin.elapsed() < kept + LONG, "{channel} is kept for ever");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(begin.elapsed() >= kept, "{channel}: {:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn the_command_looks_for_events_once_a_second() {
    let emulator = super::seed::Emulator::start(&[]);
    let address = emulator.1.parse().unwrap();
    let mut client = polling(address, "/cometd/61.0").await;
    let mut longest = Duration::ZERO;
    // On a busy machine what comes at one look may be read just before the next.
    for _ in 0..4 {
        let published = Instant::now();
        publish(address, 1).await;
        assert_eq!(client.receive().await.unwrap().json()[0]["channel"], X);
        longest = longest.max(published.elapsed());
        client.send_connect().await;
        wait_for(address, |state| state["sessions"][0]["has_open_connect"] == true).await;
    }
    assert!(longest >= Duration::from_millis(500), "an event waits for a look, not {longest:?}");
}
