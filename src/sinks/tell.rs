//! Gap records in the place of what is not in the journal any more.
//!
//! * One for each channel that the sink takes, since nobody knows which channels the lost events had. They are
//!   delivered before anything that follows in the journal, past any order.
//! * They are delivered as exactly as events: the hole counts as dealt with when its last record has been, and until
//!   then a cursor's note says how many have. The same hole gives the same records after a restart, but where nothing
//!   follows it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::filter::Filter;
use super::note::Note;
use super::queue::Done;
use super::{Channels, Config};
use crate::event::{Batch, Channel, Gap};

/// For how many channels a hole is told at most.
const CHANNELS_MAX: usize = 1000;

/// What one sink is told of holes.
pub(super) struct Teller {
    /// In their order; none where the sink takes no gap records.
    channels: Vec<(Arc<str>, Channel)>,
    /// When the last event arrived before which nothing is open, in milliseconds since 1970.
    seen: Option<u64>,
    /// The hole that is being told, and how many records of it have been delivered.
    told: Option<(u64, usize)>,
}

impl Teller {
    /// Goes on where `note` says.
    pub(super) fn new(config: &Config, channels: &Channels, note: &Note) -> Self {
        let mut filter = Filter::new(&config.channels);
        let taken = |(connection, channel): &&(_, _)| config.gap_records && filter.takes(connection, channel);
        let mut channels: Vec<_> = channels.iter().filter(taken).cloned().collect();
        channels.sort();
        channels.dedup();
        channels.truncate(CHANNELS_MAX);
        Self { channels, seen: note.seen, told: note.told }
    }

    /// The records of a hole that have not been delivered yet. `lost` are the parts of it that the sink has not had,
    /// and `until` is when the next event after it arrived.
    pub(super) fn records(
        &self,
        hole: &Range<u64>,
        lost: &[Range<u64>],
        until: SystemTime,
    ) -> Vec<(Batch, Done)> {
        let Some(from) = lost.first().map(|lost| lost.start) else { return Vec::new() };
        let told = self.told.filter(|(hole, _)| *hole == from).map_or(0, |(_, told)| told);
        let since = UNIX_EPOCH + Duration::from_millis(self.seen.unwrap_or_default());
        let reason = reason(from, lost);
        let record = |(connection, channel): &(Arc<str>, Channel)| {
            let gap = Gap { channel, since: since.min(until), until, reason: &reason };
            (gap.record(Arc::clone(connection), until), Done::Told(from))
        };
        // A list that has become shorter since a part was told still has its last record.
        let told = told.min(self.channels.len().saturating_sub(1));
        let mut records: Vec<_> = self.channels.iter().skip(told).map(record).collect();
        if let Some((_, done)) = records.last_mut() {
            *done = Done::Events(hole.clone(), until);
        }
        records
    }

    /// One more record of the hole that begins at `from` has been delivered, and not the last one.
    pub(super) fn tell(&mut self, from: u64) {
        let told = self.told.filter(|(hole, _)| *hole == from).map_or(0, |(_, told)| told);
        self.told = Some((from, told + 1));
    }

    /// Everything below `low` has been dealt with; the last of it arrived at `received`, where that is known.
    pub(super) fn pass(&mut self, low: u64, received: Option<SystemTime>) {
        self.told = self.told.filter(|(hole, _)| *hole >= low);
        self.seen = received.map(millis).or(self.seen);
    }

    /// What a cursor is to say.
    pub(super) fn note(&self, note: &mut Note) {
        (note.seen, note.told) = (self.seen, self.told);
    }
}

fn reason(from: u64, lost: &[Range<u64>]) -> String {
    let events: u64 = lost.iter().map(|part| part.end - part.start).sum();
    let upto = lost.last().map_or(from, |part| part.end.saturating_sub(1));
    format!(
        "{events} events of any channel are not in the journal any more ({from} to {upto}) and are lost to this sink"
    )
}

/// Milliseconds since 1970; zero for a clock before that.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
