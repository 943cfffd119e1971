//! One daemon and one server, from the first event to an orderly end.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::acts::{Act, Answer, body};
use crate::server::{CONNECT, HOLD, Server, State};
use crate::support::{A, Cometail, Ended, Place, connection};

/// How long a session may take to be working again, whatever happened: a poll's deadline, a request's, the longest
/// wait after a refusal (five times `retry_max`), and room for a machine that is busy with other things.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

/// A poll may be held for [`HOLD`] and its answer take this much longer.
pub(crate) const MARGIN: Duration = Duration::from_millis(300);

/// The deadline of every other request.
pub(crate) const REQUEST: Duration = Duration::from_secs(1);

/// Waits, within [`BOUND`], until `holds`.
pub(crate) fn within_bound(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {BOUND:?}: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// The connection `c`, where `more` comes before the times of these tests, and standard output as its sink.
pub(crate) fn config(url: &str, more: &str) -> String {
    let times = [("poll_timeout", HOLD), ("poll_margin", MARGIN), ("request_timeout", REQUEST)];
    let mut keys = more.to_owned();
    for (name, time) in times.iter().filter(|(name, _)| !more.contains(name)) {
        write!(keys, "\n{name} = \"{}ms\"", time.as_millis()).unwrap();
    }
    connection(url, &[A], &keys) + "[sink.console.stdout]\n"
}

/// A daemon with a session that works.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) place: Place,
    pub(crate) daemon: Cometail,
    /// How many events were published; they are numbered from 0.
    published: u64,
}

impl Scene {
    /// On a server that numbers its events, after the first two of them.
    pub(crate) fn live() -> Self {
        Self::start(Server::start(true), "")
    }

    /// On a server that knows no replay.
    pub(crate) fn without_replay() -> Self {
        Self::start(Server::start(false), "")
    }

    /// With more keys of the connection.
    pub(crate) fn live_with(more: &str) -> Self {
        Self::start(Server::start(true), more)
    }

    fn start(server: Server, more: &str) -> Self {
        let url = server.url();
        let mut scene = Self::begin(server, &config(&url, more));
        scene.settle();
        scene
    }

    /// A daemon that may take its time to have a session.
    pub(crate) fn begin(server: Server, config: &str) -> Self {
        let place = Place::new();
        let daemon = place.run(config);
        Self { server, place, daemon, published: 0 }
    }

    /// Waits for the first session and its first two events.
    pub(crate) fn settle(&mut self) {
        within_bound("a poll", || self.server.with(|state| state.is_polled()));
        self.publish(2);
        self.arrived();
        within_bound("another poll", || self.server.with(|state| state.is_polled()));
    }

    /// In one step publishes so many events, which stand in the answer, and plays an act in its place.
    pub(crate) fn play(&mut self, events: u64, act: Act) {
        self.stage(events, |state| state.act(CONNECT, act));
    }

    /// The same for the act of a body.
    pub(crate) fn play_body<B: Into<Vec<u8>>>(
        &mut self,
        events: u64,
        make: impl FnOnce(&Answer) -> B + Send + 'static,
    ) {
        self.play(events, body(make));
    }

    /// In one step publishes so many events and changes the server's state.
    pub(crate) fn stage(&mut self, events: u64, change: impl FnOnce(&mut State)) {
        let first = self.published;
        self.published += events;
        self.server.with(|state| {
            (first..first + events).for_each(|n| state.publish(n));
            change(state);
        });
    }

    /// Publishes so many events.
    pub(crate) fn publish(&mut self, events: u64) {
        self.stage(events, |_| ());
    }

    /// The number that the next event has.
    pub(crate) const fn next(&self) -> u64 {
        self.published
    }

    /// Counts an event that the test itself puts into an answer; its number.
    pub(crate) const fn count_one(&mut self) -> u64 {
        self.published += 1;
        self.published - 1
    }

    /// The numbers of the events on standard output.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.daemon.lines().iter().filter_map(|line| number(line)).collect()
    }

    /// Waits until every event has arrived.
    pub(crate) fn arrived(&self) {
        let wanted = self.published;
        within_bound(&format!("{wanted} events, there are {:?}", self.numbers()), || {
            let seen = self.numbers();
            (0..wanted).all(|n| seen.contains(&n))
        });
    }

    /// Waits until an act has been played.
    pub(crate) fn played(&self) {
        within_bound("the act", || self.server.with(|state| state.waiting_acts() == 0));
    }

    /// Waits until the log names something.
    pub(crate) fn told(&self, what: &str) {
        let deadline = Instant::now() + BOUND;
        while !self.daemon.log().contains(what) {
            assert!(Instant::now() < deadline, "not told within {BOUND:?}: {what}");
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// The status of the connection.
    pub(crate) fn status(&self) -> Value {
        self.place.status().map(|mut status| status["connections"][0].take()).unwrap_or_default()
    }

    /// The process goes on: what was published arrives, and what is published now, and each event once and in its
    /// order.
    pub(crate) fn goes_on(&mut self) {
        self.played();
        self.arrived();
        for _ in 0..2 {
            within_bound("a poll", || self.server.with(|state| state.is_polled()));
            self.publish(1);
            self.arrived();
        }
    }

    /// It has gone on, each event arrived once and in its order, and it ends in order.
    pub(crate) fn ends(mut self) -> Ended {
        self.goes_on();
        let published = self.published;
        let ended = self.daemon.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        let seen: Vec<_> = ended.stdout.lines().filter_map(number).collect();
        let wanted: Vec<_> = (0..published).collect();
        assert!(seen == wanted, "each event once and in order: {seen:?}\n{}", ended.stderr);
        ended
    }

    /// It is the session of the beginning: one handshake was all.
    pub(crate) fn ends_in_the_same_session(self) -> Ended {
        let server = self.server.clone();
        let ended = self.ends();
        assert_eq!(server.with(|state| state.count(crate::server::HANDSHAKE)), 1, "{}", ended.stderr);
        ended
    }
}

/// The number of an event; none where the line is something else. The line need not be JSON for every reader: a lone
/// surrogate is none of a parser's business that only counts.
fn number(line: &str) -> Option<u64> {
    let (_, rest) = line.rsplit_once(r#""n":"#)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// Plays a body on both kinds of server, with two events in it; each event arrives once. `told` is what the log
/// names.
pub(crate) fn odd_body<B: Into<Vec<u8>> + 'static>(told: Option<&str>, make: fn(&Answer) -> B) {
    for numbered in [true, false] {
        let mut scene = if numbered { Scene::live() } else { Scene::without_replay() };
        scene.play_body(2, make);
        if let Some(told) = told {
            scene.told(told);
        }
        scene.ends();
    }
}
