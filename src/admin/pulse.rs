//! Whether the daemon's runtime turns: a task of it beats, and the server, on another thread, looks how long ago.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When the daemon's runtime last turned.
#[derive(Debug)]
pub struct Pulse {
    began: Instant,
    /// Milliseconds after `began`.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { began: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// How often a daemon is to call [`Self::beat`].
    pub const EVERY: Duration = Duration::from_secs(1);

    /// The runtime turns.
    pub fn beat(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    /// How long ago it last did.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.last.load(Ordering::Relaxed)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
