//! A capture of every request and response, in the HAR 1.2 format that browsers and proxy tools open.
//!
//! Constraints: the file is readable by its owner alone, secrets are hidden before anything is written, the file is a
//! complete HAR after every entry, and it ends at a size limit. It is written in the task of the exchange, for
//! finding faults: a slow disk slows the exchanges. While it is off, it costs one atomic load for each exchange.
//!
//! Format: one entry a line; the closing brackets are overwritten by the next entry. An exchange without a whole
//! response has status 0 and its fault in `_error`; `_fault` has the fault's kind and whether any byte was sent, or
//! the kind `given_up`. `_connection` is the name of the connection. Each message of a socket has an entry, that of
//! the request which opened the socket, with the message in `_webSocketMessages`; the socket's fault has an entry with
//! `_error`. Without payloads the data of an event is its replay id, its date and its length.
//!
//! Operations: [`Wire::create`], or [`Wire::new`] and [`Wire::start`]; [`Wire::stop`].

mod entry;
mod file;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use hyper::http::response::Parts;
use url::Url;

use super::link::Call;
use crate::bayeux::border::Fault;
use file::{Capture, Written};

/// Where a capture is written, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireConfig {
    /// The file; mode 0600. What was in it is gone when a capture begins.
    pub path: PathBuf,
    /// The size that it does not pass, in bytes.
    pub max: u64,
    /// Whether the data of events is in it.
    pub payloads: bool,
}

impl WireConfig {
    /// The limit of a capture, in bytes, unless another is given.
    pub const MAX: u64 = 64 << 20;

    /// A capture of everything in `path`, at most [`WireConfig::MAX`] long.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, max: Self::MAX, payloads: true }
    }
}

/// A capture that can be switched on and off, shared by all that is captured in it.
pub struct Wire {
    config: WireConfig,
    on: AtomicBool,
    capture: Mutex<Option<Capture>>,
}

/// A request under way.
pub(super) struct Draft {
    connection: Option<Arc<str>>,
    started: SystemTime,
    clock: Instant,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

/// What became of a request.
#[derive(Clone, Copy)]
pub(super) enum Came<'a> {
    /// A whole response.
    Response(&'a Parts, &'a Bytes),
    Fault(&'a Fault),
    /// Nobody waits for the response any more.
    GivenUp,
}

impl Draft {
    pub(super) fn new(connection: Option<Arc<str>>, url: &Url, call: &Call, body: Bytes) -> Self {
        let (method, headers) = (call.method().clone(), call.headers().clone());
        let (started, clock) = (SystemTime::now(), Instant::now());
        Self { connection, started, clock, method, url: url.clone(), headers, body }
    }
}

impl Wire {
    /// A capture that is off.
    pub const fn new(config: WireConfig) -> Self {
        Self { config, on: AtomicBool::new(false), capture: Mutex::new(None) }
    }

    /// A capture of everything in `path` that is on, at most [`WireConfig::MAX`] long.
    ///
    /// # Errors
    /// As [`Wire::start`].
    pub fn create(path: &Path) -> io::Result<Self> {
        let wire = Self::new(WireConfig::new(path.to_owned()));
        wire.start()?;
        Ok(wire)
    }

    /// Begins a new capture: what was in the file is gone. Nothing where one is under way.
    ///
    /// # Errors
    /// The file cannot be written or is no regular file.
    pub fn start(&self) -> io::Result<()> {
        let mut capture = self.lock();
        if !self.is_on() {
            *capture = Some(Capture::create(&self.config.path, self.config.max)?);
            self.on.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Ends the capture that is under way, if any; exchanges that have not ended are not in it.
    pub fn stop(&self) {
        let mut capture = self.lock();
        self.on.store(false, Ordering::Relaxed);
        *capture = None;
    }

    /// Whether exchanges are captured; not any more after the limit or a fault of the disk.
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Where it is written, and what of it.
    pub const fn config(&self) -> &WireConfig {
        &self.config
    }

    /// Adds what became of `draft`. A capture that cannot be written stops and says so in the log, once.
    pub(super) fn record(&self, draft: &Draft, came: Came<'_>) {
        if self.is_on() {
            self.write(&entry::of_exchange(draft, came, self.config.payloads));
        }
    }

    /// Adds a message of the socket that `draft` opened: an entry of its own, for the file cannot wait for the last
    /// one to be complete.
    pub(super) fn record_message(&self, draft: &Draft, head: &Parts, sent: bool, text: &Bytes) {
        if self.is_on() {
            self.write(&entry::of_message(draft, head, sent, text, self.config.payloads));
        }
    }

    /// Adds the end of the socket that `draft` opened.
    pub(super) fn record_end(&self, draft: &Draft, head: &Parts, fault: &Fault) {
        if self.is_on() {
            self.write(&entry::of_end(draft, head, fault));
        }
    }

    fn write(&self, entry: &str) {
        let mut capture = self.lock();
        let ended = capture.as_mut().is_some_and(|capture| capture.record(entry) == Written::Ended);
        if ended {
            self.on.store(false, Ordering::Relaxed);
            *capture = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Capture>> {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("path", &self.config.path).finish_non_exhaustive()
    }
}
