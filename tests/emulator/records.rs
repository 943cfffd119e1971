//! Records and queries over HTTP, and what the tests of the org's streaming share.

use std::net::SocketAddr;

use cometail::emulator::{Config, Seed};
use serde_json::{Value, json};

use super::client::Client;
use super::{control, start, start_default};

/// A request to the REST API of version 61; status and body, null where it is empty.
pub(super) async fn rest(address: SocketAddr, method: &str, path: &str, body: Value) -> (u16, Value) {
    rest_at(address, "61.0", method, path, body).await
}

/// The same by another API version.
pub(super) async fn rest_at(
    address: SocketAddr,
    version: &str,
    method: &str,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("/services/data/v{version}/{path}");
    let response = Client::new(address, "").await.request(method, &path, &body).await;
    let body = if response.body.is_empty() { Value::Null } else { response.json() };
    (response.status, body)
}

/// Creates a record; its id.
pub(super) async fn create(address: SocketAddr, kind: &str, body: Value) -> String {
    let (status, reply) = rest(address, "POST", &format!("sobjects/{kind}"), body).await;
    assert_eq!((status, &reply["success"]), (201, &json!(true)), "{reply}");
    reply["id"].as_str().unwrap().to_owned()
}

/// Updates a record.
pub(super) async fn update(address: SocketAddr, kind: &str, id: &str, body: Value) {
    let done = rest(address, "PATCH", &format!("sobjects/{kind}/{id}"), body).await;
    assert_eq!(done, (204, Value::Null));
}

fn encoded(query: &str) -> String {
    url::form_urlencoded::byte_serialize(query.as_bytes()).collect()
}

#[tokio::test]
async fn a_record_is_created_read_updated_deleted_and_undeleted() {
    let address = start_default().await;
    let id = create(address, "Invoice_Statement__c", json!({"Description__c": "first"})).await;
    let path = format!("sobjects/Invoice_Statement__c/{id}");
    let (status, record) = rest(address, "GET", &path, Value::Null).await;
    assert_eq!((status, &record["Name"], &record["Status__c"]), (200, &json!("INV-0001"), &json!("Open")));
    assert_eq!(record["attributes"]["url"], format!("/services/data/v61.0/{path}"));
    assert!(record["CreatedDate"].as_str().unwrap().ends_with("+0000"));
    let short = rest(address, "GET", &format!("{path}?fields=status__c"), Value::Null).await.1;
    assert_eq!(short.as_object().unwrap().len(), 3, "{short}");
    assert_eq!(rest(address, "PATCH", &path, json!({"Status__c": "Closed"})).await, (204, Value::Null));
    let tunnelled = format!("{path}?_HttpMethod=PATCH");
    assert_eq!(rest(address, "POST", &tunnelled, json!({"Description__c": null})).await.0, 204);
    let by_15 = format!("sobjects/invoice_statement__c/{}", &id[..15]);
    let record = rest(address, "GET", &by_15, Value::Null).await.1;
    assert_eq!((&record["Status__c"], &record["Description__c"]), (&json!("Closed"), &Value::Null));
    assert_eq!(rest(address, "DELETE", &path, Value::Null).await, (204, Value::Null));
    let (status, gone) = rest(address, "GET", &path, Value::Null).await;
    assert_eq!((status, &gone[0]["errorCode"]), (404, &json!("ENTITY_IS_DELETED")));
    assert_eq!(rest(address, "DELETE", &path, Value::Null).await.0, 404);
    assert_eq!(rest(address, "POST", &format!("{path}/undelete"), Value::Null).await, (204, Value::Null));
    assert_eq!(rest(address, "POST", &format!("{path}/undelete"), Value::Null).await.0, 400);
    assert_eq!(rest(address, "GET", &path, Value::Null).await.0, 200);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_salesforce_form() {
    let address = start_default().await;
    let id = create(address, "Account", json!({"Name": "Acme"})).await;
    for (method, path, body, status, code) in [
        ("POST", "sobjects/Account", json!({}), 400, "REQUIRED_FIELD_MISSING"),
        ("POST", "sobjects/Account", json!({"Nam": 1}), 400, "INVALID_FIELD"),
        ("POST", "sobjects/Account", json!([]), 400, "JSON_PARSER_ERROR"),
        ("POST", "sobjects/Account", Value::Null, 400, "JSON_PARSER_ERROR"),
        ("POST", "sobjects/Nothing", json!({}), 404, "NOT_FOUND"),
        ("GET", "sobjects/Account/001", Value::Null, 404, "NOT_FOUND"),
        ("GET", "sobjects/Contact/ID", Value::Null, 404, "NOT_FOUND"),
        ("GET", "sobjects/Account/ID?fields=Nam", Value::Null, 400, "INVALID_FIELD"),
        ("PUT", "sobjects/Account/ID", json!({}), 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "sobjects/Account", Value::Null, 405, "METHOD_NOT_ALLOWED"),
        ("POST", "limits", Value::Null, 405, "METHOD_NOT_ALLOWED"),
        (
            "PATCH",
            "sobjects/Account/ID",
            json!({"CreatedDate": null}),
            400,
            "INVALID_FIELD_FOR_INSERT_UPDATE",
        ),
        ("PATCH", "sobjects/Account/ID", json!({"Name": null}), 400, "REQUIRED_FIELD_MISSING"),
        ("PATCH", "sobjects/Account/ID", json!({"Id": "ID"}), 400, "INVALID_FIELD"),
        ("PATCH", "sobjects/Account/ID", json!({"NumberOfEmployees": "many"}), 400, "JSON_PARSER_ERROR"),
        ("PATCH", "sobjects/Account/ID", json!({"Phone": "1".repeat(41)}), 400, "STRING_TOO_LONG"),
        ("POST", "sobjects/Contact", json!({"LastName": "a", "Email": "a"}), 400, "INVALID_EMAIL_ADDRESS"),
        ("GET", "query", Value::Null, 400, "MALFORMED_QUERY"),
        ("GET", "query?q=SELECT", Value::Null, 400, "MALFORMED_QUERY"),
        ("GET", "query/01gEm0000000001AAA-200", Value::Null, 400, "INVALID_QUERY_LOCATOR"),
        ("GET", "nothing", Value::Null, 404, "NOT_FOUND"),
    ] {
        let (found, reply) = rest(address, method, &path.replace("ID", &id), body).await;
        assert_eq!((found, &reply[0]["errorCode"]), (status, &json!(code)), "{method} {path}: {reply}");
        assert!(reply[0]["message"].is_string(), "{reply}");
    }
    let missing = rest(address, "POST", "sobjects/Account", json!({})).await.1;
    let wanted = json!([{"message": "Required fields are missing: [Name]",
        "errorCode": "REQUIRED_FIELD_MISSING", "fields": ["Name"]}]);
    assert_eq!(missing, wanted);
    let mut form = Client::new(address, "").await;
    form.headers = "Content-Type: application/x-www-form-urlencoded\r\n".to_owned();
    let refused = form.request("POST", "/services/data/v61.0/sobjects/Account", "{\"Name\":\"a\"}").await;
    assert_eq!((refused.status, &refused.json()[0]["errorCode"]), (415, &json!("UNSUPPORTED_MEDIA_TYPE")));
    for version in ["19.0", "67.0", "61", "x"] {
        let (status, reply) = rest_at(address, version, "GET", "limits", Value::Null).await;
        assert_eq!((status, &reply[0]["errorCode"]), (404, &json!("NOT_FOUND")), "{version}");
    }
}

#[tokio::test]
async fn references_are_to_records_that_there_are_and_of_the_right_type() {
    let address = start_default().await;
    let account = create(address, "Account", json!({"Name": "Acme"})).await;
    let gone = create(address, "Account", json!({"Name": "gone"})).await;
    rest(address, "DELETE", &format!("sobjects/Account/{gone}"), Value::Null).await;
    let refused =
        |message: &str, code: &str| json!([{"message": message, "errorCode": code, "fields": ["AccountId"]}]);
    for (id, wanted) in [
        (
            "003Em0000000001IAA",
            refused("Account ID: id value of incorrect type: 003Em0000000001IAA", "MALFORMED_ID"),
        ),
        ("001", refused("Account ID: id value of incorrect type: 001", "MALFORMED_ID")),
        ("001Em0000000009IAA", refused("invalid cross reference id", "INVALID_CROSS_REFERENCE_KEY")),
        (&gone, refused("entity is deleted", "ENTITY_IS_DELETED")),
    ] {
        let body = json!({"LastName": "a", "AccountId": id});
        assert_eq!(rest(address, "POST", "sobjects/Contact", body).await, (400, wanted), "{id}");
    }
    let contact = create(address, "Contact", json!({"LastName": "a", "AccountId": account[..15]})).await;
    let path = format!("sobjects/Contact/{contact}?fields=AccountId");
    assert_eq!(rest(address, "GET", &path, Value::Null).await.1["AccountId"], *account);
    update(address, "Contact", &contact, json!({"AccountId": null})).await;
    assert_eq!(rest(address, "GET", &path, Value::Null).await.1["AccountId"], Value::Null);
}

#[tokio::test]
async fn every_reply_says_how_many_calls_there_were() {
    let address = start_default().await;
    let mut client = Client::new(address, "").await;
    for (number, path, status) in [(1, "limits", 200), (2, "nothing", 404), (3, "query?q=x", 400)] {
        let response = client.request("GET", &format!("/services/data/v61.0/{path}"), "").await;
        assert_eq!(response.status, status);
        assert!(
            response.head.contains(&format!("sforce-limit-info: api-usage={number}/100000")),
            "{}",
            response.head
        );
    }
}

#[tokio::test]
async fn a_token_is_demanded_here_too() {
    let address = start(Config { token: Some("t0k".to_owned()), ..Config::default() }).await;
    let (status, reply) = rest(address, "GET", "limits", Value::Null).await;
    let wanted = json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]);
    assert_eq!((status, reply), (401, wanted));
    let mut client = Client::new(address, "").await;
    client.headers = "Authorization: Bearer t0k\r\n".to_owned();
    assert_eq!(client.request("GET", "/services/data/v61.0/limits", "").await.status, 200);
}

#[tokio::test]
async fn queries_come_in_pages() {
    let address = start_default().await;
    let fields = json!({"Number__c": {"fields": {"N__c": "int"}}});
    assert_eq!(control(address, "objects", fields).await["defined"], 1);
    let mut client = Client::new(address, "").await;
    for n in 0..250 {
        let body = json!({"N__c": n}).to_string();
        assert_eq!(
            client.request("POST", "/services/data/v61.0/sobjects/Number__c", &body).await.status,
            201
        );
    }
    client.headers = "Sforce-Query-Options: batchSize=100\r\n".to_owned();
    let query = encoded("SELECT N__c FROM Number__c WHERE N__c != null ORDER BY N__c");
    let path = format!("/services/data/v61.0/query/?q={query}");
    let first = client.request("GET", &path, "").await.json();
    assert_eq!((&first["totalSize"], &first["done"]), (&json!(250), &json!(false)));
    assert_eq!(first["records"].as_array().unwrap().len(), 200, "200 is the least");
    let next = first["nextRecordsUrl"].as_str().unwrap();
    assert!(next.starts_with("/services/data/v61.0/query/01g") && next.ends_with("-200"), "{next}");
    let second = client.request("GET", next, "").await.json();
    assert_eq!((&second["done"], second.get("nextRecordsUrl")), (&json!(true), None));
    let numbers: Vec<_> =
        second["records"].as_array().unwrap().iter().map(|one| one["N__c"].clone()).collect();
    assert_eq!(numbers, (200..250).map(Value::from).collect::<Vec<_>>());
    let count = client.request("GET", "/services/data/v61.0/query?q=SELECT+count()+FROM+Number__c", "").await;
    assert_eq!(count.json()["totalSize"], 250);
}

#[tokio::test]
async fn types_are_described() {
    let address = start_default().await;
    let resources = rest(address, "GET", "", Value::Null).await.1;
    assert_eq!(resources["query"], "/services/data/v61.0/query");
    let global = rest(address, "GET", "sobjects", Value::Null).await.1;
    let names: Vec<_> = global["sobjects"].as_array().unwrap().iter().map(|kind| &kind["name"]).collect();
    for name in ["Account", "Campaign", "Case", "Contact", "Lead", "Opportunity", "Task", "PushTopic"] {
        assert!(names.contains(&&json!(name)), "{name}");
    }
    let topic = rest(address, "GET", "sobjects/PushTopic/describe", Value::Null).await.1;
    assert_eq!((&topic["keyPrefix"], &topic["createable"]), (&json!("0IF"), &json!(true)));
    let field = |name: &str| {
        let fields = topic["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    assert_eq!((&field("Query")["length"], &field("Name")["nillable"]), (&json!(1300), &json!(false)));
    assert_eq!(field("NotifyForOperations")["createable"], false);
    assert_eq!(field("NotifyForFields")["picklistValues"].as_array().unwrap().len(), 4);
    let (status, short) = rest(address, "GET", "sobjects/Account", Value::Null).await;
    assert_eq!((status, &short["objectDescribe"]["label"]), (200, &json!("Account")));
    let old = rest_at(address, "20.0", "GET", "sobjects", Value::Null).await.1.to_string();
    let later = names.iter().filter(|name| !old.contains(&format!("\"name\":{name}")));
    let later: Vec<_> = later.filter_map(|name| name.as_str()).collect();
    assert_eq!(later, ["LiveChatTranscript", "PushTopic", "StreamingChannel"]);
}

#[tokio::test]
async fn users_do_and_see_what_they_may() {
    let seed = Seed::parse(
        r#"
        [user."a@example.com"]
        password = "p"
        objects = { Account = "none", Contact = "read" }
        hidden_fields = ["Lead.Phone"]
        [object.Thing__c]
        fields = { Size__c = "int" }
        [[record.Thing__c]]
        Name = "small"
        Size__c = 1
        "#,
        std::path::Path::new(""),
    );
    let address = start(Config { seed: seed.unwrap(), ..Config::default() }).await;
    let code = async |method: &str, path: &str, body: Value| {
        let (status, reply) = rest(address, method, path, body).await;
        (status, reply[0]["errorCode"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code("GET", "sobjects/Account", Value::Null).await, (404, "NOT_FOUND".to_owned()));
    assert_eq!(code("GET", "query?q=SELECT+Id+FROM+Account", Value::Null).await.1, "INVALID_TYPE");
    let refused = (403, "INSUFFICIENT_ACCESS_OR_READONLY".to_owned());
    assert_eq!(code("POST", "sobjects/Contact", json!({"LastName": "x"})).await, refused);
    let hidden = json!({"LastName": "x", "Company": "y", "Phone": "1"});
    assert_eq!(code("POST", "sobjects/Lead", hidden).await.1, "INVALID_FIELD");
    let lead = create(address, "Lead", json!({"LastName": "x", "Company": "y"})).await;
    let shown = rest(address, "GET", &format!("sobjects/Lead/{lead}"), Value::Null).await.1;
    assert!(shown.get("Phone").is_none() && shown.get("Email").is_some(), "{shown}");
    assert_eq!(code("GET", "query?q=SELECT+Phone+FROM+Lead", Value::Null).await.1, "INVALID_FIELD");
    let things = rest(address, "GET", "query?q=SELECT+Name,+Size__c+FROM+Thing__c", Value::Null).await.1;
    assert_eq!(
        (&things["records"][0]["Name"], &things["records"][0]["Size__c"]),
        (&json!("small"), &json!(1))
    );
}

#[test]
fn seeds_with_wrong_records_are_refused() {
    for (text, wanted) in [
        ("[[record.Account]]\nNam = 1", "record of Account: INVALID_FIELD"),
        ("[[record.Nothing]]\nName = 1", "record of Nothing: NOT_FOUND"),
        ("[object.Thing]", "object \"Thing\""),
        ("[object.Thing__c]\nfields = { A__c = \"strin\" }", "type \"strin\" is unknown"),
    ] {
        let error = Seed::parse(text, std::path::Path::new("")).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
