//! Sessions over a websocket, and long polling in its place.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::bench::{Bench, config, event};
use crate::bayeux::Config;
use crate::bayeux::border::{Fault, FaultKind, Lane, Reply};
use crate::bayeux::contract::{Input, Output};
use crate::bayeux::notice::Notice;
use crate::bayeux::subscription::Standing;
use crate::event::{Channel, ReplayId};

fn wanted(channels: &[&str]) -> Config {
    Config { websocket: true, ..config(channels) }
}

/// Shakes hands with a server that offers these.
fn offer(bench: &mut Bench, types: &Value) {
    assert_eq!(bench.open.last().unwrap().lane, Lane::Poll, "a handshake goes by HTTP");
    bench.reply(&json!([{
        "channel": "/meta/handshake", "clientId": "c1", "successful": true, "ext": {"replay": true},
        "supportedConnectionTypes": types,
    }]));
}

fn frame(bench: &mut Bench, messages: &Value) {
    bench.heard.clear();
    bench.give(Input::Frame(Bytes::from(messages.to_string())));
}

/// Lets time pass until a handshake is open.
fn pass_to_handshake(bench: &mut Bench) {
    while bench.open.is_empty() {
        bench.pass_wait();
    }
    assert_eq!(bench.channel_asked(), "/meta/handshake");
}

fn ok(channel: &str) -> Value {
    json!({"channel": channel, "successful": true})
}

fn accepted(channel: &str) -> Value {
    json!({"channel": "/meta/subscribe", "subscription": channel, "successful": true})
}

fn fault(sent: bool) -> Fault {
    Fault { kind: FaultKind::Broken, sent, detail: String::from("the socket broke") }
}

/// Ends all that is open on the socket, as the driver does.
fn broken(bench: &mut Bench, sent: bool) {
    bench.heard.clear();
    for exchange in std::mem::take(&mut bench.open) {
        bench.give(Input::Outcome(exchange.id, Err(fault(sent))));
    }
}

fn fallbacks(bench: &Bench) -> usize {
    bench.notices().filter(|notice| matches!(notice, Notice::Fallback { .. })).count()
}

/// A session over a socket with a poll open.
fn live(channels: &[&str]) -> Bench {
    let mut bench = Bench::new(wanted(channels), None);
    offer(&mut bench, &json!(["long-polling", "websocket"]));
    for channel in channels {
        frame(&mut bench, &json!([accepted(channel)]));
    }
    frame(&mut bench, &json!([ok("/meta/connect")]));
    assert_eq!((bench.session.state(), bench.session.transport()), ("live", "websocket"));
    bench
}

fn commit(bench: &mut Bench, channel: &str, replay: i64) {
    bench.give(Input::Committed(Channel::parse(channel).unwrap(), ReplayId(replay)));
}

#[test]
fn a_session_goes_over_a_socket_where_it_is_wanted_and_offered() {
    let mut bench = Bench::new(wanted(&["/topic/A", "/topic/B"]), None);
    assert_eq!(bench.asked()[0]["supportedConnectionTypes"], json!(["websocket", "long-polling"]));
    offer(&mut bench, &json!(["websocket", "long-polling"]));
    assert_eq!((bench.asked().len(), bench.open[0].lane), (2, Lane::Socket));
    assert_eq!(bench.session.transport(), "websocket");
    // The replies to one request may come in several frames.
    frame(&mut bench, &json!([accepted("/topic/B")]));
    assert_eq!(bench.session.state(), "subscribing");
    frame(&mut bench, &json!([accepted("/topic/A")]));
    assert_eq!(
        (bench.asked()[0]["connectionType"].clone(), bench.open[0].lane),
        (json!("websocket"), Lane::Socket)
    );
    assert_eq!(bench.open[0].deadline, Duration::from_secs(30), "a probe is answered at once");
    frame(&mut bench, &json!([ok("/meta/connect")]));
    assert_eq!(bench.open[0].deadline, Duration::from_secs(120));
    assert_eq!(fallbacks(&bench), 0);
}

#[test]
fn without_the_wish_or_the_offer_it_is_long_polling() {
    for (mut bench, types, told) in [
        (Bench::new(config(&["/topic/A"]), None), json!(["websocket", "long-polling"]), 0),
        (Bench::new(wanted(&["/topic/A"]), None), json!(["long-polling"]), 1),
        (Bench::new(wanted(&["/topic/A"]), None), json!({"websocket": 1}), 1),
        (Bench::new(wanted(&["/topic/A"]), None), Value::Null, 1),
    ] {
        offer(&mut bench, &types);
        assert_eq!((bench.open[0].lane, bench.session.transport()), (Lane::Poll, "long-polling"));
        assert_eq!(fallbacks(&bench), told, "{types}");
    }
}

#[test]
fn events_come_at_any_time_and_leave_the_poll_alone() {
    let mut bench = live(&["/topic/A"]);
    let poll = bench.open[0].id;
    for replay in 1..4 {
        frame(&mut bench, &json!([event("/topic/A", replay)]));
        assert_eq!(bench.batches().len(), 1);
        assert_eq!(bench.heard.len(), 1, "{:?}", bench.heard);
    }
    assert_eq!(bench.open[0].id, poll);
    frame(&mut bench, &json!([event("/topic/A", 9), ok("/meta/connect")]));
    assert!(
        matches!(bench.heard[..], [Output::Deliver(_), Output::Cancel(id), Output::Send(_)] if id == poll)
    );
}

#[test]
fn a_foreign_reply_ends_nothing() {
    let mut bench = live(&["/topic/A"]);
    let poll = bench.open[0].id;
    for message in [
        json!({"channel": "/meta/connect", "successful": false, "id": "99999", "error": "402::Unknown client"}),
        ok("/meta/subscribe"),
        ok("/meta/unsubscribe"),
        ok("/meta/handshake"),
        ok("/meta/other"),
    ] {
        frame(&mut bench, &json!([message]));
        assert_eq!((bench.open.len(), bench.open[0].id), (1, poll), "{message}");
    }
    frame(&mut bench, &json!([]));
    assert_eq!((bench.open.len(), bench.open[0].id), (1, poll));
}

#[test]
fn subscriptions_while_a_poll_is_open_share_the_socket() {
    let mut bench = live(&["/topic/A"]);
    let poll = bench.open[0].id;
    bench.give(Input::Subscribe(Channel::parse("/topic/B").unwrap().into()));
    assert_eq!((bench.open.len(), bench.open[1].lane), (2, Lane::Socket));
    frame(&mut bench, &json!([event("/topic/A", 1), accepted("/topic/B"), event("/topic/B", 1)]));
    assert_eq!(bench.session.standings().filter(|(_, standing)| *standing == Standing::Live).count(), 2);
    bench.give(Input::Unsubscribe(Channel::parse("/topic/A").unwrap()));
    assert_eq!(bench.channel_asked(), "/meta/unsubscribe");
    frame(
        &mut bench,
        &json!([{"channel": "/meta/unsubscribe", "subscription": "/topic/A", "successful": true}]),
    );
    assert_eq!((bench.open.len(), bench.open[0].id), (1, poll));
}

#[test]
fn a_socket_that_breaks_is_opened_again_and_channels_are_asked_for_from_their_positions() {
    let mut bench = live(&["/topic/A", "/topic/B"]);
    frame(&mut bench, &json!([event("/topic/A", 42)]));
    commit(&mut bench, "/topic/A", 42);
    broken(&mut bench, true);
    assert!(bench.notices().any(|notice| matches!(notice, Notice::Suspect { .. })));
    assert!(
        bench
            .notices()
            .any(|notice| matches!(notice, Notice::Gap { channel, .. } if channel.as_str() == "/topic/B"))
    );
    bench.pass_wait();
    assert_eq!((bench.channel_asked().as_str(), bench.open[0].lane), ("/meta/subscribe", Lane::Socket));
    assert_eq!(bench.asked()[0]["ext"]["replay"], json!({"/topic/A": 42}));
    assert_eq!(bench.asked()[0]["clientId"], "c1", "it is the same session");
    // What comes before the server has gone back is not taken.
    frame(&mut bench, &json!([event("/topic/A", 44)]));
    assert_eq!(bench.batches().len(), 0);
    assert_eq!((bench.session.transport(), fallbacks(&bench)), ("websocket", 0));
}

#[test]
fn a_frame_that_cannot_be_read_to_its_end_breaks_the_socket() {
    for body in ["[{\"channel\":\"/topic/A\",\"data\":{}},{\"cha", "<html>", "[{}", "", " "] {
        let mut bench = live(&["/topic/A"]);
        bench.heard.clear();
        bench.give(Input::Frame(Bytes::from_static(body.as_bytes())));
        let hung_up = bench.heard.iter().any(|output| matches!(output, Output::HangUp { broken: Some(_) }));
        assert!(hung_up, "{body}: {:?}", bench.heard);
    }
}

#[test]
fn a_message_that_cannot_be_read_costs_itself_alone() {
    let mut bench = live(&["/topic/A"]);
    frame(&mut bench, &json!([{"data": {"no": "channel"}}]));
    assert!(bench.notices().any(|notice| matches!(notice, Notice::Malformed(_))));
    frame(&mut bench, &json!([event("/topic/A", 1)]));
    assert_eq!(bench.batches().len(), 1);
}

#[test]
fn a_socket_that_cannot_be_opened_gives_way_to_long_polling_with_the_same_session() {
    let refusal = |status| Ok(Reply { status, retry_after: None, body: Bytes::new() });
    let redirect = Fault { kind: FaultKind::Redirect, ..fault(false) };
    let outcomes = [
        refusal(401),
        refusal(404),
        refusal(503),
        refusal(200),
        Err(redirect),
        Err(fault(false)),
        Err(fault(true)),
    ];
    for outcome in outcomes {
        let mut bench = Bench::new(wanted(&["/topic/A"]), None);
        offer(&mut bench, &json!(["websocket"]));
        let exchange = bench.open.remove(0);
        bench.give(Input::Outcome(exchange.id, outcome));
        assert_eq!(fallbacks(&bench), 1, "{:?}", bench.heard);
        if bench.open.is_empty() {
            assert!(bench.pass_wait() <= Duration::from_secs(1));
        }
        assert_eq!((bench.channel_asked().as_str(), bench.open[0].lane), ("/meta/subscribe", Lane::Poll));
        assert_eq!(bench.asked()[0]["clientId"], "c1");
        bench.accept_subscriptions();
        assert_eq!(bench.asked()[0]["connectionType"], "long-polling");
        bench.connected();
        assert_eq!((bench.session.state(), bench.session.transport()), ("live", "long-polling"));
        assert!(!bench.heard.iter().any(|output| matches!(output, Output::Authenticate { refused: true })));
    }
}

#[test]
fn a_socket_that_carries_no_connect_is_tried_again_only_after_long_polling_has_succeeded() {
    let mut bench = Bench::new(wanted(&[]), None);
    let types = json!(["websocket"]);
    offer(&mut bench, &types);
    // A server that forgets every session that comes over a socket.
    let unknown = json!([{"channel": "/meta/connect", "successful": false, "error": "402::Unknown client"}]);
    frame(&mut bench, &unknown);
    pass_to_handshake(&mut bench);
    offer(&mut bench, &types);
    assert_eq!((bench.open[0].lane, fallbacks(&bench)), (Lane::Poll, 1));
    bench.connected();
    bench.unknown_client();
    pass_to_handshake(&mut bench);
    offer(&mut bench, &types);
    assert_eq!(bench.open[0].lane, Lane::Socket, "long polling has succeeded meanwhile");
}

#[test]
fn a_lost_session_takes_its_socket_with_it() {
    let mut bench = live(&["/topic/A"]);
    frame(
        &mut bench,
        &json!([{"channel": "/meta/connect", "successful": false, "error": "402::Unknown client", "advice": {"reconnect": "handshake", "interval": 500}}]),
    );
    assert!(bench.heard.iter().any(|output| matches!(output, Output::HangUp { broken: None })));
    assert!(bench.open.is_empty());
    assert_eq!(bench.pass_wait(), Duration::from_millis(500));
    offer(&mut bench, &json!(["websocket"]));
    assert_eq!((bench.channel_asked().as_str(), bench.open[0].lane), ("/meta/subscribe", Lane::Socket));
}

#[test]
fn a_session_over_a_socket_is_not_left_to_the_next_process() {
    let mut bench = live(&["/topic/A"]);
    let saved = |bench: &Bench| bench.heard.iter().any(|output| matches!(output, Output::Save(Some(_))));
    assert!(!saved(&bench));
    bench.give(Input::Close { disconnect: false });
    assert_eq!((bench.channel_asked().as_str(), bench.open[1].lane), ("/meta/disconnect", Lane::Socket));
    frame(&mut bench, &json!([event("/topic/A", 1), ok("/meta/disconnect")]));
    assert_eq!((bench.batches().len(), bench.session.is_closed()), (1, false));
    frame(&mut bench, &json!([event("/topic/A", 2), ok("/meta/connect")]));
    assert_eq!(bench.batches().len(), 1);
    assert!(bench.session.is_closed() && !saved(&bench));
}

#[test]
fn what_a_server_would_send_again_is_held_until_it_can_be_acknowledged() {
    let mut bench = Bench::new(wanted(&[]), None);
    bench.reply(&json!([{
        "channel": "/meta/handshake", "clientId": "c1", "successful": true, "ext": {"ack": true},
        "supportedConnectionTypes": ["websocket"],
    }]));
    let connected =
        |batch: i64| json!([{"channel": "/meta/connect", "successful": true, "ext": {"ack": batch}}]);
    frame(&mut bench, &connected(1));
    frame(&mut bench, &json!([event("/topic/A", 1)]));
    assert_eq!(bench.batches().len(), 0);
    frame(&mut bench, &connected(2));
    assert!(
        matches!(bench.heard[..], [Output::Deliver(_), Output::Cancel(_), Output::Send(_)]),
        "{:?}",
        bench.heard
    );
    assert_eq!(bench.asked()[0]["ext"]["ack"], 2);
    // It breaks before the reply: the events come again with the next connect.
    frame(&mut bench, &json!([event("/topic/A", 2)]));
    broken(&mut bench, true);
    bench.pass_wait();
    assert_eq!(bench.asked()[0]["ext"]["ack"], 2);
    frame(&mut bench, &json!([event("/topic/A", 2)]));
    frame(&mut bench, &connected(3));
    assert_eq!(bench.batches().len(), 1, "once, not twice");
    // The end comes before the reply: nothing would be sent again.
    frame(&mut bench, &json!([event("/topic/A", 3)]));
    bench.heard.clear();
    bench.give(Input::Close { disconnect: true });
    assert_eq!(bench.batches().len(), 1);
}

#[test]
fn polls_that_events_interrupt_are_not_slowed_down() {
    let mut bench = live(&["/topic/A"]);
    for replay in 1..50 {
        frame(&mut bench, &json!([event("/topic/A", replay)]));
        frame(&mut bench, &json!([ok("/meta/connect")]));
        assert_eq!(bench.open.len(), 1, "the next poll is open at once");
    }
    // Those that are answered at once, with nothing, are.
    for _ in 0..6 {
        frame(&mut bench, &json!([ok("/meta/connect")]));
    }
    assert_eq!(bench.pass_wait(), Duration::from_secs(1));
}
