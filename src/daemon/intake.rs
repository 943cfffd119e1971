//! Where the events of one connection go: into the journal, or without one into the queues of the sinks.
//!
//! * Nothing waits: a batch that the journal does not take is held back, one for a connection, and offered again
//!   when there is news of the journal. Nothing overtakes it.
//! * A position is committed when its event is durable as the sync policy defines it.
//! * Events without a replay id are in the journal before the server is asked for more: it would not send them again.
//!   Where asking acknowledges, all are: what is sent again later would come after what is new by then.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use super::board::Room;
use super::journal::Appender;
use super::outlet::Outlet;
use super::queues::Queues;
use crate::event::{Batch, Channel, ReplayId};
use crate::journal::{Kind, Refused};

/// The batches that wait one by one to become durable; any more wait together with the last.
const PENDING_MAX: usize = 256;

/// A channel and how far it has come.
pub(super) type Position = (Channel, ReplayId);

/// Where events go.
pub(super) enum Intake {
    /// To the sinks' queues, and no further.
    Memory(Queues),
    /// Into the journal.
    Journal(Box<Desk>),
}

/// One connection's place at the journal.
pub(super) struct Desk {
    appender: Arc<Appender>,
    room: watch::Receiver<Room>,
    durable: watch::Receiver<u64>,
    /// What was taken and is not durable yet, oldest first.
    pending: VecDeque<Pending>,
    /// What was not taken.
    held: VecDeque<(Arc<Batch>, Kind)>,
    /// No exchange that may bring events is sent before the journal has those below this sequence number,
    gate: u64,
    /// and none that acknowledges events before it has those below this one.
    taken: u64,
    /// Whether the end was asked for.
    ending: bool,
    /// Whether something was given up, so that nothing after it may be taken.
    shut: bool,
}

struct Pending {
    end: u64,
    positions: Vec<Position>,
}

impl Intake {
    pub(super) const fn memory(outlet: Arc<Outlet>) -> Self {
        Self::Memory(Queues::new(outlet))
    }

    pub(super) fn journal(appender: Arc<Appender>) -> Self {
        let (room, durable) = (appender.room(), appender.durable());
        Self::Journal(Box::new(Desk {
            appender,
            room,
            durable,
            pending: VecDeque::new(),
            held: VecDeque::new(),
            gate: 0,
            taken: 0,
            ending: false,
            shut: false,
        }))
    }

    /// Takes a batch; the positions that are committed by that.
    pub(super) fn take(&mut self, batch: &Arc<Batch>, kind: Kind) -> Vec<Position> {
        match self {
            Self::Memory(queues) => queues.take(batch),
            Self::Journal(desk) => {
                desk.take(batch, kind);
                Vec::new()
            }
        }
    }

    /// Offers again what is held back; whether nothing is.
    pub(super) fn has_room(&mut self) -> bool {
        match self {
            Self::Memory(queues) => queues.has_room(),
            Self::Journal(desk) => desk.has_room(),
        }
    }

    /// Whether more may be asked for; `acknowledges` where that tells the server to forget what it has sent.
    pub(super) fn is_confirmed(&mut self, acknowledges: bool) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Journal(desk) => {
                let gate = if acknowledges { desk.taken } else { desk.gate };
                desk.ending || desk.room.borrow_and_update().appended >= gate
            }
        }
    }

    /// Whether it is held up for longer than an append takes.
    pub(super) fn is_stuck(&self) -> bool {
        match self {
            Self::Memory(queues) => queues.is_stuck(),
            Self::Journal(desk) => !desk.held.is_empty() || desk.room.borrow().troubled,
        }
    }

    /// The end was asked for: what cannot be taken now is given up.
    pub(super) fn end(&mut self) {
        match self {
            Self::Memory(queues) => queues.end(),
            Self::Journal(desk) => desk.ending = true,
        }
    }

    /// What is waited for while it is held up.
    pub(super) const fn lacks(&self) -> &'static str {
        match self {
            Self::Memory(_) => "for room in the sinks' queues",
            Self::Journal(_) => "for room in the journal",
        }
    }

    /// The positions that have become durable, the last of each channel.
    pub(super) fn take_committed(&mut self) -> Vec<Position> {
        match self {
            Self::Memory(queues) => queues.take_committed(),
            Self::Journal(desk) => desk.take_committed(),
        }
    }

    /// The positions of everything that was taken, durable or not: for who goes on in the same process, since the
    /// journal keeps what it has taken for as long as that lives.
    pub(super) fn take_taken(&mut self) -> Vec<Position> {
        match self {
            Self::Memory(queues) => queues.take_committed(),
            Self::Journal(desk) => desk.pending.drain(..).flat_map(|one| one.positions).collect(),
        }
    }

    /// Waits for news of the journal that matter: `unsent` when an exchange waits for them, `unsettled` when the session
    /// waits for commits. Dropping the future loses nothing.
    pub(super) async fn changed(&mut self, unsent: bool, unsettled: bool) {
        match self {
            Self::Memory(queues) => queues.changed().await,
            Self::Journal(desk) => desk.changed(unsent, unsettled).await,
        }
    }
}

impl Desk {
    fn take(&mut self, batch: &Arc<Batch>, kind: Kind) {
        let troubled = self.room.borrow_and_update().troubled;
        if self.shut || troubled || !self.held.is_empty() || !self.append(batch, kind) {
            self.held.push_back((Arc::clone(batch), kind));
        }
    }

    fn has_room(&mut self) -> bool {
        if self.held.is_empty() {
            return true;
        }
        let troubled = self.room.borrow_and_update().troubled;
        while !self.shut
            && !troubled
            && let Some((batch, kind)) = self.held.pop_front()
        {
            if !self.append(&batch, kind) {
                self.held.push_front((batch, kind));
                break;
            }
        }
        if self.ending && (self.shut || troubled) {
            self.give_up();
        }
        self.held.is_empty()
    }

    /// Whether the journal has taken it, or never will.
    fn append(&mut self, batch: &Arc<Batch>, kind: Kind) -> bool {
        let positions: Vec<_> =
            batch.positions().map(|(channel, replay)| (channel.clone(), replay)).collect();
        match self.appender.append(batch, kind) {
            Ok(taken) => {
                if kind == Kind::Events {
                    self.taken = taken.end;
                    self.gate = if batch.unnumbered() > 0 { taken.end } else { self.gate };
                }
                self.await_durable(taken.end, positions);
                true
            }
            Err(Refused::Busy) => {
                self.appender.note_busy();
                false
            }
            Err(Refused::Ended) => {
                // The daemon sees that as well, and ends.
                self.shut = true;
                false
            }
            Err(Refused::TooLarge) => {
                // No response is: the configuration allows none beyond `journal::BODY_MAX`.
                tracing::error!(connection = %batch.connection(), events = batch.len(), "a response is too large for the journal: its events are lost");
                self.await_durable(0, positions);
                true
            }
        }
    }

    fn await_durable(&mut self, end: u64, positions: Vec<Position>) {
        if positions.is_empty() {
            return;
        }
        let full = self.pending.len() >= PENDING_MAX;
        match self.pending.back_mut() {
            Some(last) if full => {
                last.positions.retain(|(channel, _)| positions.iter().all(|(newer, _)| newer != channel));
                last.positions.extend(positions);
                last.end = last.end.max(end);
            }
            _ => self.pending.push_back(Pending { end, positions }),
        }
    }

    fn take_committed(&mut self) -> Vec<Position> {
        if self.pending.is_empty() {
            return Vec::new();
        }
        let durable = *self.durable.borrow_and_update();
        let count = self.pending.iter().take_while(|one| one.end <= durable).count();
        if count <= 1 {
            return self.pending.drain(..count).next().map(|one| one.positions).unwrap_or_default();
        }
        let mut last = HashMap::new();
        for one in self.pending.drain(..count) {
            last.extend(one.positions);
        }
        last.into_iter().collect()
    }

    async fn changed(&mut self, unsent: bool, unsettled: bool) {
        let waits = unsent || !self.held.is_empty();
        let commits = unsettled && !self.pending.is_empty();
        let (room, durable) = (&mut self.room, &mut self.durable);
        let seen = tokio::select! {
            seen = room.changed(), if waits => seen,
            seen = durable.changed(), if commits => seen,
            else => pending().await,
        };
        if seen.is_err() {
            pending::<()>().await;
        }
    }

    /// Nothing that follows may be taken: a position would move past what is missing.
    fn give_up(&mut self) {
        self.shut = true;
        let (mut events, mut unnumbered) = (0, 0);
        for (batch, _) in self.held.drain(..).filter(|(_, kind)| *kind == Kind::Events) {
            events += batch.len();
            unnumbered += batch.unnumbered();
        }
        if events > 0 {
            self.appender.give_up(u64::try_from(unnumbered).unwrap_or(u64::MAX));
            tracing::warn!(
                events,
                unnumbered,
                "the journal has no room: events that just came are left to the server, which sends those with a replay id again after the next start"
            );
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
