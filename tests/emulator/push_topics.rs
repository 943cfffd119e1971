//! What subscribers hear of changes of records, from `PushTopic`s.

use std::net::SocketAddr;

use cometail::emulator::{Config, Seed};
use serde_json::{Value, json};

use super::client::Client;
use super::records::{create, rest, rest_at, update};
use super::{X, start, start_default};

const QUERY: &str = "SELECT Id, Name, Status__c, Description__c FROM Invoice_Statement__c";

/// The topic of the guide's quick start under the name `X`; its id.
async fn topic(address: SocketAddr, query: &str) -> String {
    create(address, "PushTopic", json!({"Name": "X", "Query": query, "ApiVersion": 35.0})).await
}

/// The types of the events that a client gets in one connect, once it has got `count`.
async fn heard(client: &mut Client, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(client.connect().await.0);
    }
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["data"]["event"]["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_quick_start_of_the_guide() {
    let address = start_default().await;
    topic(address, QUERY).await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    let id = create(address, "Invoice_Statement__c", json!({"Description__c": "a \"quote\""})).await;
    update(address, "Invoice_Statement__c", &id, json!({"Status__c": "Negotiating"})).await;
    update(address, "Invoice_Statement__c", &id, json!({"Status__c": "Negotiating"})).await;
    let path = format!("sobjects/Invoice_Statement__c/{id}");
    rest(address, "DELETE", &path, Value::Null).await;
    rest(address, "POST", &format!("{path}/undelete"), Value::Null).await;
    let events = heard(&mut client, 4).await;
    assert_eq!(kinds(&events), ["created", "updated", "deleted", "undeleted"]);
    let whole = |status: &str| json!({"Id": id, "Name": "INV-0001", "Status__c": status, "Description__c": "a \"quote\""});
    let sobjects: Vec<_> = events.iter().map(|event| event["data"]["sobject"].clone()).collect();
    assert_eq!(sobjects, [whole("Open"), whole("Negotiating"), json!({"Id": id}), whole("Negotiating")]);
    let replays: Vec<_> = events.iter().map(|event| event["data"]["event"]["replayId"].as_i64()).collect();
    assert!(replays.is_sorted() && replays[0].is_some());
    assert!(events[0]["data"]["event"]["createdDate"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn the_version_of_the_subscriber_decides_what_is_heard_and_how() {
    let address = start_default().await;
    topic(address, QUERY).await;
    let mut clients = Vec::new();
    for path in ["/cometd/61.0", "/cometd/35.0", "/cometd/28.0", "/cometd"] {
        let mut client = Client::subscribed(address, path, None).await;
        client.connect().await;
        clients.push(client);
    }
    let id = create(address, "Invoice_Statement__c", json!({})).await;
    let path = format!("sobjects/Invoice_Statement__c/{id}");
    rest(address, "DELETE", &path, Value::Null).await;
    rest(address, "POST", &format!("{path}/undelete"), Value::Null).await;
    create(address, "Invoice_Statement__c", json!({})).await;
    for (client, count) in clients.iter_mut().zip([4, 4, 2, 2]) {
        let events = heard(client, count).await;
        let all = ["created", "deleted", "undeleted", "created"];
        assert_eq!(kinds(&events), if count == 4 { all.to_vec() } else { vec!["created", "created"] });
        let replays = events[0]["data"]["event"].get("replayId").is_some();
        assert_eq!(replays, client.path == "/cometd/61.0");
        let channel = if client.path == "/cometd" { "/X" } else { X };
        assert_eq!(events[0]["channel"], channel);
        let created = events[0]["data"]["event"]["createdDate"].as_str().unwrap();
        assert_eq!(created.ends_with("+0000"), client.path != "/cometd/61.0", "{created}");
    }
}

#[tokio::test]
async fn changes_are_retained_for_replay() {
    let address = start_default().await;
    topic(address, QUERY).await;
    for _ in 0..3 {
        create(address, "Invoice_Statement__c", json!({})).await;
    }
    let mut client = Client::subscribed(address, "/cometd/61.0", Some(-2)).await;
    let events = heard(&mut client, 3).await;
    let names: Vec<_> = events.iter().map(|event| event["data"]["sobject"]["Name"].clone()).collect();
    assert_eq!(names, ["INV-0001", "INV-0002", "INV-0003"]);
}

#[tokio::test]
async fn a_renamed_topic_keeps_its_subscribers_and_takes_new_ones_by_its_new_name() {
    let address = start_default().await;
    let id = topic(address, QUERY).await;
    let mut old = Client::subscribed(address, "/cometd/61.0", None).await;
    old.connect().await;
    update(address, "PushTopic", &id, json!({"Name": "New"})).await;
    let mut new = Client::new(address, "/cometd/61.0").await;
    new.handshake().await;
    let refused = new.subscribe(&json!(X), Value::Null).await;
    assert_eq!(refused["error"], "400::The channel you requested to subscribe to doesn't exist {/topic/X}");
    assert_eq!(new.subscribe(&json!("/topic/New"), Value::Null).await["successful"], true);
    new.connect().await;
    create(address, "Invoice_Statement__c", json!({})).await;
    assert_eq!(heard(&mut old, 1).await[0]["channel"], X);
    let events = heard(&mut new, 1).await;
    assert_eq!((events.len(), &events[0]["channel"]), (1, &json!("/topic/New")));
}

#[tokio::test]
async fn a_topic_that_is_changed_or_inactive_is_so_at_once() {
    let address = start_default().await;
    let id = topic(address, QUERY).await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    update(address, "PushTopic", &id, json!({"IsActive": false})).await;
    create(address, "Invoice_Statement__c", json!({})).await;
    update(address, "PushTopic", &id, json!({"IsActive": true})).await;
    create(address, "Invoice_Statement__c", json!({})).await;
    let query = "SELECT Id, Status__c FROM Invoice_Statement__c WHERE Status__c = 'Closed'";
    update(address, "PushTopic", &id, json!({"Query": query})).await;
    create(address, "Invoice_Statement__c", json!({})).await;
    create(address, "Invoice_Statement__c", json!({"Status__c": "Closed"})).await;
    let events = heard(&mut client, 2).await;
    let sobjects: Vec<_> = events.iter().map(|event| event["data"]["sobject"].clone()).collect();
    assert_eq!((&sobjects[0]["Name"], sobjects.len()), (&json!("INV-0002"), 2));
    assert_eq!((&sobjects[1]["Status__c"], sobjects[1].as_object().unwrap().len()), (&json!("Closed"), 2));
}

#[tokio::test]
async fn queries_that_are_not_supported_are_refused_with_the_guides_messages() {
    let address = start_default().await;
    for (query, message) in [
        ("SELECT Id, Name FROM Contact LIMIT 10", "'LIMIT' is not allowed"),
        ("SELECT Id FROM Account WHERE NOT Name = 'Salesforce.com'", "'NOT' is not supported"),
    ] {
        let body = json!({"Name": "X", "Query": query, "ApiVersion": 35.0});
        let (status, reply) = rest(address, "POST", "sobjects/PushTopic", body).await;
        let wanted = json!([{"message": message, "errorCode": "INVALID_FIELD", "fields": ["Query"]}]);
        assert_eq!((status, reply), (400, wanted));
    }
    let old = json!({"Name": "X", "Query": QUERY, "ApiVersion": 28.0, "NotifyForOperations": "Create"});
    assert_eq!(rest_at(address, "28.0", "POST", "sobjects/PushTopic", old).await.0, 201);
}

/// A subscriber of this user's token; the reply to the subscription.
async fn subscribe_as(address: SocketAddr, name: &str) -> (Client, Value) {
    let issued = super::control(address, "tokens/issue", json!({"username": name})).await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    let token = issued["access_token"].as_str().unwrap_or_else(|| panic!("{issued}"));
    client.headers = format!("Authorization: Bearer {token}\r\n");
    client.handshake().await;
    let reply = client.subscribe(&json!(X), Value::Null).await;
    (client, reply)
}

#[tokio::test]
async fn field_level_security_decides_who_hears_what() {
    let seed = Seed::parse(
        r#"
        [user."a@example.com"]
        password = "p"
        [user."select@example.com"]
        password = "p"
        hidden_fields = ["Employee__c.SSN__c"]
        [user."where@example.com"]
        password = "p"
        hidden_fields = ["Employee__c.Bonus_Amount__c"]
        [user."object@example.com"]
        password = "p"
        objects = { Employee__c = "none" }
        [object.Employee__c]
        fields = { SSN__c = "string", Bonus_Received__c = "boolean", Bonus_Amount__c = "currency" }
        "#,
        std::path::Path::new(""),
    );
    let address = start(Config { seed: seed.unwrap(), ..Config::default() }).await;
    let query =
        "SELECT Id, Name, SSN__c FROM Employee__c WHERE Bonus_Received__c = true AND Bonus_Amount__c > 20000";
    topic(address, query).await;
    let (_, reply) = subscribe_as(address, "where@example.com").await;
    let wanted =
        "403::Subscriber does not have access to all fields referenced in the where clause of the PushTopic";
    assert_eq!(reply["error"], wanted);
    let (_, reply) = subscribe_as(address, "object@example.com").await;
    assert_eq!(reply["error"], "403::Subscriber does not have access to the entity in this topic");
    let (mut all, _) = subscribe_as(address, "a@example.com").await;
    let (mut some, _) = subscribe_as(address, "select@example.com").await;
    all.connect().await;
    some.connect().await;
    let body = json!({"Name": "n", "SSN__c": "078", "Bonus_Received__c": true, "Bonus_Amount__c": 20_001});
    let id = create(address, "Employee__c", body).await;
    assert_eq!(
        heard(&mut all, 1).await[0]["data"]["sobject"],
        json!({"Id": id, "Name": "n", "SSN__c": "078"})
    );
    assert_eq!(heard(&mut some, 1).await[0]["data"]["sobject"], json!({"Id": id, "Name": "n"}));
}

#[tokio::test]
async fn records_that_are_loaded_in_bulk_are_told_to_nobody() {
    let address = start_default().await;
    topic(address, QUERY).await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    let loaded =
        super::control(address, "records", json!({"Invoice_Statement__c": [{}, {"Status__c": "Closed"}]}))
            .await;
    assert_eq!(loaded["loaded"], 2);
    create(address, "Invoice_Statement__c", json!({})).await;
    let events = heard(&mut client, 1).await;
    assert_eq!((events.len(), &events[0]["data"]["sobject"]["Name"]), (1, &json!("INV-0003")));
}
