//! Events on their way from the daemon to whoever looks.
//!
//! Constraints: while nobody looks, a batch costs one plain load; else a few atomic operations, and never a lock or a
//! wait. What the server's thread has not taken yet is bounded in bytes; what does not fit is lost to those who look,
//! and counted.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::event::Batch;

/// What may wait for the server's thread, in bytes.
const WAITING_MAX: usize = 16 << 20;
/// What a batch costs besides its bytes.
const OVERHEAD: usize = 128;

/// Where the daemon offers what it receives.
#[derive(Debug)]
pub struct Tap {
    readers: AtomicUsize,
    waiting: AtomicUsize,
    lost: AtomicU64,
    sender: mpsc::UnboundedSender<Arc<Batch>>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<Arc<Batch>>>>,
}

impl Default for Tap {
    fn default() -> Self {
        // Unbounded in number: the bound is in bytes.
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            readers: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

impl Tap {
    /// Shows a batch to whoever looks.
    pub fn offer(&self, batch: &Arc<Batch>) {
        if self.readers.load(Ordering::Relaxed) != 0 {
            self.take(batch);
        }
    }

    #[cold]
    fn take(&self, batch: &Arc<Batch>) {
        let cost = cost(batch);
        let fits = self.waiting.fetch_add(cost, Ordering::Relaxed) + cost <= WAITING_MAX;
        if !fits || self.sender.send(Arc::clone(batch)).is_err() {
            self.waiting.fetch_sub(cost, Ordering::Relaxed);
            self.lost.fetch_add(u64::try_from(batch.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Takes over the other end; the first to ask gets it.
    pub(super) fn inbox(self: &Arc<Self>) -> Option<Inbox> {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Inbox { tap: Arc::clone(self), receiver })
    }

    /// Somebody looks, until what is given back is dropped.
    pub(super) fn open(self: &Arc<Self>) -> Reader {
        self.readers.fetch_add(1, Ordering::Relaxed);
        Reader(Arc::clone(self))
    }

    /// How many look.
    pub(super) fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    /// Events that did not fit, since the last time that this was asked.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// Somebody who looks.
#[derive(Debug)]
pub(super) struct Reader(Arc<Tap>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The server's end.
#[derive(Debug)]
pub(super) struct Inbox {
    tap: Arc<Tap>,
    receiver: mpsc::UnboundedReceiver<Arc<Batch>>,
}

impl Inbox {
    /// The next batch; none when the daemon has ended. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Arc<Batch>> {
        let batch = self.receiver.recv().await?;
        self.tap.waiting.fetch_sub(cost(&batch), Ordering::Relaxed);
        Some(batch)
    }

    /// The next batch, where there is one now.
    pub(super) fn next_now(&mut self) -> Option<Arc<Batch>> {
        let batch = self.receiver.try_recv().ok()?;
        self.tap.waiting.fetch_sub(cost(&batch), Ordering::Relaxed);
        Some(batch)
    }
}

fn cost(batch: &Batch) -> usize {
    batch.size() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;

    use super::*;
    use crate::event::BatchBuilder;

    fn batch(size: usize) -> Arc<Batch> {
        let mut builder = BatchBuilder::default();
        builder.push("/topic/A", 0, 2, None).unwrap();
        let body = Bytes::from(vec![b' '; size]);
        Arc::new(Batch::new(Arc::from("acme"), SystemTime::now(), body, builder))
    }

    #[test]
    fn nothing_is_kept_while_nobody_looks() {
        let tap = Arc::new(Tap::default());
        let mut inbox = tap.inbox().unwrap();
        assert!(tap.inbox().is_none());
        tap.offer(&batch(10));
        let reader = tap.open();
        tap.offer(&batch(11));
        drop(reader);
        tap.offer(&batch(12));
        assert_eq!(inbox.next_now().map(|batch| batch.size() > 0), Some(true));
        assert!(inbox.next_now().is_none());
        assert_eq!((tap.take_lost(), tap.waiting.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_the_rest_is_counted() {
        let tap = Arc::new(Tap::default());
        let mut inbox = tap.inbox().unwrap();
        let _reader = tap.open();
        let one = batch(1 << 20);
        (0..100).for_each(|_| tap.offer(&one));
        let kept = std::iter::from_fn(|| inbox.next_now()).count();
        assert_eq!(kept, 15, "of a little more than 1 MiB each");
        assert_eq!(tap.take_lost(), 85);
        assert_eq!((tap.take_lost(), tap.waiting.load(Ordering::Relaxed)), (0, 0));
    }
}
