//! The tables of the guide, row by row, and what is around them.

use proptest::prelude::*;

use super::*;

/// What is said of a query: the marked part and the words.
fn said(query: &str) -> Vec<(&str, String)> {
    let findings = read(query).findings.into_iter();
    findings.map(|one| (&query[one.span.clone()], format!("{}, {}", one.code, one.message))).collect()
}

#[track_caller]
fn assert_fine(query: &str) {
    assert_eq!(said(query), [], "{query}");
}

#[track_caller]
fn assert_refused(query: &str, mark: &str, words: &str) {
    assert_eq!(said(query), [(mark, words.to_owned())], "{query}");
}

#[test]
fn supported_custom_object() {
    assert_fine("SELECT Id, MyCustomField__c FROM MyCustomObject__c");
}

#[test]
fn supported_account_by_number() {
    assert_fine("SELECT Id, Name FROM Account WHERE NumberOfEmployees > 1000");
}

#[test]
fn supported_campaign_by_text() {
    assert_fine("SELECT Id, Name FROM Campaign WHERE Status = 'Planned'");
}

#[test]
fn supported_case_by_two_conditions() {
    assert_fine("SELECT Id, Subject FROM Case WHERE Status = 'Working' AND IsEscalated = TRUE");
}

#[test]
fn supported_contact_with_a_semicolon() {
    assert_fine("SELECT Id, Name, Email FROM Contact;");
}

#[test]
fn supported_lead_by_text() {
    assert_fine("SELECT Id, Company FROM Lead WHERE Industry = 'Computer Services'");
}

#[test]
fn supported_opportunity_by_date() {
    assert_fine("SELECT Id, Name, Amount FROM Opportunity WHERE CloseDate < 2011-06-14");
}

#[test]
fn supported_task_by_boolean() {
    assert_fine("SELECT Id, Subject, IsClosed, Status FROM Task WHERE isClosed = TRUE");
}

#[test]
fn supported_not_in() {
    assert_fine("SELECT Id FROM Account WHERE Name NOT IN ('a', 'b')");
}

#[test]
fn supported_unequal() {
    assert_fine("SELECT Id FROM Account WHERE Name != 'Salesforce.com'");
}

#[test]
fn supported_id_of_a_relationship() {
    assert_fine("SELECT Id, AccountId FROM Contact");
    assert_fine("SELECT Id, Account.Id FROM Contact");
}

#[test]
fn unsupported_select_without_id() {
    assert_refused(
        "SELECT Name, Status FROM Case",
        "Name, Status",
        "INVALID_FIELD, Id is required in the SELECT list",
    );
    assert_refused(
        "SELECT Name, AccountId, Account.Id FROM Contact",
        "Name, AccountId, Account.Id",
        "INVALID_FIELD, Id is required in the SELECT list",
    );
}

#[test]
fn unsupported_semi_join() {
    assert_refused(
        "SELECT Id, Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Title = 'CEO')",
        "(SELECT AccountId FROM Contact WHERE Title = 'CEO')",
        "INVALID_FIELD, semi/anti join sub-selects are not supported",
    );
}

#[test]
fn unsupported_anti_join() {
    assert_refused(
        "SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact) AND Name = 'a'",
        "(SELECT AccountId FROM Contact)",
        "INVALID_FIELD, semi/anti join sub-selects are not supported",
    );
}

#[test]
fn unsupported_avg_max_min_sum() {
    for aggregate in ["AVG", "MAX", "MIN", "sum"] {
        assert_refused(
            &format!("SELECT Id, {aggregate}(AnnualRevenue) FROM Account"),
            &format!("{aggregate}(AnnualRevenue)"),
            "INVALID_FIELD, Aggregate queries are not supported",
        );
    }
}

#[test]
fn unsupported_count() {
    assert_refused(
        "SELECT Id, Industry, Count(Name) FROM Account",
        "Count(Name)",
        "INVALID_FIELD, Aggregate queries are not supported",
    );
    assert!(said("SELECT COUNT() FROM Account").iter().any(|(mark, _)| *mark == "COUNT()"));
    assert!(said("SELECT Id, COUNT_DISTINCT(Name) total FROM Account").len() == 1);
}

#[test]
fn unsupported_limit() {
    assert_refused(
        "SELECT Id, Name FROM Contact LIMIT 10",
        "LIMIT 10",
        "INVALID_FIELD, 'LIMIT' is not allowed",
    );
}

#[test]
fn unsupported_relationship() {
    let words = "INVALID_FIELD, relationships are not supported";
    assert_refused("SELECT Id, Contact.Account.Name FROM Contact", "Contact.Account.Name", words);
    assert_refused("SELECT Id FROM Contact WHERE Account . Name = 'a'", "Account . Name", words);
    assert_refused("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "(SELECT Id FROM Contacts)", words);
}

#[test]
fn unsupported_order_by() {
    assert_refused(
        "SELECT Id, Name FROM Account ORDER BY Name",
        "ORDER BY Name",
        "INVALID_FIELD, 'ORDER BY' clause is not allowed",
    );
}

#[test]
fn unsupported_group_by() {
    assert_refused(
        "SELECT Id, AccountId FROM Contact GROUP BY AccountId",
        "GROUP BY AccountId",
        "INVALID_FIELD, Aggregate queries are not supported",
    );
}

#[test]
fn unsupported_not() {
    assert_refused(
        "SELECT Id FROM Account WHERE NOT Name = 'Salesforce.com'",
        "NOT",
        "INVALID_FIELD, 'NOT' is not supported",
    );
    assert_refused(
        "SELECT Id FROM Account WHERE Name = 'a' AND (not(Name = 'b'))",
        "not",
        "INVALID_FIELD, 'NOT' is not supported",
    );
}

#[test]
fn unsupported_offset() {
    assert_refused(
        "SELECT Id, Name FROM Account WHERE City = 'New York' OFFSET 10",
        "OFFSET 10",
        "INVALID_FIELD, 'OFFSET' clause is not allowed",
    );
}

#[test]
fn unsupported_typeof() {
    let clause = "TYPEOF Owner WHEN User THEN LastName ELSE Name END";
    assert_refused(
        &format!("SELECT Id, {clause} FROM Case"),
        clause,
        "INVALID_FIELD, 'TYPEOF' clause is not allowed",
    );
}

#[test]
fn one_entity() {
    let words = "MALFORMED_QUERY, a PushTopic's query has one entity";
    assert_refused("SELECT Id FROM Account, Contact", ", Contact", words);
    assert_refused("SELECT a.Id FROM Account a, a.Contacts c WHERE a.Name = 'x'", ", a.Contacts c", words);
}

#[test]
fn all_of_it_is_told_at_once_in_the_order_of_the_query() {
    let query =
        "SELECT Name, MAX(a), b.c FROM X WHERE NOT d IN (SELECT e FROM f) ORDER BY g LIMIT 1 OFFSET 2";
    let marks: Vec<_> = said(query).into_iter().map(|(mark, _)| mark).collect();
    let wanted = [
        "Name, MAX(a), b.c",
        "MAX(a)",
        "b.c",
        "NOT",
        "(SELECT e FROM f)",
        "ORDER BY g",
        "LIMIT 1",
        "OFFSET 2",
    ];
    assert_eq!(marks, wanted);
}

#[test]
fn the_object_may_stand_before_its_fields() {
    assert_fine("SELECT Contact.Id, contact.Name FROM Contact");
    assert_fine("SELECT c.Id, c.Name FROM Contact AS c WHERE c.Email != null");
    assert_fine("select id, Name from Contact c where Name like 'A%' or name = null");
}

#[test]
fn what_the_guide_says_nothing_of_is_left_to_the_org() {
    for query in [
        "SELECT Id, toLabel(Status) FROM Case",
        "SELECT Id, FORMAT(convertCurrency(Amount)) FROM Opportunity WHERE CALENDAR_YEAR(CreatedDate) = 2011",
        "SELECT Id FROM Account USING SCOPE Mine WHERE Name = 'a' WITH SECURITY_ENFORCED FOR VIEW",
        "SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS:3 AND Amount > USD5000.5 AND a = -1.5e3",
        "SELECT Id FROM X__c WHERE Multi__c INCLUDES ('a;b', 'c') OR Multi__c EXCLUDES ('d')",
        "SELECT Id FROM X__c WHERE DISTANCE(Location__c, GEOLOCATION(37,122), 'mi') < 20",
        "SELECT Id FROM X__c WHERE (a = 1 OR b = 2) AND (c = 3 OR (d = 4 AND e = 5))",
        "SELECT Id FROM ns__X__c WHERE CreatedDate > 2011-11-14T17:33:45.000+01:00",
        "SELECT Id, limit, order FROM X__c WHERE Limit = 'LIMIT 10 ORDER BY NOT (SELECT'",
    ] {
        assert_fine(query);
    }
}

#[test]
fn a_break_in_the_grammar_is_marked_where_it_is() {
    for (query, mark, words) in [
        ("", "", "unexpected token: '<EOF>'"),
        ("SELECT", "", "unexpected token: '<EOF>'"),
        ("SELECT Id", "", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM", "", "unexpected token: '<EOF>'"),
        ("SELECT Id, FROM X", "FROM", "unexpected token: 'FROM'"),
        ("SELEC Id FROM X", "SELEC", "unexpected token: 'SELEC'"),
        ("SELECT Id FROM X WHERE", "", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM X WHERE a", "", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM X WHERE a = ", "", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM X WHERE a = 1 b = 2", "b", "unexpected token: 'b'"),
        ("SELECT Id FROM X WHERE a IN ()", ")", "unexpected token: ')'"),
        ("SELECT Id FROM X WHERE (a = 1", "", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM X WHERE a = :b", ":", "unexpected token: ':'"),
        ("SELECT Id FROM X WHERE a NOT LIKE 'b'", "LIKE", "unexpected token: 'LIKE'"),
        ("SELECT Id FROM X WHERE a = 1 AND b = 2 OR c = 3", "OR", "unexpected token: 'OR'"),
        ("SELECT Id FROM X ORDER BY Name WHERE a = 1", "WHERE", "unexpected token: 'WHERE'"),
        ("SELECT Id Name FROM X", "Name", "only aggregate expressions use field aliasing"),
        ("SELECT * FROM X", "*", "unexpected char: '*'"),
        ("SELECT Id FROM X WHERE a = 'b", "'", "a string without an end"),
    ] {
        let found = said(query);
        let wanted = (mark, format!("MALFORMED_QUERY, {words}"));
        assert!(found.contains(&wanted), "{query}: {found:?}");
    }
}

#[test]
fn what_a_query_names_is_told() {
    let reading =
        read("SELECT Id, c.Name, toLabel(Status) FROM Case c WHERE c.Priority = 'High' AND Id IN ('500')");
    assert_eq!(reading.object, "Case");
    assert_eq!(reading.selected, ["Id", "Name", "Status"]);
    assert_eq!(reading.filtered, ["Priority", "Id"]);
}

#[test]
fn white_space_makes_no_other_query() {
    assert!(is_same("SELECT Id,Name\n  FROM X", " SELECT  Id , Name FROM X\n"));
    assert!(!is_same("SELECT Id FROM X WHERE a = 'b c'", "SELECT Id FROM X WHERE a = 'b  c'"));
    assert!(!is_same("SELECT Id FROM X", "SELECT Name FROM X"));
    assert!(is_same("'", "'"));
    assert!(!is_same("'", "' "));
}

#[test]
fn nesting_is_bounded() {
    let deep = |count: usize, of: &str| {
        format!("SELECT Id FROM X WHERE {}a = 1{}", of.repeat(count), ")".repeat(count))
    };
    assert_fine(&deep(40, "("));
    for of in ["(", "NOT(", "f("] {
        assert!(!said(&deep(5_000, of)).is_empty());
    }
    assert!(!said(&format!("SELECT {} FROM X", "f(".repeat(5_000))).is_empty());
}

proptest! {
    #[test]
    fn no_text_panics(query in "\\PC*") {
        let reading = read(&query);
        for finding in reading.findings {
            prop_assert!(query.get(finding.span).is_some());
        }
    }

    #[test]
    fn no_words_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "SELECT", "Id", ",", ".", "(", ")", "FROM", "X", "WHERE", "NOT", "IN", "=", "'a'", "1", "AND", "OR",
            "TYPEOF", "END", "COUNT", "GROUP", "BY", "LIMIT", "ORDER", "USING", ":", ";", "LIKE", "AS",
        ]), 0..30)
    ) {
        let query = format!("SELECT Id FROM X {}", words.join(" "));
        for query in [query, words.join(" ")] {
            let reading = read(&query);
            prop_assert!(reading.findings.iter().all(|finding| query.get(finding.span.clone()).is_some()));
        }
    }
}
