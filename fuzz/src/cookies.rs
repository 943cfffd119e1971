//! The cookie jar. The input is responses, one `Set-Cookie` a line; a line `@N` begins the response of the `N`th
//! server. An input that begins with `[` is the text of a saved jar instead.

use std::time::Duration;

use cometail::http::Jar;
use cometail::http::fuzzing::{header, store};
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use url::Url;

/// The servers that set cookies: all of one owner.
const OURS: [&str; 4] = [
    "https://a.acme.example/cometd/61.0",
    "https://acme.example/",
    "http://a.acme.example/cometd/61.0/handshake",
    "https://deep.a.acme.example:8443/",
];

/// Those that may see none of them.
const OTHERS: [&str; 7] = [
    "https://notacme.test/cometd/61.0",
    "https://acme.test/",
    "https://acme.example.test/",
    "https://test/",
    "https://192.0.2.1/",
    "https://[2001:db8::1]/",
    "http://localhost/",
];

/// The most cookies kept, the most of one response and the longest line, as the jar promises them.
const KEPT: usize = 300;
const PER_RESPONSE: usize = 100;
const LONGEST: usize = 4096;

/// Fills a jar from the input and looks at what it sends to whom.
pub fn check(input: &[u8]) {
    if input.starts_with(b"[") {
        return edited(&String::from_utf8_lossy(input));
    }
    let jar = Jar::new();
    let mut received = Vec::new();
    for (url, lines) in responses(input) {
        let before = saved(&jar).len();
        store(&jar, &headers(&lines), &url);
        let now = saved(&jar).len();
        assert!(now <= KEPT && now <= before + PER_RESPONSE, "{now} cookies are kept after {before}");
        alone(&url, &lines);
        received.extend(lines);
    }
    known(&jar, &received);
    stays_home(&jar);
    again(&jar);
    jar.clear();
    assert!(
        jar.is_empty() && OURS.iter().all(|to| header(&jar, &url(to)).is_none()),
        "a cleared jar has cookies"
    );
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("the servers above have valid URLs")
}

fn responses(input: &[u8]) -> Vec<(Url, Vec<&[u8]>)> {
    let mut all = vec![(url(OURS[0]), Vec::new())];
    for line in input.split(|byte| *byte == b'\n') {
        if let [b'@', server] = line {
            all.push((url(OURS[usize::from(*server) % OURS.len()]), Vec::new()));
        } else if let Some((_, lines)) = all.last_mut() {
            lines.push(line);
        }
    }
    all
}

fn headers(lines: &[&[u8]]) -> HeaderMap {
    let values = lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok());
    values.map(|value| (Some(SET_COOKIE), value)).fold(HeaderMap::new(), |mut headers, (name, value)| {
        headers.extend([(name, value)]);
        headers
    })
}

fn saved(jar: &Jar) -> Vec<serde_json::Value> {
    let json = jar.to_json();
    serde_json::from_str(json.expose()).expect("a jar is saved as an array")
}

/// The parts of a `Cookie` header, `name=value` each.
fn sent(jar: &Jar, to: &Url) -> Vec<String> {
    let Some(value) = header(jar, to) else {
        return Vec::new();
    };
    assert!(value.is_sensitive(), "a cookie would be logged");
    let text = String::from_utf8(value.as_bytes().to_vec()).expect("a cookie is text");
    assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    text.split("; ").map(str::to_owned).collect()
}

fn stays_home(jar: &Jar) {
    for other in OTHERS {
        assert!(header(jar, &url(other)).is_none(), "{other} is sent a cookie");
    }
}

/// A cookie is sent as it came.
fn known(jar: &Jar, received: &[&[u8]]) {
    let texts =
        received.iter().filter(|line| line.len() <= LONGEST).map(|line| String::from_utf8_lossy(line));
    let known: Vec<_> = texts.filter_map(|line| pair(&line)).collect();
    for server in OURS {
        for part in sent(jar, &url(server)) {
            assert!(known.contains(&part), "{part:?} was never received");
        }
    }
}

fn pair(line: &str) -> Option<String> {
    let (name, value) = line.split(';').next()?.split_once('=')?;
    Some(format!("{}={}", name.trim(), value.trim()))
}

/// What one cookie alone says of where it may go.
fn alone(from: &Url, lines: &[&[u8]]) {
    for line in lines {
        let jar = Jar::new();
        store(&jar, &headers(&[line]), from);
        if jar.is_empty() {
            continue;
        }
        assert!(line.len() <= LONGEST, "a cookie of {} bytes is kept", line.len());
        let text = String::from_utf8_lossy(line).to_ascii_lowercase();
        let attributes: Vec<_> = text.split(';').skip(1).map(str::trim).collect();
        for server in OURS.map(url) {
            let goes = header(&jar, &server).is_some();
            let is_home = server.host() == from.host();
            let has_domain = attributes.iter().any(|one| one.starts_with("domain"));
            assert!(!goes || is_home || has_domain, "{text:?} of {from} goes to {server}");
            let secure = attributes.contains(&"secure");
            assert!(!goes || !secure || server.scheme() == "https", "{text:?} goes to {server}");
        }
    }
}

/// A jar that was saved and loaded sends the same.
fn again(jar: &Jar) {
    let all = |jar: &Jar| OURS.map(|to| sent(jar, &url(to)));
    // A cookie may end between two looks at the clock, but not after each pause.
    for pause in [0, 1100, 1100] {
        std::thread::sleep(Duration::from_millis(pause));
        let loaded = Jar::load(jar.to_json().expose()).expect("what was saved can be loaded");
        assert!(!jar.changed() && !loaded.changed(), "nothing came since it was saved");
        if all(jar) == all(&loaded) {
            return;
        }
    }
    panic!("a loaded jar sends other cookies");
}

/// A saved jar that somebody has edited.
fn edited(text: &str) {
    let Ok(jar) = Jar::load(text) else {
        return;
    };
    assert!(saved(&jar).len() <= KEPT);
    for server in OURS.iter().chain(&OTHERS) {
        sent(&jar, &url(server));
    }
    again(&jar);
}
