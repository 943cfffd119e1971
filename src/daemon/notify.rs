//! What a service manager is told, where one started the daemon (systemd's protocol, `sd_notify(3)`).
//!
//! Constraints
//! - Nothing waits for it: a datagram that it does not take at once is lost.
//! - What servers say stays within its line, as every line of a datagram is an assignment; a line is bounded.
//! - The watchdog is fed by whoever knows that all turns ([`super::report`]); this only says how often.
//!
//! Operations: [`Manager::tell`] it how the daemon is, [`Manager::feed`] its watchdog; [`Manager::reloading`],
//! [`Manager::reloaded`] and [`Manager::stopping`] when that begins or ends.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::sinks::SinkStatus;
use crate::status::{Connection, Snapshot};

/// The longest line, in characters.
const LINE: usize = 400;

/// How many connections and sinks a line names at most.
const NAMED: usize = 3;

/// The longest text of a server in a line, in characters.
const QUOTED: usize = 80;

/// From how many events on a sink is said to be behind.
const BEHIND: u64 = 100;

/// How much longer a start or an end may take after each word of it.
const LONGER: Duration = Duration::from_secs(10);

/// How long an end may take beyond its grace period before it is no longer excused.
const BEYOND: Duration = Duration::from_secs(5);

type Status = Snapshot<SinkStatus>;

/// The service manager; nobody, where none started the daemon.
pub(super) struct Manager {
    /// Its socket.
    place: Option<OsString>,
    watchdog: Option<Duration>,
    ready_after: Duration,
    started: Instant,
    is_ready: AtomicBool,
    failing: AtomicBool,
}

impl Manager {
    /// The one that this process's environment names; the daemon is said to be ready after a time at the latest.
    pub(super) fn of_environment(ready_after: Duration) -> Self {
        let place = std::env::var_os("NOTIFY_SOCKET").filter(|place| !place.is_empty());
        Self::new(place, sd_notify::watchdog_enabled(), ready_after)
    }

    pub(super) fn new(place: Option<OsString>, watchdog: Option<Duration>, ready_after: Duration) -> Self {
        let watchdog = watchdog.filter(|every| place.is_some() && !every.is_zero());
        let (is_ready, failing) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { place, watchdog, ready_after, started: Instant::now(), is_ready, failing }
    }

    /// Whether there is a service manager.
    pub(super) const fn is_there(&self) -> bool {
        self.place.is_some()
    }

    /// How often its watchdog is to be fed, where it has one: twice in the time that it waits.
    pub(super) fn feed_every(&self) -> Option<Duration> {
        self.watchdog.map(|wait| (wait / 2).max(Duration::from_millis(1)))
    }

    /// All turns.
    pub(super) fn feed(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    /// How the daemon is: ready as soon as it may be, and a line that says more, where it is another than `told`.
    pub(super) fn tell(&self, status: &Status, told: &mut String) {
        let mut line = line_of(status);
        if !self.is_ready.load(Ordering::Relaxed) {
            let missing = missing(status);
            if !missing.is_empty() && self.started.elapsed() < self.ready_after {
                self.extend();
            } else {
                self.is_ready.store(true, Ordering::Relaxed);
                if !missing.is_empty() {
                    line = format!("ready after {} s without {missing}: {line}", self.ready_after.as_secs());
                }
                if !missing.is_empty() && self.place.is_some() {
                    tracing::warn!(%missing, "ready without connections that are required: they were not live in time");
                }
                self.send(&[NotifyState::Ready, NotifyState::Status(&line)]);
                *told = line;
                return;
            }
        }
        self.say(line, told);
    }

    /// The end has been asked for and may take until `until`: how it gets on.
    pub(super) fn tell_end(&self, status: &Status, until: Instant, told: &mut String) {
        if Instant::now() < until {
            self.extend();
        }
        self.say(format!("stopping: {}", line_of(status)), told);
    }

    fn say(&self, line: String, told: &mut String) {
        if line != *told {
            self.send(&[NotifyState::Status(&line)]);
            *told = line;
        }
    }

    fn extend(&self) {
        let longer = u32::try_from(LONGER.as_micros()).unwrap_or(u32::MAX);
        self.send(&[NotifyState::ExtendTimeoutUsec(longer)]);
    }

    /// The end begins; until when it may take.
    pub(super) fn stopping(&self, grace: Duration) -> Instant {
        self.send(&[
            NotifyState::Stopping,
            NotifyState::Status("stopping: servers are told, queues are drained"),
        ]);
        Instant::now() + grace + BEYOND
    }

    /// What was configured is read again.
    pub(super) fn reloading(&self) {
        if self.is_ready.load(Ordering::Relaxed)
            && let Ok(now) = NotifyState::monotonic_usec_now()
        {
            self.send(&[NotifyState::Reloading, now]);
        }
    }

    /// That is over, whatever came of it.
    pub(super) fn reloaded(&self) {
        if self.is_ready.load(Ordering::Relaxed) {
            self.send(&[NotifyState::Ready]);
        }
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(place) = &self.place else { return };
        let mut text = String::new();
        for state in states {
            // Nothing can fail in writing to a string.
            let _ = writeln!(text, "{state}");
        }
        let sent = send(place, text.as_bytes());
        let failed = sent.is_err();
        if let Err(error) = sent
            && !self.failing.load(Ordering::Relaxed)
        {
            tracing::warn!(%error, "the service manager cannot be told");
        }
        self.failing.store(failed, Ordering::Relaxed);
    }
}

/// Sends one datagram without waiting.
fn send(place: &OsStr, text: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(text, &address(place)?).map(drop)
}

/// A path, or with an `@` before it a name in Linux's own space.
fn address(place: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = place.as_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(place)
}

/// The names of the required connections that have never been live.
fn missing(status: &Status) -> String {
    let names = status.connections.iter().filter(|one| one.required && !one.been_live);
    named(&names.map(|one| one.name.clone()).collect::<Vec<_>>(), ", ")
}

/// The state of the daemon in one line: how many connections are live, what the others wait for, and who is behind.
fn line_of(status: &Status) -> String {
    let live = status.connections.iter().filter(|one| one.is_live()).count();
    let mut parts = vec![format!("{live} of {} connections live", status.connections.len())];
    let journal = status.journal.as_ref().filter(|journal| journal.state != "good");
    parts.extend(journal.map(|journal| format!("the journal takes nothing: {}", journal.state)));
    let down: Vec<_> = status.connections.iter().filter(|one| !one.is_live()).map(trouble).collect();
    parts.extend(Some(named(&down, "; ")).filter(|text| !text.is_empty()));
    let mut behind: Vec<_> = status.sinks.iter().filter_map(|sink| Some((lag(sink)?, sink))).collect();
    behind.sort_by_key(|(lag, _)| std::cmp::Reverse(*lag));
    let behind: Vec<_> =
        behind.iter().map(|(lag, sink)| format!("sink {} {lag} behind", sink.name)).collect();
    parts.extend(Some(named(&behind, ", ")).filter(|text| !text.is_empty()));
    clipped(&parts.join("; "), LINE)
}

/// What keeps a connection from being live, as far as it is known.
fn trouble(one: &Connection) -> String {
    let login = one.login.as_ref().and_then(|login| login.error.as_ref());
    // An older trouble is not what is in the way now.
    let last = one.last_error.as_ref().filter(|error| error.at >= one.since || !one.been_live);
    let state = if one.stalled { "stalled" } else { one.state };
    match login.or(last) {
        Some(error) => format!("{}: {state}, {}", one.name, clipped(&error.text, QUOTED)),
        None => format!("{}: {state}", one.name),
    }
}

/// How far behind a sink is, where that is worth telling.
fn lag(sink: &SinkStatus) -> Option<u64> {
    let lag = sink.lag.unwrap_or(sink.queued_events);
    (lag >= BEHIND || sink.failing_since.is_some()).then_some(lag)
}

/// The first of them, and how many more there are.
fn named(all: &[String], between: &str) -> String {
    let first = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(between);
    match all.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A text of at most so many characters, none of them a control character.
fn clipped(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
#[path = "notify_tests.rs"]
mod tests;
