//! The events of one response: a body, and where in it each event stands.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::{Channel, ReplayId, uuid};

/// The place of one event in the body of its batch.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where the event's channel stands in the batch's table.
    channel: u32,
    start: u32,
    end: u32,
    replay: Option<ReplayId>,
}

/// The events of one response, in the order of their arrival.
#[derive(Clone, Debug)]
pub struct Batch {
    connection: Arc<str>,
    received: SystemTime,
    body: Bytes,
    channels: Vec<Channel>,
    entries: Vec<Entry>,
    unnumbered: usize,
    gap: bool,
}

impl Batch {
    /// The batch of the one response whose events `builder` collected.
    pub fn new(connection: Arc<str>, received: SystemTime, body: Bytes, builder: BatchBuilder) -> Self {
        let BatchBuilder { channels, entries, .. } = builder;
        let unnumbered = unnumbered(&entries);
        Self { connection, received, body, channels, entries, unnumbered, gap: false }
    }

    /// The batch of a gap record.
    pub(super) fn gap(connection: Arc<str>, received: SystemTime, channel: Channel, body: Bytes) -> Self {
        let entry = |end| Entry { channel: 0, start: 0, end, replay: None };
        let entries: Vec<_> = body.len().try_into().ok().map(entry).into_iter().collect();
        let unnumbered = entries.len();
        Self { connection, received, body, channels: vec![channel], entries, unnumbered, gap: true }
    }

    /// Whether this is no response but a gap record.
    pub const fn is_gap(&self) -> bool {
        self.gap
    }

    /// The same batch as a gap record, for one that was kept as bytes.
    #[must_use]
    pub fn into_gap(self) -> Self {
        Self { gap: true, ..self }
    }

    /// The batch of events that stand one after the other in `body`, `parts` being each one's channel (its place
    /// in `channels`), length in bytes and replay id.
    ///
    /// `None` when a part names no channel, when the lengths do not add up to the body's, or do not fit 32 bits.
    pub fn from_parts(
        connection: Arc<str>,
        received: SystemTime,
        body: Bytes,
        channels: Vec<Channel>,
        parts: impl IntoIterator<Item = (u32, u32, Option<ReplayId>)>,
    ) -> Option<Self> {
        let (mut entries, mut start) = (Vec::new(), 0_u32);
        for (channel, length, replay) in parts {
            let end = start.checked_add(length)?;
            channels.get(index(channel))?;
            entries.push(Entry { channel, start, end, replay });
            start = end;
        }
        let unnumbered = unnumbered(&entries);
        let batch = Self { connection, received, body, channels, entries, unnumbered, gap: false };
        (index(start) == batch.body.len()).then_some(batch)
    }

    /// The name of the connection that the events came over.
    pub const fn connection(&self) -> &Arc<str> {
        &self.connection
    }

    /// When the response was read, by the wall clock.
    pub const fn received(&self) -> SystemTime {
        self.received
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the batch keeps in memory, in bytes.
    pub fn size(&self) -> usize {
        self.body.len() + self.entries.len() * size_of::<Entry>()
    }

    /// The channels that the events name, in the order of their first event.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The events in the order of their arrival.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.entries.iter().map(|entry| self.event(*entry))
    }

    /// How many events have no replay id: no server sends them again.
    pub const fn unnumbered(&self) -> usize {
        self.unnumbered
    }

    /// One event by its place in the order of arrival.
    pub fn get(&self, index: usize) -> Option<Event<'_>> {
        self.entries.get(index).map(|entry| self.event(*entry))
    }

    /// Each channel's position after this batch: the replay id of its last event that has one.
    pub fn positions(&self) -> impl Iterator<Item = (&Channel, ReplayId)> {
        let mut last = vec![None; self.channels.len()];
        for entry in &self.entries {
            if let (Some(position), Some(replay)) = (last.get_mut(index(entry.channel)), entry.replay) {
                *position = Some(replay);
            }
        }
        self.channels.iter().zip(last).filter_map(|(channel, position)| Some((channel, position?)))
    }

    fn event(&self, entry: Entry) -> Event<'_> {
        let range = index(entry.start)..index(entry.end);
        Event {
            connection: &self.connection,
            channel: self.channels.get(index(entry.channel)).expect("an entry names a channel of its batch"),
            channel_index: index(entry.channel),
            message: self.body.get(range).expect("an entry lies within the body of its batch"),
            replay: entry.replay,
            received: self.received,
            is_gap: self.gap,
        }
    }
}

fn unnumbered(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| entry.replay.is_none()).count()
}

/// A `u32` as an index: every platform this builds for has at least 32-bit addresses.
fn index(value: u32) -> usize {
    usize::try_from(value).expect("usize has at least 32 bits")
}

/// Collects the places of a batch's events while its body is decoded.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    channels: Vec<Channel>,
    entries: Vec<Entry>,
    /// Where each channel stands, once there are more than a few.
    places: HashMap<Channel, usize>,
}

/// Up to this many channels, looking at each is faster than a map.
const FEW: usize = 8;

impl BatchBuilder {
    /// Notes an event of `channel`, a name as the server sent it, at the bytes `start..end` of the body. The name is
    /// looked up, not allocated, when the batch knows it.
    ///
    /// # Errors
    /// The bounds given back when they do not fit 32 bits.
    pub fn push(
        &mut self,
        channel: &str,
        start: usize,
        end: usize,
        replay: Option<ReplayId>,
    ) -> Result<(), std::num::TryFromIntError> {
        let known = match self.entries.last().map(|entry| index(entry.channel)) {
            Some(last) if self.channels.get(last).is_some_and(|known| known.as_str() == channel) => {
                Some(last)
            }
            _ => self.find(channel),
        };
        let at = known.unwrap_or(self.channels.len());
        let entry = Entry { channel: at.try_into()?, start: start.try_into()?, end: end.try_into()?, replay };
        if known.is_none() {
            let channel = Channel(Arc::from(channel));
            if at >= FEW {
                let counted = self.channels.iter().cloned().zip(0..).skip(self.places.len());
                self.places.extend(counted);
                self.places.insert(channel.clone(), at);
            }
            self.channels.push(channel);
        }
        self.entries.push(entry);
        Ok(())
    }

    fn find(&self, channel: &str) -> Option<usize> {
        if self.places.is_empty() {
            return self.channels.iter().position(|known| known.as_str() == channel);
        }
        self.places.get(channel).copied()
    }

    /// The channels that have been noted.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Takes events back by their channel.
    pub fn retain(&mut self, keep: impl Fn(&Channel) -> bool) {
        let kept: Vec<_> = self.channels.iter().map(keep).collect();
        self.entries.retain(|entry| kept.get(index(entry.channel)) == Some(&true));
    }

    /// Takes events back one by one. `keep` hears of each the place of its channel in [`Self::channels`], its replay
    /// id and its bytes in the body.
    pub fn retain_each(&mut self, mut keep: impl FnMut(usize, Option<ReplayId>, Range<usize>) -> bool) {
        self.entries
            .retain(|entry| keep(index(entry.channel), entry.replay, index(entry.start)..index(entry.end)));
    }

    /// How many events have been noted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none has been noted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// One event as it stands in its batch.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The connection it came over.
    pub connection: &'a Arc<str>,
    /// Its channel.
    pub channel: &'a Channel,
    /// Where its channel stands in [`Batch::channels`].
    pub channel_index: usize,
    /// The Bayeux message, valid JSON on one line.
    pub message: &'a [u8],
    /// Its replay id, on servers that number events.
    pub replay: Option<ReplayId>,
    /// When its response was read.
    pub received: SystemTime,
    /// Whether it is no event but a gap record.
    pub is_gap: bool,
}

/// The parts of a message that sinks may ask for, without copying the data.
#[derive(Debug, Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    gap: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    /// The bytes of the message's `data`, of a gap record's `gap`, or `null` where it has neither.
    pub fn data(&self) -> &'a [u8] {
        data_of(self.message)
    }

    /// The event's stable id: the same on every sink, every attempt and after every restart.
    ///
    /// The server's `EventUuid` where there is one, else 128 bits of a SHA-256 over connection, channel, replay id
    /// and data, in hexadecimal. The message around the data does not count: some servers put the client id there.
    pub fn id(&self) -> String {
        let data = self.data();
        if let Some(uuid) = uuid::of_data(data) {
            return uuid;
        }
        let mut hash = Sha256::new();
        for part in [self.connection.as_bytes(), self.channel.as_str().as_bytes()] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(self.replay.map_or(i64::MIN, |replay| replay.0).to_be_bytes());
        hash.update(data);
        let digest = hash.finalize();
        let number = digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        format!("{number:032x}")
    }
}

/// The bytes of a message's `data`, of a gap record's `gap`, or `null` where it has neither.
pub fn data_of(message: &[u8]) -> &[u8] {
    let data = match serde_json::from_slice::<Parts<'_>>(message) {
        Ok(parts) => parts.data.or(parts.gap),
        // A field that comes twice counts by its last.
        Err(_) => serde_json::from_slice::<HashMap<String, &RawValue>>(message)
            .ok()
            .and_then(|fields| fields.get("data").or_else(|| fields.get("gap")).copied()),
    };
    data.map_or(b"null", |data| data.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(messages: &[(&str, &str, Option<i64>)]) -> Batch {
        let mut body = Vec::new();
        let mut builder = BatchBuilder::default();
        for (channel, message, replay) in messages {
            let start = body.len();
            body.extend_from_slice(message.as_bytes());
            builder.push(channel, start, body.len(), replay.map(ReplayId)).unwrap();
        }
        Batch::new(Arc::from("acme"), SystemTime::UNIX_EPOCH, Bytes::from(body), builder)
    }

    #[test]
    fn a_batch_gives_back_what_went_in() {
        let batch = batch(&[
            ("/topic/A", r#"{"data":{"n":1}}"#, Some(5)),
            ("/topic/B", r#"{"data":{"n":2}}"#, None),
            ("/topic/A", r#"{"data":{"n":3}}"#, Some(9)),
        ]);
        let seen = batch.iter().map(|event| (event.channel.as_str(), event.data().to_vec()));
        let seen: Vec<_> = seen.collect();
        assert_eq!(seen[0], ("/topic/A", br#"{"n":1}"#.to_vec()));
        assert_eq!(seen[2], ("/topic/A", br#"{"n":3}"#.to_vec()));
        assert_eq!(batch.channels().len(), 2);
        let positions = batch.positions().map(|(channel, id)| (channel.as_str(), id));
        assert_eq!(positions.collect::<Vec<_>>(), [("/topic/A", ReplayId(9))]);
    }

    #[test]
    fn parts_that_do_not_fit_their_body_make_no_batch() {
        let make = |parts: &[(u32, u32)]| {
            let parts = parts.iter().map(|(channel, length)| (*channel, *length, Some(ReplayId(1))));
            let channels = vec![Channel::parse("/topic/A").unwrap()];
            let body = Bytes::from_static(b"{}[]");
            Batch::from_parts(Arc::from("acme"), SystemTime::UNIX_EPOCH, body, channels, parts)
        };
        let batch = make(&[(0, 2), (0, 0), (0, 2)]).unwrap();
        assert_eq!(batch.iter().map(|event| event.message).collect::<Vec<_>>(), [&b"{}"[..], b"", b"[]"]);
        assert!(make(&[(0, 2), (1, 2)]).is_none(), "no such channel");
        assert!(make(&[(0, 3)]).is_none() && make(&[(0, 5)]).is_none());
        assert!(make(&[(0, 4), (0, u32::MAX)]).is_none(), "more than 32 bits");
    }

    #[test]
    fn many_channels_are_told_apart() {
        let names: Vec<_> = (0..1000).map(|n| format!("/topic/{}", n % 300)).collect();
        let messages: Vec<_> = names.iter().map(|name| (name.as_str(), "{}", None)).collect();
        let batch = batch(&messages);
        assert_eq!(batch.channels().len(), 300);
        assert!(batch.iter().zip(&names).all(|(event, name)| event.channel.as_str() == name));
    }

    #[test]
    fn the_id_depends_on_connection_channel_replay_id_and_data_alone() {
        let id = |message: &str, replay| batch(&[("/topic/A", message, replay)]).get(0).unwrap().id();
        let first = id(r#"{"channel":"/topic/A","clientId":"x","data":{"n":1}}"#, Some(1));
        assert_eq!(first.len(), 32);
        assert_eq!(first, id(r#"{"data":{"n":1},"channel":"/topic/A","clientId":"y"}"#, Some(1)));
        assert_ne!(first, id(r#"{"channel":"/topic/A","data":{"n":1}}"#, Some(2)));
        assert_ne!(first, id(r#"{"channel":"/topic/A","data":{"n":2}}"#, Some(1)));
    }

    #[test]
    fn the_servers_uuid_is_the_id_where_it_is_one() {
        let id = |message: &str| batch(&[("/event/A__e", message, Some(1))]).get(0).unwrap().id();
        let uuid = "9c5b3b0e-2f0f-4b4e-9d3f-0a6f3c2b1a00";
        for name in ["EventUuid", r"\u0045ventUuid"] {
            assert_eq!(id(&format!(r#"{{"data":{{"event":{{"{name}":"{uuid}"}}}}}}"#)), uuid);
        }
        assert_eq!(id(r#"{"data":{"event":{"EventUuid":"../../etc\r\nX: y"}}}"#).len(), 32);
    }
}
