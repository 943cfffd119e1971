//! The session: one input at a time, then outputs until there is nothing to do but wait.
//!
//! Constraints
//! - Events come out before the request that follows their response, or right after it where the server sends them again
//!   (`early`); always before anything else happens. A position can only move for events that were handed on.
//! - `/meta/connect` is alone in its request. Subscribe and unsubscribe use the side lane while a poll is open,
//!   and never touch it.
//! - After every outcome, whatever was in it, the next step is decided at once: something is always open, or a
//!   time is set.
//!
//! Operations: [`Session::handle`], then [`Session::poll_output`] until [`Output::Wait`](super::contract::Output).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::advice::TIMEOUT_MAX;
use super::border::{Exchange, ExchangeId, Lane};
use super::contract::{Input, Now, Output, Snapshot};
use super::early::Behind;
use super::liveness::Liveness;
use super::notice::{Closed, Notice};
use super::pace::Pace;
use super::recent::Recent;
use super::side::Side;
use super::socket::Sockets;
use super::state::{Client, NO_ACK, Next, State};
use super::subscription::{Ids, Standing, Subscriptions};
use super::{Config, encode};
use crate::event::Channel;
use bytes::Bytes;

/// Why subscriptions wait that begin behind events which are not committed yet.
const UNSETTLED: &str = "for events to be kept";

/// The most channels of a saved session that are heeded.
const RESUMED_MAX: usize = 1000;

/// The protocol with one server.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Config,
    pub(super) state: State,
    pub(super) subscriptions: Subscriptions,
    /// The last events, by which repeats are recognised.
    pub(super) recent: Recent,
    pub(super) liveness: Liveness,
    pub(super) sockets: Sockets,
    /// When live channels are next checked for events that the server sent to nobody.
    pub(super) recheck_at: Option<Instant>,
    /// Responses in a row that could not be read and were not acknowledged.
    pub(super) unread: u32,
    pub(super) pace: Pace,
    pub(super) now: Now,
    pub(super) poll_timeout: Duration,
    /// The pause between a connect's reply and the next connect that the server advised last.
    pub(super) interval: Duration,
    /// The exchange on the side lane.
    pub(super) side: Option<(ExchangeId, Side)>,
    /// Channels whose subscriptions the server still holds and nobody wants.
    pub(super) unwanted: VecDeque<Channel>,
    /// The most subscriptions in one request; halved when the server finds one too large.
    pub(super) batch_most: usize,
    /// When a response was last understood.
    pub(super) heard: SystemTime,
    /// Tokens that the server refused since it last was live.
    pub(super) refused_tokens: u32,
    /// The id of the last handshake or connect.
    pub(super) asked: u64,
    /// When the last connect was sent.
    pub(super) poll_sent: Instant,
    /// Polls in a row that ended at once and without an event.
    pub(super) quick_polls: u32,
    /// Subscription requests in a row that failed as a whole.
    pub(super) failed_requests: u32,
    /// Whether a connect has ever succeeded.
    pub(super) ever_live: bool,
    /// Replies in a row that were no Bayeux.
    pub(super) foreign: u32,
    /// Whether the server has been reported live since the last trouble.
    pub(super) reported_live: bool,
    pub(super) odd_advice_told: bool,
    /// What of an advice has been told.
    pub(super) advice_told: Vec<&'static str>,
    /// How many events came without a replay id, which the server does not send again.
    pub(super) unnumbered: usize,
    /// The response that the open connect went before.
    pub(super) behind: Option<Box<Behind>>,
    last_message: u64,
    pub(super) last_exchange: u64,
    pub(super) outputs: VecDeque<Output>,
}

impl Session {
    /// How many events of each channel are remembered, by which those that a server repeats are recognised.
    pub const REMEMBERED: usize = super::recent::WINDOW;

    /// A session that has done nothing yet; `resume` is what an earlier process saved.
    pub fn new(config: Config, seed: u64, now: Now, resume: Option<Snapshot>) -> Self {
        let mut subscriptions = Subscriptions::new(&config.channels, &config.positions);
        let mut unwanted = VecDeque::new();
        let mut poll_timeout = config.poll_timeout;
        let resume = resume.map(|snapshot| {
            subscriptions.resume(&snapshot.channels);
            let held =
                snapshot.channels.iter().take(RESUMED_MAX).filter_map(|name| Channel::parse(name).ok());
            unwanted.extend(held.filter(|channel| config.channels.iter().all(|one| one.channel != *channel)));
            poll_timeout = Duration::from_millis(snapshot.timeout_ms).min(TIMEOUT_MAX);
            let ack = snapshot.ack.then_some(NO_ACK);
            // One that acknowledges too: what it acknowledged last may have been lost with the power.
            subscriptions.suspect_positions(snapshot.replay);
            Client { id: Arc::from(snapshot.client_id), replay: snapshot.replay, ack, proven: false }
        });
        let pace = Pace::new(config.retry, config.handshakes_per_minute, seed, now.mono);
        Self {
            state: State::New { resume },
            subscriptions,
            recent: Recent::default(),
            liveness: Liveness::new(now.mono),
            sockets: Sockets::default(),
            recheck_at: config.recheck.map(|every| now.mono + every),
            unread: 0,
            pace,
            now,
            poll_timeout,
            interval: Duration::ZERO,
            side: None,
            unwanted,
            batch_most: usize::MAX,
            heard: now.wall,
            refused_tokens: 0,
            asked: 0,
            poll_sent: now.mono,
            quick_polls: 0,
            failed_requests: 0,
            ever_live: false,
            foreign: 0,
            reported_live: false,
            odd_advice_told: false,
            advice_told: Vec::new(),
            unnumbered: 0,
            behind: None,
            last_message: 0,
            last_exchange: 0,
            outputs: VecDeque::new(),
            config,
        }
    }

    /// The driver has held everything back until now: no silence before that is the server's.
    pub const fn excuse(&mut self, now: Instant) {
        self.liveness.connect_succeeds(now);
    }

    /// Takes one input. Whatever it is, the outputs say what follows.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.catch_up();
        self.now = now;
        match input {
            Input::Start => self.on_start(),
            Input::Outcome(exchange, outcome) => self.on_outcome(exchange, outcome),
            Input::Frame(body) => self.on_frame(body),
            Input::Credentials(credentials) => self.on_credentials(credentials),
            Input::Time => self.on_time(),
            Input::Committed(channel, replay) => {
                self.subscriptions.commit(&channel, replay);
                self.go_on_when_settled();
            }
            Input::Subscribe(wanted) => {
                self.unwanted.retain(|channel| *channel != wanted.channel);
                self.subscriptions.add(wanted);
            }
            Input::Unsubscribe(channel) => {
                if self.subscriptions.remove(&channel) {
                    self.unwanted.push_back(channel);
                }
            }
            Input::Close { disconnect } => self.on_close(disconnect),
        }
        self.watch();
        self.use_side_lane();
    }

    /// The next thing to do. [`Output::Wait`] comes last, and again at every call until the next input.
    pub fn poll_output(&mut self) -> Output {
        if self.outputs.is_empty() {
            self.catch_up();
        }
        self.outputs.pop_front().unwrap_or_else(|| {
            let (until, reason) = self.present_wait();
            Output::Wait { until, reason }
        })
    }

    /// The name of the present state, for logs, metrics and status.
    pub fn state(&self) -> &'static str {
        self.state.name()
    }

    /// Whether the session has ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether it goes on when positions are committed, because a channel is to be asked for from one, so that a commit
    /// is to come at once. At any other time it is enough that one comes before the next input.
    pub fn awaits_commits(&self) -> bool {
        self.subscriptions.any_unsettled(self.now.mono)
    }

    /// Each wanted channel and what the server said of it.
    pub fn standings(&self) -> impl Iterator<Item = (&Channel, Standing)> {
        self.subscriptions.iter().map(|one| (&one.channel, one.shown()))
    }

    fn present_wait(&self) -> (Option<Instant>, &'static str) {
        match &self.state {
            State::New { .. } => (None, "not started"),
            State::Authenticating { .. } => (None, "for a token"),
            State::Handshaking { .. } => (None, "for the reply to a handshake"),
            State::Subscribing { .. } => (None, "for the reply to a subscription"),
            // What is due waits for the end of the probe, and for the side lane.
            State::Polling { client, .. } if client.proven && self.side.is_none() => (
                self.subscriptions.next_due(self.now.mono).into_iter().chain(self.recheck_at).min(),
                "for events",
            ),
            State::Polling { .. } => (None, "for events"),
            State::Resting { until, reason, .. } => (Some(*until), reason),
            State::Closing { until, .. } => (Some(*until), "for the server's goodbye"),
            State::Closed => (None, "closed"),
        }
    }

    fn on_start(&mut self) {
        if let State::New { resume } = &mut self.state {
            let resumed = resume.take();
            if resumed.is_some() {
                self.say(Notice::Resuming);
            }
            let then = resumed.map_or(Next::Handshake, |client| self.go_on(client));
            self.authenticate(then, false);
        }
    }

    fn on_time(&mut self) {
        match &self.state {
            State::Resting { until, then, .. } if *until <= self.now.mono => {
                let then = then.clone();
                self.enter(then);
            }
            State::Closing { until, open, .. } if *until <= self.now.mono => {
                let open = open.clone();
                self.outputs.extend(open.into_iter().map(Output::Cancel));
                self.end(Closed::Requested);
            }
            _ => {}
        }
    }

    /// Does what a wait was for.
    pub(super) fn enter(&mut self, next: Next) {
        match next {
            Next::Authenticate => self.authenticate(Next::Handshake, true),
            Next::Handshake => self.handshake(),
            Next::Subscribe(client) => self.subscribe_or_connect(client),
            Next::Connect(client) => self.connect(client),
        }
    }

    /// Does it after a time, or at once where the time is none.
    pub(super) fn rest(&mut self, wait: Duration, then: Next, reason: &'static str) {
        if wait.is_zero() {
            return self.enter(then);
        }
        self.state = State::Resting { until: self.now.mono + wait, then, reason };
    }

    fn handshake(&mut self) {
        let wait = self.pace.until_handshake(self.now.mono);
        if !wait.is_zero() {
            return self.rest(wait, Next::Handshake, "for the handshake budget");
        }
        self.pace.handshake(self.now.mono);
        let cause = self.liveness.take_cause();
        self.say(Notice::Handshaking { cause });
        self.hang_up();
        self.asked = self.message_id();
        let body = encode::handshake(self.asked, self.config.ack, self.config.websocket);
        let exchange = self.send(Lane::Poll, body, self.config.request_timeout);
        self.state = State::Handshaking { exchange };
    }

    /// The first subscriptions of a session, in as many requests as they need, then the first connect.
    pub(super) fn subscribe_or_connect(&mut self, client: Client) {
        if self.subscriptions.any_unsettled(self.now.mono) {
            return self.rest(self.config.request_timeout, Next::Subscribe(client), UNSETTLED);
        }
        match self.subscribe_body(&client, false) {
            Some((body, ids)) => {
                let exchange = self.send(Lane::Poll, body, self.config.request_timeout);
                self.state = State::Subscribing { client, exchange, ids };
            }
            None => self.connect(client),
        }
    }

    pub(super) fn subscribe_body(&mut self, client: &Client, beside_poll: bool) -> Option<(Bytes, Ids)> {
        let (now, most, first) = (self.now.mono, self.batch_most, self.last_message + 1);
        let last = &mut self.last_message;
        let body = self.subscriptions.request(now, &client.id, client.replay, beside_poll, most, last)?;
        Some((Bytes::from(body), first..self.last_message + 1))
    }

    /// Subscribes as soon as the positions are what they will be.
    fn go_on_when_settled(&mut self) {
        if let State::Resting { then, reason: UNSETTLED, .. } = &self.state
            && !self.subscriptions.any_unsettled(self.now.mono)
        {
            let then = then.clone();
            self.enter(then);
        }
    }

    pub(super) fn connect(&mut self, client: Client) {
        let probe = !client.proven;
        self.asked = self.message_id();
        let body = encode::connect(self.asked, &client.id, self.sockets.way, probe, client.ack);
        let exchange = self.send(Lane::Poll, body, self.poll_deadline(probe));
        self.poll_is_open(exchange, self.asked);
        self.liveness.poll_opens(self.now.mono);
        self.poll_sent = self.now.mono;
        self.state = State::Polling { client, exchange };
    }

    /// What the next process would need.
    pub(super) fn snapshot(&mut self, client: &Client) {
        if self.sockets.way.is_socket() {
            return self.put(Output::Save(None));
        }
        let timeout_ms = u64::try_from(self.poll_timeout.as_millis()).unwrap_or(u64::MAX);
        self.put(Output::Save(Some(Snapshot {
            client_id: client.id.to_string(),
            replay: client.replay,
            ack: client.ack.is_some(),
            timeout_ms,
            channels: self.subscriptions.live(),
        })));
    }

    pub(super) fn send(&mut self, lane: Lane, body: Bytes, deadline: Duration) -> ExchangeId {
        let lane = self.lane(lane);
        self.last_exchange += 1;
        let id = ExchangeId(self.last_exchange);
        self.put(Output::Send(Exchange { id, lane, body, deadline }));
        id
    }

    pub(super) fn say(&mut self, notice: Notice) {
        self.put(Output::Notice(notice));
    }

    pub(super) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) const fn message_id(&mut self) -> u64 {
        self.last_message += 1;
        self.last_message
    }
}

#[cfg(test)]
#[path = "session_tests/mod.rs"]
mod tests;
