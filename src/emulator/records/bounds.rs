//! How much there may be: of records at all, and of what an edition allows (guide, "Streaming API Limits").

use std::time::Duration;

use tokio::time::Instant;

use super::refused::Refused;
use super::row::Row;

/// The most records, deleted ones included.
const RECORDS_MAX: usize = 50_000;
/// The most bytes of records, roughly counted.
const BYTES_MAX: usize = 128 << 20;

/// The most clients of this server at a time, whatever an org may have.
pub(in crate::emulator) const SERVER_CLIENTS_MAX: u32 = 10_000;

/// How many records there are, and how large they are.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    records: usize,
    bytes: usize,
}

impl Bounds {
    /// Counts a record that takes the place of another one, or of none; refuses it where there is no room.
    pub(super) fn put(&mut self, old: Option<&Row>, new: &Row) -> Result<(), Refused> {
        let records = self.records + usize::from(old.is_none());
        let bytes = self.bytes.saturating_sub(old.map_or(0, Row::size)) + new.size();
        if records > RECORDS_MAX || bytes > BYTES_MAX {
            return Err(Refused::new("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded")
                .of::<String>([])
                .with(http::StatusCode::FORBIDDEN));
        }
        (self.records, self.bytes) = (records, bytes);
        Ok(())
    }

    /// Counts a record out.
    pub(super) fn remove(&mut self, old: &Row) {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(old.size());
    }

    /// Whether another record would find no place.
    pub(super) fn is_full(&self) -> bool {
        self.records >= RECORDS_MAX
    }
}

/// The edition of the org, which decides what it may use of streaming.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edition {
    /// Performance.
    Performance,
    /// Unlimited.
    Unlimited,
    /// Enterprise.
    #[default]
    Enterprise,
    /// Professional.
    Professional,
    /// Developer.
    Developer,
    /// An org that nobody pays for.
    Free,
}

/// What an edition allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) struct Allowances {
    /// Active `PushTopic` records.
    pub(in crate::emulator) topics: u32,
    /// Clients at a time.
    pub(in crate::emulator) clients: u32,
    /// Clients of one topic or channel at a time.
    pub(in crate::emulator) topic_clients: u32,
    /// Clients of this server at a time.
    pub(in crate::emulator) server_clients: u32,
    /// Events of `PushTopic` channels in 24 hours.
    pub(in crate::emulator) events: u32,
    /// `StreamingChannel` records.
    pub(in crate::emulator) channels: u32,
    /// Events of `StreamingChannel`s in 24 hours.
    pub(in crate::emulator) generic_events: u32,
    /// Calls of the REST API in 24 hours; counted, and never refused.
    pub(in crate::emulator) calls: u32,
}

impl Edition {
    /// What it allows (guide, "Streaming API Limits"; the number of calls is not the guide's).
    pub(in crate::emulator) fn allowances(self) -> Allowances {
        let of = |(topics, clients, events), (channels, generic_events), calls| Allowances {
            topics,
            clients,
            topic_clients: clients,
            server_clients: SERVER_CLIENTS_MAX,
            events,
            channels,
            generic_events,
            calls,
        };
        match self {
            Self::Performance => of((100, 2000, 1_000_000), (1000, 100_000), 100_000),
            Self::Unlimited | Self::Enterprise => of((50, 1000, 200_000), (1000, 100_000), 100_000),
            Self::Professional => of((40, 20, 50_000), (1000, 100_000), 100_000),
            Self::Developer => of((40, 20, 50_000), (200, 10_000), 15_000),
            Self::Free => of((40, 20, 10_000), (200, 10_000), 15_000),
        }
    }
}

/// What was used since the period began.
#[derive(Clone, Copy, Debug)]
pub(in crate::emulator) struct Usage {
    started: Instant,
    period: Duration,
    periods: u32,
    /// Events of `PushTopic` channels.
    pub(in crate::emulator) events: u32,
    /// Events of `StreamingChannel`s.
    pub(in crate::emulator) generic_events: u32,
    /// Calls of the REST API.
    pub(in crate::emulator) calls: u32,
}

impl Usage {
    /// Nothing used; `period` is the scaled day.
    pub(in crate::emulator) fn new(period: Duration) -> Self {
        let started = Instant::now();
        Self { started, period, periods: 0, events: 0, generic_events: 0, calls: 0 }
    }

    /// Counts a call of the REST API.
    pub(in crate::emulator) fn count_call(&mut self) {
        let usage = self.now();
        usage.calls = usage.calls.saturating_add(1);
    }

    /// What was used in the present period.
    pub(in crate::emulator) fn now(&mut self) -> &mut Self {
        let past = self.started.elapsed().as_nanos() / self.period.as_nanos().max(1);
        let periods = u32::try_from(past).unwrap_or(u32::MAX);
        if periods > self.periods {
            *self = Self { periods, events: 0, generic_events: 0, calls: 0, ..*self };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_day_begins_with_nothing_used() {
        let mut usage = Usage::new(Duration::from_secs(100));
        usage.now().events += 5;
        tokio::time::advance(Duration::from_secs(99)).await;
        assert_eq!(usage.now().events, 5);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(usage.now().events, 0);
    }

    #[test]
    fn the_limits_of_the_guide_row_by_row() {
        let all = [Edition::Performance, Edition::Enterprise, Edition::Developer].map(Edition::allowances);
        assert_eq!(all.map(|one| one.topics), [100, 50, 40], "PushTopics per org");
        assert_eq!(all.map(|one| one.clients), [2000, 1000, 20], "clients at a time");
        assert_eq!(all.map(|one| one.topic_clients), [2000, 1000, 20], "clients per topic");
        assert_eq!(all.map(|one| one.events), [1_000_000, 200_000, 50_000], "events in 24 h");
        assert_eq!(Edition::Free.allowances().events, 10_000, "events in 24 h, free orgs");
        assert_eq!(all.map(|one| one.channels), [1000, 1000, 200], "StreamingChannels per org");
        assert_eq!(all.map(|one| one.generic_events), [100_000, 100_000, 10_000], "generic events in 24 h");
        assert_eq!(Edition::Professional.allowances().channels, 1000, "StreamingChannels of Professional");
        assert_eq!(Edition::Unlimited.allowances(), Edition::Enterprise.allowances());
    }
}
