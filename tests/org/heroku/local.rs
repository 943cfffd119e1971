//! What is refused before the service is asked.

use serde_json::json;

use super::{KEY, TOKEN, failed, heroku_in};
use crate::server::{Org, ok};
use crate::support::{Cometail, Ended, Place, cometail};

#[test]
fn what_cannot_be_mapped_is_told_before_anything_is_asked() {
    let (service, place) = (Org::start(|_| ok(&json!({}))), Place::new());
    let odd = json!({"object_name": "Contact", "config": {"acess": "read_only", "sf_polling_seconds": -1,
        "fields": {"Id": {}}, "indexes": {"Name": {"unique": true}}}});
    let odd = place.write("odd.json", &odd.to_string());
    let broken = place.write("broken.toml", "[config]\nfields = [\n");
    let other = place.write("other.json", r#"{"object_name": "Account", "config": {"fields": ["Id"]}}"#);
    for (arguments, wanted) in [
        (&["Contact"][..], &["fields: at least one is wanted"][..]),
        (&["--field", "Id"], &["which object?"]),
        (&["a/b", "--field", "Id"], &["\"a/b\" is no name of an object"]),
        (&["Contact", "--field", "a b"], &["--field: \"a b\" is no name of a field"]),
        (&["Contact", "--field", "Id", "--index", "X"], &["indexes.X: there is no such field"]),
        (&["Contact", "--field", "Id", "--index", "Id:uniqe"], &["--index: \"Id:uniqe\" is no name"]),
        (&["Contact", "--file", &other], &["\"Contact\" is told, \"Account\" is in the file"]),
        (&["Contact", "--file", &broken], &["broken.toml: TOML parse error at line 2"]),
        (&["--file", &place.text("none.json")], &["none.json: No such file"]),
        (
            &["--file", &odd],
            &[
                "acess: there is no such setting; is it access?",
                "sf_polling_seconds: found -1",
                "indexes.Name: there is no such field",
            ],
        ),
        (&["Contact", "--polling", "1500ms"], &["wanted whole seconds"]),
        (&["Contact", "--polling", "0s"], &["wanted whole seconds"]),
        (&["Contact", "--access", "write"], &["read_only, read_write"]),
        (&["Contact", "--notify=perhaps"], &["perhaps"]),
    ] {
        let said = failed(2, &service.url, &[&["map", "c1"], arguments].concat());
        assert!(wanted.iter().all(|part| said.contains(part)), "{arguments:?}: {said}");
    }
    assert!(service.seen().is_empty());
}

#[test]
fn urls_are_checked_and_never_shown() {
    for url in ["acme", "ftp://acme.example", "https://user:hush@acme.example", "x://hush@a"] {
        for option in ["--url", "--auth-url"] {
            let ended = heroku_in(&[(TOKEN, KEY)], &["connection", "c1", option, url]);
            assert_eq!(ended.code, Some(2), "{}", ended.stderr);
            assert!(ended.stderr.contains(option) && !ended.stderr.contains("hush"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_secret_over_plain_http_is_warned_of() {
    let (nobody, _listen) = crate::support::listen_later();
    let port = nobody.rsplit(':').next().unwrap();
    let (far, near) = (format!("http://0.0.0.0:{port}"), format!("http://127.0.0.1:{port}"));
    for (name, url, authority, warned) in [
        (TOKEN, &near, &far, None),
        (TOKEN, &far, &near, Some("--url is http")),
        ("HEROKU_API_KEY", &near, &far, Some("--auth-url is http")),
    ] {
        let ended = heroku_in(&[(name, KEY)], &["connection", "c1", "--url", url, "--auth-url", authority]);
        let found = ended.stderr.lines().find(|line| line.contains("everybody on the way"));
        assert_eq!((ended.code, found.is_some()), (Some(1), warned.is_some()), "{}", ended.stderr);
        assert!(found.zip(warned).is_none_or(|(found, warned)| found.contains(warned)), "{found:?}");
    }
}

#[test]
fn every_command_has_an_example_in_its_help() {
    for command in ["connections", "connection", "map", "remap", "pause", "resume"] {
        let Ended { code, stdout, .. } = Cometail::start(&mut cometail(&["heroku", command, "--help"])).end();
        assert_eq!(code, Some(0));
        let example = format!("COMETAIL_HEROKU_TOKEN=... cometail heroku {command}");
        assert!(stdout.contains(&example) && stdout.contains("HEROKU_API_KEY"), "{stdout}");
        assert!(!stdout.contains("--token "), "{stdout}");
    }
}
