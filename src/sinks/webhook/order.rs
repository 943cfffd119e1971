//! Which events must not overtake each other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::Deserialize;

use crate::event::Event;

/// What keeps its order where requests run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ordering {
    /// The events of each channel.
    #[default]
    Channel,
    /// The events about each record; those about none, as with `Channel`.
    Record,
    /// Nothing.
    None,
}

/// Where a Salesforce event says which record it is about: PushTopics and change events.
#[derive(Deserialize)]
struct About<'a> {
    #[serde(borrow)]
    sobject: Option<Object<'a>>,
    #[serde(borrow)]
    payload: Option<Payload<'a>>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, rename = "Id")]
    id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, rename = "ChangeEventHeader")]
    header: Option<Header<'a>>,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow, rename = "recordIds")]
    ids: Option<Vec<Cow<'a, str>>>,
}

impl Ordering {
    /// What an event has in common with all that it must not overtake, and hardly with others; none where there are
    /// none.
    fn key(self, event: &Event<'_>) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Record => Some(record(event.data()).map_or_else(|| channel(event), |id| hash(event, &id))),
            Self::Channel => Some(channel(event)),
        }
    }
}

/// The lane of each key among what is loaded at once. What is loaded is delivered before more is, so that no key is known
/// for longer, and there are never more of them than events in a load.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<u64, usize>);

impl Keys {
    /// The lane for an event: that of what it must not overtake, or else the one with the fewest records, of which `waiting`
    /// tells the number in each.
    pub(super) fn lane(
        &mut self,
        ordering: Ordering,
        event: &Event<'_>,
        waiting: impl ExactSizeIterator<Item = usize>,
    ) -> usize {
        if waiting.len() < 2 {
            return 0;
        }
        let emptiest = || waiting.enumerate().min_by_key(|(_, count)| *count).map_or(0, |(lane, _)| lane);
        match ordering.key(event) {
            Some(key) => *self.0.entry(key).or_insert_with(emptiest),
            None => emptiest(),
        }
    }

    /// What was loaded is delivered.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

fn channel(event: &Event<'_>) -> u64 {
    hash(event, event.channel.as_str())
}

fn hash(event: &Event<'_>, key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (event.connection, key).hash(&mut hasher);
    hasher.finish()
}

/// The record's id; the first where there are several.
fn record(data: &[u8]) -> Option<Cow<'_, str>> {
    let About { sobject, payload } = serde_json::from_slice(data).ok()?;
    let first = |payload: Payload<'_>| payload.header?.ids?.into_iter().next().map(Cow::into_owned);
    let object = sobject.and_then(|object| object.id);
    object.or_else(|| payload.and_then(first).map(Cow::Owned))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::one;
    use super::*;

    fn key(ordering: Ordering, channel: &str, data: &str) -> Option<u64> {
        let batch = one(channel, &format!(r#"{{"data":{data}}}"#));
        ordering.key(&batch.get(0).unwrap())
    }

    #[test]
    fn a_record_is_known_by_its_id_in_either_form() {
        for (data, id) in [
            (r#"{"event":{},"sobject":{"Id":"001A","Name":"x"}}"#, Some("001A")),
            (
                r#"{"payload":{"ChangeEventHeader":{"recordIds":["001\u0041","001B"]}},"schema":"s"}"#,
                Some("001A"),
            ),
            (r#"{"payload":{"ChangeEventHeader":{"recordIds":[]}}}"#, None),
            (r#"{"payload":"a generic event"}"#, None),
            (r#"{"sobject":{"Id":7}}"#, None),
            ("7", None),
        ] {
            assert_eq!(record(data.as_bytes()).as_deref(), id, "{data}");
        }
    }

    #[test]
    fn what_belongs_together_has_one_key() {
        let (sobject, change) =
            (r#"{"sobject":{"Id":"001A"}}"#, r#"{"payload":{"ChangeEventHeader":{"recordIds":["001A"]}}}"#);
        let by_record = |channel, data| key(Ordering::Record, channel, data);
        assert_eq!(by_record("/topic/A", sobject), by_record("/data/A", change));
        assert_ne!(by_record("/topic/A", sobject), by_record("/topic/A", r#"{"sobject":{"Id":"001B"}}"#));
        assert_eq!(by_record("/topic/A", "{}"), key(Ordering::Channel, "/topic/A", "7"));
        assert_eq!(key(Ordering::Channel, "/topic/A", sobject), key(Ordering::Channel, "/topic/A", change));
        assert_ne!(key(Ordering::Channel, "/topic/A", sobject), key(Ordering::Channel, "/topic/B", sobject));
    }

    #[test]
    fn each_key_gets_the_emptiest_lane_and_keeps_it_as_long_as_anything_is_loaded() {
        let (mut keys, mut waiting) = (Keys::default(), [0; 3]);
        let mut lane = |ordering, channel| {
            let batch = one(channel, "{}");
            let lane = keys.lane(ordering, &batch.get(0).unwrap(), waiting.iter().copied());
            waiting[lane] += 1;
            lane
        };
        let channels = ["/A", "/B", "/A", "/A", "/C", "/B", "/D"];
        assert_eq!(channels.map(|channel| lane(Ordering::Channel, channel)), [0, 1, 0, 0, 2, 1, 2]);
        assert_eq!(["/A", "/A", "/A"].map(|channel| lane(Ordering::None, channel)), [1, 2, 0]);
        keys.clear();
        let batch = one("/D", "{}");
        assert_eq!(keys.lane(Ordering::Channel, &batch.get(0).unwrap(), [0, 0, 0].into_iter()), 0);
        assert_eq!(keys.lane(Ordering::Channel, &batch.get(0).unwrap(), [5].into_iter()), 0);
    }
}
