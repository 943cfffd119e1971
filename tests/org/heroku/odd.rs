//! Services that misbehave.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use super::{KEY, TOKEN, failed, heroku, heroku_in, printed};
use crate::server::{Asked, Org, Said, ok, status};
use crate::support::{Place, json as parsed, listen_later};

/// A connection with one mapping.
fn connection(state: &str, revision: u64, fields: &Value) -> Said {
    let mapping = json!({"id": "m1", "object_name": "Contact", "state": state,
        "config": {"access": "read_only", "fields": fields, "revision": revision, "sf_max_daily_api_calls": 30000,
            "of_tomorrow": [1]}});
    ok(&json!({"id": "c1", "mappings": [mapping]}))
}

fn fields(names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), json!({}))).collect()
}

/// Counts the requests that a script has answered.
fn counted(script: impl Fn(usize, &Asked) -> Said + Send + Sync + 'static) -> Org {
    let turn = AtomicUsize::new(0);
    Org::start(move |asked| script(turn.fetch_add(1, Ordering::SeqCst), asked))
}

#[test]
fn a_change_between_reading_and_writing_is_shown_as_what_changed() {
    let service = counted(|turn, asked| match (turn, asked.method.as_str()) {
        (0, _) => connection("POLLING_SF_CHANGES", 7, &fields(&["Id", "Phone"])),
        (_, "PUT") => status(409, r#"{"message": "changed meanwhile"}"#),
        _ => connection("SCHEMA_CHANGED", 9, &fields(&["Id", "Email\u{1b}[2J"])),
    });
    let said = failed(1, &service.url, &["remap", "c1", "Contact", "--field", "Title"]);
    let told = "cometail: conflict: the mapping of Contact is at revision 9, the change was made from 7; nothing was \
                changed\nSince then:\n  + fields.Email\\u{1b}[2J\n  - fields.Phone\n";
    assert!(said.starts_with(told), "{said}");
    let put = service.seen().remove(1);
    let sent = json!({"object_name": "Contact", "config": {"access": "read_only", "revision": 7,
        "fields": {"Id": {}, "Phone": {}, "Title": {}}, "sf_max_daily_api_calls": 30000, "of_tomorrow": [1]}});
    assert_eq!((put.line().as_str(), put.json()), ("PUT /api/v3/mappings/m1", sent));
}

#[test]
fn a_refusal_that_nobody_elses_change_explains_is_told_in_the_services_words() {
    for number in [400, 409, 412, 422] {
        let service = Org::start(move |asked| match asked.method.as_str() {
            "PUT" => status(number, r#"{"error": "Contact is still syncing."}"#),
            _ => connection("SCHEMA_CHANGED", 7, &fields(&["Id"])),
        });
        let said = failed(69, &service.url, &["remap", "c1", "Contact", "--field", "Title"]);
        assert_eq!(said, format!("cometail: Contact is still syncing. (HTTP {number})\n"));
    }
}

#[test]
fn a_mapping_that_is_not_there_and_a_field_that_is_not_mapped() {
    let service = Org::start(|_| connection("SCHEMA_CHANGED", 7, &fields(&["Id"])));
    let remap = |more: &[&'static str]| [&["remap", "c1"], more].concat();
    assert!(failed(69, &service.url, &remap(&["Account"])).contains("no mapping \"Account\""));
    let said = failed(2, &service.url, &remap(&["Contact", "--drop-field", "Name"]));
    assert!(said.contains("--drop-field: Name is not among the fields of \"Contact\""), "{said}");
    let said = failed(2, &service.url, &remap(&["Contact", "--drop-field", "Id"]));
    assert!(said.contains("fields: at least one is wanted"), "{said}");
    assert!(service.lines().iter().all(|line| line == "GET /api/v3/connections/c1?deep=true"));
}

#[test]
fn page_links_take_the_token_nowhere_else_and_have_an_end() {
    let other = Org::start(|_| ok(&json!({"results": []})));
    for next in [
        other.url.clone() + "/api/v3/connections?page=2",
        "https://evil.example/x".into(),
        "//e/".into(),
        "http://".into(),
    ] {
        let service = Org::start(move |_| ok(&json!({"results": [], "next": next})));
        let said = failed(1, &service.url, &["connections", "--app", "a"]);
        assert!(said.contains("leads away from the API; nothing was sent there"), "{said}");
        assert_eq!(service.seen().len(), 1);
    }
    assert!(other.seen().is_empty());
    let endless = Org::start(|_| ok(&json!({"results": [{"id": "c1"}], "next": "?page=1"})));
    assert!(failed(1, &endless.url, &["connections", "--app", "a"]).contains("more than"));
    assert_eq!(endless.seen().len(), 100);
}

#[test]
fn an_id_leads_nowhere_else() {
    let service = Org::start(|_| {
        ok(&json!({"id": "c1", "mappings": [{"id": "../x", "object_name": "Contact",
        "config": {"fields": {"Id": {}}, "revision": 1}}]}))
    });
    for id in ["..", "a/../b", "a?b", "%2e%2e", ""] {
        assert!(failed(2, &service.url, &["connection", id]).contains("wanted letters, digits"), "{id}");
    }
    assert!(service.seen().is_empty());
    assert!(failed(1, &service.url, &["remap", "c1", "Contact", "--field", "A"]).contains("is no id"));
    assert_eq!(service.seen().len(), 1);
}

#[test]
fn the_key_goes_to_the_authorization_service_and_its_token_to_the_api() {
    let authority = counted(|turn, _| {
        ok(&json!({"access_tokens": [{"token": format!("hush-of-turn-{turn}"), "expires_in": 3600}]}))
    });
    let service = counted(|turn, asked| match turn {
        0 => status(401, &json!({"message": asked.header("authorization")}).to_string()),
        _ => ok(&json!({"id": "c1"})),
    });
    let place = Place::new();
    let wire = place.text("wire.har");
    let arguments =
        ["connection", "c1", "--url", &service.url, "--auth-url", &authority.url, "--wire", &wire];
    let ended = heroku_in(&[("HEROKU_API_KEY", "hush-key")], &arguments);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let har = std::fs::read_to_string(&wire).unwrap();
    assert!(
        har.contains("/oauth/authorizations") && !har.contains("hush") && !har.contains("Omh1c2g"),
        "{har}"
    );
    let headers = |org: &Org| -> Vec<_> {
        org.seen().iter().map(|asked| asked.header("authorization").unwrap().to_owned()).collect()
    };
    assert_eq!(headers(&authority), ["Basic Omh1c2gta2V5", "Basic Omh1c2gta2V5"]);
    assert_eq!(headers(&service), ["Bearer hush-of-turn-0", "Bearer hush-of-turn-1"]);
    let asked = authority.seen().remove(0);
    assert_eq!(asked.line(), "POST /oauth/authorizations");
    assert_eq!(asked.json(), json!({"description": "cometail", "expires_in": 3600, "scope": ["global"]}));
}

#[test]
fn a_token_that_stays_refused_is_not_got_for_ever() {
    let authority = Org::start(|_| ok(&json!({"access_token": {"token": "hush-hush-hush"}})));
    let service = Org::start(|_| status(401, r#"{"message": "bad hush-hush-hush of hush-key-hush"}"#));
    let arguments = ["connection", "c1", "--url", &service.url, "--auth-url", &authority.url];
    let ended = heroku_in(&[("HEROKU_API_KEY", "hush-key-hush")], &arguments);
    assert_eq!(ended.code, Some(77));
    assert_eq!(ended.stderr, "cometail: a new access token is refused too: bad *** of *** (HTTP 401)\n");
    assert_eq!((authority.seen().len(), service.seen().len()), (2, 2));
    let ended = heroku_in(&[(TOKEN, "hush-hush-hush")], &arguments);
    assert_eq!((ended.code, service.seen().len()), (Some(77), 3));
    assert!(ended.stderr.contains("the access token is refused: bad *** of"), "{}", ended.stderr);
}

#[test]
fn exit_codes_tell_who_may_do_what() {
    for (number, exit) in [(400, 69), (403, 77), (404, 69), (409, 69), (429, 1), (500, 1), (503, 1)] {
        let service = Org::start(move |_| {
            status(number, &json!({"message": format!("why\u{1b}[2J {KEY}")}).to_string())
        });
        let said = failed(exit, &service.url, &["pause", "c1"]);
        let open = "; it may have been done all the same; look before it is asked for again";
        let open = if number < 500 { "" } else { open };
        assert_eq!(said, format!("cometail: why [2J ***{open} (HTTP {number})\n"));
    }
    for body in ["<html>", "[", "", "{}"] {
        let service = Org::start(move |_| status(200, body));
        let said = failed(1, &service.url, &["connection", "c1"]);
        assert!(said.contains("GET /api/v3/connections/c1: the answer is not what was expected"), "{said}");
    }
    let (nobody, _listen) = listen_later();
    assert!(failed(1, &format!("http://{nobody}"), &["connection", "c1"]).contains("connect"));
}

#[test]
fn a_wait_outlasts_what_passes_and_ends_with_what_does_not() {
    let service = counted(|turn, _| match turn {
        0 => Said::Status(202, String::new(), String::new()),
        1 => Said::Status(503, "Retry-After: 1\r\n".into(), r#"{"message": "later"}"#.into()),
        2 => Said::Close,
        3 => ok(&json!({"id": "c1", "state": "PAUSING"})),
        _ => ok(&json!({"id": "c1", "state": "PAUSED"})),
    });
    let begun = Instant::now();
    let ended = heroku(&service.url, &["pause", "c1", "--wait"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "pausing c1: PAUSED\n"), "{}", ended.stderr);
    assert!(begun.elapsed().as_millis() >= 1_000, "the service asked to be left alone");
    let lines: Vec<_> = ended.stderr.lines().collect();
    let later = "c1: later (HTTP 503); it wants to be left alone for 1 s";
    assert_eq!((lines[0], lines[2], lines[3]), (later, "c1: PAUSING", "c1: PAUSED"));

    for (turns, code, wanted) in [
        ("SYSTEM_ERROR", 1, "SYSTEM_ERROR will not get on"),
        ("", 77, "gone"),
        ("none", 1, "the mapping is gone"),
    ] {
        let made = json!({"id": "m1", "object_name": "Contact", "state": "SCHEMA_CHANGED", "config": {"revision": 1}});
        let service = Org::start(move |asked| match (asked.method.as_str(), turns) {
            ("POST", _) => ok(&made),
            (_, "") => status(403, r#"{"message": "gone"}"#),
            (_, "none") => ok(&json!({"id": "c1", "mappings": null})),
            (_, state) => connection(state, 1, &fields(&["Id"])),
        });
        let ended = heroku(&service.url, &["map", "c1", "Contact", "--field", "Id", "--wait", "--json"]);
        assert_eq!((ended.code, &parsed(&ended.stdout)["id"]), (Some(code), &json!("m1")));
        assert!(ended.stderr.contains(wanted), "{}", ended.stderr);
    }
}

#[test]
fn a_mapping_without_a_clear_answer_may_be_there() {
    for (number, body) in [(201, ""), (201, r#"{"id": "#), (502, "<html>")] {
        let service = Org::start(move |_| status(number, body));
        let said = failed(1, &service.url, &["map", "c1", "Contact", "--field", "Id"]);
        assert!(said.contains("may have been done all the same"), "{said}");
        assert_eq!(service.seen().len(), 1);
    }
    let service = Org::start(|_| Said::Close);
    let said = failed(1, &service.url, &["map", "c1", "Contact", "--field", "Id"]);
    assert!(said.contains("may have been done all the same") && service.seen().len() == 1, "{said}");
}

#[test]
fn lists_are_bounded_and_a_next_page_of_no_name_is_none() {
    let service = Org::start(|_| ok(&json!({"results": [{"id": "x"}], "next": ""})));
    printed(&service.url, &["connections", "--app", "a"]);
    assert_eq!(service.seen().len(), 1);
    let page = json!({"results": [{"id": "x".repeat(9 << 20)}], "next": "/x"}).to_string();
    let service = Org::start(move |_| status(200, &page));
    assert!(failed(1, &service.url, &["connections", "--app", "a"]).contains("16 MiB"));
    assert_eq!(service.seen().len(), 2);
}

#[test]
fn a_service_that_does_not_answer_is_given_up_in_time() {
    let silent = Org::start(|_| Said::Nothing);
    assert!(failed(1, &silent.url, &["connection", "c1", "--timeout", "300ms"]).contains("timeout"));
    let service = counted(|turn, _| if turn == 0 { status(202, "") } else { Said::Nothing });
    let begun = Instant::now();
    let ended = heroku(&service.url, &["pause", "c1", "--wait", "--timeout", "1s"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("--timeout says how long to wait"), "{}", ended.stderr);
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
}

#[test]
fn no_word_of_a_service_controls_the_terminal() {
    let evil = "\u{1b}[2J\u{7}";
    let service = Org::start(move |asked| {
        let one = json!({"id": evil, "name": evil, "app_name": evil, "state": evil, "schema_name": evil,
            "database": {"host": evil}, "mappings": [{"id": evil, "object_name": evil, "config": {"access": evil}}]});
        if asked.path.contains("app=") { ok(&json!({"results": [one]})) } else { ok(&one) }
    });
    for arguments in [&["connections", "--app", "a"][..], &["connection", "c1"]] {
        let table = printed(&service.url, arguments);
        assert!(!table.contains(['\u{1b}', '\u{7}']) && table.contains("\\u{1b}[2J"), "{table:?}");
    }
}
