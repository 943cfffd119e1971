//! The session machine of today, given what a recorded client was given.
//!
//! Constraints
//! - No network and no real time: the clock is the capture's, and moves to what happens next.
//! - An answer comes as long after its request as it was recorded, and not before its recorded time.
//! - What is delivered counts as kept at once; a token is always at hand; what a person asked for while the recorded
//!   client ran is taken from its requests.
//! - A capture does not tell the client's configuration: its waits are the defaults, and a wait that differs from the
//!   recorded one is no deviation. Another request is one, and so is none.
//!
//! Operations: [`replay`], which tells a line for each event and gives a [`Summary`].

mod requests;
mod sockets;

use std::time::{Duration, Instant, SystemTime};

use super::asks::Asks;
use super::ledger::Ledger;
use super::line::{Line, What};
use super::tailor::{self, Ids, Share};
use super::talk::{Request, Talk};
use super::words;
use crate::bayeux::border::{ExchangeId, Fault, Outcome};
use crate::bayeux::contract::{Credentials, Input, Now, Output, Snapshot};
use crate::bayeux::decode::{Kind, decode};
use crate::bayeux::notice::{Closed, Notice};
use crate::bayeux::session::Session;
use crate::bayeux::subscription::Standing;
use crate::bayeux::{Config, Wanted};
use crate::event::{Channel, ReplayId};

/// The seed of the session's waits: the same capture gives the same lines.
const SEED: u64 = 1;

/// The lines about recorded requests that were not sent, at most so many at one place.
const LEFT_MAX: usize = 20;

/// How a replay ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// Where the session decided otherwise than the recorded client.
    pub(super) deviations: usize,
    /// Events that were handed on.
    pub(super) events: u64,
    /// Gaps that were told.
    pub(super) gaps: u64,
    /// What is wrong at the end, if anything.
    pub(super) trouble: Option<String>,
    /// The session's last state.
    pub(super) state: &'static str,
}

/// Replays a talk; `tell` is given each line.
pub(super) fn replay(talk: &Talk, tell: &mut dyn FnMut(&Line)) -> Summary {
    let mut replay = Replay::new(talk, tell);
    replay.give(Input::Start);
    replay.take_positions();
    while !replay.session.is_closed() {
        match replay.next() {
            Some(step) => replay.step(step),
            None if replay.is_unstuck() => {}
            None => break,
        }
    }
    replay.end()
}

/// An exchange of the session that is under way.
struct Open {
    id: ExchangeId,
    asks: Asks,
    entry: Option<usize>,
    by_socket: bool,
    /// When its answer comes; none where it has none.
    due: Option<Duration>,
    outcome: Option<Outcome>,
}

/// What happens next.
#[derive(Clone, Copy)]
enum Step {
    Answer(ExchangeId),
    /// What was recorded of a socket.
    Heard,
    /// A recorded request that a person may have asked for.
    Act(usize),
    Time,
}

struct Replay<'t, 'o> {
    talk: &'t Talk,
    tell: &'o mut dyn FnMut(&Line),
    config: Config,
    session: Session,
    base: Now,
    /// Since the first recorded request.
    clock: Duration,
    /// How much later than recorded the last request was sent.
    drift: Duration,
    ledger: Ledger<'t>,
    open: Vec<Open>,
    /// The next recorded request that may be an act of a person, and the next thing that came on a socket.
    acts: usize,
    heard: usize,
    /// The first recorded message on a socket that may not be sent.
    by_socket: usize,
    /// The ids of messages on the socket.
    socket_ids: Ids,
    /// The session's wait, and what was last told of it.
    until: Option<Instant>,
    told_wait: Option<Instant>,
    troubled: Option<String>,
    ever_live: bool,
    positions: Vec<(Channel, ReplayId)>,
    summary: Summary,
}

impl<'t, 'o> Replay<'t, 'o> {
    fn new(talk: &'t Talk, tell: &'o mut dyn FnMut(&Line)) -> Self {
        let base = Now { mono: Instant::now(), wall: SystemTime::from(talk.began) };
        let is_inside = talk.begins_inside().is_some();
        let wanted = talk.channels().into_iter().map(|(channel, replay)| Wanted {
            channel,
            replay: if is_inside { ReplayId::NEW } else { replay },
        });
        let mut config = Config::new(talk.name.as_str().into(), wanted.collect());
        (config.ack, config.websocket) = talk.handshake();
        config.replay_lost = talk.replay_lost();
        let resume = talk.begins_inside().map(|client| Snapshot {
            client_id: client.to_owned(),
            replay: true,
            ack: talk.acknowledges(),
            timeout_ms: u64::try_from(config.poll_timeout.as_millis()).unwrap_or(u64::MAX),
            channels: config.channels.iter().map(|one| one.channel.to_string()).collect(),
        });
        Self {
            session: Session::new(config.clone(), SEED, base, resume),
            talk,
            tell,
            config,
            base,
            clock: Duration::ZERO,
            drift: Duration::ZERO,
            ledger: Ledger::new(&talk.requests),
            open: Vec::new(),
            acts: 0,
            heard: 0,
            by_socket: 0,
            socket_ids: Ids::new(),
            until: None,
            told_wait: None,
            troubled: None,
            ever_live: false,
            positions: Vec::new(),
            summary: Summary::default(),
        }
    }

    /// A capture that begins inside a session: where its channels stood then, as far as later requests tell. A session
    /// that began with positions would ask for what came before the capture.
    fn take_positions(&mut self) {
        if self.talk.begins_inside().is_some() {
            for (channel, replay) in self.talk.channels() {
                if replay != ReplayId::NEW {
                    self.give(Input::Committed(channel, replay));
                }
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: self.base.mono + self.clock, wall: self.base.wall + self.clock }
    }

    fn say(&mut self, what: What, text: String, entry: Option<usize>) {
        let line = Line { after: self.clock, state: self.session.state(), what, text, entry };
        self.summary.deviations += usize::from(what == What::Deviation);
        (self.tell)(&line);
    }

    /// What happens next; nothing where the capture has nothing more to tell.
    fn next(&mut self) -> Option<Step> {
        let heard = self.next_heard();
        let is_over = self.heard == self.talk.heard.len() && self.ledger.left() == 0;
        // What is open on a socket at the end of the capture may be answered behind it.
        let awaited = self.open.iter().filter(|open| !(is_over && open.by_socket));
        let answer = awaited.filter_map(|open| Some((open.due?, open.id))).min_by_key(|(due, _)| *due);
        if answer.is_none() && is_over {
            return None;
        }
        let act = self.next_act();
        let is_in_turn = act.is_some_and(|(_, place)| self.ledger.is_first_left(place));
        let timer = self.until.map(|until| until.saturating_duration_since(self.base.mono));
        let steps = [
            answer.map(|(due, id)| (due, Step::Answer(id))),
            heard.map(|at| (at, Step::Heard)),
            timer.map(|at| (at, Step::Time)),
            act.filter(|_| is_in_turn).map(|(at, place)| (at, Step::Act(place))),
        ];
        let next = steps.into_iter().flatten().min_by_key(|(at, _)| (*at).max(self.clock));
        // What was recorded before it will not be sent any more, it seems.
        let (at, step) = next.or_else(|| act.map(|(at, place)| (at, Step::Act(place))))?;
        self.clock = self.clock.max(at);
        Some(step)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Answer(id) => self.answer(id),
            Step::Heard => self.on_heard(),
            Step::Act(place) => self.act(place),
            Step::Time => self.give(Input::Time),
        }
    }

    fn answer(&mut self, id: ExchangeId) {
        let Some(at) = self.open.iter().position(|open| open.id == id) else { return };
        let open = self.open.swap_remove(at);
        let Some(outcome) = open.outcome else { return };
        self.say(What::Received, words::outcome(&outcome), open.entry);
        if let Ok(reply) = &outcome {
            let decoded = decode(&reply.body);
            let connected = |meta: &crate::bayeux::decode::Meta| {
                meta.kind == Kind::Connect && meta.successful == Some(true)
            };
            if decoded.whole && decoded.metas.iter().any(connected) {
                self.on_connected();
            }
        }
        self.give(Input::Outcome(id, outcome));
    }

    fn on_connected(&mut self) {
        self.troubled = None;
        self.ever_live = true;
    }

    fn give(&mut self, input: Input) {
        self.session.handle(self.now(), input);
        loop {
            match self.session.poll_output() {
                Output::Wait { until, reason } => return self.on_wait(until, reason),
                other => self.on_output(other),
            }
        }
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Send(exchange) => self.on_send(&exchange),
            Output::Cancel(id) => self.on_cancel(id),
            Output::HangUp { broken } => self.on_hang_up(broken),
            Output::Renew => self.say(What::Decided, "begins with new connections".into(), None),
            Output::Authenticate { refused } => {
                let text = if refused { "asks for another token" } else { "asks for a token" };
                self.say(What::Decided, text.into(), None);
                self.session.handle(self.now(), Input::Credentials(Credentials::Ready));
            }
            Output::Deliver(batch) => {
                let positions: Vec<_> =
                    batch.positions().map(|(channel, replay)| (channel.clone(), replay)).collect();
                self.on_deliver(batch.len(), positions);
            }
            Output::Notice(notice) => self.on_notice(&notice),
            Output::Save(_) | Output::Wait { .. } => {}
        }
    }

    fn on_deliver(&mut self, count: usize, positions: Vec<(Channel, ReplayId)>) {
        self.summary.events += u64::try_from(count).unwrap_or(u64::MAX);
        self.troubled = None;
        let shown: Vec<_> =
            positions.iter().take(8).map(|(channel, last)| format!("{channel} up to {last}")).collect();
        let shown = if shown.is_empty() { String::new() } else { format!(": {}", shown.join(", ")) };
        self.say(What::Decided, format!("hands {count} event(s) on{shown}"), None);
        for (channel, replay) in positions {
            match self.positions.iter_mut().find(|(known, _)| *known == channel) {
                Some((_, last)) => *last = replay,
                None => self.positions.push((channel.clone(), replay)),
            }
            self.session.handle(self.now(), Input::Committed(channel, replay));
        }
    }

    fn on_notice(&mut self, notice: &Notice) {
        let text = words::notice(notice);
        match notice {
            Notice::Live => self.on_connected(),
            Notice::Gap { .. } => self.summary.gaps += 1,
            Notice::SessionLost { .. }
            | Notice::Failed { .. }
            | Notice::Watchdog { .. }
            | Notice::Refused { channel: None, .. } => self.troubled = Some(text.clone()),
            Notice::Misbehaved { retry_in, .. } if !retry_in.is_zero() => self.troubled = Some(text.clone()),
            Notice::Closed(why) if *why != Closed::Requested => self.troubled = Some(text.clone()),
            Notice::Closed(_) => self.troubled = None,
            _ => {}
        }
        self.say(What::Decided, text, None);
    }

    fn on_wait(&mut self, until: Option<Instant>, reason: &'static str) {
        self.until = until;
        let now = self.now().mono;
        let news = until.filter(|until| *until > now && self.told_wait != Some(*until));
        if let Some(until) = news.filter(|_| self.session.state() == "resting") {
            self.told_wait = Some(until);
            let wait = words::seconds(until.saturating_duration_since(now));
            self.say(What::Waits, format!("waits {wait} {reason}"), None);
        }
    }

    /// The end: what was left, and what is wrong.
    fn end(mut self) -> Summary {
        let left = self.ledger.close_all();
        self.tell_left(&left);
        let refused = self.session.standings().filter_map(|(channel, standing)| match standing {
            Standing::Refused(meaning, _) => Some(format!("{channel} is refused: {meaning}")),
            _ => None,
        });
        let refused: Vec<_> = refused.collect();
        self.summary.trouble = if let Some(trouble) = self.troubled.take() {
            Some(trouble)
        } else if !self.ever_live {
            Some("no connect has succeeded".into())
        } else if refused.is_empty() {
            None
        } else {
            Some(refused.join("; "))
        };
        self.summary.state = self.session.state();
        let Summary { deviations, events, gaps, .. } = self.summary;
        let trouble =
            self.summary.trouble.as_ref().map_or_else(String::new, |why| format!("; in trouble: {why}"));
        let text = format!(
            "ends {}: {events} event(s), {gaps} gap(s), {deviations} deviation(s){trouble}",
            self.summary.state
        );
        self.say(What::End, text, None);
        self.summary
    }

    fn tell_left(&mut self, left: &[&Request]) {
        for request in left.iter().take(LEFT_MAX) {
            let text =
                format!("recorded, and not sent by the session of today: {}", words::asks(&request.asks));
            self.say(What::Deviation, text, Some(request.entry));
        }
        if left.len() > LEFT_MAX {
            let text = format!("{} more recorded requests are not sent", left.len() - LEFT_MAX);
            self.say(What::Deviation, text, None);
        }
    }
}
