//! Bodies with status 200 that are no JSON, or not as it should be.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::acts::{After, Answer, body, bytes, event, list, response};
use crate::scene::{Scene, odd_body, within_bound};
use crate::server::SUBSCRIBE;
use crate::support::A;

const PAGE: &str = "<html><body>Welcome to the hotel's network</body></html>";

#[test]
fn a_page_with_status_200_costs_a_connect_and_no_event() {
    let mut scene = Scene::live();
    scene.play_body(2, |_| PAGE);
    scene.told("Welcome to the hotel's network");
    scene.ends_in_the_same_session();
}

#[test]
fn nothing_with_status_200_costs_a_connect_and_no_event() {
    let mut scene = Scene::live();
    scene.play_body(2, |_| "");
    scene.told("with an empty body");
    scene.ends_in_the_same_session();
}

#[test]
fn json_that_is_cut_anywhere_costs_no_event() {
    let mut scene = Scene::live();
    for part in 1..8 {
        scene.play_body(2, move |answer| {
            let body = answer.body();
            body[..body.len() * part / 8].to_vec()
        });
        scene.goes_on();
    }
    scene.told("could not be read to its end");
    scene.ends_in_the_same_session();
}

#[test]
fn what_stands_before_a_cut_is_taken_without_replay_too() {
    let mut scene = Scene::without_replay();
    scene.play_body(2, |answer| {
        let body = answer.body();
        body[..body.len() - 20].to_vec()
    });
    scene.told("gap: events of this channel may be missing");
    within_bound("the gap in the status", || scene.status()["gaps"] == 1);
    scene.ends();
}

#[test]
fn json_after_the_end_costs_no_event() {
    for trail in ["[]", "]", "{}", "garbage", "\u{0}", r#"{"channel":"/topic/A","data":{}}"#] {
        let mut scene = Scene::live();
        scene.play_body(2, move |answer| [&*answer.body(), trail.as_bytes()].concat());
        scene.told("bytes after the end");
        scene.ends_in_the_same_session();
    }
}

#[test]
fn bytes_that_are_no_utf8_cost_their_own_message_alone() {
    odd_body(Some("not UTF-8"), |answer| {
        let odd = b"{\"channel\":\"/topic/A\",\"data\":{\"text\":\"\xff\xfe\"}}";
        list([&*answer.events[0], odd, &answer.events[1], answer.reply.as_bytes()])
    });
    odd_body(Some("not UTF-8"), |answer| {
        let odd = b"\xc3\x28";
        list([&*answer.events[0], odd, &answer.events[1], answer.reply.as_bytes()])
    });
}

/// Between two good events the server keeps one that is these bytes, and sends it again with every replay: it is
/// told, and not asked for for ever.
fn is_left_behind(told: &str, bad: impl FnOnce(i64) -> Vec<u8>) {
    let mut scene = Scene::live();
    let replay = i64::try_from(scene.next()).unwrap() * 3 + 11;
    let bad = bad(replay);
    scene.stage(1, |state| state.publish_raw(replay, bad));
    scene.told(told);
    scene.goes_on();
    let subscribed = scene.server.with(|state| state.count(SUBSCRIBE));
    assert!(subscribed <= 6, "{subscribed} subscriptions for one bad event");
    scene.goes_on();
    let again = scene.server.with(|state| state.count(SUBSCRIBE));
    assert_eq!(subscribed, again, "the bad event is behind it");
    scene.ends_in_the_same_session();
}

#[test]
fn an_event_that_cannot_be_read_does_not_come_back_for_ever() {
    is_left_behind("not UTF-8", |replay| {
        let begin = format!(r#"{{"channel":"/topic/A","data":{{"event":{{"replayId":{replay}}},"text":""#);
        [begin.as_bytes(), b"\xff\"}}"].concat()
    });
}

#[test]
fn an_event_that_tells_no_number_does_not_come_back_for_ever() {
    is_left_behind("not UTF-8", |_| b"{\"\xff\":\"\xff\"}".to_vec());
    is_left_behind("no channel", |_| b"{\"data\":{}}".to_vec());
}

#[test]
fn a_lone_surrogate_in_an_event_goes_through() {
    let mut scene = Scene::without_replay();
    let n = scene.count_one();
    scene.play_body(1, move |answer| {
        let odd = event(A, n, None).replace(r#""sobject":{"#, r#""sobject":{"\ud800":"\udc00 \ud83d","#);
        list([odd.as_bytes(), &answer.events[0], answer.reply.as_bytes()])
    });
    let ended = scene.ends_in_the_same_session();
    assert!(ended.stdout.contains(r#""\ud800":"\udc00 \ud83d""#), "{}", ended.stdout);
}

#[test]
fn lone_surrogates_in_a_channel_or_a_reply_cost_no_event() {
    odd_body(None, |answer| {
        let odd = r#"{"channel":"/topic/\ud800","data":{}}"#;
        let reply = format!(
            r#"{{"id":"{}","channel":"/meta/connect","successful":true,"error":"\ud800","clientId":"\udfff","ext":{{"\ud800":"\ud800"}},"advice":{{"reconnect":"\ud800"}}}}"#,
            answer.id
        );
        list([odd.as_bytes(), &answer.events[0], &answer.events[1], reply.as_bytes()])
    });
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn ten_thousand_levels_in_an_event_go_through() {
    let mut scene = Scene::without_replay();
    let n = scene.count_one();
    scene.play_body(1, move |answer| {
        let deep = format!(r#""sobject":{{"deep":{},"#, nested(10_000));
        let odd = event(A, n, None).replace(r#""sobject":{"#, &deep);
        list([odd.as_bytes(), &answer.events[0], answer.reply.as_bytes()])
    });
    scene.ends_in_the_same_session();
}

#[test]
fn ten_thousand_levels_anywhere_else_are_survived() {
    for field in ["id", "channel", "successful", "advice", "ext", "error", "data", "other"] {
        let mut scene = Scene::without_replay();
        scene.play_body(2, move |answer| {
            let reply = answer.reply_with(&json!({field: "DEEP"}));
            answer.with(format!("{},{}", reply.replace(r#""DEEP""#, &nested(10_000)), answer.reply))
        });
        scene.ends();
    }
    for deep in [nested(10_000), "[".repeat(10_000), r#"{"a":"#.repeat(10_000), "]".repeat(10_000)] {
        let mut scene = Scene::live();
        scene.play(2, body(move |_| deep));
        scene.ends();
    }
}

#[test]
fn a_body_that_is_not_packed_as_it_claims_costs_no_event() {
    let broken = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xffnonsense".to_vec();
    for (encoding, made) in
        [("gzip", None), ("gzip", Some(broken)), ("br", None), ("gzip, gzip", None), ("?", None)]
    {
        let mut scene = Scene::live();
        let header = format!("Content-Encoding: {encoding}\r\n");
        let made = move |answer: &Answer| response(200, &header, &made.unwrap_or_else(|| answer.body()));
        scene.play(2, bytes(made, After::Keep));
        scene.told(r#""kind":"malformed""#);
        scene.ends_in_the_same_session();
    }
}

#[test]
fn a_packed_body_is_unpacked() {
    let mut scene = Scene::without_replay();
    let made = |answer: &Answer| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&answer.body()).unwrap();
        response(200, "Content-Encoding: gzip\r\n", &packed.finish().unwrap())
    };
    scene.play(2, bytes(made, After::Keep));
    scene.ends_in_the_same_session();
}
