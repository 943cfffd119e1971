//! `cometail limits`.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use crate::printed;
use crate::server::{Org, ok};
use crate::support::json as parsed;

/// An org that uses up ten events between two readings.
fn org() -> Org {
    let left = AtomicI64::new(150_010);
    Org::start(move |_| {
        let left = left.fetch_sub(10, Ordering::SeqCst) - 10;
        ok(&json!({
            "DailyApiRequests": {"Max": 15_000, "Remaining": 14_998, "An App": {"Max": 0, "Remaining": 0}},
            "DailyDurableStreamingApiEvents": {"Max": 200_000, "Remaining": left},
            "DailyGenericStreamingApiEvents": {"Max": 10_000, "Remaining": -5},
            "DurableStreamingApiConcurrentClients": {"Max": 1_000, "Remaining": 990},
            "Odd": {"Max": "many"}
        }))
    })
}

fn find(all: &Value, name: &str) -> Value {
    all["limits"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
}

#[test]
fn what_streaming_uses_is_shown() {
    let table = printed(&["limits", "--url", &org().url]);
    assert_eq!(
        table,
        "LIMIT                                  USED      OF    LEFT  PERCENT\n\
         DailyDurableStreamingApiEvents        50000  200000  150000       25\n\
         DailyGenericStreamingApiEvents        10005   10000       0      100\n\
         DurableStreamingApiConcurrentClients     10    1000     990        1\n"
    );
}

#[test]
fn all_limits_are_shown_when_asked_for() {
    let all = parsed(&printed(&["limits", "--all", "--json", "--url", &org().url]));
    let names: Vec<_> =
        all["limits"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 4);
    assert_eq!(names[0], "DailyApiRequests");
    assert_eq!(all["measured_seconds"], Value::Null);
    let wanted = json!({
        "name": "DailyDurableStreamingApiEvents", "max": 200_000, "used": 50_000, "left": 150_000, "percent": 25,
        "used_per_hour": null, "lasts_seconds": null, "reached_at": null
    });
    assert_eq!(find(&all, "DailyDurableStreamingApiEvents"), wanted);
}

#[test]
fn a_rate_is_measured_between_two_readings() {
    let org = org();
    let all = parsed(&printed(&["limits", "--json", "--rate", "300ms", "--url", &org.url]));
    assert_eq!(org.seen().len(), 2);
    let seconds = all["measured_seconds"].as_f64().unwrap();
    assert!((0.3..20.0).contains(&seconds), "{seconds}");
    let events = find(&all, "DailyDurableStreamingApiEvents");
    let per_hour = events["used_per_hour"].as_f64().unwrap();
    assert!((per_hour * seconds / 36_000.0 - 1.0).abs() < 0.02, "{events} in {seconds} s");
    let lasts = events["lasts_seconds"].as_f64().unwrap();
    assert!((lasts / seconds / 14_999.0 - 1.0).abs() < 0.02, "{events} in {seconds} s");
    assert!(events["reached_at"].as_str().unwrap().ends_with('Z'), "{events}");
    let clients = find(&all, "DurableStreamingApiConcurrentClients");
    assert_eq!(clients["used_per_hour"], Value::Null, "clients do not add up");
    assert_eq!(find(&all, "DailyGenericStreamingApiEvents")["used_per_hour"], 0);
}

#[test]
fn a_rate_has_columns_for_people() {
    let table = printed(&["limits", "--rate", "100ms", "--url", &org().url]);
    let lines: Vec<_> = table.lines().collect();
    let ends = |line: &str, count: usize| {
        let mut cells: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        cells.split_off(cells.len() - count)
    };
    assert_eq!(ends(lines[0], 2), ["USED/HOUR", "LASTS"], "{table}");
    assert_eq!(ends(lines[1], 1), ["min"], "{table}");
    assert_eq!(
        (ends(lines[2], 2), ends(lines[3], 2)),
        (vec!["0".into(), "-".into()], vec!["-".into(); 2]),
        "{table}"
    );
}
