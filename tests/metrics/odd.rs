//! Figures of what no daemon can be made to have in a test.

use cometail::admin::metrics::render;
use cometail::sinks::SinkStatus;
use cometail::status::{Connection, Error, Journal, Login, Reload, Snapshot};

use crate::scrape::{leave, samples};

/// A daemon with one connection of this name.
fn snapshot(name: &str) -> Snapshot<SinkStatus> {
    let mut one = Connection::new(name, "http://localhost/");
    one.login = Some(Login {
        what: String::from("jwt login"),
        token_since: Some(1_000),
        clock_skew_s: Some(-90),
        error: Some(Error { at: 1, text: String::from("no") }),
        ..Login::default()
    });
    one.last_event = Some(9_000);
    one.events = u64::MAX;
    one.handshake_causes.insert("some other", 3);
    one.state = "unheard of";
    let journal = Journal {
        path: String::from("/j"),
        bytes: 20,
        max_bytes: 10,
        segments: 1,
        next_sequence: 5,
        durable: 9,
        state: "no space",
        since: 0,
        last_error: None,
        lost: 0,
        damaged: 0,
        gaps: 0,
    };
    Snapshot {
        reload: Some(Reload { good: 3, bad: 2, good_at: Some(4_500), ..Reload::default() }),
        version: "1.2.3",
        commit: Some("0123456789"),
        capture: None,
        pid: 1,
        started_at: 1_500,
        updated_at: 8_000,
        journal: Some(journal),
        connections: vec![one],
        sinks: Vec::new(),
    }
}

#[test]
fn names_are_escaped_and_odd_values_stay_numbers() {
    let odd = "a\\b\"c\nd\u{1b} é} 1\n# EOF";
    let (plain, openmetrics) =
        (render(&snapshot(odd), false).unwrap(), render(&snapshot(odd), true).unwrap());
    leave("odd.prom", &plain);
    leave("odd.openmetrics", &openmetrics);
    assert_eq!(openmetrics.matches("\n# EOF").count(), 1);
    let found = samples(&plain);
    let label = "connection=\"a\\\\b\\\"c\\nd\u{1b} é} 1\\n# EOF\"";
    let value = |name: &str| found.get(&format!("cometail_connection_{name}{{{label}}}")).copied();
    assert_eq!(value("clock_skew_seconds"), Some(-90.0));
    assert_eq!(value("token_age_seconds"), Some(7.0));
    assert_eq!(value("logged_in"), Some(0.0));
    assert_eq!(value("seconds_since_event"), Some(0.0), "a clock that was set back");
    assert_eq!(found.get("cometail_journal_room_bytes"), Some(&0.0));
    assert_eq!(found.get("cometail_journal_unsynced_events"), Some(&0.0));
    for (name, wanted) in [
        ("reloads_total{outcome=\"good\"}", 3.0),
        ("reloads_total{outcome=\"bad\"}", 2.0),
        ("reload_failed", 1.0),
        ("reload_last_good_time_seconds", 4.5),
    ] {
        assert_eq!(found.get(&format!("cometail_{name}")), Some(&wanted), "{name}");
    }
    assert_eq!(found.get("process_start_time_seconds"), Some(&1.5));
    assert!(plain.contains(&format!("cometail_connection_events_total{{{label}}} 18446744073709551615\n")));
    let state = format!("cometail_connection_state{{{label},state=\"unheard of\"}}");
    assert_eq!(found.get(&state), Some(&1.0), "{plain}");
    let cause = format!("cometail_connection_handshakes_total{{{label},cause=\"some other\"}}");
    assert_eq!(found.get(&cause), Some(&3.0));
    assert!(!plain.contains("cometail_sink"), "no sink, no family");
}

#[test]
fn a_daemon_of_nothing_has_its_build_and_process() {
    let snapshot = Snapshot { journal: None, connections: Vec::new(), reload: None, ..snapshot("c") };
    let text = render(&snapshot, true).unwrap();
    assert!(text.contains("cometail_build_info{version=\"1.2.3\",commit=\"0123456789\"} 1\n"), "{text}");
    assert!(text.contains("process_open_fds "));
    assert!(text.contains("cometail_reload_failed 0\n"), "{text}");
    assert!(text.contains("cometail_reload_last_good_time_seconds 1.5\n"), "the start: {text}");
    let unknown = render(&Snapshot { commit: None, ..snapshot }, true).unwrap();
    assert!(unknown.contains("cometail_build_info{version=\"1.2.3\"} 1\n"), "{unknown}");
    assert!(!text.contains("cometail_connection") && !text.contains("cometail_journal"));
}
