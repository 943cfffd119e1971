//! The objects of the guide: the life of `PushTopic` and `StreamingChannel` records by REST, and every object that
//! topics may be of.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::client::Client;
use super::records::{create, rest, rest_at};
use super::{X, control, start_default};

/// The one record that a query finds, without its attributes.
async fn found(address: SocketAddr, query: &str) -> Value {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let (status, mut reply) = rest(address, "GET", &format!("query?q={query}"), Value::Null).await;
    assert_eq!((status, &reply["totalSize"]), (200, &json!(1)), "{reply}");
    let mut record = reply["records"][0].take();
    record.as_object_mut().unwrap().remove("attributes");
    record
}

/// Creates, finds by name, reads, changes and deletes a record of this type.
async fn lives(kind: &str, body: Value, change: Value) {
    let address = start_default().await;
    let name = body["Name"].clone();
    let id = create(address, kind, body.clone()).await;
    let query = format!("SELECT Id, Name FROM {kind} WHERE Name = '{}'", name.as_str().unwrap());
    assert_eq!(found(address, &query).await, json!({"Id": id, "Name": name}));
    let path = format!("sobjects/{kind}/{id}");
    let read = async || rest(address, "GET", &path, Value::Null).await;
    let (status, record) = read().await;
    assert_eq!((status, &record["attributes"]["type"]), (200, &json!(kind)));
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(record[field], *value, "{field}");
    }
    assert_eq!(rest(address, "PATCH", &path, change.clone()).await, (204, Value::Null));
    let (_, record) = read().await;
    for (field, value) in change.as_object().unwrap() {
        assert_eq!(record[field], *value, "{field}");
    }
    assert_eq!(rest(address, "DELETE", &path, Value::Null).await, (204, Value::Null));
    let (status, gone) = read().await;
    assert_eq!((status, &gone[0]["errorCode"]), (404, &json!("ENTITY_IS_DELETED")));
}

#[tokio::test]
async fn rest_of_push_topic() {
    let body = json!({"Name": "InvoiceStatementUpdates", "ApiVersion": 35.0, "Description": "all of them",
        "Query": "SELECT Id, Name, Status__c, Description__c FROM Invoice_Statement__c",
        "NotifyForOperationCreate": true, "NotifyForOperationUpdate": true, "NotifyForOperationUndelete": true,
        "NotifyForOperationDelete": true, "NotifyForFields": "Referenced"});
    lives("PushTopic", body, json!({"IsActive": false, "NotifyForFields": "All", "Description": null})).await;
}

#[tokio::test]
async fn rest_of_streaming_channel() {
    let body = json!({"Name": "/u/notifications/ExampleUserChannel", "Description": "example"});
    lives("StreamingChannel", body, json!({"Name": "/u/other", "Description": null})).await;
}

#[tokio::test]
async fn streaming_channel_and_its_push_begin_with_api_29() {
    let address = start_default().await;
    let id = create(address, "StreamingChannel", json!({"Name": "/u/a"})).await;
    let path = format!("sobjects/StreamingChannel/{id}");
    for (version, status) in [("28.0", 404), ("29.0", 200)] {
        for path in [&path, &format!("{path}/push")] {
            assert_eq!(
                rest_at(address, version, "GET", path, Value::Null).await.0,
                status,
                "{version} {path}"
            );
        }
    }
}

/// That a topic of this object tells of a record of it, with the fields selected.
async fn tells(kind: &str, query: &str, body: Value) {
    let address = start_default().await;
    create(address, "PushTopic", json!({"Name": "X", "Query": query, "ApiVersion": 35.0})).await;
    let mut client = Client::subscribed(address, "/cometd/35.0", None).await;
    client.connect().await;
    let id = create(address, kind, body.clone()).await;
    let (events, _) = client.connect().await;
    assert_eq!(
        (events.len(), &events[0]["channel"], &events[0]["data"]["event"]["type"]),
        (1, &json!(X), &json!("created"))
    );
    let sobject = &events[0]["data"]["sobject"];
    assert_eq!(sobject["Id"], json!(id));
    let selected = query.split(" FROM ").next().unwrap().trim_start_matches("SELECT ").split(", ");
    let selected: Vec<_> = selected.collect();
    assert_eq!(sobject.as_object().unwrap().len(), selected.len(), "{sobject}");
    for (field, value) in
        body.as_object().unwrap().iter().filter(|(field, _)| selected.contains(&field.as_str()))
    {
        assert_eq!(sobject[field], *value, "{field}");
    }
}

macro_rules! objects {
    ($($row:ident: $kind:literal, $query:literal, $body:tt;)*) => {
        $(#[tokio::test]
        async fn $row() {
            tells($kind, $query, json!($body)).await;
        })*
    };
}

objects! {
    topic_on_account: "Account", "SELECT Id, Name FROM Account WHERE NumberOfEmployees > 1000",
        {"Name": "a", "NumberOfEmployees": 1001};
    topic_on_campaign: "Campaign", "SELECT Id, Name FROM Campaign WHERE Status = 'Planned'", {"Name": "a"};
    topic_on_case: "Case", "SELECT Id, Subject FROM Case WHERE Status = 'Working' AND IsEscalated = TRUE",
        {"Subject": "a", "Status": "Working", "IsEscalated": true};
    topic_on_contact: "Contact", "SELECT Id, Name, Email FROM Contact", {"LastName": "a", "Email": "a@example.com"};
    topic_on_lead: "Lead", "SELECT Id, Company FROM Lead WHERE Industry = 'Computer Services'",
        {"LastName": "a", "Company": "b", "Industry": "Computer Services"};
    topic_on_opportunity: "Opportunity", "SELECT Id, Name, Amount FROM Opportunity WHERE CloseDate < 2011-06-14",
        {"Name": "a", "Amount": 12.5, "CloseDate": "2011-06-13", "StageName": "Prospecting"};
    topic_on_task: "Task", "SELECT Id, Subject, IsClosed, Status FROM Task WHERE isClosed = TRUE",
        {"Subject": "a", "Status": "Completed"};
    topic_on_contract_line_item: "ContractLineItem", "SELECT Id, Name FROM ContractLineItem", {"Name": "a"};
    topic_on_entitlement: "Entitlement", "SELECT Id, Name FROM Entitlement", {"Name": "a"};
    topic_on_live_chat_transcript: "LiveChatTranscript", "SELECT Id, Name FROM LiveChatTranscript", {"Name": "a"};
    topic_on_quote: "Quote", "SELECT Id, Name FROM Quote", {"Name": "a"};
    topic_on_quote_line_item: "QuoteLineItem", "SELECT Id, Name FROM QuoteLineItem", {"Name": "a"};
    topic_on_service_contract: "ServiceContract", "SELECT Id, Name FROM ServiceContract", {"Name": "a"};
}

#[tokio::test]
async fn topic_on_a_custom_object_that_a_call_makes() {
    let address = start_default().await;
    let object = json!({"namespace__Invoice__c": {"label": "Invoice", "auto_number": "I-{00}",
        "fields": {"namespace__Status__c": {"type": "picklist", "values": ["Open", "Closed"], "default": "Open"}}}});
    assert_eq!(control(address, "objects", object).await["defined"], 1);
    let query = "SELECT Id, Name, namespace__Status__c FROM namespace__Invoice__c";
    create(address, "PushTopic", json!({"Name": "X", "Query": query, "ApiVersion": 61.0})).await;
    let mut client = Client::subscribed(address, "/cometd/61.0", None).await;
    client.connect().await;
    let id = create(address, "namespace__Invoice__c", json!({})).await;
    let (events, _) = client.connect().await;
    let wanted = json!({"Id": id, "Name": "I-01", "namespace__Status__c": "Open"});
    assert_eq!(events[0]["data"]["sobject"], wanted);
    assert!(id.len() == 18 && id.starts_with("a0"), "{id}");
}
