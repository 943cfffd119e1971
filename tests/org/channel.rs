//! `cometail channel list | create | delete | subscribers`.

use serde_json::{Value, json};

use crate::server::{Asked, Org, Said, error, ok, status};
use crate::support::json as parsed;
use crate::{failed, printed};

pub(crate) const ID: &str = "0M6D000000000g7KXA";
pub(crate) const NAME: &str = "/u/notifications/ExampleUserChannel";

pub(crate) fn record(name: &str, id: &str) -> Value {
    json!({
        "attributes": {"type": "StreamingChannel"}, "Id": id, "Name": name, "Description": null,
        "IsDynamic": false, "OwnerId": "005D0000001QXi1IAG"
    })
}

/// The answer to a query for one channel.
pub(crate) fn found(asked: &Asked) -> Option<Said> {
    let soql = asked.soql()?;
    let wanted = soql.split_once(" WHERE ")?.1;
    let known = [format!("Name = '{NAME}'"), format!("Id = '{ID}'")].iter().any(|one| one == wanted);
    let records: Vec<_> = known.then(|| record(NAME, ID)).into_iter().collect();
    Some(ok(&json!({"totalSize": records.len(), "done": true, "records": records})))
}

#[test]
fn all_pages_are_listed() {
    let org = Org::start(|asked| {
        if asked.path == "/services/data/v61.0/query/01gD-2" {
            let mut last = record("/u/c", "0M6D000000000g9KXA");
            last["Description"] = json!("to \u{1b}[1mall");
            last["IsDynamic"] = json!(true);
            return ok(&json!({"totalSize": 3, "done": true, "records": [last]}));
        }
        assert_eq!(
            asked.soql().unwrap(),
            "SELECT Id, Name, Description, IsDynamic, OwnerId FROM StreamingChannel ORDER BY Name"
        );
        ok(&json!({
            "totalSize": 3, "done": false, "nextRecordsUrl": "/services/data/v61.0/query/01gD-2",
            "records": [record(NAME, ID), record("/u/b", "0M6D000000000g8KXA")]
        }))
    });
    let table = printed(&["channel", "list", "--url", &org.url]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!((lines.len(), lines[0].split_whitespace().count()), (4, 4), "{table}");
    assert!(lines[1].starts_with(&format!("{NAME}  {ID}  no")), "{table}");
    assert!(lines[3].ends_with("yes      to \\u{1b}[1mall"), "{table}");
    let all = parsed(&printed(&["channel", "list", "--json", "--url", &org.url]));
    assert_eq!(all["channels"].as_array().unwrap().len(), 3);
    let wanted = json!({
        "id": ID, "name": NAME, "description": null, "is_dynamic": false, "owner_id": "005D0000001QXi1IAG"
    });
    assert_eq!(all["channels"][0], wanted);
}

#[test]
fn a_next_page_elsewhere_gets_no_token() {
    let other = Org::start(|_| ok(&json!({"records": []})));
    let to = other.url.clone();
    let bare = to.strip_prefix("http:").unwrap().to_owned();
    for next in [to.clone() + "/x", bare + "/x", "https://acme.my.salesforce.com/x".into()] {
        let org = Org::start(move |_| ok(&json!({"records": [record(NAME, ID)], "nextRecordsUrl": next})));
        assert!(failed(1, &["channel", "list", "--url", &org.url]).contains("no path of the org"));
        assert_eq!(org.seen().len(), 1);
    }
    assert!(other.seen().is_empty());
}

#[test]
fn pages_without_end_end() {
    let org = Org::start(|_| ok(&json!({"records": [], "nextRecordsUrl": "/next"})));
    assert!(failed(1, &["channel", "list", "--url", &org.url]).contains("or 500 pages"));
    assert_eq!(org.seen().len(), 500);
    let org = Org::start(|_| ok(&json!({"records": [], "done": false})));
    assert!(failed(1, &["channel", "list", "--url", &org.url]).contains("more records"));
    let records: Vec<_> = (0..2_000).map(|_| record(NAME, ID)).collect();
    let page = json!({"records": records, "nextRecordsUrl": "/next"}).to_string();
    let org = Org::start(move |_| status(200, &page));
    assert!(failed(1, &["channel", "list", "--url", &org.url]).contains("more than 50000 records or"));
    assert_eq!(org.seen().len(), 26);
    let page = json!({"records": [record(&"x".repeat(15 << 20), ID)], "nextRecordsUrl": "/next"}).to_string();
    let org = Org::start(move |_| status(200, &page));
    assert!(failed(1, &["channel", "list", "--url", &org.url]).contains("or 64 MiB"));
    assert_eq!(org.seen().len(), 5);
}

#[test]
fn a_channel_is_created() {
    let org = Org::start(|_| status(201, &json!({"id": ID, "success": true, "errors": []}).to_string()));
    assert_eq!(printed(&["channel", "create", NAME, "--url", &org.url]), format!("created {NAME}, {ID}\n"));
    let all = ["channel", "create", NAME, "--description", "d", "--json", "--url", &org.url];
    assert_eq!(parsed(&printed(&all)), json!({"id": ID, "name": NAME}));
    let seen = org.seen();
    assert_eq!(seen[0].line(), "POST /services/data/v61.0/sobjects/StreamingChannel");
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(
        (seen[0].json(), seen[1].json()),
        (json!({"Name": NAME}), json!({"Name": NAME, "Description": "d"}))
    );
}

#[test]
fn what_the_guide_forbids_is_not_sent() {
    let org = Org::start(|_| error(500, "X", "asked"));
    let long = format!("/u/{}", "x".repeat(78));
    let description = "d".repeat(256);
    for (name, description, why) in [
        ("/topic/A", "", "does not start with /u/"),
        ("/u/a-b", "", "another character"),
        (long.as_str(), "", "more than 80 characters"),
        ("/u/a", description.as_str(), "has 256 characters; at most 255"),
    ] {
        let said = failed(2, &["channel", "create", name, "--description", description, "--url", &org.url]);
        assert!(said.contains(why), "{name}: {said}");
    }
    for command in ["delete", "subscribers", "push"] {
        let mut arguments = vec!["channel", command, "a' OR Name != '", "--url", &org.url];
        arguments.extend((command == "push").then_some("x"));
        assert!(failed(2, &arguments).contains("does not start with /u/"));
    }
    for arguments in
        [&["channel", "list"][..], &["channel", "create", "/u/a"], &["channel", "delete", "/u/a"]]
    {
        let all: Vec<_> =
            arguments.iter().copied().chain(["--api-version", "28.0", "--url", &org.url]).collect();
        assert!(failed(2, &all).contains("needs API version 29.0 or later, and this is 28.0"));
    }
    assert!(org.seen().is_empty());
}

#[test]
fn what_the_org_refuses_is_told_in_its_words() {
    let org = Org::start(|_| error(400, "DUPLICATE_VALUE", "duplicate value found: Name"));
    let said = failed(69, &["channel", "create", NAME, "--url", &org.url]);
    assert_eq!(said, "cometail: DUPLICATE_VALUE: duplicate value found: Name\n");
}

#[test]
fn a_channel_is_deleted_by_name_or_id() {
    let org =
        Org::start(|asked| found(asked).unwrap_or_else(|| Said::Status(204, String::new(), String::new())));
    for wanted in [NAME, ID] {
        assert_eq!(
            printed(&["channel", "delete", wanted, "--url", &org.url]),
            format!("deleted {NAME}, {ID}\n")
        );
    }
    let all = printed(&["channel", "delete", NAME, "--json", "--url", &org.url]);
    assert_eq!(parsed(&all), json!({"id": ID, "name": NAME}));
    let deletes = org.lines().iter().filter(|line| line.starts_with("DELETE")).cloned().collect::<Vec<_>>();
    assert_eq!(deletes, vec![format!("DELETE /services/data/v61.0/sobjects/StreamingChannel/{ID}"); 3]);
    let said = failed(69, &["channel", "delete", "/u/none", "--url", &org.url]);
    assert!(said.contains("the org has no channel /u/none"), "{said}");
}

#[test]
fn subscribers_are_shown() {
    let org = Org::start(|asked| {
        found(asked)
            .unwrap_or_else(|| ok(&json!({"OnlineUserIds": ["005D0000001QXi1IAG"], "ChannelName": NAME})))
    });
    let table = printed(&["channel", "subscribers", NAME, "--url", &org.url]);
    assert_eq!(table, "USER\n005D0000001QXi1IAG\n");
    assert_eq!(
        org.lines().pop().unwrap(),
        format!("GET /services/data/v61.0/sobjects/StreamingChannel/{ID}/push")
    );
    let all = printed(&["channel", "subscribers", ID, "--json", "--url", &org.url]);
    assert_eq!(parsed(&all), json!({"id": ID, "name": NAME, "users": ["005D0000001QXi1IAG"]}));
}
