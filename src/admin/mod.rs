//! What a person, a probe or a page asks of a running daemon, and what it answers: an HTTP server.
//!
//! Constraints
//! - It has a thread and a runtime of its own: it answers when the daemon is busy, and however many read, and however
//!   slowly, the daemon's turn-around does not move.
//! - Nothing here waits for the daemon, and the daemon for nothing here: an [`Order`] is handed over with a place for
//!   its answer, and a daemon that is busy answers later.
//! - An order that asks for what is so already is carried out: asking twice is asking once.
//! - Everything is bounded: connections, streams, heads, bodies, times, and the bytes that wait for slow readers.
//! - A page of another site can neither read nor change anything: the `Host` of every request is checked, and of a
//!   change its `Origin`, its type and a token. No answer holds a secret.
//!
//! Format: HTTP/1.1; JSON but for `/healthz`, `/readyz`, `/metrics`, the page, and the event stream.
//! `docs/admin.md` has every path.
//!
//! Operations: [`start`]; [`Tap::offer`] and [`Pulse::beat`] are for the daemon.

mod access;
mod change;
mod config;
mod deadline;
mod limits;
mod listen;
mod logs;
pub mod metrics;
pub mod order;
mod page;
mod pulse;
mod ready;
mod reply;
mod ring;
mod route;
mod serve;
mod shared;
mod stream;
mod tap;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

pub use config::{Config, Listen};
pub use listen::StartError;
pub use order::{Order, Refusal, Request, Target};
pub use pulse::Pulse;
pub use tap::Tap;

use crate::secret::Secret;
use crate::sinks::SinkStatus;
use crate::status::Snapshot;

/// What the daemon hands over.
pub struct Port {
    /// Takes the daemon's status; may be asked at any time, on any thread.
    pub status: Arc<dyn Fn() -> Snapshot<SinkStatus> + Send + Sync>,
    /// Where orders go; the daemon carries them out.
    pub orders: mpsc::Sender<Request>,
    /// Where events come from.
    pub tap: Arc<Tap>,
    /// Whether the daemon's own runtime turns.
    pub pulse: Arc<Pulse>,
}

/// A running server; it ends when this is dropped.
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    address: Option<SocketAddr>,
    shared: Arc<shared::Shared>,
}

/// Binds the address and serves it on a thread of its own.
pub fn start(config: &Config, port: Port) -> Result<Server, StartError> {
    let bound = listen::bind(&config.listen)?;
    let address = bound.address();
    let shown = address.map_or_else(|| config.listen.to_string(), |address| address.to_string());
    let thread = |error: std::io::Error| StartError::new(&config.listen, "its thread cannot start", &error);
    let runtime = serve::runtime().map_err(thread)?;
    let shared = shared::Shared::new(config, port).map_err(thread)?;
    let (stop, stopped) = oneshot::channel();
    let served = Arc::clone(&shared);
    let run = move || serve::run(runtime, &served, bound, stopped);
    let thread = std::thread::Builder::new().name(String::from("admin")).spawn(run).map_err(thread)?;
    tracing::info!(address = shown, "the admin server listens");
    Ok(Server { stop: Some(stop), thread: Some(thread), address, shared })
}

impl Server {
    /// Where it listens; none for a unix socket.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Wants another token from the next request on, where it wants one at all. Streams that were opened with the one
    /// before end.
    pub fn renew_token(&self, token: Secret<String>) {
        if self.shared.access.wants_token() {
            self.shared.access.renew(token);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        // The thread waits for nobody; one that panicked has said so.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
