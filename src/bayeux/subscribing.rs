//! What follows the replies to subscriptions and unsubscriptions.
//!
//! A refused channel is marked and tried again slowly; the others go on.

use std::time::Duration;

use super::border::Fault;
use super::decode::{Kind, Meta};
use super::notice::Notice;
use super::reading::Reading;
use super::refusal::Meaning;
use super::reply::{Refusal, refusal_of};
use super::session::Session;
use super::state::{Client, Next};
use super::subscription::{Ids, Standing};
use super::{ReplayLost, Wanted};
use crate::event::{Channel, ReplayId};

/// What a refused channel waits for, in longest retry waits: minutes, by default five.
const SLOW_WAITS: u32 = 5;

/// Requests that may fail as a whole, with pauses, before their channels are left for later: no channel may keep
/// the others from the first connect.
const REQUESTS_MAX: u32 = 3;

/// Requests in a row that may fail as a whole before those that have not been asked for wait as well.
const STORM_MAX: u32 = 8;

impl Session {
    /// The first subscriptions of a session were answered; a connect follows, or the rest of them.
    pub(super) fn on_subscribe(&mut self, client: Client, ids: &Ids, outcome: Result<Reading, Fault>) {
        self.suspect_if_cut(&client, &outcome);
        let failure = match outcome {
            Ok(reading) => match self.apply(&reading, ids) {
                Applied::Answered => return self.subscribe_or_connect(client),
                Applied::Session(refusal) => {
                    self.ask_again(ids);
                    return self.refused(Some(client), refusal);
                }
                Applied::Failed(failure) => failure,
                Applied::Incomplete => Failure::incomplete(),
            },
            Err(fault) => Failure::of(&fault),
        };
        self.failed_requests = self.failed_requests.saturating_add(1);
        let asked = self.subscriptions.unanswered(ids).count();
        // What a smaller request cannot help is tried a few times: it may be the network's trouble and pass.
        let hopeless = if failure.quick { asked == 1 } else { self.failed_requests >= REQUESTS_MAX };
        if hopeless {
            self.leave_for_later(&failure, ids);
            return if self.failed_requests > STORM_MAX {
                self.connect(client);
            } else {
                self.subscribe_or_connect(client);
            };
        }
        self.batch_most = (asked / 2).max(1);
        self.ask_again(ids);
        if failure.quick {
            return self.subscribe_or_connect(client);
        }
        let retry_in = self.pace.after_failure(failure.retry_after);
        self.say(Notice::Misbehaved { what: failure.text, retry_in });
        self.rest(retry_in, Next::Subscribe(client), "after a failed subscription");
    }

    /// Marks what was asked for and has no answer, to be asked for again later; after too many failures in a row
    /// what has not been asked for as well.
    pub(super) fn leave_for_later(&mut self, failure: &Failure, ids: &Ids) {
        let lone = self.subscriptions.unanswered(ids).count() == 1;
        let waits = if lone && failure.meaning != Meaning::Busy { SLOW_WAITS } else { 1 };
        let retry_in = (self.config.retry.max * waits).max(failure.retry_after.unwrap_or_default());
        let standing = Standing::Refused(failure.meaning, Some(self.now.mono + retry_in));
        let storm = self.failed_requests > STORM_MAX;
        let mut channels = Vec::new();
        for one in self.subscriptions.unsettled(ids, storm) {
            one.standing = if one.end_recheck() { Standing::Live } else { standing };
            channels.push(one.channel.clone());
        }
        let (text, meaning) = (failure.text.clone(), failure.meaning);
        let channel = Some(channels).filter(|channels| channels.len() == 1).and_then(|mut one| one.pop());
        self.say(Notice::Refused { channel, text, meaning, retry_in: Some(retry_in) });
    }

    /// What was asked for is to be asked for again at once.
    pub(super) fn ask_again(&mut self, ids: &Ids) {
        for one in self.subscriptions.unanswered(ids) {
            one.standing = Standing::Pending;
        }
    }

    /// Takes over what a frame says of channels that were asked for; whether their request is answered. Replies to one
    /// request may come in several frames.
    pub(super) fn is_settled_by(&mut self, reading: &Reading, ids: &Ids) -> bool {
        !matches!(self.apply(reading, ids), Applied::Incomplete)
    }

    /// Takes over what a response says of each channel that was asked for.
    pub(super) fn apply(&mut self, reading: &Reading, ids: &Ids) -> Applied {
        for meta in reading.metas.iter().filter(|meta| meta.kind == Kind::Subscribe) {
            let Some(channel) = self.channel_of(meta, ids) else {
                continue;
            };
            if meta.successful == Some(true) {
                self.subscribed(&channel);
                continue;
            }
            let refusal = refusal_of(meta, reading);
            match refusal.meaning {
                Meaning::UnknownClient | Meaning::Unauthenticated => return Applied::Session(refusal),
                Meaning::TooLarge => return Applied::Failed(Failure::from(refusal)),
                _ => self.channel_refused(&channel, refusal),
            }
        }
        if self.subscriptions.unanswered(ids).next().is_none() {
            self.failed_requests = 0;
            self.batch_most = self.batch_most.saturating_mul(2);
            return Applied::Answered;
        }
        match reading.refusal() {
            Some(refusal) if refusal.meaning == Meaning::Unauthenticated => Applied::Session(refusal),
            Some(refusal) => {
                // Some servers answer a request with 400 as a whole because of one bad channel in it.
                let bad = reading.is_bad_request();
                let meaning = if bad { Meaning::BadChannel } else { refusal.meaning };
                Applied::Failed(Failure {
                    quick: bad || meaning == Meaning::TooLarge,
                    ..Failure::from(Refusal { meaning, ..refusal })
                })
            }
            None => Applied::Incomplete,
        }
    }

    /// The channel that a reply speaks of: by its id, else by its name, else the only one that was asked for.
    fn channel_of(&mut self, meta: &Meta, ids: &Ids) -> Option<Channel> {
        let id = meta.id.as_ref().and_then(|id| id.parse().ok());
        if let Some(one) = id.and_then(|id| self.subscriptions.find_asked(id)) {
            return Some(one.channel.clone());
        }
        if let Some(name) = meta.subscriptions.first() {
            let asked =
                self.subscriptions.find(name).filter(|one| matches!(one.standing, Standing::Asked(_)));
            return asked.map(|one| one.channel.clone());
        }
        let mut unanswered = self.subscriptions.unanswered(ids);
        let only = unanswered.next().map(|one| one.channel.clone());
        only.filter(|_| unanswered.next().is_none())
    }

    fn subscribed(&mut self, channel: &Channel) {
        let replay = self.state.client().is_some_and(|client| client.replay);
        if let Some(one) = self.subscriptions.find(channel.as_str()) {
            if !one.confirm() {
                return;
            }
            if one.end_recheck() {
                return;
            }
            let asked = one.asks_for();
            let gap = one.gap.take().filter(|_| !one.can_replay(replay));
            if let Some((since, reason)) = gap {
                self.gap(channel.clone(), since, reason);
            }
            self.say(Notice::Subscribed { channel: channel.clone(), replay: replay.then_some(asked) });
        }
    }

    fn channel_refused(&mut self, channel: &Channel, refusal: Refusal) {
        let Refusal { meaning, text, .. } = refusal;
        if let Some(one) = self.subscriptions.find(channel.as_str())
            && one.end_recheck()
        {
            one.standing = Standing::Live;
            let channel = Some(channel.clone());
            return self.say(Notice::Refused { channel, text, meaning, retry_in: self.config.recheck });
        }
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
        let lost = one.gap.take().map(|(since, _)| since);
        let (asked, since) = (one.asks_for(), one.last_handed().or(lost).unwrap_or(self.heard));
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
        let reason = format!("the server does not retain position {asked} any more");
        self.gap(channel.clone(), since, reason);
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

pub(super) enum Applied {
    /// Every channel that was asked for was answered.
    Answered,
    /// The session or its token was refused.
    Session(Refusal),
    /// The request as a whole failed.
    Failed(Failure),
    /// Some channels were left unanswered.
    Incomplete,
}

/// Why a request for subscriptions failed.
pub(super) struct Failure {
    meaning: Meaning,
    text: String,
    retry_after: Option<Duration>,
    /// Whether a smaller request may be sent at once.
    quick: bool,
}

impl Failure {
    pub(super) fn incomplete() -> Self {
        let text = String::from("no reply to a subscription in its response");
        Self { meaning: Meaning::Other, text, retry_after: None, quick: false }
    }

    pub(super) fn of(fault: &Fault) -> Self {
        Self { meaning: Meaning::Busy, text: fault.to_string(), retry_after: None, quick: false }
    }
}

impl From<Refusal> for Failure {
    fn from(Refusal { meaning, text, retry_after, .. }: Refusal) -> Self {
        Self { meaning, text, retry_after, quick: meaning == Meaning::TooLarge }
    }
}

impl From<Channel> for Wanted {
    /// New events only.
    fn from(channel: Channel) -> Self {
        Self { channel, replay: ReplayId::NEW }
    }
}
