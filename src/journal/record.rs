//! Records: their bytes, and back.
//!
//! A record that was read is input: its lengths are checked before they are believed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{BufMut as _, Bytes};

use super::positions::Positions;
use super::{Kind, Trouble};
use crate::event::{Batch, Channel, Event, ReplayId};

/// What a record begins with: no text has these bytes, so no event can look like a record.
pub(super) const MARKER: [u8; 4] = [0xF5, 0x00, b'r', 0x1E];
/// The bytes of a record before its body.
pub(super) const HEADER: usize = 40;
/// Where in it the bytes begin that its sum is of.
const SUMMED_FROM: usize = 8;

/// The largest record, in bytes.
pub(super) const SIZE_MAX: u64 = u32::MAX as u64;
/// A batch that keeps fewer bytes than these in memory has no larger record than that.
const NEVER_TOO_LARGE: usize = 1 << 30;
/// The largest response whose events always fit one record, whatever they are, in bytes.
pub const BODY_MAX: u64 = 1 << 30;

const KIND_EVENTS: u8 = 1;
const KIND_GAP: u8 = 2;
const KIND_POSITIONS: u8 = 3;
/// The flag of an entry that has a replay id, beside its channel's place in the table.
const HAS_REPLAY: u32 = 1 << 31;
const ENTRY: usize = 16;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Batch(Kind),
    Positions,
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) content: Content,
    /// The sequence number of its first event.
    pub(super) first: u64,
    /// How many events there are.
    pub(super) count: u32,
    /// Events below this number were durable when the record was written.
    pub(super) durable: u64,
    /// The body's bytes.
    pub(super) length: u32,
    body_sum: u32,
}

impl Header {
    /// The sequence number after its last event.
    pub(super) const fn end(&self) -> u64 {
        self.first.saturating_add(self.count as u64)
    }

    /// Reads a header of segment `number`; `None` when these bytes are none.
    pub(super) fn parse(bytes: &[u8], number: u64) -> Option<Self> {
        let mut fields = Fields(bytes.get(..HEADER)?);
        if fields.array()? != MARKER {
            return None;
        }
        let sum = fields.u32()?;
        if sum != checksum(number, fields.0) {
            return None;
        }
        let (length, count) = (fields.u32()?, fields.u32()?);
        let (first, durable) = (fields.u64()?, fields.u64()?);
        let body_sum = fields.u32()?;
        let content = match fields.array()? {
            [KIND_EVENTS] => Content::Batch(Kind::Events),
            [KIND_GAP] => Content::Batch(Kind::Gap),
            [KIND_POSITIONS] => Content::Positions,
            _ => return None,
        };
        first.checked_add(u64::from(count))?;
        Some(Self { content, first, count, durable, length, body_sum })
    }

    /// Whether `body` is what was written.
    pub(super) fn matches(&self, body: &[u8]) -> bool {
        crc32fast::hash(body) == self.body_sum
    }
}

/// The sum of bytes that belong to segment `number`: what an older file left on the device does not fit.
pub(super) fn checksum(number: u64, bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&number.to_le_bytes());
    sum.update(bytes);
    sum.finalize()
}

/// Where a record goes, and what it says of others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The segment's number.
    pub(super) segment: u64,
    /// The sequence number of its first event.
    pub(super) first: u64,
    /// Events below this are durable.
    pub(super) durable: u64,
}

/// Appends the record of a batch to `buffer`.
pub(super) fn put_batch(
    buffer: &mut Vec<u8>,
    place: Place,
    batch: &Batch,
    kind: Kind,
) -> Result<(), Trouble> {
    let kind = match kind {
        Kind::Events => KIND_EVENTS,
        Kind::Gap => KIND_GAP,
    };
    let count = u32::try_from(batch.len()).map_err(|_| Trouble::TooLarge)?;
    put_record(buffer, place, kind, count, |buffer| put_batch_body(buffer, batch))
}

/// Appends the record of all positions.
pub(super) fn put_positions(
    buffer: &mut Vec<u8>,
    place: Place,
    positions: &Positions,
) -> Result<(), Trouble> {
    put_record(buffer, place, KIND_POSITIONS, 0, |buffer| {
        for (connection, channel, replay) in positions.iter() {
            put_text(buffer, connection)?;
            put_text(buffer, channel.as_str())?;
            buffer.extend_from_slice(&replay.0.to_le_bytes());
        }
        Some(())
    })
}

fn put_record(
    buffer: &mut Vec<u8>,
    place: Place,
    kind: u8,
    count: u32,
    put_body: impl FnOnce(&mut Vec<u8>) -> Option<()>,
) -> Result<(), Trouble> {
    let start = buffer.len();
    buffer.resize(start + HEADER, 0);
    put_body(buffer).ok_or(Trouble::TooLarge)?;
    let (_, record) = buffer.split_at_mut(start);
    let (mut header, body) = record.split_at_mut(HEADER);
    let length = u32::try_from(body.len()).map_err(|_| Trouble::TooLarge)?;
    let mut rest = [0; HEADER - SUMMED_FROM];
    let mut fields = rest.as_mut_slice();
    fields.put_u32_le(length);
    fields.put_u32_le(count);
    fields.put_u64_le(place.first);
    fields.put_u64_le(place.durable);
    fields.put_u32_le(crc32fast::hash(body));
    fields.put_u8(kind);
    header.put_slice(&MARKER);
    header.put_u32_le(checksum(place.segment, &rest));
    header.put_slice(&rest);
    Ok(())
}

/// Whether a batch's record has no more than [`SIZE_MAX`] bytes.
pub(super) fn fits(batch: &Batch) -> bool {
    // The names of channels stand in the body, so that most batches need not be counted event by event.
    batch.size() < NEVER_TOO_LARGE || size_of(batch) <= SIZE_MAX
}

/// The bytes of a batch's record, or more by little.
pub(super) fn size_of(batch: &Batch) -> u64 {
    let names: usize = batch.channels().iter().map(|channel| 4 + channel.as_str().len()).sum();
    let events: usize = batch.iter().map(|event| ENTRY + event.message.len()).sum();
    let size = HEADER + 16 + batch.connection().len() + names + events;
    u64::try_from(size).unwrap_or(u64::MAX)
}

fn put_batch_body(buffer: &mut Vec<u8>, batch: &Batch) -> Option<()> {
    buffer.extend_from_slice(&nanoseconds(batch.received()).to_le_bytes());
    put_text(buffer, batch.connection())?;
    buffer.extend_from_slice(&u32::try_from(batch.channels().len()).ok()?.to_le_bytes());
    for channel in batch.channels() {
        put_text(buffer, channel.as_str())?;
    }
    for event in batch.iter() {
        buffer.extend_from_slice(&entry(&event)?);
    }
    for event in batch.iter() {
        buffer.extend_from_slice(event.message);
    }
    Some(())
}

fn entry(event: &Event<'_>) -> Option<[u8; ENTRY]> {
    let channel = u32::try_from(event.channel_index).ok().filter(|index| index & HAS_REPLAY == 0)?;
    let flag = if event.replay.is_some() { HAS_REPLAY } else { 0 };
    let mut entry = [0; ENTRY];
    let mut fields = entry.as_mut_slice();
    fields.put_u32_le(channel | flag);
    fields.put_u32_le(u32::try_from(event.message.len()).ok()?);
    fields.put_i64_le(event.replay.map_or(0, |replay| replay.0));
    Some(entry)
}

fn put_text(buffer: &mut Vec<u8>, text: &str) -> Option<()> {
    buffer.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
    buffer.extend_from_slice(text.as_bytes());
    Some(())
}

/// Since 1970, by a clock that may be wrong: what does not fit is the nearest that does.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Makes batches of bodies, and keeps the names that follow each other from being allocated each time.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    connection: Option<Arc<str>>,
    channels: Vec<Channel>,
}

impl Decoder {
    /// The batch of `count` events in `body`; `None` when that is not what it holds.
    pub(super) fn batch(&mut self, count: u32, body: &[u8]) -> Option<Batch> {
        let mut fields = Fields(body);
        let received = SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(fields.u64()?))?;
        let connection = self.connection(fields.text()?);
        let table = fields.u32()?;
        let mut channels = Vec::new();
        for index in 0..usize::try_from(table).ok()? {
            channels.push(self.channel(index, fields.text()?));
        }
        let entries = fields.take(usize::try_from(count).ok()?.checked_mul(ENTRY)?)?;
        self.channels.clone_from(&channels);
        let parts = entries.chunks_exact(ENTRY).filter_map(|entry| part(Fields(entry)));
        Batch::from_parts(connection, received, Bytes::copy_from_slice(fields.0), channels, parts)
    }

    fn connection(&mut self, name: &str) -> Arc<str> {
        let known = self.connection.take().filter(|known| &**known == name);
        Arc::clone(self.connection.insert(known.unwrap_or_else(|| Arc::from(name))))
    }

    fn channel(&self, index: usize, name: &str) -> Channel {
        let known = self.channels.get(index).filter(|known| known.as_str() == name);
        known.cloned().unwrap_or_else(|| Channel::as_sent(name))
    }
}

fn part(mut entry: Fields<'_>) -> Option<(u32, u32, Option<ReplayId>)> {
    let (channel, length, replay) = (entry.u32()?, entry.u32()?, entry.u64()?);
    let replay = (channel & HAS_REPLAY != 0).then_some(ReplayId(replay.cast_signed()));
    Some((channel & !HAS_REPLAY, length, replay))
}

/// The positions in `body`; `None` when that is not what it holds.
pub(super) fn positions(body: &[u8]) -> Option<Positions> {
    let (mut fields, mut positions) = (Fields(body), Positions::default());
    while !fields.0.is_empty() {
        let (connection, channel) = (fields.text()?, fields.text()?);
        let replay = ReplayId(fields.u64()?.cast_signed());
        positions.set(connection, &Channel::as_sent(channel), replay);
    }
    Some(positions)
}

/// Fields that are taken off the front of bytes, little endian.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.u32()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }
}
