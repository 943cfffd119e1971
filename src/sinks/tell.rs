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

use super::filter::{Filter, Pattern};
use super::note::Note;
use super::queue::Done;
use super::{Channels, Config};
use crate::event::{Batch, Channel, Gap};

/// For how many channels a hole is told at most.
const CHANNELS_MAX: usize = 1000;

/// What one sink is told of holes.
pub(super) struct Teller {
    /// What the sink takes of all channels; none where it takes no gap records.
    patterns: Option<Vec<Pattern>>,
    channels: Channels,
    /// When the last event arrived before which nothing is open, in milliseconds since 1970.
    seen: Option<u64>,
    /// The hole that is being told, and how many records of it have been delivered.
    told: Option<(u64, usize)>,
}

impl Teller {
    /// Goes on where `note` says.
    pub(super) fn new(config: &Config, channels: &Channels, note: &Note) -> Self {
        let patterns = config.gap_records.then(|| config.channels.clone());
        Self { patterns, channels: channels.clone(), seen: note.seen, told: note.told }
    }

    /// The channels that a hole is told of, in their order.
    fn channels(&self) -> Vec<(Arc<str>, Channel)> {
        let Some(patterns) = &self.patterns else { return Vec::new() };
        let mut channels = taken(patterns, &self.channels.list());
        channels.sort();
        channels.dedup();
        channels.truncate(CHANNELS_MAX);
        channels
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
        let channels = self.channels();
        let told = told.min(channels.len().saturating_sub(1));
        let mut records: Vec<_> = channels.iter().skip(told).map(record).collect();
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

/// The channels that a sink with these patterns takes. Of a subscription with a wildcard, it may take a part; and the
/// events of one with a filter may name their channel without it.
fn taken(patterns: &[Pattern], channels: &[(Arc<str>, Channel)]) -> Vec<(Arc<str>, Channel)> {
    let mut filter = Filter::new(patterns);
    let mut taken = Vec::new();
    for (connection, channel) in channels {
        let path = channel.as_str().split_once('?').and_then(|(path, _)| Channel::parse(path).ok());
        let mut names = [Some(channel.clone()), path].into_iter().flatten();
        if let Some(name) = names.find(|name| filter.takes(connection, name)) {
            taken.push((Arc::clone(connection), name));
        } else if let Ok(whole) = Pattern::parse(channel.as_str()) {
            let parts = patterns.iter().map(Pattern::channel).filter(|part| whole.matches(part));
            taken.extend(parts.map(|part| (Arc::clone(connection), part.clone())));
        }
    }
    taken
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

#[cfg(test)]
mod tests {
    use super::super::{Kind, format::Format, stdout};
    use super::*;

    const HOLE: Range<u64> = 5..9;

    fn teller(patterns: &[&str], channels: &[&str], note: &Note) -> Teller {
        let config = Config {
            name: Arc::from("test"),
            channels: patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect(),
            format: Format::Message,
            queue: 1 << 20,
            gap_records: true,
            order: Vec::new(),
            kind: Kind::Stdout(stdout::Config::default()),
        };
        let channel = |name: &&str| (Arc::from("c"), Channel::parse(name).unwrap());
        Teller::new(&config, &channels.iter().map(channel).collect(), note)
    }

    fn told(teller: &Teller) -> Vec<(String, String, Done)> {
        let records = teller.records(&HOLE, &[5..6, 7..9], UNIX_EPOCH + Duration::from_secs(9));
        let record = |(batch, done): (Batch, Done)| {
            let event = batch.get(0).unwrap();
            (event.channel.to_string(), event.id(), done)
        };
        records.into_iter().map(record).collect()
    }

    fn names(patterns: &[&str], channels: &[&str]) -> Vec<String> {
        told(&teller(patterns, channels, &Note::default())).into_iter().map(|(name, _, _)| name).collect()
    }

    #[test]
    fn each_channel_that_the_sink_may_take_is_told() {
        assert_eq!(names(&[], &["/b", "/a", "/b"]), ["/a", "/b"]);
        assert_eq!(names(&["/topic/*"], &["/topic/A", "/u/A"]), ["/topic/A"]);
        assert_eq!(names(&["/u/B"], &["/topic/A"]), [""; 0]);
        assert_eq!(names(&["/topic/A", "/u/B"], &["/topic/**"]), ["/topic/A"]);
        assert_eq!(names(&["/topic/A"], &["/topic/A?n='1'", "/topic/A?n='2'"]), ["/topic/A"]);
        assert_eq!(names(&["/topic/A*"], &["/topic/*"]), ["/topic/A*"]);
    }

    #[test]
    fn a_restart_goes_on_with_the_same_records_where_it_was() {
        let channels = ["/a", "/b", "/c"];
        let mut teller = teller(&[], &channels, &Note { seen: Some(1_500), ..Note::default() });
        let all = told(&teller);
        let (whole, part) = (Done::Events(HOLE, UNIX_EPOCH + Duration::from_secs(9)), Done::Told(5));
        assert_eq!(all.iter().map(|told| &told.2).collect::<Vec<_>>(), [&part, &part, &whole]);
        teller.tell(5);
        teller.tell(5);
        teller.pass(5, None);
        let mut note = Note::default();
        teller.note(&mut note);
        let again = self::teller(&[], &channels, &note);
        assert_eq!(told(&again), all[2..]);
        assert_eq!(told(&self::teller(&[], &["/a"], &note)).len(), 1, "the last one is there at least");
        // Another hole is told from its beginning, and this one is over when it has been passed.
        assert_eq!(again.records(&(6..9), &[6..7, 8..9], UNIX_EPOCH).len(), 3);
        teller.pass(9, Some(UNIX_EPOCH + Duration::from_secs(9)));
        teller.note(&mut note);
        assert_eq!((note.told, note.seen), (None, Some(9_000)));
    }
}
