//! The stream below an HTTP connection, which outlives it: a poll that is held for long keeps the stream alone.
//!
//! Constraints
//! - No byte goes out twice. The next connection on the stream makes the same request again; what was written of it
//!   before is swallowed, and must be the same to the byte.
//! - No byte is lost: what is read in between is what the next connection reads first, and it reads nothing before its
//!   request is made.
//! - One handle at a time: with the next one, the one before sees nothing any more.
//!
//! Operations: [`Stream::begin`] marks the beginning of a request, [`Stream::hold`] leaves the stream alone,
//! [`Stream::heard`] waits for what comes on it, [`Handle`] is what a connection speaks over.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use crc32fast::Hasher;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is read at once before there is a connection again, in bytes.
const EARLY_MAX: usize = 4 << 10;

/// Bytes both ways.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A stream that one connection after another speaks over.
pub(super) struct Stream<S: ?Sized = dyn Duplex>(Mutex<Inner<S>>);

struct Inner<S: ?Sized> {
    /// Which handle is the present one.
    turn: u32,
    /// What was written of the present request, and how many bytes.
    written: Hasher,
    count: usize,
    /// Whether all that was written has left.
    flushed: bool,
    /// Whether the response has begun, or the end.
    answered: bool,
    again: Option<Again>,
    /// What was read before there was a connection again.
    early: Option<io::Result<Bytes>>,
    stream: S,
}

/// A request that is made again.
struct Again {
    /// What was written before, as a checksum.
    wanted: u32,
    /// How much of that is still to come, in bytes.
    left: usize,
    /// What has come.
    sum: Hasher,
    /// Who wants to read when all has come.
    reader: Option<Waker>,
}

impl Stream {
    /// Takes a stream over.
    pub(super) fn new(stream: impl Duplex + 'static) -> Arc<Self> {
        Arc::new(Stream(Mutex::new(Inner {
            turn: 0,
            written: Hasher::new(),
            count: 0,
            flushed: false,
            answered: false,
            again: None,
            early: None,
            stream,
        })))
    }

    /// A request begins, after the response to the one before has been read.
    pub(super) fn begin(&self) {
        let mut inner = self.lock();
        inner.written.reset();
        (inner.count, inner.flushed, inner.answered) = (0, false, false);
    }

    /// Takes the stream from its connection where the request has left and nothing of its response has come; whether
    /// that is so.
    pub(super) fn hold(&self) -> bool {
        let mut inner = self.lock();
        let is_held = inner.flushed && !inner.answered;
        inner.turn = inner.turn.wrapping_add(u32::from(is_held));
        is_held
    }

    /// Waits until something comes on a stream that is held: bytes, the end or an error.
    pub(super) async fn heard(&self) {
        poll_fn(|context| self.lock().poll_early(context)).await;
    }

    /// What the next connection speaks over, which is to make the request again of a stream that was held.
    pub(super) fn resume(self: &Arc<Self>) -> Handle {
        let mut inner = self.lock();
        let wanted = std::mem::take(&mut inner.written).finalize();
        inner.again = Some(Again { wanted, left: inner.count, sum: Hasher::new(), reader: None });
        drop(inner);
        self.handle()
    }

    /// What a connection speaks over.
    pub(super) fn handle(self: &Arc<Self>) -> Handle {
        Handle { turn: self.lock().turn, stream: Arc::clone(self) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<dyn Duplex>> {
        // Nothing is left half done when a holder of the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner<dyn Duplex> {
    fn poll_early(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut space = [MaybeUninit::uninit(); EARLY_MAX];
        let mut buffer = ReadBuf::uninit(&mut space);
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
        self.early = Some(read.map(|()| Bytes::copy_from_slice(buffer.filled())));
        self.answered = true;
        Poll::Ready(())
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(again) = &mut self.again {
            again.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let read = match self.early.take() {
            Some(Ok(early)) => {
                self.early = hand_out(early, buffer).map(Ok);
                Poll::Ready(Ok(()))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_read(context, buffer),
        };
        self.answered |= read.is_ready();
        read
    }

    fn poll_write(&mut self, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(again) = self.again.take() {
            let (swallowed, again) = again.swallow(parts)?;
            self.again = again;
            return Poll::Ready(Ok(swallowed));
        }
        self.flushed = false;
        let stream = Pin::new(&mut self.stream);
        let written = ready!(match parts {
            [part] => stream.poll_write(context, part),
            parts => stream.poll_write_vectored(context, parts),
        })?;
        each(parts, written, |part| self.written.update(part));
        self.count += written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.flushed = self.count > 0;
        Poll::Ready(Ok(()))
    }
}

impl Again {
    /// Takes bytes that have left before: how many, and what is still to come.
    fn swallow(mut self, parts: &[IoSlice<'_>]) -> io::Result<(usize, Option<Self>)> {
        let size = parts.iter().map(|part| part.len()).sum();
        let differs = || io::Error::other("a request that was held is not the same any more");
        self.left = self.left.checked_sub(size).ok_or_else(differs)?;
        each(parts, size, |part| self.sum.update(part));
        if self.left > 0 {
            return Ok((size, Some(self)));
        }
        if self.sum.finalize() != self.wanted {
            return Err(differs());
        }
        if let Some(reader) = self.reader {
            reader.wake();
        }
        Ok((size, None))
    }
}

/// Gives a reader what it has room for; what is left then.
fn hand_out(mut early: Bytes, buffer: &mut ReadBuf<'_>) -> Option<Bytes> {
    let part = early.split_to(early.len().min(buffer.remaining()));
    buffer.put_slice(&part);
    Some(early).filter(|early| !early.is_empty())
}

/// The first `count` bytes of `parts`.
fn each(parts: &[IoSlice<'_>], mut count: usize, mut take: impl FnMut(&[u8])) {
    for part in parts {
        let part = part.get(..count.min(part.len())).unwrap_or_default();
        count -= part.len();
        take(part);
    }
}

/// A stream as one connection sees it.
pub(super) struct Handle {
    turn: u32,
    stream: Arc<Stream>,
}

impl Handle {
    /// The stream, while it is this one's turn.
    fn with<T>(&self, poll: impl FnOnce(&mut Inner<dyn Duplex>) -> Poll<T>) -> Poll<T> {
        let mut inner = self.stream.lock();
        if inner.turn == self.turn { poll(&mut inner) } else { Poll::Pending }
    }
}

impl AsyncRead for Handle {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|inner| inner.poll_read(context, buffer))
    }
}

impl AsyncWrite for Handle {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|inner| inner.poll_write(context, &[IoSlice::new(bytes)]))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|inner| inner.poll_write(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.lock().stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|inner| inner.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|inner| Pin::new(&mut inner.stream).poll_shutdown(context))
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
