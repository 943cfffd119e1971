//! From connections to sinks: every batch is offered to every sink, and none is waited for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::event::Batch;
use crate::sinks::{Handle, Offer, SinkStatus};

/// How many events a sink loses before they are told of again.
const TELL_EVERY: u64 = 10_000;

/// How much of a channel's name is told, in characters: a server chooses it.
const NAME_SHOWN: usize = 200;

/// Every sink that is offered batches, or told of the journal. They may change while events come.
pub(super) struct Outlet {
    taps: RwLock<Arc<[Arc<Tap>]>>,
    seats: RwLock<Vec<Seat>>,
}

/// What is told of one sink.
pub(super) enum Seat {
    /// It tells itself.
    Taken(Arc<Tap>),
    /// It could not start.
    Empty(Box<SinkStatus>),
}

/// One sink.
pub(super) struct Tap {
    pub(super) handle: Handle,
    /// Events that found its queue full since it last had room.
    missed: AtomicU64,
    first_missed: Mutex<Option<String>>,
}

impl Outlet {
    pub(super) fn new(handles: Vec<Handle>) -> Self {
        let taps: Arc<[_]> = handles.into_iter().map(Tap::new).collect();
        let seats = taps.iter().map(|tap| Seat::Taken(Arc::clone(tap))).collect();
        Self { taps: RwLock::new(taps), seats: RwLock::new(seats) }
    }

    /// The sinks as they are now.
    pub(super) fn taps(&self) -> Arc<[Arc<Tap>]> {
        Arc::clone(&self.taps.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How each sink is, in their order, with those that could not start.
    pub(super) fn status(&self) -> Vec<SinkStatus> {
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        let status = |seat: &Seat| match seat {
            Seat::Taken(tap) => tap.handle.status(),
            Seat::Empty(status) => SinkStatus::clone(status),
        };
        seats.iter().map(status).collect()
    }

    /// From now on these are the sinks, and this is told of them.
    pub(super) fn replace(&self, taps: Arc<[Arc<Tap>]>, seats: Vec<Seat>) {
        *self.taps.write().unwrap_or_else(PoisonError::into_inner) = taps;
        *self.seats.write().unwrap_or_else(PoisonError::into_inner) = seats;
    }

    /// The sink that is the furthest behind in the journal and holds events back there, and how many events that is.
    pub(super) fn slowest(&self) -> Option<(String, u64)> {
        let taps = self.taps();
        let behind = taps.iter().map(|tap| tap.handle.status()).filter(|status| status.kept == Some(true));
        behind.filter_map(|status| Some((status.name, status.lag?))).max_by_key(|(_, lag)| *lag)
    }

    /// Something was appended to the journal that the sinks read.
    pub(super) fn wake(&self) {
        self.taps().iter().for_each(|tap| tap.handle.wake());
    }

    /// Whether a sink has room for a batch, or all of them are gone.
    pub(super) fn has_room(&self, batch: &Batch) -> bool {
        let taps = self.taps();
        taps.is_empty() || taps.iter().any(|tap| tap.handle.has_room(batch.size()))
    }

    /// Hands a batch on; a full queue loses it for that sink, which is told and counted.
    pub(super) fn offer(&self, batch: &Arc<Batch>) {
        for tap in &*self.taps() {
            match tap.handle.offer(batch) {
                Offer::Accepted => tap.has_room(),
                Offer::Filtered | Offer::Closed => {}
                Offer::Full { events } => tap.missed(batch, u64::try_from(events).unwrap_or(u64::MAX)),
            }
        }
    }
}

impl Tap {
    pub(super) fn new(handle: Handle) -> Arc<Self> {
        Arc::new(Self { handle, missed: AtomicU64::new(0), first_missed: Mutex::new(None) })
    }

    fn has_room(&self) {
        // The common case is a plain load.
        if self.missed.load(Ordering::Relaxed) == 0 {
            return;
        }
        let events = self.missed.swap(0, Ordering::Relaxed);
        let first = self.first_missed.lock().unwrap_or_else(PoisonError::into_inner).take();
        tracing::warn!(sink = %self.handle.name(), events, first, "the queue has room again; these events are lost for this sink");
    }

    fn missed(&self, batch: &Batch, events: u64) {
        let before = self.missed.fetch_add(events, Ordering::Relaxed);
        if before == 0 {
            let place = place_of(batch);
            tracing::error!(sink = %self.handle.name(), first = place, "the queue is full: events are lost for this sink until it has room");
            *self.first_missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        } else if before / TELL_EVERY != (before + events) / TELL_EVERY {
            tracing::error!(sink = %self.handle.name(), events = before + events, "the queue is still full");
        }
    }
}

/// The first event of a batch, for a person who will ask the server for it again.
fn place_of(batch: &Batch) -> String {
    batch.get(0).map_or_else(String::new, |event| {
        let name = event.channel.as_str();
        let cut = name.char_indices().nth(NAME_SHOWN).map(|(end, _)| name.get(..end).unwrap_or_default());
        let channel = cut.map_or_else(|| name.to_owned(), |cut| format!("{cut}…"));
        match event.replay {
            Some(replay) => format!("{} {channel} replay {replay}", event.connection),
            None => format!("{} {channel}", event.connection),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;

    use super::*;
    use crate::event::{BatchBuilder, ReplayId};

    fn place(channel: &str, replay: Option<i64>) -> String {
        let mut builder = BatchBuilder::default();
        builder.push(channel, 0, 2, replay.map(ReplayId)).unwrap();
        place_of(&Batch::new(Arc::from("acme"), SystemTime::now(), Bytes::from_static(b"{}"), builder))
    }

    #[test]
    fn a_channels_name_is_told_up_to_a_length() {
        assert_eq!(place("/topic/A", Some(7)), "acme /topic/A replay 7");
        assert_eq!(place("/topic/A", None), "acme /topic/A");
        let long = place(&format!("/topic/{}", "é".repeat(1000)), None);
        assert_eq!(long, format!("acme /topic/{}…", "é".repeat(193)));
    }
}
