//! What stands between a client and a server: listeners that do not listen, proxies that cut, certificates.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::support::Place;

/// A port that stays taken whether anybody listens on it or not.
pub(crate) struct Port {
    address: SocketAddr,
    _reserved: TcpSocket,
}

impl Port {
    pub(crate) fn new() -> Self {
        let reserved = socket("127.0.0.1:0".parse().unwrap());
        Self { address: reserved.local_addr().unwrap(), _reserved: reserved }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Listens, with room for so many connections that nobody has accepted.
    pub(crate) fn listen(&self, room: u32) -> TcpListener {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _inside = runtime.enter();
        let listener = socket(self.address).listen(room).unwrap().into_std().unwrap();
        listener.set_nonblocking(false).unwrap();
        listener
    }
}

/// More than one may be bound to an address as long as none of them listens.
fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

/// A listener that lets connections in no more: those that it had room for are there already.
pub(crate) fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    let port = Port::new();
    let listener = port.listen(0);
    let mut inside = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&port.address, Duration::from_millis(300)) {
        inside.push(stream);
        assert!(inside.len() < 100, "it lets everybody in");
    }
    (listener, inside)
}

/// Ends a listener in the middle of its wait; its port refuses connections.
pub(crate) fn refuse(listener: TcpListener) {
    TcpStream::from(OwnedFd::from(listener)).shutdown(Shutdown::Both).unwrap();
}

/// A proxy that cuts every connection over which nothing went for a time.
pub(crate) struct Cutter {
    pub(crate) address: String,
    cuts: Arc<AtomicUsize>,
}

impl Cutter {
    pub(crate) fn start(server: &str, idle: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (server, cuts) = (server.to_owned(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&cuts);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(&server).unwrap();
                let last = Arc::new(Mutex::new(Instant::now()));
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (last, cuts) = (Arc::clone(&last), Arc::clone(&counted));
                    std::thread::spawn(move || pass(&from, &to, idle, &last, &cuts));
                }
            }
        });
        Self { address, cuts }
    }

    /// How many connections it has cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, idle: Duration, last: &Mutex<Instant>, cuts: &AtomicUsize) {
    let mut buffer = [0; 4096];
    from.set_read_timeout(Some(idle / 4)).unwrap();
    loop {
        match from.read(&mut buffer) {
            Ok(read @ 1..) => {
                *last.lock().unwrap() = Instant::now();
                if to.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if last.lock().unwrap().elapsed() >= idle {
                    cuts.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
            _ => break,
        }
    }
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}

/// A certificate authority of the test's own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate as a file.
    pub(crate) fn file(&self, place: &Place) -> String {
        place.write("ca.pem", &self.0.pem())
    }

    /// A server's side of TLS with a certificate for `name`, valid until the end of `year`.
    pub(crate) fn acceptor(&self, name: &str, year: i32) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.0).unwrap().der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key.into()).unwrap()))
    }
}

/// TLS in front of a server, with a certificate that can be changed.
pub(crate) struct Front {
    pub(crate) port: u16,
    acceptor: watch::Sender<TlsAcceptor>,
}

impl Front {
    pub(crate) fn start(server: &str, acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let (acceptor, latest) = watch::channel(acceptor);
        let server = server.to_owned();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(secure(near, server.clone(), latest.clone()));
                }
            });
        });
        Self { port, acceptor }
    }

    /// Cuts every connection; later ones see another certificate.
    pub(crate) fn change(&self, acceptor: TlsAcceptor) {
        self.acceptor.send_replace(acceptor);
    }
}

async fn secure(near: tokio::net::TcpStream, server: String, mut latest: watch::Receiver<TlsAcceptor>) {
    let acceptor = latest.borrow_and_update().clone();
    let Ok(mut near) = acceptor.accept(near).await else { return };
    let mut far = tokio::net::TcpStream::connect(server).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = latest.changed() => {}
    }
}
