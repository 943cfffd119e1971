//! From what the session wants to the body of a request: a JSON array of messages.

use bytes::Bytes;
use serde_json::json;

use crate::event::{Channel, ReplayId};

/// The largest body that a server accepts (guide: "How the client connects").
pub(super) const REQUEST_MAX: usize = 32_768;

/// A handshake, with the replay extension asked for.
pub(super) fn handshake(id: u64) -> Bytes {
    body(&json!([{
        "id": id.to_string(),
        "channel": "/meta/handshake",
        "version": "1.0",
        "minimumVersion": "1.0",
        "supportedConnectionTypes": ["long-polling"],
        "ext": {"replay": true},
    }]))
}

/// A connect. A `probe` asks the server to answer at once: whether the session is known and what the server
/// advises is then told without waiting for an event or the timeout.
pub(super) fn connect(id: u64, client_id: &str, probe: bool) -> Bytes {
    let mut message = json!({
        "id": id.to_string(),
        "channel": "/meta/connect",
        "clientId": client_id,
        "connectionType": "long-polling",
    });
    if let Some(fields) = message.as_object_mut().filter(|_| probe) {
        fields.insert("advice".into(), json!({"timeout": 0}));
    }
    body(&json!([message]))
}

/// A disconnect.
pub(super) fn disconnect(id: u64, client_id: &str) -> Bytes {
    body(&json!([{"id": id.to_string(), "channel": "/meta/disconnect", "clientId": client_id}]))
}

/// One unsubscription.
pub(super) fn unsubscribe(id: u64, client_id: &str, channel: &Channel) -> Bytes {
    body(&json!([{
        "id": id.to_string(),
        "channel": "/meta/unsubscribe",
        "clientId": client_id,
        "subscription": channel.as_str(),
    }]))
}

/// One subscription of a batch; `replay` where the server knows the extension.
pub(super) fn subscribe(id: u64, client_id: &str, channel: &Channel, replay: Option<ReplayId>) -> String {
    let mut message = json!({
        "id": id.to_string(),
        "channel": "/meta/subscribe",
        "clientId": client_id,
        "subscription": channel.as_str(),
    });
    if let (Some(fields), Some(replay)) = (message.as_object_mut(), replay) {
        fields.insert("ext".into(), json!({"replay": {channel.as_str(): replay.0}}));
    }
    message.to_string()
}

fn body(messages: &serde_json::Value) -> Bytes {
    Bytes::from(messages.to_string())
}
