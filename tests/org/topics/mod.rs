//! `cometail topic list | show | create | update | activate | deactivate | delete`.

mod apply;
mod emulator;
mod rules;
mod stub;

use serde_json::json;

use crate::server::{Org, error, ok};
use crate::support::{Ended, Place, json as parsed};
use crate::{failed, printed, run};
use stub::{Stub, id};

const NAME: &str = "InvoiceStatementUpdates";
const QUERY: &str = "SELECT Id, Name, Status__c FROM Invoice_Statement__c";

#[test]
fn topics_are_listed_by_name() {
    let long = format!("{QUERY} WHERE Name = '{}'", "n".repeat(60));
    let stub = Stub::with(&[(NAME, QUERY), ("Cases", &long)]);
    stub.set("Cases", json!({"IsActive": false, "NotifyForOperationDelete": false}));
    let table = printed(&["topic", "list", "--url", stub.url()]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(
        lines[1].starts_with("Cases                    no      61.0  Referenced  create,update,undelete")
    );
    assert!(lines[1].ends_with("..."), "{table}");
    assert!(lines[2].ends_with(QUERY), "{table}");
    let all = parsed(&printed(&["topic", "list", "--json", "--url", stub.url()]));
    let wanted = json!({
        "id": id(0), "name": NAME, "channel": format!("/topic/{NAME}"), "query": QUERY, "api_version": "61.0",
        "description": null, "is_active": true, "notify_for_fields": "Referenced",
        "operations": ["create", "update", "delete", "undelete"],
    });
    assert_eq!(all["topics"][1], wanted);
    assert_eq!(all["topics"].as_array().unwrap().len(), 2);
}

#[test]
fn a_topic_is_shown_by_name_or_id() {
    let stub = Stub::with(&[("other", QUERY), (NAME, QUERY), ("it's", QUERY)]);
    for wanted in [NAME, &id(1)] {
        let one = parsed(&printed(&["topic", "show", wanted, "--json", "--url", stub.url()]));
        assert_eq!((&one["name"], &one["id"]), (&json!(NAME), &json!(id(1))));
    }
    let table = printed(&["topic", "show", "it's", "--url", stub.url()]);
    assert!(table.contains("channel          /topic/it's\n"), "{table}");
    assert!(
        failed(69, &["topic", "show", "none", "--url", stub.url()]).contains("the org has no topic none")
    );
}

#[test]
fn a_topic_is_created_with_all_its_fields() {
    let stub = Stub::with(&[]);
    let said = printed(&["topic", "create", NAME, "--query", QUERY, "--url", stub.url()]);
    assert_eq!(said, format!("created {NAME}, {}; its channel is /topic/{NAME}\n", id(0)));
    let least = json!({"Name": NAME, "Query": QUERY, "ApiVersion": 61.0});
    assert_eq!(stub.org.seen()[0].json(), least);
    let place = Place::new();
    let file = place.write("query", &format!("{QUERY}\n"));
    let options = [
        "--query-file",
        &file,
        "--description",
        "all",
        "--query-version",
        "35.0",
        "--active",
        "false",
        "--notify-for-fields",
        "select",
        "--operations",
        "create,undelete",
        "--json",
        "--url",
        stub.url(),
    ];
    let arguments: Vec<_> = ["topic", "create", "All"].into_iter().chain(options).collect();
    let wanted = json!({"id": id(1), "name": "All", "channel": "/topic/All"});
    assert_eq!(parsed(&printed(&arguments)), wanted);
    let all = json!({
        "Name": "All", "Query": QUERY, "ApiVersion": 35.0, "Description": "all", "IsActive": false,
        "NotifyForFields": "Select", "NotifyForOperationCreate": true, "NotifyForOperationUpdate": false,
        "NotifyForOperationDelete": false, "NotifyForOperationUndelete": true,
    });
    let seen = stub.org.seen();
    assert_eq!(
        (seen[1].line().as_str(), seen[1].json()),
        ("POST /services/data/v61.0/sobjects/PushTopic", all)
    );
}

#[test]
fn up_to_api_28_one_field_says_which_operations_notify() {
    let stub = Stub::with(&[]);
    let version = ["--api-version", "28.0", "--url", stub.url()];
    let create = ["topic", "create", NAME, "--query", QUERY, "--operations", "create"];
    let arguments: Vec<_> = create.into_iter().chain(version).collect();
    printed(&arguments);
    let wanted = json!({"Name": NAME, "Query": QUERY, "ApiVersion": 28.0, "NotifyForOperations": "Create"});
    assert_eq!(stub.org.seen()[0].json(), wanted);
    let show: Vec<_> = ["topic", "show", NAME, "--json"].into_iter().chain(version).collect();
    assert_eq!(parsed(&printed(&show))["operations"], json!(["create"]));
    let late = ["topic", "create", NAME, "--query", QUERY, "--operations", "create,delete"];
    let arguments: Vec<_> = late.into_iter().chain(version).collect();
    assert!(
        failed(2, &arguments).contains("NotifyForOperationDelete: needs API 29.0 or later, and this is 28.0")
    );
    let unchecked: Vec<_> = arguments.into_iter().chain(["--no-check"]).collect();
    assert!(
        failed(69, &unchecked).contains("no NotifyForOperationCreate in 28.0"),
        "the org refuses it aloud"
    );
}

#[test]
fn only_what_differs_is_changed() {
    let stub = Stub::with(&[(NAME, QUERY)]);
    let url = ["--url", stub.url()];
    let update = |more: &[&str]| printed(&[&["topic", "update", NAME], more, &url].concat());
    let said =
        update(&["--operations", "create,update", "--notify-for-fields", "Referenced", "--description", "d"]);
    assert!(
        said.starts_with(&format!("changed {NAME}, {}\n  Description: null -> \"d\"\n", id(0))),
        "{said}"
    );
    let body = json!({
        "Description": "d", "NotifyForOperationDelete": false, "NotifyForOperationUndelete": false
    });
    let seen = stub.org.seen();
    let line = format!("PATCH /services/data/v61.0/sobjects/PushTopic/{}", id(0));
    assert_eq!((seen[1].line(), seen[1].json()), (line, body));
    let same = update(&["--query", &QUERY.replace(", ", ",\n  "), "--active", "true"]);
    assert!(same.starts_with("is so already"), "{same}");
    assert_eq!(stub.changes().len(), 1);
    let none = parsed(&update(&["--description", "d", "--json"]));
    assert_eq!(none, json!({"id": id(0), "name": NAME, "changes": []}));
    assert!(failed(2, &[&["topic", "update", NAME], &url[..]].concat()).contains("nothing to change"));
    failed(69, &[&["topic", "update", "none", "--description", "d"], &url[..]].concat());
}

#[test]
fn a_new_name_leaves_subscriptions_where_they_are_and_says_so() {
    let stub = Stub::with(&[(NAME, QUERY)]);
    let ended = run(&["topic", "update", NAME, "--rename", "New", "--url", stub.url()]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("subscriptions that exist stay on the old channel"), "{}", ended.stderr);
    assert_eq!(stub.names(), ["New"]);
}

#[test]
fn a_topic_is_deactivated_and_activated() {
    let stub = Stub::with(&[(NAME, QUERY)]);
    for (command, active) in [("deactivate", false), ("deactivate", false), ("activate", true)] {
        printed(&["topic", command, NAME, "--url", stub.url()]);
        assert_eq!(stub.record(NAME)["IsActive"], json!(active));
    }
    assert_eq!(stub.changes().len(), 2);
}

#[test]
fn a_topic_is_deleted() {
    let stub = Stub::with(&[(NAME, QUERY), ("other", QUERY)]);
    let said = printed(&["topic", "delete", NAME, "--url", stub.url()]);
    assert_eq!(said, format!("deleted {NAME}, {}\n", id(0)));
    assert_eq!(stub.names(), ["other"]);
    failed(69, &["topic", "delete", NAME, "--url", stub.url()]);
}

#[test]
fn the_name_that_is_meant_letter_by_letter_is_chosen() {
    let stub = Stub::with(&[("cases", QUERY), ("Cases", QUERY)]);
    printed(&["topic", "delete", "Cases", "--url", stub.url()]);
    assert_eq!(stub.names(), ["cases"]);
}

#[test]
fn what_the_org_refuses_ends_the_command() {
    for (status, errors, code) in [
        (400, "INVALID_FIELD", 69),
        (400, "DUPLICATE_VALUE", 69),
        (403, "INSUFFICIENT_ACCESS", 77),
        (401, "INVALID_SESSION_ID", 77),
        (503, "SERVER_UNAVAILABLE", 1),
    ] {
        let org = Org::start(move |_| error(status, errors, "in its words"));
        let said = failed(code, &["topic", "create", NAME, "--query", QUERY, "--url", &org.url]);
        assert!(said.contains("in its words") || code == 77, "{said}");
    }
}

#[test]
fn no_id_of_an_org_leads_elsewhere() {
    for bad in ["../../../../x", "0IF/../../x/12", "", "0IFD0000000 008"] {
        let org = Org::start(move |_| ok(&json!({"records": [{"Id": bad, "Name": NAME, "Query": QUERY}]})));
        let said = failed(1, &["topic", "delete", NAME, "--url", &org.url]);
        assert!(said.contains("an id that is none"), "{said}");
        assert_eq!(org.seen().len(), 1);
    }
}

#[test]
fn no_word_of_an_org_controls_the_terminal() {
    let evil = "\u{1b}]0;x\u{7}\u{9b}2J\r";
    let record =
        json!({"Id": id(0), "Name": evil, "Query": evil, "Description": evil, "NotifyForFields": evil});
    let org = Org::start(move |asked| match asked.method.as_str() {
        "PATCH" => error(400, "X", "\u{1b}[2J"),
        _ => ok(&json!({"records": [record]})),
    });
    for arguments in [
        &["topic", "list"][..],
        &["topic", "show", "x"],
        &["topic", "update", "x", "--description", "d"],
        &["topic", "delete", "x"],
    ] {
        let Ended { stdout, stderr, .. } = run(&[arguments, &["--url", &org.url]].concat());
        let bad = (stdout.clone() + &stderr).contains(|c: char| c.is_control() && c != '\n');
        assert!(!bad, "{stdout:?} {stderr:?}");
    }
}

#[test]
fn a_file_that_is_no_query_is_not_sent() {
    let (stub, place) = (Stub::with(&[]), Place::new());
    for text in [vec![0xff], vec![b' '; 70_000]] {
        std::fs::write(place.path("query"), text).unwrap();
        failed(74, &["topic", "create", NAME, "--query-file", &place.text("query"), "--url", stub.url()]);
    }
    failed(74, &["topic", "create", NAME, "--query-file", &place.text("none"), "--url", stub.url()]);
    assert!(stub.org.seen().is_empty());
}
