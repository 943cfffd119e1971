//! The commands that talk to an org, on the built binary: against servers made of a closure, which see every request.

#![cfg(unix)]
#![cfg(test)]

mod access;
mod channel;
mod emulated;
mod heroku;
mod limits;
mod push;
mod server;
mod sessions;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests from end to end, which use all of it")]
mod support;
mod topics;
mod waits;
mod whoami;

use crate::support::{Cometail, Ended, cometail};

/// The access token of the tests.
const TOKEN: &str = "00Dxx0000001gPL!hush-hush-hush";

/// Runs a command with the token in its environment.
fn run(arguments: &[&str]) -> Ended {
    let ended = Cometail::start(cometail(arguments).env("COMETAIL_TOKEN", TOKEN)).end();
    assert!(!ended.stdout.contains("hush") && !ended.stderr.contains("hush"), "{}", ended.stderr);
    ended
}

/// What a command printed that must end well and say nothing else.
fn printed(arguments: &[&str]) -> String {
    let Ended { code, stdout, stderr } = run(arguments);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    stdout
}

/// The standard error of a command that must end with `code` and print nothing.
fn failed(code: i32, arguments: &[&str]) -> String {
    let ended = run(arguments);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
    ended.stderr
}
