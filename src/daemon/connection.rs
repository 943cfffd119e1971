//! One connection: the session's inputs and outputs tied to sockets, sinks and the clock.
//!
//! Nothing here waits for anything but the session's own exchanges and timers: events are offered to queues,
//! state is written elsewhere. While the journal takes nothing, nothing is read from the session or from its
//! exchanges: the server keeps what it has not sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};

use super::aside::Aside;
use super::flight::{Flights, Landed};
use super::intake::{Intake, Position};
use super::meter::Access;
use super::renewal::Site;
use super::store::Keeper;
use super::tell::{standing_name, tell};
use super::token::Token;
use crate::admin::Tap;
use crate::bayeux::Wanted;
use crate::bayeux::border::{Exchange, ExchangeId, Fault, FaultKind, Lane};
use crate::bayeux::contract::{Input, Now, Output};
use crate::bayeux::memory::Memory;
use crate::bayeux::notice::{Closed, Notice};
use crate::bayeux::refusal::Meaning;
use crate::bayeux::session::Session;
use crate::event::{Batch, Channel, Gap};
use crate::journal::Kind;
use crate::status;

/// Two outcomes closer together than this are dense traffic, under which the next one is looked for as long: to sleep and
/// be woken costs about as much as a nearby server takes to answer, and more than it on a virtual machine.
const DENSE: Duration = Duration::from_micros(150);

/// What a person can ask of a connection while it runs.
#[derive(Clone, Debug)]
pub enum Command {
    /// Wants one more channel.
    Subscribe(Box<Wanted>),
    /// No longer wants a channel.
    Unsubscribe(Channel),
    /// End without giving anything up: what the journal does not take yet is waited for.
    Retire {
        /// `/meta/disconnect`, or the session is left to the next start of the connection.
        disconnect: bool,
    },
    /// End; whether the server is told.
    Close {
        /// `/meta/disconnect`, or the session is left to the next process.
        disconnect: bool,
    },
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Closed(Closed),
    /// Every channel is refused, and the command has nothing else to do.
    NothingLeft(Meaning),
}

/// Until when the session waits, or that it is held up by the journal.
#[derive(Clone, Copy)]
struct Wait {
    until: Option<Instant>,
    held: bool,
}

/// The parts of a running connection.
pub(super) struct Connection {
    pub(super) name: Arc<str>,
    pub(super) session: Session,
    pub(super) flights: Flights,
    pub(super) token: Token,
    pub(super) site: Site,
    /// Tells whoever reads the org's limits where it is, and with which token.
    pub(super) meter: Option<watch::Sender<Access>>,
    pub(super) intake: Intake,
    /// Shows events to whoever looks.
    pub(super) tap: Arc<Tap>,
    /// What is not sent before the journal has the events before it.
    pub(super) unsent: Option<Exchange>,
    /// Whether it is held up because the journal takes nothing.
    pub(super) paused: bool,
    pub(super) keeper: Option<Keeper>,
    pub(super) aside: Option<Aside>,
    pub(super) status: Arc<Mutex<status::Connection>>,
    pub(super) commands: mpsc::Receiver<Command>,
    /// Whether it is to end as soon as the journal has taken everything, and whether the server is told.
    pub(super) retiring: Option<bool>,
    /// Whether it ends when nothing is left to wait for.
    pub(super) one_shot: bool,
    /// When the last exchange ended, and whether that was shortly after the one before.
    pub(super) last_outcome: Instant,
    pub(super) dense: bool,
}

impl Connection {
    /// Runs until the session ends; what the next one goes on with. The future of one that is not boxed has it twice.
    pub(super) async fn run(mut self: Box<Self>) -> (Ended, Memory) {
        self.give(Input::Start);
        let (mut why, mut left) = (Closed::Requested, None);
        loop {
            let wait = self.settle(&mut why).await;
            if self.session.is_closed() && !wait.held {
                break;
            }
            if !wait.held
                && let Some(disconnect) = self.retiring.take()
            {
                self.give(Input::Close { disconnect });
                continue;
            }
            if self.one_shot && left.is_none() {
                left = self.session.nothing_left();
                if left.is_some() {
                    self.give(Input::Close { disconnect: true });
                    continue;
                }
            }
            let input = self.next_input(wait).await;
            let committed = self.intake.take_committed();
            self.commit(committed);
            match input {
                Some(close @ Input::Close { .. }) => self.close(close, &mut why),
                Some(input) => self.give(input),
                None => {}
            }
        }
        // Boxed, so that it takes memory in the end alone.
        let memory = Box::pin((*self).finish()).await;
        (left.map_or(Ended::Closed(why), Ended::NothingLeft), memory)
    }

    async fn finish(mut self) -> Memory {
        let taken = self.intake.take_taken();
        self.commit(taken);
        tokio::join!(self.flights.close(), self.token.finish());
        if let Some(keeper) = self.keeper {
            keeper.finish().await;
        }
        self.session.into_memory()
    }

    /// Nothing was received since a time, and these channels have nothing to go on from: records that as gaps.
    pub(super) fn tell_away(&mut self, since: SystemTime, channels: &[Channel]) {
        let until = SystemTime::now();
        let reason = "the connection was not running, and the channel has no position to go on from";
        for channel in channels {
            tracing::warn!(connection = &*self.name, %channel, reason, "events may be missing");
            let gap = Gap { channel, since: since.min(until), until, reason };
            let record = Arc::new(gap.record(self.name.clone(), until));
            self.tap.offer(&record);
            self.intake.take(&record, Kind::Gap);
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.gaps += u64::try_from(channels.len()).unwrap_or(u64::MAX);
    }

    fn give(&mut self, input: Input) {
        self.session.handle(now(), input);
    }

    fn commit(&mut self, positions: Vec<Position>) {
        for (channel, replay) in positions {
            self.give(Input::Committed(channel, replay));
        }
    }

    /// The end was asked for. What is held up is not sent any more: it could only bring events that nobody takes.
    fn close(&mut self, close: Input, why: &mut Closed) {
        let mut unsent: Vec<_> = self.unsent.take().map(|exchange| exchange.id).into_iter().collect();
        self.intake.end();
        if self.paused || !unsent.is_empty() {
            while let Err(id) = self.act(why, false) {
                unsent.extend(id);
            }
        }
        self.give(close);
        for id in unsent {
            let detail = String::from("the end was asked for");
            self.give(Input::Outcome(id, Err(Fault { kind: FaultKind::Broken, sent: false, detail })));
        }
    }

    /// Does what the session wants until it wants to wait, and tells until when.
    async fn settle(&mut self, why: &mut Closed) -> Wait {
        while self.is_free() {
            if let Ok(until) = self.act(why, true) {
                return Wait { until, held: false };
            }
            if self.session.is_behind() {
                self.flights.depart().await;
            }
        }
        self.note_pause();
        Wait { until: None, held: true }
    }

    /// Does one thing that the session wants; until when it wants to wait, where that is all. Without `send`, the
    /// exchange that it would have sent.
    fn act(&mut self, why: &mut Closed, send: bool) -> Result<Option<Instant>, Option<ExchangeId>> {
        match self.session.poll_output() {
            Output::Send(exchange) if !send => return Err(Some(exchange.id)),
            Output::Send(exchange) => self.send(exchange),
            Output::Deliver(batch) => self.deliver(batch),
            Output::Cancel(id) => self.flights.cancel(id),
            Output::HangUp { broken } => self.flights.hang_up(broken),
            Output::Renew => self.flights.renew(),
            Output::Authenticate { refused } => self.token.ask(refused),
            Output::Save(session) => {
                if let Some(keeper) = &mut self.keeper {
                    keeper.session(session);
                }
            }
            Output::Notice(notice) => {
                if let Notice::Closed(closed) = &notice {
                    *why = closed.clone();
                }
                self.tell(&notice);
            }
            Output::Wait { until, reason } => {
                self.note_wait(until, reason);
                return Ok(until);
            }
        }
        Err(None)
    }

    /// What may bring events waits until those before it are in the journal.
    fn send(&mut self, exchange: Exchange) {
        if exchange.lane != Lane::Side && !self.intake.is_confirmed(self.session.resends()) {
            self.unsent = Some(exchange);
        } else {
            self.flights.send(exchange, self.token.header());
        }
    }

    /// Whether nothing is held up by the journal any more.
    fn is_free(&mut self) -> bool {
        if !self.intake.has_room() {
            return false;
        }
        let acknowledges = self.session.resends();
        if let Some(exchange) = self.unsent.take_if(|_| self.intake.is_confirmed(acknowledges)) {
            self.flights.send(exchange, self.token.header());
        }
        if self.unsent.is_none() && std::mem::take(&mut self.paused) {
            self.session.excuse(Instant::now());
        }
        self.unsent.is_none()
    }

    /// Under dense traffic, looks for the next outcome for a short while before it sleeps.
    async fn outcome_soon(&mut self) -> Option<Input> {
        let begun = Instant::now();
        while self.dense && self.commands.is_empty() && begun.elapsed() < DENSE {
            if let Some(landed) = self.flights.next_now().await {
                return Some(self.on_landed(landed));
            }
            tokio::task::yield_now().await;
        }
        None
    }

    /// What happens next to the session; nothing when there is news of the journal alone.
    async fn next_input(&mut self, wait: Wait) -> Option<Input> {
        let Wait { until, held } = wait;
        if !held && let Some(input) = self.outcome_soon().await {
            return Some(input);
        }
        let time = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Whoever asks for an end is heard even while a server keeps the session busy.
            biased;
            command = self.commands.recv() => match command {
                Some(Command::Subscribe(wanted)) => Some(Input::Subscribe(*wanted)),
                Some(Command::Unsubscribe(channel)) => Some(Input::Unsubscribe(channel)),
                Some(Command::Retire { disconnect }) => {
                    self.retiring = Some(disconnect);
                    None
                }
                Some(Command::Close { disconnect }) => Some(Input::Close { disconnect }),
                // Nobody is left to ask for anything.
                None => Some(Input::Close { disconnect: true }),
            },
            // What becomes durable wakes nobody who can hear of it with the next input.
            () = self.intake.changed(self.unsent.is_some(), self.session.awaits_commits()) => None,
            renewed = self.token.renewed(), if !held => self.on_renewed(renewed),
            landed = self.flights.next(), if !held => Some(self.on_landed(landed)),
            () = time, if !held => Some(Input::Time),
        }
    }

    fn deliver(&mut self, batch: Batch) {
        let batch = Arc::new(batch);
        self.tap.offer(&batch);
        let committed = self.intake.take(&batch, Kind::Events);
        self.commit(committed);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.events += u64::try_from(batch.len()).unwrap_or(u64::MAX);
        status.last_event = Some(status::millis(batch.received()));
        status.last_batch = Some(status::LastBatch(batch));
    }

    fn on_landed(&mut self, landed: Landed) -> Input {
        match landed {
            Landed::Outcome(id, outcome) => {
                self.note_landed(outcome.as_ref().ok().map(|reply| reply.body.len()));
                Input::Outcome(id, outcome)
            }
            Landed::Frame(body) => {
                self.note_landed(Some(body.len()));
                Input::Frame(body)
            }
        }
    }

    /// Something ended: a response of so many bytes, or a fault.
    fn note_landed(&mut self, bytes: Option<usize>) {
        let now = Instant::now();
        self.dense = now.duration_since(self.last_outcome) < DENSE;
        self.last_outcome = now;
        if let Some(bytes) = bytes {
            let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            status.responses += 1;
            status.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
            status.last_response = Some(status::millis(SystemTime::now()));
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.cookies();
        }
    }

    fn tell(&mut self, notice: &Notice) {
        if matches!(notice, Notice::Live) {
            self.token.accepted();
        }
        let secrets = self.token.redactor();
        if let Notice::Malformed(bad) = notice
            && let Some(aside) = &self.aside
        {
            aside.keep(bad);
        }
        if let Notice::Gap { channel, since, until, reason } = &*secrets.notice(notice) {
            let gap = Gap { channel, since: *since, until: *until, reason };
            let record = Arc::new(gap.record(self.name.clone(), SystemTime::now()));
            self.tap.offer(&record);
            self.intake.take(&record, Kind::Gap);
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        tell(&self.name, notice, &mut status, &secrets);
        let standings = self.session.standings();
        status.set_channels(standings.map(|(channel, standing)| (channel.clone(), standing_name(standing))));
    }

    /// Something is held up. An append that is under way is over before anybody could read of it.
    fn note_pause(&mut self) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.due = None;
        if self.intake.is_stuck() {
            self.paused = true;
            status.pause(SystemTime::now(), self.intake.lacks());
        }
    }

    fn note_wait(&self, until: Option<Instant>, reason: &'static str) {
        let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.enter(SystemTime::now(), self.session.state(), reason, wait);
        status.due = until;
        status.paused_since = None;
        status.transport = self.session.transport();
        let pulse = self.session.pulse();
        status.stalled = pulse.stalled;
        status.polls = pulse.polls;
        status.longest_without_poll_ms = whole_millis(pulse.longest_unpolled);
        status.without_poll_since = pulse
            .unpolled
            .map(|since| status::millis(SystemTime::now()).saturating_sub(whole_millis(since.elapsed())));
    }
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn now() -> Now {
    Now { mono: Instant::now(), wall: SystemTime::now() }
}
