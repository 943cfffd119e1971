//! The built daemon is killed at random instants, again and again, while a server streams numbered events to it:
//! the file has every number exactly once, the webhook every number at least once and under one id.
//!
//! `COMETAIL_CRASH_KILLS` says how often it is killed, by all tests of this target together. Every choice is
//! drawn from a seed, which a failure tells; `COMETAIL_CRASH_SEED` sets it. Where in the daemon's work a kill
//! lands depends on the machine all the same, so a seed repeats the choices, not the instants.

#![cfg(unix)]
#![cfg(test)]

mod crash;
mod receiver;
mod restart;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests from end to end, which use all of it")]
mod support;

use std::time::Duration;

use serde_json::json;

use crate::crash::{Trial, kills};
use crate::receiver::Health;

/// Sessions that are resumed: the server's times leave room for a process that comes back.
const PATIENT: &[&str] = &["--time-scale", "0.1"];
/// Sessions that mostly expire between two processes, and polls that end by themselves in a life.
const HASTY: &[&str] = &["--time-scale", "0.005"];
/// Sessions that are resumed, and send again what was not acknowledged.
const ACKNOWLEDGED: &[&str] = &["--time-scale", "0.1", "--ack"];

#[test]
fn a_daemon_that_is_killed_at_random_instants_loses_and_repeats_nothing() {
    Trial { name: "plain", kills: kills(), server: PATIENT, health: Health::Well, trouble: None }.run();
}

#[test]
fn a_daemon_that_is_killed_while_the_server_forgets_and_fails_loses_and_repeats_nothing() {
    let trouble = |emulator: &support::Emulator, random: &mut fastrand::Rng| match random.u8(..10) {
        0..5 => emulator.expire_sessions(),
        5 => emulator.fault(&json!({"next": random.u64(1..4), "close": true})),
        6 => emulator.fault(&json!({"next": random.u64(1..4), "status": 503})),
        7 => emulator.fault(&json!({"next": 1, "after": true, "close": true})),
        _ => {
            emulator.fault(&json!({"next": 1, "channel": "/meta/connect", "after": true, "close": true}));
        }
    };
    Trial { name: "server", kills: kills(), server: HASTY, health: Health::Well, trouble: Some(trouble) }
        .run();
}

#[test]
fn a_daemon_that_is_killed_while_its_webhook_fails_half_of_the_time_loses_and_repeats_nothing() {
    Trial { name: "webhook", kills: kills(), server: PATIENT, health: Health::HalfIll, trouble: None }.run();
}

#[test]
fn a_daemon_that_is_killed_while_the_server_restarts_loses_and_repeats_nothing() {
    let trouble = |emulator: &support::Emulator, random: &mut fastrand::Rng| {
        emulator.restart(Duration::from_millis(random.u64(0..200)));
    };
    Trial { name: "restart", kills: kills(), server: PATIENT, health: Health::Well, trouble: Some(trouble) }
        .run();
}

#[test]
fn a_daemon_that_is_killed_between_acknowledgements_loses_and_repeats_nothing() {
    let trouble = |emulator: &support::Emulator, random: &mut fastrand::Rng| match random.u8(..4) {
        0 => emulator.expire_sessions(),
        1 => emulator.fault(&json!({"next": random.u64(1..3), "close": true})),
        _ => emulator.fault(&json!({"next": 1, "channel": "/meta/connect", "after": true, "close": true})),
    };
    Trial { name: "ack", kills: kills(), server: ACKNOWLEDGED, health: Health::Well, trouble: Some(trouble) }
        .run();
}
