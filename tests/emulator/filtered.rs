//! Filtered subscriptions, `/topic/NAME?FieldA='v'&FieldB='w'`.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::client::Client;
use super::records::{create, rest, update};
use super::{X, control, publish, start_default, wait_for};

async fn topic(address: SocketAddr) {
    let query = "SELECT Id, Name, Industry, ShippingCity FROM Account";
    create(address, "PushTopic", json!({"Name": "X", "Query": query, "ApiVersion": 61.0})).await;
}

async fn account(address: SocketAddr, name: &str, industry: &str, city: &str) -> String {
    create(address, "Account", json!({"Name": name, "Industry": industry, "ShippingCity": city})).await
}

/// A client that has subscribed to these names.
async fn subscribed(address: SocketAddr, path: &str, names: &[&str]) -> Client {
    let mut client = Client::new(address, path).await;
    client.handshake().await;
    let reply = client.subscribe(&json!(names), Value::Null).await;
    assert_eq!(reply["successful"], true, "{reply}");
    client.connect().await;
    client
}

/// The channels and names of the events of one connect.
async fn heard(client: &mut Client) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (events, _) = client.connect().await;
    events.iter().map(|event| (text(&event["channel"]), text(&event["data"]["sobject"]["Name"]))).collect()
}

#[tokio::test]
async fn a_record_is_told_of_where_one_condition_is_met() {
    let address = start_default().await;
    topic(address).await;
    let name = "/topic/X?Industry='Energy'&ShippingCity='San Francisco'";
    let mut client = subscribed(address, "/cometd/61.0", &[name]).await;
    account(address, "neither", "Banking", "Rome").await;
    account(address, "industry", "Energy", "Rome").await;
    let id = account(address, "later", "Banking", "Rome").await;
    account(address, "city", "Banking", "San Francisco").await;
    update(address, "Account", &id, json!({"Industry": "Energy"})).await;
    let wanted = ["industry", "city", "later"].map(|event| (name.to_owned(), event.to_owned()));
    assert_eq!(heard(&mut client).await, wanted);
    rest(address, "DELETE", &format!("sobjects/Account/{id}"), Value::Null).await;
    let state = control(address, "state", Value::Null).await;
    assert_eq!(state["sessions"][0]["queued"], 0, "a deletion has only the id");
}

#[tokio::test]
async fn each_subscription_of_a_session_has_its_events_by_its_name() {
    let address = start_default().await;
    topic(address).await;
    let energy = "/topic/X?Industry='Energy'";
    let mut client = subscribed(address, "/cometd/61.0", &[energy, X]).await;
    account(address, "a", "Energy", "Rome").await;
    account(address, "b", "Banking", "Rome").await;
    let event = |channel: &str, name: &str| (channel.to_owned(), name.to_owned());
    let both = [event(energy, "a"), event(X, "a"), event(X, "b")];
    assert_eq!(heard(&mut client).await, both);
    let message = json!({"channel": "/meta/unsubscribe", "clientId": client.id, "subscription": X});
    assert_eq!(client.tell(&message).await["successful"], true);
    account(address, "c", "Banking", "Rome").await;
    account(address, "d", "Energy", "Rome").await;
    assert_eq!(heard(&mut client).await, [event(energy, "d")]);
    let state = wait_for(address, |state| state["events_written"] == 4).await;
    assert_eq!(state["sessions"][0]["channels"], json!([energy]));
    let all = control(address, "deliveries", Value::Null).await;
    let sent = &all["clients"][client.id.as_str().unwrap()]["events"][X];
    assert_eq!(sent, &json!({"handed_out": 4, "written": 4}), "they count for their channel");
}

#[tokio::test]
async fn a_replay_is_filtered_too_and_may_name_the_channel_alone() {
    let address = start_default().await;
    topic(address).await;
    account(address, "a", "Energy", "Rome").await;
    account(address, "b", "Banking", "Rome").await;
    account(address, "c", "Energy", "Rome").await;
    let name = "/topic/X?Industry='Energy'";
    for position in [json!({name: -2}), json!({X: -2})] {
        let mut client = Client::new(address, "/cometd/61.0").await;
        client.handshake().await;
        client.subscribe(&json!(name), position).await;
        let wanted = ["a", "c"].map(|event| (name.to_owned(), event.to_owned()));
        assert_eq!(heard(&mut client).await, wanted);
    }
}

#[tokio::test]
async fn the_legacy_endpoint_filters_names_without_the_prefix() {
    let address = start_default().await;
    topic(address).await;
    let mut client = subscribed(address, "/cometd", &["/X?Name='a'"]).await;
    account(address, "b", "Energy", "Rome").await;
    account(address, "a", "Energy", "Rome").await;
    assert_eq!(heard(&mut client).await, [("/X?Name='a'".to_owned(), "a".to_owned())]);
}

#[tokio::test]
async fn what_is_published_by_hand_is_filtered_by_its_sobject() {
    let address = start_default().await;
    let mut client = subscribed(address, "/cometd/61.0", &["/topic/X?n=2"]).await;
    publish(address, 4).await;
    let (events, _) = client.connect().await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["data"]["sobject"]["n"], 2);
}
