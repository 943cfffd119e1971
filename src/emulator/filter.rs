//! Filtered subscriptions: `/topic/NAME?FieldA='v'&FieldB='w'` (guide of later versions, "Filtered Subscriptions").
//!
//! One condition that is true is enough. A field is found whatever its case; a value is compared exactly, without its
//! single quotes if it has them, with texts, and as JSON spells them with numbers, booleans and `null`. An event that
//! lacks the field, such as that of a deleted record, does not meet a condition on it. Where the guide says nothing:
//! the event comes under the name that was subscribed to, and each subscription of a session has an event of its own.

use serde_json::Value;

use super::event::Event;

/// What follows the `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    conditions: Vec<(String, String)>,
}

/// The channel that a subscription of this name listens to, and the text of its filter.
pub(super) fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('?') {
        Some((channel, filter)) => (channel, Some(filter)),
        None => (name, None),
    }
}

impl Filter {
    /// Reads what follows the `?`. A condition without `=` has its whole text for its field, which nothing has.
    pub(super) fn parse(text: &str) -> Self {
        let condition = |text: &str| {
            let (field, value) = text.split_once('=').unwrap_or((text, ""));
            let bare = value.trim().strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
            (field.trim().to_owned(), bare.unwrap_or(value.trim()).to_owned())
        };
        Self { conditions: text.split('&').map(condition).collect() }
    }

    /// The fields that are no `known` ones, as they were spelled.
    pub(super) fn unknown(&self, known: impl Fn(&str) -> bool) -> Vec<&str> {
        self.conditions.iter().map(|(field, _)| field.as_str()).filter(|field| !known(field)).collect()
    }

    /// Whether the event is one of those wanted.
    pub(super) fn lets(&self, event: &Event) -> bool {
        let record = event.record();
        self.conditions.iter().any(|(field, wanted)| {
            let found = record.iter().find(|(name, _)| name.eq_ignore_ascii_case(field));
            found.is_some_and(|(_, value)| is(value, wanted))
        })
    }
}

fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        other => {
            let text = other.to_string();
            text == wanted
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::value::RawValue;
    use tokio::time::Instant;

    use super::*;
    use crate::emulator::event::{Audience, Content, Draft};

    fn event(content: Content) -> Event {
        Event::new(Arc::from("/topic/X"), 1, Instant::now(), content, Audience::Everybody)
    }

    fn drafted(sobject: &str) -> Event {
        let data = RawValue::from_string(format!(r#"{{"sobject":{sobject}}}"#)).unwrap();
        event(Draft::parse(&data).unwrap().content("/topic/X", None))
    }

    #[test]
    fn one_condition_is_enough() {
        let filter = Filter::parse("Industry='Energy'&ShippingCity='San Francisco'");
        for (sobject, lets) in [
            (r#"{"Industry":"Energy","ShippingCity":"Rome"}"#, true),
            (r#"{"industry":"Retail","ShippingCity":"San Francisco"}"#, true),
            (r#"{"Industry":"energy","ShippingCity":"Rome"}"#, false),
            (r#"{"Id":"001"}"#, false),
        ] {
            assert_eq!(filter.lets(&drafted(sobject)), lets, "{sobject}");
        }
    }

    #[test]
    fn values_are_compared_as_json_spells_them() {
        for (text, lets) in [
            ("A=1.5", true),
            ("A='1.5'", true),
            ("B=true", true),
            ("C=null", true),
            ("A=1", false),
            ("A", false),
        ] {
            let event = drafted(r#"{"A":1.5,"B":true,"C":null}"#);
            assert_eq!(Filter::parse(text).lets(&event), lets, "{text}");
        }
        let raw = event(Content::Raw(r#"{"channel":"/topic/X","data":{"sobject":{"A":"b"}}}"#.to_owned()));
        assert!(Filter::parse("A='b'").lets(&raw) && !Filter::parse("A='c'").lets(&raw));
        for raw in ["no JSON", "[1]", "3", r#"{"data":[]}"#] {
            assert!(!Filter::parse("A='b'").lets(&event(Content::Raw(raw.to_owned()))), "{raw}");
        }
    }

    #[test]
    fn unknown_fields_are_told() {
        let filter = Filter::parse("Name='a'&Nope='b'&&x");
        assert_eq!(filter.unknown(|field| field == "Name"), ["Nope", "", "x"]);
    }
}
