//! Advice. The input is the JSON text of an `advice` field, or anything else.

use std::time::Duration;

use cometail::bayeux::advice::{Advice, Reconnect};

use crate::json::Members;

const INTERVAL_MAX: Duration = Duration::from_mins(15);
const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// Reads the input and checks the bounds, and the values where the input says them plainly.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let advice = Advice::parse(&text);
    assert!(advice.interval.is_none_or(|interval| interval <= INTERVAL_MAX), "{advice:?}");
    assert!(advice.timeout.is_none_or(|timeout| timeout <= TIMEOUT_MAX), "{advice:?}");
    assert!(advice.odd.as_ref().is_none_or(|odd| odd.chars().count() <= 200), "{advice:?}");
    again(&advice);
    let names = ["reconnect", "interval", "timeout"];
    if let Some(members) = Members::of(&text).filter(|all| names.iter().all(|name| all.count(name) <= 1)) {
        plain(&advice, &members);
    }
}

/// What was read, written down and read again, is the same.
fn again(advice: &Advice) {
    let mut members = serde_json::Map::new();
    if let Some(reconnect) = advice.reconnect {
        members.insert("reconnect".into(), name(reconnect).into());
    }
    for (name, time) in [("interval", advice.interval), ("timeout", advice.timeout)] {
        members.extend(time.map(|time| (name.into(), (time.as_secs_f64() * 1000.0).into())));
    }
    let read = Advice::parse(&serde_json::Value::from(members).to_string());
    assert_eq!((read.reconnect, &read.odd), (advice.reconnect, &None));
    let pairs = [(read.interval, advice.interval), (read.timeout, advice.timeout)];
    for (read, written) in pairs {
        // A float of milliseconds has not every nanosecond.
        let difference = read.unwrap_or_default().abs_diff(written.unwrap_or_default());
        assert!(read.is_some() == written.is_some() && difference < Duration::from_micros(1));
    }
}

const fn name(reconnect: Reconnect) -> &'static str {
    match reconnect {
        Reconnect::Retry => "retry",
        Reconnect::Handshake => "handshake",
        Reconnect::None => "none",
    }
}

fn plain(advice: &Advice, members: &Members<'_>) {
    let expected = match members.text("reconnect").as_deref() {
        Some("retry") => Some(Reconnect::Retry),
        Some("handshake") => Some(Reconnect::Handshake),
        Some("none") => Some(Reconnect::None),
        _ => None,
    };
    assert_eq!(advice.reconnect, expected);
    let millis = |name| members.last(name).and_then(|text| text.parse().ok()).map(Duration::from_millis);
    for (expected, read, max) in [
        (millis("interval"), advice.interval, INTERVAL_MAX),
        (millis("timeout"), advice.timeout, TIMEOUT_MAX),
    ] {
        if let Some(expected) = expected {
            assert_eq!(read, Some(expected.min(max)), "{advice:?}");
        }
    }
}
