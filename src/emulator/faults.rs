//! Faults on demand: what a broken network, proxy or overloaded server does to a request.

use serde::Deserialize;

use super::message::Message;

/// What the next Bayeux requests meet instead of an answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// How many requests meet it; 0 ends a fault that is on.
    pub(super) next: u64,
    /// Only requests that hold a message of this channel, such as `/meta/connect`.
    channel: Option<String>,
    /// Whether the server acts on the request first, and the answer with its events is lost.
    #[serde(default)]
    pub(super) after: bool,
    /// Close the TCP connection without a reply.
    #[serde(default)]
    pub(super) close: bool,
    /// The HTTP status, 200 to 599; 200 without it.
    status: Option<u16>,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<u64>,
    /// The body; empty without it.
    #[serde(default)]
    pub(super) body: String,
}

impl Fault {
    /// What is wrong with it, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.status {
            Some(status) if !(200..600).contains(&status) => Err("status: 200 to 599 is wanted".to_owned()),
            _ => Ok(()),
        }
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.status.unwrap_or(200)
    }

    /// Whether a request of these messages meets the fault; counts it if so.
    pub(super) fn meets(&mut self, messages: &[Message]) -> bool {
        let concerned = self
            .channel
            .as_deref()
            .is_none_or(|channel| messages.iter().any(|message| message.channel.as_deref() == Some(channel)));
        let meets = concerned && self.next > 0;
        self.next -= u64::from(meets);
        meets
    }
}
