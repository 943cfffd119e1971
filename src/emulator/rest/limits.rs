//! What the org may use, and what is left of it.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Rest, found};
use crate::emulator::records::Refused;
use crate::emulator::users::Permission;

/// The first API version with the resource.
const SINCE: u8 = 24;
/// The first API version that tells of durable streaming.
const DURABLE: u8 = 37;

/// `GET limits`. An event counts once, whatever the version of its subscribers: the names with and without
/// `Durable` show the same.
pub(super) fn limits(rest: &Rest<'_>) -> Answer {
    if rest.version.number() < SINCE {
        return Err(Refused::not_found());
    }
    if !rest.caller.user.has(Permission::ViewSetup) {
        let message = "You do not have permission to view this record";
        return Err(Refused::new("INSUFFICIENT_ACCESS", message).with(StatusCode::FORBIDDEN));
    }
    let mut state = rest.shared.lock();
    state.expire(&rest.shared.config);
    let allowed = state.records.allowances();
    let used = *state.usage.now();
    let clients = u32::try_from(state.sessions.len()).unwrap_or(u32::MAX);
    let mut members = json!({
        "DailyApiRequests": left(allowed.calls, used.calls),
        "DailyStreamingApiEvents": left(allowed.events, used.events),
        "DailyGenericStreamingApiEvents": left(allowed.generic_events, used.generic_events),
        "StreamingApiConcurrentClients": left(allowed.clients, clients),
    });
    if let (true, Some(members)) = (rest.version.number() >= DURABLE, members.as_object_mut()) {
        for (name, value) in [
            ("DailyDurableStreamingApiEvents", left(allowed.events, used.events)),
            ("DailyDurableGenericStreamingApiEvents", left(allowed.generic_events, used.generic_events)),
            ("DurableStreamingApiConcurrentClients", left(allowed.clients, clients)),
        ] {
            members.insert(name.to_owned(), value);
        }
    }
    Ok(found(&members))
}

fn left(max: u32, used: u32) -> Value {
    json!({"Max": max, "Remaining": max.saturating_sub(used)})
}
