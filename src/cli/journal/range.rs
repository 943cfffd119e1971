//! Which events of a journal are meant, and reading of those alone.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use clap::Args;
use jiff::Timestamp;

use super::inspect::numbers;
use super::warn;
use crate::cli::progress::Progress;
use crate::event::{Batch, Event, ReplayId};
use crate::journal::{Kind, Library, Read, Reader, Record};
use crate::sinks::filter::Pattern;

/// A range of the journal; without anything, all of it.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Range {
    /// Begin with the event of this sequence number, or with those that arrived at this time (RFC 3339)
    #[arg(long, value_name = "NUMBER|TIME", value_parser = bound)]
    from: Option<Bound>,
    /// End before the event of this sequence number, or before those that arrived at this time (RFC 3339)
    #[arg(long, value_name = "NUMBER|TIME", value_parser = bound)]
    until: Option<Bound>,
    /// Only this channel, or those of a pattern such as `/topic/Order*`; may be given several times
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    channel: Vec<Pattern>,
    /// Only this connection
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Only events with a higher replay id: the numbers of one channel
    #[arg(long, value_name = "REPLAYID", requires = "channel", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Sequence(u64),
    Time(Timestamp),
}

fn bound(text: &str) -> Result<Bound, String> {
    if let Ok(number) = text.parse() {
        return Ok(Bound::Sequence(number));
    }
    let wanted = "wanted a sequence number, or a time such as 2026-01-02T03:04:05Z";
    text.parse().map(Bound::Time).map_err(|_| wanted.to_owned())
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| error.to_string())
}

impl Range {
    /// The sequence number before which nothing is meant.
    fn first(&self) -> Option<u64> {
        self.from.and_then(|from| if let Bound::Sequence(number) = from { Some(number) } else { None })
    }

    /// The sequence number from which on nothing is meant.
    fn end(&self) -> u64 {
        match self.until {
            Some(Bound::Sequence(number)) => number,
            _ => u64::MAX,
        }
    }

    /// Whether what arrived then over this connection may be meant.
    fn takes_batch(&self, batch: &Batch) -> bool {
        let at = |bound: Option<Bound>| match bound {
            Some(Bound::Time(time)) => Some(SystemTime::from(time)),
            _ => None,
        };
        at(self.from).is_none_or(|from| batch.received() >= from)
            && at(self.until).is_none_or(|until| batch.received() < until)
            && self.connection.as_ref().is_none_or(|name| **name == **batch.connection())
    }

    fn takes(&self, event: &Event<'_>) -> bool {
        let channels = &self.channel;
        (channels.is_empty() || channels.iter().any(|pattern| pattern.matches(event.channel)))
            && self.after.is_none_or(|after| event.replay > Some(ReplayId(after)))
    }
}

/// The events of a range, as they are when it is made.
pub(super) struct Source {
    reader: Reader,
    range: Range,
    first: u64,
    end: u64,
    left: u64,
    progress: Option<Progress>,
    /// Whether something in the range cannot be read.
    pub(super) has_holes: bool,
}

impl Source {
    pub(super) fn new(library: &Library, range: Range) -> Self {
        let first = range.first().unwrap_or_else(|| library.oldest_sequence());
        let (end, left) = (range.end().min(library.next_sequence()), range.count.unwrap_or(u64::MAX));
        Self { reader: library.reader(first), range, first, end, left, progress: None, has_holes: false }
    }

    /// Tells from now on how much of the range has been read.
    pub(super) fn tell(&mut self, what: &'static str) {
        self.progress = Some(Progress::new(what));
    }

    /// Tells no more.
    pub(super) fn tell_no_more(&mut self) {
        self.progress = None;
    }

    /// The next events, at least one; `None` at the end. What cannot be read is told on standard error.
    pub(super) fn next(&mut self) -> io::Result<Option<Arc<Batch>>> {
        while self.left > 0 && self.reader.next_sequence() < self.end {
            let at = self.reader.next_sequence();
            if let Some(progress) = &mut self.progress {
                progress.at(at.saturating_sub(self.first), self.end.saturating_sub(self.first));
            }
            match self.reader.try_next()? {
                None => break,
                Some(Read::Hole(events)) => {
                    self.has_holes = true;
                    self.progress.iter_mut().for_each(Progress::clear);
                    let events = numbers(&(events.start..events.end.min(self.end)));
                    warn(&format!("{events}: not in the journal any more; removed, damaged or missing"));
                }
                Some(Read::Record(record)) => {
                    if let Some(batch) = self.pick(&record, at) {
                        return Ok(Some(batch));
                    }
                }
            }
        }
        Ok(None)
    }

    /// What is meant of a record from the sequence number `at` on.
    fn pick(&mut self, record: &Record, at: u64) -> Option<Arc<Batch>> {
        if !self.range.takes_batch(&record.batch) {
            return None;
        }
        let mut wanted = vec![false; record.batch.len()];
        let skipped = usize::try_from(at.saturating_sub(record.first)).unwrap_or(usize::MAX);
        for (place, (sequence, event)) in wanted.iter_mut().skip(skipped).zip(record.events_from(at)) {
            if sequence < self.end && self.left > 0 && self.range.takes(&event) {
                *place = true;
                self.left -= 1;
            }
        }
        subset(record, &wanted)
    }
}

/// The batch without what is not wanted; its events have the ids that they have.
fn subset(record: &Record, wanted: &[bool]) -> Option<Arc<Batch>> {
    let batch = &record.batch;
    match wanted.iter().filter(|wanted| **wanted).count() {
        0 => return None,
        // A gap record is alone in its batch.
        count if count == batch.len() || record.kind == Kind::Gap => return Some(Arc::clone(batch)),
        _ => {}
    }
    let events = || batch.iter().zip(wanted).filter_map(|(event, wanted)| wanted.then_some(event));
    let body: Vec<u8> = events().flat_map(|event| event.message).copied().collect();
    let parts: Option<Vec<_>> = events()
        .map(|event| {
            let (channel, length) = (event.channel_index, event.message.len());
            Some((u32::try_from(channel).ok()?, u32::try_from(length).ok()?, event.replay))
        })
        .collect();
    let (connection, channels) = (Arc::clone(batch.connection()), batch.channels().to_vec());
    Batch::from_parts(connection, batch.received(), body.into(), channels, parts?).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::event::{BatchBuilder, Channel, Gap};
    use crate::journal::{Config, Journal};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Batches of three events each, on /topic/0 and /topic/1 in turn, the second one over another connection; then
    /// a gap record.
    fn fill(dir: &Path) {
        let mut journal = Journal::open(dir, Config::default()).unwrap();
        for number in 0..4_i64 {
            let (mut body, mut builder) = (Vec::new(), BatchBuilder::default());
            for replay in number * 3..number * 3 + 3 {
                let start = body.len();
                let channel = format!("/topic/{}", replay % 2);
                body.extend_from_slice(format!(r#"{{"data":{{"n":{replay}}}}}"#).as_bytes());
                builder.push(&channel, start, body.len(), Some(ReplayId(replay))).unwrap();
            }
            let connection = Arc::from(if number == 1 { "b" } else { "a" });
            let batch = Batch::new(connection, at(number.cast_unsigned() * 10), body.into(), builder);
            journal.append(&Arc::new(batch), Kind::Events).unwrap();
        }
        let channel = Channel::parse("/topic/0").unwrap();
        let gap = Gap { channel: &channel, since: at(1), until: at(2), reason: "r" };
        journal.append(&Arc::new(gap.record(Arc::from("a"), at(40))), Kind::Gap).unwrap();
        journal.sync().unwrap();
    }

    /// The replay ids of a range, -1 for a gap record.
    fn read(dir: &Path, range: Range) -> Vec<i64> {
        let mut source = Source::new(&Library::open(dir).unwrap(), range);
        let mut seen = Vec::new();
        while let Some(batch) = source.next().unwrap() {
            for event in batch.iter() {
                let replay = event.replay.map_or(-1, |replay| replay.0);
                seen.push(replay);
                if replay >= 0 {
                    assert_eq!(event.data(), format!(r#"{{"n":{replay}}}"#).as_bytes());
                    assert_eq!(event.channel.as_str(), format!("/topic/{}", replay % 2));
                }
            }
        }
        assert!(!source.has_holes);
        seen
    }

    #[test]
    fn a_range_is_what_it_says() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path());
        let read = |range| read(dir.path(), range);
        let all = Range::default();
        let channel = |text: &str| vec![Pattern::parse(text).unwrap()];
        assert_eq!(read(all.clone()), (0..12).chain([-1]).collect::<Vec<_>>());
        let (from, until) = (bound("2").ok(), bound("7").ok());
        assert_eq!(read(Range { from, until, ..all.clone() }), [2, 3, 4, 5, 6]);
        let (from, until) = (bound("1970-01-01T00:00:10Z").ok(), bound("1970-01-01T01:00:30+01:00").ok());
        assert_eq!(read(Range { from, until, ..all.clone() }), [3, 4, 5, 6, 7, 8]);
        assert_eq!(read(Range { connection: Some("b".to_owned()), ..all.clone() }), [3, 4, 5]);
        assert_eq!(read(Range { channel: channel("/topic/1"), ..all.clone() }), [1, 3, 5, 7, 9, 11]);
        assert_eq!(read(Range { channel: channel("/topic/*"), after: Some(9), ..all.clone() }), [10, 11]);
        assert_eq!(read(Range { count: Some(4), ..all.clone() }), [0, 1, 2, 3]);
        let last =
            Range { channel: channel("/topic/0"), from: bound("8").ok(), count: Some(2), ..all.clone() };
        assert_eq!(read(last), [8, 10]);
        assert!(read(Range { from: bound("99").ok(), ..all.clone() }).is_empty());
        assert!(read(Range { until: bound("0").ok(), ..all }).is_empty());
    }

    #[test]
    fn a_place_is_a_number_or_a_time() {
        assert_eq!(bound("12"), Ok(Bound::Sequence(12)));
        assert_eq!(bound("1970-01-01T00:00:01Z"), Ok(Bound::Time(Timestamp::from_second(1).unwrap())));
        for wrong in ["", "-1", "yesterday", "1970-01-01", "1970-01-01T00:00:01"] {
            assert!(bound(wrong).is_err(), "{wrong}");
        }
    }
}
