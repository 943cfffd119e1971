//! Servers made of a few lines of TCP: one that answers as a test says, and one that only looks on.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Posted {
    /// A header's value; the name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    }
}

/// What a request meets.
pub(crate) enum Answer {
    /// A status with further header lines (each with its line end) and a body.
    Status(u16, &'static str, &'static str),
    /// The connection is closed without a reply.
    Close,
}

impl Answer {
    pub(crate) const OK: Self = Self::Status(200, "", "");
}

type Script = dyn Fn(usize, &Posted) -> Answer + Send + Sync;

/// A server of HTTP whose threads end with the test's process.
pub(crate) struct Server {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Posted>>>,
}

impl Server {
    /// `script` says what the request of this place, from 0, is answered.
    pub(crate) fn start(script: impl Fn(usize, &Posted) -> Answer + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    pub(crate) fn on(
        listener: TcpListener,
        script: impl Fn(usize, &Posted) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, kept): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&kept));
                std::thread::spawn(move || serve(&stream, &seen, &*script));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// How many requests there were so far.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Every request so far, answered or not.
    pub(crate) fn seen(&self) -> Vec<Posted> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Posted>>, script: &Script) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let posted = read_request(&mut reader)?;
        let place = {
            let mut seen = seen.lock().unwrap();
            seen.push(posted.clone());
            seen.len() - 1
        };
        match script(place, &posted) {
            Answer::Close => return stream.shutdown(Shutdown::Both).ok(),
            Answer::Status(status, headers, body) => {
                let length = body.len();
                let text = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
                (&*stream).write_all(text.as_bytes()).ok()?;
            }
        }
    }
}

pub(crate) fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Posted> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut posted = Posted { head, body: String::new() };
    let length = posted.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    posted.body = String::from_utf8(body).unwrap();
    Some(posted)
}

/// A port that refuses connections, and is nobody else's, until it is listened on.
pub(crate) fn listen_later() -> (String, impl FnOnce() -> TcpListener) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let listen = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let listener = socket.listen(64).unwrap().into_std().unwrap();
        listener.set_nonblocking(false).unwrap();
        listener
    };
    (address, listen)
}

/// Passes TCP connections on to a server and keeps what went over them.
pub(crate) struct Relay {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (server, kept) = (server.to_owned(), Arc::clone(&seen));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(&server).unwrap();
                pass(near.try_clone().unwrap(), far.try_clone().unwrap(), Arc::clone(&kept));
                pass(far, near, Arc::clone(&kept));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, seen: Arc<Mutex<Vec<u8>>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            seen.lock().unwrap().extend_from_slice(&buffer[..read]);
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Write));
    });
}
