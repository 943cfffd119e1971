//! What each path answers, and to which methods.

use serde_json::json;

use super::client::JSON;
use super::support::{until, wait};
use super::{Site, samples};

/// Paths that tell something, and what they take.
const TELLING: [(&str, &str); 9] = [
    ("/", "GET, HEAD"),
    ("/app.js", "GET, HEAD"),
    ("/style.css", "GET, HEAD"),
    ("/healthz", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
    ("/metrics", "GET, HEAD"),
    ("/api/v1/status", "GET, HEAD"),
    ("/api/v1/events", "GET, HEAD"),
    ("/api/v1/log", "GET, HEAD, PUT"),
];

/// Paths that change something.
const CHANGING: [(&str, &str); 6] = [
    ("/api/v1/connections/c/channels", "POST, DELETE"),
    ("/api/v1/connections/c/pause", "POST"),
    ("/api/v1/connections/c/resume", "POST"),
    ("/api/v1/sinks/archive/pause", "POST"),
    ("/api/v1/reload", "POST"),
    ("/api/v1/capture", "POST"),
];

#[test]
fn every_path_answers_its_methods_and_no_others() {
    let site = Site::start("").live();
    for (path, allow) in TELLING.iter().chain(&CHANGING) {
        for method in ["PATCH", "OPTIONS", "TRACE", "GET", "POST", "PUT", "DELETE"] {
            if allow.split(", ").any(|one| one == method) {
                continue;
            }
            let reply = site.client.ask(method, path, &[JSON], "");
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.header("allow"), Some(&*allow.to_lowercase()), "{method} {path}");
        }
    }
    for (path, _) in TELLING {
        let head = site.client.ask("HEAD", path, &[], "");
        assert_eq!((head.status, &*head.body), (200, ""), "{path}");
        for part in [
            "default-src 'none'; script-src 'self'; style-src 'self';",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(head.head.contains(part), "{path}: {}", head.head);
        }
        assert!(!head.head.contains("access-control-"), "{path}: {}", head.head);
    }
    for path in
        ["/nothing", "/healthz/", "/api/v1", "/api/v1/connections/c", "/../etc/passwd", "/%2e%2e", "//"]
    {
        let reply = site.client.get(path);
        assert_eq!((reply.status, &*reply.error()), (404, "there is nothing at this path: "), "{path}");
    }
}

#[test]
fn the_page_and_its_files_are_served() {
    let site = Site::start("");
    let page = site.client.get("/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(!page.body.contains("{{") && !page.body.contains("<style"), "{}", page.body);
    for (path, kind) in
        [("/app.js", "text/javascript; charset=utf-8"), ("/style.css", "text/css; charset=utf-8")]
    {
        assert_eq!(site.client.get(path).header("content-type"), Some(kind));
        assert!(page.body.contains(path), "{}", page.body);
    }
}

#[test]
fn the_status_is_the_daemons_and_the_figures_have_two_forms() {
    let site = Site::start("").live();
    site.emulator.publish_each(0..3);
    site.place.wait_for(super::support::ARCHIVE, 0..3);
    let status = until("three events in the status", || {
        Some(site.client.status()).filter(|status| status["connections"][0]["events"] == 3)
    });
    assert_eq!(status["pid"], site.daemon.id());
    assert_eq!(
        (&status["connections"][0]["name"], &status["connections"][0]["state"]),
        (&json!("c"), &json!("live"))
    );
    assert_eq!(status["sinks"][0]["name"], "archive");
    let file = site.place.status().unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&status), keys(&file), "the same as in the status file");

    let plain = site.client.get("/metrics");
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(
        samples(&plain.body).keys().any(|name| name.starts_with("cometail_build_info{")),
        "{}",
        plain.body
    );
    let accept = ("Accept", "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.4");
    let open = site.client.ask("GET", "/metrics", &[accept], "");
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(open.body.ends_with("# EOF\n"), "{}", open.body);
}

#[test]
fn the_logs_filter_is_changed_and_changed_back() {
    let site = Site::start("").live();
    let put = |body: &str| site.client.ask("PUT", "/api/v1/log", &[JSON], body);
    let present = || site.client.get("/api/v1/log").json();
    assert_eq!(present(), json!({"filter": "info", "configured": "info"}));
    let orders = || site.daemon.log().matches("asked for by a request").count();
    let order = || site.client.post("/api/v1/connections/c/channels", r#"{"channel": "/topic/A"}"#).status;
    assert_eq!(order(), 202);
    wait("a line of an order", || orders() == 1);

    let reply = put(r#"{"filter": "warn,cometail::sinks=debug"}"#);
    assert_eq!((reply.status, reply.json()["done"] == true), (202, true));
    assert_eq!(present()["filter"], "warn,cometail::sinks=debug");
    site.daemon.wait_log("\"filter\":\"warn,cometail::sinks=debug\"");
    assert_eq!((order(), orders()), (202, 1), "it is not logged any more");

    assert_eq!(put(r#"{"filter": null}"#).status, 202);
    assert_eq!(present(), json!({"filter": "info", "configured": "info"}));
    assert_eq!(order(), 202);
    wait("a line by the filter of the configuration", || orders() == 2);
    for (body, told) in [
        (r#"{"filter": "inffo"}"#, "neither a level"),
        (r#"{"filter": ""}"#, "it is empty"),
        (r#"{"filter": 1}"#, "invalid type"),
        (r#"{"filter": "info", "more": 1}"#, "unknown field"),
        ("{}", "missing field"),
        ("", "EOF"),
    ] {
        let reply = put(body);
        assert_eq!(reply.status, 422, "{body}");
        assert!(reply.error().contains(told), "{body}: {}", reply.error());
    }
    assert_eq!(present()["filter"], "info");
    put(r#"{"filter": "error"}"#);
    site.daemon.wait_log("\"filter\":\"error\"");
    let before = site.daemon.log().len();
    put(r#"{"filter": "warn"}"#);
    wait("a line by the filter that lets it through", || {
        site.daemon.log()[before..].contains("\"filter\":\"warn\"")
    });
}
