//! Replies that are JSON, but not those of the protocol.

use serde_json::json;

use crate::acts::{body, event, list};
use crate::scene::{Scene, odd_body};
use crate::server::{CONNECT, HANDSHAKE, SUBSCRIBE};
use crate::support::A;

#[test]
fn a_reply_without_an_id_is_the_reply() {
    let mut scene = Scene::without_replay();
    scene.play_body(2, |answer| answer.with(r#"{"channel":"/meta/connect","successful":true}"#));
    scene.ends_in_the_same_session();
}

#[test]
fn a_reply_with_a_numeric_id_is_the_reply() {
    let mut scene = Scene::without_replay();
    scene.play_body(2, |answer| {
        let id: u64 = answer.id.parse().unwrap();
        answer.with(answer.reply_with(&json!({"id": id})))
    });
    scene.ends_in_the_same_session();
}

#[test]
fn ids_that_are_repeated_cost_nothing() {
    let mut scene = Scene::without_replay();
    scene.play_body(2, |answer| {
        let stale = answer.reply_with(&json!({"channel": "/meta/subscribe", "subscription": A}));
        answer.with(format!("{stale},{},{stale}", answer.reply))
    });
    scene.ends_in_the_same_session();
}

#[test]
fn a_reply_to_a_foreign_id_decides_nothing_beside_the_right_one() {
    let mut scene = Scene::without_replay();
    scene.play_body(2, |answer| {
        let refusal = json!({"id": "999999", "successful": false, "error": "402::Unknown client",
            "advice": {"reconnect": "handshake"}});
        answer.with(format!("{},{}", answer.reply_with(&refusal), answer.reply))
    });
    scene.ends_in_the_same_session();
}

#[test]
fn a_reply_to_a_foreign_id_alone_is_survived() {
    odd_body(None, |answer| answer.with(answer.reply_with(&json!({"id": "999999"}))));
}

#[test]
fn replies_and_events_in_any_order_are_all_taken() {
    let mut scene = Scene::without_replay();
    scene.play_body(1, |answer| list([answer.reply.as_bytes(), &answer.events[0]]));
    scene.goes_on();
    scene.play_body(2, |answer| list([&answer.events[0], answer.reply.as_bytes(), &answer.events[1]]));
    scene.ends_in_the_same_session();
}

#[test]
fn a_doubled_reply_is_one() {
    let mut scene = Scene::without_replay();
    scene.play_body(2, |answer| answer.with(format!("{0},{0},{0}", answer.reply)));
    scene.ends_in_the_same_session();
}

#[test]
fn doubled_events_are_one() {
    let mut scene = Scene::live();
    scene.play_body(2, |answer| {
        list([
            &answer.events[0],
            &answer.events[0],
            &answer.events[1],
            &answer.events[0],
            answer.reply.as_bytes(),
        ])
    });
    scene.ends_in_the_same_session();
}

#[test]
fn a_missing_reply_beside_events_costs_nothing() {
    let mut scene = Scene::without_replay();
    scene.play_body(2, |answer| list(&answer.events));
    scene.ends_in_the_same_session();
}

#[test]
fn a_message_without_a_channel_is_set_aside_alone() {
    odd_body(Some("no channel"), |answer| answer.with(format!(r#"{{"data":{{"x":1}}}},{}"#, answer.reply)));
}

#[test]
fn a_reply_without_successful_is_survived() {
    odd_body(Some("refused without a reason"), |answer| {
        answer.with(format!(r#"{{"id":"{}","channel":"/meta/connect"}}"#, answer.id))
    });
}

#[test]
fn null_in_the_place_of_any_field_of_a_reply_is_survived() {
    for field in ["id", "channel", "successful", "clientId", "advice", "ext", "error", "data", "subscription"]
    {
        let mut scene = Scene::without_replay();
        scene.play_body(2, move |answer| answer.with(answer.reply_with(&json!({field: null}))));
        scene.ends();
    }
}

#[test]
fn null_in_the_place_of_a_message_is_set_aside_alone() {
    odd_body(Some("set aside"), |answer| {
        list([b"null", &*answer.events[0], b"null", &answer.events[1], answer.reply.as_bytes(), b"null"])
    });
}

#[test]
fn null_in_an_event_leaves_its_neighbours_alone() {
    odd_body(None, |answer| {
        let odd = [r#"{"channel":"/topic/A","data":null}"#, r#"{"channel":null,"data":{}}"#];
        let event = r#"{"channel":"/topic/A","data":{"event":null,"sobject":null},"ext":null,"clientId":null,"id":null}"#;
        answer.with(format!("{},{},{event},{}", odd[0], odd[1], answer.reply))
    });
}

#[test]
fn an_empty_array_costs_a_connect() {
    let mut scene = Scene::without_replay();
    scene.play_body(0, |_| "[]");
    scene.told("no reply to the connect");
    scene.ends_in_the_same_session();
}

#[test]
fn a_bare_object_is_a_message() {
    let mut scene = Scene::without_replay();
    scene.play_body(0, |answer| answer.reply.clone());
    scene.goes_on();
    scene.play_body(1, |answer| answer.events[0].clone());
    scene.ends_in_the_same_session();
}

#[test]
fn events_in_the_body_of_a_handshakes_reply_are_taken() {
    let mut scene = Scene::live();
    scene.stage(1, |state| {
        let event = state.last_event();
        state.act(HANDSHAKE, body(move |answer| list([&*event, answer.reply.as_bytes()])));
        state.forget();
    });
    scene.ends();
}

#[test]
fn events_in_the_body_of_a_subscriptions_reply_are_taken() {
    for first in [true, false] {
        let mut scene = Scene::live();
        scene.stage(1, |state| {
            let event = state.last_event();
            state.act(
                SUBSCRIBE,
                body(move |answer| {
                    let reply = answer.reply.as_bytes();
                    list(if first { [&*event, reply] } else { [reply, &*event] })
                }),
            );
            state.forget();
        });
        scene.ends();
    }
}

#[test]
fn events_in_the_body_of_a_failed_reply_are_taken() {
    for error in ["402::Unknown client", "503::Server is too busy", "400::Nobody knows why", "401::x"] {
        let place = crate::support::Place::new();
        let token = place.write("token", "the-first-token");
        let mut scene = Scene::live_with(&format!("login.token.file = {token:?}"));
        scene.play_body(2, move |answer| {
            answer.with(answer.reply_with(&json!({"successful": false, "error": error})))
        });
        scene.told(error);
        place.write("token", "the-second-token");
        scene.ends();
    }
}

#[test]
fn a_disconnect_sent_by_the_server_is_a_session_lost() {
    let mut scene = Scene::live();
    scene.stage(2, |state| {
        state.act(CONNECT, body(|answer| answer.with(r#"{"channel":"/meta/disconnect","successful":true}"#)));
        state.act(
            CONNECT,
            body(|answer| answer.with(format!(r#"{{"channel":"/meta/disconnect"}},{}"#, answer.reply))),
        );
    });
    scene.told("the server disconnected it");
    scene.ends();
}

#[test]
fn a_number_beyond_64_bits_is_survived_anywhere() {
    for number in
        ["9223372036854775808", "18446744073709551616", "1e400", "-1e400", "-9223372036854775809", "1e-400"]
    {
        let mut scene = Scene::live();
        let n = scene.count_one();
        scene.play_body(1, move |answer| {
            let odd = event(A, n, Some(number));
            let reply = answer.reply_with(&json!({"x": 0})).replace(r#""x":0"#, &format!(r#""x":{number}"#));
            let id = format!(r#""id":"{}""#, answer.id);
            let reply = reply.replace(&id, &format!(r#""id":{number}"#));
            list([odd.as_bytes(), &answer.events[0], reply.as_bytes()])
        });
        scene.ends();
    }
}

#[test]
fn events_of_channels_that_are_none_leave_their_neighbours_alone() {
    let long = format!("/{}", "x".repeat(5000));
    for channel in
        ["", "/", "topic", "//", "/a//b", "/topic/A ", "\\u0000", "/\\u001b[2J", "/meta", "/service/x", &long]
    {
        for scene in [Scene::live(), Scene::without_replay()] {
            let mut scene = scene;
            let odd = format!(r#"{{"channel":"{channel}","data":{{}}}}"#);
            scene.play_body(2, move |answer| {
                list([
                    odd.as_bytes(),
                    &answer.events[0],
                    odd.as_bytes(),
                    &answer.events[1],
                    answer.reply.as_bytes(),
                ])
            });
            scene.ends();
        }
    }
    odd_body(None, |answer| answer.with(format!(r#"{{"channel":7,"data":{{}}}},{}"#, answer.reply)));
}

/// Servers number events in their order, but do not promise to send them so.
#[test]
fn events_whose_numbers_come_in_any_order_arrive_once() {
    let mut scene = Scene::live();
    scene.play_body(3, |answer| {
        list([&answer.events[2], &answer.events[0], &answer.events[1], answer.reply.as_bytes()])
    });
    scene.arrived();
    scene.play_body(1, |_| "<html>");
    scene.goes_on();
    let mut seen = scene.numbers();
    seen.sort_unstable();
    assert_eq!(seen, (0..scene.next()).collect::<Vec<_>>());
}
