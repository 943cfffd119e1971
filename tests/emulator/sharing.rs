//! Guide, "Security and the PushTopic Query", last point, and user sharing of `StreamingChannel`: who is told of private
//! records.

use std::net::SocketAddr;

use cometail::emulator::{Config, Seed};
use serde_json::{Value, json};

use super::client::Client;
use super::login::bearer;
use super::{X, control, start};

const CHANNEL: &str = "/u/private";

/// What everybody is told of at the end, so that nothing is still to come.
const END: &str = "/topic/End";

/// An org of two users who do not see each other's records, and of one who sees all.
async fn org() -> SocketAddr {
    let seed = Seed::parse(
        r#"
        [user."all@example.com"]
        password = "p"
        [user."owner@example.com"]
        password = "p"
        permissions = ["ApiEnabled", "Streaming"]
        [user."other@example.com"]
        password = "p"
        permissions = ["ApiEnabled", "Streaming"]
        [object.Invoice_Statement__c]
        sharing = "private"
        [object.StreamingChannel]
        sharing = "private"
        [[record.PushTopic]]
        Name = "X"
        Query = "SELECT Id, Name, Status__c FROM Invoice_Statement__c"
        ApiVersion = 35.0
        [[record.PushTopic]]
        Name = "End"
        Query = "SELECT Id, Name FROM Account"
        ApiVersion = 35.0
        "#,
        std::path::Path::new(""),
    );
    start(Config { seed: seed.unwrap(), strict: true, ..Config::default() }).await
}

/// A user with a REST connection and a subscription.
struct Person {
    id: String,
    rest: Client,
    stream: Client,
}

impl Person {
    async fn new(address: SocketAddr, name: &str, channel: &str) -> (Self, Value) {
        let issued =
            control(address, "tokens/issue", json!({"username": format!("{name}@example.com")})).await;
        let token = issued["access_token"].as_str().unwrap();
        let mut rest = bearer(address, "", token).await;
        let who = rest.request("GET", "/services/oauth2/userinfo", "").await.json();
        let mut stream = bearer(address, "/cometd/61.0", token).await;
        stream.handshake().await;
        assert_eq!(stream.subscribe(&json!(END), Value::Null).await["successful"], true);
        let reply = stream.subscribe(&json!(channel), Value::Null).await;
        stream.connect().await;
        (Self { id: who["user_id"].as_str().unwrap().to_owned(), rest, stream }, reply)
    }

    async fn ask(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.rest.request(method, &format!("/services/data/v61.0/{path}"), &body).await;
        (response.status, if response.body.is_empty() { Value::Null } else { response.json() })
    }

    async fn create(&mut self, kind: &str, body: Value) -> String {
        let (status, reply) = self.ask("POST", &format!("sobjects/{kind}"), body).await;
        assert_eq!(status, 201, "{reply}");
        reply["id"].as_str().unwrap().to_owned()
    }

    /// How often it is told of something before the end.
    async fn told(&mut self) -> usize {
        let mut told = Vec::new();
        while !told.contains(&json!(END)) {
            told.extend(self.stream.connect().await.0.into_iter().map(|event| event["channel"].clone()));
        }
        told.len() - 1
    }
}

/// Everybody is told of an account; how often each was told of something else.
async fn told(all: [&mut Person; 3]) -> [usize; 3] {
    let [one, two, three] = all;
    one.create("Account", json!({"Name": "the end"})).await;
    [one.told().await, two.told().await, three.told().await]
}

#[tokio::test]
async fn a_private_record_is_told_of_to_its_owner_to_those_it_is_shared_with_and_to_who_sees_all() {
    let address = org().await;
    let (mut owner, _) = Person::new(address, "owner", X).await;
    let (mut other, _) = Person::new(address, "other", X).await;
    let (mut all, _) = Person::new(address, "all", X).await;
    let id = owner.create("Invoice_Statement__c", json!({})).await;
    let path = format!("sobjects/Invoice_Statement__c/{id}");
    assert_eq!(told([&mut owner, &mut other, &mut all]).await, [1, 0, 1]);
    assert_eq!(other.ask("GET", &path, Value::Null).await.0, 404);
    let query = "query?q=SELECT+Id+FROM+Invoice_Statement__c";
    assert_eq!(other.ask("GET", query, Value::Null).await.1["totalSize"], 0);
    assert_eq!(all.ask("GET", query, Value::Null).await.1["totalSize"], 1);
    let share = |level| json!({"ParentId": id, "UserOrGroupId": other.id, "AccessLevel": level});
    let (read, edit) = (share("Read"), share("Edit"));
    let shared = owner.create("Invoice_Statement__Share", read).await;
    assert_eq!(other.ask("GET", query, Value::Null).await.1["totalSize"], 1);
    let change = json!({"Status__c": "Closed"});
    let (status, refused) = other.ask("PATCH", &path, change.clone()).await;
    assert_eq!((status, &refused[0]["errorCode"]), (403, &json!("INSUFFICIENT_ACCESS_OR_READONLY")));
    assert_eq!(owner.ask("PATCH", &path, change).await.0, 204);
    assert_eq!(told([&mut owner, &mut other, &mut all]).await, [1, 1, 1]);
    owner.create("Invoice_Statement__Share", edit).await;
    assert_eq!(other.ask("PATCH", &path, json!({"Status__c": "Open"})).await.0, 204);
    assert_eq!(
        owner.ask("DELETE", &format!("sobjects/Invoice_Statement__Share/{shared}"), Value::Null).await.0,
        204
    );
    assert_eq!(other.ask("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(told([&mut owner, &mut other, &mut all]).await, [2, 2, 2]);
}

#[tokio::test]
async fn a_private_channel_is_for_those_it_is_shared_with() {
    let address = org().await;
    let (mut owner, _) = Person::new(address, "owner", X).await;
    let id = owner.create("StreamingChannel", json!({"Name": CHANNEL})).await;
    let (_, refused) = Person::new(address, "other", CHANNEL).await;
    assert_eq!(refused["error"], "403::No access on channel");
    let (mut all, seen) = Person::new(address, "all", CHANNEL).await;
    assert_eq!(seen["successful"], true);
    assert_eq!(owner.stream.subscribe(&json!(CHANNEL), Value::Null).await["successful"], true);
    let other_id =
        all.ask("GET", "query?q=SELECT+Id+FROM+User+WHERE+Username='other@example.com'", Value::Null).await.1;
    let other_id = other_id["records"][0]["Id"].clone();
    let share = json!({"ParentId": id, "UserOrGroupId": other_id, "AccessLevel": "Read"});
    let share = owner.create("StreamingChannelShare", share).await;
    let (mut other, reply) = Person::new(address, "other", CHANNEL).await;
    assert_eq!(reply["successful"], true, "{reply}");
    let push = format!("sobjects/StreamingChannel/{id}/push");
    let body = json!({"pushEvents": [{"payload": "hello"}]});
    let (status, refused) = other.ask("POST", &push, body.clone()).await;
    assert_eq!((status, &refused[0]["errorCode"]), (403, &json!("INSUFFICIENT_ACCESS_OR_READONLY")));
    assert_eq!(owner.ask("POST", &push, body.clone()).await.0, 200);
    assert_eq!(told([&mut owner, &mut other, &mut all]).await, [1, 1, 1]);
    let share = format!("sobjects/StreamingChannelShare/{share}");
    assert_eq!(owner.ask("PATCH", &share, json!({"AccessLevel": "Edit"})).await.0, 204);
    assert_eq!(other.ask("POST", &push, body.clone()).await.0, 200);
    assert_eq!(owner.ask("DELETE", &share, Value::Null).await.0, 204);
    assert_eq!(owner.ask("POST", &push, body).await.0, 200);
    assert_eq!(
        told([&mut owner, &mut other, &mut all]).await,
        [2, 1, 2],
        "the share is gone before the last"
    );
}

#[tokio::test]
async fn what_a_share_may_not_be() {
    let address = org().await;
    let (mut owner, _) = Person::new(address, "owner", X).await;
    let id = owner.create("Invoice_Statement__c", json!({})).await;
    let user = owner.id.clone();
    for (body, code) in [
        (json!({"ParentId": id, "UserOrGroupId": user}), "REQUIRED_FIELD_MISSING"),
        (json!({"ParentId": id, "AccessLevel": "Read"}), "REQUIRED_FIELD_MISSING"),
        (json!({"ParentId": user, "UserOrGroupId": user, "AccessLevel": "Read"}), "MALFORMED_ID"),
        (json!({"ParentId": id, "UserOrGroupId": id, "AccessLevel": "Read"}), "MALFORMED_ID"),
        (
            json!({"ParentId": id, "UserOrGroupId": user, "AccessLevel": "All"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
    ] {
        let (status, refused) = owner.ask("POST", "sobjects/Invoice_Statement__Share", body).await;
        assert_eq!((status, &refused[0]["errorCode"]), (400, &json!(code)));
    }
    for (text, wanted) in [
        ("[object.User]\nsharing = \"private\"", "no owner"),
        ("[object.PushTopic]\nsharing = \"private\"", "no owner"),
        ("[object.A__c]\nsharing = \"secret\"", "expected"),
    ] {
        let error = Seed::parse(text, std::path::Path::new("")).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
