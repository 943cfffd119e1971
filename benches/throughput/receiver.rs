//! The receiver of webhooks: a thread that takes requests on kept-alive connections and says yes to each.
//!
//! What it gets is kept as it came, for the check afterwards; only the events are counted at once.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use memchr::memmem;

use crate::events;
use crate::shared::listener::Listener;
use crate::shared::messages::Messages;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// The most that is kept of a run; a run that posts more than that fails.
const KEPT_MAX: usize = 1 << 29;

/// A listening receiver; dropped, it lets go of its threads.
pub(crate) struct Receiver {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: AtomicU32,
    /// The bodies, each with a line break after it.
    bodies: Mutex<Vec<u8>>,
}

impl Receiver {
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |stream| serving.serve(stream))?;
        Ok(Self { listener, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.port()
    }

    /// How many events have been taken.
    pub(crate) fn seen(&self) -> u32 {
        self.shared.seen.load(Ordering::Acquire)
    }

    /// The bodies so far, one a line.
    pub(crate) fn bodies(&self) -> Vec<u8> {
        self.shared.bodies.lock().expect("nothing panics while it holds the bodies").clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut requests = Messages::new(stream.try_clone()?);
        while let Some((_, body)) = requests.next()? {
            self.keep(body)?;
            stream.write_all(ANSWER)?;
        }
        Ok(())
    }

    fn keep(&self, body: &[u8]) -> io::Result<()> {
        let mut bodies = self.bodies.lock().expect("nothing panics while it holds the bodies");
        if bodies.len() + body.len() > KEPT_MAX {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        bodies.extend_from_slice(body);
        bodies.push(b'\n');
        let count = memmem::find_iter(body, events::NAME).count();
        self.seen.fetch_add(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Release);
        Ok(())
    }
}
