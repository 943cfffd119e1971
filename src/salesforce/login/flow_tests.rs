//! Every flow on a real socket: what goes out, what comes of good answers and of bad ones.

use std::time::Instant;

use super::super::testing::*;
use super::*;
use crate::salesforce::login::Failure;

#[tokio::test]
async fn each_kind_sends_what_its_protocol_wants() {
    let host = Host::giving().await;
    let kit = Kit::new(&host.url);
    for config in kit.all() {
        let kind = config.kind();
        let mut login = login(config, options());
        renew(&mut login, false).await.unwrap();
        assert_eq!(login.instance(), Some(&host.url), "{kind}");
    }
    let requests = host.requests();
    let both = format!("{PASSWORD}{SECURITY_TOKEN}");
    assert!(requests[0].starts_with("POST /services/Soap/u/61.0 HTTP/1.1\r\n"), "{}", requests[0]);
    assert_eq!(header(&requests[0], "soapaction"), Some("\"\""));
    assert_eq!(header(&requests[0], "content-type"), Some("text/xml; charset=UTF-8"));
    let sent = roxmltree::Document::parse(body(&requests[0])).unwrap();
    let texts: Vec<_> =
        sent.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect();
    assert_eq!(texts, ["admin@example.com", &both]);
    let forms: [&[(&str, &str)]; 3] = [
        &[
            ("grant_type", "password"),
            ("client_id", "3MVG9&id"),
            ("client_secret", CLIENT_SECRET),
            ("username", "admin@example.com"),
            ("password", &both),
        ],
        &[
            ("grant_type", "refresh_token"),
            ("client_id", "3MVG9&id"),
            ("client_secret", CLIENT_SECRET),
            ("refresh_token", REFRESH_TOKEN),
        ],
        &[("grant_type", "client_credentials"), ("client_id", "3MVG9&id"), ("client_secret", CLIENT_SECRET)],
    ];
    for (request, wanted) in requests[1..].iter().zip(forms) {
        let pairs: Vec<_> =
            wanted.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        assert_eq!(form(request), pairs);
    }
    let assertion = form(&requests[4]);
    assert_eq!(assertion[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(
        (assertion.len(), assertion[1].0.as_str(), assertion[1].1.split('.').count()),
        (2, "assertion", 3)
    );
    for request in &requests[1..] {
        assert!(request.starts_with("POST /services/oauth2/token HTTP/1.1\r\n"));
        assert_eq!(header(request, "content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!((header(request, "authorization"), header(request, "cookie")), (None, None));
    }
}

#[tokio::test]
async fn a_password_that_xml_cannot_hold_is_not_sent() {
    let host = Host::giving().await;
    let kit = Kit::new(&host.url);
    let config = kit.soap();
    kit.secret("password", "hush\0hush");
    let failure = renew(&mut login(config, options()), false).await.unwrap_err();
    assert!(failure.permanent && failure.reason.contains("character 5 is U+0000"), "{failure}");
    assert_eq!(host.requests().len(), 0);
}

/// What every kind makes of the same answer.
async fn failures(host: &Host) -> Vec<Failure> {
    let kit = Kit::new(&host.url);
    let mut failures = Vec::new();
    for config in kit.all() {
        let mut login = login(config, Options { timeout: Duration::from_millis(400), ..options() });
        failures.push(renew(&mut login, false).await.unwrap_err());
    }
    failures
}

#[tokio::test]
async fn a_slow_host_a_dead_host_and_one_that_cuts_pass() {
    let slow = Host::start(|_, _| None).await;
    let cut = Host::saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await;
    let dead = Host::start(|_, _| None).await;
    dead.stop().await;
    for (host, why) in [(&slow, "deadline"), (&cut, "timeout"), (&dead, "connect")] {
        let begun = Instant::now();
        for failure in failures(host).await {
            assert!(!failure.permanent && failure.reason.contains(why), "{why}: {failure}");
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{why}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_login_is_said_and_tried_again() {
    let page = "<html><body>hush Down for maintenance</body></html>";
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    let large = response("200 OK", html, &"x".repeat(300_000));
    for (answer, why) in [
        (
            response("200 OK", html, page),
            "HTTP 200 and 51 bytes of text/html; charset=utf-8, which is no reply",
        ),
        (response("404 Not Found", html, page), "HTTP 404"),
        (response("503 Service Unavailable", "Retry-After: 77\r\n", page), "HTTP 503"),
        (response("200 OK", "Content-Type: application/json\r\n", "{\"hush\":1}"), "application/json"),
        (response("200 OK", "", ""), "no type"),
        (large, "too_large"),
        (response("302 Found", "Location: https://evil.example/login\r\n", ""), "another origin"),
        (response("303 See Other", "Location: /hush\r\n", ""), "303"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n".to_owned(), "malformed"),
    ] {
        let host = Host::saying(answer).await;
        for failure in failures(&host).await {
            assert!(!failure.permanent && failure.reason.contains(why), "{why}: {failure}");
            let asked = failure.after.unwrap_or_default();
            assert_eq!(asked > Duration::from_secs(70), why == "HTTP 503", "{failure:?}");
        }
    }
}

#[tokio::test]
async fn a_command_that_a_person_watches_does_not_wait_for_the_right_host() {
    let host = Host::saying(response("404 Not Found", "", "")).await;
    let kit = Kit::new(&host.url);
    let mut login = login(kit.password(), Options { one_shot: true, ..options() });
    assert!(renew(&mut login, false).await.unwrap_err().permanent);
}

#[tokio::test]
async fn wrong_credentials_are_final_and_a_busy_host_is_not() {
    let fault = |code: &str| {
        let fault = format!(
            "<s:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: x</faultstring></s:Fault>"
        );
        response("500 Server Error", "Content-Type: text/xml\r\n", &envelope(&fault))
    };
    let host = Host::start(move |_, request| {
        let soap = request.starts_with("POST /services/Soap/");
        Some(if soap { fault("INVALID_LOGIN") } else { refusal("invalid_grant", "authentication failure") })
    });
    for failure in failures(&host.await).await {
        assert!(failure.permanent && failure.reason.contains("the login was refused: "), "{failure}");
    }
    let host = Host::start(move |_, request| {
        let soap = request.starts_with("POST /services/Soap/");
        Some(if soap {
            fault("LOGIN_RATE_EXCEEDED")
        } else {
            refusal("invalid_grant", "login rate exceeded")
        })
    });
    for failure in failures(&host.await).await {
        assert!(!failure.permanent && failure.reason.to_lowercase().contains("rate"), "{failure}");
    }
}

#[tokio::test]
async fn an_org_anywhere_else_is_not_followed() {
    for instance in
        ["https://evil.example", "https://salesforce.com.evil.example", "http://acme.my.salesforce.com"]
    {
        let host = Host::start(|number, request| Some(given_at(number, request, instance))).await;
        for failure in failures(&host).await {
            assert!(failure.permanent && failure.reason.contains("is not followed: "), "{failure}");
        }
    }
    let host =
        Host::start(|number, request| Some(given_at(number, request, "https://acme.my.salesforce.com")))
            .await;
    let kit = Kit::new(&host.url);
    for config in kit.all() {
        let mut login = login(config, options());
        renew(&mut login, false).await.unwrap();
        assert_eq!(login.instance().unwrap().as_str(), "https://acme.my.salesforce.com/");
    }
}

#[tokio::test]
async fn where_the_connection_points_the_org_may_be() {
    let host = Host::start(|number, request| Some(given_at(number, request, "http://localhost:9"))).await;
    let org = Url::parse("http://localhost:8/cometd/61.0").ok();
    let kit = Kit::new(&host.url);
    let mut login = login(kit.soap(), Options { org, ..options() });
    renew(&mut login, false).await.unwrap();
    assert_eq!(login.instance().unwrap().as_str(), "http://localhost:9/");
}

/// When the assertion of a request ends, in seconds since 1970.
fn end_of(request: &str) -> u64 {
    use base64::Engine as _;
    let assertion = &form(request)[1].1;
    let payload =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap());
    let payload: serde_json::Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    assert_eq!(payload["aud"], format!("http://{}", header(request, "host").unwrap()));
    payload["exp"].as_u64().unwrap()
}

/// A host whose clock is off, and that wants assertions to end within five minutes of it.
async fn skewed(ahead: i64) -> Host {
    Host::start(move |number, request| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let here = since.as_secs().checked_add_signed(ahead).unwrap();
        let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(here));
        let good = (here..here + 300).contains(&end_of(request));
        let answer =
            if good { given(number, request) } else { refusal("invalid_grant", "assertion expired") };
        Some(answer.replacen("\r\n", &format!("\r\nDate: {date}\r\n"), 1))
    })
    .await
}

#[tokio::test]
async fn an_assertion_is_made_anew_by_the_clock_of_the_host() {
    for (ahead, requests) in [(0, 1), (20, 1), (-600, 2), (600, 2), (86_400 * 400, 2)] {
        let host = skewed(ahead).await;
        let kit = Kit::new(&host.url);
        let mut login = login(kit.jwt(), options());
        renew(&mut login, false).await.unwrap();
        assert_eq!(host.requests().len(), requests, "{ahead}");
        let known = login.clock_skew().unwrap_or_default();
        assert_eq!(known.abs_diff(ahead) <= 2, requests == 2 || ahead == 0, "{ahead} {known}");
        renew(&mut login, true).await.unwrap();
        assert_eq!(host.requests().len(), requests + 1, "the skew is known by now");
        assert_eq!(login.begun(), 2);
    }
}

#[tokio::test]
async fn a_refused_assertion_is_made_anew_once() {
    let date = |seconds| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    for (headers, requests, said) in [
        (String::new(), 1, "invalid assertion"),
        (format!("Date: {}\r\n", httpdate::fmt_http_date(SystemTime::now())), 1, "invalid assertion"),
        (format!("Date: {}\r\n", date(1_000_000_000)), 2, "the clock here is"),
    ] {
        let body = r#"{"error":"invalid_grant","error_description":"invalid assertion"}"#;
        let host = Host::saying(response("400 Bad Request", &headers, body)).await;
        let kit = Kit::new(&host.url);
        let failure = renew(&mut login(kit.jwt(), options()), false).await.unwrap_err();
        assert!(failure.permanent && failure.reason.contains(said), "{failure}");
        assert_eq!(host.requests().len(), requests, "{headers}");
    }
}

/// A host that repeats what it was sent, in every place that is shown.
fn repeated(shape: usize, request: &str) -> String {
    let sent = body(request);
    let said = serde_json::json!({"error": sent, "error_description": form(request)});
    let fields: String = form(request).into_iter().map(|(_, value)| value + " ").collect();
    match shape {
        0 => refusal("invalid_grant", sent),
        1 => refusal(sent, &fields),
        2 => response("400 Bad Request", "", &said.to_string()),
        3 => response("200 OK", "Content-Type: text/html\r\n", sent),
        4 => {
            let texts = roxmltree::Document::parse(sent).map(|sent| {
                let texts = sent.descendants().filter_map(|node| node.text().filter(|_| node.is_text()));
                texts.collect::<Vec<_>>().join(" ")
            });
            let text = soap::escaped(&texts.unwrap_or_else(|_| sent.to_owned()));
            let fault =
                format!("<s:Fault><faultcode>{text}</faultcode><faultstring>{text}</faultstring></s:Fault>");
            response("500 Server Error", "Content-Type: text/xml\r\n", &envelope(&fault))
        }
        5 => {
            let fault = format!("<s:Fault><faultstring>{}</faultstring></s:Fault>", soap::escaped(sent));
            response("500 Server Error", "Content-Type: text/xml\r\n", &envelope(&fault))
        }
        6 => response("200 OK", &format!("Content-Type: {fields}{sent}\r\n"), ""),
        7 => response("200 OK", &format!("Content-Encoding: {fields}\r\n"), "x"),
        8 => response("302 Found", &format!("Location: https://evil.example/?{sent}#{fields}\r\n"), ""),
        _ => given_at(0, request, &format!("https://{}.evil.example", form(request).len())),
    }
}

/// In a child process of this test, so that every line of its log is seen.
#[tokio::test]
async fn nothing_that_a_host_repeats_shows_a_secret() {
    const CHILD: &str = "COMETAIL_TEST_REPEATED";
    if std::env::var_os(CHILD).is_some() {
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        log.with_writer(std::io::stderr).init();
        return all_shapes().await;
    }
    let name = "salesforce::login::flow::tests::nothing_that_a_host_repeats_shows_a_secret";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", name]).env(CHILD, "1").output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && stdout.contains("1 passed"), "{stdout} {stderr}");
    assert!(stderr.contains("login host's differ"), "the log was not looked through: {stderr}");
    clean(&stderr);
    assert!(!stderr.contains("MIIEv"), "the key is in the log: {stderr}");
}

async fn all_shapes() {
    for shape in 0..10 {
        let host = Host::start(move |_, request| {
            let date = "HTTP/1.1 400 Bad Request\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\n";
            Some(repeated(shape, request).replace("HTTP/1.1 400 Bad Request\r\n", date))
        });
        let host = host.await;
        let kit = Kit::new(&host.url);
        for config in kit.all() {
            // What is said is looked through in `renew`.
            let failure = renew(&mut login(config, options()), false).await.unwrap_err();
            assert!(!failure.reason.contains("p&<w>"), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_short_password_is_hidden_too() {
    let host =
        Host::start(|_, request| Some(refusal("invalid_grant", &format!("bad {}", form(request)[4].1))))
            .await;
    let kit = Kit::new(&host.url);
    let Config::Password { host: at, client_id, client_secret, username, .. } = kit.password() else {
        panic!("it is another kind")
    };
    let password = kit.secret("short", "x7!");
    let config =
        Config::Password { host: at, client_id, client_secret, username, password, security_token: None };
    let failure = renew(&mut login(config, options()), false).await.unwrap_err();
    assert!(failure.reason.ends_with("invalid_grant: bad ***"), "{failure}");
}
