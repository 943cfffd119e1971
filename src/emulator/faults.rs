//! Faults on demand: what a broken network, proxy or overloaded server does to a request.

use std::time::Duration;

use serde::Deserialize;

use super::message::Message;

/// The longest delay, in milliseconds: an hour.
const DELAY_MAX: u64 = 3_600_000;

/// What the next requests meet instead of an answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// How many requests meet it; 0 ends a fault that is on.
    pub(super) next: u64,
    /// Only requests that hold a message of this channel, such as `/meta/connect`.
    channel: Option<String>,
    /// Only requests whose path begins so, such as `/services/oauth2/`; without it only Bayeux requests.
    path: Option<String>,
    /// Whether the server acts on the request first, and the answer with its events is lost.
    #[serde(default)]
    pub(super) after: bool,
    /// Close the TCP connection without a reply.
    #[serde(default)]
    pub(super) close: bool,
    /// The HTTP status, 200 to 599; 200 without it.
    status: Option<u16>,
    /// What passes before the reply, in milliseconds; a fault of nothing else lets the request be answered then.
    delay: Option<u64>,
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
            _ if self.delay.is_some_and(|delay| delay > DELAY_MAX) => {
                Err("delay: at most an hour is wanted".to_owned())
            }
            _ if self.path.is_some() && self.channel.is_some() => {
                Err("path and channel: only one of them is wanted".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// What passes before the reply.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay.unwrap_or(0))
    }

    /// Whether it does no more than to delay the answer.
    pub(super) fn only_delays(&self) -> bool {
        let reply =
            self.close || self.status.is_some() || self.retry_after.is_some() || !self.body.is_empty();
        self.delay.is_some() && !reply
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
        self.count(concerned && self.path.is_none())
    }

    /// Whether a request for `path` meets the fault; counts it if so.
    pub(super) fn meets_path(&mut self, path: &str) -> bool {
        let concerned = self.path.as_deref().is_some_and(|start| path.starts_with(start));
        self.count(concerned)
    }

    fn count(&mut self, concerned: bool) -> bool {
        let meets = concerned && self.next > 0;
        self.next -= u64::from(meets);
        meets
    }
}
