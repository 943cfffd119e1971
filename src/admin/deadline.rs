//! A connection's socket, which knows until when the peer has to do something.
//!
//! * An idle connection ends after 30 s.
//! * From the first byte of a request on, its head and body have 10 s; the first is expected at once.
//! * A reply, and each piece of a stream, has to be taken within 30 s. A stream has no longer pause than that.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How long nothing may be asked, or nothing of what is sent be taken.
const IDLE: Duration = Duration::from_secs(30);
/// How long a request may take to come.
pub(super) const REQUEST: Duration = Duration::from_secs(10);
/// What a connection does, and until when.
#[derive(Clone, Debug)]
pub(super) struct Deadline(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<(Phase, Instant)>,
    /// It is earlier than it was.
    sooner: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request comes.
    Request,
    /// It is looked into.
    Answer,
    /// The answer is sent.
    Send,
    /// The answer, or what there is of it yet, has been sent.
    Idle,
}

impl Default for Deadline {
    fn default() -> Self {
        let state = Mutex::new((Phase::Request, Instant::now() + REQUEST));
        Self(Arc::new(Shared { state, sooner: Notify::new() }))
    }
}

impl Deadline {
    /// Waits until it has passed. Dropping the future loses nothing.
    pub(super) async fn passed(&self) {
        loop {
            let (_, until) = self.get();
            tokio::select! {
                () = sleep_until(until) => if self.get().1 <= until { return },
                () = self.0.sooner.notified() => {}
            }
        }
    }

    /// A request's head is there. What it waits for has bounds of its own, all shorter.
    pub(super) fn on_request(&self) {
        self.set(Phase::Answer, IDLE);
    }

    /// There is an answer.
    pub(super) fn on_answer(&self) {
        self.set(Phase::Send, IDLE);
    }

    fn on_read(&self) {
        if self.phase() == Phase::Idle {
            self.set(Phase::Request, REQUEST);
        }
    }

    fn on_written(&self) {
        if let phase @ (Phase::Send | Phase::Idle) = self.phase() {
            self.set(phase, IDLE);
        }
    }

    fn on_flushed(&self) {
        if self.phase() == Phase::Send {
            self.set(Phase::Idle, IDLE);
        }
    }

    fn set(&self, phase: Phase, time: Duration) {
        let until = Instant::now() + time;
        let before = std::mem::replace(&mut *self.lock(), (phase, until));
        if until < before.1 {
            self.0.sooner.notify_one();
        }
    }

    fn phase(&self) -> Phase {
        self.get().0
    }

    fn get(&self) -> (Phase, Instant) {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, (Phase, Instant)> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that notes what comes and goes.
pub(super) struct Noted<S> {
    socket: S,
    deadline: Deadline,
}

impl<S> Noted<S> {
    pub(super) const fn new(socket: S, deadline: Deadline) -> Self {
        Self { socket, deadline }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.socket).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.deadline.on_read();
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes));
        self.deadline.on_written();
        Poll::Ready(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, bytes));
        self.deadline.on_written();
        Poll::Ready(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        self.deadline.on_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
