//! What follows the replies to subscriptions and unsubscriptions.
//!
//! A refused channel is marked and tried again slowly; the others go on.

use std::time::Duration;

use super::border::Fault;
use super::contract::Output;
use super::decode::{Kind, Meta};
use super::notice::Notice;
use super::refusal::Meaning;
use super::reply::{Reading, Refusal, refusal_of};
use super::session::Session;
use super::state::{Client, Next, State};
use super::subscription::Standing;
use super::{ReplayLost, Wanted};
use crate::event::{Channel, ReplayId};

/// What a refused channel waits for, in longest retry waits: minutes, by default five.
const SLOW_WAITS: u32 = 5;

impl Session {
    /// The first subscriptions of a session were answered; a connect follows, or the rest of them.
    pub(super) fn on_subscribe(&mut self, client: Client, outcome: Result<Reading, Fault>) {
        let reading = match outcome {
            Ok(reading) => reading,
            Err(fault) => {
                self.ask_again(None);
                return self.failed(fault, Next::Subscribe(client));
            }
        };
        match self.apply(&reading) {
            Applied::Answered => self.subscribe_or_connect(client),
            Applied::Refused(refusal) => {
                self.ask_again(None);
                self.refused_subscribing(client, refusal);
            }
            Applied::Unanswered => {
                self.ask_again(None);
                self.misbehaved("no reply to a subscription in its response", Next::Subscribe(client));
            }
        }
    }

    /// Like [`Session::refused`], but what follows a wait is the subscription.
    fn refused_subscribing(&mut self, client: Client, refusal: Refusal) {
        self.refused(Some(client), refusal);
        if let State::Resting { then, .. } = &mut self.state
            && let Next::Connect(client) = then
        {
            *then = Next::Subscribe(client.clone());
        }
    }

    /// Subscriptions beside an open poll were answered.
    pub(super) fn on_side_subscribe(&mut self, outcome: Result<Reading, Fault>) {
        let reading = match outcome {
            Ok(reading) => reading,
            Err(fault) => {
                let retry_in = self.pace_of_side();
                self.ask_again(Some(retry_in));
                return self.say(Notice::Failed { fault, retry_in });
            }
        };
        match self.apply(&reading) {
            Applied::Answered => {}
            Applied::Refused(refusal) => self.side_refused(refusal),
            Applied::Unanswered => {
                let retry_in = self.pace_of_side();
                self.ask_again(Some(retry_in));
                let what = String::from("no reply to a subscription in its response");
                self.say(Notice::Misbehaved { what, retry_in });
            }
        }
        self.save_subscriptions();
    }

    /// A session that is unknown or a token that is refused on the side is so on the poll as well, which might
    /// hear of it only at its timeout.
    fn side_refused(&mut self, refusal: Refusal) {
        let Refusal { meaning, text, retry_after, advice } = refusal;
        if let (State::Polling { exchange, .. }, Meaning::UnknownClient | Meaning::Unauthenticated) =
            (&self.state, meaning)
        {
            let exchange = *exchange;
            self.put(Output::Cancel(exchange));
            return self.refused(None, Refusal { meaning, text, advice, retry_after });
        }
        let retry_in = self.pace_of_side().max(retry_after.unwrap_or_default());
        self.ask_again(Some(retry_in));
        self.say(Notice::Refused { channel: None, text, meaning, retry_in: Some(retry_in) });
    }

    /// A subscription was taken back, or was not: then the server's session still ends some day, and events that
    /// nobody wants are filtered until it does.
    pub(super) fn on_unsubscribe(&mut self, channel: Channel, outcome: Result<Reading, Fault>) {
        let confirmed = outcome.as_ref().is_ok_and(|reading| {
            reading.metas.iter().any(|meta| meta.kind == Kind::Unsubscribe && meta.successful == Some(true))
        });
        if confirmed {
            self.say(Notice::Unsubscribed { channel });
        } else if let Err(fault) = outcome {
            let retry_in = self.pace_of_side();
            self.say(Notice::Failed { fault, retry_in });
        }
        self.save_subscriptions();
    }

    fn save_subscriptions(&mut self) {
        if let State::Polling { client, .. } = &self.state {
            let client = client.clone();
            self.snapshot(&client);
        }
    }

    /// The side lane has no back-off of its own: the poll's health is what the session's is reset by.
    fn pace_of_side(&self) -> Duration {
        self.config.retry.max
    }

    /// Marks what was asked for and not answered, to be asked again at once or after a wait.
    fn ask_again(&mut self, wait: Option<Duration>) {
        let standing = wait
            .map_or(Standing::Pending, |wait| Standing::Refused(Meaning::Busy, Some(self.now.mono + wait)));
        for one in self.subscriptions.unanswered() {
            one.standing = standing;
        }
    }

    /// Takes over what a response says of each channel that was asked for.
    fn apply(&mut self, reading: &Reading) -> Applied {
        for meta in reading.metas.iter().filter(|meta| meta.kind == Kind::Subscribe) {
            let Some(channel) = self.channel_of(meta) else {
                continue;
            };
            if meta.successful == Some(true) {
                self.subscribed(&channel);
                continue;
            }
            let refusal = refusal_of(meta, reading);
            match refusal.meaning {
                Meaning::UnknownClient | Meaning::Unauthenticated => return Applied::Refused(refusal),
                Meaning::TooLarge if self.halve() => return Applied::Answered,
                _ => self.channel_refused(&channel, refusal),
            }
        }
        if self.subscriptions.unanswered().next().is_none() {
            return Applied::Answered;
        }
        match reading.refusal() {
            Some(refusal) if refusal.meaning == Meaning::TooLarge && self.halve() => Applied::Answered,
            Some(refusal) if reading.is_bad_request() => self.narrow_down(refusal),
            Some(refusal) => Applied::Refused(refusal),
            None => Applied::Unanswered,
        }
    }

    /// The channel that a reply speaks of: by its id, else by its name, else the only one that was asked for.
    fn channel_of(&mut self, meta: &Meta) -> Option<Channel> {
        let id = meta.id.as_ref().and_then(|id| id.parse().ok());
        if let Some(one) = id.and_then(|id| self.subscriptions.find_asked(id)) {
            return Some(one.channel.clone());
        }
        if let Some(name) = meta.subscriptions.first() {
            let asked =
                self.subscriptions.find(name).filter(|one| matches!(one.standing, Standing::Asked(_)));
            return asked.map(|one| one.channel.clone());
        }
        let mut unanswered = self.subscriptions.unanswered();
        let only = unanswered.next().map(|one| one.channel.clone());
        only.filter(|_| unanswered.next().is_none())
    }

    fn subscribed(&mut self, channel: &Channel) {
        let replay = self.state.client().is_some_and(|client| client.replay);
        if let Some(one) = self.subscriptions.find(channel.as_str()) {
            one.standing = Standing::Live;
            let asked = one.asks_for();
            self.say(Notice::Subscribed { channel: channel.clone(), replay: replay.then_some(asked) });
        }
    }

    fn channel_refused(&mut self, channel: &Channel, refusal: Refusal) {
        let Refusal { meaning, text, .. } = refusal;
        if meaning == Meaning::ReplayLost {
            return self.replay_lost(channel);
        }
        let wait = match meaning {
            Meaning::Busy => self.config.retry.max,
            _ => self.config.retry.max * SLOW_WAITS,
        };
        let at = self.now.mono + wait;
        if let Some(one) = self.subscriptions.find(channel.as_str()) {
            one.standing = Standing::Refused(meaning, Some(at));
        }
        self.say(Notice::Refused { channel: Some(channel.clone()), text, meaning, retry_in: Some(wait) });
    }

    fn replay_lost(&mut self, channel: &Channel) {
        let then = match self.config.replay_lost {
            ReplayLost::All => Some(ReplayId::ALL),
            ReplayLost::New => Some(ReplayId::NEW),
            ReplayLost::Stop => None,
        };
        let Some(one) = self.subscriptions.find(channel.as_str()) else {
            return;
        };
        let asked = one.asks_for();
        // A server that refuses even the fallback must not be asked in a circle.
        let then = then.filter(|then| asked != *then);
        match then {
            Some(start) => {
                one.begin_from(start);
                one.standing = Standing::Pending;
            }
            None => one.standing = Standing::Refused(Meaning::ReplayLost, None),
        }
        self.say(Notice::ReplayLost { channel: channel.clone(), asked, then });
    }

    /// Fewer subscriptions in a request; tells whether that is possible.
    fn halve(&mut self) -> bool {
        let asked = self.subscriptions.unanswered().count();
        self.batch_most = asked / 2;
        let possible = self.batch_most > 0;
        if possible {
            self.ask_again(None);
        } else {
            self.batch_most = 1;
        }
        possible
    }

    /// Some servers answer a request with 400 as a whole because of one bad channel in it: halved until it stands
    /// alone, that one is refused and the others go on together.
    fn narrow_down(&mut self, refusal: Refusal) -> Applied {
        if self.halve() {
            return Applied::Answered;
        }
        self.batch_most = usize::MAX;
        let bad: Vec<_> = self.subscriptions.unanswered().map(|one| one.channel.clone()).collect();
        let Refusal { text, advice, retry_after, .. } = refusal;
        for channel in bad {
            let meaning = Meaning::BadChannel;
            let refusal = Refusal { meaning, text: text.clone(), advice: advice.clone(), retry_after };
            self.channel_refused(&channel, refusal);
        }
        Applied::Answered
    }

    /// Every channel is refused: nothing will arrive until that changes. For a command that has nothing else to
    /// do, the first refusal's meaning.
    pub fn nothing_left(&self) -> Option<Meaning> {
        let mut first = None;
        for (_, standing) in self.standings() {
            match standing {
                Standing::Refused(Meaning::Busy, _) => return None,
                Standing::Refused(meaning, _) => first = first.or(Some(meaning)),
                _ => return None,
            }
        }
        first
    }
}

enum Applied {
    /// Every channel that was asked for was answered, or is to be asked again in a smaller request.
    Answered,
    /// The request as a whole was refused.
    Refused(Refusal),
    /// The response left channels out.
    Unanswered,
}

impl From<Channel> for Wanted {
    /// New events only.
    fn from(channel: Channel) -> Self {
        Self { channel, replay: ReplayId::NEW }
    }
}
