//! The daemon's end of a sink: offer batches, ask how it is, end it. Nothing here waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use super::meter::{Meter, SinkStatus};
use super::queue::{Pushed, Queue};
use crate::event::Batch;
use crate::journal::Cursor;

/// What became of an offered batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It waits for its delivery.
    Accepted,
    /// The sink takes none of its channels.
    Filtered,
    /// The queue is full: these events will not go to this sink, and it has counted them. The caller logs the
    /// gap with its channels and replay ids.
    Full {
        /// The events that the sink would have taken.
        events: usize,
    },
    /// The sink has been closed or has ended.
    Closed,
}

/// How a sink ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was delivered after [`Handle::close`].
    Drained,
    /// The limit on the number of events is reached.
    Limit,
    /// The reader of standard output has gone.
    Closed,
    /// [`Handle::abort`] gave up this many events.
    Aborted(u64),
    /// [`Handle::halt`] stopped it: what is not delivered stays in the journal, or is given up.
    Halted,
    /// It cannot go on, for a person.
    Failed(String),
}

/// What the handle and the worker share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    pub(super) meter: Meter,
    ended: watch::Sender<Option<Ended>>,
    aborted: AtomicBool,
    abort: Notify,
    reopen: AtomicBool,
    /// Whether its owner wants it to stop as soon as what it is at is done.
    halted: AtomicBool,
    /// Told when it is to go on, or to end, while it stands still or waits for another attempt.
    roused: Notify,
    /// Whether its thread is gone.
    gone: watch::Sender<bool>,
    /// On a journal, the sink's place in it, until it is released. Here, and not with the worker, since it holds
    /// back what is to be delivered after the next start, even when the worker has been given up.
    pub(super) cursor: Mutex<Option<Cursor>>,
}

impl Shared {
    pub(super) fn new(queue: Queue, meter: Meter, cursor: Option<Cursor>) -> Self {
        Self {
            queue,
            meter,
            cursor: Mutex::new(cursor),
            ended: watch::Sender::new(None),
            aborted: AtomicBool::new(false),
            abort: Notify::new(),
            reopen: AtomicBool::new(false),
            halted: AtomicBool::new(false),
            roused: Notify::new(),
            gone: watch::Sender::new(false),
        }
    }

    /// The first end counts; what is not delivered by then is given up.
    pub(super) fn end(&self, ended: impl FnOnce(u64) -> Ended) {
        self.queue.close();
        self.ended.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(ended(self.meter.end()));
            }
            first
        });
    }

    /// Whether the worker should stop as it stands.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
    }

    /// Waits for [`Handle::abort`].
    pub(super) async fn aborted(&self) {
        self.abort.notified().await;
    }

    /// Whether the worker should stop when what it is at is done.
    pub(super) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    /// Waits until there is something else to do than to stand still. It may return for nothing.
    pub(super) async fn roused(&self) {
        self.roused.notified().await;
    }

    /// Its thread is gone.
    pub(super) fn go(&self) {
        self.gone.send_replace(true);
    }

    /// Whether files are to be opened anew, asked once.
    pub(super) fn take_reopen(&self) -> bool {
        self.reopen.load(Ordering::Relaxed) && self.reopen.swap(false, Ordering::Relaxed)
    }
}

/// A running sink. Dropping the handle closes the sink. On the journal it is to be kept until the journal's
/// writer has ended: while it exists and is not [released](Handle::release), what the sink has not delivered stays in
/// the journal.
#[derive(Debug)]
pub struct Handle(pub(super) Arc<Shared>);

impl Handle {
    /// Its name in the configuration.
    pub fn name(&self) -> &Arc<str> {
        self.0.meter.name()
    }

    /// Offers a batch. It never waits; a wake-up costs a system call only when the worker sleeps. A sink on
    /// the journal takes nothing this way.
    pub fn offer(&self, batch: &Arc<Batch>) -> Offer {
        if self.0.meter.is_on_journal() {
            return Offer::Filtered;
        }
        match self.0.queue.push(batch, |events| self.0.meter.accept(events)) {
            Pushed::Accepted => Offer::Accepted,
            Pushed::Filtered => Offer::Filtered,
            Pushed::Closed => Offer::Closed,
            Pushed::Full(events) => {
                self.0.meter.overflow(events);
                Offer::Full { events }
            }
        }
    }

    /// Whether its queue has room for so many bytes, or is empty. A sink that has ended always has: it takes nothing.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.0.queue.has_room(bytes)
    }

    /// Something was appended to the journal. It never waits; it costs a system call only when the worker
    /// sleeps.
    pub fn wake(&self) {
        self.0.queue.wake();
    }

    /// The sink as it is now.
    pub fn status(&self) -> SinkStatus {
        self.0.meter.status(self.0.queue.bytes())
    }

    /// Waits until the sink has ended, on any runtime; it may be dropped and asked again.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.0.ended.subscribe();
        match ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(ended)) => ended,
            Ok(None) | Err(_) => unreachable!("the sender lives as long as this handle"),
        }
    }

    /// Takes no more batches; what waits, or is in the journal by now, is delivered, and then the sink ends.
    pub fn close(&self) {
        self.0.queue.close();
        self.0.roused.notify_one();
    }

    /// Delivers nothing more until [`Handle::resume`]: what is under way is finished, and what comes waits where it is
    /// supplied from. A sink that is closed while it stands still ends as [`Ended::Halted`].
    pub fn pause(&self) {
        self.0.meter.pause(true);
        self.0.queue.nudge();
    }

    /// Goes on where it stood.
    pub fn resume(&self) {
        self.0.meter.pause(false);
        self.0.roused.notify_one();
    }

    /// Ends the sink as soon as what is under way is done, whatever waits. A delivery that fails is not tried again.
    pub fn halt(&self) {
        self.0.halted.store(true, Ordering::Relaxed);
        self.close();
    }

    /// Waits until its thread is gone, and nothing that it held open is open any more.
    pub async fn gone(&self) {
        // The sender lives as long as this handle.
        drop(self.0.gone.subscribe().wait_for(|gone| *gone).await);
    }

    /// Gives up what waits and ends the sink at once, as far as anybody but its thread can see: a write that
    /// the system does not come back from is left behind. How many events that cost: none on the journal, where
    /// they are delivered after the next start.
    pub fn abort(&self) -> u64 {
        self.0.aborted.store(true, Ordering::Relaxed);
        self.0.end(Ended::Aborted);
        self.0.abort.notify_one();
        match *self.0.ended.borrow() {
            Some(Ended::Aborted(events)) => events,
            _ => 0,
        }
    }

    /// Lets the journal go on without this sink, which has ended: nothing is kept there for it any more. What its
    /// cursor says stays on the disk, so that the next start goes on there, as far as the events are still there.
    pub fn release(&self) {
        let cursor = self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if cursor.is_some() {
            self.0.meter.release();
        }
    }

    /// Opens files anew with the next write, and lets go of the old ones now (a signal after a rotation).
    pub fn reopen(&self) {
        self.0.reopen.store(true, Ordering::Relaxed);
        self.0.queue.nudge();
        self.0.roused.notify_one();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}
