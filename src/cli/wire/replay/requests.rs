//! The session's requests beside the recorded ones.

use std::time::Duration;

use super::{Asks, Open, Outcome, Replay, Request, Share, What, tailor, words};
use crate::bayeux::Wanted;
use crate::bayeux::border::{Exchange, ExchangeId, Lane, Reply};
use crate::bayeux::contract::Input;
use crate::bayeux::session::Session;
use crate::bayeux::subscription::Standing;
use crate::cli::wire::asks::{Named, messages};
use crate::cli::wire::tailor::Ids;
use crate::event::{Channel, ReplayId};

impl<'t> Replay<'t, '_> {
    pub(super) fn on_send(&mut self, exchange: &Exchange) {
        let text = String::from_utf8_lossy(&exchange.body);
        let Some((asks, ids)) = messages(&text).pop() else { return };
        let mut left = Vec::new();
        if matches!(asks, Asks::Handshake { .. }) && self.ledger.next_handshake().is_some_and(|at| at > 0) {
            left = self.ledger.close_epoch();
        }
        self.tell_left(&left);
        let by_socket = exchange.lane == Lane::Socket;
        let place = self.ledger.take(&asks, by_socket);
        let recorded = place.and_then(|at| self.ledger.request(at));
        self.say(What::Sent, words::asks(&asks), recorded.map(|one| one.entry));
        match recorded {
            Some(recorded) => self.on_like(exchange, asks, &ids, recorded),
            None if by_socket && self.is_refused_a_socket() => self.await_refusal(exchange, asks),
            None => self.on_unlike(exchange, asks, &ids),
        }
    }

    /// The recorded client sent the like.
    fn on_like(&mut self, exchange: &Exchange, asks: Asks, own: &[Named], recorded: &'t Request) {
        if let Some(difference) = difference(&asks, &recorded.asks) {
            self.say(What::Deviation, difference, Some(recorded.entry));
        }
        self.drift = self.clock.saturating_sub(recorded.start);
        let ids = matching(own, &recorded.ids);
        let by_socket = exchange.lane == Lane::Socket;
        let mut open =
            Open { id: exchange.id, asks, entry: Some(recorded.entry), by_socket, due: None, outcome: None };
        if by_socket {
            self.socket_ids.extend(ids);
            self.open_socket(&mut open, exchange.deadline);
        } else if let Some(outcome) = self.outcome_of(recorded) {
            open.outcome = Some(fitted(&outcome, &ids, recorded));
            let took = recorded.end.saturating_sub(recorded.start);
            let on_time = self.clock <= recorded.start;
            open.due = Some(if on_time { recorded.end } else { self.clock + took });
        }
        self.open.push(open);
    }

    /// The recorded client sent nothing like it.
    fn on_unlike(&mut self, exchange: &Exchange, asks: Asks, own: &[Named]) {
        let mut open = Open {
            id: exchange.id,
            asks,
            entry: None,
            by_socket: exchange.lane == Lane::Socket,
            due: None,
            outcome: None,
        };
        match self.ledger.first_left() {
            None => self.say(What::Note, "the capture ends before an answer to this".into(), None),
            Some(next) => {
                let text = format!(
                    "the session of today sends {}; recorded is {}",
                    words::asks(&open.asks),
                    words::asks(&next.asks)
                );
                self.say(What::Deviation, text, Some(next.entry));
                if self.ledger.is_epoch_open() && !open.by_socket {
                    open.outcome = made_up(&open.asks, own);
                    open.due = open.outcome.as_ref().map(|_| self.clock);
                }
                if open.due.is_some() {
                    self.say(What::Note, "taken as successful, to go on".into(), None);
                }
            }
        }
        self.open.push(open);
    }

    pub(super) fn on_cancel(&mut self, id: ExchangeId) {
        if let Some(at) = self.open.iter().position(|open| open.id == id) {
            let open = self.open.swap_remove(at);
            if !open.by_socket {
                self.say(What::Decided, format!("gives up: {}", words::asks(&open.asks)), open.entry);
            }
        }
    }

    /// Nothing happens any more, and recorded requests are left: begins anew with the next recorded handshake.
    pub(super) fn is_unstuck(&mut self) -> bool {
        let Some(at) = self.ledger.next_handshake().filter(|_| self.ledger.left() > 0) else { return false };
        let Some(next) = self.ledger.request(at) else { return false };
        let waiting = self.open.first().map_or_else(
            || format!("the session of today is {}", self.session.state()),
            |open| format!("the session of today waits for the answer to {}", words::asks(&open.asks)),
        );
        self.clock = self.clock.max(next.start);
        self.say(What::Deviation, format!("{waiting}; recorded is a handshake"), Some(next.entry));
        self.say(What::Note, "begins anew from here".into(), None);
        let left = self.ledger.close_epoch();
        self.tell_left(&left);
        self.restart();
        true
    }

    fn restart(&mut self) {
        self.open.clear();
        self.config.positions.clone_from(&self.positions);
        self.session = Session::new(self.config.clone(), super::SEED, self.now(), None);
        self.give(Input::Start);
    }

    /// The next recorded request that may be an act of a person, and its time.
    pub(super) fn next_act(&mut self) -> Option<(Duration, usize)> {
        loop {
            let request = self.ledger.request(self.acts)?;
            let is_act = matches!(request.asks, Asks::Subscribe(_) | Asks::Unsubscribe(_) | Asks::Disconnect);
            if is_act && !self.ledger.is_used(self.acts) {
                return Some((request.start + self.drift, self.acts));
            }
            self.acts += 1;
        }
    }

    /// The recorded client has sent what the session has not: what it was asked for, the session is asked for.
    pub(super) fn act(&mut self, place: usize) {
        self.acts = place + 1;
        let Some(request) = self.ledger.request(place) else { return };
        match &request.asks {
            Asks::Unsubscribe(channel) => {
                self.say(What::Note, format!("a person unsubscribes {channel}"), Some(request.entry));
                if let Ok(channel) = Channel::parse(channel) {
                    self.give(Input::Unsubscribe(channel));
                }
            }
            Asks::Disconnect => {
                self.say(What::Note, "a person ends it".into(), Some(request.entry));
                self.give(Input::Close { disconnect: true });
                self.leave_out(place);
            }
            Asks::Subscribe(channels) => self.act_subscribe(place, request, channels),
            Asks::Handshake { .. } | Asks::Connect { .. } => {}
        }
    }

    fn act_subscribe(&mut self, place: usize, request: &Request, channels: &[(String, Option<i64>)]) {
        for (name, replay) in channels {
            let Ok(channel) = Channel::parse(name) else { continue };
            let standing = self.session.standings().find(|(known, _)| **known == channel).map(|(_, one)| one);
            let news = match standing {
                None => "a person subscribes",
                Some(Standing::Refused(..)) => "asked again, sooner than the session of today would:",
                Some(_) => continue,
            };
            self.say(What::Note, format!("{news} {name}"), Some(request.entry));
            let replay = replay.map_or(ReplayId::NEW, ReplayId);
            self.give(Input::Subscribe(Wanted { channel, replay }));
        }
        let is_check = request.is_beside && self.session.state() == "live";
        if is_check && !self.ledger.is_used(place) {
            let text = format!("{}, a check for missed events, it seems", words::asks(&request.asks));
            self.say(What::Note, text, Some(request.entry));
            self.ledger.skip(place);
        }
    }

    /// What the session has no use for and needs no word.
    fn leave_out(&mut self, place: usize) {
        if self.session.is_closed() && !self.ledger.is_used(place) {
            self.ledger.skip(place);
        }
    }
}

/// What a request of the session has otherwise than the recorded one.
fn difference(today: &Asks, recorded: &Asks) -> Option<String> {
    match (today, recorded) {
        (Asks::Connect { ack: one, .. }, Asks::Connect { ack: other, .. }) if one != other => {
            let shown = |ack: &Option<i64>| ack.map_or_else(|| "nothing".into(), |ack| ack.to_string());
            Some(format!("the session of today acknowledges {}; recorded is {}", shown(one), shown(other)))
        }
        (Asks::Connect { client: one, .. }, Asks::Connect { client: other, .. }) if one != other => {
            Some(format!("the session of today is {one}; recorded is {other}"))
        }
        (Asks::Subscribe(one), Asks::Subscribe(other)) => {
            let (mut one, mut other) = (one.clone(), other.clone());
            one.sort();
            other.sort();
            (one != other).then(|| {
                let shown = |channels| words::asks(&Asks::Subscribe(channels));
                format!("the session of today: {}; recorded: {}", shown(one), shown(other))
            })
        }
        _ => None,
    }
}

/// The session's ids by the recorded ones: of the same channel, else in their order.
fn matching(own: &[Named], recorded: &[Named]) -> Ids {
    let named = recorded.iter().filter_map(|(name, id)| {
        let same = own.iter().find(|(own_name, _)| name.is_some() && own_name == name)?;
        Some((id.clone(), same.1.clone()))
    });
    let mut ids: Ids = named.collect();
    if ids.is_empty() {
        ids = recorded.iter().zip(own).map(|((_, id), (_, own))| (id.clone(), own.clone())).collect();
    }
    ids
}

fn fitted(outcome: &Outcome, ids: &Ids, recorded: &Request) -> Outcome {
    let share =
        recorded.is_shared.then(|| Share { channel: recorded.asks.channel(), rest: recorded.is_first });
    match outcome {
        Ok(reply) => Ok(Reply { body: tailor::fit(&reply.body, ids, share), ..reply.clone() }),
        Err(fault) => Err(fault.clone()),
    }
}

/// A success for what changes no more than the session's own books.
fn made_up(asks: &Asks, own: &[Named]) -> Option<Outcome> {
    if !matches!(asks, Asks::Subscribe(_) | Asks::Unsubscribe(_)) {
        return None;
    }
    let replies = own.iter().map(|(name, id)| {
        serde_json::json!({"channel": asks.channel(), "id": id, "subscription": name, "successful": true})
    });
    let body = serde_json::Value::from(replies.collect::<Vec<_>>()).to_string();
    Some(Ok(Reply { status: 200, retry_after: None, body: body.into() }))
}
