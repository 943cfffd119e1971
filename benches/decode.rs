//! What it costs to read responses full of events: nanoseconds an event, and, under callgrind, instructions.
//!
//! `decode BYTES EVENTS ROUNDS` reads a response of `EVENTS` events of `BYTES` bytes each, `ROUNDS` times. Two runs that
//! differ in their rounds alone differ by what the rounds cost. Without numbers it is 1,000 events of 300 bytes, 1,000
//! times, and as a test once. It ends with 2 when it is called wrongly.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports to the person who runs it")]

use std::process::ExitCode;
use std::time::Instant;

use bytes::Bytes;
use cometail::bayeux::decode::decode;

fn main() -> ExitCode {
    // Cargo adds `--bench` to what the person typed, but for a test.
    let (bench, texts): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|text| text == "--bench");
    let numbers: Result<Vec<usize>, _> = texts.iter().map(|text| text.parse()).collect();
    match numbers.as_deref() {
        Ok([]) => run(300, 1_000, if bench.is_empty() { 1 } else { 1_000 }),
        Ok([bytes, events, rounds]) => run(*bytes, *events, *rounds),
        _ => {
            eprintln!("usage: decode [BYTES EVENTS ROUNDS]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn run(bytes: usize, events: usize, rounds: usize) {
    let body = Bytes::from(body(bytes, events));
    let start = Instant::now();
    for _ in 0..rounds {
        let decoded = decode(std::hint::black_box(&body));
        assert!(decoded.whole && decoded.events.len() == events, "each event is found");
    }
    let each =
        start.elapsed().as_nanos() / u128::try_from((rounds * events).max(1)).expect("128 bits hold it");
    println!("{rounds} responses of {events} events of {bytes} bytes: {each} ns an event");
}

/// A response to a connect: numbered events, each of that many bytes, and the reply.
fn body(bytes: usize, events: usize) -> String {
    let event = |number: usize| {
        let head = format!(
            concat!(
                r#"{{"channel":"/topic/InvoiceStatementUpdates","data":{{"event":{{"createdDate":"2016-03-29T16:40:08.208Z","#,
                r#""replayId":{number},"type":"created"}},"sobject":{{"Id":"a00D0000008oLi8IAE","Name":"INV-{number}","#,
                r#""Status__c":"Negotiated","Description__c":"Fragile: keep \"this side up\" {{dock 4}}, in person"#
            ),
            number = 1_000_000_000 + number
        );
        let mut event = head;
        while event.len() + 40 < bytes {
            event += r#"","Text__c":"nine words of text and"#;
        }
        event += &" ".repeat(bytes.saturating_sub(event.len() + 4));
        event + r#""}}}"#
    };
    let events: String = (0..events).map(|number| event(number) + ",").collect();
    format!(r#"[{events}{{"channel":"/meta/connect","id":"7","successful":true}}]"#)
}
