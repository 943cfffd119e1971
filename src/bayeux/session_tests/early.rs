use std::time::Duration;

use serde_json::{Value, json};

use super::bench::{Bench, config, event};
use crate::bayeux::Config;
use crate::bayeux::contract::Output;
use crate::bayeux::decode::decode;
use crate::bayeux::early::closing_meta;
use crate::bayeux::notice::Notice;

/// A live session in which every body is long.
fn live() -> Bench {
    let mut bench = Bench::new(Config { connect_early: 0, ..config(&["/topic/A"]) }, None);
    bench.handshake("c1");
    bench.accept_subscriptions();
    bench.connected();
    bench.reply(&json!([event("/topic/A", 1), success(&bench)]));
    bench.heard.clear();
    bench
}

fn success(bench: &Bench) -> Value {
    json!({"channel": "/meta/connect", "id": bench.asked()[0]["id"], "successful": true})
}

#[test]
fn the_next_connect_goes_out_before_the_events() {
    let mut bench = live();
    bench.reply(&json!([event("/topic/A", 5), success(&bench)]));
    assert!(matches!(bench.heard[..], [Output::Send(_), Output::Deliver(_)]), "{:?}", bench.heard);
    assert_eq!(bench.open.len(), 1);
    bench.reply(&json!([event("/topic/A", 5), event("/topic/A", 6), success(&bench)]));
    let lens: Vec<_> = bench.batches().iter().map(|batch| batch.len()).collect();
    assert_eq!(lens, [1, 1], "a repeat is known as before");
}

#[test]
fn under_dense_traffic_an_eighth_of_the_length_is_enough() {
    let body = |bench: &Bench, events: i64| {
        let mut all: Vec<_> = (101..=100 + events).map(|number| event("/topic/A", number)).collect();
        all.push(success(bench));
        Value::from(all)
    };
    let connect_early = 8 * body(&live(), 2).to_string().len();
    for (waited, events, early) in [(499, 2, true), (500, 2, false), (499, 1, false), (500, 30, true)] {
        let mut bench = Bench::new(Config { connect_early, ..config(&["/topic/A"]) }, None);
        bench.handshake("c1");
        bench.accept_subscriptions();
        bench.connected();
        bench.reply(&json!([event("/topic/A", 100), success(&bench)]));
        bench.heard.clear();
        bench.now.mono += Duration::from_micros(waited);
        bench.reply(&body(&bench, events));
        assert_eq!(matches!(bench.heard[0], Output::Send(_)), early, "{events} after {waited} us");
        assert_eq!(bench.heard.len(), 2);
    }
}

#[test]
fn a_server_that_gives_an_event_only_once_is_asked_when_it_is_handed_on() {
    let mut bench = live();
    for replay in [7, 8] {
        let unnumbered = json!({"channel": "/topic/A", "data": {}});
        bench.reply(&json!([unnumbered, success(&bench)]));
        bench.reply(&json!([event("/topic/A", replay), success(&bench)]));
    }
    let sent: Vec<_> = bench.heard.iter().map(|output| matches!(output, Output::Send(_))).collect();
    assert_eq!(sent[..2], [true, false], "that there is such an event is known after the first");
    assert_eq!(sent[2..], [false, true].repeat(3));
    let mut bench = Bench::new(Config { connect_early: 0, ..config(&["/topic/A"]) }, None);
    bench.reply(&json!([{"channel": "/meta/handshake", "id": bench.asked()[0]["id"], "successful": true, "clientId": "c1"}]));
    bench.accept_subscriptions();
    bench.connected();
    bench.heard.clear();
    for replay in 1..4 {
        bench.reply(&json!([event("/topic/A", replay), success(&bench)]));
    }
    let sent: Vec<_> = bench.heard.iter().map(|output| matches!(output, Output::Send(_))).collect();
    assert_eq!(sent, [false, true].repeat(3));
}

#[test]
fn whatever_else_is_said_goes_its_usual_way() {
    let advice = |bench: &Bench| {
        let mut meta = success(bench);
        meta["advice"] = json!({"reconnect": "retry", "interval": 7000});
        meta
    };
    let other = |bench: &Bench| {
        let mut meta = success(bench);
        meta["id"] = json!("9999");
        meta
    };
    let refused =
        |_: &Bench| json!({"channel": "/meta/connect", "successful": false, "error": "402::Unknown"});
    let event_last = |_: &Bench| event("/topic/A", 6);
    let closings: [fn(&Bench) -> Value; 4] = [advice, other, refused, event_last];
    for closing in closings {
        let mut bench = live();
        bench.reply(&json!([event("/topic/A", 5), closing(&bench)]));
        assert!(matches!(bench.heard.first(), Some(Output::Deliver(_))), "{:?}", bench.heard);
    }
}

#[test]
fn a_connect_is_given_up_when_the_response_says_more() {
    let mut bench = live();
    let refusal = json!({"channel": "/meta/connect", "id": bench.asked()[0]["id"], "successful": false, "error": "402::Unknown client", "advice": {"reconnect": "handshake", "interval": 500}});
    bench.reply(&json!([event("/topic/A", 5), refusal, success(&bench)]));
    assert!(matches!(bench.heard[..2], [Output::Send(_), Output::Deliver(_)]), "{:?}", bench.heard);
    assert!(bench.heard.iter().any(|output| matches!(output, Output::Cancel(_))));
    assert!(bench.notices().any(|notice| matches!(notice, Notice::SessionLost { .. })));
    assert!(bench.open.is_empty());
    bench.pass_wait();
    bench.handshake("c2");
    assert_eq!(bench.asked()[0]["ext"]["replay"], json!({"/topic/A": 5}));
}

#[test]
fn what_cannot_be_read_makes_the_position_be_asked_for_again() {
    let mut bench = live();
    let body = format!("[{}, {{\"channel\":, {}]", event("/topic/A", 5), success(&bench));
    bench.reply_with(200, &body);
    assert!(bench.heard.iter().any(|output| matches!(output, Output::Cancel(_))), "{:?}", bench.heard);
    assert!(bench.open.is_empty());
    bench.pass_wait();
    assert_eq!((bench.channel_asked().as_str(), bench.open.len()), ("/meta/subscribe", 1));
}

#[test]
fn long_answers_without_events_are_not_asked_for_faster() {
    let mut bench = live();
    let mut sent = 0;
    while bench.open.len() == 1 {
        bench.reply(&json!([{"channel": "/a", "successful": true}, success(&bench)]));
        sent += 1;
        assert!(sent < 20, "a server that holds no poll is asked without a pause");
    }
}

#[test]
fn the_last_message_is_found_from_the_end_or_not_at_all() {
    let found = |body: &str| closing_meta(body.as_bytes()).map(|meta| meta.id);
    let id = |id: &str| Some(Some(String::from(id)));
    assert_eq!(found(r#"[{"channel":"/meta/connect","id":"1"}]"#), id("1"));
    assert_eq!(
        found("[{}, {\"id\":\"2\",\"channel\":\"\\/meta\\/connect\",\"ext\":{\"a\":{}}} \n] \n"),
        id("2")
    );
    for other in [
        "",
        "]",
        "[]",
        r#"{"channel":"/meta/connect"}"#,
        r#"[{"channel":"/meta/connect"},{"channel":"/topic/A","data":{}}]"#,
        r#"[{"channel":"/topic/A","data":[{"channel":"/meta/connect"}]}]"#,
        r#"[{"channel":"/topic/A","data":"{\"channel\":\"/meta/connect\"}"}]"#,
        r#"["{"channel":"/meta/connect"}"]"#,
    ] {
        assert_eq!(found(other), None, "{other}");
    }
    let long = format!(r#"[{{"channel":"/meta/connect","x":"{}"}}]"#, "y".repeat(2000));
    assert_eq!(found(&long), None);
}

proptest::proptest! {
    /// A text that holds a reply is none, wherever the search from the end comes across it.
    #[test]
    fn what_is_found_stands_in_what_is_read(texts in proptest::collection::vec(".{0,20}", 0..4), cut in 0..400_usize) {
        let meta = json!({"channel": "/meta/connect", "id": "1", "successful": true});
        let quoted = json!({"channel": "/topic/A", "data": {"a": texts, "b": meta.to_string(), "c": [meta.clone()]}});
        let body = json!([quoted, meta]).to_string().into_bytes();
        let body = bytes::Bytes::from(body.get(..body.len() - cut.min(body.len())).unwrap_or_default().to_vec());
        let decoded = decode(&body);
        if let Some(found) = closing_meta(&body).filter(|_| decoded.whole && decoded.bad.is_empty()) {
            proptest::prop_assert_eq!(decoded.metas.last(), Some(&found));
        }
    }
}
