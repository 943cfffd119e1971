//! Guide, "Notification Scenarios", and the life of a topic.

use serde_json::{Value, json};

use super::Scene;

const KIND: &str = "InvoiceStatement__c";
const NONE: [&str; 0] = [];

/// A scene with the topic of a scenario, and the ids of the record meant and of another one.
fn scenario(query: &str, fields: &str, body: &Value) -> (Scene, String, String) {
    let mut scene = Scene::new();
    let this = scene.create(KIND, body).0;
    let other = scene.create(KIND, &json!({})).0;
    let query = query.replace("THIS", &this);
    scene.topic(&query, &json!({"NotifyForFields": fields})).unwrap();
    (scene, this, other)
}

fn hears(scene: &mut Scene, id: &str, body: &Value) -> bool {
    !scene.update(KIND, id, body).is_empty()
}

#[test]
fn scenario_all_notifications_of_all_updates() {
    let query = "SELECT Id, Name, Description__c FROM InvoiceStatement__c";
    let (mut scene, this, other) = scenario(query, "All", &json!({}));
    assert!(hears(&mut scene, &this, &json!({"f1__c": "a"})));
    assert!(hears(&mut scene, &other, &json!({"Amount__c": 1})));
}

#[test]
fn scenario_changes_of_name_or_amount_only() {
    let query = "SELECT Id, Name, Amount__c FROM InvoiceStatement__c";
    let (mut scene, this, other) = scenario(query, "Referenced", &json!({}));
    assert!(!hears(&mut scene, &this, &json!({"f1__c": "a"})));
    assert!(hears(&mut scene, &this, &json!({"Amount__c": 1})));
    assert!(hears(&mut scene, &other, &json!({"Name": "b"})));
}

#[test]
fn scenario_all_changes_of_one_record() {
    let query = "SELECT Id, Name, Amount__c FROM InvoiceStatement__c WHERE Id='THIS'";
    let (mut scene, this, other) = scenario(query, "All", &json!({}));
    assert!(hears(&mut scene, &this, &json!({"f1__c": "a"})));
    assert!(!hears(&mut scene, &other, &json!({"f1__c": "a"})));
}

#[test]
fn scenario_changes_of_name_or_amount_of_one_record() {
    let query = "SELECT Id, Name, Amount__c FROM InvoiceStatement__c WHERE Id='THIS'";
    let (mut scene, this, other) = scenario(query, "Referenced", &json!({}));
    assert!(!hears(&mut scene, &this, &json!({"f1__c": "a"})));
    assert!(hears(&mut scene, &this, &json!({"Amount__c": 3})));
    assert!(!hears(&mut scene, &other, &json!({"Amount__c": 3})));
}

#[test]
fn scenario_all_changes_for_vendors_of_one_state() {
    let query = "SELECT Id, Name, Amount__c FROM InvoiceStatement__c WHERE BillingState__c = 'NY'";
    let (mut scene, this, other) = scenario(query, "All", &json!({"BillingState__c": "NY"}));
    assert!(hears(&mut scene, &this, &json!({"f1__c": "a"})));
    assert!(!hears(&mut scene, &other, &json!({"f1__c": "a"})));
    assert!(hears(&mut scene, &other, &json!({"BillingState__c": "ny"})));
}

#[test]
fn scenario_changes_of_invoices_of_a_thousand_and_more() {
    let query = "SELECT Id, Name FROM InvoiceStatement__c WHERE Amount__c > 999";
    let (mut scene, this, other) = scenario(query, "Referenced", &json!({"Amount__c": 1000}));
    assert!(hears(&mut scene, &this, &json!({"Amount__c": 2000})));
    assert!(!hears(&mut scene, &this, &json!({"f1__c": "a"})));
    assert!(!hears(&mut scene, &other, &json!({"Amount__c": 999})));
    assert!(hears(&mut scene, &other, &json!({"Amount__c": 999.5})));
}

#[test]
fn each_operation_is_told_where_the_topic_asks_for_it() {
    let operations = ["Create", "Update", "Delete", "Undelete"];
    for only in operations {
        let mut scene = Scene::new();
        let field = |name: &str| (format!("NotifyForOperation{name}"), Value::Bool(name == only));
        let more = Value::Object(operations.iter().map(|name| field(name)).collect());
        scene.topic("SELECT Id, f1__c FROM InvoiceStatement__c", &more).unwrap();
        let (id, created) = scene.create(KIND, &json!({"f1__c": "a"}));
        let updated = scene.update(KIND, &id, &json!({"f1__c": "b"}));
        let deleted = scene.delete(KIND, &id);
        let undeleted = scene.undelete(KIND, &id);
        let told = [created, updated, deleted, undeleted].concat();
        let (kind, fields) = match only {
            "Create" => ("created", "Id,f1__c"),
            "Update" => ("updated", "Id,f1__c"),
            "Delete" => ("deleted", "Id"),
            _ => ("undeleted", "Id,f1__c"),
        };
        assert_eq!(told, [format!("/topic/T {kind} {fields}")], "{only}");
    }
}

#[test]
fn deletions_are_told_of_records_that_meet_the_conditions() {
    let mut scene = Scene::new();
    scene.topic("SELECT Id, f1__c FROM InvoiceStatement__c WHERE f3__c = 'abc'", &json!({})).unwrap();
    for (value, heard) in [("abc", true), ("x", false)] {
        let id = scene.create(KIND, &json!({"f3__c": value})).0;
        assert_eq!(!scene.delete(KIND, &id).is_empty(), heard, "{value}");
        assert_eq!(!scene.undelete(KIND, &id).is_empty(), heard, "{value}");
    }
}

#[test]
fn a_topic_says_nothing_while_it_is_inactive_or_deleted() {
    let mut scene = Scene::new();
    let topic = scene.topic("SELECT Id, f1__c FROM InvoiceStatement__c", &json!({})).unwrap();
    let heard = |scene: &mut Scene| !scene.create(KIND, &json!({})).1.is_empty();
    assert!(heard(&mut scene));
    scene.update("PushTopic", &topic, &json!({"IsActive": false}));
    assert!(!heard(&mut scene));
    scene.update("PushTopic", &topic, &json!({"isActive": true}));
    assert!(heard(&mut scene));
    scene.delete("PushTopic", &topic);
    assert!(!heard(&mut scene));
    scene.undelete("PushTopic", &topic);
    assert!(heard(&mut scene));
}

#[test]
fn a_change_of_the_query_counts_at_once() {
    let mut scene = Scene::new();
    let topic = scene.topic("SELECT Id, f1__c FROM InvoiceStatement__c", &json!({})).unwrap();
    assert_eq!(scene.create(KIND, &json!({})).1, ["/topic/T created Id,f1__c"]);
    let query = "SELECT Id, f2__c, Id FROM InvoiceStatement__c WHERE f2__c = 'a'";
    scene.update("PushTopic", &topic, &json!({"Query": query}));
    assert_eq!(scene.create(KIND, &json!({})).1, NONE);
    assert_eq!(scene.create(KIND, &json!({"f2__c": "A"})).1, ["/topic/T created Id,f2__c"]);
    let refused = scene.try_update("PushTopic", &topic, &json!({"Query": "SELECT Id FROM Account LIMIT 1"}));
    assert_eq!(refused.unwrap_err().message, "'LIMIT' is not allowed");
    assert_eq!(
        scene.create(KIND, &json!({"f2__c": "A"})).1,
        ["/topic/T created Id,f2__c"],
        "nothing changed"
    );
}

#[test]
fn a_renamed_topic_tells_its_former_subscribers_too() {
    let mut scene = Scene::new();
    let topic = scene.topic("SELECT Id, f1__c FROM InvoiceStatement__c", &json!({})).unwrap();
    scene.update("PushTopic", &topic, &json!({"Name": "N"}));
    let told = scene.create(KIND, &json!({})).1;
    assert_eq!(told, ["/topic/T created Id,f1__c", "/topic/N created Id,f1__c"]);
    assert!(scene.records.topics.is_former("/topic/T") && !scene.records.topics.is_former("/topic/N"));
    scene.update("PushTopic", &topic, &json!({"Name": "T"}));
    assert!(scene.records.topics.is_former("/topic/N") && !scene.records.topics.is_former("/topic/T"));
    scene.delete("PushTopic", &topic);
    assert!(!scene.records.topics.is_former("/topic/N"));
}

#[test]
fn task_closed_is_heard_with_its_status_only() {
    for (query, heard) in [
        ("SELECT Id, Subject, IsClosed, Status FROM Task", true),
        ("SELECT Id, Subject, IsClosed FROM Task", false),
    ] {
        let mut scene = Scene::new();
        scene.topic(query, &json!({})).unwrap();
        let id = scene.create("Task", &json!({"Subject": "a"})).0;
        assert_eq!(!scene.update("Task", &id, &json!({"Status": "Completed"})).is_empty(), heard, "{query}");
        assert_eq!(scene.get("Task", &id, "IsClosed"), true);
    }
}

#[test]
fn task_counts_are_heard_with_their_ids_only() {
    for (query, heard) in [
        ("SELECT Id, WhoCount, WhoId FROM Task", true),
        ("SELECT Id, WhoCount FROM Task", false),
        ("SELECT Id, WhatCount, WhatId FROM Task", false),
    ] {
        let mut scene = Scene::new();
        scene.topic(query, &json!({})).unwrap();
        let id = scene.create("Task", &json!({"Subject": "a"})).0;
        let changed = scene.update("Task", &id, &json!({"WhoId": "003D0000001QXi1"}));
        assert_eq!(!changed.is_empty(), heard, "{query}");
        assert_eq!(scene.get("Task", &id, "WhoCount"), 1);
    }
}

#[test]
fn two_topics_hear_of_one_change_and_a_topic_of_another_object_does_not() {
    let mut scene = Scene::new();
    for (name, query) in [
        ("A", "SELECT Id, f1__c FROM InvoiceStatement__c"),
        ("B", "SELECT Id, f2__c FROM invoicestatement__c"),
        ("C", "SELECT Id, Name FROM Account"),
    ] {
        scene.create("PushTopic", &json!({"Name": name, "Query": query, "ApiVersion": 35}));
    }
    let told = scene.create(KIND, &json!({})).1;
    assert_eq!(told, ["/topic/A created Id,f1__c", "/topic/B created Id,f2__c"]);
}
