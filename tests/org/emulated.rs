//! The commands against the emulator, which shares no code with them: a channel's life, with a subscriber.

use serde_json::{Value, json};

use crate::support::{Cometail, Emulator, cometail, json as parsed, until};
use crate::{TOKEN, failed, printed};

const NAME: &str = "/u/notifications/ExampleUserChannel";

fn start() -> Emulator {
    Emulator::start_in(&[("EMULATOR_TOKEN", TOKEN)], &["--token-env", "EMULATOR_TOKEN"])
}

/// A command's JSON document.
fn document(arguments: &[&str], url: &str) -> Value {
    let all: Vec<_> = arguments.iter().copied().chain(["--json", "--url", url]).collect();
    parsed(&printed(&all))
}

fn used(url: &str, limit: &str) -> Value {
    let all = document(&["limits"], url);
    all["limits"].as_array().unwrap().iter().find(|one| one["name"] == limit).unwrap()["used"].clone()
}

#[test]
fn a_channel_lives_from_its_creation_to_its_end() {
    let emulator = start();
    let url = emulator.url("61.0");
    let id = document(&["channel", "create", NAME, "--description", "to all"], &url)["id"].clone();
    let listed = document(&["channel", "list"], &url);
    assert_eq!(listed["channels"].as_array().unwrap().len(), 1);
    let one = &listed["channels"][0];
    assert_eq!((&one["id"], &one["name"], &one["description"]), (&id, &json!(NAME), &json!("to all")));
    let twice = failed(69, &["channel", "create", NAME, "--url", &url]);
    assert!(twice.contains("DUPLICATE_VALUE"), "{twice}");
    assert_eq!(document(&["channel", "delete", NAME], &url), json!({"id": id, "name": NAME}));
    assert_eq!(document(&["channel", "list"], &url), json!({"channels": []}));
}

#[test]
fn what_is_pushed_reaches_a_subscriber_who_is_seen_online() {
    let emulator = start();
    let url = emulator.url("61.0");
    document(&["channel", "create", NAME], &url);
    let nobody = document(&["channel", "push", NAME, "too soon", "--user", "005xx000001Svq3AAC"], &url);
    assert_eq!(
        nobody["events"][0],
        json!({"fanout_count": 0, "user_online_status": {"005xx000001Svq3AAC": false}})
    );
    let tail = Cometail::start(cometail(&["tail", &url, NAME, "--count", "2"]).env("COMETAIL_TOKEN", TOKEN));
    tail.wait_log("live: waiting for events");
    let user = document(&["whoami"], &url)["user_id"].clone();
    let online = until("a subscriber", || {
        Some(document(&["channel", "subscribers", NAME], &url)).filter(|told| told["users"] != json!([]))
    });
    assert_eq!((&online["users"], &online["name"]), (&json!([user]), &json!(NAME)));
    assert_eq!(document(&["channel", "push", NAME, "to all"], &url)["events"][0]["fanout_count"], -1);
    let user = user.as_str().unwrap();
    let pushed = document(&["channel", "push", NAME, "to one", "--user", user], &url);
    assert_eq!(pushed["events"][0], json!({"fanout_count": 1, "user_online_status": {user: true}}));
    let ended = tail.end();
    let payloads: Vec<_> = ended.stdout.lines().map(|line| parsed(line)["data"]["payload"].clone()).collect();
    assert_eq!((ended.code, payloads), (Some(0), vec![json!("to all"), json!("to one")]));
    assert!(used(&url, "DailyGenericStreamingApiEvents").as_u64() >= Some(2), "both were counted");
}

#[test]
fn the_emulators_user_is_known_and_another_token_is_not() {
    let emulator = start();
    let url = emulator.url("61.0");
    let all = document(&["whoami"], &url);
    assert_eq!(all["username"], "admin@example.com");
    assert_eq!(all["instance"], format!("http://{}", emulator.address()));
    assert!(all["api_versions"].as_array().unwrap().contains(&json!("61.0")), "{all}");
    emulator.post("token", &json!({"token": "00D!another"}));
    for command in ["whoami", "limits"] {
        assert!(failed(77, &[command, "--url", &url]).contains("refused the access token"), "{command}");
    }
}
