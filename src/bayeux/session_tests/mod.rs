mod bench;
mod early;
mod recovery;
mod tokens;
mod vigil;
mod websocket;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::bayeux::border::{Fault, FaultKind, Lane, Reply};
use crate::bayeux::contract::{Credentials, Input, Output, Snapshot};
use crate::bayeux::notice::{Closed, Notice};
use crate::bayeux::subscription::Standing;
use crate::bayeux::{Config, ReplayLost};
use crate::event::{Channel, ReplayId};
use bench::{Bench, config, event};

#[test]
fn handshake_subscribe_connect_in_the_guides_order() {
    let mut bench = Bench::new(config(&["/topic/A", "/topic/B"]), None);
    assert_eq!(bench.asked()[0]["supportedConnectionTypes"], json!(["long-polling"]));
    assert_eq!(bench.asked()[0]["ext"]["replay"], true);
    bench.handshake("c1");
    assert_eq!(bench.asked().len(), 2);
    assert_eq!(bench.asked()[1]["ext"]["replay"], json!({"/topic/B": -1}));
    bench.accept_subscriptions();
    assert_eq!(bench.asked().len(), 1, "a connect is alone in its request");
    assert_eq!(bench.asked()[0]["clientId"], "c1");
    bench.connected();
    assert_eq!(bench.channel_asked(), "/meta/connect");
    assert_eq!(bench.open[0].deadline, Duration::from_secs(120));
}

#[test]
fn advised_timeouts_set_the_read_deadline() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.reply(&json!([{"channel": "/meta/connect", "successful": true, "advice": {"timeout": 30000}}]));
    assert_eq!(bench.open[0].deadline, Duration::from_secs(40));
}

#[test]
fn events_come_out_before_the_next_connect() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.heard.clear();
    bench.reply(&json!([event("/topic/A", 5), {"channel": "/meta/connect", "successful": true}]));
    assert!(matches!(bench.heard[..], [Output::Deliver(_), Output::Send(_)]), "{:?}", bench.heard);
}

#[test]
fn an_unknown_client_handshakes_after_the_advised_interval_and_resubscribes_from_the_position() {
    let mut bench = Bench::live(&["/topic/A", "/topic/B"]);
    bench.give(Input::Committed(Channel::parse("/topic/A").unwrap(), ReplayId(42)));
    bench.unknown_client();
    assert_eq!(bench.pass_wait(), Duration::from_millis(500));
    bench.handshake("c2");
    let asked = bench.asked();
    assert_eq!(asked[0]["ext"]["replay"], json!({"/topic/A": 42}));
    assert_eq!(asked[1]["ext"]["replay"], json!({"/topic/B": -1}));
    bench.accept_subscriptions();
    bench.connected();
    assert_eq!(bench.asked()[0]["clientId"], "c2");
    assert_eq!(bench.session.state(), "live");
}

#[test]
fn a_server_that_forgets_every_session_gets_no_handshake_storm() {
    let mut bench = Bench::live(&[]);
    let (start, mut handshakes) = (bench.now.mono, 0);
    while bench.now.mono < start + Duration::from_mins(60) {
        match bench.open.is_empty() {
            true => drop(bench.pass_wait()),
            false if bench.channel_asked() == "/meta/handshake" => {
                handshakes += 1;
                bench.handshake("c");
            }
            false if bench.asked()[0]["advice"].is_object() => bench.connected(),
            false => bench.unknown_client(),
        }
    }
    assert!(handshakes <= 60 * 6 + 2, "{handshakes} handshakes in an hour");
    assert!(handshakes >= 60, "{handshakes} handshakes in an hour");
}

#[test]
fn subscribing_and_unsubscribing_leave_the_open_poll_alone() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.heard.clear();
    bench.give(Input::Subscribe(Channel::parse("/topic/B").unwrap().into()));
    assert_eq!(bench.open.len(), 2);
    assert_eq!(bench.open[1].lane, Lane::Side);
    bench.accept_subscriptions();
    bench.give(Input::Unsubscribe(Channel::parse("/topic/A").unwrap()));
    assert_eq!(bench.channel_asked(), "/meta/unsubscribe");
    bench.reply(&json!([{"channel": "/meta/unsubscribe", "subscription": "/topic/A", "successful": true}]));
    assert_eq!(bench.open.len(), 1);
    assert_eq!(bench.channel_asked(), "/meta/connect");
    assert!(!bench.heard.iter().any(|output| matches!(output, Output::Cancel(_))));
    let saved = bench
        .heard
        .iter()
        .rev()
        .find_map(|output| if let Output::Save(saved) = output { saved.as_ref() } else { None });
    assert_eq!(saved.unwrap().channels, ["/topic/B"]);
}

#[test]
fn a_side_reply_that_the_session_is_unknown_does_not_wait_for_the_poll() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.give(Input::Subscribe(Channel::parse("/topic/B").unwrap().into()));
    bench.reply(&json!([{"channel": "/meta/subscribe", "subscription": "/topic/B", "successful": false, "error": "403::Unknown client"}]));
    assert_eq!(bench.open.len(), 1);
    assert_eq!(bench.channel_asked(), "/meta/handshake");
}

fn saved() -> Snapshot {
    Snapshot {
        client_id: "old".into(),
        replay: true,
        ack: false,
        timeout_ms: 110_000,
        channels: vec!["/topic/A".into(), "/topic/Gone".into()],
    }
}

#[test]
fn a_saved_session_is_resumed_without_a_handshake() {
    let mut bench = Bench::new(config(&["/topic/A", "/topic/B"]), Some(saved()));
    assert_eq!(bench.channel_asked(), "/meta/connect");
    assert_eq!(bench.asked()[0]["clientId"], "old");
    bench.connected();
    assert_eq!(bench.open.len(), 2);
    assert_eq!(bench.asked()[0]["subscription"], "/topic/Gone");
    bench
        .reply(&json!([{"channel": "/meta/unsubscribe", "subscription": "/topic/Gone", "successful": true}]));
    assert_eq!(bench.asked()[0]["subscription"], "/topic/B");
}

#[test]
fn a_saved_session_is_asked_for_what_it_may_have_lost_whether_it_acknowledges_or_not() {
    for (ack, ext) in [(false, Value::Null), (true, json!({"ack": -1}))] {
        let positions = vec![(Channel::parse("/topic/A").unwrap(), ReplayId(7))];
        let config = Config { positions, ..config(&["/topic/A"]) };
        let mut bench = Bench::new(config, Some(Snapshot { ack, ..saved() }));
        assert_eq!(bench.asked()[0]["ext"]["replay"], json!({"/topic/A": 7}));
        bench.accept_subscriptions();
        assert_eq!((bench.channel_asked(), &bench.asked()[0]["ext"]), ("/meta/connect".to_owned(), &ext));
    }
}

#[test]
fn a_saved_session_that_the_server_forgot_is_replaced() {
    let mut bench = Bench::new(config(&["/topic/A"]), Some(saved()));
    bench.unknown_client();
    bench.pass_wait();
    bench.handshake("new");
    assert_eq!(bench.asked()[0]["subscription"], "/topic/A");
}

#[test]
fn a_401_asks_for_a_token_whatever_reconnect_says() {
    for body in [
        json!([{"channel": "/meta/connect", "successful": false, "error": "401::Authentication invalid", "advice": {"reconnect": "none"}}]),
        json!([{"channel": "/meta/connect", "successful": false, "error": "403::Handshake denied", "ext": {"sfdc": {"failureReason": "401::Authentication invalid"}}}]),
        json!({"errorCode": "INVALID_SESSION_ID"}),
    ] {
        let mut bench = Bench::live(&["/topic/A"]);
        bench.heard.clear();
        let status = if body.is_array() { 200 } else { 401 };
        bench.reply_with(status, &body.to_string());
        assert!(
            bench.heard.iter().any(|output| matches!(output, Output::Authenticate { refused: true })),
            "{body}"
        );
        bench.give(Input::Credentials(Credentials::Ready));
        // Only a server that says so wants another session; one that knows this one no more says so too.
        if body[0]["advice"]["reconnect"] != "none" {
            assert_eq!(bench.channel_asked(), "/meta/connect");
            bench.unknown_client();
            bench.pass_wait();
        }
        bench.handshake("c2");
        bench.accept_subscriptions();
        bench.connected();
        assert_eq!(bench.session.state(), "live");
    }
}

#[test]
fn a_token_that_cannot_change_ends_the_session_and_one_that_can_is_waited_for() {
    let mut bench = Bench::new(config(&[]), None);
    bench.reply_with(401, "");
    let reason = String::from("refused");
    bench.give(Input::Credentials(Credentials::Failed {
        reason: reason.clone(),
        permanent: false,
        after: None,
    }));
    bench.pass_wait();
    bench.give(Input::Credentials(Credentials::Failed {
        reason: reason.clone(),
        permanent: true,
        after: None,
    }));
    assert_eq!(bench.closed(), &Closed::Unauthenticated(reason));
}

#[test]
fn closing_tells_the_server_and_takes_the_polls_last_events() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.give(Input::Close { disconnect: true });
    assert_eq!(bench.channel_asked(), "/meta/disconnect");
    bench.reply(&json!([{"channel": "/meta/disconnect", "successful": true}]));
    assert!(!bench.session.is_closed());
    bench.reply(&json!([event("/topic/A", 9), {"channel": "/meta/connect", "successful": true}]));
    assert_eq!(bench.batches().len(), 1);
    assert_eq!(bench.closed(), &Closed::Requested);
}

#[test]
fn closing_ends_in_time_when_the_server_says_nothing() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.give(Input::Close { disconnect: true });
    bench.reply(&json!([{"channel": "/meta/disconnect", "successful": true}]));
    assert!(bench.pass_wait() <= Duration::from_secs(1));
    assert_eq!(bench.closed(), &Closed::Requested);
}

#[test]
fn closing_may_leave_the_session_for_the_next_process() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.heard.clear();
    bench.give(Input::Close { disconnect: false });
    assert!(bench.pass_wait() < Duration::from_secs(1), "only what is on its way is waited for");
    assert!(bench.session.is_closed());
    assert!(!bench.heard.iter().any(|output| matches!(output, Output::Save(_) | Output::Send(_))));
}

#[test]
fn a_request_that_is_too_large_is_halved() {
    let mut bench = Bench::new(config(&["/topic/A", "/topic/B", "/topic/C", "/topic/D"]), None);
    bench.handshake("c1");
    bench.reply_with(413, "");
    assert_eq!(bench.asked().len(), 2);
    bench.accept_subscriptions();
    bench.accept_subscriptions();
    bench.connected();
}

#[test]
fn one_bad_channel_that_spoils_a_whole_request_is_found() {
    let names: Vec<_> = (0..20).map(|n| format!("/topic/C{n}")).collect();
    let mut bench = Bench::new(config(&names.iter().map(String::as_str).collect::<Vec<_>>()), None);
    bench.handshake("c1");
    let mut requests = 0;
    while bench.channel_asked() == "/meta/subscribe" {
        requests += 1;
        if bench.asked().iter().any(|asked| asked["subscription"] == "/topic/C13") {
            bench.reply_with(400, "");
        } else {
            bench.accept_subscriptions();
        }
    }
    assert!(requests <= 16, "{requests}");
    let refused: Vec<_> =
        bench.session.standings().filter(|(_, standing)| *standing != Standing::Live).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0.as_str(), "/topic/C13");
}

#[test]
fn a_refused_channel_is_marked_and_retried_slowly_while_the_others_go_on() {
    let mut bench = Bench::new(config(&["/topic/A", "/topic/B"]), None);
    bench.handshake("c1");
    bench.reply(&json!([
        {"channel": "/meta/subscribe", "subscription": "/topic/B", "successful": true},
        {"channel": "/meta/subscribe", "subscription": "/topic/A", "successful": false, "error": "404::Unknown channel"},
    ]));
    bench.connected();
    assert_eq!(bench.session.state(), "live");
    let standings: Vec<_> = bench.session.standings().map(|(_, standing)| standing).collect();
    assert!(matches!(
        standings[0],
        Standing::Refused(crate::bayeux::refusal::Meaning::NoSuchChannel, Some(_))
    ));
    assert_eq!(standings[1], Standing::Live);
    assert_eq!(bench.session.nothing_left(), None);
    assert_eq!(bench.pass_wait(), Duration::from_mins(5));
    assert_eq!(bench.asked()[0]["subscription"], "/topic/A");
    assert_eq!(bench.open[1].lane, Lane::Side);
}

#[test]
fn an_expired_position_follows_the_policy_once() {
    let error = "400::The replayId {42} you provided was invalid. Please provide a valid ID, -2 to replay all events, or -1 to replay only new events.";
    for (policy, then) in [(ReplayLost::All, Some(-2)), (ReplayLost::New, Some(-1)), (ReplayLost::Stop, None)]
    {
        let mut bench = Bench::new(Config { replay_lost: policy, ..config(&["/topic/A"]) }, None);
        bench.give(Input::Committed(Channel::parse("/topic/A").unwrap(), ReplayId(42)));
        bench.handshake("c1");
        assert_eq!(bench.asked()[0]["ext"]["replay"]["/topic/A"], 42);
        let refusal = json!([{"channel": "/meta/subscribe", "subscription": "/topic/A", "successful": false, "error": error}]);
        bench.reply(&refusal);
        if let Some(then) = then {
            assert_eq!(bench.asked()[0]["ext"]["replay"]["/topic/A"], then);
            bench.reply(&refusal);
        }
        assert_eq!(bench.channel_asked(), "/meta/connect", "no circle");
        assert!(bench.notices().any(|notice| matches!(notice, Notice::ReplayLost { .. })));
    }
}

#[test]
fn what_is_no_cometd_endpoint_ends_with_the_servers_words() {
    let mut bench = Bench::new(config(&[]), None);
    bench.reply_with(404, "<h1>Not Found</h1>");
    assert!(
        matches!(bench.closed(), Closed::Endpoint(text) if text.contains("404") && text.contains("Not Found"))
    );

    let mut bench = Bench::new(config(&[]), None);
    for _ in 0..2 {
        while bench.open.is_empty() {
            bench.pass_wait();
        }
        bench.reply_with(200, "<html>please log in</html>");
    }
    assert!(matches!(bench.closed(), Closed::Endpoint(text) if text.contains("please log in")));
}

#[test]
fn a_server_that_was_live_is_never_given_up() {
    let mut bench = Bench::live(&["/topic/A"]);
    for turn in 0..200 {
        match bench.open.is_empty() {
            true => assert!(bench.pass_wait() <= Duration::from_mins(1)),
            false if turn % 3 == 0 => bench.reply_with(404, "gone"),
            false if turn % 3 == 1 => bench.reply_with(200, "<html>"),
            false => {
                let exchange = bench.open.pop().unwrap();
                let fault = Fault { kind: FaultKind::Broken, sent: true, detail: "reset".into() };
                bench.give(Input::Outcome(exchange.id, Err(fault)));
            }
        }
    }
    while bench.open.is_empty() {
        bench.pass_wait();
    }
    bench.handshake("c9");
    bench.accept_subscriptions();
    bench.connected();
    assert_eq!(bench.session.state(), "live");
}

#[test]
fn events_in_any_reply_are_delivered_even_late() {
    let mut bench = Bench::new(config(&["/topic/A"]), None);
    bench.reply(
        &json!([event("/topic/A", 1), {"channel": "/meta/handshake", "successful": true, "clientId": "c"}]),
    );
    let late = bench.open[0].id;
    bench.reply(&json!([{"channel": "/meta/subscribe", "successful": false, "error": "402::Unknown client"}, event("/topic/A", 2)]));
    let body = Bytes::from(json!([event("/topic/A", 3)]).to_string());
    bench.give(Input::Outcome(late, Ok(Reply { status: 200, retry_after: None, body })));
    assert_eq!(bench.batches().len(), 3);
}
