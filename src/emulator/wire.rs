//! A connection that knows when a response was written to its end, and bodies that end too early.
//!
//! hyper asks a body for its bytes, writes them to the stream, and flushes the stream when all of them are written: a
//! response whose last bytes were taken before a flush has been written when that flush is done.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::ledger::Receipts;
use super::state::Shared;

/// The connection is closed without a reply or in the middle of one, as a fault demands.
#[derive(Debug)]
pub(super) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed on demand")
    }
}

impl std::error::Error for Closed {}

/// Where the body of a reply is cut, in bytes: what the fault leaves for [`Wire::body`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut(pub(super) usize);

/// What the bodies of a connection and its stream have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<Mutex<Pending>>);

/// What waits for a flush.
#[derive(Debug, Default)]
struct Pending {
    /// Of responses.
    receipts: Vec<Receipts>,
    /// A body that ends too early once what there is of it was written.
    cut: Option<Waker>,
}

impl Wire {
    /// The body of a reply, which may be cut, with what it holds for whom.
    pub(super) fn body(&self, mut bytes: Bytes, cut: Option<Cut>, receipts: Option<Receipts>) -> Outgoing {
        let whole = bytes.len();
        if let Some(Cut(at)) = cut {
            bytes.truncate(at);
        }
        let missing = whole - bytes.len();
        Outgoing { bytes, missing, flushing: false, receipts, wire: self.clone() }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body on its way.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Bytes,
    missing: usize,
    flushing: bool,
    receipts: Option<Receipts>,
    wire: Wire,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            let receipts = if self.missing == 0 { self.receipts.take() } else { None };
            self.wire.pending().receipts.extend(receipts);
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.missing == 0 {
            return Poll::Ready(None);
        }
        // An error now would throw away what came before it: hyper flushes while a body is not ready.
        let first = !std::mem::replace(&mut self.flushing, true);
        let mut pending = self.wire.pending();
        if first || pending.cut.is_some() {
            pending.cut = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Closed)))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.missing == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.bytes.len() + self.missing).unwrap_or(u64::MAX))
    }
}

/// A TCP stream that notes in the ledger what was written.
#[derive(Debug)]
pub(super) struct Stream {
    inner: TcpStream,
    wire: Wire,
    shared: Arc<Shared>,
}

impl Stream {
    /// The stream of a connection whose bodies are of `wire`.
    pub(super) fn new(inner: TcpStream, wire: Wire, shared: Arc<Shared>) -> Self {
        Self { inner, wire, shared }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        let Pending { receipts: written, cut } = std::mem::take(&mut *self.wire.pending());
        cut.into_iter().for_each(Waker::wake);
        if !written.is_empty() {
            let mut state = self.shared.lock();
            for receipts in &written {
                state.counters.events_written += receipts.values().flat_map(|one| one.values()).sum::<u64>();
                state.ledger.write(receipts);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
