//! A generator of `PushTopic` events in the guide's shape, so that a subscriber sees something without an org.
//!
//! Each invoice statement is created, updated, deleted and undeleted, one event at a time; a `deleted` event
//! carries only the id (guide, "Event Notification Rules").

use std::sync::Arc;

use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::Generate;
use super::event::Draft;
use super::ids;
use super::state::Shared;

/// What an invoice statement's status becomes by an update.
const STATUSES: [&str; 3] = ["Negotiating", "Pending", "Closed"];

/// Publishes the first event at once and another after every interval, without end.
pub(super) async fn run(shared: Arc<Shared>, generate: Generate) {
    for step in 0_u64.. {
        publish(&shared, &generate.channel, step);
        tokio::time::sleep(generate.every).await;
    }
}

fn publish(shared: &Shared, channel: &str, step: u64) {
    let data = to_raw_value(&data(step)).ok().and_then(|data| Draft::parse(&data).ok());
    if let Some(draft) = data {
        let mut state = shared.lock();
        state.expire(&shared.config);
        // The generator has one channel of its own; a store full of other channels leaves it without.
        let _ = state.publish(channel, draft.content(channel, None));
    }
}

/// The `data` of the event number `step`.
fn data(step: u64) -> Value {
    let record = step / 4;
    let (kind, status) = match step % 4 {
        0 => ("created", "Open"),
        1 => ("updated", status(record)),
        2 => ("deleted", ""),
        _ => ("undeleted", status(record)),
    };
    let id = record_id(record);
    let sobject = if kind == "deleted" {
        json!({"Id": id})
    } else {
        let number = record + 1;
        json!({
            "Id": id,
            "Name": format!("INV-{number:04}"),
            "Status__c": status,
            "Description__c": format!("Invoice statement {number}"),
        })
    };
    json!({"event": {"type": kind}, "sobject": sobject})
}

fn status(record: u64) -> &'static str {
    let index = usize::try_from(record % 3).unwrap_or(0);
    STATUSES.get(index).copied().unwrap_or("Pending")
}

/// The id of an invoice statement, far from those of records that are made by calls.
fn record_id(record: u64) -> String {
    const FIRST: u64 = 506_840;
    ids::id("a00", FIRST + record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_goes_through_its_four_events() {
        let kinds: Vec<_> = (0..5).map(|step| data(step)["event"]["type"].clone()).collect();
        assert_eq!(kinds, ["created", "updated", "deleted", "undeleted", "created"]);
        assert_eq!(data(0)["sobject"]["Name"], "INV-0001");
        assert_eq!(data(4)["sobject"]["Name"], "INV-0002");
        assert_eq!(data(2)["sobject"].as_object().unwrap().len(), 1);
        assert_eq!(data(2)["sobject"]["Id"], data(0)["sobject"]["Id"]);
    }
}
