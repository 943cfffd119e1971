//! Guide, "Security and the PushTopic Query" and the rules of access to `PushTopic` and `StreamingChannel`: each right,
//! lacking from the start or taken away in mid-stream.

use std::net::SocketAddr;

use cometail::emulator::{Config, Seed};
use serde_json::{Value, json};

use super::client::Client;
use super::login::bearer;
use super::records::create;
use super::{X, control, start};

const ADMIN: &str = "admin@example.com";
const USER: &str = "user@example.com";

/// An org with the guide's example, a topic on it, a channel, and a user whose rights are these lines of a seed.
async fn org(rights: &str) -> SocketAddr {
    let seed = format!(
        r#"
        [user."{ADMIN}"]
        password = "p"
        [user."{USER}"]
        password = "p"
        {rights}
        [object.Employee__c]
        fields = {{ SSN__c = "string", Bonus_Amount__c = "currency" }}
        "#
    );
    let seed = Seed::parse(&seed, std::path::Path::new("")).unwrap();
    let address = start(Config { seed, strict: true, ..Config::default() }).await;
    let query = "SELECT Id, Name, SSN__c FROM Employee__c WHERE Bonus_Amount__c > 20000";
    create(address, "PushTopic", json!({"Name": "X", "Query": query, "ApiVersion": 35.0})).await;
    create(address, "StreamingChannel", json!({"Name": "/u/a"})).await;
    address
}

/// A connection with a token of this user.
async fn connection(address: SocketAddr, user: &str) -> Client {
    let issued = control(address, "tokens/issue", json!({"username": user})).await;
    bearer(address, "/cometd/61.0", issued["access_token"].as_str().unwrap()).await
}

/// The reply to a subscription of the user with the rights in question, and who has asked for it.
async fn subscribe(address: SocketAddr, channel: &str) -> (Client, Value) {
    let mut client = connection(address, USER).await;
    client.handshake().await;
    let reply = client.subscribe(&json!(channel), Value::Null).await;
    if reply["successful"] == true {
        client.connect().await;
    }
    (client, reply)
}

async fn change(address: SocketAddr, mut rights: Value) -> Value {
    rights["username"] = USER.into();
    control(address, "users", rights).await
}

async fn employ(address: SocketAddr, name: &str) {
    create(address, "Employee__c", json!({"Name": name, "SSN__c": "078", "Bonus_Amount__c": 20_001})).await;
}

/// What a client hears until an event with this name.
async fn heard(client: &mut Client, last: &str) -> Vec<Value> {
    let mut sobjects = Vec::new();
    while !sobjects.iter().any(|sobject: &Value| sobject["Name"] == last) {
        let (events, reply) = client.connect().await;
        assert_eq!(reply["successful"], true, "{reply}");
        sobjects.extend(events.into_iter().map(|event| event["data"]["sobject"].clone()));
    }
    sobjects
}

fn names(sobjects: &[Value]) -> Vec<&str> {
    sobjects.iter().map(|sobject| sobject["Name"].as_str().unwrap()).collect()
}

/// Status and code of a request of the user with the rights in question.
async fn rest_as_user(address: SocketAddr, method: &str, path: &str, body: &Value) -> (u16, String) {
    let path = format!("/services/data/v61.0/{path}");
    let mut client = connection(address, USER).await;
    let response = client.request(method, &path, &body.to_string()).await;
    let code = if response.status < 300 { Value::Null } else { response.json()[0]["errorCode"].clone() };
    (response.status, code.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn read_access_to_the_push_topic_is_needed() {
    let address = org("objects = { PushTopic = \"none\" }").await;
    let (_, reply) = subscribe(address, X).await;
    assert_eq!(reply["error"], "403::Subscriber does not have access to the entity in this topic");
    change(address, json!({"objects": {"PushTopic": "read"}})).await;
    assert_eq!(subscribe(address, X).await.1["successful"], true);
}

#[tokio::test]
async fn only_who_may_create_them_creates_push_topics_and_channels() {
    let address = org("objects = { PushTopic = \"read\", StreamingChannel = \"read\" }").await;
    let refused = (403, "INSUFFICIENT_ACCESS_OR_READONLY".to_owned());
    let topic = json!({"Name": "Y", "Query": "SELECT Id, Name FROM Account", "ApiVersion": 35.0});
    let channel = json!({"Name": "/u/b"});
    assert_eq!(rest_as_user(address, "POST", "sobjects/PushTopic", &topic).await, refused);
    assert_eq!(rest_as_user(address, "POST", "sobjects/StreamingChannel", &channel).await, refused);
    change(address, json!({"objects": {}})).await;
    assert_eq!(rest_as_user(address, "POST", "sobjects/PushTopic", &topic).await.0, 201);
    assert_eq!(rest_as_user(address, "POST", "sobjects/StreamingChannel", &channel).await.0, 201);
}

#[tokio::test]
async fn a_subscriber_who_loses_a_field_of_the_where_clause_hears_no_more() {
    let address = org("").await;
    let (mut client, _) = subscribe(address, X).await;
    employ(address, "before").await;
    assert_eq!(names(&heard(&mut client, "before").await), ["before"]);
    change(address, json!({"hidden_fields": ["Employee__c.Bonus_Amount__c"]})).await;
    employ(address, "hidden").await;
    change(address, json!({"hidden_fields": []})).await;
    employ(address, "after").await;
    assert_eq!(names(&heard(&mut client, "after").await), ["after"]);
}

#[tokio::test]
async fn a_subscriber_who_loses_a_selected_field_hears_without_it() {
    let address = org("").await;
    let (mut client, _) = subscribe(address, X).await;
    change(address, json!({"hidden_fields": ["employee__c.ssn__c"]})).await;
    employ(address, "hidden").await;
    let sobject = heard(&mut client, "hidden").await.remove(0);
    assert!(sobject.get("SSN__c").is_none() && sobject["Id"].is_string(), "{sobject}");
}

#[tokio::test]
async fn a_subscriber_who_loses_the_object_hears_no_more() {
    let address = org("").await;
    let (mut client, _) = subscribe(address, X).await;
    change(address, json!({"objects": {"Employee__c": "none"}})).await;
    employ(address, "hidden").await;
    change(address, json!({"objects": {"Employee__c": "read"}})).await;
    employ(address, "after").await;
    assert_eq!(names(&heard(&mut client, "after").await), ["after"]);
}

#[tokio::test]
async fn who_may_read_channels_listens_and_only_who_may_edit_them_pushes() {
    let address = org("objects = { StreamingChannel = \"read\" }").await;
    let (mut client, reply) = subscribe(address, "/u/a").await;
    assert_eq!(reply["successful"], true, "{reply}");
    let query = "/services/data/v61.0/query?q=SELECT+Id+FROM+StreamingChannel";
    let found = connection(address, USER).await.request("GET", query, "").await.json();
    let push = format!("sobjects/StreamingChannel/{}/push", found["records"][0]["Id"].as_str().unwrap());
    let body = json!({"pushEvents": [{"payload": "hello"}]});
    let refused = (403, "INSUFFICIENT_ACCESS_OR_READONLY".to_owned());
    assert_eq!(rest_as_user(address, "POST", &push, &body).await, refused);
    assert_eq!(rest_as_user(address, "GET", &push, &Value::Null).await.0, 200);
    change(address, json!({"objects": {"StreamingChannel": "edit"}})).await;
    assert_eq!(rest_as_user(address, "POST", &push, &body).await.0, 200);
    assert_eq!(client.connect().await.0[0]["data"]["payload"], "hello");
}

#[tokio::test]
async fn a_user_who_is_deactivated_is_out_at_once() {
    let address = org("refresh_tokens = { emulator = \"r\" }").await;
    let (mut client, _) = subscribe(address, X).await;
    assert_eq!(change(address, json!({"active": false})).await["revoked"], 1);
    assert_eq!(client.connect().await.1["error"], "401::Authentication invalid");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", "emulator"),
        ("client_secret", "emulator-secret"),
        ("refresh_token", "r"),
    ];
    let inactive = ("inactive_user".to_owned(), "user is inactive".to_owned());
    assert_eq!(super::login::denial(address, &refresh).await, inactive);
    let query = "/services/data/v61.0/query?q=SELECT+Username+FROM+User+WHERE+IsActive=false";
    let found = connection(address, ADMIN).await.request("GET", query, "").await.json();
    assert_eq!(found["records"][0]["Username"], USER);
    change(address, json!({"active": true})).await;
    super::login::grant(address, &refresh).await;
}

#[tokio::test]
async fn permissions_that_are_taken_away_are_gone() {
    let address = org("").await;
    change(address, json!({"permissions": ["ApiEnabled"]})).await;
    assert_eq!(subscribe(address, X).await.1["error"], "403::User not enabled for streaming");
    assert_eq!(
        rest_as_user(address, "GET", "limits", &Value::Null).await,
        (403, "INSUFFICIENT_ACCESS".to_owned())
    );
    change(address, json!({"permissions": ["Streaming"]})).await;
    assert_eq!(
        rest_as_user(address, "GET", "limits", &Value::Null).await,
        (403, "API_DISABLED_FOR_ORG".to_owned())
    );
}

#[tokio::test]
async fn channels_are_made_by_subscribing_only_where_the_org_has_it_switched_on() {
    for (switch, error) in [
        ("true", Value::Null),
        ("false", json!("400::The channel you requested to subscribe to doesn't exist {/u/new}")),
    ] {
        let seed = format!("[org]\ndynamic_channels = {switch}");
        let seed = Seed::parse(&seed, std::path::Path::new("")).unwrap();
        let address = start(Config { seed, strict: true, ..Config::default() }).await;
        let mut client = Client::new(address, "/cometd/61.0").await;
        client.handshake().await;
        let reply = client.subscribe(&json!("/u/new"), Value::Null).await;
        assert_eq!(reply["error"], error, "{reply}");
        create(address, "StreamingChannel", json!({"Name": "/u/made"})).await;
        assert_eq!(client.subscribe(&json!("/u/made"), Value::Null).await["successful"], true);
    }
}

#[tokio::test]
async fn a_change_of_rights_that_is_wrong_changes_nothing() {
    let address = org("").await;
    for body in [
        json!({"username": "nobody@example.com"}),
        json!({"username": USER, "objects": {"Account": "all"}}),
        json!({"username": USER, "permissions": ["Everything"]}),
        json!({"username": USER, "password": "x"}),
    ] {
        let mut client = Client::new(address, "").await;
        let response = client.request("POST", "/_emulator/users", &body.to_string()).await;
        assert_eq!(response.status, 400, "{body}");
    }
    assert_eq!(subscribe(address, X).await.1["successful"], true);
}
