//! What is taken out of every response, whatever it answers: events, advice, what cannot be read.

use std::time::Duration;

use bytes::Bytes;

use super::advice::{Advice, excerpt};
use super::border::Reply;
use super::contract::Output;
use super::decode::{Bad, Decoded, Kind, Meta, decode};
use super::notice::Notice;
use super::refusal::Meaning;
use super::reply::{EXHAUSTED_WAITS, Refusal};
use super::session::Session;
use crate::event::{Batch, BatchBuilder, Channel};

/// A reply after its events have been taken out.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) metas: Vec<Meta>,
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// Whether it brought events that are news.
    pub(super) had_events: bool,
    pub(super) whole: bool,
    /// Whether any message of a server stood in it.
    answered: bool,
    body: Bytes,
}

impl Reading {
    pub(super) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// What the server's HTTP status says where its body says nothing.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        (!self.is_success()).then(|| Refusal {
            meaning: Meaning::of_status(self.status),
            text: format!("HTTP status {}{}", self.status, self.quote()),
            advice: Advice::default(),
            retry_after: self.retry_after,
        })
    }

    /// The reply to the message of this id: ids come back as they were sent, as numbers, or not at all.
    pub(super) fn reply_to(&self, kind: Kind, asked: u64) -> Option<&Meta> {
        let asked = asked.to_string();
        let of_kind = || self.metas.iter().filter(|meta| meta.kind == kind);
        let by_id = |id| of_kind().find(move |meta| meta.id.as_deref() == id);
        by_id(Some(asked.as_str())).or_else(|| by_id(None)).or_else(|| of_kind().next())
    }

    /// Whether no event can have been in it that was not seen: it was read to its end, and is a server's answer
    /// and not the page of somebody on the way.
    pub(super) fn is_understood(&self) -> bool {
        self.whole && self.answered
    }

    /// Why something may be missing where it was not understood.
    pub(super) fn doubt(&self) -> String {
        if self.is_success() {
            return String::from("a response could not be read to its end");
        }
        format!("HTTP status {} came in the place of a response", self.status)
    }

    /// Whether the server found the request itself wrong.
    pub(super) const fn is_bad_request(&self) -> bool {
        self.status == 400
    }

    /// The length of its body, in bytes.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    pub(super) fn quote(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        match text.trim() {
            "" => String::from(" with an empty body"),
            text => format!(": {}", excerpt(text)),
        }
    }
}

impl Session {
    pub(super) fn read(&mut self, reply: Reply) -> Reading {
        let decoded = decode(&reply.body);
        self.take_in(decoded, reply)
    }

    pub(super) fn take_in(&mut self, mut decoded: Decoded, reply: Reply) -> Reading {
        let Reply { status, retry_after, body } = reply;
        let longest = self.config.retry.max * EXHAUSTED_WAITS;
        let retry_after = retry_after.map(|asked| asked.min(longest));
        if !decoded.whole && self.resends() {
            decoded.events = BatchBuilder::default();
        }
        let answered = !decoded.metas.is_empty() || !decoded.events.is_empty();
        let had_events = self.deliver(&mut decoded);
        // The body of an HTTP error is a page for people, not a message that was lost.
        if (200..300).contains(&status) && (answered || self.sockets.way.is_socket()) {
            self.set_aside(decoded.bad, decoded.bad_count);
        }
        if decoded.whole {
            self.heard = self.now.wall;
        }
        for advice in decoded.metas.iter().filter_map(|meta| meta.advice.as_ref()) {
            self.on_advice(advice);
        }
        let (metas, whole) = (decoded.metas, decoded.whole);
        Reading { metas, status, retry_after, had_events, whole, answered, body }
    }

    /// Hands the events on that can be taken and are news; whether there were any.
    fn deliver(&mut self, decoded: &mut Decoded) -> bool {
        let events = &mut decoded.events;
        if self.subscriptions.any_suspect() {
            self.subscriptions.drop_of(events.channels());
            events.retain(|channel| self.subscriptions.accepts(channel));
        }
        let sifted = self.recent.sift(&decoded.body, events, decoded.names_session);
        if sifted.repeats > 0 || sifted.late > 0 {
            self.say(Notice::Sifted { repeats: sifted.repeats, late: sifted.late });
        }
        if events.is_empty() {
            return false;
        }
        let connection = self.config.connection.clone();
        let events = std::mem::take(events);
        let batch = Batch::new(connection, self.now.wall, decoded.body.clone(), events);
        self.unnumbered = self.unnumbered.saturating_add(batch.unnumbered());
        for (channel, replay) in batch.positions() {
            self.subscriptions.deliver(channel, replay, self.now.wall);
        }
        self.put(Output::Deliver(batch));
        true
    }

    /// Positions move past what cannot be read: a replay would bring it back for ever.
    fn set_aside(&mut self, bad: Vec<Bad>, count: usize) {
        let more = count - bad.len();
        for bad in bad {
            if let Some((channel, replay)) = &bad.event
                && let Ok(channel) = Channel::parse(channel)
            {
                let last = self.recent.last(channel.as_str());
                self.subscriptions.pass(&channel, last, *replay);
            }
            self.say(Notice::Malformed(bad));
        }
        if more > 0 {
            self.say(Notice::MoreMalformed(more));
        }
    }

    fn say_once(&mut self, what: &'static str) {
        if !self.advice_told.contains(&what) {
            self.advice_told.push(what);
            self.say(Notice::Advice(what));
        }
    }

    fn on_advice(&mut self, advice: &Advice) {
        // A timeout of zero is the echo of a probe's own.
        if let Some(timeout) = advice.timeout.filter(|timeout| !timeout.is_zero()) {
            self.poll_timeout = timeout;
        }
        if let Some(interval) = advice.interval {
            self.interval = interval;
        }
        let crowd =
            "multiple-clients: another session uses the same cookies, and polls are not held for both";
        let hosts = "hosts: other servers are not followed, a token belongs to one origin";
        for what in
            [advice.multiple_clients.then_some(crowd), advice.hosts.then_some(hosts)].into_iter().flatten()
        {
            self.say_once(what);
        }
        if let Some(odd) = advice.odd.as_ref().filter(|_| !self.odd_advice_told) {
            self.odd_advice_told = true;
            self.say(Notice::OddAdvice(odd.clone()));
        }
    }
}
