//! `cometail demo`: events on the screen at once.

use std::time::{Duration, Instant};

use crate::support::{Cometail, cometail, json};

#[test]
fn the_first_event_is_there_within_two_seconds() {
    let started = Instant::now();
    let demo = Cometail::start(&mut cometail(&["demo"]));
    let line = demo.wait_lines(1).remove(0);
    let after = started.elapsed();
    assert!(after < Duration::from_secs(2), "after {after:?}");
    let event = json(&line);
    assert_eq!(event["channel"], "/topic/InvoiceStatementUpdates");
    assert_eq!(event["data"]["event"]["type"], "created");
    assert_eq!(event["data"]["sobject"]["Name"], "INV-0001");
    let ended = demo.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn it_ends_by_itself_after_a_count() {
    let ended = Cometail::start(&mut cometail(&["demo", "--every", "10ms", "--count", "8"])).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let kinds: Vec<_> =
        ended.stdout.lines().map(|line| json(line)["data"]["event"]["type"].clone()).collect();
    assert_eq!(kinds[..4], ["created", "updated", "deleted", "undeleted"]);
    assert_eq!(kinds.len(), 8);
}
