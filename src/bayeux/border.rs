//! What crosses the border between the protocol and the transport: an exchange out, its outcome in.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// The number of an exchange within its connection; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// What carries an exchange: one of a connection's two kept-alive HTTP connections, or its websocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// `/meta/connect`, handshake, and everything else while no poll is open.
    Poll,
    /// Subscribe, unsubscribe and disconnect while a poll is open on the other.
    Side,
    /// Everything but the handshake in a session over a websocket. No outcome but a failure is told: a reply comes as
    /// a frame. A [`Reply`] is the server's refusal to open the socket.
    Socket,
}

/// One POST, or one text message, of Bayeux messages.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Names it in its outcome.
    pub id: ExchangeId,
    /// Where it goes.
    pub lane: Lane,
    /// A JSON array of messages, at most 32,768 bytes (guide: "How the client connects").
    pub body: Bytes,
    /// From the start of the request to the last byte of the response, connecting included.
    pub deadline: Duration,
}

/// How an exchange ended.
pub type Outcome = Result<Reply, Fault>;

/// An HTTP response, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status, 100 to 999.
    pub status: u16,
    /// `Retry-After`, seconds or a date, as a wait from now.
    pub retry_after: Option<Duration>,
    /// The body after inflation.
    pub body: Bytes,
}

/// Why an exchange has no response.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// Whether any byte of the request may have reached the server. Only then can the server have handed
    /// out events that never arrived.
    pub sent: bool,
    /// For a person: what was tried and what was found, without any secret.
    pub detail: String,
}

/// The kinds of [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The host name could not be resolved.
    Dns,
    /// No TCP connection: refused, unreachable, or the connect timeout passed.
    Connect,
    /// The proxy refused or failed.
    Proxy,
    /// The TLS handshake failed: certificate, host name, protocol.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The connection broke before the response was complete.
    Broken,
    /// The response was no HTTP, or its encoding could not be undone.
    Malformed,
    /// The body passed the size cap, before or after inflation.
    TooLarge,
    /// A redirect that would leave the origin, or one too many.
    Redirect,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Dns,
        Self::Connect,
        Self::Proxy,
        Self::Tls,
        Self::Timeout,
        Self::Broken,
        Self::Malformed,
        Self::TooLarge,
        Self::Redirect,
    ];

    /// A short name for logs, metrics and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Redirect => "redirect",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)
    }
}

impl std::error::Error for Fault {}
