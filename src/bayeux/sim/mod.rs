//! The session against a random server in virtual time, with faults on every message.
//!
//! The machine sleeps now and then, and its wall clock jumps.
//!
//! One seed is one day: what it does can be repeated by its number. `COMETAIL_SIM_DAYS` says how many days are run
//! (60 where it is not set) and `COMETAIL_SIM_SEED` with which they begin.
//!
//! What must hold: something is always open or a time is set; the events of a channel with replay come out in order
//! and each exactly once; handshakes keep their budget; after the faults stop the session is live within a bounded
//! time and nothing is missing. On every fourth day the server also sends some events to nobody: they come out late.
//! Every third day goes over websockets. On two days of five the next connect goes out before the events of a response.

mod server;
mod socket;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;

use super::border::{Exchange, Fault, FaultKind, Lane, Outcome, Reply};
use super::contract::{Credentials, Input, Now, Output};
use super::notice::Notice;
use super::session::Session;
use super::{Config, Wanted};
use crate::event::{Channel, ReplayId};
use server::{CHANNEL, Server};

/// All times are milliseconds since the beginning.
const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// How long after the last fault everything must have arrived: fifteen minutes after five refused tokens, the
/// longest jittered wait after that, and a session's beginning.
const HEALED: u64 = 25 * MINUTE;

/// How often a session checks for what a lossy server sent to nobody.
const RECHECK: Duration = Duration::from_mins(10);

/// An exchange under way.
struct Open {
    exchange: Exchange,
    deadline: u64,
    fate: Fate,
}

enum Fate {
    /// It ends at this time.
    Ends(u64, Outcome),
    /// The server holds it until this time, or until there is an event; the connection breaks before, or not.
    Held { until: u64, breaks: u64 },
}

struct Sim {
    seed: u64,
    random: fastrand::Rng,
    start: Instant,
    now: u64,
    /// What the wall clock shows beyond that.
    wall: u64,
    session: Session,
    server: Server,
    open: Vec<Open>,
    until: Option<u64>,
    handshakes: VecDeque<u64>,
    /// The replay ids of the events that came out.
    delivered: BTreeSet<i64>,
    faults: bool,
    /// Whether the socket broke while nothing was open on it.
    broken: bool,
    /// Whether the socket ended lately.
    hung_up: bool,
    /// The outcomes that are still to be told of a socket that broke.
    untold: usize,
}

impl Sim {
    fn new(seed: u64) -> Self {
        let start = Instant::now();
        let wanted = |name, replay| Wanted { channel: Channel::parse(name).unwrap(), replay };
        let channels = vec![wanted(CHANNEL, ReplayId::ALL), wanted("/topic/New", ReplayId::NEW)];
        let recheck = is_lossy(seed).then_some(RECHECK);
        let websocket = seed.is_multiple_of(3);
        let connect_early = if seed % 5 < 2 { 0 } else { usize::MAX };
        let config = Config { recheck, websocket, connect_early, ..Config::new(Arc::from("sim"), channels) };
        let now = Now { mono: start, wall: UNIX_EPOCH };
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            seed,
            start,
            now: 0,
            wall: 0,
            session: Session::new(config, random.u64(..), now, None),
            server: Server::new(random.fork()),
            random,
            open: Vec::new(),
            until: None,
            handshakes: VecDeque::new(),
            delivered: BTreeSet::new(),
            faults: true,
            broken: false,
            hung_up: false,
            untold: 0,
        }
    }

    fn day(mut self) {
        self.give(Input::Start);
        let mut publish = self.random.u64(0..MINUTE);
        let mut at_once = 0;
        while self.now < DAY + HEALED {
            self.faults = self.now < DAY;
            let ends = self.open.iter().map(Open::next);
            let next = ends.chain(self.until).chain([publish]).min().unwrap();
            let stands = next <= self.now;
            self.disturb_clocks();
            self.now = self.now.max(next);
            at_once = if stands { at_once + 1 } else { 0 };
            assert!(
                at_once < 1000,
                "seed {}: time stands still at {} in {}",
                self.seed,
                self.now,
                self.session.state()
            );
            if publish <= self.now {
                // Nothing new at the very end, so that it can be said what must have arrived.
                publish = if self.faults { self.now + self.random.u64(1000..20 * MINUTE) } else { u64::MAX };
                self.publish();
            } else if let Some(at) = self.open.iter().position(|open| open.next() <= self.now) {
                self.land(at);
            } else {
                self.give(Input::Time);
            }
        }
        assert_eq!(self.session.state(), "live", "seed {}", self.seed);
        let delivered = self.delivered.iter().eq(&self.server.log);
        assert!(delivered, "seed {}: events are missing", self.seed);
    }

    /// The machine sleeps, or somebody sets its clock.
    fn disturb_clocks(&mut self) {
        if self.faults && self.random.u32(0..2000) == 0 {
            let sleep = self.random.u64(0..120 * MINUTE);
            self.now += sleep.min(DAY.saturating_sub(self.now));
        }
        if self.faults && self.random.u32(0..500) == 0 {
            self.wall = self.random.u64(0..10 * 365 * DAY);
        }
    }

    fn publish(&mut self) {
        if self.faults && self.random.u32(0..40) == 0 {
            self.server.forget_sessions();
        }
        let count = self.random.usize(0..4);
        self.server.publish(count);
        if self.faults && is_lossy(self.seed) && self.random.u32(0..30) == 0 {
            self.server.lose();
        }
        if self.faults && self.random.u32(0..20) == 0 {
            let extra = Channel::parse(&format!("/topic/Extra{}", self.random.u32(0..3))).unwrap();
            let input =
                if self.random.bool() { Input::Subscribe(extra.into()) } else { Input::Unsubscribe(extra) };
            self.give(input);
        }
        self.push();
        for at in 0..self.open.len() {
            if self.open[at].is_held()
                && let Some(reply) = self.server.wake(self.now, &self.open[at].exchange.body)
            {
                self.reply(at, reply);
            }
        }
    }

    fn land(&mut self, at: usize) {
        let Open { exchange, deadline, fate } = self.open.swap_remove(at);
        let outcome = match fate {
            Fate::Ends(at, outcome) if at <= self.now => outcome,
            Fate::Held { until, .. } if until <= self.now && deadline > self.now => {
                let reply = self.server.time_out(self.now, &exchange.body);
                self.disturb(reply)
            }
            Fate::Held { .. } => {
                self.server.let_go(self.now, &exchange.body);
                let kind = if deadline <= self.now { FaultKind::Timeout } else { FaultKind::Broken };
                Err(fault(kind, true))
            }
            Fate::Ends(..) => Err(fault(FaultKind::Timeout, true)),
        };
        if exchange.lane == Lane::Socket {
            return self.land_on_socket(exchange, deadline, outcome);
        }
        self.give(Input::Outcome(exchange.id, outcome));
    }

    fn give(&mut self, input: Input) {
        let now = Now {
            mono: self.start + Duration::from_millis(self.now),
            wall: UNIX_EPOCH + Duration::from_millis(self.wall + self.now),
        };
        self.session.handle(now, input);
        let mut broken = false;
        loop {
            match self.session.poll_output() {
                Output::Send(exchange) => self.send(exchange),
                Output::Cancel(id) => {
                    for open in self.open.extract_if(.., |open| open.exchange.id == id) {
                        self.server.let_go(self.now, &open.exchange.body);
                    }
                }
                Output::Authenticate { .. } => {
                    self.session.handle(now, Input::Credentials(Credentials::Ready));
                }
                Output::Deliver(batch) => {
                    for event in batch.iter().filter(|event| event.channel.as_str() == CHANNEL) {
                        let id = event.replay.expect("a counted event has its number").0;
                        assert!(self.delivered.insert(id), "seed {}: {id} twice at {}", self.seed, self.now);
                        let next = self.server.log.get(self.delivered.len() - 1);
                        assert!(
                            is_lossy(self.seed) || next == Some(&id),
                            "seed {}: a loss at {}",
                            self.seed,
                            self.now
                        );
                    }
                    for (channel, replay) in batch.positions() {
                        self.session.handle(now, Input::Committed(channel.clone(), replay));
                    }
                }
                Output::Notice(Notice::Gap { since, until, .. }) => assert!(since <= until),
                Output::HangUp { broken: None } => drop(self.hang_up()),
                Output::HangUp { broken: Some(_) } => broken = true,
                Output::Save(_) | Output::Notice(_) | Output::Renew => {}
                Output::Wait { until, .. } => {
                    self.until = until.map(|until| {
                        let after = until.saturating_duration_since(self.start);
                        u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap()
                    });
                    break;
                }
            }
        }
        if broken {
            self.break_socket(&fault(FaultKind::Malformed, true));
        }
        assert!(!self.session.is_closed(), "seed {}", self.seed);
        let waits = self.until.is_some() || self.untold > 0;
        assert!(waits || !self.open.is_empty(), "seed {}: silence at {}", self.seed, self.now);
    }

    fn send(&mut self, exchange: Exchange) {
        assert!(exchange.body.len() <= 32_768 && !exchange.deadline.is_zero());
        if exchange.body.windows(15).any(|window| window == b"/meta/handshake") {
            self.handshakes.push_back(self.now);
            while self.handshakes.front().is_some_and(|at| at + MINUTE <= self.now) {
                self.handshakes.pop_front();
            }
            assert!(self.handshakes.len() <= 8, "seed {}: a storm of handshakes at {}", self.seed, self.now);
        }
        let deadline = self.now + u64::try_from(exchange.deadline.as_millis()).unwrap();
        let soon = self.now + self.random.u64(1..200);
        let broken = exchange.lane == Lane::Socket && std::mem::take(&mut self.broken);
        let fate = match self.random.u32(0..100) {
            _ if broken => Some(Fate::Ends(self.now, Err(fault(FaultKind::Broken, true)))),
            _ if !self.faults => None,
            0..4 => Some(Fate::Ends(soon, Err(fault(FaultKind::Connect, false)))),
            4..6 => Some(Fate::Ends(soon, Err(fault(FaultKind::Broken, true)))),
            // Nothing is heard of it again.
            6 => Some(Fate::Ends(u64::MAX, Err(fault(FaultKind::Timeout, true)))),
            _ => None,
        };
        let held = Fate::Held { until: self.now + server::HOLD, breaks: self.breaks() };
        let seen = fate.is_none();
        self.open.push(Open { exchange, deadline, fate: fate.unwrap_or(held) });
        let at = self.open.len() - 1;
        if seen && let Some(reply) = self.server.answer(self.now, &self.open[at].exchange.body) {
            self.reply(at, reply);
        }
    }

    fn breaks(&mut self) -> u64 {
        let breaks = self.faults && self.random.u32(0..30) == 0;
        if breaks { self.now + self.random.u64(1..server::HOLD) } else { u64::MAX }
    }

    fn reply(&mut self, at: usize, reply: String) {
        let outcome = self.disturb(reply);
        self.open[at].fate = Fate::Ends(self.now + self.random.u64(1..50), outcome);
    }

    /// The server has acted; what becomes of its answer.
    fn disturb(&mut self, body: String) -> Outcome {
        let reply = |status, body: String| Ok(Reply { status, retry_after: None, body: Bytes::from(body) });
        if !self.faults {
            return reply(200, body);
        }
        match self.random.u32(0..200) {
            0..4 => Err(fault(FaultKind::Broken, true)),
            4..6 => Err(fault(FaultKind::TooLarge, true)),
            6..9 => reply(200, body.chars().take(self.random.usize(0..body.len())).collect()),
            9..11 => reply(200, String::from("<html>maintenance</html>")),
            11 => reply(503, String::new()),
            12 => reply(502, String::from("<h1>Bad Gateway</h1>")),
            13 => reply(401, String::new()),
            14 => reply(200, String::new()),
            _ => reply(200, body),
        }
    }
}

/// Whether the server sends some events to nobody, and the session checks for them.
const fn is_lossy(seed: u64) -> bool {
    seed.is_multiple_of(4)
}

impl Open {
    fn is_held(&self) -> bool {
        matches!(self.fate, Fate::Held { .. })
    }

    /// When something happens to it next.
    fn next(&self) -> u64 {
        let fate = match self.fate {
            Fate::Ends(at, _) => at,
            Fate::Held { until, breaks } => until.min(breaks),
        };
        fate.min(self.deadline)
    }
}

fn fault(kind: FaultKind, sent: bool) -> Fault {
    Fault { kind, sent, detail: String::from("by the simulation") }
}

#[test]
fn a_session_survives_every_day_and_brings_each_event_exactly_once() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("COMETAIL_SIM_SEED").unwrap_or(1);
    let days = number("COMETAIL_SIM_DAYS").unwrap_or(60);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let seeds = (first..first + days).skip(thread).step_by(threads);
            scope.spawn(move || seeds.for_each(|seed| Sim::new(seed).day()));
        }
    });
}
