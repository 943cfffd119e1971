use super::*;

fn read(body: &str) -> Decoded {
    decode(&Bytes::copy_from_slice(body.as_bytes()))
}

fn events(decoded: Decoded) -> Vec<(String, String, Option<i64>)> {
    let batch = crate::event::Batch::new("acme".into(), std::time::UNIX_EPOCH, decoded.body, decoded.events);
    batch
        .iter()
        .map(|event| {
            let message = String::from_utf8(event.message.to_vec()).unwrap();
            (event.channel.to_string(), message, event.replay.map(|id| id.0))
        })
        .collect()
}

#[test]
fn events_and_replies_are_told_apart() {
    let event = r#"{ "data":{"sobject":{"Name":"\u00e9\"}"},"event":{"replayId":1.50e1,"replayId":15}},"channel":"/topic/A"}"#;
    let decoded = read(&format!(
        r#"[{event},{{"id":"3","channel":"/meta/connect","successful":true,"advice":{{"interval":0}}}}, {{"channel":"\/u\/x","data":null}}]"#
    ));
    assert!(decoded.whole, "{:?}", decoded.bad);
    assert_eq!(decoded.metas.len(), 1);
    assert_eq!(decoded.metas[0].kind, Kind::Connect);
    assert_eq!(decoded.metas[0].id.as_deref(), Some("3"));
    assert_eq!(decoded.metas[0].successful, Some(true));
    let events = events(decoded);
    assert_eq!(events[0], ("/topic/A".into(), event.into(), Some(15)));
    assert_eq!(events[1].0, "/u/x");
}

#[test]
fn a_bare_object_and_numeric_ids_are_read() {
    let decoded = read(
        r#" {"channel":"/meta/handshake","id":7,"successful":true,"clientId":"c1","ext":{"replay":true,"sfdc":{"failureReason":"401::x"}}} "#,
    );
    assert!(decoded.whole);
    let meta = &decoded.metas[0];
    assert_eq!((meta.id.as_deref(), meta.client_id.as_deref(), meta.replay), (Some("7"), Some("c1"), true));
    assert_eq!(meta.failure_reason.as_deref(), Some("401::x"));
}

#[test]
fn line_breaks_leave_the_events_and_nothing_else_does() {
    let decoded =
        read("[\r\n  {\n    \"channel\": \"/topic/A\",\n    \"data\": {\"x\": \"a\\nb\"}\n  }\n]\n");
    assert!(decoded.whole);
    assert_eq!(events(decoded)[0].1, r#"{    "channel": "/topic/A",    "data": {"x": "a\nb"}  }"#);
}

#[test]
fn a_bad_message_costs_itself_alone() {
    let good = r#"{"channel":"/topic/A","data":{"event":{"replayId":2}}}"#;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (bad, count) in [
        ("null", 2),
        ("7", 2),
        ("[]", 2),
        (r#"["/topic/B"]"#, 2),
        (r#"{"data":{}}"#, 2),
        (r#"{"channel":7,"data":{}}"#, 2),
        (r#"{"channel":null,"data":{}}"#, 2),
        (r#"{"channel":"/topic/B","data":tru}"#, 2),
        (r#"{"channel":"/topic/B""data":{}}"#, 2),
        (r#"{"channel":"/topic/B","data":1e999}"#, 3),
        (r#"{"channel":"/topic/B","data":{"event":{"replayId":99999999999999999999}}}"#, 3),
        (r#"{"channel":"/topic/B","data":{"event":[{"replayId":1}]}}"#, 3),
        (&format!(r#"{{"channel":"/topic/B","data":{deep}}}"#), 3),
        (r#"{"channel":"/topic/B","data":{"lone":"\ud800"}}"#, 3),
    ] {
        let decoded = read(&format!("[{good},{bad},{good}]"));
        assert!(decoded.whole, "{bad:.60}: its bytes are there, so nothing can be missing");
        assert_eq!(decoded.bad.len(), 3 - count, "{bad:.60}");
        let seen = events(decoded);
        assert_eq!(seen.len(), count, "{bad:.60}");
        assert_eq!((&*seen[count - 1].1, seen[0].2), (good, Some(2)), "{bad:.60}");
    }
}

#[test]
fn bytes_that_are_no_text_cost_their_message_alone() {
    let mut body = br#"[{"channel":"/topic/A","data":1},{"channel":"/topic/A","data":""#.to_vec();
    body.extend_from_slice(b"\xff\xfe");
    body.extend_from_slice(br#""},{"channel":"/topic/A","data":3}]"#);
    let decoded = decode(&Bytes::from(body));
    assert_eq!(decoded.bad.len(), 1);
    assert_eq!(decoded.bad[0].reason, "not UTF-8");
    assert!(decoded.whole);
    assert_eq!(events(decoded).len(), 2);
}

#[test]
fn what_is_cut_short_keeps_what_stood_before() {
    let whole = r#"[{"channel":"/topic/A","data":1},{"channel":"/topic/A","data":2}]"#;
    for cut in 1..whole.len() {
        let decoded = read(&whole[..cut]);
        assert!(!decoded.whole, "{cut}");
        let expected = usize::from(cut >= 32) + usize::from(cut >= 64);
        assert_eq!(events(decoded).len(), expected, "{cut}");
    }
    let behind = read(&format!("{whole}x"));
    assert!(behind.whole && behind.bad.len() == 1, "an array is complete without what stands behind it");
    let twice = read(&format!("{whole} {whole}"));
    assert_eq!((twice.whole, twice.bad.len(), events(twice).len()), (true, 1, 4));
}

#[test]
fn what_is_no_bayeux_at_all_is_set_aside() {
    for body in ["<html><body>login</body></html>", "true", "\"x\"", "{", "[[", "{}", "\u{feff}[]"] {
        let decoded = read(body);
        assert!(decoded.metas.is_empty() && decoded.events.is_empty(), "{body}");
        assert_eq!((decoded.whole, decoded.bad.len()), (body == "{}", 1), "{body}");
    }
    for body in ["", "  ", "[]", "[ ]"] {
        assert!(read(body).whole, "{body:?}");
    }
}

#[test]
fn an_event_that_is_no_text_still_has_its_place() {
    let mut body = br#"[{"channel":"/topic/A","data":{"event":{"replayId":7},"x":""#.to_vec();
    body.extend_from_slice(b"\xff\"}}]");
    let decoded = decode(&Bytes::from(body));
    assert_eq!(decoded.bad[0].event, Some(("/topic/A".into(), ReplayId(7))));
}

#[test]
fn a_message_without_an_end_costs_itself_alone() {
    let good = r#"{"channel":"/topic/A","data":{"event":{"replayId":2}}}"#;
    for bad in [r#"{"channel":"/topic/B","data":{"x":"a"b"}}"#, r#"{"channel":"/topic/B","data":{{}}"#] {
        let decoded =
            read(&format!(r#"[{good},{bad},{good},{{"channel":"/meta/connect","successful":true}}]"#));
        assert!(decoded.whole, "{bad}");
        assert_eq!((decoded.metas.len(), decoded.bad.len()), (1, 1), "{bad}");
        assert_eq!(events(decoded).len(), 2, "{bad}");
    }
    let inside = r#"[{"channel":"/topic/B","data":{"x":"a"b","list":[{"channel":"/topic/C","data":1}]}}]"#;
    let decoded = read(inside);
    assert!(decoded.events.is_empty(), "nothing inside of a message is taken for one");
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        decode(&Bytes::from(bytes));
    }

    #[test]
    fn no_text_made_of_json_pieces_panics(pieces in proptest::collection::vec(
        proptest::sample::select(vec!["[", "]", "{", "}", ",", ":", "\"", "\\", "\"channel\"", "\"/topic/A\"", "\"data\"", "\"event\"", "\"replayId\"", "1", "null", "\n", "\"/meta/connect\"", "\"id\""]), 0..60)) {
        decode(&Bytes::from(pieces.concat()));
    }
}
