//! Keeps the journal within its size, and lets go of what nobody needs.
//!
//! The last segment always stays: it has the positions.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::scan::{Found, Item, Scanner};
use super::segment::{self, Meta, name};
use super::{ChannelLoss, Journal, Loss, Trouble, WhenFull};
use crate::event::{Batch, Channel};

/// How many losses wait to be asked for; the oldest go.
const LOSSES_MAX: usize = 256;

impl Journal {
    /// Removes segments that every cursor has passed and that are older than `keep`, and those that are older
    /// than `max_age`, read or not; whether there were any.
    pub fn retain(&mut self, now: SystemTime) -> Result<bool, Trouble> {
        let (segments, passed) = (self.shared.segments(), self.shared.passed());
        let mut removed = false;
        for (oldest, next) in segments.iter().zip(segments.iter().skip(1)) {
            let age = now.duration_since(oldest.modified).unwrap_or(Duration::ZERO);
            let done = passed >= next.first && age >= self.config.keep;
            if !done && self.config.max_age.is_none_or(|max| age < max) {
                break;
            }
            self.let_go(oldest, next.first, passed)?;
            removed = true;
        }
        Ok(removed)
    }

    /// Whether there is more than the last segment.
    pub(super) fn has_sealed(&self) -> bool {
        self.shared.segment_count() > 1
    }

    /// Sees to it that `size` more bytes are within the cap. What is larger than the cap is taken when nothing
    /// else is there.
    pub(super) fn make_room(&mut self, size: u64) -> Result<(), Trouble> {
        while self.shared.bytes().saturating_add(size) > self.config.max_bytes {
            let (segments, passed) = (self.shared.segments(), self.shared.passed());
            let may_drop = |end| passed >= end || self.config.when_full == WhenFull::DropOldest;
            match segments.as_slice() {
                [] => return Ok(()),
                [only] if only.first >= self.shared.next() => return Ok(()),
                [_only] if may_drop(self.shared.next()) => self.renew()?,
                [oldest, next, ..] if may_drop(next.first) => self.let_go(oldest, next.first, passed)?,
                _ => return Err(Trouble::Full),
            }
        }
        Ok(())
    }

    /// Goes on in a new segment, so that the one before can go.
    fn renew(&mut self) -> Result<(), Trouble> {
        self.seal()?;
        let active = self.create(self.shared.next(), &[])?;
        self.active = Some(active);
        Ok(())
    }

    fn let_go(&mut self, oldest: &Meta, end: u64, passed: u64) -> Result<(), Trouble> {
        let loss = (passed < end).then(|| self.loss(oldest, end, passed));
        self.shared.remove_segment(oldest.number)?;
        // So that no loss of power brings back some of the removed ones and not others; no more than that.
        drop(self.shared.disk.sync_names(""));
        if let Some(loss) = loss {
            if self.losses.len() >= LOSSES_MAX {
                self.losses.remove(0);
            }
            self.losses.push(loss);
        }
        Ok(())
    }

    /// What the cursors have not read of a segment.
    fn loss(&self, of: &Meta, end: u64, passed: u64) -> Loss {
        let events = passed.max(of.first)..end;
        let mut counts = HashMap::new();
        // What cannot be read is lost all the same: the range says so, if not the channels.
        drop(self.count(of, events.start, end, &mut counts));
        let mut channels: Vec<_> = counts
            .into_iter()
            .map(|((connection, channel), events)| ChannelLoss { connection, channel, events })
            .collect();
        channels.sort_by(|a, b| (&a.connection, &a.channel).cmp(&(&b.connection, &b.channel)));
        Loss { events, channels }
    }

    fn count(&self, of: &Meta, from: u64, end: u64, counts: &mut Counts) -> io::Result<()> {
        let handle = self.shared.disk.open(&name(of.number))?;
        let mut scanner = Scanner::new(handle, of.number, segment::HEADER as u64);
        while let Some(item) = scanner.next(of.len, from)? {
            if let Item::Record(header, Found::Batch(_, batch)) = item
                && header.first < end
            {
                let skip = usize::try_from(from.saturating_sub(header.first)).unwrap_or(usize::MAX);
                count_events(&batch, skip, counts);
            }
        }
        Ok(())
    }
}

type Counts = HashMap<(Arc<str>, Channel), u64>;

fn count_events(batch: &Batch, skip: usize, counts: &mut Counts) {
    for event in batch.iter().skip(skip) {
        *counts.entry((Arc::clone(event.connection), event.channel.clone())).or_default() += 1;
    }
}
