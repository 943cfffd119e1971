//! The driver of the session, which checks each of its outputs.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cometail::bayeux::Config;
use cometail::bayeux::Wanted;
use cometail::bayeux::border::{Exchange, ExchangeId, Fault, FaultKind, Lane, Outcome, Reply};
use cometail::bayeux::contract::{Credentials, Input, Now, Output, Snapshot};
use cometail::bayeux::notice::{Closed, Notice};
use cometail::bayeux::session::Session;
use cometail::event::ReplayId;
use serde_json::Value;

use super::server;
use super::tape::{Tape, channel};

/// The most steps of one tape.
const STEPS: usize = 400;
/// The largest body of a request (guide: "How the client connects").
const REQUEST_MAX: usize = 32_768;
/// Six handshakes a minute after the first two.
const HANDSHAKES: usize = 8;
/// No wait is longer: a quarter of an hour after too many refused tokens, and the waits of a refused channel.
const LONGEST_WAIT: Duration = Duration::from_mins(20);

const FAULTS: [FaultKind; 9] = [
    FaultKind::Dns,
    FaultKind::Connect,
    FaultKind::Proxy,
    FaultKind::Tls,
    FaultKind::Timeout,
    FaultKind::Broken,
    FaultKind::Malformed,
    FaultKind::TooLarge,
    FaultKind::Redirect,
];

/// An exchange that has not ended.
pub(super) struct Open {
    pub(super) exchange: Exchange,
    pub(super) deadline: Instant,
    /// The channel of its first message.
    pub(super) kind: String,
}

pub(super) struct Run<'a> {
    pub(super) tape: Tape<'a>,
    pub(super) config: Config,
    pub(super) session: Session,
    start: Instant,
    pub(super) now: Now,
    pub(super) open: Vec<Open>,
    pub(super) until: Option<Instant>,
    handshakes: VecDeque<Instant>,
    /// The last exchange of all.
    last: u64,
    /// Exchanges that ended, by their ids, for replies that come twice.
    ended: Option<ExchangeId>,
    saved: Option<Snapshot>,
    /// Sessions that the server has made.
    pub(super) clients: usize,
    /// Whether the session may have ended.
    may_end: bool,
    /// What the session waits for.
    pub(super) reason: &'static str,
}

impl<'a> Run<'a> {
    pub(super) fn new(tape: Tape<'a>, config: Config) -> Self {
        let start = Instant::now();
        let now = Now { mono: start, wall: SystemTime::UNIX_EPOCH + Duration::from_hours(400_000) };
        Self {
            session: Session::new(config.clone(), 1, now, None),
            may_end: config.one_shot,
            reason: "",
            tape,
            config,
            start,
            now,
            open: Vec::new(),
            until: None,
            handshakes: VecDeque::new(),
            last: 0,
            ended: None,
            saved: None,
            clients: 0,
        }
    }

    pub(super) fn play(&mut self) {
        self.give(Input::Start);
        for _ in 0..STEPS {
            let Some(step) = self.tape.next() else {
                return;
            };
            self.step(step);
        }
    }

    /// One step of the tape.
    pub(super) fn step(&mut self, step: u8) {
        match step {
            b'g' | 0..=31 => self.right(),
            b'w' | 128..=159 => self.wrong(),
            b'b' | 160..=191 => self.any_body(),
            b'c' => self.cut(),
            b'f' | 192..=223 => self.fault(),
            b's' => self.status(),
            b't' | 224..=255 => self.pass_until(self.next_time()),
            b'a' => {
                let time = self.tape.time();
                self.pass_until(Some(self.now.mono + time));
            }
            b'j' => self.now.wall = SystemTime::UNIX_EPOCH + self.tape.time() * 1000,
            b'p' => self.give(Input::Time),
            b'l' => self.late(),
            b'+' => self.subscribe(),
            b'-' => {
                let channel = channel(self.tape.byte());
                self.give(Input::Unsubscribe(channel));
            }
            b'm' => {
                let (channel, replay) = (channel(self.tape.byte()), ReplayId(self.tape.byte().into()));
                self.give(Input::Committed(channel, replay));
            }
            b'k' => self.give(Input::Credentials(Credentials::Ready)),
            b'z' => self.restart(),
            b'q' => self.close(),
            _ => {}
        }
    }

    fn right(&mut self) {
        self.answer(|run, body, client| {
            let mut replies = server::right(body, client);
            for _ in 0..run.tape.byte() % 4 {
                replies.insert(0, server::event(&mut run.tape));
            }
            Ok(reply(200, Value::from(replies).to_string()))
        });
    }

    fn wrong(&mut self) {
        self.answer(|run, body, client| {
            let mut replies = server::wrong(body, client, &mut run.tape);
            let bare = run.tape.byte() == b'1';
            let body = if bare { replies.pop().unwrap_or_default() } else { Value::from(replies) };
            Ok(reply(200, body.to_string()))
        });
    }

    fn any_body(&mut self) {
        self.answer(|run, _, _| {
            let status = run.tape.one_of(&[200, 400, 500]);
            Ok(reply(status, run.tape.bytes().to_vec()))
        });
    }

    fn cut(&mut self) {
        self.answer(|run, body, client| {
            let body = Value::from(server::right(body, client)).to_string();
            let at = body.len() * usize::from(run.tape.byte()) / 256;
            Ok(reply(200, body.as_bytes()[..at].to_vec()))
        });
    }

    fn fault(&mut self) {
        self.answer(|run, _, _| {
            let byte = run.tape.byte();
            let kind = FAULTS[usize::from(byte >> 1) % FAULTS.len()];
            Err(Fault { kind, sent: byte & 1 != 0, detail: String::from("by the tape") })
        });
    }

    fn status(&mut self) {
        self.answer(|run, _, _| {
            let status = run.tape.one_of(&[503, 401, 403, 404, 413, 429, 400, 500, 204, 302, 408, 999, 100]);
            let body = run.tape.one_of(&["", "<html>no</html>", "[]", "{}", "null", "[null]"]);
            let seconds = run.tape.one_of(&[None, Some(0), Some(3), Some(600), Some(86_400)]);
            let retry_after = seconds.map(Duration::from_secs);
            Ok(Reply { status, retry_after, body: Bytes::from_static(body.as_bytes()) })
        });
    }

    /// Ends the newest exchange, or an older one where a step goes before it that says so.
    fn answer(&mut self, outcome: impl FnOnce(&mut Self, &[u8], &str) -> Outcome) {
        if self.open.is_empty() {
            return;
        }
        let at = usize::from(self.tape.byte()) % self.open.len();
        let Open { exchange, .. } = self.open.remove(self.open.len() - 1 - at);
        self.clients += 1;
        let client = format!("client{}", self.clients);
        let outcome = outcome(self, &exchange.body, &client);
        self.ended = Some(exchange.id);
        self.give(Input::Outcome(exchange.id, outcome));
    }

    /// A reply to a request that has ended before, or that never was.
    fn late(&mut self) {
        let id = self.ended.unwrap_or(ExchangeId(self.last + 1));
        let body = self.tape.bytes().to_vec();
        self.give(Input::Outcome(id, Ok(reply(200, body))));
    }

    fn subscribe(&mut self) {
        let (channel, start) = (channel(self.tape.byte()), self.tape.one_of(&[-1, -2, 0, 9, i64::MAX]));
        self.give(Input::Subscribe(Wanted { channel, replay: ReplayId(start) }));
    }

    /// Another process goes on with what this one saved.
    fn restart(&mut self) {
        let resume = self.saved.clone();
        self.session = Session::new(self.config.clone(), 2, self.now, resume);
        self.open.clear();
        self.handshakes.clear();
        self.ended = None;
        self.last = 0;
        self.may_end = self.config.one_shot;
        self.give(Input::Start);
    }

    fn close(&mut self) {
        self.may_end = true;
        let disconnect = self.tape.byte() != b'0';
        self.give(Input::Close { disconnect });
    }

    /// When something happens by itself: the session's time, or the deadline of an exchange.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.deadline).chain(self.until).min()
    }

    /// Lets time pass, with everything that is due on the way.
    pub(super) fn pass_until(&mut self, end: Option<Instant>) {
        let Some(end) = end else {
            return;
        };
        let mut at_once = 0;
        while let Some(next) = self.next_time().filter(|next| *next <= end) {
            at_once = if next <= self.now.mono { at_once + 1 } else { 0 };
            assert!(at_once < 100, "time stands still in {}", self.session.state());
            self.advance(next);
            if let Some(at) = self.open.iter().position(|open| open.deadline <= self.now.mono) {
                let id = self.open.remove(at).exchange.id;
                let detail = String::from("its deadline passed");
                self.give(Input::Outcome(id, Err(Fault { kind: FaultKind::Timeout, sent: true, detail })));
            } else {
                self.give(Input::Time);
            }
        }
        self.advance(end);
    }

    fn advance(&mut self, to: Instant) {
        let passed = to.saturating_duration_since(self.now.mono);
        self.now.mono += passed;
        self.now.wall += passed;
    }

    /// Gives an input and does what comes out.
    pub(super) fn give(&mut self, input: Input) {
        self.session.handle(self.now, input);
        let mut outputs = 0;
        loop {
            outputs += 1;
            assert!(outputs < 10_000, "outputs without end in {}", self.session.state());
            match self.session.poll_output() {
                Output::Send(exchange) => self.send(exchange),
                Output::Renew | Output::HangUp { .. } => {}
                Output::Cancel(id) => self.open.retain(|open| open.exchange.id != id),
                Output::Authenticate { .. } => self.authenticate(),
                Output::Deliver(batch) => {
                    assert!(!batch.is_empty(), "a batch of nothing");
                    for (channel, replay) in batch.positions() {
                        self.session.handle(self.now, Input::Committed(channel.clone(), replay));
                    }
                }
                Output::Save(snapshot) => self.saved = snapshot,
                Output::Notice(notice) => self.hear(&notice),
                Output::Wait { until, reason } => {
                    assert!(!reason.is_empty());
                    (self.until, self.reason) = (until, reason);
                    break;
                }
            }
        }
        self.waits();
    }

    fn hear(&mut self, notice: &Notice) {
        assert!(!format!("{notice:?}").is_empty());
        // The one refusal that no waiting helps.
        if let Notice::Closed(Closed::Endpoint(text)) = notice {
            self.may_end |= text.to_ascii_lowercase().contains("api version");
        }
    }

    /// What the state waits for is there.
    fn waits(&self) {
        let has = |kind: &str, lane: Option<Lane>| {
            self.open
                .iter()
                .any(|open| open.kind == kind && lane.is_none_or(|lane| open.exchange.lane == lane))
        };
        let state = self.session.state();
        let alive = match state {
            "handshaking" => has("/meta/handshake", None),
            "subscribing" => has("/meta/subscribe", Some(Lane::Poll)),
            "connecting" | "live" => has("/meta/connect", Some(Lane::Poll)),
            "closed" => self.may_end,
            _ => self.until.is_some(),
        };
        assert!(alive, "{state} waits for nothing");
        assert_eq!(state == "closed", self.session.is_closed());
        let near = self.until.is_none_or(|until| until <= self.now.mono + LONGEST_WAIT);
        assert!(near, "{state} waits too long");
    }

    fn authenticate(&mut self) {
        let credentials = match self.tape.byte() {
            b'x' => Credentials::Failed { reason: String::from("no token"), permanent: false, after: None },
            b'w' => {
                let after = Some(Duration::from_secs(u64::from(self.tape.byte())));
                Credentials::Failed { reason: String::from("no token yet"), permanent: false, after }
            }
            b'e' => Credentials::Elsewhere,
            b'X' => {
                self.may_end = true;
                Credentials::Failed { reason: String::from("no token ever"), permanent: true, after: None }
            }
            _ => Credentials::Ready,
        };
        self.session.handle(self.now, Input::Credentials(credentials));
    }

    fn send(&mut self, exchange: Exchange) {
        let size = exchange.body.len();
        assert!(size <= REQUEST_MAX, "a request of {size} bytes");
        assert!(!exchange.deadline.is_zero() && exchange.deadline < Duration::from_hours(1));
        assert!(exchange.id.0 > self.last, "an exchange's id comes twice");
        self.last = exchange.id.0;
        let messages = server::messages(&exchange.body);
        let kinds: Vec<_> = messages.iter().filter_map(|message| message["channel"].as_str()).collect();
        assert!(kinds.len() == messages.len() && !kinds.is_empty(), "{messages:?}");
        let alone = kinds.iter().all(|kind| *kind == "/meta/subscribe") || kinds.len() == 1;
        assert!(alone, "{kinds:?} in one request");
        let on_poll_lane = |open: &Open| open.exchange.lane == Lane::Poll;
        let second = exchange.lane == Lane::Poll && self.open.iter().any(on_poll_lane);
        assert!(!second, "{kinds:?} on a lane that is taken");
        if kinds == ["/meta/handshake"] {
            self.count_handshake();
        } else {
            assert!(messages.iter().all(|message| message["clientId"].is_string()), "{messages:?}");
        }
        let (deadline, kind) = (self.now.mono + exchange.deadline, kinds[0].to_owned());
        self.open.push(Open { exchange, deadline, kind });
    }

    fn count_handshake(&mut self) {
        self.handshakes.push_back(self.now.mono);
        while self.handshakes.front().is_some_and(|at| *at + Duration::from_mins(1) <= self.now.mono) {
            self.handshakes.pop_front();
        }
        let after = self.now.mono - self.start;
        assert!(self.handshakes.len() <= HANDSHAKES, "a storm of handshakes after {after:?}");
    }
}

pub(super) fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
    Reply { status, retry_after: None, body: body.into() }
}
