use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::bench::{Bench, config, event};
use crate::bayeux::Config;
use crate::bayeux::border::{Fault, FaultKind, Lane};
use crate::bayeux::contract::{Credentials, Input, Output};
use crate::bayeux::liveness::Cause;
use crate::bayeux::notice::{Closed, Notice};
use crate::bayeux::subscription::Standing;
use crate::event::{Channel, ReplayId};

fn commit(bench: &mut Bench, replay: i64) {
    bench.give(Input::Committed(Channel::parse("/topic/A").unwrap(), ReplayId(replay)));
}

fn lose_poll(bench: &mut Bench) {
    let exchange = bench.open.pop().unwrap();
    let fault = Fault { kind: FaultKind::Broken, sent: true, detail: "cut".into() };
    bench.give(Input::Outcome(exchange.id, Err(fault)));
    bench.pass_wait();
}

/// The replay ids that came out, in their order.
fn delivered(bench: &Bench) -> Vec<i64> {
    let batches = bench.batches();
    let events = batches.iter().flat_map(|batch| batch.iter().collect::<Vec<_>>());
    events.map(|event| event.replay.unwrap().0).collect()
}

fn causes(bench: &Bench) -> Vec<Cause> {
    let causes = bench.notices().filter_map(|notice| match notice {
        Notice::Handshaking { cause } => Some(*cause),
        _ => None,
    });
    causes.collect()
}

fn connect_reply() -> Value {
    json!({"channel": "/meta/connect", "successful": true})
}

#[test]
fn an_event_that_comes_again_is_dropped() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.reply(&json!([event("/topic/A", 5), event("/topic/A", 6), connect_reply()]));
    bench.reply(&json!([event("/topic/A", 6), event("/topic/A", 7), connect_reply()]));
    assert_eq!(delivered(&bench), [5, 6, 7]);
    assert!(bench.notices().any(|notice| matches!(notice, Notice::Sifted { repeats: 1, late: 0 })));
}

#[test]
fn a_subscription_waits_for_what_it_would_ask_for_again() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.commits = false;
    bench.reply(&json!([event("/topic/A", 5), event("/topic/A", 6), connect_reply()]));
    assert!(!bench.session.awaits_commits(), "a poll waits for none");
    lose_poll(&mut bench);
    assert_eq!((bench.open.len(), bench.session.state()), (0, "resting"));
    assert!(bench.session.awaits_commits());
    commit(&mut bench, 6);
    assert!(!bench.session.awaits_commits());
    assert_eq!(bench.asked()[0]["ext"]["replay"], json!({"/topic/A": 6}));
}

#[test]
fn a_position_that_is_lost_is_a_gap_since_the_last_event_however_late_its_commit() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.commits = false;
    let last = bench.now.wall;
    bench.reply(&json!([event("/topic/A", 5), connect_reply()]));
    bench.now.wall += Duration::from_mins(1);
    commit(&mut bench, 5);
    bench.unknown_client();
    assert_eq!(gap_of_a_lost_position(&mut bench), last);
}

#[test]
fn a_position_that_is_lost_without_any_event_is_a_gap_since_the_session_was() {
    let mut bench = Bench::live(&["/topic/A"]);
    commit(&mut bench, 5);
    bench.now.wall += Duration::from_mins(1);
    bench.unknown_client();
    let lost = bench.now.wall;
    bench.now.wall += Duration::from_mins(1);
    assert_eq!(gap_of_a_lost_position(&mut bench), lost);
}

/// The begin of the gap, after the session was lost, when the server knows the position no more.
fn gap_of_a_lost_position(bench: &mut Bench) -> SystemTime {
    bench.pass_wait();
    bench.handshake("c2");
    let error = "400::The replayId {5} you provided was invalid.";
    bench.reply(&json!([{"channel": "/meta/subscribe", "subscription": "/topic/A", "successful": false, "error": error}]));
    let mut gaps = bench.notices().filter_map(|notice| match notice {
        Notice::Gap { since, .. } => Some(*since),
        _ => None,
    });
    gaps.next().unwrap()
}

#[test]
fn a_check_waits_for_what_it_would_ask_for_and_is_sent_with_its_commit() {
    let checked = Config { recheck: Some(Duration::from_mins(5)), ..config(&["/topic/A"]) };
    let mut bench = Bench::new(checked, None);
    bench.handshake("c1");
    bench.accept_subscriptions();
    bench.connected();
    bench.commits = false;
    bench.pass(Duration::from_secs(299));
    bench.reply(&json!([event("/topic/A", 5), connect_reply()]));
    bench.pass(Duration::from_secs(1));
    assert!(bench.session.awaits_commits());
    assert_eq!(bench.open.len(), 1, "the poll alone");
    commit(&mut bench, 5);
    assert!(!bench.session.awaits_commits());
    assert_eq!((bench.open.len(), bench.channel_asked().as_str()), (2, "/meta/subscribe"));
}

#[test]
fn a_session_that_does_not_know_replay_any_more_is_told_as_a_gap() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.reply(&json!([event("/topic/A", 5), connect_reply()]));
    bench.unknown_client();
    bench.pass_wait();
    bench.reply(&json!([{"channel": "/meta/handshake", "successful": true, "clientId": "c2"}]));
    assert_eq!(bench.asked()[0].get("ext"), None);
    bench.accept_subscriptions();
    assert!(bench.notices().any(|notice| matches!(notice, Notice::Gap { .. })));
}

#[test]
fn a_position_moves_past_an_event_that_cannot_be_read() {
    let mut bench = Bench::live(&["/topic/A"]);
    let bad = event("/topic/A", 7).to_string().replace("\"a\"", "\"\u{0}\"");
    let mut body = format!("[{},", event("/topic/A", 6)).into_bytes();
    body.extend(bad.bytes().map(|byte| if byte == 0 { 0xff } else { byte }));
    body.extend(format!(",{}]", connect_reply()).bytes());
    let exchange = bench.open.pop().unwrap();
    let reply = crate::bayeux::border::Reply { status: 200, retry_after: None, body: body.into() };
    bench.give(Input::Outcome(exchange.id, Ok(reply)));
    assert_eq!(delivered(&bench), [6]);
    assert_eq!(bench.channel_asked(), "/meta/connect", "its bytes are there: nothing is missing");
    assert!(bench.notices().any(|notice| matches!(notice, Notice::Malformed(_))));
    lose_poll(&mut bench);
    assert_eq!(bench.asked()[0]["ext"]["replay"], json!({"/topic/A": 7}));
}

#[test]
fn events_without_any_reply_to_a_connect_wake_the_watchdog() {
    let mut bench = Bench::live(&["/topic/A"]);
    let start = bench.now.mono;
    for replay in 1.. {
        bench.now.mono += Duration::from_secs(50);
        bench.reply(&json!([event("/topic/A", replay)]));
        if bench.channel_asked() == "/meta/handshake" {
            break;
        }
    }
    let patience = Duration::from_secs(3 * 120);
    let taken = bench.now.mono - start;
    assert!(taken >= patience && taken < patience + Duration::from_secs(60), "{taken:?}");
    assert!(bench.heard.iter().any(|output| matches!(output, Output::Renew)));
    assert_eq!(causes(&bench), [Cause::Start, Cause::Watchdog]);
    assert!(bench.session.pulse().stalled);
    bench.handshake("c2");
    bench.accept_subscriptions();
    bench.connected();
    assert!(!bench.session.pulse().stalled);
}

#[test]
fn the_watchdog_hastens_no_wait_before_a_handshake() {
    let mut bench = Bench::new(config(&[]), None);
    for _ in 0..4 {
        bench.reply_with(401, "");
        bench.give(Input::Credentials(Credentials::Ready));
        while bench.open.is_empty() {
            bench.pass_wait();
        }
    }
    bench.reply_with(401, "");
    let Output::Wait { until: Some(until), .. } = bench.session.poll_output() else {
        panic!("a wait for another token");
    };
    bench.pass(Duration::from_secs(10 * 60));
    assert!(bench.heard.iter().any(|output| matches!(output, Output::Renew)));
    assert!(matches!(bench.session.poll_output(), Output::Wait { until: Some(still), .. } if still == until));
}

#[test]
fn the_time_without_a_poll_is_told() {
    let mut bench = Bench::live(&["/topic/A"]);
    assert_eq!(bench.session.pulse().unpolled, None);
    let advice = json!({"reconnect": "retry", "interval": 20_000});
    bench.reply(&json!([{"channel": "/meta/connect", "successful": true, "advice": advice}]));
    assert_eq!(bench.session.pulse().unpolled, Some(bench.now.mono));
    assert_eq!(bench.pass_wait(), Duration::from_secs(20));
    let pulse = bench.session.pulse();
    assert_eq!((pulse.unpolled, pulse.longest_unpolled), (None, Duration::from_secs(20)));
}

#[test]
fn live_channels_are_checked_for_events_that_were_sent_to_nobody() {
    let every = Duration::from_secs(300);
    let mut bench = Bench::new(Config { recheck: Some(every), ..config(&["/topic/A"]) }, None);
    bench.handshake("c1");
    bench.accept_subscriptions();
    bench.connected();
    bench.reply(&json!([event("/topic/A", 5), event("/topic/A", 8), connect_reply()]));
    assert_eq!(bench.pass_wait(), every);
    assert_eq!(bench.open[1].lane, Lane::Side);
    assert_eq!(bench.asked()[0]["ext"]["replay"], json!({"/topic/A": 5}), "from before the last event");
    assert!(bench.session.standings().all(|(_, standing)| standing == Standing::Live));
    bench.accept_subscriptions();
    bench.reply(&json!([event("/topic/A", 7), event("/topic/A", 8), connect_reply()]));
    assert_eq!(
        delivered(&bench),
        [5, 8, 7],
        "what was missing comes late, what is known does not come again"
    );

    bench.pass_wait();
    let refused = json!([{"channel": "/meta/subscribe", "subscription": "/topic/A", "successful": false, "error": "403::Restricted channel"}]);
    bench.reply(&refused);
    assert!(bench.session.standings().all(|(_, standing)| standing == Standing::Live));
    assert_eq!(bench.pass_wait(), every);
}

/// A session with a server that sends again what was not acknowledged.
fn acknowledging() -> Bench {
    let mut bench = Bench::new(config(&["/topic/A"]), None);
    assert_eq!(bench.asked()[0]["ext"]["ack"], true);
    bench.reply(
        &json!([{"channel": "/meta/handshake", "successful": true, "clientId": "c1", "ext": {"ack": true}}]),
    );
    bench.accept_subscriptions();
    assert_eq!(bench.asked()[0]["ext"], json!({"ack": -1}));
    bench.connected();
    bench.reply(&json!([{"channel": "/topic/A", "data": 1}, {"channel": "/meta/connect", "successful": true, "ext": {"ack": 1}}]));
    assert_eq!(bench.asked()[0]["ext"], json!({"ack": 1}));
    bench
}

#[test]
fn what_was_lost_is_not_acknowledged_and_so_comes_again() {
    let mut bench = acknowledging();
    lose_poll(&mut bench);
    assert_eq!(bench.channel_asked(), "/meta/connect", "no subscription is needed for it");
    assert_eq!(bench.asked()[0]["ext"], json!({"ack": 1}));
    let lost = r#"[{"channel":"/topic/A","data":2},{"channel":"/meta/connect","successful":true,"ext":{"ack":2}},{"cha"#;
    bench.reply_with(200, lost);
    bench.pass_wait();
    assert_eq!(bench.batches().len(), 1, "what comes again is not taken from a cut response");
    assert_eq!(bench.asked()[0]["ext"], json!({"ack": 1}));
    bench.reply(&json!([{"channel": "/topic/A", "data": 2}, {"channel": "/meta/connect", "successful": true, "ext": {"ack": 3}}]));
    assert_eq!(bench.batches().len(), 2);
    assert_eq!(bench.asked()[0]["ext"], json!({"ack": 3}));
    assert!(!bench.notices().any(|notice| matches!(notice, Notice::Gap { .. } | Notice::Suspect { .. })));
}

#[test]
fn a_server_that_sends_the_unreadable_again_is_not_asked_for_acknowledgements_any_more() {
    let mut bench = acknowledging();
    for _ in 0..2 {
        bench.reply_with(200, r#"[{"channel":"/topic/A","da"#);
        while bench.open.is_empty() {
            bench.pass_wait();
        }
    }
    assert_eq!(bench.channel_asked(), "/meta/handshake");
    assert_eq!(bench.asked()[0]["ext"].get("ack"), None);
}

#[test]
fn a_wrong_api_version_ends_the_connection_with_the_servers_words() {
    for error in [
        "400::API version in the URI is mandatory. URI format: '/cometd/XX.X'",
        "400::Unsupported API version.",
    ] {
        let mut bench = Bench::new(Config { one_shot: false, ..config(&["/topic/A"]) }, None);
        bench.reply(&json!([{"channel": "/meta/handshake", "successful": false, "error": error}]));
        assert_eq!(bench.closed(), &Closed::Endpoint(error.into()));
    }
}

#[test]
fn handshakes_have_their_causes() {
    let mut bench = Bench::live(&[]);
    bench.unknown_client();
    bench.pass_wait();
    bench.handshake("c2");
    bench.connected();
    for _ in 0..2 {
        bench.reply_with(401, "");
        bench.give(Input::Credentials(Credentials::Ready));
    }
    bench.pass_wait();
    bench.pass_wait();
    assert_eq!(causes(&bench), [Cause::Start, Cause::UnknownClient, Cause::Token]);
}
