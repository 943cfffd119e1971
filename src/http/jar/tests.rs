use serde_json::Value;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn set(jar: &Jar, at: &str, cookies: &[&str]) {
    let values =
        cookies.iter().map(|cookie| (SET_COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).unwrap()));
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        headers.append(name, value);
    }
    jar.store(&headers, &url(at));
}

fn sent(jar: &Jar, to: &str) -> Option<String> {
    jar.header(&url(to)).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

#[test]
fn domain_path_and_secure_are_kept() {
    let jar = Jar::new();
    set(
        &jar,
        "https://a.acme.example/cometd/61.0",
        &[
            "host=1; Path=/",
            "wide=2; Domain=acme.example; Path=/",
            "deep=3; Path=/cometd",
            "safe=4; Secure; Path=/",
            "foreign=5; Domain=other.example",
            "parent=6; Domain=b.acme.example",
        ],
    );
    assert_eq!(sent(&jar, "https://a.acme.example/cometd/61.0").unwrap(), "deep=3; host=1; safe=4; wide=2");
    assert_eq!(sent(&jar, "http://a.acme.example/").unwrap(), "host=1; wide=2");
    assert_eq!(sent(&jar, "https://b.acme.example/").unwrap(), "wide=2");
    assert_eq!(sent(&jar, "https://other.example/"), None);
    assert_eq!(sent(&jar, "https://notacme.example/"), None);
}

#[test]
fn expired_cookies_are_neither_sent_nor_saved() {
    let jar = Jar::new();
    set(&jar, "http://acme.example/", &["a=1", "b=2; Max-Age=3600", "c=3; Max-Age=0"]);
    assert_eq!(sent(&jar, "http://acme.example/").unwrap(), "a=1; b=2");
    set(&jar, "http://acme.example/", &["b=2; Expires=Thu, 01 Jan 1970 00:00:01 GMT"]);
    assert_eq!(sent(&jar, "http://acme.example/").unwrap(), "a=1");
    let saved = jar.to_json();
    assert!(saved.expose().contains("a=1") && !saved.expose().contains("b=2"), "{}", saved.expose());
}

#[test]
fn a_cookie_ends_while_its_header_is_cached() {
    let jar = Jar::new();
    set(&jar, "http://acme.example/", &["a=1; Max-Age=1", "b=2"]);
    assert_eq!(sent(&jar, "http://acme.example/").unwrap(), "a=1; b=2");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while sent(&jar, "http://acme.example/").unwrap() != "b=2" {
        assert!(std::time::Instant::now() < deadline, "the cookie never ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_jar_survives_a_round_trip_with_its_session_cookies() {
    let jar = Jar::new();
    set(&jar, "https://acme.example/cometd/", &["sid=x\"y=z; Secure; HttpOnly", "b=2; Max-Age=3600; Path=/"]);
    assert!(jar.changed());
    let saved = jar.to_json();
    assert!(!jar.changed());
    let again = Jar::load(saved.expose()).unwrap();
    assert!(!again.changed() && !again.is_empty());
    for to in ["https://acme.example/cometd/61.0", "http://acme.example/cometd/", "https://acme.example/"] {
        assert_eq!(sent(&again, to), sent(&jar, to), "{to}");
    }
    assert_eq!(sent(&again, "https://acme.example/cometd/").unwrap(), "sid=x\"y=z; b=2");
    again.clear();
    assert!(again.changed() && again.is_empty());
    assert_eq!(sent(&again, "https://acme.example/"), None);
}

#[test]
fn the_same_cookie_again_is_no_change() {
    let jar = Jar::new();
    set(&jar, "http://acme.example/", &["a=1", "b=2; Max-Age=100"]);
    jar.to_json();
    set(&jar, "http://acme.example/", &["a=1", "b=2; Max-Age=101"]);
    assert!(!jar.changed());
    set(&jar, "http://acme.example/", &["b=2; Max-Age=1000"]);
    assert!(jar.changed());
    jar.to_json();
    set(&jar, "http://acme.example/", &["a=2"]);
    assert!(jar.changed());
}

#[test]
fn bad_bytes_and_floods_are_left_out() {
    let jar = Jar::new();
    set(
        &jar,
        "http://acme.example/",
        &["", "=", "novalue", "a=\u{e9}; Path=/", &format!("big={}", "x".repeat(5000))],
    );
    let mut headers = HeaderMap::new();
    headers.append(SET_COOKIE, HeaderValue::from_bytes(b"bad=\xff\xfe").unwrap());
    jar.store(&headers, &url("http://acme.example/"));
    let found = sent(&jar, "http://acme.example/").unwrap();
    assert!(!found.contains("big=") && !found.contains("bad="), "{found:.80}");
    for page in 0..10 {
        let cookies: Vec<_> = (0..150).map(|n| format!("p{page}n{n}=1")).collect();
        set(&jar, "http://acme.example/", &cookies.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(jar.lock().store.iter_any().count() <= 100 * (page + 1) + 5);
    }
    assert_eq!(jar.lock().store.iter_any().count(), COOKIES_MAX);
}

#[test]
fn all_cookies_together_fit_a_request() {
    let (jar, at, value) = (Jar::new(), "http://acme.example/", "x".repeat(1000));
    set(&jar, at, &["sid=1"]);
    let flood: Vec<_> = (0..50).map(|n| format!("flood{n}={value}")).collect();
    set(&jar, at, &flood.iter().map(String::as_str).collect::<Vec<_>>());
    let found = sent(&jar, at).unwrap();
    assert!(found.contains("sid=1") && found.contains("flood0="), "{found:.80}");
    assert!((7000..=BYTES_MAX).contains(&found.len()), "{}", found.len());
    // One that is kept already may change, as long as it still fits.
    set(&jar, at, &["sid=2", &format!("flood0={}", "y".repeat(4000))]);
    let changed = sent(&jar, at).unwrap();
    assert!(changed.contains("sid=2") && !changed.contains("yy"), "{changed:.80}");
    set(&jar, at, &["flood0=; Max-Age=0", "flood1=; Max-Age=0", "late=1"]);
    assert!(sent(&jar, at).unwrap().contains("late=1"));
    // Neither does a saved jar hold more.
    let saved: Vec<Value> = serde_json::from_str(jar.to_json().expose()).unwrap();
    let many: Vec<_> = (0..20).flat_map(|n| renamed(&saved, n)).collect();
    let again = Jar::load(&serde_json::to_string(&many).unwrap()).unwrap();
    assert!(sent(&again, at).unwrap().len() <= BYTES_MAX);
}

/// Saved cookies under other names.
fn renamed(saved: &[Value], n: usize) -> Vec<Value> {
    let text = serde_json::to_string(saved).unwrap();
    serde_json::from_str(&text.replace("flood", &format!("f{n}x"))).unwrap()
}

#[test]
fn a_damaged_file_is_an_error_without_its_cookies() {
    let error = Jar::load("[{\"raw_cookie\":\"\",\"path\":[\"/\",true],\"hush\":1}]").unwrap_err();
    assert!(!error.to_string().contains("hush"), "{error}");
    assert!(Jar::load("").is_err());
    let jar = Jar::new();
    set(&jar, "http://acme.example/", &["a=1", "b=2"]);
    let edited = jar.to_json().expose().replace("b=2", "b=2\\n\\u0000X: y");
    let jar = Jar::load(&edited).unwrap();
    let header = sent(&jar, "http://acme.example/").unwrap();
    assert!(header.starts_with("a=1") && !header.contains('\n') && !header.contains('\0'), "{header:?}");
    assert_eq!(format!("{jar:?}"), "Jar(***)");
}

#[test]
fn a_cookie_for_every_site_is_sent_without_tls_after_a_restart_too() {
    let jar = Jar::new();
    set(&jar, "http://acme.example/", &["a=1; SameSite=None", "b=2; SameSite=None; Secure"]);
    let loaded = Jar::load(jar.to_json().expose()).unwrap();
    for jar in [&jar, &loaded] {
        assert_eq!(sent(jar, "http://acme.example/").as_deref(), Some("a=1"));
    }
}

#[test]
fn cookies_of_one_name_and_two_domains_make_the_same_header_each_time() {
    for _ in 0..20 {
        let jar = Jar::new();
        set(&jar, "https://a.acme.example/", &["sid=1", "sid=2; Domain=acme.example"]);
        assert_eq!(sent(&jar, "https://a.acme.example/").as_deref(), Some("sid=1; sid=2"));
    }
}
