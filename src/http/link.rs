//! One connection to a server: hyper's connection in a task of its own, which ends with the link.
//!
//! hyper keeps 28 KiB for as long as a response is awaited: two buffers, a queue and a task. Where that takes longer than
//! a moment, as it does for a poll that brings nothing, its connection is given up and the stream alone is kept
//! ([`super::held`]); when something comes, a new one makes the same request on it, of which no byte goes out again.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;
use tokio::time::{timeout, timeout_at};

use super::held::{Duplex, Handle, Stream};
use super::trouble::Trouble;

/// A request as it goes out.
pub(super) type Call = hyper::Request<Full<Bytes>>;

/// The most that is read at once; the header block must fit.
const READ_BUFFER_MAX: usize = 128 << 10;
/// The most header lines in a response.
const HEADERS_MAX: usize = 100;
/// After this long a server may have closed an idle connection without this task having been told.
const FRESH: Duration = Duration::from_millis(1);
/// How long the rest of an exchange (a request still being written under an early response) may take before the
/// connection is given up rather than waited for.
const SETTLE: Duration = Duration::from_millis(100);
/// After this long at the earliest without a byte of its response a request is held without hyper's connection. What comes more often
/// than this never pays for a new one, which costs some microseconds.
const HELD_AFTER: Duration = Duration::from_millis(50);
/// While few requests wait so, that is put off to the end of a step of this length (a part of a second), so that all of
/// them wake the process once. Many together take too much memory for that.
const HELD_STEP: Duration = Duration::from_millis(200);
const FEW: usize = 32;

/// How many requests wait for a response or to be held.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// A connection, either idle or with one request on it.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// The stream below, while hyper has not closed it.
    stream: Weak<Stream>,
    task: AbortHandle,
    last_used: Instant,
}

/// What became of a request that was sent.
pub(super) enum Sent {
    /// Its response has begun.
    Response(Response<Incoming>),
    /// Nothing has come of its response: the link is of no further use, and this is what is left of it.
    Held(Arc<Stream>),
}

impl Link {
    /// Speaks HTTP/1.1 over `stream`, on the present runtime.
    pub(super) async fn new(stream: impl Duplex + 'static, authority: &str) -> Result<Self, Trouble> {
        let stream = Stream::new(stream);
        Self::over(stream.handle(), Arc::downgrade(&stream), authority).await
    }

    /// Speaks HTTP/1.1 again over a stream that was held. The next request must be the one that it was held with.
    pub(super) async fn resume(stream: Arc<Stream>, authority: &str) -> Result<Self, Trouble> {
        Self::over(stream.resume(), Arc::downgrade(&stream), authority).await
    }

    async fn over(handle: Handle, stream: Weak<Stream>, authority: &str) -> Result<Self, Trouble> {
        let (sender, connection) = Builder::new()
            .max_buf_size(READ_BUFFER_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(handle))
            .await
            .map_err(|error| Trouble::of_connection(&error, authority, "no connection"))?;
        // The connection's error, if any, comes out of the request or of the body as well.
        let task = tokio::spawn(connection.with_upgrades()).abort_handle();
        Ok(Self { sender, stream, task, last_used: Instant::now() })
    }

    /// Whether the connection can carry another request.
    pub(super) async fn is_usable(&mut self) -> bool {
        if self.last_used.elapsed() > FRESH {
            // Lets the runtime see what happened to the socket meanwhile.
            tokio::task::yield_now().await;
        }
        matches!(timeout(SETTLE, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Sends a request; the request comes back if none of it was written.
    pub(super) async fn send(&mut self, call: Call) -> Result<Response<Incoming>, TrySendError<Call>> {
        self.sender.try_send_request(call).await
    }

    /// Like [`Link::send`], but waits for the response with the stream alone when it is long in coming.
    pub(super) async fn send_or_hold(&mut self, call: Call) -> Result<Sent, TrySendError<Call>> {
        if let Some(stream) = self.stream.upgrade() {
            stream.begin();
        }
        let mut response = pin!(self.sender.try_send_request(call));
        let waiting = Waiting::begin();
        if let Ok(response) = timeout_at(waiting.until(), &mut response).await {
            return response.map(Sent::Response);
        }
        drop(waiting);
        match self.stream.upgrade().filter(|stream| stream.hold()) {
            Some(stream) => Ok(Sent::Held(stream)),
            None => response.await.map(Sent::Response),
        }
    }

    /// Marks the end of an exchange.
    pub(super) fn rest(&mut self) {
        self.last_used = Instant::now();
    }
}

/// A request that waits for its response or to be held.
struct Waiting {
    others: usize,
}

impl Waiting {
    fn begin() -> Self {
        Self { others: WAITING.fetch_add(1, Ordering::Relaxed) }
    }

    /// When it is held, by the runtime's clock.
    fn until(&self) -> tokio::time::Instant {
        static BEGINNING: OnceLock<tokio::time::Instant> = OnceLock::new();
        let wanted = tokio::time::Instant::now() + HELD_AFTER;
        if self.others >= FEW {
            return wanted;
        }
        let since = wanted.duration_since(*BEGINNING.get_or_init(|| wanted));
        let over = since.subsec_nanos() % HELD_STEP.subsec_nanos();
        wanted + HELD_STEP.saturating_sub(Duration::from_nanos(over.into()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A stream that remembers whether anything was written to it.
///
/// It stands below TLS: what TLS still holds back has not been sent.
pub(super) struct Counted<S> {
    stream: S,
    wrote: Arc<AtomicBool>,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, wrote: &Arc<AtomicBool>) -> Self {
        Self { stream, wrote: Arc::clone(wrote) }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.wrote.store(true, Ordering::Relaxed);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
