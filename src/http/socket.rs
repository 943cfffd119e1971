//! A websocket: text messages both ways on one connection (RFC 6455).
//!
//! Constraints
//! - A message is no larger than a body may be; nothing is compressed.
//! - A peer that is gone is noticed, whether anything is awaited of it or not: silence is answered with a ping, and as
//!   much silence again ends the socket. Every byte counts, so that a large message on a slow line is no silence.
//! - Nothing blocks: a message is written while [`Socket::next`] is awaited.
//!
//! Operations: [`Socket::send`], [`Socket::next`], [`Socket::close`].

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::http::response::Parts;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::body;
use super::wire::{Draft, Wire};
use crate::bayeux::border::{Fault, FaultKind};

/// The most that may wait to be written, in bytes: a few messages of 32 KiB.
const UNSENT_MAX: usize = 1 << 20;
/// The most that is read at once, in bytes.
const READ_MAX: usize = 32 << 10;
/// How long the server may take to answer the end of a socket.
const GOODBYE: Duration = Duration::from_secs(1);
/// The longest reason of a server that is repeated, in characters.
const REASON_MAX: usize = 80;

/// An open websocket. Dropping it closes the connection without a word.
pub struct Socket {
    stream: WebSocketStream<Heard>,
    authority: String,
    /// Whether a byte left on the connection since it is a socket.
    wrote: Arc<AtomicBool>,
    /// Whether something waits to be written.
    unsent: bool,
    idle: Duration,
    /// When silence was last answered with a ping.
    asked: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
    capture: Option<Box<Capture>>,
}

struct Capture {
    wire: Arc<Wire>,
    draft: Box<Draft>,
    head: Parts,
}

impl Socket {
    pub(super) async fn new(
        stream: Upgraded,
        authority: String,
        max: usize,
        idle: Duration,
        wrote: Arc<AtomicBool>,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_MAX)
            .max_write_buffer_size(UNSENT_MAX)
            .max_message_size(Some(max))
            .max_frame_size(Some(max));
        let now = Instant::now();
        let stream = Heard { stream: TokioIo::new(stream), last: now };
        Self {
            stream: WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await,
            authority,
            wrote,
            unsent: false,
            idle: idle.max(Duration::from_millis(1)),
            asked: None,
            alarm: Box::pin(sleep_until(now + idle)),
            capture: None,
        }
    }

    /// Writes every message to `wire`.
    pub(super) fn capture(&mut self, wire: Arc<Wire>, draft: Box<Draft>, head: Parts) {
        self.capture = Some(Box::new(Capture { wire, draft, head }));
    }

    /// Takes a message, UTF-8, to be written while [`Socket::next`] is awaited. At most 1 MiB may wait.
    ///
    /// # Errors
    /// The socket is broken, or too much waits to be written; it is of no further use.
    pub fn send(&mut self, text: Bytes) -> Result<(), Fault> {
        self.note(true, &text);
        let text = Utf8Bytes::try_from(text)
            .map_err(|_| self.fault(FaultKind::Malformed, "a message that is no UTF-8 was to be sent"))?;
        self.queue(Message::Text(text))
    }

    /// The next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The socket is broken, closed by the server, silent for too long, or a message was too large or no websocket's. It
    /// is of no further use. [`Fault::sent`] tells whether any byte of a message may have reached the server.
    pub async fn next(&mut self) -> Result<Bytes, Fault> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Like [`Socket::next`], as a poll.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Fault>> {
        loop {
            self.write_out(context)?;
            match self.stream.poll_next_unpin(context) {
                Poll::Ready(read) => match self.take(read, context)? {
                    Some(message) => return Poll::Ready(Ok(message)),
                    None => continue,
                },
                Poll::Pending => {}
            }
            ready!(self.alarm.as_mut().poll(context));
            self.on_silence()?;
        }
    }

    /// Ends the socket: the server is told, and has a second to answer; what it sends meanwhile is left out.
    pub async fn close(mut self) {
        let goodbye = async {
            self.stream.close(None).await.ok();
            while let Some(Ok(_)) = self.stream.next().await {}
        };
        // Whether it answered makes no difference to anybody.
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }

    /// Writes what waits, as far as the connection takes it.
    fn write_out(&mut self, context: &mut Context<'_>) -> Result<(), Fault> {
        if self.unsent
            && let Poll::Ready(written) = self.stream.poll_flush_unpin(context)
        {
            written.map_err(|error| self.meaning(&error))?;
            self.unsent = false;
        }
        Ok(())
    }

    fn queue(&mut self, message: Message) -> Result<(), Fault> {
        self.unsent = true;
        self.stream.start_send_unpin(message).map_err(|error| self.meaning(&error))
    }

    /// What was read: a message, or something that is none of the caller's business.
    fn take(
        &mut self,
        read: Option<Result<Message, Error>>,
        context: &mut Context<'_>,
    ) -> Result<Option<Bytes>, Fault> {
        let message = match read {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            // Bayeux is text, and a server that says otherwise of it means the same.
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Close(frame))) => {
                // The answer to it; a connection that does not take it at once is closed all the same.
                let _ = self.stream.poll_flush_unpin(context);
                return Err(self.fault(FaultKind::Broken, &closed(frame.as_ref())));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return Ok(None),
            Some(Err(error)) => return Err(self.meaning(&error)),
            None => return Err(self.fault(FaultKind::Broken, "the socket is closed")),
        };
        let message = body::own(message);
        self.note(false, &message);
        Ok(Some(message))
    }

    /// The alarm rang: either something was heard meanwhile, or the server is asked, or it is given up.
    fn on_silence(&mut self) -> Result<(), Fault> {
        let last = self.stream.get_ref().last;
        let now = Instant::now();
        if now < last + self.idle {
            self.alarm.as_mut().reset(last + self.idle);
            return Ok(());
        }
        if self.asked.is_some_and(|asked| last <= asked) {
            let what = format!("nothing was heard for {:?}, not even the answer to a ping", now - last);
            return Err(self.fault(FaultKind::Timeout, &what));
        }
        self.asked = Some(now);
        self.alarm.as_mut().reset(now + self.idle);
        self.queue(Message::Ping(Bytes::new()))
    }

    fn note(&self, sent: bool, text: &Bytes) {
        if let Some(capture) = &self.capture {
            capture.wire.record_message(&capture.draft, &capture.head, sent, text);
        }
    }

    fn meaning(&self, error: &Error) -> Fault {
        let kind = match error {
            Error::Capacity(_) | Error::WriteBufferFull(_) => FaultKind::TooLarge,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => FaultKind::Broken,
            Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => FaultKind::Malformed,
            _ => FaultKind::Broken,
        };
        // The error of a full buffer would repeat its message.
        self.fault(kind, &error.to_string())
    }

    fn fault(&self, kind: FaultKind, what: &str) -> Fault {
        let sent = self.wrote.load(Ordering::Relaxed);
        let fault = Fault { kind, sent, detail: format!("{} by websocket: {what}", self.authority) };
        if let Some(capture) = &self.capture {
            capture.wire.record_end(&capture.draft, &capture.head, &fault);
        }
        fault
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("authority", &self.authority).finish_non_exhaustive()
    }
}

fn closed(frame: Option<&CloseFrame>) -> String {
    match frame {
        Some(frame) if frame.reason.is_empty() => format!("the server closed it ({})", frame.code),
        Some(frame) => {
            let reason: String = frame.reason.chars().take(REASON_MAX).collect();
            format!("the server closed it ({}, {reason:?})", frame.code)
        }
        None => "the server closed it".into(),
    }
}

/// A connection that remembers when it was last heard.
struct Heard {
    stream: TokioIo<Upgraded>,
    last: Instant,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.last = Instant::now();
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
