//! When an event was created. The input is an event's `data`; its first eight bytes are a time as well.

use cometail::sinks::fuzzing;

use crate::json::{Members, is_json};

const DAY: i64 = 86_400_000;

/// Milliseconds since 1970.
fn created(data: &str) -> Option<i64> {
    Some(fuzzing::created(data.as_bytes())?.as_millisecond())
}

/// Looks for a date in the input, and for known dates in known places beside it.
pub fn check(input: &[u8]) {
    let found = fuzzing::created(input);
    assert!(found.is_none() || is_json(input), "a date in what is no JSON");
    if found.is_some() {
        let members =
            std::str::from_utf8(input).ok().and_then(Members::of).expect("a date stands in an object");
        assert!(members.count("event") + members.count("payload") > 0, "a date from nowhere");
    }
    let number = input.iter().take(8).fold(0, |number: i64, byte| (number << 8) | i64::from(*byte));
    // From 1970 to 2099.
    let time = number.rem_euclid(47_481 * DAY);
    for date in spellings(time) {
        in_its_places(&date, time);
    }
    precedence(input, time);
}

/// The two spellings of the guides, and the number of change events.
fn spellings(time: i64) -> [String; 3] {
    let (year, month, day) = civil(time / DAY);
    let (seconds, millisecond) = (time % DAY / 1000, time % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}");
    [format!(r#""{date}+0000""#), format!(r#""{date}Z""#), time.to_string()]
}

/// Year, month and day of a day since 1970, counted one by one: slow, and right.
fn civil(mut day: i64) -> (i64, usize, i64) {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    (year, month + 1, day + 1)
}

fn in_its_places(date: &str, time: i64) {
    for data in [
        format!(r#"{{"event":{{"createdDate":{date}}},"sobject":{{"Id":"a"}}}}"#),
        format!(r#"{{"payload":{{"ChangeEventHeader":{{"commitTimestamp":{date}}}}}}}"#),
        format!(r#"{{"schema":"x","payload":{{"CreatedDate":{date}}},"event":{{"replayId":1}}}}"#),
    ] {
        assert_eq!(created(&data), Some(time), "{data}");
    }
}

/// Whatever stands beside it, the first place that can be read counts, and what cannot be read hides no other.
fn precedence(input: &[u8], time: i64) {
    let text = String::from_utf8_lossy(input);
    let odd = if is_json(text.as_bytes()) { text.into_owned() } else { serde_json::json!(text).to_string() };
    let first = format!(r#"{{"payload":{odd},"event":{{"createdDate":{time}}},"sobject":{odd}}}"#);
    assert_eq!(created(&first), Some(time), "{first}");
    let alone = format!(r#"{{"event":{{"createdDate":{odd}}}}}"#);
    let beside = format!(
        r#"{{"event":{{"createdDate":{odd}}},"payload":{{"ChangeEventHeader":{odd},"CreatedDate":{time}}}}}"#
    );
    if created(&alone).is_none() && Members::of(&odd).is_none() {
        assert_eq!(created(&beside), Some(time), "{beside}");
    }
}
