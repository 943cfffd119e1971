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
    let mut out = Vec::new();
    print(&mut out, &shown, NOW).unwrap();
    let printed = String::from_utf8(out).unwrap();
    assert_eq!(printed.lines().count(), 6, "{printed}");
    let told = trouble(&shown, NOW, None).unwrap();
    for text in [printed.replace('\n', ""), told] {
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
    }
}

#[test]
fn a_sink_is_one_readable_line_and_its_trouble() {
    let shown = snapshot(|all| {
        all["sinks"][0]["failing_since"] = (NOW - 5000).into();
        all["sinks"][0]["last_error"] = "HTTP status 500".into();
        all["sinks"][0]["dropped"] = 2.into();
    });
    let mut out = Vec::new();
    print_sink(&mut out, &shown.sinks[0], NOW).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "sink s (webhook): idle, 3 delivered, 0 queued, failing for 5 s, 2 lost\n  last trouble: HTTP status 500\n"
    );
}
