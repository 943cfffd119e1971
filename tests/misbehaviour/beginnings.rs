//! Odd replies to a handshake and to a subscription: the session that follows is there within the bound.

use serde_json::{Value, json};

use crate::acts::{Act, Answer, body, status};
use crate::scene::{Scene, within_bound};
use crate::server::{HANDSHAKE, SUBSCRIBE};
use crate::support::A;

const PAGE: &str = "<html><body>Welcome to the hotel's network</body></html>";

/// Sessions are lost while events are published, and requests on `channel` of the next one meet this, so many times in
/// a row.
fn begins_after(
    times: usize,
    channel: &'static str,
    make: impl Fn(&Answer) -> Vec<u8> + Clone + Send + 'static,
) {
    let mut scene = Scene::live();
    scene.stage(2, |state| {
        state.forget();
        (0..times).for_each(|_| state.act(channel, body(make.clone())));
    });
    scene.ends();
}

fn begins_with(channel: &'static str, make: impl Fn(&Answer) -> Vec<u8> + Clone + Send + 'static) {
    begins_after(1, channel, make);
}

/// Bodies that are no replies at all.
fn no_replies(channel: &'static str) {
    for text in ["", "[]", "{}", "[{}]", "null", "[null]", "7", "\"x\"", "[[]]", PAGE, "[{\"channel\":"] {
        begins_after(3, channel, move |_| text.as_bytes().to_vec());
    }
    begins_with(channel, |_| b"[\"\xff\"]".to_vec());
    begins_with(channel, |_| "[".repeat(10_000).into_bytes());
    begins_with(channel, |answer| answer.reply.as_bytes()[..answer.reply.len() / 2].to_vec());
}

/// A reply with these fields over its own.
fn with_fields(channel: &'static str, fields: Value) {
    begins_with(channel, move |answer| format!("[{}]", answer.reply_with(&fields)).into_bytes());
}

#[test]
fn no_reply_to_a_handshake_is_survived() {
    no_replies(HANDSHAKE);
}

#[test]
fn no_reply_to_a_subscription_is_survived() {
    no_replies(SUBSCRIBE);
}

#[test]
fn any_value_in_the_place_of_a_field_of_a_handshakes_reply_is_survived() {
    for field in ["id", "channel", "clientId", "successful", "version", "supportedConnectionTypes", "advice"]
    {
        for value in [Value::Null, json!(-1), json!("?"), json!([]), json!({})] {
            with_fields(HANDSHAKE, json!({field: value}));
        }
    }
}

/// Without it no position can be asked for, and what was published between the sessions cannot be had.
#[test]
fn a_handshake_that_confirms_replay_no_longer_is_told_as_a_gap() {
    for ext in [Value::Null, json!({"replay": false}), json!("?")] {
        let mut scene = Scene::live();
        scene.stage(2, |state| {
            state.forget();
            let fields = json!({"ext": ext});
            state.act(HANDSHAKE, body(move |answer| format!("[{}]", answer.reply_with(&fields))));
        });
        scene.played();
        within_bound("a poll", || scene.server.with(|state| state.is_polled()));
        let n = scene.next();
        scene.publish(1);
        within_bound("the next event", || scene.numbers().contains(&n));
        scene.told("gap: events of this channel may be missing");
        within_bound("the gap in the status", || scene.status()["gaps"] == 1);
        assert_eq!(scene.daemon.stop().code, Some(0));
    }
}

#[test]
fn any_value_in_the_place_of_a_field_of_a_subscriptions_reply_is_survived() {
    for field in ["id", "channel", "clientId", "successful", "subscription", "advice", "ext", "error"] {
        for value in [Value::Null, json!(-1), json!("?"), json!([A, A]), json!({})] {
            with_fields(SUBSCRIBE, json!({field: value}));
        }
    }
}

#[test]
fn doubled_replies_to_a_handshake_and_a_subscription_are_one() {
    for channel in [HANDSHAKE, SUBSCRIBE] {
        begins_with(channel, |answer| format!("[{0},{0}]", answer.reply).into_bytes());
    }
}

/// The advice of a refused handshake that tells a client to stop for ever is not obeyed for ever.
#[test]
fn none_on_a_failed_handshake_or_subscription_is_no_end() {
    for channel in [HANDSHAKE, SUBSCRIBE] {
        for error in [
            "403::Handshake denied",
            "400::Nobody knows why",
            "503::Server is too busy",
            "402::Unknown client",
        ] {
            let advice = json!({"reconnect": "none", "interval": 0});
            with_fields(channel, json!({"successful": false, "error": error, "advice": advice}));
        }
    }
}

/// A status whose body is in the protocol's own words.
fn refused(code: u16, events: bool) -> Act {
    Box::new(move |stream, answer| {
        let reply = answer.reply_with(&json!({"successful": false, "error": "400::Nobody knows why"}));
        let text = if events { answer.with(reply) } else { format!("[{reply}]").into_bytes() };
        status(code, "Content-Type: application/json\r\n", text)(stream, answer)
    })
}

#[test]
fn a_failed_reply_under_a_failed_status_keeps_the_events_beside_it() {
    for code in [400, 403, 404, 500, 503] {
        let mut scene = Scene::without_replay();
        scene.play(2, refused(code, true));
        scene.ends();
        let mut scene = Scene::live();
        scene.stage(1, |state| {
            state.forget();
            state.act(HANDSHAKE, refused(code, false));
            state.act(SUBSCRIBE, refused(code, false));
        });
        scene.ends();
    }
}
