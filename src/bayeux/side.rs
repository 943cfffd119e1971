//! What goes beside an open poll: subscriptions and unsubscriptions, one request at a time.

use std::time::Duration;

use super::border::{Fault, Lane};
use super::contract::Output;
use super::decode::Kind;
use super::encode;
use super::notice::Notice;
use super::reading::Reading;
use super::reply::Refusal;
use super::session::Session;
use super::state::State;
use super::subscribing::{Applied, Failure};
use super::subscription::Ids;
use crate::event::Channel;

/// What the side lane carries.
#[derive(Clone, Debug)]
pub(super) enum Side {
    Subscribe(Ids),
    Unsubscribe(Channel),
}

impl Session {
    /// While a poll is open, what is wanted besides goes over the other connection.
    pub(super) fn use_side_lane(&mut self) {
        let State::Polling { client, .. } = &self.state else {
            return;
        };
        if self.side.is_some() || !client.proven {
            return;
        }
        let client = client.clone();
        self.recheck_if_due(client.replay);
        if let Some(channel) = self.unwanted.pop_front() {
            let body = encode::unsubscribe(self.message_id(), &client.id, &channel);
            let exchange = self.send(Lane::Side, body, self.config.request_timeout);
            self.side = Some((exchange, Side::Unsubscribe(channel)));
        } else if self.subscriptions.any_due(self.now.mono)
            && let Some((body, ids)) = self.subscribe_body(&client, true)
        {
            let exchange = self.send(Lane::Side, body, self.config.request_timeout);
            self.side = Some((exchange, Side::Subscribe(ids)));
        }
    }

    /// Subscriptions beside an open poll were answered.
    pub(super) fn on_side_subscribe(&mut self, ids: &Ids, outcome: Result<Reading, Fault>) {
        if let Some(client) = self.state.client().cloned() {
            self.suspect_if_cut(&client, &outcome);
        }
        let failure = match outcome {
            Ok(reading) => match self.apply(&reading, ids) {
                Applied::Answered => None,
                Applied::Session(refusal) => return self.side_refused(refusal),
                Applied::Failed(failure) => Some(failure),
                Applied::Incomplete => Some(Failure::incomplete()),
            },
            Err(fault) => Some(Failure::of(&fault)),
        };
        if let Some(failure) = failure {
            self.failed_requests = self.failed_requests.saturating_add(1);
            let asked = self.subscriptions.unanswered(ids).count();
            self.batch_most = (asked / 2).max(1);
            self.leave_for_later(&failure, ids);
        }
        self.save_subscriptions();
    }

    /// A session that is unknown or a token that is refused on the side is so on the poll as well, which might
    /// hear of it only at its timeout.
    fn side_refused(&mut self, refusal: Refusal) {
        if let State::Polling { exchange, .. } | State::Subscribing { exchange, .. } = &self.state {
            let exchange = *exchange;
            self.put(Output::Cancel(exchange));
        }
        self.refused(None, refusal);
    }

    /// A subscription was taken back, or was not: then the server's session still ends some day, and events that
    /// nobody wants are filtered until it does.
    pub(super) fn on_unsubscribe(&mut self, channel: Channel, outcome: Result<Reading, Fault>) {
        if let Some(client) = self.state.client().cloned() {
            self.suspect_if_cut(&client, &outcome);
        }
        let confirmed = outcome.as_ref().is_ok_and(|reading| {
            reading.metas.iter().any(|meta| meta.kind == Kind::Unsubscribe && meta.successful == Some(true))
        });
        if confirmed {
            self.say(Notice::Unsubscribed { channel });
        } else if let Err(fault) = outcome {
            self.say(Notice::Misbehaved {
                what: format!("unsubscribe {channel}: {fault}"),
                retry_in: Duration::ZERO,
            });
        }
        self.save_subscriptions();
    }

    fn save_subscriptions(&mut self) {
        if let State::Polling { client, .. } = &self.state {
            let client = client.clone();
            self.snapshot(&client);
        }
    }
}
