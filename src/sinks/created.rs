//! When an event says that it was created.
//!
//! Three places, the first that can be read counts: `data.event.createdDate` (PushTopic and generic events),
//! `data.payload.ChangeEventHeader.commitTimestamp` (change events) and `data.payload.CreatedDate` (platform
//! events). Two spellings of a date, `2011-11-14T17:33:45.000+0000` (guide v35) and
//! `2016-03-29T16:40:08.208Z` (37 and later), and a number of milliseconds since 1970. What cannot be read
//! is no date: the server's text is never an error here.
//!
//! With the feature `fuzzing` the fuzz targets reach it as `sinks::fuzzing`.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::Event;

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Dated<'a> {
    #[serde(borrow, default, rename = "createdDate")]
    created: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default, rename = "ChangeEventHeader")]
    header: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "CreatedDate")]
    created: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow, default, rename = "commitTimestamp")]
    committed: Option<&'a RawValue>,
}

/// When an event says that it was created; its message is read for that.
pub fn created_at(event: &Event<'_>) -> Option<SystemTime> {
    of_data(event.data()).map(SystemTime::from)
}

/// The time of creation that an event's `data` (valid JSON) gives.
pub(super) fn of_data(data: &[u8]) -> Option<Timestamp> {
    let data: Data<'_> = object(serde_json::from_slice(data).ok()?)?;
    data.event.and_then(of_event).or_else(|| data.payload.and_then(of_payload))
}

fn of_event(event: &RawValue) -> Option<Timestamp> {
    of_value(object::<Dated<'_>>(event)?.created?)
}

fn of_payload(payload: &RawValue) -> Option<Timestamp> {
    let payload = object::<Payload<'_>>(payload)?;
    let committed = payload.header.and_then(object::<Header<'_>>).and_then(|header| header.committed);
    committed.and_then(of_value).or_else(|| payload.created.and_then(of_value))
}

/// Members of an object; serde would also read them from an array, by their places.
fn object<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    let text = value.get();
    serde_json::from_str(text).ok().filter(|_| text.starts_with('{'))
}

/// A date as JSON: a text in either spelling, or milliseconds since 1970.
fn of_value(value: &RawValue) -> Option<Timestamp> {
    if let Ok(milliseconds) = serde_json::from_str::<i64>(value.get()) {
        return Timestamp::from_millisecond(milliseconds).ok();
    }
    serde_json::from_str::<&str>(value.get()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millisecond(data: &str) -> Option<i64> {
        of_data(data.as_bytes()).map(Timestamp::as_millisecond)
    }

    #[test]
    fn both_spellings_are_read() {
        let event =
            |date: &str| millisecond(&format!(r#"{{"event":{{"createdDate":"{date}"}},"sobject":{{}}}}"#));
        assert_eq!(event("2011-11-14T17:33:45.000+0000"), Some(1_321_292_025_000));
        assert_eq!(event("2011-11-14T18:33:45.000+0100"), Some(1_321_292_025_000));
        assert_eq!(event("2016-03-29T16:40:08.208Z"), Some(1_459_269_608_208));
        assert_eq!(event("2016-03-29T16:40:08Z"), Some(1_459_269_608_000));
    }

    #[test]
    fn change_and_platform_events_are_read() {
        let change = r#"{"schema":"x","payload":{"ChangeEventHeader":{"commitTimestamp":1459269608208}}}"#;
        assert_eq!(millisecond(change), Some(1_459_269_608_208));
        let platform = r#"{"payload":{"CreatedDate":"2016-03-29T16:40:08.208Z"},"event":{"replayId":2}}"#;
        assert_eq!(millisecond(platform), Some(1_459_269_608_208));
    }

    #[test]
    fn what_cannot_be_read_is_no_date() {
        for data in [
            "null",
            "7",
            "[]",
            r#"{"event":null}"#,
            r#"{"event":{"createdDate":"yesterday"}}"#,
            r#"{"event":{"createdDate":""}}"#,
            r#"{"event":{"createdDate":"2016-03-29T16:40:08.208"}}"#,
            r#"{"event":{"createdDate":"2016-13-29T16:40:08.208Z"}}"#,
            r#"{"event":{"createdDate":{"a":1}}}"#,
            r#"{"event":{"createdDate":99999999999999999999}}"#,
            r#"{"event":{"createdDate":9223372036854775807}}"#,
            r#"{"event":"text","payload":"hello"}"#,
            r#"{"payload":{"ChangeEventHeader":[1]}}"#,
            r#"[{"createdDate":1}]"#,
            r#"{"event":[1]}"#,
        ] {
            assert_eq!(millisecond(data), None, "{data}");
        }
    }
}
