//! `cometail topic apply`.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::server::{Org, Said, error, ok};
use crate::support::{Place, json as parsed};
use crate::{failed, printed, run};

use super::QUERY;
use super::stub::{Stub, id};

const FILE: &str = r#"
[topic.New]
query = """
SELECT Id, Name
  FROM Account
"""
description = "made by a file"
operations = ["create"]

[topic.Changed]
query = "SELECT Id, Name, Status__c FROM Invoice_Statement__c"
active = false
api_version = "60.0"

[topic.Same]
query = "SELECT Id, Name, Status__c FROM Invoice_Statement__c"
"#;

fn stub() -> Stub {
    Stub::with(&[("Same", QUERY), ("Extra", QUERY), ("Changed", "SELECT Id, Name FROM Invoice_Statement__c")])
}

/// Runs `apply` on a file.
fn apply(stub: &Stub, file: &str, more: &[&str]) -> String {
    let place = Place::new();
    let file = place.write("topics.toml", file);
    printed(&[&["topic", "apply", "-f", &file, "--url", stub.url()], more].concat())
}

fn actions(all: &Value) -> Vec<(&str, &str, bool)> {
    let topics = all["topics"].as_array().unwrap();
    topics
        .iter()
        .map(|topic| {
            (topic["name"].as_str().unwrap(), topic["action"].as_str().unwrap(), topic["done"] == true)
        })
        .collect()
}

#[test]
fn the_org_is_made_as_the_file_says() {
    let stub = stub();
    let said = apply(&stub, FILE, &[]);
    let wanted = format!(
        "create  New\n        SELECT Id, Name FROM Account\n\
         change  Changed\n        ApiVersion: 61.0 -> 60.0\n        IsActive: true -> false\n        \
         Query: \"SELECT Id, Name FROM Invoice_Statement__c\" -> \"{QUERY}\"\n\
         same    Same\n\
         extra   Extra: only in the org; --delete deletes it\n\
         plan: 1 create, 1 change, 0 delete, 1 same, 1 extra\n\
         created New, {}\nchanged Changed, {}\n",
        id(3),
        id(2)
    );
    assert_eq!(said, wanted);
    assert_eq!(stub.names(), ["Same", "Extra", "Changed", "New"]);
    let new = stub.record("New");
    assert_eq!(
        (&new["Query"], &new["ApiVersion"], &new["NotifyForOperationUpdate"]),
        (&json!("SELECT Id, Name\n  FROM Account"), &json!(61.0), &json!(false))
    );
    assert_eq!(stub.record("Changed")["IsActive"], false);
    let changes = stub.changes().len();
    let again = apply(&stub, FILE, &[]);
    assert!(again.ends_with("plan: 0 create, 0 change, 0 delete, 3 same, 1 extra\n"), "{again}");
    assert_eq!(stub.changes().len(), changes);
}

#[test]
fn a_dry_run_changes_nothing() {
    let stub = stub();
    let said = apply(&stub, FILE, &["--dry-run", "--delete"]);
    assert!(
        said.ends_with("1 create, 1 change, 1 delete, 1 same, 0 extra; nothing is done (--dry-run)\n"),
        "{said}"
    );
    let all = parsed(&apply(&stub, FILE, &["--dry-run", "--json"]));
    assert_eq!(all["dry_run"], true);
    let wanted = [
        ("New", "create", false),
        ("Changed", "change", false),
        ("Same", "same", false),
        ("Extra", "extra", false),
    ];
    assert_eq!(actions(&all), wanted);
    let difference = json!({"field": "ApiVersion", "from": 61.0, "to": 60.0});
    assert_eq!(all["topics"][1]["differences"][0], difference);
    assert!(stub.changes().is_empty());
}

#[test]
fn what_only_the_org_has_is_deleted_when_told() {
    let stub = stub();
    let all = parsed(&apply(&stub, FILE, &["--delete", "--json"]));
    let wanted = [
        ("New", "create", true),
        ("Changed", "change", true),
        ("Same", "same", false),
        ("Extra", "delete", true),
    ];
    assert_eq!(actions(&all), wanted);
    assert_eq!(all["topics"][0]["id"], json!(id(3)));
    assert_eq!(stub.names(), ["Same", "Changed", "New"]);
}

#[test]
fn nothing_changes_where_any_topic_would_be_refused() {
    let (stub, place) = (stub(), Place::new());
    let bad = format!("{FILE}\n[topic.Bad]\nquery = \"SELECT Id FROM Account\\nORDER BY Name\"\n");
    let file = place.write("topics.toml", &format!("{bad}\n[topic.{}]\nquery = ''\n", "n".repeat(26)));
    let said = failed(78, &["topic", "apply", "-f", &file, "--url", stub.url()]);
    for words in [
        "Bad: Query:2:1: INVALID_FIELD, 'ORDER BY' clause is not allowed\n    ORDER BY Name\n    ^^^^^^^^^^^^^\n",
        ": Name: has 26 characters",
        ": Query: is required",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(stub.org.seen().is_empty());
    let file = place.write("topics.toml", &bad);
    let ended = run(&["topic", "apply", "-f", &file, "--no-check", "--url", stub.url()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_topic_that_the_org_refuses_keeps_no_other_from_being_done() {
    let (stub, place) = (stub(), Place::new());
    let file = place.write("topics.toml", &format!("[topic.Refused]\nquery = \"{QUERY}\"\n{FILE}"));
    let arguments = ["topic", "apply", "-f", &file, "--json", "--url", stub.url()];
    let ended = run(&arguments);
    assert_eq!(ended.code, Some(69));
    assert!(ended.stderr.contains("Refused: LIMIT_EXCEEDED: topic limit"), "{}", ended.stderr);
    let all = parsed(&ended.stdout);
    assert_eq!(all["topics"][0]["error"], "LIMIT_EXCEEDED: topic limit");
    assert_eq!(actions(&all)[1], ("New", "create", true));
}

#[test]
fn an_org_that_does_not_know_the_user_any_more_ends_it() {
    let asked = AtomicUsize::new(0);
    let org = Org::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => ok(&json!({"records": []})),
        _ => error(401, "INVALID_SESSION_ID", "Session expired or invalid"),
    });
    let place = Place::new();
    let file = place.write("topics.toml", FILE);
    let ended = run(&["topic", "apply", "-f", &file, "--json", "--url", &org.url]);
    assert_eq!(ended.code, Some(77));
    assert_eq!(org.lines().iter().filter(|line| line.starts_with("POST")).count(), 1, "{:?}", org.lines());
    assert!(actions(&parsed(&ended.stdout)).iter().all(|(_, _, done)| !done));
}

#[test]
fn an_org_that_wants_to_be_left_alone_is() {
    let org = Org::start(|asked| match asked.method.as_str() {
        "GET" => ok(&json!({"records": []})),
        _ => Said::Status(429, "Retry-After: 60\r\n".into(), String::new()),
    });
    let place = Place::new();
    let more = format!("[topic.Another]\nquery = \"{QUERY}\"\n{FILE}");
    let ended = run(&["topic", "apply", "-f", &place.write("topics.toml", &more), "--url", &org.url]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("left alone for 60 s"), "{}", ended.stderr);
    assert_eq!(org.lines().iter().filter(|line| line.starts_with("POST")).count(), 1, "{:?}", org.lines());
}

#[test]
fn a_file_without_topics_deletes_none() {
    let (stub, place) = (stub(), Place::new());
    for text in ["", "[topic]\n", "# [topic.A]\n"] {
        let file = place.write("topics.toml", text);
        let said = failed(78, &["topic", "apply", "-f", &file, "--delete", "--url", stub.url()]);
        assert!(said.contains("at least one table [topic.NAME]"), "{said}");
    }
    assert!(stub.org.seen().is_empty());
    assert!(failed(2, &["topic", "apply", "--url", stub.url()]).contains("which topics?"));
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_place() {
    let (stub, place) = (stub(), Place::new());
    let text = "[topic.A]\nquery = 7\nnotify_for_fields = \"Selct\"\noperations = [\"drop\"]\napi_version = \"19.0\"\n\
                connection = \"acme\"\n[topic.a]\nqery = \"x\"\n[sink.x.stdout]\n";
    let file = place.write("topics.toml", text);
    let said = failed(78, &["topic", "apply", "-f", &file, "--url", stub.url()]);
    for words in [
        ":2:9: topic.A.query: found an integer, wanted a query in SOQL",
        ":3:21: topic.A.notify_for_fields: found \"Selct\"",
        "did you mean \"Select\"?",
        ":4:15: topic.A.operations[0]: found \"drop\"",
        ":5:15: topic.A.api_version: found \"19.0\"",
        ":6:1: topic.A.connection: found an unknown key",
        ":7:8: topic.a: found \"a\", wanted another name than \"A\"",
        ":8:1: topic.a.qery: found an unknown key, wanted a known one (did you mean query?)",
        ":9:2: sink: found an unknown key",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(stub.org.seen().is_empty());
}

#[test]
fn the_configuration_says_which_topics_an_org_has() {
    let (stub, place) = (stub(), Place::new());
    let token = place.write("token", "00D!hush-hush-hush");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let connection = |name: &str| {
        format!(
            "[connection.{name}]\nurl = \"{}/cometd/61.0\"\nchannels = [\"/topic/A\"]\nproxy = \"direct\"\n\
             login.token = {{ file = {token:?} }}\n",
            stub.url()
        )
    };
    let topics = format!(
        "[topic.Ours]\nquery = \"{QUERY}\"\nconnection = \"acme\"\n[topic.Everywhere]\nquery = \"{QUERY}\"\n\
         [topic.Theirs]\nquery = \"{QUERY}\"\nconnection = \"beta\"\n"
    );
    let config =
        connection("acme") + &connection("beta") + "[state]\npersist = false\n[sink.out.stdout]\n" + &topics;
    let file = place.write("cometail.toml", &config);
    let apply = ["topic", "apply", "-c", &file, "--connection"];
    let said = printed(&[&apply[..], &["acme"]].concat());
    assert!(said.contains("create  Ours") && said.contains("create  Everywhere"), "{said}");
    assert!(!said.contains("Theirs"), "{said}");
    assert_eq!(stub.names()[3..], ["Ours", "Everywhere"]);
    failed(2, &["topic", "apply", "-c", &file]);
    assert_eq!(printed(&["check", "-c", &file]), "ok: 2 connection(s), 1 sink(s)\n");
    let wrong = config.replace("\"beta\"\n", "\"gamma\"\n")
        + "[topic.Bad]\nquery = \"SELECT Id FROM Account LIMIT 1\"\n";
    let file = place.write("wrong.toml", &wrong);
    let said = failed(78, &["check", "-c", &file]);
    assert!(
        said.contains("topic.Theirs.connection: found \"gamma\", wanted one of the connections"),
        "{said}"
    );
    let odd = config + "[topic.Bad]\nquery = \"SELECT Id FROM Account LIMIT 1\"\n";
    let file = place.write("odd.toml", &odd);
    let ended = run(&["check", "-c", &file]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("topic.Bad: found Query: INVALID_FIELD, 'LIMIT' is not allowed"),
        "{}",
        ended.stderr
    );
}
