//! What a topic may be: the guide's limits, and its table of queries row by row.

use crate::failed;

use super::stub::Stub;
use super::{NAME, QUERY};
use crate::run;

/// The command refuses the query in these words, marks this part of it, and asks no org.
#[track_caller]
fn refused(query: &str, mark: &str, words: &str) {
    let stub = Stub::with(&[]);
    let said = failed(2, &["topic", "create", NAME, "--query", query, "--url", stub.url()]);
    let at = query.find(mark).unwrap();
    let wanted = format!("{NAME}: Query:1:{}: INVALID_FIELD, {words}", at + 1);
    assert!(said.contains(&wanted), "{wanted}\n{said}");
    let carets = format!("    {query}\n    {}{}\n", " ".repeat(at), "^".repeat(mark.len()));
    assert!(said.contains(&carets), "{carets}\n{said}");
    assert!(said.ends_with("nothing was sent; --no-check leaves the judgement to the org\n"), "{said}");
    assert!(stub.org.seen().is_empty());
    let ended = run(&["topic", "create", NAME, "--query", query, "--no-check", "--url", stub.url()]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{query}");
    assert_eq!(stub.record(NAME)["Query"], query);
}

/// The command sends the query without a word.
#[track_caller]
fn taken(query: &str) {
    let stub = Stub::with(&[]);
    let fields = if query.contains(", ") { "Referenced" } else { "All" };
    let arguments =
        ["topic", "create", NAME, "--query", query, "--notify-for-fields", fields, "--url", stub.url()];
    let ended = run(&arguments);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{query}");
    assert_eq!(stub.record(NAME)["Query"], query);
}

#[test]
fn refused_id_missing_from_select() {
    refused("SELECT Name FROM Account", "Name", "Id is required");
}

#[test]
fn refused_semi_join() {
    refused(
        "SELECT Id, Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Title = 'CEO')",
        "(SELECT AccountId FROM Contact WHERE Title = 'CEO')",
        "semi/anti join sub-selects are not supported",
    );
}

#[test]
fn refused_anti_join() {
    refused(
        "SELECT Id, Name FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact)",
        "(SELECT AccountId FROM Contact)",
        "semi/anti join sub-selects are not supported",
    );
}

#[test]
fn refused_avg() {
    refused("SELECT Id, AVG(Revenue) FROM Account", "AVG(Revenue)", "Aggregate queries are not supported");
}

#[test]
fn refused_max() {
    refused("SELECT Id, MAX(Revenue) FROM Account", "MAX(Revenue)", "Aggregate queries are not supported");
}

#[test]
fn refused_min() {
    refused("SELECT Id, MIN(Revenue) FROM Account", "MIN(Revenue)", "Aggregate queries are not supported");
}

#[test]
fn refused_sum() {
    refused("SELECT Id, SUM(Revenue) FROM Account", "SUM(Revenue)", "Aggregate queries are not supported");
}

#[test]
fn refused_count() {
    let query = "SELECT Id, Industry, Count(Name) FROM Account";
    refused(query, "Count(Name)", "Aggregate queries are not supported");
}

#[test]
fn refused_group_by() {
    let query = "SELECT Id, AccountId FROM Contact GROUP BY AccountId";
    refused(query, "GROUP BY AccountId", "Aggregate queries are not supported");
}

#[test]
fn refused_limit() {
    refused("SELECT Id, Name FROM Contact LIMIT 10", "LIMIT 10", "'LIMIT' is not allowed");
}

#[test]
fn refused_relationship_field() {
    let query = "SELECT Id, Contact.Account.Name FROM Contact";
    refused(query, "Contact.Account.Name", "relationships are not supported");
}

#[test]
fn refused_order_by() {
    let query = "SELECT Id, Name FROM Account ORDER BY Name";
    refused(query, "ORDER BY Name", "'ORDER BY' clause is not allowed");
}

#[test]
fn refused_offset() {
    let query = "SELECT Id, Name FROM Account WHERE City = 'New York' OFFSET 10";
    refused(query, "OFFSET 10", "'OFFSET' clause is not allowed");
}

#[test]
fn refused_typeof() {
    let query = "SELECT TYPEOF Owner WHEN User THEN LastName ELSE Name END FROM Case";
    let clause = "TYPEOF Owner WHEN User THEN LastName ELSE Name END";
    refused(query, clause, "'TYPEOF' clause is not allowed");
}

#[test]
fn refused_not() {
    refused("SELECT Id FROM Account WHERE NOT Name = 'Salesforce.com'", "NOT", "'NOT' is not supported");
}

#[test]
fn taken_not_in() {
    taken("SELECT Id FROM Account WHERE Name NOT IN ('a', 'b')");
}

#[test]
fn taken_unequal() {
    taken("SELECT Id FROM Account WHERE Name != 'Salesforce.com'");
}

#[test]
fn taken_id_of_a_relationship() {
    taken("SELECT Id, AccountId FROM Contact");
}

#[test]
fn taken_custom_object() {
    taken("SELECT Id, MyCustomField__c FROM MyCustomObject__c");
}

#[test]
fn taken_account() {
    taken("SELECT Id, Name FROM Account WHERE NumberOfEmployees > 1000");
}

#[test]
fn taken_campaign() {
    taken("SELECT Id, Name FROM Campaign WHERE Status = 'Planned'");
}

#[test]
fn taken_case() {
    taken("SELECT Id, Subject FROM Case WHERE Status = 'Working' AND IsEscalated = TRUE");
}

#[test]
fn taken_contact() {
    taken("SELECT Id, Name, Email FROM Contact;");
}

#[test]
fn taken_lead() {
    taken("SELECT Id, Company FROM Lead WHERE Industry = 'Computer Services'");
}

#[test]
fn taken_opportunity() {
    taken("SELECT Id, Name, Amount FROM Opportunity WHERE CloseDate < 2011-06-14");
}

#[test]
fn taken_task() {
    taken("SELECT Id, Subject, IsClosed, Status FROM Task WHERE isClosed = TRUE");
}

#[test]
fn warned_task_without_status() {
    let stub = Stub::with(&[]);
    let query = "SELECT Id, IsClosed FROM Task";
    let ended = run(&["topic", "create", NAME, "--query", query, "--url", stub.url()]);
    assert_eq!(ended.code, Some(0));
    let words =
        "warning: InvoiceStatementUpdates: Query: changes of IsClosed are told only where Status is selected";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let stub = Stub::with(&[]);
    let (name, description) = ("n".repeat(26), "d".repeat(401));
    let query = format!("SELECT Name FROM Account LIMIT 1{}", " ".repeat(1300) + "ORDER BY Name");
    let said = failed(
        2,
        &["topic", "create", &name, "--query", &query, "--description", &description, "--url", stub.url()],
    );
    for words in [
        ": Name: has 26 characters; at most 25 are allowed\n",
        ": Query: has 1345 characters; at most 1300 are allowed\n",
        ": Query:1:8: INVALID_FIELD, Id is required in the SELECT list",
        ": Query:1:26: INVALID_FIELD, 'LIMIT' is not allowed\n",
        ": Query:1:1333: INVALID_FIELD, 'ORDER BY' clause is not allowed\n",
        ": Description: has 401 characters; at most 400 are allowed\n",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(stub.org.seen().is_empty());
}

#[test]
fn a_change_is_checked_as_a_new_topic_is() {
    let stub = Stub::with(&[(NAME, QUERY)]);
    let update = ["topic", "update", NAME, "--url", stub.url()];
    let with = |more: &[&'static str]| failed(2, &[&update, more].concat());
    assert!(with(&["--query", "SELECT Id FROM X__c LIMIT 1"]).contains("'LIMIT' is not allowed"));
    assert!(
        with(&["--query", "SELECT Id FROM X__c"])
            .contains("Referenced needs a query with a field besides Id")
    );
    assert!(
        with(&["--notify-for-fields", "Where"])
            .contains("Where needs a query with a field besides Id in WHERE")
    );
    assert!(with(&["--rename", "a/b"]).contains("the end of a channel's name"));
    assert!(with(&["--query", ""]).contains("Query: is required"));
    assert!(stub.changes().is_empty());
}

#[test]
fn what_is_no_field_is_refused_by_the_arguments() {
    let stub = Stub::with(&[]);
    for (option, value, words) in [
        ("--notify-for-fields", "Some", "wanted one of All, Referenced, Select, Where"),
        ("--operations", "create,drop", "wanted one of create, update, delete, undelete"),
        ("--query-version", "19.0", "from 20.0 on"),
        ("--active", "maybe", "possible values: true, false"),
    ] {
        let said =
            failed(2, &["topic", "create", NAME, "--query", QUERY, option, value, "--url", stub.url()]);
        assert!(said.contains(words), "{said}");
    }
    assert!(failed(2, &["topic", "create", NAME, "--url", stub.url()]).contains("Query: is required"));
    let said =
        failed(2, &["topic", "create", NAME, "--query", QUERY, "--api-version", "20", "--url", stub.url()]);
    assert!(said.contains("there are none before API 21.0"), "{said}");
}
