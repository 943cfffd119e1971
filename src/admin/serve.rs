//! The thread: accepts connections and serves each to its end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::deadline::{Deadline, Noted};
use super::limits::Place;
use super::listen::Bound;
use super::reply::Reply;
use super::shared::Shared;
use super::{reply, route, watch};

/// The largest head of a request, and what may wait to be sent on one connection, in bytes.
const BUFFER: usize = 32 << 10;
/// Threads on which the status is taken; one that hangs holds up its own request alone.
const BESIDE: usize = 4;
/// How long nothing is accepted after that failed: descriptors may be short.
const PAUSE: Duration = Duration::from_millis(100);
/// What is said to a connection for which there is no place.
const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 48\r\n\r\n{\"error\":\"too many connections\",\"problems\":[]}\r\n";
/// How long it has to hear that.
const FAREWELL: Duration = Duration::from_secs(1);
/// How much it may send meanwhile, in bytes.
const UNREAD: u64 = 64 << 10;

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(
        tokio::net::UnixListener,
        #[expect(dead_code, reason = "its end removes the file")] super::listen::unix::File,
    ),
}

/// The server's own runtime.
pub(super) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BESIDE).build()
}

/// Serves until it is told to stop.
pub(super) fn run(runtime: Runtime, shared: &Arc<Shared>, bound: Bound, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async {
        let listener = match Listener::new(bound) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the admin server cannot listen"),
        };
        if let Some(inbox) = shared.port.tap.inbox() {
            tokio::spawn(watch::pump(Arc::clone(shared), inbox));
        }
        tokio::spawn(watch::observe(Arc::clone(shared)));
        tokio::select! {
            () = accept(shared, &listener) => {}
            _ = stopped => {}
        }
    });
    // A status that hangs must not hold up the end.
    runtime.shutdown_background();
}

async fn accept(shared: &Arc<Shared>, listener: &Listener) {
    let mut failing = false;
    loop {
        match listener.next().await {
            Ok((socket, local)) => {
                failing = false;
                admit(shared, socket, local);
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "the admin server cannot accept a connection");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Serves a connection as soon as there is a place for it.
fn admit(shared: &Arc<Shared>, socket: Box<dyn Socket>, local: Option<SocketAddr>) {
    let Some(waiting) = shared.limits.queue() else { return };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        match shared.limits.enter().await {
            Some(place) => {
                drop(waiting);
                serve(shared, socket, local, place).await;
            }
            None => drop(tokio::time::timeout(FAREWELL, turn_away(socket)).await),
        }
    });
}

/// Reads what comes as well: else the peer might lose what it is told.
async fn turn_away(mut socket: Box<dyn Socket>) -> io::Result<()> {
    socket.write_all(FULL.as_bytes()).await?;
    socket.shutdown().await?;
    let mut rest = socket.take(UNREAD);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(drop)
}

async fn serve(shared: Arc<Shared>, socket: Box<dyn Socket>, local: Option<SocketAddr>, place: Place) {
    let deadline = Deadline::default();
    let (limits, noted) = (Arc::clone(&shared), deadline.clone());
    let service = service_fn(move |request| {
        let visit = route::Visit { shared: Arc::clone(&shared), local, place: place.clone() };
        answer(visit, noted.clone(), request)
    });
    let mut builder = http1::Builder::new();
    // The deadline is for heads too, and from their first byte on.
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(BUFFER);
    let socket = TokioIo::new(Noted::new(socket, deadline.clone()));
    let mut connection = pin!(builder.serve_connection(socket, service));
    let mut asked = false;
    loop {
        tokio::select! {
            // An error is the client's: it hung up or spoke no HTTP.
            _ = connection.as_mut() => return,
            () = deadline.passed() => return,
            () = limits.limits.pressed(), if !asked => {
                asked = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    visit: route::Visit,
    deadline: Deadline,
    request: Request<Incoming>,
) -> Result<Reply, Infallible> {
    deadline.on_request();
    let answer = route::answer(visit, request).await.unwrap_or_else(Reply::from);
    deadline.on_answer();
    Ok(reply::safe(answer))
}

impl Listener {
    /// Must be called on a tokio runtime.
    fn new(bound: Bound) -> io::Result<Self> {
        Ok(match bound {
            Bound::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            #[cfg(unix)]
            Bound::Unix(bound) => Self::Unix(tokio::net::UnixListener::from_std(bound.listener)?, bound.file),
        })
    }

    async fn next(&self) -> io::Result<(Box<dyn Socket>, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, _) = listener.accept().await?;
                // Without it an event waits for the peer's delayed acknowledgement; the connection works all the same.
                drop(socket.set_nodelay(true));
                let local = socket.local_addr()?;
                Ok((Box::new(socket), Some(local)))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (socket, _) = listener.accept().await?;
                Ok((Box::new(socket), None))
            }
        }
    }
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
