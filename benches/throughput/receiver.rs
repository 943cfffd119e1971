//! The receiver of webhooks: a thread that takes requests on kept-alive connections and says yes to each.
//!
//! What it gets is kept as it came, for the check afterwards; only the events are counted at once.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use memchr::memmem;

use crate::events;
use crate::messages::Messages;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// The most that is kept of a run; a run that posts more than that fails.
const KEPT_MAX: usize = 1 << 29;

/// A listening receiver; dropped, it lets go of its threads.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: AtomicU32,
    stopped: AtomicBool,
    /// The bodies, each with a line break after it.
    bodies: Mutex<Vec<u8>>,
}

impl Receiver {
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if accepting.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A connection that breaks is the end of the run or makes it miss its time limit.
                thread::spawn(move || shared.serve(stream));
            }
        });
        Ok(Self { address, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
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

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Only a connection ends the wait for one; where it fails, the listener is gone already.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut requests = Messages::new(stream.try_clone()?);
        while let Some(request) = requests.next()? {
            self.keep(request.body)?;
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
