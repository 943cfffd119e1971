//! Faults on demand: what a broken network, proxy or overloaded server does to a request.
//!
//! Faults are a list, in the order in which they were made. A request meets each of them that concerns it; but of those
//! that spoil its answer (another reply or none, a cut or corrupt body) only the first, so that several in a row spoil
//! one request after the other. Delays add up. One that has met as many requests as it should is taken off the list.
//!
//! What chance decides (whom a fault at a rate meets, where a body is cut, in which order events come) follows from
//! the fault's seed and from how many requests it concerned before, so that a test sees the same again.

mod list;

use std::time::Duration;

use fastrand::Rng;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::auth;
use super::http::{Reply, json, with};
use super::message::{Message, Refusal, render};
use super::state::Shared;

pub(super) use list::{Asked, Faults, Met};

/// The longest delay, in milliseconds: an hour.
const DELAY_MAX: u64 = 3_600_000;

/// The longest time that a restart takes, in milliseconds.
pub(super) const DOWN_MAX: u64 = 3_600_000;

/// What requests meet instead of an answer, or beside it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a member of the request of its own")]
pub(super) struct Fault {
    /// How many requests meet it. Without it, which takes a rate: any number.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) next: Option<u64>,
    /// Which part of the requests concerned meets it, above 0 and at most 1; all of them without it.
    #[serde(skip_serializing_if = "is_default")]
    rate: Option<f64>,
    /// What chance follows from.
    #[serde(skip_serializing_if = "is_default")]
    seed: u64,
    /// Only requests that hold a message of this channel, such as `/meta/connect`.
    #[serde(skip_serializing_if = "is_default")]
    channel: Option<String>,
    /// Only requests that hold a message of this client id.
    #[serde(skip_serializing_if = "is_default")]
    client: Option<String>,
    /// Only requests of the user of this name; case does not matter.
    #[serde(skip_serializing_if = "is_default")]
    user: Option<String>,
    /// Only requests whose path begins so, such as `/services/oauth2/`; without it only Bayeux requests.
    #[serde(skip_serializing_if = "is_default")]
    path: Option<String>,
    /// Whether the server acts on the request first, and the answer with its events is lost; and whether sessions and
    /// tokens are lost after the answer was made.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) after: bool,
    /// Close the TCP connection without a reply.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) close: bool,
    /// The server restarts, and refuses connections for so many milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    restart: Option<u64>,
    /// Every message of the request is refused so.
    #[serde(skip_serializing_if = "is_default")]
    refuse: Option<Refused>,
    /// The HTTP status, 200 to 599; 200 without it.
    #[serde(skip_serializing_if = "is_default")]
    status: Option<u16>,
    /// What passes before the reply, in milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    delay: Option<u64>,
    /// `Retry-After` in seconds.
    #[serde(skip_serializing_if = "is_default")]
    retry_after: Option<u64>,
    /// The body; empty without it.
    #[serde(skip_serializing_if = "is_default")]
    body: String,
    /// Where the body ends too early; the connection is closed there.
    #[serde(skip_serializing_if = "is_default")]
    cut: Place,
    /// Which byte of the body arrives with every bit the other way round.
    #[serde(skip_serializing_if = "is_default")]
    corrupt: Place,
    /// Whether the events of a response are in another order.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) reorder: bool,
    /// Whether the sessions that the request names are forgotten.
    #[serde(skip_serializing_if = "is_default")]
    lose_session: bool,
    /// Whether the access token that the request carries is revoked.
    #[serde(skip_serializing_if = "is_default")]
    revoke_token: bool,
}

/// What a Bayeux server says to a message that it refuses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    /// `CODE:ARGS:TEXT`.
    error: String,
    /// `ext.sfdc.failureReason`.
    #[serde(default, skip_serializing_if = "is_default")]
    failure: Option<String>,
    /// What the client is to do next.
    #[serde(default, skip_serializing_if = "is_default")]
    advice: Option<Value>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A place in a body.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Place {
    /// Wherever chance has it; none where it is false.
    Anywhere(bool),
    /// After so many bytes, or before the last one where there are fewer.
    At(usize),
}

impl Default for Place {
    fn default() -> Self {
        Self::Anywhere(false)
    }
}

impl Place {
    fn is_asked_for(self) -> bool {
        !matches!(self, Self::Anywhere(false))
    }

    /// The place in a body of `len` bytes, below `len`; none in an empty one.
    fn within(self, len: usize, rng: &mut Rng) -> Option<usize> {
        let last = len.checked_sub(1)?;
        match self {
            Self::Anywhere(false) => None,
            Self::Anywhere(true) => Some(rng.usize(..len)),
            Self::At(at) => Some(at.min(last)),
        }
    }
}

impl Fault {
    /// What is wrong with it, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        let good_rate = self.rate.is_none_or(|rate| rate > 0.0 && rate <= 1.0);
        let of_messages = self.channel.is_some() || self.client.is_some();
        let of_sessions = self.reorder || self.lose_session || self.refuse.is_some();
        let wrong = match self.status {
            Some(status) if !(200..600).contains(&status) => "status: 200 to 599 is wanted",
            _ if self.delay.is_some_and(|delay| delay > DELAY_MAX) => "delay: at most an hour is wanted",
            _ if self.restart.is_some_and(|down| down > DOWN_MAX) => "restart: at most an hour is wanted",
            _ if self.next.is_none() && self.rate.is_none() => "next or rate: one of them is wanted",
            _ if !good_rate => "rate: a number above 0 and at most 1 is wanted",
            _ if self.path.is_some() && of_messages => {
                "path: a channel or a client is one of Bayeux requests, which is what a fault without a path meets"
            }
            _ if self.path.is_some() && of_sessions => {
                "path: only Bayeux requests have events to reorder, sessions to lose and messages to refuse"
            }
            _ if self.restart.is_some() && self.delay.is_some() => {
                "restart and delay: only one of them is wanted"
            }
            _ if self.refuse.is_some() && !self.body.is_empty() => {
                "refuse and body: only one of them is wanted"
            }
            _ => return Ok(()),
        };
        Err(wrong.to_owned())
    }

    /// What passes before the reply.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay.unwrap_or(0))
    }

    /// Whether no reply comes, nor an end of the connection: the restart ends it.
    pub(super) fn restarts(&self) -> bool {
        self.restart.is_some()
    }

    /// Whether the answer comes, be it late, damaged or of another session.
    pub(super) fn keeps_answer(&self) -> bool {
        let reply = self.close
            || self.restarts()
            || self.refuse.is_some()
            || self.status.is_some()
            || self.retry_after.is_some()
            || !self.body.is_empty();
        let beside = self.reorder || self.lose_session || self.revoke_token;
        !reply && (self.delay.is_some() || self.damages() || beside)
    }

    /// Whether the answer does not come as it was made.
    pub(super) fn spoils(&self) -> bool {
        !self.keeps_answer() || self.damages()
    }

    fn damages(&self) -> bool {
        self.cut.is_asked_for() || self.corrupt.is_asked_for()
    }

    /// What comes instead of the answer.
    pub(super) fn replacement(&self, messages: &[Message]) -> Reply {
        let mut reply = match &self.refuse {
            Some(refused) => {
                let refuse = |message| render(message, Err(refused.refusal()));
                let refusals: Vec<_> = messages.iter().map(refuse).collect();
                json(StatusCode::OK, format!("[{}]", refusals.join(",")))
            }
            None => with(Response::new(self.body.clone().into()), CONTENT_TYPE, "text/html;charset=UTF-8"),
        };
        *reply.status_mut() = StatusCode::from_u16(self.status.unwrap_or(200)).unwrap_or_default();
        match self.retry_after {
            Some(seconds) => with(reply, RETRY_AFTER, &seconds.to_string()),
            None => reply,
        }
    }

    /// Takes away what the sender of a request has, or what everybody has.
    pub(super) fn strike(&self, shared: &Shared, headers: &HeaderMap, messages: &[Message]) {
        let mut state = shared.lock();
        if self.lose_session {
            let clients = messages.iter().filter_map(|message| message.client.as_deref());
            clients.for_each(|client| state.forget(client));
        }
        if self.revoke_token
            && let Ok(token) = auth::token(headers)
        {
            state.tokens.revoke_good(token);
        }
        if let Some(down) = self.restart {
            state.down = Duration::from_millis(down);
            shared.restart.notify_one();
        }
    }

    /// Whether a request is one of those that may meet it.
    fn concerns(&self, asked: &Asked<'_>) -> bool {
        let of_channel = |wanted: &String| asked.any(|message| message.channel.as_ref() == Some(wanted));
        let of_client = |wanted: &String| asked.any(|message| message.client.as_ref() == Some(wanted));
        let of_user = |wanted: &String| asked.user.is_some_and(|user| user.eq_ignore_ascii_case(wanted));
        let of_path = match (&self.path, asked.path) {
            (Some(start), Some(path)) => path.starts_with(start),
            (wanted, path) => wanted.is_none() && path.is_none(),
        };
        of_path
            && self.channel.as_ref().is_none_or(of_channel)
            && self.client.as_ref().is_none_or(of_client)
            && self.user.as_ref().is_none_or(of_user)
    }
}

impl Refused {
    fn refusal(&self) -> Refusal {
        Refusal {
            error: self.error.clone().into(),
            advice: self.advice.clone(),
            failure: self.failure.clone().map(Into::into),
        }
    }
}
