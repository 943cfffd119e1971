//! The messages of clients and the texts that answer them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

/// A message of a client; members that are not read are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    /// Echoed in the reply, whatever its type.
    pub(super) id: Option<Value>,
    /// What the message is for.
    pub(super) channel: Option<String>,
    /// The session.
    #[serde(rename = "clientId")]
    pub(super) client: Option<String>,
    /// A channel or an array of them.
    #[serde(default)]
    pub(super) subscription: Value,
    /// Extensions: `replay`.
    #[serde(default)]
    pub(super) ext: Value,
    /// A client's advice: `timeout` in milliseconds.
    #[serde(default)]
    pub(super) advice: Value,
}

/// The messages of a body.
pub(super) fn parse(body: &[u8]) -> serde_json::Result<Vec<Message>> {
    if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(body)
    } else {
        serde_json::from_slice(body).map(|message| vec![message])
    }
}

/// The channels of a subscribe or unsubscribe: one name or an array of them.
pub(super) fn names(message: &Message) -> Result<Vec<&str>, Refusal> {
    let names: Option<Vec<_>> = match &message.subscription {
        Value::String(name) => Some(vec![name.as_str()]),
        Value::Array(names) if !names.is_empty() => names.iter().map(Value::as_str).collect(),
        _ => None,
    };
    names.ok_or_else(|| Refusal::new("400::Channel name not specified"))
}

/// Why a message failed.
#[derive(Debug)]
pub(super) struct Refusal {
    /// `CODE:ARGS:TEXT`.
    pub(super) error: Cow<'static, str>,
    /// What the client is to do next.
    pub(super) advice: Option<Value>,
    /// `ext.sfdc.failureReason`.
    pub(super) failure: Option<Cow<'static, str>>,
}

impl Refusal {
    /// An error without advice.
    pub(super) fn new(error: impl Into<Cow<'static, str>>) -> Self {
        Self { error: error.into(), advice: None, failure: None }
    }

    /// An error with `advice`.
    pub(super) fn advised(error: impl Into<Cow<'static, str>>, advice: Value) -> Self {
        Self { advice: Some(advice), ..Self::new(error) }
    }
}

/// The members that answer a message beside those that every reply has.
pub(super) type Reply = Result<Value, Refusal>;

/// The text of a reply: the message's channel, id and client, then what is particular to it.
pub(super) fn render(message: &Message, reply: Reply) -> String {
    let mut text = json!({"channel": message.channel, "successful": reply.is_ok()});
    let mut set = |name: &str, value: Value| {
        if let Some(members) = text.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if let Some(id) = &message.id {
        set("id", id.clone());
    }
    if let Some(client) = &message.client {
        set("clientId", client.as_str().into());
    }
    match reply {
        Ok(Value::Object(members)) => members.into_iter().for_each(|(name, value)| set(&name, value)),
        Ok(_) => {}
        Err(refusal) => {
            set("error", refusal.error.into_owned().into());
            refusal.advice.into_iter().for_each(|advice| set("advice", advice));
            refusal.failure.into_iter().for_each(|why| set("ext", json!({"sfdc": {"failureReason": why}})));
            if !message.subscription.is_null() {
                set("subscription", message.subscription.clone());
            }
        }
    }
    text.to_string()
}
