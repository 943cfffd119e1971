//! Gap records: what a sink is told where events may be missing.
//!
//! Format: `{"channel":"/topic/A","gap":{"since":"2026-01-02T03:04:05.678Z","until":"...","reason":"..."}}`, a
//! message like an event's, with `gap` in the place of `data` and without a replay id.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Batch, Channel};

/// A time in which events of a channel may be missing.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'a> {
    /// The channel.
    pub channel: &'a Channel,
    /// The last time that nothing can have been missing.
    pub since: SystemTime,
    /// From when on nothing is missing again.
    pub until: SystemTime,
    /// Why, without any secret.
    pub reason: &'a str,
}

impl Gap<'_> {
    /// The record of it, alone in its batch.
    pub fn record(&self, connection: Arc<str>, now: SystemTime) -> Batch {
        let message = serde_json::json!({
            "channel": self.channel.as_str(),
            "gap": {"since": rfc3339(self.since), "until": rfc3339(self.until), "reason": self.reason},
        });
        Batch::gap(connection, now, self.channel.clone(), Bytes::from(message.to_string()))
    }
}

/// Milliseconds and `Z`; 1970 for a clock outside of the years -9999 to 9999.
fn rfc3339(time: SystemTime) -> String {
    format!("{:.3}", Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_gap_record_has_exactly_these_bytes() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let channel = Channel::parse("/topic/A").unwrap();
        let gap = Gap { channel: &channel, since: at(1), until: at(2), reason: "a \"reason\"" };
        let batch = gap.record(Arc::from("acme"), at(3));
        assert!(batch.is_gap());
        let event = batch.get(0).unwrap();
        assert_eq!(
            event.message,
            br#"{"channel":"/topic/A","gap":{"reason":"a \"reason\"","since":"1970-01-01T00:00:01.000Z","until":"1970-01-01T00:00:02.000Z"}}"#
        );
        assert!(event.data().starts_with(br#"{"reason""#) && event.is_gap);
        assert_eq!(batch.positions().count(), 0);
    }
}
