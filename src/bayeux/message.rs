//! The fields of a Bayeux message as they stand on the wire, each of any type.
//!
//! Only `data.event.replayId` is looked for inside an event; every other value is skipped unread, at any
//! depth, and a field that comes twice counts by its last.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::state::NO_ACK;
use crate::event::ReplayId;

/// One message; the fields of meta replies are kept unread.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub(super) channel: Option<&'a RawValue>,
    pub(super) data: bool,
    pub(super) replay: Option<ReplayId>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) successful: Option<&'a RawValue>,
    pub(super) client_id: Option<&'a RawValue>,
    pub(super) subscription: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
    pub(super) advice: Option<&'a RawValue>,
    pub(super) ext: Option<&'a RawValue>,
    pub(super) connection_types: Option<&'a RawValue>,
}

/// What is used of `ext`.
#[derive(Debug, Default)]
pub(super) struct Ext {
    pub(super) replay: bool,
    /// The number of a response, or [`NO_ACK`] where the extension is merely confirmed.
    pub(super) ack: Option<i64>,
    pub(super) failure_reason: Option<String>,
}

impl Ext {
    /// Reads the JSON text of an `ext` field; nothing in it is an error.
    pub(super) fn parse(json: &str) -> Self {
        let Some(fields) = object(json) else {
            return Self::default();
        };
        let sfdc = fields.get("sfdc").and_then(|raw| object(raw.get()));
        Self {
            // Salesforce confirms with `true`; others echo what they were sent.
            replay: fields.get("replay").is_some_and(|raw| !matches!(raw.get(), "false" | "null")),
            ack: fields.get("ack").and_then(|raw| match raw.get() {
                "true" => Some(NO_ACK),
                number => number.parse().ok(),
            }),
            failure_reason: sfdc.and_then(|sfdc| text_of(sfdc.get("failureReason")?).map(Cow::into_owned)),
        }
    }
}

/// The fields of a JSON object; one that comes twice counts by its last.
pub(super) fn object(json: &str) -> Option<HashMap<String, &RawValue>> {
    serde_json::from_str(json).ok()
}

/// The text of a JSON string, borrowed where it has no escape; `None` for any other value.
pub(super) fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// The texts of a JSON string or of an array of strings; anything else counts as none.
pub(super) fn texts_of(raw: &RawValue) -> Vec<String> {
    match text_of(raw) {
        Some(text) => vec![text.into_owned()],
        None => serde_json::from_str(raw.get()).unwrap_or_default(),
    }
}

enum Field {
    Channel,
    Data,
    Id,
    Successful,
    ClientId,
    Subscription,
    Error,
    Advice,
    Ext,
    ConnectionTypes,
    Other,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }
            fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                Ok(match name {
                    "channel" => Field::Channel,
                    "data" => Field::Data,
                    "id" => Field::Id,
                    "successful" => Field::Successful,
                    "clientId" => Field::ClientId,
                    "subscription" => Field::Subscription,
                    "error" => Field::Error,
                    "advice" => Field::Advice,
                    "ext" => Field::Ext,
                    "supportedConnectionTypes" => Field::ConnectionTypes,
                    _ => Field::Other,
                })
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

impl<'de> Deserialize<'de> for Message<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Message<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message (a JSON object)")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message<'de>, A::Error> {
                let mut message = Message::default();
                while let Some(field) = map.next_key()? {
                    match field {
                        Field::Channel => message.channel = map.next_value()?,
                        Field::Data => {
                            message.data = true;
                            message.replay =
                                map.next_value::<Inside<Inside<Number>>>()?.0.and_then(|inner| inner.0?.0);
                        }
                        Field::Id => message.id = map.next_value()?,
                        Field::Successful => message.successful = map.next_value()?,
                        Field::ClientId => message.client_id = map.next_value()?,
                        Field::Subscription => message.subscription = map.next_value()?,
                        Field::Error => message.error = map.next_value()?,
                        Field::Advice => message.advice = map.next_value()?,
                        Field::Ext => message.ext = map.next_value()?,
                        Field::ConnectionTypes => message.connection_types = map.next_value()?,
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(message)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// What stands under a key of a value that may be no object at all.
struct Inside<T>(Option<T>);

/// The key under which an [`Inside`] looks for its `T`.
trait Keyed {
    const KEY: &'static str;
}

impl<T> Keyed for Inside<T> {
    const KEY: &'static str = "event";
}

impl Keyed for Number {
    const KEY: &'static str = "replayId";
}

/// A replay id, or anything else.
struct Number(Option<ReplayId>);

/// Whether a key is the one looked for.
struct IsKey(&'static str);

impl<'de> serde::de::DeserializeSeed<'de> for IsKey {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for IsKey {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }
    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// The visits of every scalar that is of no interest.
macro_rules! ignore_scalars {
    ($value:expr, $($visit:ident: $type:ty),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok($value)
        })*
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

impl<'de, T: Deserialize<'de> + Keyed> Deserialize<'de> for Inside<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Keyed> Visitor<'de> for Look<T> {
            type Value = Inside<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Inside<T>, A::Error> {
                let mut found = None;
                while let Some(hit) = map.next_key_seed(IsKey(T::KEY))? {
                    if hit {
                        found = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Inside(found))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Inside<T>, A::Error> {
                IgnoredAny.visit_seq(seq).map(|_| Inside(None))
            }
            ignore_scalars!(Inside(None), visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
        }
        deserializer.deserialize_any(Look(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl<'de> Visitor<'de> for Value {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                // Below zero a number would not be a position but a wish (-1: new events only).
                Ok(Number(Some(ReplayId(value)).filter(|_| value >= 0)))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(i64::try_from(value).ok().map(ReplayId)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Number, A::Error> {
                IgnoredAny.visit_map(map).map(|_| Number(None)).map_err(A::Error::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Number, A::Error> {
                IgnoredAny.visit_seq(seq).map(|_| Number(None)).map_err(A::Error::custom)
            }
            ignore_scalars!(Number(None), visit_bool: bool, visit_f64: f64, visit_str: &str);
        }
        deserializer.deserialize_any(Value)
    }
}
