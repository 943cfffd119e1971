//! The endpoint: it answers each request at once and keeps a book. A thread for each connection, blocking calls.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::book::Book;
use crate::wire::Messages;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A listening receiver; dropped, it lets go of its threads.
pub(crate) struct Receiver {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Receiver {
    pub(crate) fn start(book: &Arc<Book>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (stop, book) = (Arc::clone(&stopped), Arc::clone(book));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let book = Arc::clone(&book);
                // A client that is killed breaks its connections.
                thread::spawn(move || serve(stream, &book));
            }
        });
        Ok(Self { address, stopped })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Only a connection ends the wait in `accept`; where it fails, the listener is gone already.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, book: &Book) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = Messages::new(stream.try_clone()?);
    while let Some(request) = requests.next_message()? {
        book.note(&request);
        stream.write_all(ANSWER)?;
    }
    Ok(())
}
