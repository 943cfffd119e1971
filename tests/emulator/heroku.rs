//! Heroku Connect: what its clients rely on, by hand.

use std::net::SocketAddr;

use cometail::emulator::Config;
use serde_json::{Value, json};

use super::client::{Client, Response};
use super::{control, start, start_default};

/// `:emulator-api-key` in Base64.
const BASIC: &str = "Basic OmVtdWxhdG9yLWFwaS1rZXk=";
const KEY: &str = "Bearer emulator-api-key";

async fn ask(address: SocketAddr, authorization: &str, method: &str, path: &str, body: &Value) -> Response {
    let mut client = Client::new(address, "").await;
    client.headers = format!("Authorization: {authorization}\r\n");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    client.request(method, path, &body).await
}

async fn connection(address: SocketAddr) -> String {
    let list = ask(address, KEY, "GET", "/api/v3/connections?app=example", &Value::Null).await.json();
    format!("/api/v3/connections/{}", list["results"][0]["id"].as_str().unwrap())
}

#[tokio::test]
async fn an_authorization_is_given_for_the_key_alone_and_for_its_time() {
    let address = start(Config { time_scale: 0.001, ..Config::default() }).await;
    let authorize = async |who: &'static str, body: Value| {
        ask(address, who, "POST", "/oauth/authorizations", &body).await
    };
    for who in ["", "Basic", "Basic Og==", "Basic Ondyb25n", "Bearer emulator-api-key"] {
        assert_eq!(authorize(who, Value::Null).await.status, 401, "{who}");
    }
    let lasting = authorize(BASIC, Value::Null).await;
    assert_eq!(lasting.status, 201);
    let lasting = lasting.json();
    assert_eq!(
        (&lasting["access_tokens"][0]["expires_in"], &lasting["scopes"]),
        (&Value::Null, &json!(["global"]))
    );
    let brief = authorize(BASIC, json!({"expires_in": 1})).await.json();
    let read = async |answer: &Value| {
        let who = format!("Bearer {}", answer["access_tokens"][0]["token"].as_str().unwrap());
        ask(address, &who, "GET", "/api/v3/connections", &Value::Null).await.status
    };
    let deadline = tokio::time::Instant::now() + super::LONG;
    while read(&brief).await != 401 {
        assert!(tokio::time::Instant::now() < deadline, "a token that lasts for ever");
    }
    assert_eq!(read(&lasting).await, 200);
}

#[tokio::test]
async fn pages_point_to_each_other() {
    let address = start_default().await;
    control(address, "heroku/connections", json!({"app": "many", "count": 26})).await;
    let page = async |path: &str| ask(address, KEY, "GET", path, &Value::Null).await.json();
    let first = page("/api/v3/connections?app=many").await;
    assert_eq!((&first["count"], first["results"].as_array().unwrap().len()), (&json!(26), 25));
    assert_eq!(
        (&first["previous"], &first["next"]),
        (&Value::Null, &json!("http://x/api/v3/connections?app=many&page=2"))
    );
    let second = page("/api/v3/connections?app=many&page=2").await;
    assert_eq!((second["results"].as_array().unwrap().len(), &second["next"]), (1, &Value::Null));
    assert_eq!(second["previous"], "http://x/api/v3/connections?app=many&page=1");
    let beyond = page("/api/v3/connections?app=many&page=18446744073709551615").await;
    assert_eq!((&beyond["results"], &beyond["next"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn a_mapping_is_changed_from_its_present_revision_alone() {
    let address = start_default().await;
    let path = connection(address).await;
    let put = async |path: &str, body: &Value| ask(address, KEY, "PUT", path, body).await;
    let wanted = json!({"object_name": "Contact", "config": {"fields": {"Id": {}}, "indexes": {"Id": {"unique": false}}}});
    let made = ask(address, KEY, "POST", &format!("{path}/mappings"), &wanted).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(
        (&made["state"], &made["config"]["indexes"]),
        (&json!("SCHEMA_CHANGED"), &json!({"Id": {"unique": true}}))
    );
    let own = format!("/api/v3/mappings/{}", made["id"].as_str().unwrap());
    assert_eq!(put(&own, &wanted).await.status, 400, "without a revision");
    let mut next = json!({"object_name": "Contact", "config": made["config"]});
    let changed = put(&own, &next).await;
    assert_eq!(changed.status, 200);
    assert_eq!(put(&own, &next).await.status, 409, "from a revision that is gone");
    next["config"]["revision"] = changed.json()["config"]["revision"].clone();
    next["config"]["access"] = json!("write");
    assert_eq!(put(&own, &next).await.status, 400, "of no access that there is");
    assert_eq!(put("/api/v3/mappings/none", &wanted).await.status, 404);
}

#[tokio::test]
async fn without_deep_there_are_no_mappings_and_pausing_is_accepted() {
    let address = start_default().await;
    let path = connection(address).await;
    let show =
        async |query: &str| ask(address, KEY, "GET", &format!("{path}{query}"), &Value::Null).await.json();
    assert_eq!(show("").await.get("mappings"), None);
    assert_eq!(show("?deep=true").await["mappings"], json!([]));
    for (action, state) in [("pause", "PAUSED"), ("pause", "PAUSED"), ("resume", "IDLE"), ("resume", "IDLE")]
    {
        let done = ask(address, KEY, "POST", &format!("{path}/actions/{action}"), &Value::Null).await;
        assert_eq!((done.status, done.body.as_str(), &show("").await["state"]), (202, "", &json!(state)));
    }
    assert_eq!(ask(address, KEY, "POST", &format!("{path}/actions/stop"), &Value::Null).await.status, 404);
    assert_eq!(ask(address, "Bearer wrong", "GET", &path, &Value::Null).await.status, 401);
}
