//! Tokens that are refused or replaced while a session lives.

use std::time::Duration;

use super::bench::{Bench, config};
use super::saved;
use crate::bayeux::contract::{Credentials, Input};

#[test]
fn a_session_outlives_its_token_once_where_no_handshake_is_asked_for() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.reply_with(401, "");
    bench.give(Input::Credentials(Credentials::Ready));
    assert_eq!(bench.channel_asked(), "/meta/connect");
    bench.connected();
    bench.reply_with(401, "");
    bench.give(Input::Credentials(Credentials::Ready));
    assert_eq!(bench.channel_asked(), "/meta/connect");
    bench.reply_with(401, "");
    bench.give(Input::Credentials(Credentials::Ready));
    bench.pass_wait();
    bench.handshake("c2");
}

#[test]
fn a_token_for_another_address_begins_a_session_there() {
    let mut bench = Bench::live(&["/topic/A"]);
    bench.reply_with(401, "");
    bench.give(Input::Credentials(Credentials::Elsewhere));
    bench.handshake("c2");
    let mut bench = Bench::new(config(&["/topic/A"]), Some(saved()));
    assert_eq!(bench.channel_asked(), "/meta/connect");
    bench.reply_with(401, "");
    let none = Credentials::Failed {
        reason: String::from("x"),
        permanent: false,
        after: Some(Duration::from_secs(7)),
    };
    bench.give(Input::Credentials(none));
    // Another came sooner than it was asked for.
    bench.give(Input::Credentials(Credentials::Ready));
    bench.handshake("c3");
    assert_eq!(bench.asked()[0]["subscription"], "/topic/A", "the old session is over");
}
