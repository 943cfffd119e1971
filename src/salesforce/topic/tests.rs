//! Records, checks and plans, without an org.

use serde_json::json;

use super::*;

const NOW: ApiVersion = ApiVersion(61);
const OLD: ApiVersion = ApiVersion(28);
const QUERY: &str = "SELECT Id, Name FROM Invoice_Statement__c";

fn stored(fields: serde_json::Value) -> Stored {
    serde_json::from_value(fields).unwrap()
}

/// As an org has it whose client said no more than a name and a query.
fn present(name: &str) -> Stored {
    stored(json!({
        "attributes": {"type": "PushTopic"}, "Id": "0IFD0000000008jOAA", "Name": name, "Query": QUERY,
        "ApiVersion": 61.0, "Description": null, "IsActive": true, "NotifyForFields": "Referenced",
        "NotifyForOperationCreate": true, "NotifyForOperationUpdate": true, "NotifyForOperationDelete": true,
        "NotifyForOperationUndelete": true,
    }))
}

fn wanted(query: &str) -> Change {
    Change { name: Some("Invoices".into()), query: Some(query.into()), ..Change::default() }
}

fn texts(change: &Change, present: Option<&Stored>, api: ApiVersion) -> Vec<String> {
    check(change, present, api).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_problem(change: &Change, refused: bool, text: &str) {
    let found = check(change, None, NOW);
    let said = found.iter().any(|one| one.refused == refused && one.to_string() == text);
    assert!(said && found.len() == 1, "{text}: {found:?}");
}

#[test]
fn a_plain_topic_is_fine() {
    assert_eq!(check(&wanted(QUERY), None, NOW), []);
    let all = Change {
        api_version: Some(ApiVersion(35)),
        description: Some("d".repeat(400)),
        is_active: Some(false),
        notify_for_fields: Some(NotifyForFields::Select),
        operations: Some("create, delete".parse().unwrap()),
        ..wanted(QUERY)
    };
    assert_eq!(check(&all, None, NOW), []);
}

#[test]
fn name_is_required_and_has_at_most_25_characters() {
    let named = |name: &str| Change { name: Some(name.into()), ..wanted(QUERY) };
    assert_eq!(check(&named(&"\u{e9}".repeat(25)), None, NOW), []);
    assert_problem(&named(&"n".repeat(26)), true, "Name: has 26 characters; at most 25 are allowed");
    assert_problem(&named(""), true, "Name: is required");
    assert_problem(&Change { name: None, ..wanted(QUERY) }, true, "Name: is required");
    for bad in ["a/b", "a?b", "*", " a", "a\n"] {
        assert!(check(&named(bad), None, NOW)[0].text.starts_with("is the end of a channel's name"), "{bad}");
    }
}

#[test]
fn query_is_required_and_has_at_most_1300_characters() {
    let long = |length: usize| {
        let query = format!("{QUERY} WHERE Name = ''");
        wanted(&query.replace("''", &format!("'{}'", "q".repeat(length - query.len()))))
    };
    assert_eq!(check(&long(1300), None, NOW), []);
    assert_problem(&long(1301), true, "Query: has 1301 characters; at most 1300 are allowed");
    assert_problem(&long(30_000), true, "Query: has 30000 characters; at most 1300 are allowed");
    assert_problem(&wanted("  "), true, "Query: is required");
    assert_problem(&Change { query: None, ..wanted("") }, true, "Query: is required");
}

#[test]
fn description_has_at_most_400_characters() {
    let change = Change { description: Some("d".repeat(401)), ..wanted(QUERY) };
    assert_problem(&change, true, "Description: has 401 characters; at most 400 are allowed");
}

#[test]
fn what_is_wrong_with_the_query_is_marked() {
    let found = check(&wanted("SELECT Id FROM Account LIMIT 1"), None, NOW);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "Query: INVALID_FIELD, 'LIMIT' is not allowed");
    assert_eq!(found[0].mark, Some(23..30));
}

#[test]
fn notify_for_fields_needs_a_field_besides_id() {
    let only_id = "SELECT Id FROM Account";
    let filtered = "SELECT Id FROM Account WHERE Name = 'a'";
    let both = "SELECT Id, Name FROM Account WHERE Name = 'a'";
    let of_id = "SELECT Id FROM Account WHERE Id = '001D0000001QXi1'";
    for (fields, query, lacks) in [
        ("All", only_id, None),
        ("All", of_id, None),
        ("Referenced", only_id, Some("SELECT or WHERE")),
        ("Referenced", of_id, Some("SELECT or WHERE")),
        ("Referenced", filtered, None),
        ("Select", filtered, Some("SELECT")),
        ("Select", both, None),
        ("Where", "SELECT Id, Name FROM Account", Some("WHERE")),
        ("Where", of_id, Some("WHERE")),
        ("Where", filtered, None),
    ] {
        let change = Change { notify_for_fields: Some(fields.parse().unwrap()), ..wanted(query) };
        let text = lacks.map(|clause| format!("{fields} needs a query with a field besides Id in {clause}"));
        let found: Vec<_> = check(&change, None, NOW).into_iter().map(|one| one.text).collect();
        assert_eq!(found, Vec::from_iter(text), "{fields}: {query}");
    }
    // Referenced is the default of a new topic; of an old one it is what the org has.
    assert_eq!(check(&wanted(only_id), None, NOW).len(), 1);
    let narrow = Change { query: Some(only_id.into()), ..Change::default() };
    assert_eq!(check(&narrow, Some(&present("A")), NOW).len(), 1);
    let all = Change { notify_for_fields: Some(NotifyForFields::All), ..narrow };
    assert_eq!(check(&all, Some(&present("A")), NOW), []);
}

#[test]
fn what_is_hardly_meant_is_a_warning() {
    let tasks = wanted("SELECT Id, IsClosed, WhoCount FROM Task WHERE WhatCount > 1");
    let found = check(&tasks, None, NOW);
    assert!(found.iter().all(|one| !one.refused) && found.len() == 3, "{found:?}");
    assert_eq!(found[0].text, "changes of IsClosed are told only where Status is selected too");
    assert_eq!(check(&wanted("SELECT Id, IsClosed, Status FROM Task"), None, NOW), []);
    assert!(!check(&wanted("SELECT Id, Name FROM Group"), None, NOW)[0].refused);
    let silent = Change { operations: Some("none".parse().unwrap()), ..wanted(QUERY) };
    assert_problem(&silent, false, "NotifyForOperations: no operation notifies");
}

#[test]
fn versions_of_the_api_have_their_rules() {
    let change = Change { operations: Some("create,delete,undelete".parse().unwrap()), ..wanted(QUERY) };
    assert_eq!(texts(&change, None, ApiVersion(29)), [""; 0]);
    assert_eq!(
        texts(&change, None, OLD),
        [
            "NotifyForOperationDelete: needs API 29.0 or later, and this is 28.0",
            "NotifyForOperationUndelete: needs API 29.0 or later, and this is 28.0"
        ]
    );
    assert_eq!(
        texts(&wanted(QUERY), None, ApiVersion(20)),
        ["PushTopic: there are none before API 21.0, and this is 20.0"]
    );
}

#[test]
fn operations_are_one_field_up_to_28_and_four_from_29() {
    for (operations, one) in
        [("create,update", "All"), ("create", "Create"), ("update", "Update"), ("none", "Extended")]
    {
        let change = Change { operations: Some(operations.parse().unwrap()), ..Change::default() };
        assert_eq!(json!(change.fields(OLD)), json!({"NotifyForOperations": one}));
        let old = stored(json!({"NotifyForOperations": one}));
        assert_eq!(old.operations().to_string(), operations);
        let fields = change.fields(NOW);
        assert_eq!(fields.len(), 4, "{fields:?}");
        assert_eq!(stored(json!(fields)).operations().to_string(), operations);
    }
    assert!("create,destroy".parse::<Operations>().unwrap_err().contains("undelete"));
}

#[test]
fn what_is_not_said_is_left_as_it_is() {
    let same =
        Change { description: Some(String::new()), ..wanted("SELECT Id,Name\nFROM Invoice_Statement__c\n") };
    assert_eq!(same.differences(&present("Invoices"), NOW), []);
    let change = Change { is_active: Some(false), description: Some("new".into()), ..Change::default() };
    let told: Vec<_> =
        change.differences(&present("Invoices"), NOW).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["Description: null -> \"new\"", "IsActive: true -> false"]);
    let version = Change { api_version: Some(ApiVersion(61)), ..Change::default() };
    assert_eq!(version.differences(&stored(json!({"ApiVersion": 61})), NOW), []);
}

#[test]
fn a_plan_has_a_step_for_each_topic() {
    let named = |name: &str| Change { name: Some(name.into()), ..wanted(QUERY) };
    let wanted = [named("New"), named("Same"), named("case")];
    let steps = plan(&wanted, vec![present("Z"), present("Case"), present("Same"), present("A")], NOW);
    let told: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::Create(change) => format!("create {}", change.name.as_deref().unwrap()),
            Step::Change(_, differences) => format!("change {}", differences[0]),
            Step::Same(stored) => format!("same {}", stored.name()),
            Step::Extra(stored) => format!("extra {}", stored.name()),
        })
        .collect();
    assert_eq!(told, ["create New", "same Same", "change Name: \"Case\" -> \"case\"", "extra A", "extra Z"]);
}

#[test]
fn what_an_org_leaves_out_or_mistypes_panics_nowhere() {
    for odd in
        [json!({}), json!({"Name": 7, "IsActive": "yes", "ApiVersion": "x", "NotifyForOperations": []})]
    {
        let odd = stored(odd);
        assert_eq!((odd.id(), odd.name(), odd.is_active(), odd.api_version()), ("", "", false, None));
        assert_eq!(odd.operations().to_string(), "none");
        assert!(!wanted(QUERY).differences(&odd, NOW).is_empty());
    }
}
