//! `cometail heroku`: against the emulator, and against services that misbehave.

mod local;
mod odd;

use serde_json::{Value, json};

use crate::support::{Cometail, Emulator, Ended, Place, cometail, json as parsed, until};

/// The emulator's API key, which the service takes for a token too.
const KEY: &str = "emulator-api-key";
const TOKEN: &str = "COMETAIL_HEROKU_TOKEN";

/// Runs `cometail heroku` with this environment.
fn heroku_in(environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command = cometail(&["heroku"]);
    let ended = Cometail::start(command.args(arguments).envs(environment.iter().copied())).end();
    for (_, secret) in environment {
        let told = ended.stdout.contains(secret) || ended.stderr.contains(secret);
        assert!(secret.is_empty() || !told, "{}{}", ended.stdout, ended.stderr);
    }
    ended
}

fn heroku(url: &str, arguments: &[&str]) -> Ended {
    heroku_in(&[(TOKEN, KEY)], &[arguments, &["--url", url]].concat())
}

/// What a command printed that must end well and say nothing else.
fn printed(url: &str, arguments: &[&str]) -> String {
    let Ended { code, stdout, stderr } = heroku(url, arguments);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    stdout
}

/// The standard error of a command that must end with `code` and print nothing.
fn failed(code: i32, url: &str, arguments: &[&str]) -> String {
    let ended = heroku(url, arguments);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
    ended.stderr
}

/// An emulator whose times are multiplied, its address, and the id of its first connection.
fn emulator(scale: &str) -> (Emulator, String, String) {
    let emulator = Emulator::start_with(&["--time-scale", scale]);
    let url = format!("http://{}", emulator.address());
    let all = parsed(&printed(&url, &["connections", "--app", "example", "--json"]));
    let id = all["connections"][0]["id"].as_str().unwrap().to_owned();
    (emulator, url, id)
}

fn mapping(url: &str, id: &str) -> Value {
    parsed(&printed(url, &["connection", id, "--json"]))["mappings"][0].take()
}

/// Maps `Contact` and gives its mapping.
fn mapped(url: &str, id: &str) -> Value {
    let fields = "Id,LastName,Phone";
    parsed(&printed(url, &["map", id, "Contact", "--field", fields, "--index", "LastName", "--json"]))
}

#[test]
fn an_api_key_gets_a_token_that_reads_every_page() {
    let (emulator, url, _) = emulator("1");
    let added = emulator.post("heroku/connections", &json!({"app": "a&b c", "count": 60}));
    let place = Place::new();
    let (wire, file) = (place.text("wire.har"), place.write("key", "emulator-api-key\n"));
    let list =
        ["connections", "--app", "a&b c", "--json", "--url", &url, "--auth-url", &url, "--wire", &wire];
    for (environment, more) in [
        (&[("HEROKU_API_KEY", KEY)][..], &[][..]),
        (&[(TOKEN, "hush-hush-hush")], &["--api-key-file", &file]),
    ] {
        let ended = heroku_in(environment, &[&list, more].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let all = parsed(&ended.stdout)["connections"].take();
        let ids: Vec<_> = all.as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
        assert_eq!(json!(ids), added["ids"]);
        let text = std::fs::read_to_string(&wire).unwrap();
        let har = parsed(&text);
        let entries = har["log"]["entries"].as_array().unwrap();
        let count = |part: &str| {
            let of = |entry: &&Value| entry["request"]["url"].as_str().unwrap().contains(part);
            entries.iter().filter(of).count()
        };
        assert_eq!((count("/oauth/authorizations"), count("/api/v3/connections")), (1, 3), "{text}");
        assert!(!text.contains(KEY) && !text.contains("OmVtdWxhdG9y"), "{text}");
    }
}

#[test]
fn who_is_not_known_ends_with_77() {
    let (_emulator, url, id) = emulator("1");
    let connection = ["connection", &id, "--url", &url, "--auth-url", &url];
    let place = Place::new();
    let empty = place.write("empty", "");
    for (environment, more, wanted) in [
        (&[][..], &[][..], "set COMETAIL_HEROKU_TOKEN or HEROKU_API_KEY"),
        (&[(TOKEN, "hush-hush-hush")], &[], "the access token is refused: Invalid credentials provided."),
        (&[("HEROKU_API_KEY", "hush-hush-hush")], &[], "the API key is refused: Invalid credentials"),
        (&[(TOKEN, "")], &[], "COMETAIL_HEROKU_TOKEN: it is empty"),
        (&[("HEROKU_API_KEY", KEY)], &["--token-file", &empty], "it is empty"),
        (&[(TOKEN, KEY)], &["--api-key-file", &empty], "it is empty"),
    ] {
        let ended = heroku_in(environment, &[&connection, more].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(77), ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(wanted), "{}", ended.stderr);
    }
}

#[test]
fn an_object_is_mapped_and_followed_until_it_is_in_step() {
    let (_emulator, url, id) = emulator("0.1");
    let arguments = [
        "map",
        &id,
        "Contact",
        "--field",
        "Id,LastName",
        "--field",
        "Email",
        "--index",
        "Id,Email:unique",
        "--access",
        "read_write",
        "--notify",
        "--polling",
        "2m",
        "--wait",
        "--json",
    ];
    let ended = heroku(&url, &arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr, "Contact: SCHEMA_CHANGED\nContact: POLLING_SF_CHANGES\n");
    let made = parsed(&ended.stdout);
    assert_eq!((&made["state"], &made["object_name"]), (&json!("POLLING_SF_CHANGES"), &json!("Contact")));
    let mut config = made["config"].clone();
    let own = config.as_object_mut().unwrap();
    assert!(own.remove("revision").unwrap().is_u64() && own.remove("applied_at").unwrap().is_string());
    let wanted = json!({"access": "read_write", "sf_notify_enabled": true, "sf_polling_seconds": 120,
        "fields": {"Id": {}, "LastName": {}, "Email": {}},
        "indexes": {"Id": {"unique": true}, "Email": {"unique": true}}});
    assert_eq!(config, wanted);
    assert_eq!(mapping(&url, &id), made);
    assert!(failed(69, &url, &["map", &id, "Contact", "--field", "Id"]).contains("already mapped"));
    let table = printed(&url, &["connection", &id]);
    for part in [
        "database      localhost:5432/example",
        "OBJECT   STATE",
        "Contact  POLLING_SF_CHANGES  read_write  yes",
    ] {
        assert!(table.contains(part), "{table}");
    }
    assert!(
        printed(&url, &["connections", "--app", "example"])
            .contains(&format!("example  {id}  example  IDLE"))
    );
    assert_eq!(printed(&url, &["connections", "--app", "none"]), "NAME  ID  APP  STATE\n");
}

#[test]
fn a_file_says_what_is_mapped_and_options_come_on_top() {
    let (_emulator, url, id) = emulator("1");
    let place = Place::new();
    let toml = "object_name = \"Account\"\n[config]\naccess = \"read_write\"\nfields = [\"Id\", \"Name\"]\n\
                indexes.Id = { unique = true }\n";
    let file = place.write("account.toml", toml);
    let told = printed(&url, &["map", &id, "--file", &file, "--field", "Phone", "--access=read_only"]);
    let made = mapping(&url, &id);
    let revision = made["config"]["revision"].as_u64().unwrap();
    let line =
        format!("mapped Account, {}: SCHEMA_CHANGED, revision {revision}\n", made["id"].as_str().unwrap());
    assert_eq!(told, line);
    assert_eq!(made["config"]["fields"], json!({"Id": {}, "Name": {}, "Phone": {}}));
    assert_eq!(made["config"]["access"], "read_only");
}

#[test]
fn a_change_keeps_what_it_does_not_name_and_shows_what_it_changed() {
    let (_emulator, url, id) = emulator("0.1");
    let before = mapped(&url, &id);
    let change = [
        "remap",
        &id,
        "contact",
        "--field",
        "Email",
        "--drop-field",
        "LastName",
        "--notify",
        "--json",
        "--wait",
    ];
    let ended = heroku(&url, &change);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let done = parsed(&ended.stdout);
    let wanted = json!([
        {"what": "fields.Email", "before": null, "after": {}},
        {"what": "fields.LastName", "before": {}, "after": null},
        {"what": "indexes.LastName", "before": {"unique": false}, "after": null},
        {"what": "sf_notify_enabled", "before": false, "after": true},
    ]);
    assert_eq!((&done["changes"], &done["mapping"]["state"]), (&wanted, &json!("POLLING_SF_CHANGES")));
    assert_eq!(done["mapping"], mapping(&url, &id));
    assert!(done["mapping"]["config"]["revision"].as_u64() > before["config"]["revision"].as_u64());
    let name = before["id"].as_str().unwrap();
    let same = printed(&url, &["remap", &id, name, "--field", "Email"]);
    assert!(same.starts_with(&format!("nothing to change in Contact, {name}: POLLING_SF_CHANGES")), "{same}");
    let followed = heroku(&url, &["remap", &id, name, "--field", "Email", "--wait"]);
    assert_eq!((followed.code, followed.stderr.as_str()), (Some(0), "Contact: POLLING_SF_CHANGES\n"));
    let told = printed(&url, &["remap", &id, name, "--access", "read_write"]);
    assert!(told.ends_with("\n  ~ access: \"read_only\" -> \"read_write\"\n"), "{told}");
}

#[test]
fn what_was_made_from_an_older_revision_is_a_conflict() {
    let (_emulator, url, id) = emulator("1");
    let before = mapped(&url, &id);
    let (old, place) = (before["config"]["revision"].as_u64().unwrap(), Place::new());
    let mut edited = before.clone();
    edited["config"]["fields"]["Email"] = json!({});
    let file = place.write("contact.json", &edited.to_string());
    let changed = parsed(&printed(&url, &["remap", &id, "Contact", "--file", &file, "--json"]));
    assert_eq!(changed["changes"], json!([{"what": "fields.Email", "before": null, "after": {}}]));
    let now = changed["mapping"]["config"]["revision"].as_u64().unwrap();
    let number = old.to_string();
    let by_option = ["remap", &id, "Contact", "--drop-field", "Email", "--revision", &number];
    for arguments in [&["remap", &id, "Contact", "--file", &file, "--drop-field", "Email"][..], &by_option] {
        let said = failed(1, &url, arguments);
        let told = format!(
            "the mapping of Contact is at revision {now}, the change was made from {old}; nothing was changed"
        );
        assert!(said.contains(&told) && said.contains("\n  - fields.Email\n"), "{said}");
    }
    let ended = heroku(&url, &[&by_option[..], &["--json"]].concat());
    let told = parsed(&ended.stdout);
    assert_eq!((ended.code, &told["error"]), (Some(1), &json!("conflict")));
    assert_eq!(told["revision"], json!({"from": old, "present": now}));
    assert_eq!(told["mapping"], mapping(&url, &id));
    assert_eq!(told["mapping"]["config"]["revision"], now);
}

#[test]
fn a_paused_connection_stands_still_until_it_is_resumed() {
    let (_emulator, url, id) = emulator("0.1");
    let paused = parsed(&heroku(&url, &["pause", &id, "--wait", "--json"]).stdout);
    assert_eq!(paused, json!({"id": id, "action": "pause", "state": "PAUSED"}));
    let ended =
        heroku(&url, &["map", &id, "Contact", "--field", "Id", "--wait", "--timeout", "2s", "--json"]);
    assert_eq!((ended.code, &parsed(&ended.stdout)["state"]), (Some(1), &json!("SCHEMA_CHANGED")));
    assert!(ended.stderr.contains("cometail: Contact: SCHEMA_CHANGED, after 2s"), "{}", ended.stderr);
    assert_eq!(printed(&url, &["resume", &id]), format!("resuming {id}: accepted\n"));
    until("a mapping in step", || (mapping(&url, &id)["state"] == "POLLING_SF_CHANGES").then_some(()));
    let ended = heroku(&url, &["resume", &id, "--wait"]);
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("resuming {id}: IDLE\n")));
}
