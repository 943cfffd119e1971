//! Records and queries of them.

use serde_json::{Value, json};

use super::super::{Call, Page};
use super::Scene;

fn names(scene: &mut Scene, query: &str) -> Vec<String> {
    let found = scene.query(query).unwrap_or_else(|refused| panic!("{query}: {}", refused.message));
    found.iter().map(|record| record["Name"].as_str().unwrap_or("-").to_owned()).collect()
}

fn people() -> Scene {
    let mut scene = Scene::new();
    for (name, employees, city) in [
        ("Acme", json!(10), json!("Rome")),
        ("beta", json!(200), Value::Null),
        ("Zeta", Value::Null, json!("Bonn")),
    ] {
        let body = json!({"Name": name, "NumberOfEmployees": employees, "BillingCity": city});
        scene.create("Account", &body);
    }
    scene
}

#[test]
fn queries_filter_order_and_cut() {
    let mut scene = people();
    for (query, wanted) in [
        ("SELECT Id, Name FROM Account", vec!["Acme", "beta", "Zeta"]),
        ("SELECT Name FROM Account WHERE NumberOfEmployees >= 10 AND (NOT Name LIKE 'B%')", vec!["Acme"]),
        ("SELECT Name FROM Account ORDER BY Name DESC", vec!["Zeta", "beta", "Acme"]),
        ("SELECT Name FROM Account ORDER BY NumberOfEmployees", vec!["Zeta", "Acme", "beta"]),
        ("SELECT Name FROM Account ORDER BY NumberOfEmployees DESC NULLS LAST", vec!["beta", "Acme", "Zeta"]),
        ("SELECT Name FROM Account ORDER BY Name LIMIT 1 OFFSET 1", vec!["beta"]),
        ("SELECT Name FROM Account WHERE BillingCity = null", vec!["beta"]),
        (
            "SELECT Name FROM Account WHERE CreatedDate = TODAY AND CreatedDate < TOMORROW",
            vec!["Acme", "beta", "Zeta"],
        ),
        ("SELECT Name FROM Account LIMIT 0", vec![]),
    ] {
        assert_eq!(names(&mut scene, query), wanted, "{query}");
    }
    let found = scene.query("SELECT Id, BillingAddress FROM Account WHERE Name = 'acme'").unwrap();
    assert_eq!(found[0]["BillingAddress"]["city"], "Rome");
    assert_eq!(found[0]["attributes"]["type"], "Account");
}

#[test]
fn queries_that_cannot_be_answered_are_refused_in_salesforce_words() {
    let mut scene = people();
    for (query, code, text) in [
        ("SELECT Id FROM Nothing", "INVALID_TYPE", "sObject type 'Nothing' is not supported."),
        ("SELECT Id, Owner.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Owner'"),
        ("SELECT Id FROM Account ORDER BY Description", "INVALID_FIELD", "can not be sorted"),
        (
            "SELECT Id FROM Account WHERE Id LIKE 'a'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on id field",
        ),
        ("SELECT Id FROM Account WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"),
        (
            "SELECT Id FROM Account WHERE Name = 5",
            "INVALID_FIELD",
            "must be of type string and should be enclosed",
        ),
        (
            "SELECT Id FROM Account OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Maximum SOQL offset allowed is 2000",
        ),
        ("SELECT Id, id FROM Account", "INVALID_FIELD", "duplicate field selected: id"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
    ] {
        let refused = scene.query(query).unwrap_err();
        assert_eq!(refused.code, code, "{query}");
        assert!(refused.message.contains(text), "{query}: {}", refused.message);
    }
}

#[test]
fn long_results_come_in_pages() {
    let mut scene = Scene::new();
    for n in 0..450 {
        scene.create("InvoiceStatement__c", &json!({"Amount__c": n}));
    }
    let user = scene.user.clone();
    let call = Call { user: &user, version: 35, now: jiff::Timestamp::UNIX_EPOCH };
    let page = Page { size: 200, all: false };
    let query = "SELECT Id, Amount__c FROM InvoiceStatement__c ORDER BY Amount__c DESC";
    let mut found = scene.records.query(call, query, page).unwrap();
    let mut amounts = Vec::new();
    loop {
        assert_eq!(found.total, 450);
        let shown = found.records.iter().map(|record| serde_json::to_value(record).unwrap());
        amounts.extend(shown.map(|record| record["Amount__c"].as_i64().unwrap()));
        let Some(next) = found.next else { break };
        found = scene.records.query_more(call, &next, page).unwrap();
    }
    assert_eq!(amounts, (0..450).rev().collect::<Vec<_>>());
    for wrong in ["", "01g", "01gEm0000000001AAA-x", "01gEm0000000009AAA-200"] {
        let refused = scene.records.query_more(call, wrong, page).unwrap_err();
        assert_eq!(refused.code, "INVALID_QUERY_LOCATOR", "{wrong}");
    }
}

#[test]
fn open_queries_are_bounded() {
    let mut scene = Scene::new();
    for _ in 0..201 {
        scene.create("InvoiceStatement__c", &json!({}));
    }
    let user = scene.user.clone();
    let call = Call { user: &user, version: 35, now: jiff::Timestamp::UNIX_EPOCH };
    let page = Page { size: 200, all: false };
    let mut open = || {
        let found = scene.records.query(call, "SELECT Id FROM InvoiceStatement__c", page);
        found.unwrap().next.unwrap()
    };
    let all: Vec<_> = (0..11).map(|_| open()).collect();
    assert!(scene.records.query_more(call, &all[0], page).is_err(), "the oldest is forgotten");
    assert!(scene.records.query_more(call, &all[1], page).is_ok());
}

#[test]
fn counting_finds_no_records() {
    let mut scene = people();
    let user = scene.user.clone();
    let call = Call { user: &user, version: 35, now: jiff::Timestamp::UNIX_EPOCH };
    let found =
        scene.records.query(call, "SELECT COUNT() FROM Account", Page { size: 200, all: false }).unwrap();
    assert_eq!((found.total, found.records.len(), found.next), (3, 0, None));
}

#[test]
fn deleted_records_are_found_where_they_are_asked_for() {
    let mut scene = people();
    let id = scene.query("SELECT Id FROM Account WHERE Name = 'Acme'").unwrap()[0]["Id"].clone();
    scene.delete("Account", id.as_str().unwrap());
    assert_eq!(names(&mut scene, "SELECT Name FROM Account").len(), 2);
    assert_eq!(names(&mut scene, "SELECT Name FROM Account WHERE IsDeleted = true ALL ROWS"), ["Acme"]);
    scene.undelete("Account", id.as_str().unwrap());
    assert_eq!(names(&mut scene, "SELECT Name FROM Account").len(), 3);
}

#[test]
fn fields_that_follow_from_others_do() {
    let mut scene = Scene::new();
    let contact = scene.create("Contact", &json!({"FirstName": "Ada", "LastName": "L"})).0;
    assert_eq!(scene.get("Contact", &contact, "Name"), "Ada L");
    let body = json!({"Name": "a", "StageName": "Closed Won", "CloseDate": "2024-01-01"});
    let opportunity = scene.create("Opportunity", &body).0;
    assert_eq!(scene.get("Opportunity", &opportunity, "IsWon"), true);
    let invoice = scene.create("Invoice_Statement__c", &json!({})).0;
    assert_eq!(scene.get("Invoice_Statement__c", &invoice, "Name"), "INV-0001");
    assert_eq!(scene.get("Invoice_Statement__c", &invoice, "Status__c"), "Open");
    assert!(invoice.starts_with("a00"));
}

#[test]
fn a_call_does_all_or_nothing() {
    let mut scene = people();
    let id = scene.query("SELECT Id FROM Account WHERE Name = 'Acme'").unwrap()[0]["Id"].clone();
    let refused =
        scene.try_update("Account", id.as_str().unwrap(), &json!({"Fax": "1", "Phone": "1".repeat(41)}));
    assert_eq!(refused.unwrap_err().fields.unwrap(), ["Phone"]);
    assert_eq!(scene.get("Account", id.as_str().unwrap(), "Fax"), Value::Null);
    assert_eq!(
        scene.try_create("Account", &json!({"Id": "001", "Name": "a"})).unwrap_err().message,
        "The Id field should not be specified in the sobject data."
    );
    let refused = scene.try_create("Account", &json!({"Nam": "a"})).unwrap_err();
    assert_eq!(refused.message, "No such column 'Nam' on sobject of type Account");
    assert_eq!(scene.try_create("User", &json!({})).unwrap_err().code, "INSUFFICIENT_ACCESS_OR_READONLY");
}

#[test]
fn types_are_bounded_and_well_named() {
    let mut scene = Scene::new();
    let define = |scene: &mut Scene, name: &str, fields: Value| {
        scene.records.define(name, &serde_json::from_value(json!({"fields": fields})).unwrap())
    };
    for (name, fields) in [
        ("Plain", json!({})),
        ("1__c", json!({})),
        ("A__c", json!({"x": "string"})),
        ("A__c", json!({"x__c": "strin"})),
        ("A__c", json!({"x__c": {"type": "string", "length": 200_000}})),
        ("A__c", json!({"x__c": {"type": "int", "default": "a"}})),
    ] {
        assert!(define(&mut scene, name, fields.clone()).is_err(), "{name} {fields}");
    }
    assert!(define(&mut scene, "Account", json!({"x__c": {"type": "int", "default": 3}})).is_ok());
    let id = scene.create("Account", &json!({"Name": "a"})).0;
    assert_eq!(scene.get("Account", &id, "x__c"), 3);
    let last = (0..300).find(|n| define(&mut scene, &format!("N{n}__c"), json!({})).is_err());
    assert!(last.is_some_and(|n| n > 150), "{last:?}");
    let a = scene.create("N0__c", &json!({})).0;
    let b = scene.create("N70__c", &json!({})).0;
    assert_ne!(a[..3], b[..3]);
}
