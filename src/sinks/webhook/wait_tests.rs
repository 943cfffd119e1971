//! Events that wait for their request to be full, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::super::testing::{eventually, one};
use super::super::{Config as SinkConfig, Offer, Supply, start};
use super::testing::{Receiver, config, drained, sink, started};
use super::*;

const LONG: Duration = Duration::from_mins(10);

fn waiting(receiver: &Receiver, events: usize, batch_wait: Duration) -> Config {
    Config { batch: Batch { events, ..Batch::default() }, batch_wait, ..config(&receiver.url) }
}

#[tokio::test]
async fn an_event_waits_for_others_for_a_time_and_no_longer() {
    let receiver = Receiver::start(&["200 OK"]);
    let wait = Duration::from_millis(300);
    let handle = started(waiting(&receiver, 3, wait));
    for turn in 0..2 {
        let began = Instant::now();
        handle.offer(&one("/topic/A", "1"));
        tokio::time::sleep(wait / 6).await;
        handle.offer(&one("/topic/A", "2"));
        eventually("a request", || receiver.seen().len() > turn);
        let took = receiver.seen()[turn].at - began;
        assert!(took >= wait && took < wait + Duration::from_secs(2), "{took:?}");
        assert_eq!(receiver.bodies()[turn], "[1,2]");
    }
    eventually("rest", || handle.status().delivered == 4);
}

/// What came while a request was under way waits as long as anything else.
#[tokio::test]
async fn each_request_has_its_own_wait() {
    let offered = Arc::new(AtomicBool::new(false));
    let may_answer = Arc::clone(&offered);
    let receiver = Receiver::answering(move |_, _| {
        eventually("the event that comes meanwhile", || may_answer.load(Ordering::SeqCst));
        "200 OK".to_owned()
    });
    let handle = started(waiting(&receiver, 3, Duration::from_secs(1)));
    handle.offer(&one("/topic/A", "1"));
    eventually("a request", || receiver.seen().len() == 1);
    handle.offer(&one("/topic/A", "2"));
    offered.store(true, Ordering::SeqCst);
    eventually("its answer", || handle.status().delivered == 1);
    handle.offer(&one("/topic/A", "3"));
    eventually("the other request", || receiver.seen().len() == 2);
    assert_eq!(receiver.bodies(), ["[1]", "[2,3]"]);
}

#[tokio::test]
async fn a_full_request_and_the_end_wait_for_nothing() {
    let receiver = Receiver::start(&["200 OK"]);
    let handle = started(waiting(&receiver, 3, LONG));
    for number in 1..=8 {
        handle.offer(&one("/topic/A", &number.to_string()));
    }
    eventually("two requests", || receiver.seen().len() == 2);
    drained(&handle).await;
    assert_eq!(receiver.bodies(), ["[1,2,3]", "[4,5,6]", "[7,8]"]);
}

#[tokio::test]
async fn nothing_waits_while_half_of_the_queue_does() {
    let receiver = Receiver::start(&["200 OK"]);
    let event = one("/topic/A", &format!("\"{}\"", "x".repeat(1000)));
    let small =
        SinkConfig { queue: event.size() * 4, ..sink(Format::Message, waiting(&receiver, 1000, LONG)) };
    let handle = start(small, Supply::Memory).unwrap();
    for sent in 1..=20 {
        assert_eq!(handle.offer(&event), Offer::Accepted);
        eventually("room", || handle.status().queued_bytes < 2 * event.size() as u64);
        assert!(handle.status().delivered >= sent - 1);
    }
    drained(&handle).await;
    assert_eq!(handle.status().delivered, 20);
}
