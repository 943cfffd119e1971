//! Counters and the log lines about trouble.

use std::time::Duration;

use super::*;
use crate::sinks::testing::logged;

#[test]
fn a_trouble_is_logged_when_it_begins_and_when_it_is_over() {
    let text = logged(|| {
        let meter = Meter::new(Arc::from("orders"), "webhook", None);
        meter.recover();
        for _ in 0..5 {
            meter.fail("HTTP status 500".to_owned());
        }
        meter.recover();
        meter.recover();
        meter.fail("HTTP status 502".to_owned());
    });
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines.iter().all(|line| line.contains("sink=orders")), "{text}");
    assert!(lines[0].contains("WARN") && lines[0].contains("HTTP status 500"), "{text}");
    assert!(lines[1].contains("INFO") && lines[1].contains("attempts=5"), "{text}");
    assert!(lines[2].contains("WARN") && lines[2].contains("HTTP status 502"), "{text}");
}

#[test]
fn the_oldest_event_is_the_one_being_delivered_until_nothing_waits() {
    let meter = Meter::new(Arc::from("orders"), "webhook", None);
    let (early, late) = (UNIX_EPOCH + Duration::from_secs(7), UNIX_EPOCH + Duration::from_secs(9));
    meter.accept(3);
    assert_eq!(meter.status(0).oldest, None, "not seen yet");
    let mut arrivals = Arrivals::default();
    arrivals.add(early, 2);
    meter.begin(&arrivals);
    assert_eq!(meter.status(0).oldest, Some(7_000));
    meter.deliver(2, &mut arrivals);
    arrivals.add(late, 1);
    meter.begin(&arrivals);
    assert_eq!(meter.status(0).oldest, Some(9_000));
    meter.deliver(1, &mut arrivals);
    let status = meter.status(0);
    assert_eq!((status.oldest, status.delivered), (None, 3));
    assert_eq!(status.latency.counts.iter().sum::<u64>(), 3);
}
