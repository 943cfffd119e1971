//! A relay between client and server that can cut a connection in the middle of a response.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// Relays connections until the tests' process ends.
pub(crate) struct Relay {
    pub(crate) port: u16,
    knife: Arc<Knife>,
}

/// Whether the next response with events is cut, and how many were.
#[derive(Default)]
struct Knife {
    drawn: AtomicBool,
    cuts: AtomicU32,
}

impl Relay {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let knife = Arc::new(Knife::default());
        let theirs = Arc::clone(&knife);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) {
                    relay(&client, &server, &theirs);
                }
            }
        });
        Self { port, knife }
    }

    /// The next response with events loses its connection in the middle of its last event.
    pub(crate) fn cut_next(&self) {
        self.knife.drawn.store(true, Ordering::SeqCst);
    }

    /// How many responses were cut.
    pub(crate) fn cuts(&self) -> u32 {
        self.knife.cuts.load(Ordering::SeqCst)
    }
}

impl Knife {
    /// How much of these bytes goes through when they are cut.
    fn place(&self, bytes: &[u8]) -> Option<usize> {
        let event = memchr::memmem::rfind(bytes, b"\"data\"")?;
        self.drawn.swap(false, Ordering::SeqCst).then(|| {
            self.cuts.fetch_add(1, Ordering::SeqCst);
            event
        })
    }
}

fn relay(client: &TcpStream, server: &TcpStream, knife: &Arc<Knife>) {
    let (up, down) = (pair(client, server), pair(server, client));
    let knife = Arc::clone(knife);
    thread::spawn(move || forward(up, |_| None));
    thread::spawn(move || forward(down, |bytes| knife.place(bytes)));
}

fn pair(from: &TcpStream, to: &TcpStream) -> (TcpStream, TcpStream) {
    let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
    (clone(from), clone(to))
}

/// Forwards until one side ends or `cut` says where; then both are closed.
fn forward((mut from, mut to): (TcpStream, TcpStream), cut: impl Fn(&[u8]) -> Option<usize>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let place = cut(&buffer[..read]);
        if to.write_all(&buffer[..place.unwrap_or(read)]).is_err() || place.is_some() {
            break;
        }
    }
    for side in [&from, &to] {
        // Fails only where it is closed already.
        let _ = side.shutdown(Shutdown::Both);
    }
}
