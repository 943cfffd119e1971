//! A login that takes its time: who sits at a terminal is told, and sees no trace of it afterwards.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::server::{Asked, Org, Said, error, ok};
use crate::support::{AWAY, Place, cometail, run_on_terminal};

/// Longer than it takes until a line is drawn.
const SLOW: Duration = Duration::from_millis(1200);

/// What is found where whatever is asked for.
fn answer(asked: &Asked) -> Said {
    match asked.path.split('?').next().unwrap_or_default() {
        "/id/00D/005" => {
            ok(&json!({"user_id": "005", "organization_id": "00D", "username": "ada@example.com"}))
        }
        "/services/data" => {
            ok(&json!([{"label": "Summer", "url": "/services/data/v61.0", "version": "61.0"}]))
        }
        "/services/data/v61.0/" => ok(&json!({"identity": "http://localhost/id/00D/005"})),
        "/services/data/v61.0/limits" => ok(&json!({"DailyApiRequests": {"Max": 15000, "Remaining": 14000}})),
        "/services/data/v61.0/query" => ok(&json!({"totalSize": 0, "done": true, "records": []})),
        "/api/v3/connections" => ok(&json!({"count": 0, "results": []})),
        _ => error(404, "NOT_FOUND", &asked.path),
    }
}

/// An org whose login is slow.
fn org() -> Org {
    Org::start(|asked| {
        if asked.method != "POST" {
            return answer(asked);
        }
        std::thread::sleep(SLOW);
        let instance = format!("http://{}", asked.header("host").unwrap());
        match asked.path.as_str() {
            "/services/oauth2/token" => ok(&json!({
                "access_token": "00D!token", "instance_url": instance, "token_type": "Bearer",
                "id": "https://login.salesforce.com/id/00D/005", "issued_at": "1278448832702", "signature": "x"
            })),
            "/oauth/authorizations" => {
                ok(&json!({"access_token": {"token": "hush-hush", "expires_in": 3600}}))
            }
            _ => error(404, "NOT_FOUND", &asked.path),
        }
    })
}

/// Runs it, and expects one line about the wait, drawn again and gone before what is printed at the end.
fn waits(command: Command, whom: &str, wanted: &str) {
    let (code, text) = run_on_terminal(command);
    assert_eq!(code, Some(0), "{text:?}");
    let (drawn, last) = text.rsplit_once(AWAY).unwrap_or(("", &text));
    assert!(last.contains(wanted) && !last.contains('\u{1b}') && !last.contains("waiting"), "{text:?}");
    let is_line = |piece: &&str| {
        let told = piece.strip_prefix(&format!("cometail: waiting for {whom}: "));
        let seconds = told.and_then(|told| told.strip_suffix(" s\r"));
        seconds.is_some_and(|seconds| seconds.parse::<u64>().is_ok())
    };
    // Between two waits there is nothing, and nothing but such lines is ever drawn.
    assert!(drawn.split(AWAY).all(|piece| piece.is_empty() || is_line(&piece)), "{text:?}");
    assert!(drawn.split(AWAY).filter(is_line).count() >= 2, "{text:?}");
}

#[test]
fn every_command_of_an_org_tells_of_a_slow_login_on_a_terminal() {
    let place = Place::new();
    let secret = place.write("secret", "hush");
    for (words, wanted) in [
        ("whoami", "ada@example.com"),
        ("topic list", "NAME"),
        ("channel list", "NAME"),
        ("limits", "PERCENT"),
    ] {
        let org = org();
        let config = format!(
            "[state]\npersist = false\n[sink.a.stdout]\n\
             [connection.a]\nurl = \"{0}/cometd/61.0\"\nchannels = [\"/u/a\"]\nproxy = \"direct\"\n\
             [connection.a.login.client_credentials]\nhost = \"{0}\"\nclient_id = \"id\"\n\
             client_secret.file = {secret:?}\n",
            org.url
        );
        let file = place.write("one.toml", &config);
        let words: Vec<_> = words.split(' ').chain(["-c", &file]).collect();
        waits(cometail(&words), "the org", wanted);
    }
}

#[test]
fn a_command_of_heroku_tells_of_a_slow_login_on_a_terminal() {
    let org = org();
    let words = ["heroku", "connections", "--app", "a", "--url", &org.url, "--auth-url", &org.url];
    let mut command = cometail(&words);
    command.env("HEROKU_API_KEY", "hush-hush-hush");
    waits(command, "Heroku Connect", "NAME");
}
