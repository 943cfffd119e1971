//! Which org, with which token, and how a command ends that gets no answer it can use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{Org, Said, error, ok, status};
use crate::support::{Cometail, Ended, Place, cometail, run};
use crate::{TOKEN, failed, printed};

/// An org whose limits are none.
fn open() -> Org {
    Org::start(|_| ok(&json!({})))
}

#[test]
fn an_org_must_be_named() {
    assert!(failed(2, &["limits"]).contains("--url ORG"));
    for url in ["acme", "ftp://acme.example", "https://", "http://"] {
        let said = failed(2, &["limits", "--url", url]);
        assert!(said.contains("https://acme.my.salesforce.com"), "{said}");
    }
    assert!(failed(2, &["limits", "--url", "http://127.0.0.1/cometd/x.0"]).contains("61.0"));
    for version in ["19.0", "x", "61.5", "-1", ""] {
        let url = "http://127.0.0.1";
        let flag = format!("--api-version={version}");
        assert!(failed(2, &["limits", "--url", url, &flag]).contains("wanted an API version"), "{version}");
    }
}

#[test]
fn a_password_in_the_url_is_refused_and_not_shown() {
    for url in ["https://user:hush@acme.example/", "https://hush@acme.example", "x://user:hush@a", "hush@a:b"]
    {
        failed(2, &["whoami", "--url", url]);
    }
}

#[test]
fn the_endpoint_says_the_version_unless_an_option_does() {
    let org = open();
    for (path, option, version) in [
        ("", None, "61.0"),
        ("/", None, "61.0"),
        ("/cometd/37.0", None, "37.0"),
        ("/cometd/37.0/", None, "37.0"),
        ("/cometd", None, "22.0"),
        ("/cometd/37.0", Some("58.0"), "58.0"),
        ("", Some("58"), "58.0"),
        ("", Some("v58.0"), "58.0"),
    ] {
        let url = org.url.clone() + path;
        let mut arguments = vec!["limits", "--json", "--url", &url];
        arguments.extend(option.iter().flat_map(|option| ["--api-version", option]));
        printed(&arguments);
        assert_eq!(org.lines().pop().unwrap(), format!("GET /services/data/v{version}/limits"), "{path}");
    }
}

#[test]
fn the_token_comes_from_the_environment_or_a_file_and_goes_out_once_a_request() {
    let org = open();
    printed(&["limits", "--url", &org.url]);
    let place = Place::new();
    let file = place.write("token", " 00D!from-a-file\n");
    printed(&["limits", "--url", &org.url, "--token-file", &file]);
    assert_eq!(run(&["limits", "--url", &org.url]).code, Some(0));
    let seen = org.seen();
    let tokens: Vec<_> = seen.iter().map(|asked| asked.header("authorization")).collect();
    let first = format!("Bearer {TOKEN}");
    assert_eq!(tokens, [Some(first.as_str()), Some("Bearer 00D!from-a-file"), None]);
    assert!(seen.iter().all(|asked| asked.header("content-type").is_none() && asked.body.is_empty()));
}

#[test]
fn a_file_that_holds_no_token_ends_with_77() {
    let org = open();
    let place = Place::new();
    for text in ["", "two words"] {
        let file = place.write("token", text);
        let said = failed(77, &["limits", "--url", &org.url, "--token-file", &file]);
        assert!(said.contains("no access token from the file"), "{said}");
    }
    assert!(org.seen().is_empty());
}

#[test]
fn a_refused_token_is_read_again_once() {
    let place = Arc::new(Place::new());
    let file = place.write("token", "00D!old-old-old");
    let written = Arc::clone(&place);
    let org = Org::start(move |asked| {
        if asked.header("authorization") == Some("Bearer 00D!new-new-new") {
            return ok(&json!({}));
        }
        written.write("token", "00D!new-new-new");
        error(401, "INVALID_SESSION_ID", "Session expired or invalid")
    });
    printed(&["limits", "--url", &org.url, "--token-file", &file]);
    assert_eq!(org.seen().len(), 2);
}

#[test]
fn a_token_that_stays_refused_ends_with_77_and_is_not_tried_for_ever() {
    for body in ["", "<html>", r#"[{"errorCode":"INVALID_SESSION_ID","message":"x"}]"#] {
        let org = Org::start(move |_| status(401, body));
        let said = failed(77, &["limits", "--url", &org.url]);
        assert!(said.contains("the server refused the access token of the environment variable"), "{said}");
        assert_eq!(org.seen().len(), 1);
    }
    let turn = AtomicUsize::new(0);
    let place = Arc::new(Place::new());
    let file = place.write("token", "00D!always-new-0");
    let written = Arc::clone(&place);
    let org = Org::start(move |asked| {
        written.write("token", &format!("00D!always-new-{}", turn.fetch_add(1, Ordering::SeqCst) + 1));
        let token = asked.header("authorization").unwrap();
        error(401, "INVALID_SESSION_ID", &format!("bad: {token}"))
    });
    let said = failed(77, &["limits", "--url", &org.url, "--token-file", &file]);
    assert!(said.contains("refused a new access token too"), "{said}");
    assert!(said.contains("bad: Bearer ***") && !said.contains("always"), "{said}");
    assert_eq!(org.seen().len(), 2);
}

#[test]
fn an_org_that_wants_a_token_says_so_where_there_is_none() {
    let org = Org::start(|_| status(401, ""));
    let ended = run(&["limits", "--url", &org.url]);
    assert_eq!(ended.code, Some(77));
    assert!(ended.stderr.contains("set COMETAIL_TOKEN, --token-file"), "{}", ended.stderr);
}

#[test]
fn exit_codes_tell_who_may_do_what() {
    for (number, code, exit) in [
        (403, "INSUFFICIENT_ACCESS_OR_READONLY", 77),
        (403, "API_DISABLED_FOR_ORG", 77),
        (403, "FORBIDDEN", 77),
        (403, "REQUEST_LIMIT_EXCEEDED", 1),
        (404, "NOT_FOUND", 69),
        (400, "INVALID_FIELD", 69),
        (429, "TOO_MANY", 1),
        (500, "UNKNOWN_EXCEPTION", 1),
        (503, "SERVER_UNAVAILABLE", 1),
    ] {
        let org = Org::start(move |_| {
            error(number, code, "the reason\u{1b}[31m, with 00Dxx0000001gPL!hush-hush-hush")
        });
        let said = failed(exit, &["limits", "--url", &org.url]);
        let asked = "; asked was GET /services/data/v61.0/limits; 'cometail whoami' shows the API versions of the org";
        let more = if number == 404 { asked } else { "" };
        assert_eq!(said, format!("cometail: {code}: the reason [31m, with ***{more}\n"));
        assert_eq!(org.seen().len(), 1);
    }
}

#[test]
fn answers_that_are_none_of_an_org_are_told_as_such() {
    for (number, body, exit, wanted) in [
        (200, "<html>Welcome</html>", 1, "the answer is not what was expected"),
        (200, "[", 1, "the answer is not what was expected"),
        (200, "", 1, "the answer is not what was expected: there is none"),
        (200, r#"{"error": null, "A": {"Max": "1"}}"#, 1, "tells of no limit"),
        (403, "", 77, "HTTP 403"),
        (503, "<html>", 1, "with a page for people; the org is in trouble"),
        (404, "<html>", 69, "with a page for people"),
        (404, "no such page", 69, "HTTP 404: no such page"),
        (404, "", 69, "HTTP 404"),
        (400, r#"{"error":"invalid_request","error_description":"why"}"#, 69, "invalid_request: why"),
        (400, r#"[{"errorCode":7,"message":{"a":1},"fields":["A","B"]}]"#, 69, r#"7: {"a":1} [A, B]"#),
        (400, "[{}]", 69, "HTTP 400: [{}]"),
    ] {
        let org = Org::start(move |_| status(number, body));
        let said = failed(exit, &["limits", "--url", &org.url]);
        assert!(said.contains(wanted), "{body}: {said}");
    }
}

#[test]
fn a_wait_that_the_org_asks_for_is_told() {
    for (number, body) in [(429, ""), (503, "<html>"), (403, r#"[{"errorCode": "REQUEST_LIMIT_EXCEEDED"}]"#)]
    {
        let org = Org::start(move |_| Said::Status(number, "Retry-After: 90\r\n".into(), body.into()));
        let said = failed(1, &["limits", "--url", &org.url]);
        assert!(said.ends_with("; it wants to be left alone for 90 s\n"), "{said}");
    }
}

#[test]
fn a_change_without_a_clear_answer_may_be_done_and_is_not_asked_for_again() {
    let (gateway, half) = ("<html>Bad Gateway</html>", r#"{"id": "0M6"#);
    for (number, body, open) in [
        (502, gateway, true),
        (504, "", true),
        (201, half, true),
        (201, "", true),
        (201, r#"{"id": null}"#, true),
        (500, r#"[{"errorCode": "UNKNOWN_EXCEPTION", "message": "x"}]"#, false),
        (400, "", false),
        (302, "", false),
    ] {
        let org = Org::start(move |_| status(number, body));
        for command in [&["channel", "create", "/u/a"][..], &["limits"]] {
            let ended = run(&[command, &["--url", &org.url]].concat());
            let is_told = ended.stderr.contains("may have been done all the same");
            let is_change = command.len() > 1;
            assert_eq!(is_told, open && is_change, "{number} {body}: {}", ended.stderr);
        }
        assert_eq!(org.seen().len(), 2);
    }
    let org = Org::start(|_| Said::Close);
    assert!(failed(1, &["channel", "create", "/u/a", "--url", &org.url]).contains("may have been done"));
    assert_eq!(org.seen().len(), 1);
}

#[test]
fn nothing_is_changed_but_what_was_named() {
    let record = |id: &str, name: &str| json!({"records": [{"Id": id, "Name": name}]});
    for (code, found, command) in [
        (69, record("0M6D000000000g7KXA", "/u/other"), "channel delete /u/a"),
        (69, record("0M6D000000000g7KXA", "/u/other"), "channel push /u/a x"),
        (1, record("..", "/u/a"), "channel delete /u/a"),
        (1, record("", "/u/a"), "channel push /u/a x"),
        (69, record("0IFD0000000000tOAA", "Other"), "topic delete Mine"),
        (69, record("0IFD0000000000tOAA", "Other"), "topic deactivate 0IFD0000000000u"),
    ] {
        let org = Org::start(move |_| ok(&found));
        let words: Vec<_> = command.split(' ').chain(["--url", &org.url]).collect();
        failed(code, &words);
        assert_eq!(org.seen().len(), 1, "{command}: {:?}", org.lines());
    }
}

#[test]
fn an_answer_is_bounded_before_and_after_inflation() {
    let large = "x".repeat((16 << 20) + 1);
    let org = Org::start(move |_| status(200, &large));
    assert!(failed(1, &["limits", "--url", &org.url]).contains("too large"));
    // What is small as a text, and large when it is taken apart, is not taken apart.
    let many = format!("[{}{{}}]", "{},".repeat(1 << 20));
    let org = Org::start(move |_| status(400, &many));
    assert!(failed(69, &["limits", "--url", &org.url]).contains("HTTP 400: [{},{},"));
}

#[test]
fn a_redirect_to_another_origin_takes_no_token_along() {
    let other = open();
    let to = format!("Location: {}/services/data/v61.0/limits\r\n", other.url);
    for number in [301, 302, 303, 307, 308] {
        let to = to.clone();
        let org = Org::start(move |_| Said::Status(number, to.clone(), String::new()));
        assert!(failed(1, &["limits", "--url", &org.url]).contains("another origin"));
    }
    assert!(other.seen().is_empty());
}

#[test]
fn a_redirect_within_the_org_is_followed() {
    for number in [301, 302, 303, 307, 308] {
        let org = Org::start(move |asked| match asked.path.as_str() {
            "/there" => ok(&json!({})),
            _ => Said::Status(number, "Location: /there\r\n".into(), String::new()),
        });
        printed(&["limits", "--url", &org.url]);
        assert_eq!(org.lines(), ["GET /services/data/v61.0/limits", "GET /there"]);
    }
}

#[test]
fn an_org_that_says_nothing_is_given_up() {
    let silent = Org::start(|_| Said::Nothing);
    let begun = Instant::now();
    assert!(failed(1, &["limits", "--url", &silent.url, "--timeout", "200ms"]).contains("deadline of 200ms"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let closing = Org::start(|_| Said::Close);
    assert!(failed(1, &["limits", "--url", &closing.url]).contains("no response"));
    let (nobody, _listen) = crate::support::listen_later();
    assert!(failed(1, &["limits", "--url", &format!("http://{nobody}")]).contains("connect"));
}

#[test]
fn a_connection_of_the_configuration_says_org_token_and_version() {
    let (org, place) = (open(), Place::new());
    let token = place.write("token", "00D!of-the-connection");
    let one = |name: &str, version: &str| {
        format!(
            "[connection.{name}]\nurl = \"{}/cometd/{version}\"\nchannels = [\"/u/a\"]\nproxy = \"direct\"\n\
             login.token.file = {token:?}\n",
            org.url
        )
    };
    let sink = "[state]\npersist = false\n[sink.a.stdout]\n";
    let alone = place.write("one.toml", &(one("a", "58.0") + sink));
    let both = place.write("both.toml", &(one("a", "58.0") + &one("b", "59.0") + sink));
    printed(&["limits", "-c", &alone]);
    printed(&["limits", "-c", &both, "--connection", "b"]);
    printed(&["limits", "-c", &both, "--connection", "b", "--api-version", "60.0"]);
    let lines = ["58.0", "59.0", "60.0"].map(|version| format!("GET /services/data/v{version}/limits"));
    assert_eq!(org.lines(), lines);
    let token = Some("Bearer 00D!of-the-connection");
    assert!(org.seen().iter().all(|asked| asked.header("authorization") == token));
    for arguments in [&["limits", "-c", &both][..], &["limits", "-c", &both, "--connection", "c"]] {
        assert!(failed(2, arguments).contains("--connection wants one of: a, b"));
    }
    failed(2, &["limits", "-c", &both, "--url", &org.url]);
    let bad = place.write("bad.toml", "[connection]\nx = 1\n");
    assert!(failed(78, &["limits", "-c", &bad, "--connection", "x"]).contains("bad.toml:"));
}

#[test]
fn a_standard_output_that_is_full_ends_with_74() {
    let org = open();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child =
        cometail(&["limits", "--url", &org.url]).stdout(full).stderr(std::process::Stdio::piped()).spawn();
    let output = child.unwrap().wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.contains("standard output")), (Some(74), true), "{said}");
}

#[test]
fn every_exchange_is_recorded_without_the_token() {
    let (org, place) =
        (Org::start(|_| ok(&json!({"echo": TOKEN, "A": {"Max": 1, "Remaining": 1}}))), Place::new());
    let file = place.text("wire.har");
    printed(&["limits", "--url", &org.url, "--wire", &file]);
    let text = std::fs::read_to_string(&file).unwrap();
    let har = crate::support::json(&text);
    let request = &har["log"]["entries"][0]["request"];
    assert_eq!(request["method"], "GET");
    assert!(request.get("postData").is_none() && !text.contains("hush"), "{text}");
    let said = failed(74, &["limits", "--url", &org.url, "--wire", &place.text("none/wire.har")]);
    assert!(said.contains("--wire"), "{said}");
}

#[test]
fn a_token_over_plain_http_is_warned_of() {
    let (nobody, _listen) = crate::support::listen_later();
    let port = nobody.rsplit(':').next().unwrap();
    for (host, warned) in [("127.0.0.1", false), ("localhost", false), ("0.0.0.0", true)] {
        let said = failed(1, &["limits", "--url", &format!("http://{host}:{port}")]);
        assert_eq!(said.contains("everybody on the way can read the access token"), warned, "{host}: {said}");
    }
}

#[test]
fn every_command_has_an_example_in_its_help() {
    for command in [
        "whoami",
        "limits",
        "channel list",
        "channel create",
        "channel delete",
        "channel push",
        "channel subscribers",
    ] {
        let arguments: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let Ended { code, stdout, .. } = Cometail::start(&mut cometail(&arguments)).end();
        assert_eq!(code, Some(0));
        assert!(
            stdout.contains(&format!("cometail {command}")) && stdout.contains("COMETAIL_TOKEN"),
            "{stdout}"
        );
        // An example that was broken up would not run as it stands there.
        let broken = |line: &str| line.starts_with("  --") || line.starts_with("  https:");
        assert!(!stdout.lines().any(broken), "{stdout}");
    }
}
