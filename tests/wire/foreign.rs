//! Captures that this program did not write, good and bad.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Place, run};
use crate::{assert_told, wire};

/// An entry as a browser writes it.
fn entry(second: u32, millis: u32, asked: &Value, answer: &Value) -> Value {
    json!({
        "pageref": "page_1",
        "startedDateTime": format!("2026-03-01T10:00:{second:02}.000+01:00"),
        "time": millis,
        "request": {"method": "POST", "url": "https://acme.example/cometd/61.0/connect?x=1", "httpVersion": "h2", "headers": [],
            "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 9,
            "postData": {"mimeType": "application/json", "text": asked.to_string()}},
        "response": {"status": 200, "statusText": "", "httpVersion": "h2", "headers": [], "cookies": [], "redirectURL": "",
            "headersSize": -1, "bodySize": -1, "_transferSize": 12, "_error": null,
            "content": {"size": 9, "mimeType": "application/json", "encoding": "base64",
                "text": STANDARD.encode(answer.to_string())}},
        "cache": {}, "timings": {"send": 0, "wait": millis, "receive": 0}, "_priority": "High",
    })
}

fn har(entries: &[Value]) -> String {
    let log = json!({"version": "1.2", "creator": {"name": "another", "version": "1"}, "pages": [], "entries": entries});
    json!({"log": log}).to_string()
}

/// A client that connects before it subscribes, subscribes in one request with its connect, and counts by numbers.
#[test]
fn a_capture_of_a_browser_is_replayed() {
    let ok = |channel: &str, id: u32| json!({"channel": channel, "id": id, "successful": true});
    let mut handshake = ok("/meta/handshake", 1);
    handshake["clientId"] = json!("1abc");
    let (mut subscribe, mut answered) =
        (json!({"channel": "/meta/subscribe", "id": 3, "clientId": "1abc"}), ok("/meta/subscribe", 3));
    (subscribe["subscription"], answered["subscription"]) = (json!("/topic/A"), json!("/topic/A"));
    let connect = |id: u32| json!({"channel": "/meta/connect", "id": id, "clientId": "1abc", "connectionType": "long-polling"});
    let event = json!({"channel": "/topic/A", "data": {"n": 1}});
    let entries = [
        entry(
            0,
            20,
            &json!([{"channel": "/meta/handshake", "id": 1, "supportedConnectionTypes": ["long-polling"]}]),
            &json!([handshake]),
        ),
        entry(1, 20, &json!([connect(2)]), &json!([ok("/meta/connect", 2)])),
        entry(2, 500, &json!([subscribe, connect(4)]), &json!([answered, event, ok("/meta/connect", 4)])),
        entry(3, 500, &json!([connect(5)]), &json!([event, ok("/meta/connect", 5)])),
    ];
    let place = Place::new();
    place.write("wire.har", &format!("\u{feff}{}", har(&entries)));
    let replay = wire(&place, &[]);
    assert_told(
        &replay,
        0,
        &["acme.example", "a person subscribes /topic/A", "subscribed to /topic/A", "live", "2 event(s)"],
    );
    assert!(replay.stdout.contains("+2.500"), "the answer comes at its time: {}", replay.stdout);
}

#[test]
fn what_is_no_capture_is_told_with_its_place() {
    let place = Place::new();
    let good = entry(0, 1, &json!([{"channel": "/meta/handshake"}]), &json!([]));
    let with = |change: fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        har(&[good.clone(), bad])
    };
    let cut = har(&[good.clone(), good.clone()]);
    for (text, told) in [
        (String::new(), "no HAR"),
        ("[]".into(), "no HAR"),
        ("{\"log\":{}}".into(), "no log.entries"),
        (har(&[]), "no request of a CometD client"),
        (cut[..cut.len() - 200].to_owned(), "entry 2: "),
        (with(|bad| bad["startedDateTime"] = json!("soon")), "entry 2: startedDateTime \"soon\""),
        (with(|bad| bad["request"] = json!(7)), "entry 2: "),
        (with(|bad| bad["response"]["status"] = json!(99_999)), "entry 2: response.status: 99999"),
        (with(|bad| bad["response"]["content"]["text"] = json!("*")), "entry 2: response.content"),
    ] {
        place.write("wire.har", &text);
        assert_told(&wire(&place, &[]), 1, &["wire.har: ", told]);
    }
    let missing = run(&["wire", &place.text("missing.har")]);
    assert_told(&missing, 74, &["missing.har", "No such file"]);
    assert_told(&run(&["wire", &place.text("")]), 74, &["regular file"]);
    place.write("wire.har", &har(&[good]));
    assert_told(&wire(&place, &["--connection", "nobody"]), 1, &["no request of a CometD client"]);
}

#[test]
fn nothing_in_a_capture_drives_the_terminal() {
    let place = Place::new();
    let asked = json!([{"channel": "/meta/handshake", "id": "1"}]);
    let error = "402::\u{1b}[2J\u{202e}\r\nhush";
    let answer = json!([{"channel": "/meta/handshake", "id": "1", "successful": false, "error": error}]);
    let mut entry = entry(0, 1, &asked, &answer);
    entry["_connection"] = json!("c\u{1b}[31m");
    place.write("wire.har", &har(&[entry]));
    for arguments in [&[][..], &["--json"]] {
        let shown = wire(&place, arguments).stdout;
        assert!(shown.contains("402::") && shown.contains("u{1b}") | shown.contains("u001b"), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\r']), "{shown:?}");
    }
}
