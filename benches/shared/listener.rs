//! A port of loopback, and a thread for each connection to it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Listens; dropped, it takes no more connections. Those that there are go on until their clients end them.
pub(crate) struct Listener {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Listener {
    /// Has each connection served on a thread of its own. An error ends that connection alone: a client that is killed
    /// breaks its connections, and a run that breaks otherwise runs into its time limit.
    pub(crate) fn start(
        serve: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let serve = serve.clone();
                thread::spawn(move || {
                    stream.set_nodelay(true)?;
                    serve(stream)
                });
            }
        });
        Ok(Self { address, stopped })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Only a connection ends the wait for one; where it fails, the listener is gone already.
        drop(TcpStream::connect(self.address));
    }
}
