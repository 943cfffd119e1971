//! Against the emulator, which reads queries with a grammar of its own and decides for itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Cometail, Emulator, cometail, json as parsed};
use crate::{TOKEN, failed, printed, run};

use super::NAME;

const QUERY: &str = "SELECT Id, Name, Status__c FROM Invoice_Statement__c";

/// What the guide refuses, and its words.
const REFUSED: [(&str, &str); 15] = [
    ("SELECT Name FROM Account", "Id is required"),
    (
        "SELECT Id, Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Title = 'CEO')",
        "semi/anti join sub-selects are not supported",
    ),
    (
        "SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact)",
        "semi/anti join sub-selects are not supported",
    ),
    ("SELECT Id, AVG(AnnualRevenue) FROM Account", "Aggregate queries are not supported"),
    ("SELECT Id, MAX(AnnualRevenue) FROM Account", "Aggregate queries are not supported"),
    ("SELECT Id, MIN(AnnualRevenue) FROM Account", "Aggregate queries are not supported"),
    ("SELECT Id, SUM(AnnualRevenue) FROM Account", "Aggregate queries are not supported"),
    ("SELECT Id, Industry, Count(Name) FROM Account", "Aggregate queries are not supported"),
    ("SELECT Id, AccountId FROM Contact GROUP BY AccountId", "Aggregate queries are not supported"),
    ("SELECT Id, Name FROM Contact LIMIT 10", "'LIMIT' is not allowed"),
    ("SELECT Id, Contact.Account.Name FROM Contact", "relationships are not supported"),
    ("SELECT Id, Name FROM Account ORDER BY Name", "'ORDER BY' clause is not allowed"),
    ("SELECT Id, Name FROM Account WHERE Name = 'New York' OFFSET 10", "'OFFSET' clause is not allowed"),
    (
        "SELECT Id, TYPEOF Owner WHEN User THEN LastName ELSE Name END FROM Case",
        "'TYPEOF' clause is not allowed",
    ),
    ("SELECT Id, Name FROM Account WHERE NOT Name = 'Salesforce.com'", "'NOT' is not supported"),
];

/// What the guide supports.
const TAKEN: [&str; 10] = [
    QUERY,
    "SELECT Id, Name FROM Account WHERE NumberOfEmployees > 1000",
    "SELECT Id, Name FROM Campaign WHERE Status = 'Planned'",
    "SELECT Id, Subject FROM Case WHERE Status = 'Working' AND IsEscalated = TRUE",
    "SELECT Id, Name, Email FROM Contact;",
    "SELECT Id, Company FROM Lead WHERE Industry = 'Computer Services'",
    "SELECT Id, Name, Amount FROM Opportunity WHERE CloseDate < 2011-06-14",
    "SELECT Id, Subject, IsClosed, Status FROM Task WHERE isClosed = TRUE",
    "SELECT Id, Name FROM Account WHERE Name NOT IN ('a', 'b') AND Name != 'Salesforce.com'",
    "SELECT Id, AccountId FROM Contact",
];

fn url(emulator: &Emulator) -> String {
    format!("http://{}", emulator.address())
}

#[test]
fn the_check_and_the_emulator_refuse_the_same_queries_in_the_same_words() {
    let emulator = Emulator::start();
    let url = url(&emulator);
    for (query, words) in REFUSED {
        let create = ["topic", "create", NAME, "--url", &url, "--query", query];
        let here = failed(2, &create);
        assert!(here.contains(&format!("INVALID_FIELD, {words}")), "{query}: {here}");
        let there = failed(69, &[&create[..], &["--no-check"]].concat());
        assert!(there.contains("INVALID_FIELD") && there.contains(words), "{query}: {there}");
    }
    let all = parsed(&printed(&["topic", "list", "--json", "--url", &url]));
    assert_eq!(all["topics"], json!([]));
}

#[test]
fn the_check_and_the_emulator_take_the_same_queries() {
    let emulator = Emulator::start();
    let url = url(&emulator);
    for (number, query) in TAKEN.iter().enumerate() {
        let name = format!("T{number}");
        printed(&["topic", "create", &name, "--url", &url, "--query", query]);
        let one = parsed(&printed(&["topic", "show", &name, "--json", "--url", &url]));
        assert_eq!(one["query"], *query);
    }
}

#[test]
fn the_check_and_the_emulator_have_the_same_limits() {
    let emulator = Emulator::start();
    let url = url(&emulator);
    let (name, description) = ("n".repeat(26), "d".repeat(401));
    let long = format!("{QUERY} WHERE Name != '{}'", "n".repeat(1300));
    for more in [
        &["topic", "create", &name, "--query", QUERY][..],
        &["topic", "create", "A", "--query", &long],
        &["topic", "create", "A", "--query", QUERY, "--description", &description],
        &["topic", "create", "A", "--query", "SELECT Id FROM Account"],
        &["topic", "create", "A", "--query", "SELECT Id FROM Account", "--notify-for-fields", "Select"],
        &["topic", "create", "A", "--query", "SELECT Id, Name FROM Account", "--notify-for-fields", "Where"],
        &["topic", "create", "A"],
    ] {
        failed(2, &[more, &["--url", &url]].concat());
        failed(69, &[more, &["--no-check", "--url", &url]].concat());
    }
}

#[test]
fn a_topic_lives_from_its_creation_to_its_end() {
    let emulator = Emulator::start();
    let url = url(&emulator);
    let with = |arguments: &[&str]| printed(&[arguments, &["--json", "--url", &url]].concat());
    let made = parsed(&with(&["topic", "create", NAME, "--query", QUERY, "--operations", "create,update"]));
    let shown = parsed(&with(&["topic", "show", made["id"].as_str().unwrap()]));
    let wanted = json!({
        "id": made["id"], "name": NAME, "channel": format!("/topic/{NAME}"), "query": QUERY,
        "api_version": "61.0", "description": null, "is_active": true, "notify_for_fields": "Referenced",
        "operations": ["create", "update"],
    });
    assert_eq!(shown, wanted);
    with(&["topic", "deactivate", NAME]);
    let update = ["topic", "update", NAME, "--notify-for-fields", "All", "--description", "it's \"so\""];
    let ended = run(&[&update[..], &["--rename", "New", "--url", &url]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let shown = parsed(&with(&["topic", "show", "New"]));
    assert_eq!(
        (&shown["is_active"], &shown["notify_for_fields"], &shown["description"]),
        (&json!(false), &json!("All"), &json!("it's \"so\""))
    );
    failed(69, &["topic", "show", NAME, "--url", &url]);
    let twice = ["topic", "create", "New", "--query", QUERY, "--url", &url];
    assert!(failed(69, &twice).contains("DUPLICATE_VALUE"));
    with(&["topic", "delete", "New"]);
    assert_eq!(parsed(&with(&["topic", "list"]))["topics"], json!([]));
}

#[test]
fn before_api_29_a_topic_tells_of_creations_and_updates_alone() {
    let emulator = Emulator::start();
    let url = url(&emulator);
    let with = |arguments: &[&str]| {
        printed(&[arguments, &["--json", "--api-version", "28.0", "--url", &url]].concat())
    };
    for (operations, told) in
        [("create,update", json!(["create", "update"])), ("update", json!(["update"])), ("none", json!([]))]
    {
        let name = operations.replace(',', "");
        let create = ["topic", "create", &name, "--query", QUERY, "--operations", operations];
        let ended = run(&[&create[..], &["--api-version", "28.0", "--url", &url]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(parsed(&with(&["topic", "show", &name]))["operations"], told);
    }
}

#[test]
fn a_file_is_applied_and_then_the_org_has_it() {
    let emulator = Emulator::start();
    let url = url(&emulator);
    let place = crate::support::Place::new();
    let file = place.write(
        "topics.toml",
        "[topic.A]\nquery = \"\"\"\nSELECT Id,\n  Name\nFROM Account\n\"\"\"\noperations = [\"delete\"]\n\
         [topic.B]\nquery = \"SELECT Id FROM Account WHERE Name = 'it\\\\'s'\"\nactive = false\n",
    );
    printed(&["topic", "create", "Old", "--query", QUERY, "--url", &url]);
    let apply = ["topic", "apply", "-f", &file, "--url", &url];
    let said = printed(&apply);
    assert!(said.contains("plan: 2 create, 0 change, 0 delete, 0 same, 1 extra\n"), "{said}");
    let said = printed(&[&apply[..], &["--delete"]].concat());
    assert!(said.contains("plan: 0 create, 0 change, 1 delete, 2 same, 0 extra\n"), "{said}");
    let said = printed(&apply);
    assert!(said.ends_with("plan: 0 create, 0 change, 0 delete, 2 same, 0 extra\n"), "{said}");
}

/// Makes a record over the REST API.
fn create_record(emulator: &Emulator, fields: &Value) {
    let body = fields.to_string();
    let mut stream = TcpStream::connect(emulator.address()).unwrap();
    let head = format!(
        "POST /services/data/v61.0/sobjects/Invoice_Statement__c HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Authorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        emulator.address(),
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[test]
fn records_that_match_a_created_topic_come_on_its_channel() {
    let emulator = Emulator::start();
    let url = url(&emulator);
    let query = format!("{QUERY} WHERE Status__c = 'Open'");
    printed(&["topic", "create", NAME, "--query", &query, "--url", &url]);
    let endpoint = emulator.url("61.0");
    let mut tail = cometail(&["tail", &endpoint, &format!("/topic/{NAME}")]);
    let tail = Cometail::start(tail.env("COMETAIL_TOKEN", TOKEN));
    emulator.wait_polled(1);
    for status in ["Closed", "Open"] {
        create_record(&emulator, &json!({"Status__c": status}));
    }
    let event = parsed(&tail.wait_lines(1)[0]);
    assert_eq!(event["channel"], format!("/topic/{NAME}"));
    assert_eq!(event["data"]["sobject"]["Status__c"], "Open");
    assert_eq!(tail.stop().stdout.lines().count(), 1);
}
