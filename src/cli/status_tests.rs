use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000_000;

/// A healthy daemon, changed by `change`.
fn snapshot(change: impl FnOnce(&mut Value)) -> Snapshot {
    let mut value = json!({
        "pid": 7, "updated_at": NOW - 2000,
        "journal": {"path": "/j", "bytes": 44, "segments": 1, "next_sequence": 3, "durable": 2, "state": "good",
            "since": NOW - 60_000, "last_error": null, "lost": 0, "damaged": 0, "gaps": 0},
        "connections": [{"name": "c", "state": "live", "since": NOW - 60_000, "events": 3, "waiting": "for events",
            "paused_since": null, "stalled": false, "gaps": 0, "set_aside": 0, "repeats": 0, "late": 0,
            "channels": [{"name": "/topic/A", "standing": "live"}], "last_error": null}],
        "sinks": [{"name": "s", "kind": "webhook", "state": "idle", "delivered": 3, "queued_events": 0, "parked": 0,
            "refused": 0, "dropped": 0, "failing_since": null, "last_error": null}],
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

#[test]
fn health_looks_at_process_clock_connections_channels_and_sinks() {
    let told = |running, change: fn(&mut Value)| trouble(&snapshot(change), NOW, running);
    assert_eq!((told(Some(true), |_| {}), told(None, |_| {})), (None, None));
    for (running, change, why) in [
        (Some(false), (|_| {}) as fn(&mut Value), "does not run any more, and did not end in order"),
        (Some(false), |all| all["connections"][0]["state"] = "closed".into(), "has ended; it last wrote"),
        (None, |all| all["updated_at"] = (NOW - 31_000).into(), "last wrote its status 31 s ago"),
        (None, |all| all["updated_at"] = (NOW * 2).into(), "in the future"),
        (None, |all| all["connections"][0]["state"] = "resting".into(), "connection c is resting for 60 s"),
        (
            None,
            |all| {
                all["connections"][0]["state"] = "cannot start".into();
                all["connections"][0]["waiting"] = "to be started again".into();
                all["connections"][0]["last_error"] = json!({"at": NOW, "text": "no ca.pem"});
            },
            "connection c cannot start for 60 s, waiting to be started again: no ca.pem",
        ),
        (
            None,
            |all| {
                all["sinks"][0]["state"] = "cannot start".into();
                all["sinks"][0]["failing_since"] = (NOW - 5000).into();
                all["sinks"][0]["last_error"] = "sink s: /x: no directory".into();
            },
            "sink s cannot start for 5 s: sink s: /x: no directory",
        ),
        (
            None,
            |all| all["connections"][0]["stalled"] = true.into(),
            "connection c: no connect has succeeded for too long",
        ),
        (
            None,
            |all| all["connections"][0]["channels"][0]["standing"] = "forbidden".into(),
            "channel /topic/A is not live: forbidden",
        ),
        (
            None,
            |all| {
                all["sinks"][0]["failing_since"] = (NOW - 5000).into();
                all["sinks"][0]["last_error"] = "HTTP status 500".into();
            },
            "sink s fails for 5 s: HTTP status 500",
        ),
        (None, |all| all["sinks"][0]["state"] = "ended".into(), "sink s has ended"),
        (
            None,
            |all| {
                all["journal"]["state"] = "no space".into();
                all["journal"]["last_error"] = json!({"at": NOW, "text": "disk full"});
            },
            "the journal /j takes nothing for 60 s: no space: disk full",
        ),
    ] {
        let told = told(running, change).unwrap_or_default();
        assert!(told.contains(why), "{told:?}, wanted {why:?}");
    }
}

#[test]
fn nothing_from_a_server_drives_the_terminal() {
    let evil = "a\u{1b}[2J\r\nb\u{9b}c\u{202e}";
    let shown = snapshot(|all| {
        let connection = &mut all["connections"][0];
        for key in ["name", "state", "waiting"] {
            connection[key] = evil.into();
        }
        connection["channels"] = json!([{"name": evil, "standing": evil}]);
        connection["last_error"] = json!({"at": NOW, "text": evil});
        for key in ["name", "kind", "state", "last_error"] {
            all["sinks"][0][key] = evil.into();
        }
    });
    let printed = Shown { snapshot: &shown, now: NOW }.to_string();
    assert_eq!(printed.lines().count(), 16, "{printed}");
    let told = trouble(&shown, NOW, None).unwrap();
    for text in [printed.replace('\n', ""), told] {
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
    }
}

#[test]
fn each_kind_of_thing_has_its_table() {
    let shown = snapshot(|all| {
        (all["version"], all["started_at"]) = ("0.1.0".into(), (NOW - 7_200_000).into());
        let connection = &mut all["connections"][0];
        connection["last_event"] = (NOW - 3000).into();
        connection["gaps"] = 2.into();
        connection["paused_since"] = (NOW - 4000).into();
        connection["login"] = json!({"what": "jwt login at h", "user": "a@b", "token_since": NOW - 60_000, "logins": 2,
            "clock_skew_s": -600, "error": {"at": NOW - 1000, "text": "no"}, "next_attempt": NOW + 3000});
        connection["limits"] = json!([{"name": "L", "max": 1000, "used": 900, "left": 100, "percent": 90}]);
        let sink = &mut all["sinks"][0];
        (sink["failing_since"], sink["last_error"]) = ((NOW - 5000).into(), "HTTP status 500".into());
        (sink["lag"], sink["oldest"], sink["kept"]) = (12_000.into(), (NOW - 200_000).into(), true.into());
        (sink["dropped"], sink["retried"]) = (2.into(), 7.into());
    });
    assert_eq!(
        Shown { snapshot: &shown, now: NOW }.to_string(),
        "\
cometail 0.1.0, process 7, began 2 h ago, status of 2 s ago

CONNECTION  STATE  FOR   EVENTS  LAST EVENT  WAITING     NOTE
c           live   60 s       3  3 s         for events  paused for 4 s, 2 gaps

CONNECTION  CHANNEL   STANDING
c           /topic/A  live

CONNECTION  LOGIN           USER  TOKEN SINCE  LOGINS  NOTE
c           jwt login at h  a@b   60 s              2  its clock is -600 s ahead, next login in 3 s

CONNECTION  LIMIT  USED   MAX  LEFT  PERCENT
c           L       900  1000   100       90

SINK  KIND     STATE  DELIVERED  BEHIND  OLDEST  NOTE
s     webhook  idle           3   12000  3 min   failing for 5 s, 7 retries, 2 lost

JOURNAL  STATE  FOR   BYTES  OF  SEGMENTS  NEXT  NOT SYNCED  NOTE
/j       good   60 s     44   0         1     3           1

connection c: no good token, 1 s ago: no
sink s: last trouble: HTTP status 500
"
    );
}
