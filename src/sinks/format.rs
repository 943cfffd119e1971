//! The forms of a record.
//!
//! A record is one line of valid JSON without its line end. The server's bytes go into it as they came: key
//! order, spelling of numbers and spaces are kept.
//!
//! * `message`: the Bayeux message.
//! * `data`: its `data`; `null` where it has none.
//! * `envelope`: `{"connection":"acme","channel":"/topic/A","replayId":5,"receivedAt":"2026-01-02T03:04:05.678Z",
//!   "id":"...","data":...}`; `replayId` is `null` on servers that do not number events.
//! * a gap record (`{"channel":"/topic/A","gap":{"since":...,"until":...,"reason":...}}`) has `gap` in the place of
//!   `data` in every form; `data` itself is `{"gap":...}`, and the CloudEvents type is `org.cometd.gap`.
//! * `cloudevents`: a CloudEvents 1.0 event in the JSON format. `id` is [`Event::id`]; `source` is
//!   `/connection/channel`, percent-encoded to a URI reference; `type` is `org.cometd.event`; `subject` is the
//!   channel as it is; `time` is the event's date of creation where it has one, else the time of arrival;
//!   `datacontenttype` is `application/json`; the extension `replayid` is a string (replay ids pass the 32 bits
//!   of a CloudEvents integer) and is left out on servers that do not number events.

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::Timestamp;

use super::created;
use crate::event::Event;

/// The form of a record in a sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The Bayeux message as the server sent it.
    #[default]
    Message,
    /// Its `data` alone.
    Data,
    /// Connection, channel, replay id, time of arrival, id and data.
    Envelope,
    /// A CloudEvents 1.0 event in the JSON format.
    CloudEvents,
}

impl Format {
    /// The media type of a record.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Message | Self::Data | Self::Envelope => "application/json",
            Self::CloudEvents => "application/cloudevents+json",
        }
    }

    /// Appends the record of `event`, without a line end.
    pub fn append(self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Message => out.extend_from_slice(event.message),
            Self::Data if event.is_gap => {
                out.extend_from_slice(br#"{"gap":"#);
                out.extend_from_slice(event.data());
                out.push(b'}');
            }
            Self::Data => out.extend_from_slice(event.data()),
            Self::Envelope => envelope(event, out),
            Self::CloudEvents => cloud_event(event, out),
        }
    }
}

fn envelope(event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"connection":"#);
    text(event.connection, out);
    out.extend_from_slice(br#","channel":"#);
    text(event.channel.as_str(), out);
    out.extend_from_slice(br#","replayId":"#);
    match event.replay {
        Some(replay) => out.extend_from_slice(replay.to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","receivedAt":"#);
    text(&rfc3339(timestamp(event.received)), out);
    out.extend_from_slice(br#","id":"#);
    text(&event.id(), out);
    out.extend_from_slice(if event.is_gap { br#","gap":"#.as_slice() } else { br#","data":"# });
    out.extend_from_slice(event.data());
    out.push(b'}');
}

fn cloud_event(event: &Event<'_>, out: &mut Vec<u8>) {
    let data = event.data();
    let time = created::of_data(data).unwrap_or_else(|| timestamp(event.received));
    out.extend_from_slice(br#"{"specversion":"1.0","id":"#);
    text(&event.id(), out);
    out.extend_from_slice(br#","source":"#);
    text(&source(event), out);
    let kind = if event.is_gap { "gap" } else { "event" };
    out.extend_from_slice(format!(r#","type":"org.cometd.{kind}","subject":"#).as_bytes());
    text(event.channel.as_str(), out);
    out.extend_from_slice(br#","time":"#);
    text(&rfc3339(time), out);
    out.extend_from_slice(br#","datacontenttype":"application/json""#);
    if let Some(replay) = event.replay {
        out.extend_from_slice(br#","replayid":"#);
        text(&replay.to_string(), out);
    }
    out.extend_from_slice(br#","data":"#);
    out.extend_from_slice(data);
    out.push(b'}');
}

/// A JSON string with its quotes.
pub(super) fn text(value: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("writing a string to a Vec does not fail");
}

/// `/connection/channel` with everything but RFC 3986's unreserved characters and `/` percent-encoded.
fn source(event: &Event<'_>) -> String {
    let mut source = String::from("/");
    let connection = event.connection.bytes().map(|byte| (byte, false));
    for (byte, slash) in connection.chain(event.channel.as_str().bytes().map(|byte| (byte, true))) {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (slash && byte == b'/') {
            source.push(char::from(byte));
        } else {
            write!(source, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
    source
}

/// The time of arrival; 1970 for a clock outside of the years -9999 to 9999.
pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Milliseconds and `Z`.
pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{batch_at, one};
    use super::*;

    const MESSAGE: &str =
        r#"{"channel":"/topic/A","data":{ "n":1.50,"event":{"createdDate":"2016-03-29T16:40:08.208Z"}}}"#;
    const DATA: &str = r#"{ "n":1.50,"event":{"createdDate":"2016-03-29T16:40:08.208Z"}}"#;

    fn formed(format: Format, channel: &str, message: &str, replay: Option<i64>) -> String {
        let batch = batch_at("acme prod", 1_767_323_045_678, &[(channel, message, replay)]);
        let mut out = Vec::new();
        format.append(&batch.get(0).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn message_and_data_are_the_servers_bytes() {
        assert_eq!(formed(Format::Message, "/topic/A", MESSAGE, Some(5)), MESSAGE);
        assert_eq!(formed(Format::Data, "/topic/A", MESSAGE, Some(5)), DATA);
        assert_eq!(formed(Format::Data, "/topic/A", r#"{"channel":"/topic/A"}"#, None), "null");
    }

    #[test]
    fn an_envelope_has_exactly_these_bytes() {
        let batch = batch_at("acme prod", 1_767_323_045_678, &[("/topic/\"A", MESSAGE, Some(5))]);
        let id = batch.get(0).unwrap().id();
        let wanted = format!(
            r#"{{"connection":"acme prod","channel":"/topic/\"A","replayId":5,"receivedAt":"2026-01-02T03:04:05.678Z","id":"{id}","data":{DATA}}}"#
        );
        assert_eq!(formed(Format::Envelope, "/topic/\"A", MESSAGE, Some(5)), wanted);
        assert!(formed(Format::Envelope, "/topic/A", MESSAGE, None).contains(r#""replayId":null,"#));
    }

    #[test]
    fn a_cloud_event_has_exactly_these_bytes() {
        let batch = batch_at("acme prod", 1_767_323_045_678, &[("/topic/A?x='1'", MESSAGE, Some(5))]);
        let id = batch.get(0).unwrap().id();
        let wanted = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/acme%20prod/topic/A%3Fx%3D%271%27","type":"org.cometd.event","subject":"/topic/A?x='1'","time":"2016-03-29T16:40:08.208Z","datacontenttype":"application/json","replayid":"5","data":{DATA}}}"#
        );
        assert_eq!(formed(Format::CloudEvents, "/topic/A?x='1'", MESSAGE, Some(5)), wanted);
        let undated = formed(Format::CloudEvents, "/topic/A", r#"{"data":{}}"#, None);
        assert!(undated.contains(r#""time":"2026-01-02T03:04:05.678Z""#), "{undated}");
        assert!(!undated.contains("replayid"), "{undated}");
    }

    #[test]
    fn every_form_is_json_whatever_the_names_hold() {
        let batch = one("/topic/\u{1}\"\\é", r#"{"data":"\u0007"}"#);
        for format in [Format::Message, Format::Data, Format::Envelope, Format::CloudEvents] {
            let mut out = Vec::new();
            format.append(&batch.get(0).unwrap(), &mut out);
            serde_json::from_slice::<serde_json::Value>(&out).unwrap();
            assert!(!out.contains(&b'\n'));
        }
    }
}
