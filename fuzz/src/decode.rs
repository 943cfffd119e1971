//! Wire decoding. The input is the body of a response.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use cometail::bayeux::decode::{Decoded, Kind, decode, decode_each_way};
use cometail::event::Batch;
use serde_json::value::RawValue;

use crate::json::{Members, is_json, on_one_line};

/// Up to so many messages that are no events, a body is read whole.
const READ_WHOLE: usize = 10_000;

/// An event as the reference reads it: channel, replay id, and the data where a message states it once.
type Expected = (String, Option<i64>, Option<String>);

/// Decodes the input and compares what comes out with what `serde_json` says of it.
pub fn check(input: &[u8]) {
    let body = Bytes::copy_from_slice(input);
    each_way(&body);
    let decoded = decode(&body);
    assert!(decoded.whole || !decoded.bad.is_empty(), "what was not understood is set aside");
    assert!(decoded.bad.len() <= 8, "{} messages are set aside", decoded.bad.len());
    let understood = decoded.whole && decoded.bad.is_empty();
    assert!(!understood || is_read_by_serde(input), "understood, but no JSON");
    let seen = events(&body);
    let Some(messages) = messages(input).filter(|messages| messages.len() < READ_WHOLE) else {
        return;
    };
    let expected: Vec<_> = messages.iter().filter_map(expected).collect();
    assert!(understood, "a valid body is understood");
    assert_eq!(seen.len(), expected.len(), "each event comes out once");
    for (seen, (channel, replay, data)) in seen.iter().zip(&expected) {
        assert_eq!((&seen.0, seen.1), (channel, *replay));
        assert!(data.as_ref().is_none_or(|data| seen.2.as_ref() == Some(data)), "{seen:?} is not {data:?}");
    }
    metas(&decoded, &messages);
    cut(input, &seen);
    beside_bad(input, &seen);
}

/// However a body is scanned, and if it is not scanned at all, the same comes out.
fn each_way(body: &Bytes) {
    let mut ways = decode_each_way(body).into_iter().map(|decoded| {
        let Decoded { body, events, metas, whole, bad, bad_count, names_session } = decoded;
        let batch = Batch::new(Arc::from("fuzz"), SystemTime::UNIX_EPOCH, body, events);
        let read = batch.iter().map(|event| {
            let names = Members::of(std::str::from_utf8(event.message).unwrap_or_default());
            assert!(names_session || names.is_none_or(|names| names.count("clientId") == 0));
            (event.channel.to_string(), event.replay, event.message.to_vec())
        });
        (read.collect::<Vec<_>>(), metas, whole, bad, bad_count)
    });
    let reference = ways.next();
    assert!(ways.all(|way| Some(&way) == reference.as_ref()), "a scan changes what is read");
}

/// The events of a body, each checked to be one line of JSON within it.
fn events(body: &Bytes) -> Vec<Expected> {
    let Decoded { body, events, .. } = decode(body);
    // The batch itself panics where an event lies outside of the body.
    let batch = Batch::new(Arc::from("fuzz"), SystemTime::UNIX_EPOCH, body, events);
    let one_line = |message: &[u8]| !message.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    let read = batch.iter().map(|event| {
        assert!(is_json(event.message) && one_line(event.message), "{:?}", event.message);
        assert!(event.replay.is_none_or(|replay| replay.0 >= 0), "{:?} is no position", event.replay);
        assert!(!event.channel.is_meta() && is_json(event.data()));
        assert!(event.id().len() >= 32, "{} is no id", event.id());
        let data = String::from_utf8(event.data().to_vec()).expect("JSON is UTF-8");
        (event.channel.to_string(), event.replay.map(|replay| replay.0), Some(data))
    });
    read.collect()
}

/// Every message of a body that is a valid array of objects with channels.
fn messages(input: &[u8]) -> Option<Vec<Members<'_>>> {
    let raw: Vec<&RawValue> = serde_json::from_slice(input).ok()?;
    let messages: Option<Vec<_>> = raw.into_iter().map(|raw| Members::of(raw.get())).collect();
    // A second channel is odd enough that with another oddity the message is set aside.
    let has_channel =
        |message: &Members<'_>| message.count("channel") == 1 && message.text("channel").is_some();
    // The protocol's own messages have no data; one with data that is odd besides is set aside.
    let is_plain =
        |message: &Members<'_>| !is_meta(message) || message.last("data").is_none_or(keys_can_be_read);
    messages.filter(|messages| messages.iter().all(|message| has_channel(message) && is_plain(message)))
}

fn is_meta(message: &Members<'_>) -> bool {
    message.text("channel").is_some_and(|channel| channel.starts_with("/meta/"))
}

fn expected(message: &Members<'_>) -> Option<Expected> {
    let data = message.last("data");
    // With `successful` and no data it is the acknowledgement of a publish.
    let acknowledges = data.is_none() && message.last("successful").is_some_and(|value| value != "null");
    if is_meta(message) || acknowledges {
        return None;
    }
    let data_text = data.filter(|text| *text != "null").map(on_one_line);
    Some((message.text("channel")?, data.and_then(replay), data_text))
}

/// `data.event.replayId`, where it is a position.
fn replay(data: &str) -> Option<i64> {
    if !keys_can_be_read(data) {
        return None;
    }
    let event = Members::of(data)?.last("event")?;
    let replay: i64 = Members::of(event)?.last("replayId")?.parse().ok()?;
    Some(replay).filter(|replay| *replay >= 0)
}

/// Names of members, and numbers, that no text and no float can hold make the message an odd one: it is an event,
/// but its replay id is not looked for.
fn keys_can_be_read(data: &str) -> bool {
    let nested = Members::of(data);
    nested.is_some_and(|data| {
        data.0.iter().filter(|(name, _)| name == "event").all(|(_, event)| {
            let event = event.get();
            let object = Members::of(event);
            let replays_can = object.as_ref().is_none_or(|event| {
                let replays = event.0.iter().filter(|(name, _)| name == "replayId");
                replays.clone().all(|(_, replay)| can_be_read(replay.get()))
            });
            if event.starts_with('{') { object.is_some() && replays_can } else { can_be_read(event) }
        })
    })
}

/// Whether a scalar has a value; what is inside an array or object is not read.
fn can_be_read(value: &str) -> bool {
    match value.as_bytes().first() {
        Some(b'[' | b'{') => true,
        _ => serde_json::from_str::<serde_json::Value>(value).is_ok(),
    }
}

/// The protocol's own messages come out in their order.
fn metas(decoded: &Decoded, messages: &[Members<'_>]) {
    let expected: Vec<_> = messages.iter().filter(|message| is_meta(message)).collect();
    assert_eq!(decoded.metas.len(), expected.len(), "each reply comes out once");
    for (meta, message) in decoded.metas.iter().zip(expected) {
        let kind = match message.text("channel").as_deref() {
            Some("/meta/handshake") => Kind::Handshake,
            Some("/meta/connect") => Kind::Connect,
            Some("/meta/subscribe") => Kind::Subscribe,
            Some("/meta/unsubscribe") => Kind::Unsubscribe,
            Some("/meta/disconnect") => Kind::Disconnect,
            _ => Kind::Unknown,
        };
        assert_eq!(meta.kind, kind);
        assert_eq!(meta.client_id, message.text("clientId").filter(|id| !id.is_empty()));
        assert_eq!(meta.error, message.text("error"));
        assert_eq!(meta.id.is_some(), message.last("id").is_some_and(|id| id != "null"));
        match message.last("successful") {
            Some("true") => assert_eq!(meta.successful, Some(true)),
            Some("false") => assert_eq!(meta.successful, Some(false)),
            _ => {}
        }
    }
}

/// Understood means that `serde_json` reads it too, but for commas: a body may have too many of them between its
/// messages, or none. Nothing but white space is an empty body.
fn is_read_by_serde(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let space: &[char] = &[' ', '\t', '\n', '\r'];
    let text = text.trim_matches(space);
    let Some(mut rest) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
        return text.is_empty() || is_json(text.as_bytes());
    };
    loop {
        rest = rest.trim_start_matches(|next| next == ',' || space.contains(&next));
        if rest.is_empty() {
            return true;
        }
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde::de::IgnoredAny>();
        let Some(Ok(_)) = values.next() else {
            return false;
        };
        rest = rest.get(values.byte_offset()..).unwrap_or_default();
    }
}

/// A body that was cut is never understood, and has the events that stood before the cut.
fn cut(input: &[u8], all: &[Expected]) {
    let end = input.trim_ascii_end().len();
    let start = input.len() - input.trim_ascii_start().len();
    for eighth in 1..8 {
        let at = start + 1 + (end - start - 1) * eighth / 8;
        let body = Bytes::copy_from_slice(&input[..at.min(end - 1)]);
        assert!(!decode(&body).whole, "a body cut at {at} is understood");
        let events = events(&body);
        assert!(all.starts_with(&events), "a body cut at {at} has other events");
    }
}

/// Bad messages cost themselves alone.
fn beside_bad(input: &[u8], all: &[Expected]) {
    let text = std::str::from_utf8(input).expect("valid JSON is UTF-8");
    let messages: Vec<&RawValue> = serde_json::from_str(text).expect("it was read before");
    for bad in [r#"{"channel":"/topic/Bad","data":tru}"#, r#"{"data":{}}"#, r#"{"a" 1,"b":[{}]}"#, "7"] {
        let mut body = format!("[{bad}");
        for message in &messages {
            body = format!("{body},{},{bad}", message.get());
        }
        let body = Bytes::from(body + "]");
        let decoded = decode(&body);
        assert!(decoded.whole && !decoded.bad.is_empty(), "{bad} is not set aside");
        assert_eq!(events(&body), all, "{bad} costs more than itself");
    }
}
