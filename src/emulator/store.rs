//! What each channel retains for replay.
//!
//! Bounded three ways: by age (24 h, platform and change events 72 h, scaled), by number and by size per channel; and the channels themselves
//! are bounded. Replay ids start at the microseconds since 1970, so that the ids of an emulator started later
//! are above those of an earlier one, whose ids are then outside its retention; they increase with gaps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::event::{Audience, Content, Event};

/// The most events that a channel retains.
const EVENTS_MAX: usize = 250_000;
/// The most bytes that a channel retains.
const BYTES_MAX: usize = 128 << 20;
/// The most channels that may have events.
const CHANNELS_MAX: usize = 256;

/// Replay: events published after the subscription only.
pub(super) const NEW: i64 = -1;
/// Replay: every event retained.
const ALL: i64 = -2;

/// The retained events of every channel.
#[derive(Debug)]
pub(super) struct Store {
    logs: BTreeMap<Arc<str>, Log>,
    retention: Duration,
    first: i64,
}

#[derive(Debug)]
struct Log {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    last: i64,
    retention: Duration,
}

/// Why an event was not taken: there are as many channels as there may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyChannels;

/// Why there is no replay: the position is outside what is retained.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidReplay;

impl Store {
    /// A store without events; those of platform and change events are kept three times as long as `retention`.
    pub(super) fn new(retention: Duration) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let first = i64::try_from(since.as_micros()).unwrap_or(0);
        Self { logs: BTreeMap::new(), retention, first }
    }

    /// Numbers and keeps an event.
    pub(super) fn publish(
        &mut self,
        channel: &str,
        content: Content,
        audience: Audience,
    ) -> Result<Arc<Event>, TooManyChannels> {
        let now = Instant::now();
        let channel: Arc<str> = match self.logs.get_key_value(channel) {
            Some((known, _)) => Arc::clone(known),
            None if self.logs.len() >= CHANNELS_MAX => return Err(TooManyChannels),
            None => channel.into(),
        };
        let retention =
            if is_long_kept(&channel) { self.retention.saturating_mul(3) } else { self.retention };
        let empty = Log { events: VecDeque::new(), bytes: 0, last: self.first, retention };
        let log = self.logs.entry(Arc::clone(&channel)).or_insert(empty);
        log.last += fastrand::i64(1..=3);
        let event = Arc::new(Event::new(channel, log.last, now, content, audience));
        log.bytes += event.size();
        log.events.push_back(Arc::clone(&event));
        log.trim(now);
        Ok(event)
    }

    /// Whether a subscription may start from `position`: -1, -2 or a number that is retained.
    pub(super) fn check(&mut self, channel: &str, position: i64) -> Result<(), InvalidReplay> {
        if position == NEW || position == ALL {
            return Ok(());
        }
        let log = self.logs.get_mut(channel).ok_or(InvalidReplay)?;
        log.trim(Instant::now());
        if log.retains(position) { Ok(()) } else { Err(InvalidReplay) }
    }

    /// The events that a subscription from a checked position is owed: all for -2, else those after it;
    /// `None` where it takes new events only.
    pub(super) fn replay(&mut self, channel: &str, position: i64) -> Option<Vec<Arc<Event>>> {
        if position == NEW {
            return None;
        }
        let Some(log) = self.logs.get_mut(channel) else {
            return Some(Vec::new());
        };
        log.trim(Instant::now());
        let start = log.events.partition_point(|event| event.replay <= position);
        Some(log.events.range(start..).cloned().collect())
    }
}

/// Whether events of the channel are platform or change events, which are kept for 72 h and not for 24.
fn is_long_kept(channel: &str) -> bool {
    channel.starts_with("/event/") || channel.starts_with("/data/")
}

impl Log {
    fn retains(&self, position: i64) -> bool {
        self.events.front().is_some_and(|first| first.replay <= position) && position <= self.last
    }

    fn trim(&mut self, now: Instant) {
        while let Some(first) = self.events.front() {
            let old = now.duration_since(first.at) > self.retention;
            if !old && self.events.len() <= EVENTS_MAX && self.bytes <= BYTES_MAX {
                break;
            }
            self.bytes -= first.size();
            self.events.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(store: &mut Store, channel: &str) -> i64 {
        store.publish(channel, Content::Raw("{}".to_owned()), Audience::Everybody).unwrap().replay
    }

    fn ids(store: &mut Store, channel: &str, position: i64) -> Result<Vec<i64>, InvalidReplay> {
        store.check(channel, position)?;
        let events = store.replay(channel, position).unwrap_or_default();
        Ok(events.iter().map(|event| event.replay).collect())
    }

    #[test]
    fn replay_is_what_follows_the_position() {
        let mut store = Store::new(Duration::from_mins(1));
        let all: Vec<_> = (0..5).map(|_| publish(&mut store, "/topic/A")).collect();
        assert!(all.is_sorted_by(|a, b| a < b));
        assert_eq!(ids(&mut store, "/topic/A", ALL).unwrap(), all);
        assert_eq!(ids(&mut store, "/topic/A", NEW).unwrap(), [0_i64; 0]);
        assert_eq!(ids(&mut store, "/topic/A", all[2]).unwrap(), all[3..]);
        assert_eq!(ids(&mut store, "/topic/A", all[4]).unwrap(), [0_i64; 0]);
        for outside in [0, -3, all[0] - 1, all[4] + 1, i64::MAX, i64::MIN] {
            assert_eq!(ids(&mut store, "/topic/A", outside), Err(InvalidReplay), "{outside}");
        }
        assert_eq!(ids(&mut store, "/topic/B", ALL).unwrap(), [0_i64; 0]);
        assert_eq!(ids(&mut store, "/topic/B", all[0]), Err(InvalidReplay));
    }

    #[tokio::test(start_paused = true)]
    async fn retention_forgets_by_age() {
        let mut store = Store::new(Duration::from_secs(10));
        let old = publish(&mut store, "/topic/A");
        let long = publish(&mut store, "/event/A__e");
        tokio::time::advance(Duration::from_secs(11)).await;
        let new = publish(&mut store, "/topic/A");
        assert_eq!(ids(&mut store, "/topic/A", ALL).unwrap(), [new]);
        assert_eq!(ids(&mut store, "/topic/A", old), Err(InvalidReplay));
        tokio::time::advance(Duration::from_secs(19)).await;
        assert_eq!(ids(&mut store, "/event/A__e", ALL).unwrap(), [long]);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(ids(&mut store, "/event/A__e", ALL).unwrap(), [0_i64; 0]);
    }

    #[test]
    fn retention_is_bounded_by_number_and_channels() {
        let mut store = Store::new(Duration::from_hours(1));
        for _ in 0..EVENTS_MAX + 3 {
            publish(&mut store, "/topic/A");
        }
        assert_eq!(store.replay("/topic/A", ALL).unwrap().len(), EVENTS_MAX);
        for n in 1..CHANNELS_MAX {
            publish(&mut store, &format!("/topic/N{n}"));
        }
        let more = store.publish("/topic/More", Content::Raw(String::new()), Audience::Everybody);
        assert_eq!(more.unwrap_err(), TooManyChannels);
    }
}
