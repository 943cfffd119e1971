//! What clients ask of the server, and the replies to that: enough of Bayeux for every public client.

use std::io;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a message wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Handshake,
    Subscribe,
    Connect,
    Disconnect,
}

/// One message of a request.
pub(crate) struct Request {
    pub(crate) kind: Kind,
    /// The message's id, and what it subscribes to, as JSON.
    pub(crate) id: String,
    subscription: String,
}

#[derive(Deserialize)]
struct Wire<'a> {
    channel: &'a str,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    subscription: Option<&'a RawValue>,
}

impl Request {
    /// The messages of a body: an array of them or a single one.
    pub(crate) fn parse(body: &[u8]) -> io::Result<Vec<Self>> {
        let messages: Vec<Wire<'_>> = if body.trim_ascii_start().starts_with(b"[") {
            serde_json::from_slice(body)?
        } else {
            vec![serde_json::from_slice(body)?]
        };
        messages.iter().map(Self::of).collect()
    }

    fn of(message: &Wire<'_>) -> io::Result<Self> {
        let kind = match message.channel {
            "/meta/handshake" => Kind::Handshake,
            "/meta/subscribe" => Kind::Subscribe,
            "/meta/connect" => Kind::Connect,
            "/meta/disconnect" => Kind::Disconnect,
            other => return Err(io::Error::other(format!("a message on {other}"))),
        };
        let json = |value: Option<&RawValue>| value.map_or("null", RawValue::get).to_owned();
        Ok(Self { kind, id: json(message.id), subscription: json(message.subscription) })
    }

    /// The reply, which says that all is well.
    pub(crate) fn reply(&self) -> String {
        let Self { id, subscription, .. } = self;
        match self.kind {
            Kind::Handshake => format!(
                r#"{{"channel":"/meta/handshake","id":{id},"clientId":"1a2b3c4d5e6f7g8h","version":"1.0","minimumVersion":"1.0","supportedConnectionTypes":["long-polling"],"ext":{{"replay":true}},"successful":true}}"#
            ),
            Kind::Subscribe => format!(
                r#"{{"channel":"/meta/subscribe","id":{id},"subscription":{subscription},"successful":true}}"#
            ),
            Kind::Connect => format!(
                r#"{{"channel":"/meta/connect","id":{id},"successful":true,"advice":{{"reconnect":"retry","interval":0,"timeout":110000}}}}"#
            ),
            Kind::Disconnect => format!(r#"{{"channel":"/meta/disconnect","id":{id},"successful":true}}"#),
        }
    }
}
