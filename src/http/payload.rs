//! The data of events out of what is shown.
//!
//! Constraints: what a session decides by stays, which is everything but the data of events: their channels, replay ids
//! and dates, and the protocol's own messages. What is no Bayeux is not shown at all, for nobody knows what is in it.
//!
//! Format: `"data":{"event":{"createdDate":...,"replayId":...},"_hidden":"321 bytes"}`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The members of a message that stay.
const SHOWN: [&str; 14] = [
    "advice",
    "channel",
    "clientId",
    "connectionType",
    "error",
    "ext",
    "id",
    "minimumVersion",
    "subscription",
    "successful",
    "supportedConnectionTypes",
    "timestamp",
    "version",
    "data",
];

/// The longest date that stays, in bytes.
const DATE_MAX: usize = 40;

/// A body or a message of a socket without the data of its events.
pub(super) fn hide(text: &str) -> String {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return String::new();
    }
    let messages = match trimmed.as_bytes().first() {
        Some(b'[') => serde_json::from_str::<Vec<Members<'_>>>(trimmed).ok(),
        _ => serde_json::from_str(trimmed).ok().map(|one| vec![one]),
    };
    let shown = messages.and_then(|all| all.iter().map(message).collect::<Option<Vec<_>>>());
    shown.map_or_else(|| format!("({} bytes, not shown)", text.len()), |all| format!("[{}]", all.join(",")))
}

/// One message; none where it is no message of Bayeux.
fn message(members: &Members<'_>) -> Option<String> {
    let channel = members.0.iter().find(|(name, _)| name == "channel")?;
    serde_json::from_str::<String>(channel.1.get()).ok()?;
    let known = members.0.iter().filter(|(name, _)| SHOWN.contains(&name.as_str()));
    let shown = known.map(|(name, value)| match name.as_str() {
        "data" => format!("\"data\":{}", marker(value.get())),
        name => format!("\"{name}\":{}", value.get()),
    });
    Some(format!("{{{}}}", shown.collect::<Vec<_>>().join(",")))
}

/// What stands in the place of an event's data.
fn marker(data: &str) -> Value {
    let event = members(data).and_then(|data| data.last("event").and_then(|event| members(event.get())));
    let member = |name| event.as_ref()?.last(name).map(RawValue::get);
    let replay = member("replayId").and_then(|text| serde_json::from_str::<i64>(text).ok());
    let created = member("createdDate").and_then(|text| serde_json::from_str::<String>(text).ok());
    let mut kept = serde_json::Map::new();
    let created = created.filter(|created| created.len() <= DATE_MAX);
    kept.extend(created.map(|created| ("createdDate".into(), created.into())));
    kept.extend(replay.map(|replay| ("replayId".into(), replay.into())));
    serde_json::json!({"event": kept, "_hidden": format!("{} bytes", data.len())})
}

fn members(json: &str) -> Option<Members<'_>> {
    serde_json::from_str(json).ok()
}

/// The members of an object, in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn last(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(one, _)| one == name).map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(All)
    }
}

#[cfg(test)]
mod tests {
    use super::hide;

    #[test]
    fn events_lose_their_data_and_keep_their_places() {
        let body = r#"[{"channel":"/topic/A","data":{"sobject":{"Name":"hush"},"event":{"createdDate":"2016-03-29T16:40:08.208Z",
            "replayId":7,"EventUuid":"hush"}},"Name":"hush"},{"id":"1","channel":"/meta/connect","successful":true}]"#;
        let length = body.find("},\"Name\"").unwrap() + 1 - body.find("{\"sobject").unwrap();
        assert_eq!(
            hide(body),
            format!(
                "[{{\"channel\":\"/topic/A\",\"data\":{{\"_hidden\":\"{length} bytes\",\"event\":{{\"createdDate\":\
                 \"2016-03-29T16:40:08.208Z\",\"replayId\":7}}}}}},{{\"id\":\"1\",\"channel\":\"/meta/connect\",\"successful\":true}}]"
            )
        );
        assert_eq!(
            hide(r#"{"channel":"/u/a","data":"hush","d\u0061ta":["hush"]}"#),
            r#"[{"channel":"/u/a","data":{"_hidden":"6 bytes","event":{}},"data":{"_hidden":"8 bytes","event":{}}}]"#
        );
    }

    #[test]
    fn what_is_no_bayeux_is_not_shown() {
        for text in
            ["hush", r#"[{"channel":"/topic/A","data":{"a":"hush"#, r#"{"records":["hush"]}"#, "[7]", "{}"]
        {
            assert_eq!(hide(text), format!("({} bytes, not shown)", text.len()));
        }
        assert_eq!(hide("  "), "");
        assert_eq!(hide(" [] "), "[]");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_no_data_stays(text in "[\\[\\]{}:,\"a\\\\1 ]{0,40}", data in "[{\\[\"]?hush[}\\]\"]?") {
            let shown = hide(&format!("[{{\"channel\":\"/a\",\"data\":{data},\"x\":{text}}}]"));
            proptest::prop_assert!(!shown.contains("hush"));
        }
    }
}
