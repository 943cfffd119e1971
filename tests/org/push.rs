//! `cometail channel push`.

use std::fs::File;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::channel::{ID, NAME, found};
use crate::server::{Asked, Org, Said, error, ok};
use crate::support::{Cometail, Ended, Place, cometail, json as parsed, wait};
use crate::{TOKEN, failed, printed};

const ONLINE: &str = "005xx000001Svq3AAC";
const OFFLINE: &str = "005xx000001Svq4AAC";

/// What an org says to these events, where one user is there.
fn pushed(asked: &Asked) -> Said {
    let events = asked.json();
    let told = events["pushEvents"].as_array().unwrap().iter().map(|event| {
        let users = event["userIds"].as_array().unwrap();
        let status: serde_json::Map<_, _> =
            users.iter().map(|user| (user.as_str().unwrap().to_owned(), json!(user == ONLINE))).collect();
        let count = if users.is_empty() { -1 } else { i64::from(users.iter().any(|user| user == ONLINE)) };
        json!({"fanoutCount": count, "userOnlineStatus": status})
    });
    ok(&Value::Array(told.collect()))
}

fn org() -> Org {
    Org::start(|asked| found(asked).unwrap_or_else(|| pushed(asked)))
}

/// The bodies of the pushes.
fn bodies(org: &Org) -> Vec<Value> {
    let path = format!("/services/data/v61.0/sobjects/StreamingChannel/{ID}/push");
    org.seen().iter().filter(|one| one.method == "POST" && one.path == path).map(Asked::json).collect()
}

/// Every payload, in the order of its arrival.
fn payloads(org: &Org) -> Vec<String> {
    let events = bodies(org).into_iter().flat_map(|body| body["pushEvents"].as_array().unwrap().clone());
    events.map(|event| event["payload"].as_str().unwrap().to_owned()).collect()
}

/// Pushes what a file holds as standard input.
fn push_lines(org: &Org, text: &str, more: &[&str]) -> Ended {
    let place = Place::new();
    let input = File::open(place.write("input", text)).unwrap();
    let mut arguments = vec!["channel", "push", NAME, "--url", &org.url];
    arguments.extend(more);
    Cometail::start(cometail(&arguments).env("COMETAIL_TOKEN", TOKEN).stdin(input)).end()
}

#[test]
fn an_argument_goes_to_everybody() {
    let org = org();
    let said = printed(&["channel", "push", NAME, "hello \"world\"\n", "--url", &org.url]);
    assert_eq!(said, format!("{NAME} event 1: sent to all subscribers (fanoutCount -1)\n"));
    let wanted = json!({"pushEvents": [{"payload": "hello \"world\"\n", "userIds": []}]});
    assert_eq!(bodies(&org), [wanted]);
}

#[test]
fn users_are_told_online_and_offline() {
    let org = org();
    let users = ["--user", ONLINE, "--user", OFFLINE, "--url", &org.url];
    let arguments: Vec<_> = ["channel", "push", ID, "x"].into_iter().chain(users).collect();
    let said = printed(&arguments);
    let wanted = format!("sent to 1 (fanoutCount 1), {ONLINE} online, {OFFLINE} offline\n");
    assert_eq!(said, format!("{NAME} event 1: {wanted}"));
    assert_eq!(bodies(&org)[0]["pushEvents"][0]["userIds"], json!([ONLINE, OFFLINE]));
    let said = printed(&["channel", "push", ID, "x", "--user", OFFLINE, "--url", &org.url]);
    assert!(said.contains(&format!("nobody listens (fanoutCount 0), {OFFLINE} offline")), "{said}");
    let all: Vec<_> = arguments.into_iter().chain(["--json"]).collect();
    let wanted = json!({
        "id": ID, "name": NAME, "sent": 1,
        "events": [{"fanout_count": 1, "user_online_status": {ONLINE: true, OFFLINE: false}}]
    });
    assert_eq!(parsed(&printed(&all)), wanted);
}

#[test]
fn a_file_is_one_event() {
    let (org, place) = (org(), Place::new());
    let text = "{\n  \"a\": \"\u{e9}\"\n}\n";
    let file = place.write("note.json", text);
    printed(&["channel", "push", NAME, "--file", &file, "--url", &org.url]);
    assert_eq!(payloads(&org), [text]);
    let file = place.write("long", &"x".repeat(3_001));
    let said = failed(2, &["channel", "push", NAME, "--file", &file, "--url", &org.url]);
    assert!(said.contains("more than the 3000 bytes of a payload"), "{said}");
    failed(74, &["channel", "push", NAME, "--file", &place.text("none"), "--url", &org.url]);
    assert_eq!(bodies(&org).len(), 1);
}

#[test]
fn what_is_too_long_or_for_nobody_is_not_sent() {
    let org = org();
    let long = "x".repeat(3_001);
    let said = failed(2, &["channel", "push", NAME, &long, "--url", &org.url]);
    assert!(said.contains("the payload has 3001 bytes; at most 3000"), "{said}");
    for user in ["me", "005xx000001Svq3AAB", ID] {
        for payload in [&["x"][..], &[]] {
            let mut arguments = vec!["channel", "push", NAME, "--user", user, "--url", &org.url];
            arguments.extend(payload);
            assert!(failed(2, &arguments).contains("is no user id"));
        }
    }
    assert!(org.seen().is_empty());
}

#[test]
fn each_line_of_standard_input_is_an_event() {
    let org = org();
    let lines: Vec<_> = (1..=250).map(|n| format!("line {n}")).collect();
    let ended = push_lines(&org, &(lines.join("\n") + "\n\n"), &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(payloads(&org), lines);
    assert!((3..=250).contains(&bodies(&org).len()));
    let told: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(told.len(), 250);
    assert!(told[249].starts_with(&format!("{NAME} event 250: ")), "{}", told[249]);
    let ended = push_lines(&org, "a\nb", &["--json"]);
    let all = parsed(&ended.stdout);
    assert_eq!((ended.code, &all["sent"], all["events"].as_array().unwrap().len()), (Some(0), &json!(2), 2));
    let ended = push_lines(&org, "", &["--json"]);
    assert_eq!(parsed(&ended.stdout), json!({"id": ID, "name": NAME, "events": [], "sent": 0}));
}

#[test]
fn a_line_is_sent_when_it_comes() {
    let org = org();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let child = Cometail::start(cometail(&["channel", "push", NAME, "--url", &org.url]).stdin(reader));
    for (count, line) in ["one", "two"].iter().enumerate() {
        writeln!(writer, "{line}").unwrap();
        wait("the line at the org", || payloads(&org).len() == count + 1);
    }
    child.wait_lines(2);
    drop(writer);
    assert_eq!(child.end().code, Some(0));
    assert_eq!(payloads(&org), ["one", "two"]);
}

#[test]
fn a_bad_line_ends_what_comes_after_it() {
    let org = org();
    let ended = push_lines(&org, &format!("a\nb\n{}\nc\n", "x".repeat(10_000)), &["--json"]);
    assert_eq!(ended.code, Some(1));
    let why = "standard input, after 2 event(s): a line has more than 3000 bytes; nothing after it was sent";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    assert_eq!(payloads(&org), ["a", "b"]);
    assert_eq!(parsed(&ended.stdout)["sent"], 2, "the document is whole");
}

#[test]
fn an_answer_that_is_lost_leaves_open_what_was_taken() {
    let org = Org::start(|asked| found(asked).unwrap_or(Said::Close));
    let said = failed(1, &["channel", "push", NAME, "x", "--url", &org.url]);
    assert!(said.contains("the org may have taken the last 1 event(s) all the same"), "{said}");
    assert_eq!(bodies(&org).len(), 1, "it is not sent again");
}

#[test]
fn an_org_that_tells_of_no_user_has_taken_the_event_all_the_same() {
    let told = json!([{"fanoutCount": 1, "userOnlineStatus": null}]);
    let org = Org::start(move |asked| found(asked).unwrap_or_else(|| ok(&told)));
    assert!(printed(&["channel", "push", NAME, "x", "--url", &org.url]).contains("sent to 1"));
}

#[test]
fn a_refusal_ends_with_what_was_sent() {
    let org = Org::start(|asked| match found(asked) {
        Some(said) => said,
        None => error(400, "LIMIT_EXCEEDED", "events"),
    });
    let ended = push_lines(&org, "a\n", &["--json"]);
    assert_eq!((ended.code, &parsed(&ended.stdout)["sent"]), (Some(69), &json!(0)));
    assert!(ended.stderr.contains("LIMIT_EXCEEDED: events"), "{}", ended.stderr);
    let short = Org::start(|asked| found(asked).unwrap_or_else(|| ok(&json!([]))));
    let ended = push_lines(&short, "a\n", &[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("1 event(s) were pushed, and the org tells of 0"), "{}", ended.stderr);
}
