//! The states of a session. The client id stands only in those where it is valid.

use std::sync::Arc;
use std::time::Instant;

use super::border::ExchangeId;
use super::subscription::Ids;

/// What acknowledges nothing.
pub(super) const NO_ACK: i64 = -1;

/// A session that the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) id: Arc<str>,
    /// Whether the server confirmed the replay extension.
    pub(super) replay: bool,
    /// The last response that was handed on, where the server confirmed the `ack` extension.
    pub(super) ack: Option<i64>,
    /// Whether a connect of this session has succeeded.
    pub(super) proven: bool,
}

/// What the session does.
#[derive(Debug)]
pub(super) enum State {
    /// Before the first input.
    New { resume: Option<Client> },
    /// Waiting for the driver to have a token.
    Authenticating { then: Next, refused: bool },
    /// A handshake is open.
    Handshaking { exchange: ExchangeId },
    /// The first subscriptions of a session are open; there is no poll yet.
    Subscribing { client: Client, exchange: ExchangeId, ids: Ids },
    /// A connect is open.
    Polling { client: Client, exchange: ExchangeId },
    /// Nothing is open until a time.
    Resting { until: Instant, then: Next, reason: &'static str },
    /// The server is told, and what is still open may bring its last events.
    Closing { open: Vec<ExchangeId>, goodbye: ExchangeId, until: Instant },
    /// The end.
    Closed,
}

/// What follows a wait.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// Another token than the refused one.
    Authenticate,
    Handshake,
    Subscribe(Client),
    Connect(Client),
}

impl State {
    /// A short name for logs, metrics and status.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::New { .. } => "new",
            Self::Authenticating { .. } => "authenticating",
            Self::Handshaking { .. } => "handshaking",
            Self::Subscribing { .. } => "subscribing",
            Self::Polling { client, .. } if client.proven => "live",
            Self::Polling { .. } => "connecting",
            Self::Resting { .. } => "resting",
            Self::Closing { .. } => "closing",
            Self::Closed => "closed",
        }
    }

    /// The session, where the server knows one.
    pub(super) const fn client(&self) -> Option<&Client> {
        match self {
            Self::Subscribing { client, .. }
            | Self::Polling { client, .. }
            | Self::Resting { then: Next::Subscribe(client) | Next::Connect(client), .. }
            | Self::Authenticating { then: Next::Subscribe(client) | Next::Connect(client), .. } => {
                Some(client)
            }
            _ => None,
        }
    }
}
