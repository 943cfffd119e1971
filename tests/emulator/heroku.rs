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

/// Whether this is a UUID.
fn is_uuid(value: &Value) -> bool {
    let parts: Vec<_> = value.as_str().unwrap_or_default().split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12]
}

#[tokio::test]
async fn row_authorise_has_every_member_of_the_example() {
    let address = start_default().await;
    let reply = ask(address, BASIC, "POST", "/oauth/authorizations", &Value::Null).await.json();
    assert!(is_uuid(&reply["id"]));
    for name in ["created_at", "updated_at"] {
        // 2016/05/05 00:45:17 -0700
        let text = reply[name].as_str().unwrap();
        jiff::fmt::strtime::parse("%Y/%m/%d %H:%M:%S %z", text).unwrap();
    }
    assert!(!reply["access_tokens"][0]["token"].as_str().unwrap().is_empty());
    for (name, wanted) in [
        ("client", Value::Null),
        ("description", json!("Long-lived user authorization")),
        ("grants", json!([])),
        ("refresh_tokens", json!([])),
        ("scopes", json!(["global"])),
    ] {
        assert_eq!(reply[name], wanted, "{name}");
    }
}

#[tokio::test]
async fn row_list_connections_is_of_one_app() {
    let address = start_default().await;
    control(address, "heroku/connections", json!({"app": "other"})).await;
    let list = async |query: &str| {
        ask(address, KEY, "GET", &format!("/api/v3/connections{query}"), &Value::Null).await.json()
    };
    let one = list("?app=other").await;
    assert_eq!((&one["count"], &one["next"], &one["previous"]), (&json!(1), &Value::Null, &Value::Null));
    let found = &one["results"][0];
    assert_eq!((&found["name"], &found["app_name"]), (&json!("other"), &json!("other")));
    assert!(is_uuid(&found["id"]) && found["_id"].is_u64(), "{found}");
    assert_eq!(list("").await["count"], 2);
    assert_eq!(list("?app=none").await["results"], json!([]));
}

#[tokio::test]
async fn row_one_connection_row_create_mapping_and_its_states() {
    let address = start(Config { time_scale: 0.02, ..Config::default() }).await;
    let path = connection(address).await;
    let wanted = json!({"object_name": "Contact", "config": {
        "access": "read_write", "sf_notify_enabled": true, "sf_polling_seconds": 600,
        "fields": {"CreatedDate": {}, "Id": {}, "LastName": {}, "SystemModstamp": {}},
        "indexes": {"Id": {"unique": false}, "SystemModstamp": {"unique": false}},
    }});
    let made = ask(address, KEY, "POST", &format!("{path}/mappings"), &wanted).await.json();
    assert_eq!((&made["object_name"], &made["state"]), (&json!("Contact"), &json!("SCHEMA_CHANGED")));
    let mut config = wanted["config"].clone();
    config["indexes"]["Id"]["unique"] = true.into();
    config["revision"] = made["config"]["revision"].clone();
    config["applied_at"] = made["config"]["applied_at"].clone();
    assert_eq!(made["config"], config);
    assert!(config["revision"].is_u64() && config["applied_at"].as_str().unwrap().ends_with('Z'));
    let deep = format!("{path}?deep=true");
    let show = async || ask(address, KEY, "GET", &deep, &Value::Null).await.json();
    let shown = show().await;
    assert_eq!((&shown["schema_name"], &shown["db_key"]), (&json!("salesforce"), &json!("DATABASE_URL")));
    let database = &shown["database"];
    assert!(database["host"].is_string() && database["port"].is_u64() && database["database"].is_string());
    assert_eq!((&shown["mappings"][0]["id"], &shown["mappings"][0]["config"]), (&made["id"], &config));
    let deadline = tokio::time::Instant::now() + super::LONG;
    loop {
        let state = show().await["mappings"][0]["state"].clone();
        if state == "POLLING_SF_CHANGES" {
            break;
        }
        assert_eq!(state, "SCHEMA_CHANGED");
        assert!(tokio::time::Instant::now() < deadline, "a mapping that never settles");
    }
    let own = format!("/api/v3/mappings/{}", made["id"].as_str().unwrap());
    let changed = ask(address, KEY, "PUT", &own, &json!({"object_name": "Contact", "config": config})).await;
    assert_eq!(changed.json()["state"], "SCHEMA_CHANGED", "it settles again");
}

#[tokio::test]
async fn a_mapping_that_is_wrong_is_refused() {
    let address = start_default().await;
    let mappings = format!("{}/mappings", connection(address).await);
    let of = |config: Value| json!({"object_name": "Contact", "config": config});
    for body in [
        json!({"config": {"fields": {}}}),
        json!({"object_name": "", "config": {"fields": {}}}),
        of(json!({})),
        of(json!({"fields": ["Id"]})),
        of(json!({"fields": {"Id": 1}})),
        of(json!({"fields": {}, "access": "write_only"})),
        of(json!({"fields": {}, "sf_notify_enabled": "yes"})),
        of(json!({"fields": {}, "sf_polling_seconds": 0})),
        of(json!({"fields": {}, "indexes": []})),
    ] {
        let refused = ask(address, KEY, "POST", &mappings, &body).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.json()["message"].is_string());
    }
    let good = of(json!({"fields": {"Id": {}}}));
    assert_eq!(ask(address, KEY, "POST", &mappings, &good).await.status, 201);
    assert_eq!(ask(address, KEY, "POST", &mappings, &good).await.status, 400, "it is mapped already");
    let nowhere = "/api/v3/connections/none/mappings";
    assert_eq!(ask(address, KEY, "POST", nowhere, &good).await.status, 404);
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
