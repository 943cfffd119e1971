//! Who is refused: other names, other sites, and whoever has no token.

use std::io::{Read as _, Write as _};

use super::Site;
use super::client::{Client, JSON, Reply};
use super::support::wait;

const SUBSCRIBE: &str = r#"{"channel": "/topic/B"}"#;
const CHANNELS: &str = "/api/v1/connections/c/channels";
const TOKEN: &str = "0123456789abcdef-and-more";

fn port(client: &Client) -> String {
    client.host().rsplit(':').next().unwrap().to_owned()
}

#[test]
fn a_name_that_is_not_the_servers_is_refused_on_every_path() {
    let site = Site::start("hosts = [\"cometail.internal:80\", \"Second.Example\"]");
    let port = port(&site.client);
    let ask = |host: &str| site.client.ask("GET", "/healthz", &[("Host", host)], "").status;
    for good in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("LOCALHOST:{port}"),
        format!("[::1]:{port}"),
        String::from("cometail.internal:80"),
        String::from("second.example"),
    ] {
        assert_eq!(ask(&good), 200, "{good}");
    }
    for bad in [
        format!("attacker.example:{port}"),
        format!("127.0.0.1.attacker.example:{port}"),
        format!("localhost.attacker.example:{port}"),
        format!("localhost@attacker.example:{port}"),
        format!("attacker.example@localhost:{port}"),
        format!("10.0.0.1:{port}"),
        String::from("localhost"),
        String::from("localhost:1"),
        String::from("127.0.0.1"),
        String::from("cometail.internal"),
        String::from("cometail.internal:81"),
        String::new(),
        String::from("\u{fc}.example"),
    ] {
        assert_eq!(ask(&bad), 421, "{bad}");
    }
    let evil = format!("evil.example:{port}");
    for path in
        ["/", "/app.js", "/readyz", "/metrics", "/api/v1/status", "/api/v1/events", "/api/v1/log", "/nothing"]
    {
        let reply = site.client.ask("GET", path, &[("Host", &evil)], "");
        assert_eq!(reply.status, 421, "{path}");
        assert!(
            reply.error().contains("evil.example") && reply.error().contains("hosts"),
            "{}",
            reply.error()
        );
    }
    assert_eq!(site.client.ask("POST", CHANNELS, &[("Host", &evil), JSON], SUBSCRIBE).status, 421);
    let raw = |text: String| Reply::read(&site.client.raw(text.as_bytes())).status;
    assert_eq!(raw(String::from("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")), 400, "no host");
    assert_eq!(raw(String::from("GET /healthz HTTP/1.0\r\n\r\n")), 400, "no host");
    let two = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nHost: {evil}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(raw(two), 400, "two hosts");
    let absolute = |host: &str| {
        format!("GET http://{host}/healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n")
    };
    assert_eq!((raw(absolute(&evil)), raw(absolute(&format!("localhost:{port}")))), (421, 200));
}

#[test]
fn a_page_of_another_site_changes_and_reads_nothing() {
    let site = Site::start("").live();
    let own = format!("http://{}", site.client.host());
    let page = site.client.get("/").body;
    let token = page.split("name=\"cometail-token\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let known = ("X-Cometail-Token", token);
    let change = |headers: &[(&str, &str)]| site.client.ask("POST", CHANNELS, headers, SUBSCRIBE).status;

    for (headers, status) in [
        (vec![], 415),
        (vec![("Content-Type", "text/plain")], 415),
        (vec![("Content-Type", "application/x-www-form-urlencoded"), known], 415),
        (vec![JSON, ("Origin", "http://evil.example"), known], 403),
        (vec![JSON, ("Origin", "null"), known], 403),
        (vec![JSON, ("Origin", "http://127.0.0.1:1"), known], 403),
        (vec![JSON, ("Origin", &own), ("Origin", "http://evil.example"), known], 403),
        (vec![JSON, ("Sec-Fetch-Site", "cross-site"), known], 403),
        (vec![JSON, ("Sec-Fetch-Site", "same-site"), known], 403),
        (vec![JSON, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), known], 403),
        (vec![JSON, ("Origin", &own)], 403),
        (vec![JSON, ("Sec-Fetch-Site", "same-origin")], 403),
        (vec![JSON, ("Origin", &own), ("X-Cometail-Token", "0123456789abcdef0123456789abcdef")], 403),
    ] {
        assert_eq!(change(&headers), status, "{headers:?}");
    }
    assert_eq!(
        site.client.status()["connections"][0]["channels"].as_array().unwrap().len(),
        1,
        "nothing has changed"
    );
    assert_eq!(site.client.ask("DELETE", &format!("{CHANNELS}?channel=/topic/A"), &[], "").status, 415);
    for headers in [
        vec![JSON],
        vec![("Content-Type", "Application/JSON; charset=utf-8")],
        vec![JSON, ("Origin", &own), ("Sec-Fetch-Site", "same-origin"), known],
    ] {
        assert_eq!(change(&headers), 202, "{headers:?}");
    }

    let read = |path: &str, headers: &[(&str, &str)]| site.client.ask("GET", path, headers, "").status;
    let foreign = ("Sec-Fetch-Site", "cross-site");
    for path in ["/api/v1/status", "/api/v1/events", "/metrics", "/api/v1/log"] {
        assert_eq!(read(path, &[foreign]), 403, "{path}");
    }
    assert_eq!(read("/api/v1/status", &[foreign, ("Sec-Fetch-Mode", "navigate")]), 200, "a link");
    assert_eq!(read("/", &[foreign]), 200, "the page tells nothing");
    let other = Site::start("").client.get("/").body;
    assert!(!other.contains(token), "each process has another");
}

#[test]
fn with_a_token_only_health_and_the_page_are_open() {
    let files = super::Place::new();
    let file = files.write("token", &format!("{TOKEN}\n"));
    let site = Site::start(&format!("token_file = {file:?}"));
    let bearer = format!("Bearer {TOKEN}");
    for path in ["/", "/app.js", "/style.css", "/healthz"] {
        let reply = site.client.get(path);
        assert_eq!(reply.status, 200, "{path}");
        assert!(
            !reply.body.contains(TOKEN) && !reply.body.contains("cometail-token\" content=\"0"),
            "{}",
            reply.body
        );
    }
    assert!(site.client.get("/").body.contains("name=\"cometail-auth\" content=\"bearer\""));
    assert!(matches!(site.client.get("/readyz").status, 200 | 503));
    for path in ["/metrics", "/api/v1/status", "/api/v1/events", "/api/v1/log"] {
        let ask = |headers: &[(&str, &str)]| site.client.ask("HEAD", path, headers, "");
        let reply = ask(&[]);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("bearer")), "{path}");
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer x",
            "Basic x",
            TOKEN,
            &format!("{bearer}x"),
            &bearer[..bearer.len() - 1],
        ] {
            assert_eq!(ask(&[("Authorization", wrong)]).status, 401, "{path}: {wrong}");
        }
        assert_eq!(
            ask(&[("Authorization", &bearer), ("Authorization", &bearer)]).status,
            401,
            "{path}: twice"
        );
        assert_eq!(ask(&[("Authorization", &bearer)]).status, 200, "{path}");
    }
    let change = |headers: &[(&str, &str)]| site.client.ask("POST", CHANNELS, headers, SUBSCRIBE).status;
    assert_eq!(change(&[JSON]), 401);
    assert_eq!(change(&[JSON, ("Authorization", &bearer), ("Origin", "http://evil.example")]), 403);
    assert_eq!(change(&[("Authorization", &bearer)]), 415);
    let own = format!("http://{}", site.client.host());
    assert_eq!(
        change(&[JSON, ("Authorization", &bearer.replace("Bearer", "bearer")), ("Origin", &own)]),
        202
    );
    let status = site.client.ask("GET", "/api/v1/status", &[("Authorization", &bearer)], "").body;
    assert!(!status.contains(TOKEN) && !site.daemon.log().contains(TOKEN), "no secret in an answer or a log");
}

#[test]
fn another_token_in_the_file_is_wanted_without_a_restart_and_a_bad_one_is_not() {
    let files = super::Place::new();
    let file = files.write("token", TOKEN);
    let site = Site::start(&format!("token_file = {file:?}"));
    let told = |token: &str| {
        let bearer = format!("Bearer {token}");
        site.client.ask("GET", "/api/v1/log", &[("Authorization", &bearer)], "").status
    };
    let bearer = format!("Bearer {TOKEN}");
    let mut stream = site.client.open();
    let request = format!(
        "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: {bearer}\r\n\r\n",
        site.client.host()
    );
    stream.write_all(request.as_bytes()).unwrap();
    files.write("token", "too short");
    site.daemon.wait_log("the configuration is not used");
    assert_eq!((told(TOKEN), told("too short")), (200, 401), "a bad file leaves the token");
    let next = "another-token-0123456789";
    files.write("token", next);
    wait("the new token", || told(next) == 200);
    assert_eq!(told(TOKEN), 401);
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen).unwrap();
    assert!(seen.starts_with(b"HTTP/1.1 200"), "a stream of the one before ends");
    let log = site.daemon.log();
    assert!(log.contains("[admin] token: changed") && !log.contains("needs a restart"), "{log}");
    assert!(!log.contains(TOKEN) && !log.contains(next) && !log.contains("too short"), "{log}");
}
