//! What alerts, dashboard and docs call figures is what a daemon calls them that has everything.

use std::collections::BTreeSet;

use crate::scene::Scene;
use crate::scrape::{ADMIN, Scraped, leave, names};
use crate::support::ARCHIVE;

/// The login host's clock is told only where it stood in the way.
const RARE: [&str; 1] = ["cometail_connection_clock_skew_seconds"];

/// Every figure that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let figures = words.filter(|word| word.starts_with("cometail_") || word.starts_with("process_"));
    figures.map(str::to_owned).collect()
}

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn alerts_dashboard_and_docs_name_figures_that_there_are() {
    let scene = Scene::start(&[]);
    let more = "[connection.c.limits]\nevery = \"1s\"\n[sink.hook.webhook]\nurl = \"http://127.0.0.1:9/\"\nproxy = \"direct\"\n";
    let daemon = scene.run(&(scene.config("", &scene.login("jwt")) + more + ADMIN));
    scene.emulator.wait_polled(1);
    scene.publish(1, 5);
    assert_eq!(scene.place.lines(ARCHIVE).len(), 5);
    let scraped = Scraped::of(&daemon);
    let limit = r#"cometail_connection_limit_max{connection="c",limit="DailyDurableStreamingApiEvents"}"#;
    scraped.wait(limit, |max| max > 0.0);
    assert_eq!(scraped.value(r#"cometail_connection_logged_in{connection="c"}"#), Some(1.0));
    let (plain, openmetrics) = (scraped.plain(), scraped.openmetrics());
    leave("figures.prom", &plain);
    leave("figures.openmetrics", &openmetrics);
    drop(scene.stop(daemon));

    let there = names(&plain);
    for path in ["docs/alerts.yml", "docs/grafana.json"] {
        let wrong: Vec<_> = named(&file(path)).difference(&there).cloned().collect();
        assert!(wrong.is_empty(), "{path} names what is not there: {wrong:?}");
    }
    let documented = named(&file("docs/metrics.md"));
    let of_histogram = |name: &str| ["_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end));
    let there: BTreeSet<_> = there.into_iter().filter(|name| !of_histogram(name)).collect();
    let missing: Vec<_> = there.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/metrics.md does not have {missing:?}");
    let histogram = String::from("cometail_sink_latency_seconds");
    let wrong: Vec<_> = documented
        .difference(&there)
        .filter(|name| **name != histogram && !RARE.contains(&name.as_str()))
        .collect();
    assert!(wrong.is_empty(), "docs/metrics.md names what is not there: {wrong:?}");
}

#[test]
fn every_alert_has_a_test_and_says_how_urgent_it_is() {
    let (alerts, tests) = (file("docs/alerts.yml"), file("tests/metrics/alerts_test.yml"));
    let all: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(all.len() >= 20, "{all:?}");
    for alert in &all {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} has no test");
    }
    for wanted in ["severity: ", "summary: ", "description: "] {
        assert_eq!(
            alerts.matches(wanted).count(),
            all.len() + usize::from(wanted == "severity: "),
            "{wanted}"
        );
    }
}

#[test]
fn the_dashboard_is_json_and_every_panel_asks_for_something() {
    let dashboard: serde_json::Value = serde_json::from_str(&file("docs/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels of one id: {panel}");
        let targets = panel["targets"].as_array().map_or(0, Vec::len);
        assert!(targets > 0 || panel["type"] == "row", "{}", panel["title"]);
    }
    assert!(panels.len() > 30);
}
