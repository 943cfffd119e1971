//! Guide, chapters 11 and 12: the fields of `PushTopic` and `StreamingChannel`, with their defaults and limits.

use serde_json::{Value, json};

use super::Scene;

const QUERY: &str = "SELECT Id, f1__c FROM InvoiceStatement__c";

fn topic(more: &Value) -> Result<String, String> {
    Scene::new().topic(QUERY, more).map_err(|refused| format!("{}: {}", refused.code, refused.message))
}

#[test]
fn defaults_are_those_of_the_guide() {
    let mut scene = Scene::new();
    let id = scene.topic(QUERY, &json!({})).unwrap();
    for (field, value) in [
        ("IsActive", json!(true)),
        ("NotifyForFields", json!("Referenced")),
        ("NotifyForOperations", json!("All")),
        ("NotifyForOperationCreate", json!(true)),
        ("NotifyForOperationUpdate", json!(true)),
        ("NotifyForOperationDelete", json!(true)),
        ("NotifyForOperationUndelete", json!(true)),
        ("Description", Value::Null),
        ("IsDeleted", json!(false)),
        ("ApiVersion", json!(35.0)),
    ] {
        assert_eq!(scene.get("PushTopic", &id, field), value, "{field}");
    }
    assert!(id.starts_with("0IF") && id.len() == 18);
}

#[test]
fn name_is_required_unique_and_of_25_characters() {
    let long = "N".repeat(26);
    assert!(topic(&json!({"Name": "N".repeat(25)})).is_ok());
    let wanted = format!("STRING_TOO_LONG: Name: data value too large: {long} (max length=25)");
    assert_eq!(topic(&json!({"Name": long})).unwrap_err(), wanted);
    let wanted = "REQUIRED_FIELD_MISSING: Required fields are missing: [Name]";
    assert_eq!(topic(&json!({"Name": ""})).unwrap_err(), wanted);
    let mut scene = Scene::new();
    let id = scene.topic(QUERY, &json!({})).unwrap();
    let refused = scene.topic(QUERY, &json!({"Name": "t"})).unwrap_err();
    assert_eq!(refused.code, "DUPLICATE_VALUE");
    assert_eq!(
        refused.message,
        format!("duplicate value found: Name duplicates value on record with id: {id}")
    );
    scene.update("PushTopic", &id, &json!({"Name": "t"}));
    scene.delete("PushTopic", &id);
    assert!(scene.topic(QUERY, &json!({})).is_ok());
}

#[test]
fn query_is_required_and_of_1300_characters() {
    let of = |len: usize| {
        let head = "SELECT Id, f1__c FROM InvoiceStatement__c WHERE f1__c = '";
        format!("{head}{}'", "a".repeat(len - head.len() - 1))
    };
    assert!(topic(&json!({"Query": of(1300)})).is_ok());
    assert!(topic(&json!({"Query": of(1301)})).unwrap_err().starts_with("STRING_TOO_LONG: Query: "));
    assert_eq!(
        topic(&json!({"Query": null})).unwrap_err(),
        "REQUIRED_FIELD_MISSING: Required fields are missing: [Query]"
    );
}

#[test]
fn api_version_is_required_and_20_or_later() {
    assert!(topic(&json!({"ApiVersion": 20})).is_ok());
    assert!(topic(&json!({"ApiVersion": "35.0"})).is_ok());
    for wrong in [json!(19.0), json!(35.5), json!(-35), json!(1000)] {
        assert!(
            topic(&json!({"ApiVersion": wrong})).unwrap_err().starts_with("INVALID_FIELD: ApiVersion"),
            "{wrong}"
        );
    }
    let missing = topic(&json!({"ApiVersion": null})).unwrap_err();
    assert_eq!(missing, "REQUIRED_FIELD_MISSING: Required fields are missing: [ApiVersion]");
    assert!(topic(&json!({"ApiVersion": "x"})).unwrap_err().starts_with("JSON_PARSER_ERROR"));
}

#[test]
fn description_is_of_400_characters() {
    assert!(topic(&json!({"Description": "d".repeat(400)})).is_ok());
    assert!(topic(&json!({"Description": "d".repeat(401)})).unwrap_err().ends_with("(max length=400)"));
}

#[test]
fn notify_for_fields_has_four_values() {
    for value in ["All", "Referenced", "Select", "where"] {
        let query = "SELECT Id, f1__c FROM InvoiceStatement__c WHERE f2__c = 'a'";
        assert!(topic(&json!({"NotifyForFields": value, "Query": query})).is_ok(), "{value}");
    }
    for wrong in [json!("None"), json!(""), Value::Null] {
        let refused = topic(&json!({"NotifyForFields": wrong})).unwrap_err();
        assert!(refused.starts_with("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST: "), "{refused}");
    }
}

#[test]
fn notify_for_operations_is_read_only_from_29_on() {
    let refused = topic(&json!({"NotifyForOperations": "Create"})).unwrap_err();
    assert!(
        refused.starts_with(
            "INVALID_FIELD_FOR_INSERT_UPDATE: Unable to create/update fields: NotifyForOperations"
        )
    );
}

#[test]
fn notify_for_operations_follows_create_and_update() {
    for (create, update, wanted) in
        [(true, true, "All"), (true, false, "Create"), (false, true, "Update"), (false, false, "Extended")]
    {
        let mut scene = Scene::new();
        let more = json!({"NotifyForOperationCreate": create, "NotifyForOperationUpdate": update});
        let id = scene.topic(QUERY, &more).unwrap();
        assert_eq!(scene.get("PushTopic", &id, "NotifyForOperations"), wanted);
    }
}

#[test]
fn by_api_28_notify_for_operations_decides() {
    for (value, create, update) in
        [("All", true, true), ("Create", true, false), ("Update", false, true), ("Extended", false, false)]
    {
        let mut scene = Scene::new().at(28);
        let id = scene.topic(QUERY, &json!({"NotifyForOperations": value})).unwrap();
        let mut scene = scene.at(35);
        assert_eq!(scene.get("PushTopic", &id, "NotifyForOperationCreate"), create, "{value}");
        assert_eq!(scene.get("PushTopic", &id, "NotifyForOperationUpdate"), update, "{value}");
        assert_eq!(scene.get("PushTopic", &id, "NotifyForOperationDelete"), false, "{value}");
        let (record, created) = scene.create("InvoiceStatement__c", &json!({"f1__c": "a"}));
        assert_eq!(!created.is_empty(), create, "{value}");
        assert_eq!(scene.delete("InvoiceStatement__c", &record), [""; 0], "{value}");
    }
    let refused = Scene::new().at(28).topic(QUERY, &json!({"NotifyForOperationDelete": true})).unwrap_err();
    assert_eq!(refused.message, "No such column 'NotifyForOperationDelete' on sobject of type PushTopic");
}

#[test]
fn push_topics_begin_with_api_21_and_channels_with_29() {
    let mut scene = Scene::new().at(20);
    assert_eq!(scene.topic(QUERY, &json!({})).unwrap_err().code, "NOT_FOUND");
    let mut scene = Scene::new().at(28);
    assert_eq!(scene.try_create("StreamingChannel", &json!({"Name": "/u/a"})).unwrap_err().code, "NOT_FOUND");
}

#[test]
fn active_topics_are_limited_by_edition() {
    let mut scene = Scene::new();
    let name = |n: usize| json!({"Name": format!("T{n}")});
    let first = scene.topic(QUERY, &name(0)).unwrap();
    for n in 1..50 {
        scene.topic(QUERY, &name(n)).unwrap();
    }
    assert_eq!(scene.topic(QUERY, &name(50)).unwrap_err().code, "LIMIT_EXCEEDED");
    let inactive = scene.topic(QUERY, &json!({"Name": "T50", "IsActive": false})).unwrap();
    let activate = scene.try_update("PushTopic", &inactive, &json!({"IsActive": true}));
    assert_eq!(activate.unwrap_err().code, "LIMIT_EXCEEDED");
    scene.update("PushTopic", &first, &json!({"IsActive": false}));
    scene.update("PushTopic", &inactive, &json!({"IsActive": true}));
}

#[test]
fn namespaces_are_part_of_names() {
    let mut scene = Scene::new();
    scene.define("namespace__Invoice_Statement__c", &json!({"namespace__Status__c": "string"}));
    let query = "SELECT Id, Name, namespace__Status__c FROM namespace__Invoice_Statement__c";
    scene.topic(query, &json!({})).unwrap();
    let bare = "SELECT Id, Name, Status__c FROM namespace__Invoice_Statement__c";
    let refused = scene.topic(bare, &json!({"Name": "U"})).unwrap_err();
    assert!(refused.message.contains("No such column 'Status__c'"), "{refused:?}");
}

#[test]
fn streaming_channel_name_description_and_defaults() {
    let mut scene = Scene::new();
    let id = scene.create("StreamingChannel", &json!({"Name": "/u/notifications/ExampleUserChannel"})).0;
    assert!(id.starts_with("0M6"));
    assert_eq!(scene.get("StreamingChannel", &id, "IsDynamic"), false);
    assert_eq!(scene.get("StreamingChannel", &id, "OwnerId").as_str().map(|owner| &owner[..3]), Some("005"));
    let mut code =
        |body: Value| scene.try_create("StreamingChannel", &body).map(drop).map_err(|refused| refused.code);
    assert!(code(json!({"Name": format!("/u/{}", "a".repeat(77))})).is_ok());
    assert_eq!(code(json!({"Name": format!("/u/{}", "a".repeat(78))})), Err("STRING_TOO_LONG"));
    assert_eq!(code(json!({"Name": "/topic/a"})), Err("INVALID_FIELD"));
    assert_eq!(code(json!({"Name": "/u/a-b"})), Err("INVALID_FIELD"));
    assert_eq!(code(json!({})), Err("REQUIRED_FIELD_MISSING"));
    assert!(code(json!({"Name": "/u/d", "Description": "d".repeat(255)})).is_ok());
    assert_eq!(code(json!({"Name": "/u/e", "Description": "d".repeat(256)})), Err("STRING_TOO_LONG"));
    assert_eq!(code(json!({"Name": "/u/NOTIFICATIONS/ExampleUserChannel"})), Err("DUPLICATE_VALUE"));
    assert_eq!(code(json!({"Name": "/u/f", "IsDynamic": true})), Err("INVALID_FIELD_FOR_INSERT_UPDATE"));
}

#[test]
fn the_object_has_to_be_of_the_topics_api_version() {
    let query = "SELECT Id, Name FROM LiveChatTranscript";
    for (version, good) in [(20.0, false), (23.0, false), (24.0, true)] {
        let topic = topic(&json!({"Query": query, "ApiVersion": version}));
        assert_eq!(topic.is_ok(), good, "{version}");
        let refused = "INVALID_TYPE: sObject type 'LiveChatTranscript' is not supported.";
        assert!(good || topic.unwrap_err() == refused, "{version}");
    }
}

#[test]
fn a_change_of_a_topic_keeps_to_the_same_rules() {
    let mut scene = Scene::new();
    let id = scene.topic(QUERY, &json!({})).unwrap();
    for (body, code) in [
        (json!({"Name": "N".repeat(26)}), "STRING_TOO_LONG"),
        (json!({"Name": null}), "REQUIRED_FIELD_MISSING"),
        (json!({"Query": "a".repeat(1301)}), "STRING_TOO_LONG"),
        (json!({"Query": "SELECT Name FROM Account"}), "INVALID_FIELD"),
        (json!({"ApiVersion": 19}), "INVALID_FIELD"),
        (json!({"Description": "d".repeat(401)}), "STRING_TOO_LONG"),
        (json!({"NotifyForFields": "Where"}), "INVALID_FIELD"),
        (json!({"NotifyForFields": "None"}), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ] {
        assert_eq!(scene.try_update("PushTopic", &id, &body).unwrap_err().code, code, "{body}");
    }
    let unchanged = [("Name", "T"), ("Query", QUERY), ("NotifyForFields", "Referenced")];
    assert!(unchanged.iter().all(|(field, value)| scene.get("PushTopic", &id, field) == *value));
}
