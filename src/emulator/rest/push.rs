//! Pushes to a `StreamingChannel` (guide, "Streaming Channel Push").

use std::collections::BTreeSet;

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Rest, found};
use crate::emulator::ids;
use crate::emulator::records::{PushEvent, Refused};
use crate::emulator::state::State;

/// The most events of one push.
const EVENTS_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    #[serde(rename = "pushEvents")]
    events: Vec<PushEvent>,
}

/// `sobjects/StreamingChannel/ID/push`
pub(super) fn push(rest: &Rest<'_>, id: &str) -> Answer {
    let mut state = rest.shared.lock();
    state.expire(&rest.shared.config);
    let (_, _, row) = state.records.get(rest.call(), "StreamingChannel", id)?;
    let channel = row.text("Name").to_owned();
    match rest.method {
        Method::GET | Method::HEAD => {
            Ok(found(&json!({"OnlineUserIds": listeners(&state, &channel), "ChannelName": channel})))
        }
        Method::POST => send(rest, &mut state, id, &channel),
        _ => Err(rest.not_allowed("GET,HEAD,POST")),
    }
}

/// The ids of the users who have subscribed to a channel.
fn listeners(state: &State, channel: &str) -> BTreeSet<String> {
    let sessions = state.sessions.values().filter(|session| session.listens(channel));
    sessions.map(|session| session.user.id.clone()).collect()
}

fn send(rest: &Rest<'_>, state: &mut State, id: &str, channel: &str) -> Answer {
    let push: Push = rest.read()?;
    if push.events.is_empty() || push.events.len() > EVENTS_MAX {
        let message = format!("pushEvents: 1 to {EVENTS_MAX} events are required");
        return Err(Refused::new("INVALID_FIELD", message).of(["pushEvents"]));
    }
    let notices = state.records.push(rest.call(), id, &push.events)?;
    let mut results = Vec::new();
    for (event, notice) in push.events.iter().zip(notices) {
        let online = listeners(state, channel);
        if state.notify(vec![notice]) == 0 {
            let message = "the org has used up its generic streaming events of 24 hours";
            return Err(Refused::new("LIMIT_EXCEEDED", message).of::<String>([]));
        }
        results.push(result(event, &online));
    }
    Ok(found(&Value::Array(results)))
}

/// What became of one event: -1 where it went to everybody, else to how many of the users named; 0 where nobody
/// listens.
fn result(event: &PushEvent, online: &BTreeSet<String>) -> Value {
    let named: BTreeSet<_> = event.users.iter().filter_map(|id| ids::canonical(id)).collect();
    let status: Map<_, _> = named.iter().map(|id| (id.clone(), online.contains(id).into())).collect();
    let reached = named.intersection(online).count();
    let fanout = if named.is_empty() && !online.is_empty() { json!(-1) } else { json!(reached) };
    json!({"fanoutCount": fanout, "userOnlineStatus": status})
}
