//! The channels that are wanted, what the server said of each, and where in its events each stands.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Instant, SystemTime};

use super::recent::Recent;
use super::refusal::Meaning;
use super::{Wanted, encode};
use crate::event::{Channel, ReplayId};

/// How often a channel is subscribed again because events stood in the response to its subscription.
const AGAIN_MAX: u32 = 3;

/// The ids of the messages of one request.
pub(super) type Ids = Range<u64>;

/// What the server said of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not asked for yet in this session.
    Pending,
    /// Asked for, in the message of this id.
    Asked(u64),
    /// Subscribed.
    Live,
    /// Refused; asked for again at this time, or by a person only.
    Refused(Meaning, Option<Instant>),
}

/// One wanted channel.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) channel: Channel,
    pub(super) standing: Standing,
    /// Where to begin without a position.
    start: ReplayId,
    /// Where it goes on: behind the last event that was committed.
    pub(super) position: Option<ReplayId>,
    /// The last event that was handed on, where it is not committed.
    uncommitted: Option<ReplayId>,
    /// An event that could not be read, and the one that was handed on last before it.
    passed: Option<(ReplayId, ReplayId)>,
    /// When events of it were last handed on.
    handed: Option<SystemTime>,
    /// Where a check begins for events that the server sent to nobody.
    recheck: Option<ReplayId>,
    /// Whether a response that may have held events of it was lost: no event is taken before it has been
    /// subscribed again from its position.
    pub(super) suspect: bool,
    /// Whether events of it stood in the very response to its subscription: they may have been what was missed.
    dropped: bool,
    /// How often it has been subscribed again for that.
    again: u32,
    /// Since when events may be missing that no position can bring back, and why.
    pub(super) gap: Option<(SystemTime, String)>,
}

impl Subscription {
    /// What the next subscription asks for.
    pub(super) fn asks_for(&self) -> ReplayId {
        self.recheck.or(self.position).unwrap_or(self.start)
    }

    /// When events of it were last handed on.
    pub(super) const fn last_handed(&self) -> Option<SystemTime> {
        self.handed
    }

    /// Moves the position, and past what could not be read behind it.
    fn commit(&mut self, replay: ReplayId) {
        self.uncommitted.take_if(|last| *last == replay);
        self.position = match self.passed.take_if(|(after, _)| *after <= replay) {
            Some((_, passed)) if passed > replay => Some(passed),
            _ => Some(replay),
        };
    }

    /// Whether everything that was handed on is committed.
    const fn is_settled(&self) -> bool {
        self.uncommitted.is_none()
    }

    /// Ends a check; whether one was under way.
    pub(super) fn end_recheck(&mut self) -> bool {
        self.recheck.take().is_some()
    }

    /// Whether the server can be asked for what was missed.
    pub(super) fn can_replay(&self, replay: bool) -> bool {
        replay && (self.asks_for() != ReplayId::NEW || !self.is_settled())
    }

    /// What the server said of it; a check is no news.
    pub(super) const fn shown(&self) -> Standing {
        if self.recheck.is_some() { Standing::Live } else { self.standing }
    }

    /// Forgets the position and begins from `start`.
    pub(super) fn begin_from(&mut self, start: ReplayId) {
        self.position = None;
        self.passed = None;
        self.start = start;
    }

    /// Whether events of `channel` come through it. Those of a filtered subscription (`/topic/X?A='b'`) may name
    /// the channel without its filter.
    fn is_source_of(&self, channel: &Channel) -> bool {
        let (name, wanted) = (self.channel.as_str(), channel.as_str());
        name == wanted || name.split_once('?').is_some_and(|(path, _)| path == wanted)
    }

    /// The server has subscribed it; whether its events can be taken from now on.
    pub(super) fn confirm(&mut self) -> bool {
        if self.suspect && self.dropped && self.again < AGAIN_MAX {
            self.again += 1;
            self.standing = Standing::Pending;
            return false;
        }
        self.suspect = false;
        self.standing = Standing::Live;
        true
    }

    fn is_due(&self, now: Instant) -> bool {
        match self.standing {
            Standing::Pending => true,
            Standing::Refused(_, Some(at)) => at <= now,
            _ => false,
        }
    }
}

/// Every wanted channel, each once.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    pub(super) list: Vec<Subscription>,
    /// Where an earlier process left off, by the channels that events name.
    pub(super) positions: HashMap<Channel, ReplayId>,
}

impl Subscriptions {
    pub(super) fn new(wanted: &[Wanted], positions: &[(Channel, ReplayId)]) -> Self {
        let list = Vec::with_capacity(wanted.len());
        let mut all = Self { list, positions: positions.iter().cloned().collect() };
        for one in wanted {
            all.add(one.clone());
        }
        all
    }

    /// Wants one more channel; a known one is asked for again at once when it was refused.
    pub(super) fn add(&mut self, wanted: Wanted) {
        let position = self.kept_position(&wanted.channel);
        match self.find(wanted.channel.as_str()) {
            Some(known) => {
                if let Standing::Refused(..) = known.standing {
                    known.standing = Standing::Pending;
                }
            }
            None => self.list.push(Subscription {
                channel: wanted.channel,
                standing: Standing::Pending,
                start: wanted.replay,
                position,
                uncommitted: None,
                passed: None,
                handed: None,
                recheck: None,
                suspect: false,
                dropped: false,
                again: 0,
                gap: None,
            }),
        }
    }

    /// Where an earlier process left off. The events of a filtered subscription may have named the channel without
    /// its filter.
    fn kept_position(&self, channel: &Channel) -> Option<ReplayId> {
        let name = channel.as_str();
        let kept = |name: &str| self.positions.get(name).copied();
        kept(name).or_else(|| name.split_once('?').and_then(|(path, _)| kept(path)))
    }

    /// What an earlier process was sent last may have been lost with it: channels that can be asked for it are to be
    /// subscribed again. That process may have subscribed, and been sent events, after it saved the session: what it
    /// knew to be live says nothing.
    pub(super) fn suspect_positions(&mut self, replay: bool) {
        for one in self.list.iter_mut().filter(|one| one.can_replay(replay)) {
            one.suspect = true;
            one.standing = Standing::Pending;
        }
    }

    /// No longer wants a channel; tells whether the server may hold a subscription for it.
    pub(super) fn remove(&mut self, channel: &Channel) -> bool {
        let Some(at) = self.list.iter().position(|known| known.channel == *channel) else {
            return false;
        };
        self.positions.remove(channel);
        matches!(self.list.remove(at).standing, Standing::Live | Standing::Asked(_))
    }

    /// The session is gone since a time, and every subscription with it. Whether that leaves a gap is told by the
    /// next one: what it can replay is not missing.
    pub(super) fn all_pending(&mut self, since: SystemTime, reason: &str) {
        for one in &mut self.list {
            if one.shown() == Standing::Live && one.gap.is_none() {
                one.gap = Some((since, reason.to_owned()));
            }
            one.suspect = false;
            one.recheck = None;
            if !matches!(one.standing, Standing::Refused(_, None)) {
                one.standing = Standing::Pending;
            }
        }
    }

    /// A response may have been lost with events of any channel. Those with a position are to be subscribed
    /// again; the others are given back, for events that may be missing for good.
    pub(super) fn all_suspect(&mut self, replay: bool) -> Vec<Channel> {
        let mut lost = Vec::new();
        for one in &mut self.list {
            let live = one.standing == Standing::Live || one.end_recheck();
            if one.can_replay(replay) {
                // One that is not live may be so for the server, if the response to its subscription was lost.
                one.suspect = true;
                one.again = 0;
                one.standing = if live { Standing::Pending } else { one.standing };
            } else if live {
                lost.push(one.channel.clone());
            }
        }
        lost
    }

    /// Whether events of a channel can be taken: it is not under suspicion. An event of a filtered subscription
    /// may name the channel without its filter.
    pub(super) fn accepts(&self, channel: &Channel) -> bool {
        !self.list.iter().any(|one| one.suspect && one.is_source_of(channel))
    }

    /// Notes that events of these channels are not taken.
    pub(super) fn drop_of(&mut self, channels: &[Channel]) {
        let asked =
            self.list.iter_mut().filter(|one| one.suspect && matches!(one.standing, Standing::Asked(_)));
        for one in asked {
            one.dropped |= channels.iter().any(|channel| one.is_source_of(channel));
        }
    }

    /// Whether any channel is under suspicion.
    pub(super) fn any_suspect(&self) -> bool {
        self.list.iter().any(|one| one.suspect)
    }

    /// A server that still knows the session still holds these subscriptions.
    pub(super) fn resume(&mut self, live: &[String]) {
        for one in self.list.iter_mut().filter(|one| live.iter().any(|name| name == one.channel.as_str())) {
            one.standing = Standing::Live;
        }
    }

    /// The names of the live ones.
    pub(super) fn live(&self) -> Vec<String> {
        let live = self.list.iter().filter(|one| one.shown() == Standing::Live);
        live.map(|one| one.channel.to_string()).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.list.iter()
    }

    pub(super) fn find(&mut self, channel: &str) -> Option<&mut Subscription> {
        self.list.iter_mut().find(|one| one.channel.as_str() == channel)
    }

    pub(super) fn find_asked(&mut self, id: u64) -> Option<&mut Subscription> {
        self.list.iter_mut().find(|one| one.standing == Standing::Asked(id))
    }

    /// Those that were asked for in a request, by the ids of its messages, and have no answer; a reply that leaves
    /// them out is taken for lost.
    pub(super) fn unanswered(&mut self, request: &Ids) -> impl Iterator<Item = &mut Subscription> {
        self.unsettled(request, false)
    }

    /// Those that were asked for and have no answer; `all` that are to be asked for as well.
    pub(super) fn unsettled(&mut self, request: &Ids, all: bool) -> impl Iterator<Item = &mut Subscription> {
        self.list.iter_mut().filter(move |one| match one.standing {
            Standing::Asked(id) => request.contains(&id),
            Standing::Pending => all,
            _ => false,
        })
    }

    /// Moves the position of the subscription that an event of `channel` came through.
    pub(super) fn commit(&mut self, channel: &Channel, replay: ReplayId) {
        for one in self.list.iter_mut().filter(|one| one.is_source_of(channel)) {
            one.commit(replay);
        }
    }

    /// Events up to this one were handed on; a commit of it will follow.
    pub(super) fn deliver(&mut self, channel: &Channel, replay: ReplayId, now: SystemTime) {
        for one in self.list.iter_mut().filter(|one| one.is_source_of(channel)) {
            (one.uncommitted, one.handed) = (Some(replay), Some(now));
        }
    }

    /// Whether a channel that is to be asked for has events that are not committed yet: its position is about to
    /// move.
    pub(super) fn any_unsettled(&self, now: Instant) -> bool {
        self.list.iter().any(|one| one.is_due(now) && !one.is_settled())
    }

    /// An event of `channel` cannot be read: its position moves past it as soon as `last`, which was handed on
    /// before it, is committed.
    pub(super) fn pass(&mut self, channel: &Channel, last: Option<ReplayId>, replay: ReplayId) {
        for one in self.list.iter_mut().filter(|one| one.is_source_of(channel)) {
            match last {
                Some(last) if one.position.is_none_or(|position| position < last) => {
                    one.passed = Some((last, replay));
                }
                _ if one.position.is_none_or(|position| position < replay) => one.position = Some(replay),
                _ => {}
            }
        }
    }

    /// Begins a check of every live channel whose last events are known, `back` of them back, or from where it
    /// once began.
    pub(super) fn recheck(&mut self, recent: &Recent, back: usize) {
        for one in self.list.iter_mut().filter(|one| one.standing == Standing::Live && !one.suspect) {
            let name = one.channel.as_str();
            let name = name.split_once('?').map_or(name, |(path, _)| path);
            let begin = Some(one.start).filter(|start| *start != ReplayId::NEW);
            one.recheck =
                recent.oldest(name).map(|oldest| recent.before(name, back).or(begin).unwrap_or(oldest));
            if one.recheck.is_some() {
                one.standing = Standing::Pending;
            }
        }
    }

    /// Whether a channel has to be asked for now beside an open poll.
    pub(super) fn any_due(&self, now: Instant) -> bool {
        self.list.iter().any(|one| one.is_due(now) && !one.suspect && one.is_settled())
    }

    /// When the next refused channel is asked for again beside an open poll. One that is due waits for a commit.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let times = self.list.iter().filter_map(|one| match one.standing {
            Standing::Refused(_, at) if !one.suspect => at.filter(|at| *at > now || one.is_settled()),
            _ => None,
        });
        times.min()
    }

    /// The body of one request for the channels that are due: as many as fit the server's limit, and at most
    /// `most`. `None` where no channel is due. Ids are counted on from `last_id`. Beside an open poll, a channel
    /// under suspicion is left out: what the poll brings could not be told from what is replayed.
    pub(super) fn request(
        &mut self,
        now: Instant,
        client_id: &str,
        with_replay: bool,
        beside_poll: bool,
        most: usize,
        last_id: &mut u64,
    ) -> Option<String> {
        let mut body = String::new();
        let due = self.list.iter_mut().filter(|one| one.is_due(now) && one.is_settled());
        let due = due.filter(|one| !(beside_poll && one.suspect));
        for one in due.take(most) {
            one.dropped = false;
            let id = *last_id + 1;
            let message = encode::subscribe(id, client_id, &one.channel, with_replay.then(|| one.asks_for()));
            // One separator or bracket before it, one bracket after it.
            if !body.is_empty() && body.len() + message.len() + 2 > encode::REQUEST_MAX {
                break;
            }
            body.push(if body.is_empty() { '[' } else { ',' });
            body.push_str(&message);
            one.standing = Standing::Asked(id);
            *last_id = id;
        }
        (!body.is_empty()).then(|| body + "]")
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
