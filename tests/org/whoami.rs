//! `cometail whoami`.

use serde_json::{Value, json};

use crate::server::{Org, Said, error, ok, status};
use crate::support::json as parsed;
use crate::{failed, printed};

fn userinfo() -> Value {
    json!({
        "sub": "https://login.salesforce.com/id/00Dxx0000001gPLEAY/005xx000001Svq3AAC",
        "user_id": "005xx000001Svq3AAC", "organization_id": "00Dxx0000001gPLEAY",
        "preferred_username": "admin@example.com", "nickname": "admin", "name": "Ada Min",
        "email": "ada@example.com", "email_verified": true, "zoneinfo": "Asia/Tokyo", "active": true,
        "user_type": "STANDARD", "language": "ja", "locale": "ja_JP", "utcOffset": 32_400_000,
        "urls": {"rest": "https://acme.my.salesforce.com/services/data/v{version}/"}
    })
}

fn versions() -> Said {
    ok(&json!([
        {"label": "Winter '16", "url": "/services/data/v35.0", "version": "35.0"},
        {"label": "Summer '24", "url": "/services/data/v61.0", "version": "61.0"}
    ]))
}

#[test]
fn a_user_and_an_org_are_shown() {
    let org = Org::start(|asked| match asked.path.as_str() {
        "/services/oauth2/userinfo" => ok(&userinfo()),
        "/services/data" => versions(),
        _ => error(404, "NOT_FOUND", "no"),
    });
    let all = parsed(&printed(&["whoami", "--json", "--url", &org.url]));
    let wanted = json!({
        "user_id": "005xx000001Svq3AAC", "organization_id": "00Dxx0000001gPLEAY",
        "username": "admin@example.com", "display_name": "Ada Min", "email": "ada@example.com", "active": true,
        "user_type": "STANDARD", "language": "ja", "locale": "ja_JP", "timezone": "Asia/Tokyo",
        "scopes": null, "instance": org.url, "api_version": "61.0", "api_versions": ["35.0", "61.0"]
    });
    assert_eq!(all, wanted);
    let table = printed(&["whoami", "--url", &org.url]);
    for line in
        ["username      admin@example.com\n", "API versions  35.0 to 61.0\n", "scopes        not told\n"]
    {
        assert!(table.contains(line), "{table}");
    }
    let odd = printed(&["whoami", "--url", &org.url, "--api-version", "99.0"]);
    assert!(odd.contains("99.0, which this org does not speak"), "{odd}");
}

#[test]
fn the_identity_is_asked_of_the_org_itself() {
    let org = Org::start(|asked| match asked.path.as_str() {
        "/services/data/v61.0/" => ok(
            &json!({"sobjects": "/services/data/v61.0/sobjects", "identity": "https://evil.example/id/00D/005"}),
        ),
        "/id/00D/005" => ok(&json!({
            "id": "x", "user_id": "005", "organization_id": "00D", "username": "u", "display_name": "U",
            "timezone": "Asia/Tokyo", "active": false
        })),
        "/services/data" => versions(),
        _ => error(404, "NOT_FOUND", "no"),
    });
    let all = parsed(&printed(&["whoami", "--json", "--url", &org.url]));
    assert_eq!(
        (&all["username"], &all["timezone"], &all["active"]),
        (&json!("u"), &json!("Asia/Tokyo"), &json!(false))
    );
    assert_eq!(org.lines().len(), 3);
}

#[test]
fn a_user_that_nobody_tells_of_ends_with_the_first_reason() {
    let org = Org::start(|asked| match asked.path.as_str() {
        "/services/oauth2/userinfo" => status(403, "insufficient scope"),
        _ => error(404, "NOT_FOUND", "no such resource"),
    });
    assert!(failed(69, &["whoami", "--url", &org.url]).contains("NOT_FOUND: no such resource"));
}

#[test]
fn what_the_identity_service_does_not_tell_userinfo_may() {
    for odd in ["forbidden", "elsewhere", "html"] {
        let org = Org::start(move |asked| match (asked.path.as_str(), odd) {
            ("/services/data/v61.0/", _) => {
                ok(&json!({"identity": "https://login.salesforce.com/id/00D/005"}))
            }
            ("/id/00D/005", "forbidden") => status(403, "Bad_OAuth_Token"),
            ("/id/00D/005", "elsewhere") => {
                Said::Status(302, "Location: https://login.example/id\r\n".into(), String::new())
            }
            ("/id/00D/005", _) => status(200, "<html>"),
            ("/services/oauth2/userinfo", _) => ok(&userinfo()),
            _ => versions(),
        });
        let all = parsed(&printed(&["whoami", "--json", "--url", &org.url]));
        assert_eq!(all["username"], "admin@example.com", "{odd}");
    }
}

#[test]
fn the_identity_services_own_words_for_a_bad_token_end_with_77() {
    let org =
        Org::start(|_| Said::Status(403, "Content-Type: text/html\r\n".into(), "Bad_OAuth_Token".into()));
    assert!(failed(77, &["whoami", "--url", &org.url]).contains("Bad_OAuth_Token"));
}

#[test]
fn no_word_of_a_server_controls_the_terminal() {
    let org = Org::start(|asked| match asked.path.as_str() {
        "/services/data" => ok(&json!([{"version": "\u{1b}[2J\u{9b}2J\u{202e}"}])),
        _ => ok(&json!({"user_id": "a\nb", "organization_id": "\u{1b}]0;x\u{7}", "name": "\r"})),
    });
    let table = printed(&["whoami", "--url", &org.url]);
    let drive = ['\u{1b}', '\u{7}', '\r', '\u{9b}', '\u{202e}'];
    assert!(!table.contains(drive), "{table:?}");
    let json = printed(&["whoami", "--json", "--url", &org.url]);
    assert!(!json.contains(drive), "{json:?}");
    assert_eq!(crate::support::json(&json)["api_versions"][0], "\u{1b}[2J\u{9b}2J\u{202e}");
    assert!(table.contains("a\\nb"), "{table}");
    let org = Org::start(|_| Said::Status(403, String::new(), "\u{202e}no".into()));
    let ended = crate::support::run(&["limits", "--url", &org.url]);
    assert_eq!(ended.code, Some(77));
    let none = "no access token was sent; set COMETAIL_TOKEN or give --token-file";
    assert_eq!(ended.stderr, format!("cometail: HTTP 403:  no; {none}\n"));
}
