//! The next connect before the events of a response: the server prepares the next response while this one is read.
//!
//! Constraints
//! - Only in a session whose server sends its events again, by their replay ids: any other is asked for more when what it
//!   sent is handed on.
//! - Only where a response ends with a plain success of the connect that was asked for, and nothing is in doubt. Whether
//!   anything else stands in it is known when it has been read; then the connect is given up, and all goes as if it had
//!   not been sent.
//! - A server that sends long responses without events is not asked faster for that: the next of them is read first.
//!
//! Operations: [`Session::connect_early`] on an outcome, [`Session::catch_up`] before anything else happens.

use std::time::{Duration, Instant};

use super::border::{ExchangeId, Reply};
use super::contract::Output;
use super::decode::{Kind, Meta, meta, parse_one};
use super::message::text_of;
use super::session::Session;
use super::state::{Client, State};

/// How many bytes from the end of a body on its last message is looked for, and at how many places.
const CLOSING_MAX: usize = 1024;
const CLOSING_LOOKS: usize = 8;

/// A response that comes sooner than this after its connect is one of dense traffic, of which an event waits for others
/// in any case: this share of the size is enough.
const DENSE: Duration = Duration::from_micros(500);
const DENSE_SHARE: usize = 8;

/// A response that is still to be read, and the session as it was before the connect that went out meanwhile.
#[derive(Debug)]
pub(super) struct Behind {
    reply: Reply,
    meta: Meta,
    client: Client,
    asked: u64,
    poll_sent: Instant,
}

impl Session {
    /// Whether a response is still to be read, for a driver that lets what was sent go out before that.
    pub const fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Sends the next connect if that can be told without reading the whole reply, which is then read later; otherwise
    /// gives the reply back.
    pub(super) fn connect_early(&mut self, exchange: ExchangeId, reply: Reply) -> Option<Reply> {
        let Some(mut client) = self.ready_for_more(exchange, &reply) else {
            return Some(reply);
        };
        let id = self.asked.to_string();
        let meta = if may_end_with(&reply.body, &id) { closing_meta(&reply.body) } else { None };
        let Some(meta) = meta.filter(|meta| meta.is_plain_success(&id)) else {
            return Some(reply);
        };
        let (asked, poll_sent) = (self.asked, self.poll_sent);
        let behind = Behind { reply, meta, client: client.clone(), asked, poll_sent };
        self.liveness.poll_ends(self.now.mono);
        self.on_live(&mut client);
        self.connect(client);
        self.behind = Some(Box::new(behind));
        None
    }

    /// The session of the poll that ended so, where nothing but its reply decides what follows.
    fn ready_for_more(&self, exchange: ExchangeId, reply: &Reply) -> Option<Client> {
        let State::Polling { client, exchange: open } = &self.state else {
            return None;
        };
        let again = client.replay && client.ack.is_none() && self.unnumbered == 0;
        let settled = client.proven && !self.sockets.way.is_socket();
        let calm = self.reported_live && self.interval.is_zero() && self.quick_polls == 0;
        let waited = self.now.mono.saturating_duration_since(self.poll_sent);
        let least = self.config.connect_early / if waited < DENSE { DENSE_SHARE } else { 1 };
        let fit = reply.status == 200 && reply.body.len() >= least;
        let asked = *open == exchange && !self.subscriptions.any_suspect();
        (again && settled && calm && fit && asked).then(|| client.clone())
    }

    /// Reads the response that the last connect went before.
    pub(super) fn catch_up(&mut self) {
        let Some(behind) = self.behind.take() else {
            return;
        };
        let Behind { reply, meta, client, asked, poll_sent } = *behind;
        let reading = self.read(reply);
        if reading.is_understood() && matches!(reading.metas.as_slice(), [only] if *only == meta) {
            self.count_quick(reading.had_events, poll_sent);
            return;
        }
        let State::Polling { exchange, .. } = &self.state else {
            return;
        };
        let exchange = *exchange;
        self.put(Output::Cancel(exchange));
        self.suspect(&client, "a connect was given up because of what stood in the response before it");
        (self.asked, self.poll_sent) = (asked, poll_sent);
        self.on_poll(client, Ok(reading));
    }
}

impl Meta {
    /// Whether it says that the connect of this id succeeded, and nothing besides.
    fn is_plain_success(&self, id: &str) -> bool {
        let of_connect = self.kind == Kind::Connect && self.id.as_deref() == Some(id);
        let advises = self.advice.is_some() || self.ack.is_some() || self.error.is_some();
        of_connect && self.successful == Some(true) && !advises
    }
}

/// Whether this id stands near the end of a body, without which it need not be parsed.
fn may_end_with(body: &[u8], id: &str) -> bool {
    let tail = body.get(body.len().saturating_sub(CLOSING_MAX)..).unwrap_or_default();
    memchr::memmem::find(tail, format!("\"{id}\"").as_bytes()).is_some()
}

/// The reply of the protocol that a body ends with, if it does, found from the end.
///
/// Where the body is JSON, that reply is a message of its outermost array: what begins in the middle of a text would end
/// in the middle of one, and so would the body.
pub(super) fn closing_meta(body: &[u8]) -> Option<Meta> {
    let messages = body.trim_ascii_end().strip_suffix(b"]")?.trim_ascii_end();
    let tail = messages.get(messages.len().saturating_sub(CLOSING_MAX)..)?;
    let begins = memchr::memrchr_iter(b'{', tail).take(CLOSING_LOOKS);
    let mut texts = begins.filter_map(|at| std::str::from_utf8(tail.get(at..)?).ok());
    texts.find_map(|text| {
        let (message, _) = parse_one(text).ok().filter(|(_, len)| *len == text.len())?;
        let channel = message.channel.and_then(text_of)?;
        Some(meta(channel.strip_prefix("/meta/")?, &message))
    })
}
