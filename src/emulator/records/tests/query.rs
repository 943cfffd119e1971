//! Guide, "Supported PushTopic Queries" and "Unsupported PushTopic Queries".

use serde_json::json;

use super::Scene;

fn accepts(query: &str) {
    let topic = Scene::new().topic(query, &json!({}));
    assert!(topic.is_ok(), "{query}: {topic:?}");
}

#[test]
fn supported_custom_object() {
    let mut scene = Scene::new();
    scene.define("MyCustomObject__c", &json!({"MyCustomField__c": "string"}));
    scene.topic("SELECT Id, MyCustomField__c FROM MyCustomObject__c", &json!({})).unwrap();
}

#[test]
fn supported_account() {
    accepts("SELECT Id, Name FROM Account WHERE NumberOfEmployees > 1000");
}

#[test]
fn supported_campaign() {
    accepts("SELECT Id, Name FROM Campaign WHERE Status = 'Planned'");
}

#[test]
fn supported_case() {
    accepts("SELECT Id, Subject FROM Case WHERE Status = 'Working' AND IsEscalated = TRUE");
}

#[test]
fn supported_contact() {
    accepts("SELECT Id, Name, Email FROM Contact;");
}

#[test]
fn supported_lead() {
    accepts("SELECT Id, Company FROM Lead WHERE Industry = 'Computer Services'");
}

#[test]
fn supported_opportunity() {
    accepts("SELECT Id, Name, Amount FROM Opportunity WHERE CloseDate < 2011-06-14");
}

#[test]
fn supported_task() {
    accepts("SELECT Id, Subject, IsClosed, Status FROM Task WHERE isClosed = TRUE");
}

#[test]
fn supported_pilot_objects() {
    for name in
        ["ContractLineItem", "Entitlement", "LiveChatTranscript", "Quote", "QuoteLineItem", "ServiceContract"]
    {
        accepts(&format!("SELECT Id, Name FROM {name}"));
    }
}

#[test]
fn supported_not_in() {
    accepts("SELECT Id, Name FROM Account WHERE Name NOT IN ('a', 'b')");
}

#[test]
fn supported_ids_of_relationships() {
    accepts("SELECT Id, AccountId FROM Contact WHERE AccountId != null");
}

#[test]
fn supported_security_example() {
    let mut scene = Scene::new();
    scene.define(
        "Employee__c",
        &json!({"SSN__c": "string", "Bonus_Received__c": "boolean", "Bonus_Amount__c": "currency"}),
    );
    let query =
        "SELECT Id, Name, SSN__c FROM Employee__c WHERE Bonus_Received__c = true AND Bonus_Amount__c > 20000";
    scene.topic(query, &json!({})).unwrap();
}

#[test]
fn unsupported_without_id() {
    assert_eq!(Scene::new().refused("SELECT Name FROM Account"), "INVALID_FIELD, Id is required");
}

#[test]
fn unsupported_semi_join() {
    let query =
        "SELECT Id, Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Title = 'CEO')";
    assert_eq!(Scene::new().refused(query), "INVALID_FIELD, semi/anti join sub-selects are not supported");
}

#[test]
fn unsupported_anti_join() {
    let query = "SELECT Id, Name FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact)";
    assert_eq!(Scene::new().refused(query), "INVALID_FIELD, semi/anti join sub-selects are not supported");
}

#[test]
fn unsupported_aggregates() {
    for function in ["AVG", "MAX", "MIN", "SUM", "COUNT_DISTINCT", "sum"] {
        let query = format!("SELECT Id, {function}(AnnualRevenue) FROM Account");
        assert_eq!(
            Scene::new().refused(&query),
            "INVALID_FIELD, Aggregate queries are not supported",
            "{query}"
        );
    }
}

#[test]
fn unsupported_count() {
    for query in ["SELECT Id, Industry, Count(Name) FROM Account", "SELECT COUNT() FROM Account"] {
        assert_eq!(Scene::new().refused(query), "INVALID_FIELD, Aggregate queries are not supported");
    }
}

#[test]
fn unsupported_limit() {
    let query = "SELECT Id, Name FROM Contact LIMIT 10";
    assert_eq!(Scene::new().refused(query), "INVALID_FIELD, 'LIMIT' is not allowed");
}

#[test]
fn unsupported_relationships() {
    for query in [
        "SELECT Id, Contact.Account.Name FROM Contact",
        "SELECT Id, Name FROM Contact WHERE Account.Name = 'a'",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
    ] {
        assert_eq!(Scene::new().refused(query), "INVALID_FIELD, relationships are not supported", "{query}");
    }
}

#[test]
fn unsupported_search_in_text_areas() {
    let refused = Scene::new().refused("SELECT Id, Name FROM InvoiceStatement__c WHERE Notes__c = 'a'");
    assert!(
        refused.starts_with("INVALID_FIELD, ")
            && refused.ends_with("field 'Notes__c' can not be filtered in a query call"),
        "{refused}"
    );
    accepts("SELECT Id, Name, Notes__c FROM InvoiceStatement__c");
}

#[test]
fn unsupported_order_by() {
    let query = "SELECT Id, Name FROM Account ORDER BY Name";
    assert_eq!(Scene::new().refused(query), "INVALID_FIELD, 'ORDER BY' clause is not allowed");
}

#[test]
fn unsupported_group_by() {
    let query = "SELECT Id, AccountId FROM Contact GROUP BY AccountId";
    assert_eq!(Scene::new().refused(query), "INVALID_FIELD, Aggregate queries are not supported");
}

#[test]
fn unsupported_formula_fields() {
    for query in [
        "SELECT Id, Total__c FROM InvoiceStatement__c",
        "SELECT Id, Name FROM InvoiceStatement__c WHERE Total__c = 'a'",
    ] {
        let wanted = "INVALID_FIELD, formula field 'Total__c' is not supported";
        assert_eq!(Scene::new().refused(query), wanted, "{query}");
    }
}

#[test]
fn unsupported_compound_address() {
    let refused = Scene::new().refused("SELECT Id, BillingAddress FROM Account");
    assert_eq!(refused, "INVALID_FIELD, compound field 'BillingAddress' is not supported");
    accepts("SELECT Id, BillingCity FROM Account WHERE BillingCity = 'New York'");
}

#[test]
fn unsupported_compound_location() {
    let refused = Scene::new().refused("SELECT Id, Place__c FROM InvoiceStatement__c");
    assert_eq!(refused, "INVALID_FIELD, compound field 'Place__c' is not supported");
}

#[test]
fn unsupported_not() {
    let query = "SELECT Id FROM Account WHERE NOT Name = 'Salesforce.com'";
    assert_eq!(Scene::new().refused(query), "INVALID_FIELD, 'NOT' is not supported");
    accepts("SELECT Id FROM Account WHERE Name != 'Salesforce.com'");
}

#[test]
fn unsupported_offset() {
    let query = "SELECT Id, Name FROM Account WHERE City = 'New York' OFFSET 10";
    assert_eq!(Scene::new().refused(query), "INVALID_FIELD, 'OFFSET' clause is not allowed");
}

#[test]
fn unsupported_typeof() {
    let query = "SELECT TYPEOF Owner WHEN User THEN LastName ELSE Name END FROM Case";
    assert_eq!(Scene::new().refused(query), "INVALID_FIELD, 'TYPEOF' clause is not allowed");
}

#[test]
fn unsupported_objects() {
    assert_eq!(
        Scene::new().refused("SELECT Id, Name FROM User"),
        "INVALID_FIELD, entity type User is not supported"
    );
    let unknown = "INVALID_TYPE, sObject type 'Nothing__c' is not supported.";
    assert_eq!(Scene::new().refused("SELECT Id, Name FROM Nothing__c"), unknown);
}

#[test]
fn fields_that_there_are_not_and_words_that_are_no_query() {
    let refused = Scene::new().refused("SELECT Id, Nam FROM Account");
    assert!(refused.starts_with("INVALID_FIELD, \nSELECT Id, Nam FROM Account\n           ^\n"), "{refused}");
    assert!(refused.contains("No such column 'Nam' on entity 'Account'."), "{refused}");
    assert!(Scene::new().refused("SELECT Id FROM").starts_with("MALFORMED_QUERY, "));
    let typed = Scene::new().refused("SELECT Id, Name FROM Account WHERE NumberOfEmployees = 'a'");
    assert!(typed.ends_with("must be of type int and should not be enclosed in quotes"), "{typed}");
}
