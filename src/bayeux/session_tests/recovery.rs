use std::time::Duration;

use serde_json::json;

use super::bench::{Bench, config, event};
use crate::bayeux::border::{Fault, FaultKind};
use crate::bayeux::contract::{Credentials, Input, Output};
use crate::bayeux::notice::Notice;
use crate::event::{Channel, ReplayId};

#[test]
fn a_lost_response_makes_the_session_suspect_until_its_channels_are_subscribed_again() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.reply(&json!([event("/topic/A", 5), {"channel": "/meta/connect", "successful": true}]));
    bench.give(Input::Committed(Channel::parse("/topic/A").unwrap(), ReplayId(5)));
    let exchange = bench.open.pop().unwrap();
    let fault = Fault { kind: FaultKind::Broken, sent: true, detail: "cut".into() };
    bench.give(Input::Outcome(exchange.id, Err(fault)));
    bench.pass_wait();
    assert_eq!(
        bench.asked()[0]["ext"]["replay"],
        json!({"/topic/A": 5}),
        "subscribed again before the next connect"
    );
    let before = bench.batches().len();
    bench.reply(&json!([event("/topic/A", 9), {"channel": "/meta/subscribe", "subscription": "/topic/A", "successful": true}]));
    assert_eq!(bench.batches().len(), before, "an event of a suspect channel is not taken");
    assert_eq!(bench.channel_asked(), "/meta/subscribe", "it may have been what was missed");
    bench.accept_subscriptions();
    bench.reply(&json!([event("/topic/A", 7), {"channel": "/meta/connect", "successful": true}]));
    assert_eq!(bench.batches().len(), before + 1, "it comes by replay");
}

#[test]
fn a_cut_body_is_suspect_and_an_unsent_request_is_not() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.give(Input::Committed(Channel::parse("/topic/A").unwrap(), ReplayId(5)));
    let exchange = bench.open.pop().unwrap();
    let fault = Fault { kind: FaultKind::Connect, sent: false, detail: "refused".into() };
    bench.give(Input::Outcome(exchange.id, Err(fault)));
    bench.pass_wait();
    assert_eq!(bench.channel_asked(), "/meta/connect");
    let cut = format!("[{}, {{\"channel\":\"/topic/A\",\"da", event("/topic/A", 6));
    bench.reply_with(200, &cut);
    assert_eq!(bench.batches().len(), 1, "what was whole before the cut is taken");
    bench.give(Input::Committed(Channel::parse("/topic/A").unwrap(), ReplayId(6)));
    bench.pass_wait();
    assert_eq!(bench.asked()[0]["ext"]["replay"], json!({"/topic/A": 6}));
}

#[test]
fn what_no_position_can_bring_back_is_told_as_a_gap() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.unknown_client();
    bench.pass_wait();
    bench.handshake("c2");
    bench.accept_subscriptions();
    let gaps = bench.notices().filter(|notice| matches!(notice, Notice::Gap { .. })).count();
    assert_eq!(gaps, 1);
}

#[test]
fn a_channel_that_gets_no_answer_does_not_keep_the_others_from_the_poll() {
    let no_answer =
        json!([{"channel": "/meta/subscribe", "subscription": "/topic/A", "successful": true}]).to_string();
    for (status, body) in [(200, no_answer.as_str()), (500, ""), (413, ""), (200, "[]")] {
        let mut bench = Bench::new(config(&["/topic/A", "/topic/B"]), None);
        bench.handshake("c1");
        let mut requests = 0;
        while bench.open.is_empty() || bench.channel_asked() == "/meta/subscribe" {
            if bench.open.is_empty() {
                bench.pass_wait();
            } else if bench.asked().iter().any(|asked| asked["subscription"] == "/topic/B") {
                requests += 1;
                bench.reply_with(status, body);
            } else {
                bench.accept_subscriptions();
            }
        }
        bench.connected();
        assert_eq!(bench.session.state(), "live", "{status} {body}");
        assert!(requests <= 4, "{requests} requests for {status} {body}");
    }
}

#[test]
fn a_server_that_does_not_hold_polls_is_not_hammered() {
    let mut bench = Bench::live(&["/topic/A"]);
    let start = bench.now.mono;
    for _ in 0..100 {
        while bench.open.is_empty() {
            bench.pass_wait();
        }
        bench.connected();
    }
    assert!(bench.now.mono - start >= Duration::from_secs(60), "{:?}", bench.now.mono - start);
}

#[test]
fn a_refused_channel_that_is_due_waits_for_the_end_of_the_probe() {
    let mut bench = Bench::new(config(&["/topic/A", "/topic/B"]), None);
    bench.handshake("c1");
    bench.reply(&json!([
        {"channel": "/meta/subscribe", "subscription": "/topic/A", "successful": true},
        {"channel": "/meta/subscribe", "subscription": "/topic/B", "successful": false, "error": "503::busy"},
    ]));
    bench.pass(Duration::from_secs(100));
    assert!(matches!(bench.session.poll_output(), Output::Wait { until: None, .. }), "no timer in the past");
}

#[test]
fn after_five_refused_tokens_in_a_row_logins_wait() {
    let mut bench = Bench::new(config(&[]), None);
    for refused in 1..=5 {
        while bench.open.is_empty() {
            bench.pass_wait();
            bench.give(Input::Credentials(Credentials::Ready));
        }
        bench.reply_with(401, "");
        if refused < 5 {
            bench.give(Input::Credentials(Credentials::Ready));
        }
    }
    assert_eq!(bench.pass_wait(), Duration::from_secs(15 * 60));
}

#[test]
fn a_passing_fault_does_not_put_the_only_channel_off() {
    let mut bench = Bench::new(config(&["/topic/A"]), None);
    bench.handshake("c1");
    let exchange = bench.open.pop().unwrap();
    let fault = Fault { kind: FaultKind::Broken, sent: true, detail: "reset".into() };
    bench.give(Input::Outcome(exchange.id, Err(fault)));
    assert!(bench.pass_wait() <= Duration::from_millis(500));
    bench.accept_subscriptions();
    bench.connected();
    assert_eq!(bench.session.state(), "live");
}

#[test]
fn the_wait_that_is_told_is_the_wait_until_the_next_handshake() {
    let mut bench = Bench::new(config(&[]), None);
    for round in 0..8 {
        let busy =
            json!([{"channel": "/meta/handshake", "successful": false, "error": "503::Server is too busy"}]);
        bench.reply(&busy);
        let refusals = bench.notices().filter_map(|notice| match notice {
            Notice::Refused { retry_in, .. } => *retry_in,
            _ => None,
        });
        let told = refusals.last().unwrap();
        assert_eq!(bench.pass_wait(), told, "refusal {round}");
        assert_eq!(bench.channel_asked(), "/meta/handshake", "refusal {round}");
    }
}
