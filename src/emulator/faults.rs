//! Faults on demand: what a broken network, proxy or overloaded server does to a request.
//!
//! What chance decides (whom a fault at a rate meets, where a body is cut, in which order events come) follows from
//! the fault's seed and from how many requests it concerned before, so that a test sees the same again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::HeaderMap;
use serde::Deserialize;

use super::auth;
use super::message::Message;
use super::state::State;

/// The longest delay, in milliseconds: an hour.
const DELAY_MAX: u64 = 3_600_000;

/// What requests meet instead of an answer, or beside it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a member of the request of its own")]
pub(super) struct Fault {
    /// How many requests meet it; 0 ends a fault that is on. Without it, which takes a rate: any number.
    pub(super) next: Option<u64>,
    /// Which part of the requests concerned meets it, above 0 and at most 1; all of them without it.
    rate: Option<f64>,
    /// What chance follows from.
    #[serde(default)]
    seed: u64,
    /// Only requests that hold a message of this channel, such as `/meta/connect`.
    channel: Option<String>,
    /// Only requests whose path begins so, such as `/services/oauth2/`; without it only Bayeux requests.
    path: Option<String>,
    /// Whether the server acts on the request first, and the answer with its events is lost; and whether sessions and
    /// tokens are lost after the answer was made.
    #[serde(default)]
    pub(super) after: bool,
    /// Close the TCP connection without a reply.
    #[serde(default)]
    pub(super) close: bool,
    /// The HTTP status, 200 to 599; 200 without it.
    status: Option<u16>,
    /// What passes before the reply, in milliseconds.
    delay: Option<u64>,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<u64>,
    /// The body; empty without it.
    #[serde(default)]
    pub(super) body: String,
    /// Where the body ends too early; the connection is closed there.
    #[serde(default)]
    cut: Place,
    /// Which byte of the body arrives with every bit the other way round.
    #[serde(default)]
    corrupt: Place,
    /// Whether the events of a response are in another order.
    #[serde(default)]
    pub(super) reorder: bool,
    /// Whether the sessions that the request names are forgotten.
    #[serde(default)]
    lose_session: bool,
    /// Whether the access token that the request carries is revoked.
    #[serde(default)]
    revoke_token: bool,
}

/// A place in a body.
#[derive(Clone, Copy, Debug, Deserialize)]
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
        let of_sessions = self.reorder || self.lose_session;
        let wrong = match self.status {
            Some(status) if !(200..600).contains(&status) => "status: 200 to 599 is wanted",
            _ if self.delay.is_some_and(|delay| delay > DELAY_MAX) => "delay: at most an hour is wanted",
            _ if self.next.is_none() && self.rate.is_none() => "next or rate: one of them is wanted",
            _ if !good_rate => "rate: a number above 0 and at most 1 is wanted",
            _ if self.path.is_some() && self.channel.is_some() => {
                "path and channel: only one of them is wanted"
            }
            _ if self.path.is_some() && of_sessions => {
                "path: only Bayeux requests have events to reorder and sessions to lose"
            }
            _ => return Ok(()),
        };
        Err(wrong.to_owned())
    }

    /// What passes before the reply.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay.unwrap_or(0))
    }

    /// Whether the answer comes, be it late, damaged or of another session.
    pub(super) fn keeps_answer(&self) -> bool {
        let reply =
            self.close || self.status.is_some() || self.retry_after.is_some() || !self.body.is_empty();
        let damage = self.cut.is_asked_for() || self.corrupt.is_asked_for() || self.reorder;
        !reply && (self.delay.is_some() || damage || self.lose_session || self.revoke_token)
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.status.unwrap_or(200)
    }

    /// Takes away what the sender of a request has.
    pub(super) fn strike(&self, state: &mut State, headers: &HeaderMap, messages: &[Message]) {
        if self.lose_session {
            let clients = messages.iter().filter_map(|message| message.client.as_deref());
            clients.for_each(|client| state.forget(client));
        }
        if self.revoke_token
            && let Ok(token) = auth::token(headers)
        {
            state.tokens.revoke_good(token);
        }
    }

    fn concerns(&self, messages: &[Message]) -> bool {
        let named = |wanted: &String| messages.iter().any(|message| message.channel.as_ref() == Some(wanted));
        self.path.is_none() && self.channel.as_ref().is_none_or(named)
    }

    fn concerns_path(&self, path: &str) -> bool {
        self.path.as_deref().is_some_and(|start| path.starts_with(start))
    }
}

/// A fault that is on.
#[derive(Debug)]
pub(super) struct Active {
    fault: Arc<Fault>,
    left: Option<u64>,
    rng: Rng,
}

/// A fault that one request meets.
#[derive(Debug)]
pub(super) struct Met {
    /// What it does.
    pub(super) fault: Arc<Fault>,
    rng: Rng,
}

impl Active {
    /// Switches a checked fault on; nothing where it is to meet no request.
    pub(super) fn new(fault: Fault) -> Option<Self> {
        let on = fault.next != Some(0);
        let rng = Rng::with_seed(fault.seed);
        on.then(|| Self { left: fault.next, fault: Arc::new(fault), rng })
    }

    /// What a request of these messages meets; counts it.
    pub(super) fn meets(&mut self, messages: &[Message]) -> Option<Met> {
        if self.fault.concerns(messages) { self.draw() } else { None }
    }

    /// What a request for `path` meets; counts it.
    pub(super) fn meets_path(&mut self, path: &str) -> Option<Met> {
        if self.fault.concerns_path(path) { self.draw() } else { None }
    }

    fn draw(&mut self) -> Option<Met> {
        if self.left == Some(0) {
            return None;
        }
        // Both are drawn for each request, so that what one meets does not depend on what the fault does.
        let (drawn, seed) = (self.rng.f64(), self.rng.u64(..));
        if self.fault.rate.is_some_and(|rate| drawn >= rate) {
            return None;
        }
        self.left = self.left.map(|left| left - 1);
        Some(Met { fault: Arc::clone(&self.fault), rng: Rng::with_seed(seed) })
    }
}

impl Met {
    /// Puts things into another order, if there are two that can change places.
    pub(super) fn shuffle<T: Clone + PartialEq>(&mut self, things: &mut [T]) {
        let before = things.to_vec();
        self.rng.shuffle(things);
        if things == before && things.len() > 1 {
            things.rotate_left(1);
        }
    }

    /// The body as it is sent, and after how many bytes it is cut.
    pub(super) fn damage(&mut self, body: Bytes) -> (Bytes, Option<usize>) {
        let cut = self.fault.cut.within(body.len(), &mut self.rng);
        let Some(at) = self.fault.corrupt.within(body.len(), &mut self.rng) else {
            return (body, cut);
        };
        let mut bytes = body.to_vec();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = !*byte;
        }
        (bytes.into(), cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(fault: serde_json::Value) -> Active {
        let fault: Fault = serde_json::from_value(fault).unwrap();
        fault.check().unwrap();
        Active::new(fault).unwrap()
    }

    #[test]
    fn a_rate_meets_that_part_and_the_same_again_with_the_same_seed() {
        let met = |seed: u64| {
            let mut active = active(serde_json::json!({"rate": 0.2, "seed": seed, "close": true}));
            (0..10_000).map(|_| active.meets(&[]).is_some()).collect::<Vec<_>>()
        };
        let first = met(1);
        let count = first.iter().filter(|met| **met).count();
        assert!((1700..2300).contains(&count), "{count}");
        assert_eq!(first, met(1));
        assert_ne!(first, met(2));
        let mut few = active(serde_json::json!({"rate": 0.5, "next": 3}));
        assert_eq!((0..1000).filter(|_| few.meets(&[]).is_some()).count(), 3);
    }

    #[test]
    fn bodies_are_damaged_where_the_fault_says_or_anywhere() {
        let damage = |fault, body: &'static str| active(fault).draw().unwrap().damage(Bytes::from(body));
        let (body, cut) = damage(serde_json::json!({"next": 1, "cut": 2, "corrupt": 1}), "abc");
        assert_eq!((&*body, cut), (&[b'a', !b'b', b'c'][..], Some(2)));
        let (body, cut) = damage(serde_json::json!({"next": 1, "cut": 9, "corrupt": 9}), "abc");
        assert_eq!((&*body, cut), (&[b'a', b'b', !b'c'][..], Some(2)));
        let (body, cut) = damage(serde_json::json!({"next": 1, "cut": true, "corrupt": true}), "abc");
        assert!(cut.is_some_and(|cut| cut < 3) && String::from_utf8(body.to_vec()).is_err());
        assert_eq!(
            damage(serde_json::json!({"next": 1, "cut": true, "corrupt": 0}), ""),
            (Bytes::new(), None)
        );
    }

    #[test]
    fn another_order_is_another_one() {
        for seed in 0..20 {
            let mut met =
                active(serde_json::json!({"next": 1, "seed": seed, "reorder": true})).draw().unwrap();
            let mut things = [1, 2];
            met.shuffle(&mut things);
            assert_eq!(things, [2, 1]);
            met.shuffle(&mut [1]);
        }
    }
}
