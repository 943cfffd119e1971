//! What the daemon knows of itself, as one snapshot that anyone can read as JSON.
//!
//! Times are milliseconds since 1970-01-01 UTC; counters start at zero with the process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::event::{Batch, Channel};

/// What the program was made of: set by `build.rs`, or in the environment of the build.
pub const COMMIT: Option<&str> = match option_env!("COMETAIL_COMMIT") {
    Some(commit) if !commit.is_empty() => Some(commit),
    _ => None,
};

/// Milliseconds since 1970-01-01 UTC; zero for a clock before that.
pub fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The whole daemon; `S` is what the sinks tell of themselves, `C` has its connections.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot<S, C = Vec<Connection>> {
    /// The program's version.
    pub version: &'static str,
    /// The commit that it was made of, where that is known.
    pub commit: Option<&'static str>,
    /// The process.
    pub pid: u32,
    /// When it started.
    pub started_at: u64,
    /// When this snapshot was taken.
    pub updated_at: u64,
    /// What came of the last time that the configuration was read again.
    pub reload: Option<Reload>,
    /// The file of the wire capture that is on.
    pub capture: Option<String>,
    /// The journal, where there is a state directory.
    pub journal: Option<Journal>,
    /// Every connection, in the order of the configuration.
    pub connections: C,
    /// Every sink, in the order of the configuration.
    pub sinks: Vec<S>,
}

/// What came of reading the configuration again.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reload {
    /// How often somebody has asked for that; when a file of a secret changes, nobody has.
    pub number: u64,
    /// When.
    pub at: u64,
    /// How many readings were good.
    pub good: u64,
    /// How many were not.
    pub bad: u64,
    /// When the last good one was.
    pub good_at: Option<u64>,
    /// Whether it is what the daemon runs with now; otherwise nothing has changed.
    pub ok: bool,
    /// What is wrong, one line for each thing.
    pub problems: Vec<String>,
    /// What changed, one line for each thing.
    pub changes: Vec<String>,
}

/// The journal.
#[derive(Clone, Debug, Serialize)]
pub struct Journal {
    /// Its directory.
    pub path: String,
    /// The bytes on disk.
    pub bytes: u64,
    /// The most that they may be.
    pub max_bytes: u64,
    /// In how many segments they are.
    pub segments: usize,
    /// The sequence number that the next event gets.
    pub next_sequence: u64,
    /// Events below this sequence number are durable as the sync policy defines it.
    pub durable: u64,
    /// `good`, or why nothing is taken: `full`, `no space` or `failing`.
    pub state: &'static str,
    /// Since when it is in that state.
    pub since: u64,
    /// The last trouble; kept after the recovery.
    pub last_error: Option<Error>,
    /// Events that left it before every sink had them.
    pub lost: u64,
    /// Places that were found damaged at the start.
    pub damaged: u64,
    /// Gap records that it got for either.
    pub gaps: u64,
}

/// One connection.
#[derive(Clone, Debug, Serialize)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// Its endpoint; empty until the login has said where it is, where only that does.
    pub url: String,
    /// The session's state.
    pub state: &'static str,
    /// How the present session travels: `long-polling` or `websocket`.
    pub transport: &'static str,
    /// Since when it is in that state.
    pub since: u64,
    /// Whether the daemon counts as ready only when this one is live.
    pub required: bool,
    /// Whether it has been live since the daemon's start.
    pub been_live: bool,
    /// What it waits for.
    pub waiting: &'static str,
    /// How long from `updated_at` at most, in milliseconds, where that is known.
    pub waiting_ms: Option<u64>,
    /// When its loop means to turn at the latest, where that is known; one that does not is stuck.
    #[serde(skip)]
    pub due: Option<Instant>,
    /// Since when nothing is asked for, because the journal has no room.
    pub paused_since: Option<u64>,
    /// Its channels.
    pub channels: Vec<ChannelStatus>,
    /// Handshakes that succeeded.
    pub handshakes: u64,
    /// Handshakes that were sent, by what made them necessary.
    pub handshake_causes: BTreeMap<&'static str, u64>,
    /// Connects (`/meta/connect`) that were sent.
    pub polls: u64,
    /// Responses of every kind.
    pub responses: u64,
    /// Events received, without repeats.
    pub events: u64,
    /// Events that had been received before and were dropped.
    pub repeats: u64,
    /// Events that came after later ones of their channel.
    pub late: u64,
    /// Messages that could not be read.
    pub set_aside: u64,
    /// Bytes of the responses' bodies, after inflation.
    pub bytes: u64,
    /// Failures, refusals and odd replies.
    pub failures: u64,
    /// Times that a position was no longer retained, or a session was lost.
    pub sessions_lost: u64,
    /// Times that events of a channel may be missing for good.
    pub gaps: u64,
    /// Since when a session that the server knows has had no poll open; the server forgets it after 40 s.
    pub without_poll_since: Option<u64>,
    /// The longest that this has lasted, in milliseconds.
    pub longest_without_poll_ms: u64,
    /// Times that no connect had succeeded for so long that everything began anew.
    pub watchdog: u64,
    /// Whether that was so and no connect has succeeded since.
    pub stalled: bool,
    /// When the last response came.
    pub last_response: Option<u64>,
    /// When the last event came.
    pub last_event: Option<u64>,
    /// The last batch of events, for whoever wants to look into one.
    #[serde(skip)]
    pub last_batch: Option<LastBatch>,
    /// The last failure, refusal or odd reply.
    pub last_error: Option<Error>,
    /// The login, once there was one.
    pub login: Option<Login>,
    /// The org's limits that streaming uses up, where they are watched.
    pub limits: Vec<Limit>,
    /// When they were read.
    pub limits_at: Option<u64>,
}

/// A batch that shows nothing of its payloads to whoever prints the status.
#[derive(Clone)]
pub struct LastBatch(pub Arc<Batch>);

impl fmt::Debug for LastBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events", self.0.len())
    }
}

/// How a connection is logged in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Login {
    /// Which login it is, for a person.
    pub what: String,
    /// Who is logged in, where that is known.
    pub user: Option<String>,
    /// Since when there is the token in use; none without a token.
    pub token_since: Option<u64>,
    /// How many logins were begun; a token that somebody else keeps fresh counts none.
    pub logins: u64,
    /// How far the login host's clock is ahead of ours, in seconds, where that stood in the way.
    pub clock_skew_s: Option<i64>,
    /// Why there is no good token.
    pub error: Option<Error>,
    /// Not before then is there another login, where that is known.
    pub next_attempt: Option<u64>,
}

impl Login {
    /// One that has given nothing yet.
    pub fn new(what: String) -> Self {
        Self { what, ..Self::default() }
    }
}

/// One limit of the org.
#[derive(Clone, Debug, Serialize)]
pub struct Limit {
    /// Its name.
    pub name: String,
    /// What may be used.
    pub max: u64,
    /// What is used.
    pub used: u64,
    /// What is left.
    pub left: u64,
    /// How much is used, in percent.
    pub percent: u64,
}

/// One channel of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// `pending`, `asked`, `live`, or the meaning of a refusal.
    pub standing: &'static str,
}

/// Something that went wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Error {
    /// When.
    pub at: u64,
    /// What, without any secret.
    pub text: String,
}

impl Connection {
    /// A connection that has done nothing yet.
    pub fn new(name: &str, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            state: "new",
            transport: "long-polling",
            since: millis(SystemTime::now()),
            required: true,
            been_live: false,
            waiting: "not started",
            waiting_ms: None,
            due: None,
            paused_since: None,
            channels: Vec::new(),
            handshakes: 0,
            handshake_causes: BTreeMap::new(),
            polls: 0,
            responses: 0,
            events: 0,
            repeats: 0,
            late: 0,
            set_aside: 0,
            bytes: 0,
            failures: 0,
            sessions_lost: 0,
            gaps: 0,
            without_poll_since: None,
            longest_without_poll_ms: 0,
            watchdog: 0,
            stalled: false,
            last_response: None,
            last_event: None,
            last_batch: None,
            last_error: None,
            login: None,
            limits: Vec::new(),
            limits_at: None,
        }
    }

    /// Whether events are on their way.
    pub fn is_live(&self) -> bool {
        self.state == "live" && !self.stalled
    }

    /// Notes the state and the wait that the session is in now.
    pub fn enter(
        &mut self,
        now: SystemTime,
        state: &'static str,
        waiting: &'static str,
        wait: Option<Duration>,
    ) {
        if self.state != state {
            self.state = state;
            self.since = millis(now);
        }
        self.been_live |= self.is_live();
        self.due = None;
        self.waiting = waiting;
        self.waiting_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    }

    /// Notes that nothing is asked for until there is room, and where.
    pub fn pause(&mut self, now: SystemTime, waiting: &'static str) {
        self.due = None;
        self.waiting = waiting;
        self.waiting_ms = None;
        self.paused_since.get_or_insert(millis(now));
    }

    /// Notes that it receives nothing, and that no session of it is anywhere.
    pub fn halt(&mut self, now: SystemTime, state: &'static str, waiting: &'static str) {
        self.enter(now, state, waiting, None);
        (self.paused_since, self.without_poll_since, self.stalled) = (None, None, false);
        self.channels.iter_mut().for_each(|channel| channel.standing = "pending");
    }

    /// Notes that it could not start, and when that is tried again.
    pub fn rest(&mut self, now: SystemTime, problem: String, again: Duration) {
        self.failed(now, problem);
        self.halt(now, "cannot start", "to be started again");
        self.waiting_ms = u64::try_from(again.as_millis()).ok();
    }

    /// Notes that its task broke: only a new process knows again what it knew. No loop of it turns any more, which a
    /// service manager's watchdog is to see.
    pub fn break_down(&mut self, now: SystemTime) {
        self.failed(now, String::from("its task broke, by a mistake in this program"));
        self.halt(now, "broken", "for a restart of the daemon");
        self.due = Some(Instant::now());
    }

    /// Notes something that went wrong.
    pub fn failed(&mut self, now: SystemTime, text: String) {
        self.failures += 1;
        self.last_error = Some(Error { at: millis(now), text });
    }

    /// Takes over what the server said of each channel.
    pub fn set_channels(&mut self, standings: impl Iterator<Item = (Channel, &'static str)>) {
        let mut count = 0;
        for (channel, standing) in standings {
            // They are rarely others than before, and there may be a thousand, each of which brings news.
            match self.channels.get_mut(count) {
                Some(known) if known.name == channel.as_str() => known.standing = standing,
                known => {
                    let new = ChannelStatus { name: channel.to_string(), standing };
                    match known {
                        Some(known) => *known = new,
                        None => self.channels.push(new),
                    }
                }
            }
            count += 1;
        }
        self.channels.truncate(count);
    }
}
