//! How many may be served at once.
//!
//! A connection takes one of the places for requests, until it becomes a stream: then it has one of those for streams
//! and gives the other back. Who finds no place within a second is told so; of those who are told, or wait, there are
//! only so many too, and whoever comes beyond that is hung up on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Connections that ask, at most.
const REQUESTS: usize = 64;
/// Connections that stream, at most.
const STREAMS: usize = 1024;
/// Connections that wait for a place, at most.
const WAITING: usize = 256;
/// How long a connection waits for a place.
const WAIT: Duration = Duration::from_secs(1);

/// The places.
#[derive(Debug)]
pub(super) struct Limits {
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Idle connections hear that somebody waits.
    pressed: Notify,
}

/// A connection's place; the streams' when it has become one.
#[derive(Clone, Debug)]
pub(super) struct Place(Arc<Mutex<OwnedSemaphorePermit>>);

impl Default for Limits {
    fn default() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            requests: places(REQUESTS),
            streams: places(STREAMS),
            waiting: places(WAITING),
            pressed: Notify::new(),
        }
    }
}

impl Limits {
    /// A place to wait in; none where too many wait.
    pub(super) fn queue(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.waiting).try_acquire_owned().ok()
    }

    /// A place to ask; none where none comes free in time.
    pub(super) async fn enter(&self) -> Option<Place> {
        let requests = Arc::clone(&self.requests);
        if requests.available_permits() == 0 {
            self.pressed.notify_waiters();
        }
        let permit = tokio::time::timeout(WAIT, requests.acquire_owned()).await.ok()?.ok()?;
        Some(Place(Arc::new(Mutex::new(permit))))
    }

    /// Makes a connection's place one for a stream; whether there was one.
    pub(super) fn stream(&self, place: &Place) -> bool {
        let Ok(permit) = Arc::clone(&self.streams).try_acquire_owned() else { return false };
        *place.0.lock().unwrap_or_else(PoisonError::into_inner) = permit;
        true
    }

    /// Somebody waits for a place.
    pub(super) async fn pressed(&self) {
        self.pressed.notified().await;
    }
}
