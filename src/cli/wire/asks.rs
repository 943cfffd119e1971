//! What the messages of a request ask for.

use serde_json::Value;

/// The id of a message, with the channel that a subscription names.
pub(super) type Named = (Option<String>, String);

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Handshake { ack: bool, websocket: bool },
    Connect { client: String, ack: Option<i64> },
    Subscribe(Vec<(String, Option<i64>)>),
    Unsubscribe(String),
    Disconnect,
}

impl Asks {
    /// The protocol's channel.
    pub(super) const fn channel(&self) -> &'static str {
        match self {
            Self::Handshake { .. } => "/meta/handshake",
            Self::Connect { .. } => "/meta/connect",
            Self::Subscribe(_) => "/meta/subscribe",
            Self::Unsubscribe(_) => "/meta/unsubscribe",
            Self::Disconnect => "/meta/disconnect",
        }
    }

    /// Whether `recorded` may be what this became: the same kind, and for subscriptions a channel in common.
    pub(super) fn is_like(&self, recorded: &Self) -> bool {
        match (self, recorded) {
            (Self::Subscribe(one), Self::Subscribe(other)) => {
                one.iter().any(|(name, _)| other.iter().any(|(same, _)| name == same))
            }
            (Self::Unsubscribe(one), Self::Unsubscribe(other)) => one == other,
            _ => self.channel() == recorded.channel(),
        }
    }
}

/// What the messages of a request ask for, those of one kind together, with their ids.
pub(super) fn messages(body: &str) -> Vec<(Asks, Vec<Named>)> {
    let all = match serde_json::from_str(body) {
        Ok(Value::Array(all)) => all,
        Ok(one @ Value::Object(_)) => vec![one],
        _ => return Vec::new(),
    };
    let mut asked: Vec<(Asks, Vec<Named>)> = Vec::new();
    for message in &all {
        let Some(asks) = asks(message) else { continue };
        let name = message["subscription"].as_str().map(str::to_owned);
        let id = (name, id_of(&message["id"]));
        match asked
            .iter_mut()
            .find(|(known, _)| matches!((known, &asks), (Asks::Subscribe(_), Asks::Subscribe(_))))
        {
            Some((Asks::Subscribe(known), ids)) => {
                if let Asks::Subscribe(more) = asks {
                    known.extend(more);
                }
                ids.push(id);
            }
            _ => asked.push((asks, vec![id])),
        }
    }
    asked
}

/// An id as text: ids are strings, and numbers with some clients.
pub(super) fn id_of(id: &Value) -> String {
    id.as_str().map_or_else(|| if id.is_null() { String::new() } else { id.to_string() }, str::to_owned)
}

fn asks(message: &Value) -> Option<Asks> {
    let ext = &message["ext"];
    Some(match message["channel"].as_str()? {
        "/meta/handshake" => Asks::Handshake {
            ack: ext["ack"] == true,
            websocket: message["supportedConnectionTypes"]
                .as_array()
                .is_some_and(|types| types.iter().any(|one| one == "websocket")),
        },
        "/meta/connect" => Asks::Connect {
            client: message["clientId"].as_str().unwrap_or_default().to_owned(),
            ack: ext["ack"].as_i64(),
        },
        "/meta/subscribe" => Asks::Subscribe(subscriptions(message)),
        "/meta/unsubscribe" => Asks::Unsubscribe(message["subscription"].as_str()?.to_owned()),
        "/meta/disconnect" => Asks::Disconnect,
        _ => return None,
    })
}

/// The channels of one message: one name, or a list of them.
fn subscriptions(message: &Value) -> Vec<(String, Option<i64>)> {
    let replay = |name: &str| message.get("ext")?.get("replay")?.get(name)?.as_i64();
    let names = match &message["subscription"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect::<Vec<_>>(),
    };
    names.into_iter().map(|name| (name.to_owned(), replay(name))).collect()
}
