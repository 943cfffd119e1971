//! Batches for the tests of this room, and what is logged meanwhile for those of any.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::event::{Batch, BatchBuilder, ReplayId};

/// A batch of `(channel, message, replay id)` received at `millisecond` since 1970.
pub(super) fn batch_at(connection: &str, millisecond: u64, messages: &[(&str, &str, Option<i64>)]) -> Batch {
    let mut body = Vec::new();
    let mut builder = BatchBuilder::default();
    for (channel, message, replay) in messages {
        let start = body.len();
        body.extend_from_slice(message.as_bytes());
        builder.push(channel, start, body.len(), replay.map(ReplayId)).unwrap();
    }
    let received = SystemTime::UNIX_EPOCH + Duration::from_millis(millisecond);
    Batch::new(Arc::from(connection), received, Bytes::from(body), builder)
}

/// A batch of one event without a replay id.
pub(super) fn one(channel: &str, message: &str) -> Arc<Batch> {
    several(&[(channel, message)])
}

/// A batch of `(channel, message)` received on 2026-01-02 at 03:04:05.678 UTC.
pub(super) fn several(messages: &[(&str, &str)]) -> Arc<Batch> {
    let messages: Vec<_> = messages.iter().map(|(channel, message)| (*channel, *message, None)).collect();
    Arc::new(batch_at("acme", 1_767_323_045_678, &messages))
}

/// What `work` logs, as a person sees it.
pub(crate) fn logged(work: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, work);
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until `condition` holds, for at most ten seconds.
pub(super) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "{what} did not come about within ten seconds");
        std::thread::sleep(Duration::from_millis(2));
    }
}
