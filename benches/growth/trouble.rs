//! What happens in a soak besides events, and the events.
//!
//! Two connections have a channel each: one with replay, whose events have to be in its file exactly once, whatever
//! happens; and one without (API 36), where what is lost is told as a gap.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use crate::control::Emulator;

/// Events of one call, and calls a second: 500 events a second.
pub(crate) const BATCH: u64 = 50;
pub(crate) const CALLS: u64 = 10;

/// The channels with and without replay.
pub(crate) const CHANNEL: &str = "/topic/Soak";
pub(crate) const PLAIN: &str = "/topic/Plain";

/// Publishes the call of this number: so many events with replay, and one without.
pub(crate) fn publish(emulator: &Emulator, call: u64) -> Result<()> {
    let text = "Fragile: keep \"this side up\" {dock 4}, in person, and not before the first of the month";
    let record =
        json!({"Id": "a00D0000008oLi8IAE", "call": call, "Status__c": "Negotiated", "Text__c": text});
    let some = json!({"channel": CHANNEL, "count": BATCH, "data": {"sobject": record}});
    let one = json!({"channel": PLAIN, "data": {"sobject": record}});
    emulator.post("publish", &some.to_string())?;
    emulator.post("publish", &one.to_string())
}

/// The number of an event with replay, from 0 on.
pub(crate) fn number(event: &Value) -> Option<u64> {
    let record = event.get("data")?.get("sobject")?;
    Some(record.get("call")?.as_u64()? * BATCH + record.get("n")?.as_u64()?)
}

/// What the schedule has for a second of the soak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A connection is closed in the place of a connect's answer, and the events of it are lost.
    Close,
    /// `402::Unknown client`.
    Unknown,
    /// The session is forgotten: `403::Unknown client`.
    Forgotten,
    /// The body of an answer ends in its middle.
    Cut,
    /// All connections are cut, the sessions forgotten, and nobody listens for a second.
    Restart,
    /// Another token is demanded, which is in the token's file.
    Token,
    /// The configuration is changed and read again (SIGHUP).
    Reload,
    /// The webhook's receiver goes, and comes back.
    Away,
    Back,
}

/// How long the emulator is away at a restart.
const DOWN: Duration = Duration::from_secs(1);

/// How often each comes, and when first, in seconds.
const SCHEDULE: [(Trouble, u64, u64); 9] = [
    (Trouble::Close, 20, 5),
    (Trouble::Unknown, 20, 10),
    (Trouble::Forgotten, 40, 15),
    (Trouble::Cut, 30, 22),
    (Trouble::Restart, 300, 57),
    (Trouble::Token, 60, 33),
    (Trouble::Reload, 60, 46),
    (Trouble::Away, 120, 50),
    (Trouble::Back, 120, 56),
];

/// What is due in this second.
pub(crate) fn due(second: u64) -> impl Iterator<Item = Trouble> {
    SCHEDULE
        .into_iter()
        .filter(move |(_, every, first)| second % every == *first)
        .map(|(trouble, _, _)| trouble)
}

/// Has the emulator make it, where it is the emulator's to make.
pub(crate) fn cause(emulator: &Emulator, trouble: Trouble) -> Result<()> {
    let unknown =
        json!({"error": "402::Unknown client", "advice": {"reconnect": "handshake", "interval": 0}});
    let mut fault = match trouble {
        Trouble::Close => json!({"after": true, "close": true}),
        Trouble::Unknown => json!({"refuse": unknown}),
        Trouble::Forgotten => json!({"lose_session": true}),
        Trouble::Cut => json!({"cut": true}),
        Trouble::Restart => return emulator.restart(DOWN),
        Trouble::Token | Trouble::Reload | Trouble::Away | Trouble::Back => return Ok(()),
    };
    // Two of them, for there are two connections.
    if let Some(members) = fault.as_object_mut() {
        members.insert("next".to_owned(), json!(2));
        members.insert("channel".to_owned(), json!("/meta/connect"));
    }
    emulator.post("faults", &fault.to_string())
}
