//! From what the session wants to the body of a request: a JSON array of messages.

use bytes::Bytes;
use serde_json::json;

use super::socket::Way;
use crate::event::{Channel, ReplayId};

/// The largest body that a server accepts (guide: "How the client connects").
pub(super) const REQUEST_MAX: usize = 32_768;

/// A handshake, with the replay extension asked for, and the `ack` extension on request, and websockets
/// offered on request.
pub(super) fn handshake(id: u64, ack: bool, websocket: bool) -> Bytes {
    let types = if websocket { json!(["websocket", "long-polling"]) } else { json!(["long-polling"]) };
    let ext = if ack { json!({"replay": true, "ack": true}) } else { json!({"replay": true}) };
    body(&json!([{
        "id": id.to_string(),
        "channel": "/meta/handshake",
        "version": "1.0",
        "minimumVersion": "1.0",
        "supportedConnectionTypes": types,
        "ext": ext,
    }]))
}

/// A connect. A `probe` asks the server to answer at once: whether the session is known and what the server
/// advises is then told without waiting for an event or the timeout. `ack` is the last response that was handed
/// on, for servers that send again what was not acknowledged.
///
/// This is the one message that is sent for every response, so it is put together without a document in between.
pub(super) fn connect(id: u64, client_id: &str, way: Way, probe: bool, ack: Option<i64>) -> Bytes {
    let mut body = String::with_capacity(160);
    body.push_str(r#"[{"id":""#);
    body.push_str(&id.to_string());
    body.push_str(r#"","channel":"/meta/connect","connectionType":""#);
    body.push_str(way.name());
    body.push_str(r#"","clientId":"#);
    if client_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        body.push('"');
        body.push_str(client_id);
        body.push('"');
    } else {
        body.push_str(&json!(client_id).to_string());
    }
    if let Some(ack) = ack {
        body.push_str(r#","ext":{"ack":"#);
        body.push_str(&ack.to_string());
        body.push('}');
    }
    body.push_str(if probe { r#","advice":{"timeout":0}}]"# } else { "}]" });
    Bytes::from(body)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_is_valid_whatever_the_client_id_is() {
        for client_id in ["3x1y-_Z", "a\"b\\c\n", "é\u{1}", ""] {
            for (probe, ack) in [(false, None), (true, None), (false, Some(-1)), (true, Some(7))] {
                let way = if probe { Way::Trying } else { Way::LongPolling };
                let sent = connect(7, client_id, way, probe, ack);
                let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
                let mut wanted = json!([{
                    "id": "7",
                    "channel": "/meta/connect",
                    "clientId": client_id,
                    "connectionType": if probe { "websocket" } else { "long-polling" },
                }]);
                if probe {
                    wanted[0]["advice"] = json!({"timeout": 0});
                }
                if let Some(ack) = ack {
                    wanted[0]["ext"] = json!({"ack": ack});
                }
                assert_eq!(sent, wanted);
            }
        }
    }
}
