//! Which events must not overtake each other.

use std::borrow::Cow;
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
    /// The one of `lanes` lanes for an event: the same for all that must not overtake each other. `turn` grows by
    /// one with each event.
    pub(super) fn lane(self, event: &Event<'_>, lanes: usize, turn: u64) -> usize {
        let number = match self {
            _ if lanes < 2 => 0,
            Self::None => turn,
            Self::Record => record(event.data()).map_or_else(|| channel(event), |id| hash(event, &id)),
            Self::Channel => channel(event),
        };
        let lanes = u64::try_from(lanes).unwrap_or(1).max(1);
        usize::try_from(number % lanes).unwrap_or_default()
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

    fn lane(ordering: Ordering, channel: &str, data: &str) -> usize {
        let batch = one(channel, &format!(r#"{{"data":{data}}}"#));
        ordering.lane(&batch.get(0).unwrap(), 1_000_000, 0)
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
    fn what_belongs_together_has_one_lane() {
        let (sobject, change) =
            (r#"{"sobject":{"Id":"001A"}}"#, r#"{"payload":{"ChangeEventHeader":{"recordIds":["001A"]}}}"#);
        let by_record = |channel, data| lane(Ordering::Record, channel, data);
        assert_eq!(by_record("/topic/A", sobject), by_record("/data/A", change));
        assert_ne!(by_record("/topic/A", sobject), by_record("/topic/A", r#"{"sobject":{"Id":"001B"}}"#));
        assert_eq!(by_record("/topic/A", "{}"), lane(Ordering::Channel, "/topic/A", "7"));
        assert_eq!(lane(Ordering::Channel, "/topic/A", sobject), lane(Ordering::Channel, "/topic/A", change));
        assert_ne!(
            lane(Ordering::Channel, "/topic/A", sobject),
            lane(Ordering::Channel, "/topic/B", sobject)
        );
    }

    #[test]
    fn without_an_order_every_lane_gets_its_turn() {
        let batch = one("/topic/A", "{}");
        let event = batch.get(0).unwrap();
        let lanes: Vec<_> = (0..5).map(|turn| Ordering::None.lane(&event, 3, turn)).collect();
        assert_eq!(lanes, [0, 1, 2, 0, 1]);
        assert_eq!(Ordering::None.lane(&event, 1, 7), 0);
    }
}
