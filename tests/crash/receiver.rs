//! The webhook's receiver: what it saw, and what it must have seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Answer, Posted, Server, json};

/// How the receiver is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Health {
    Well,
    /// Every second request, on average, fails in one of several ways; the receiver has seen it all the same.
    HalfIll,
}

/// One request.
struct Sighting {
    number: u64,
    id: String,
    taken: bool,
}

/// The number of what is no event, such as a gap that is told.
const NO_EVENT: u64 = u64::MAX;

/// A receiver of numbered events, one a request.
pub(crate) struct Receiver {
    server: Server,
    sightings: Arc<Mutex<Vec<Sighting>>>,
}

/// What was seen, in figures.
#[derive(Debug)]
#[expect(dead_code, reason = "for messages")]
pub(crate) struct Seen {
    requests: usize,
    failed: usize,
    /// Requests that brought what had been answered with a success before.
    repeats: usize,
    /// The most times that one event was answered with a success.
    most: usize,
    /// The most repeats in a row: at most so many came again after one kill.
    longest: usize,
}

impl Receiver {
    pub(crate) fn start(health: Health, seed: u64) -> Self {
        let sightings = Arc::new(Mutex::new(Vec::new()));
        let (kept, random) = (Arc::clone(&sightings), Mutex::new(fastrand::Rng::with_seed(seed)));
        let server = Server::start(move |_, posted| {
            let (answer, delay) = {
                let mut random = random.lock().unwrap();
                (answer(health, &mut random), random.u64(..8_000).saturating_sub(6_000))
            };
            let taken = matches!(answer, Answer::Status(200, ..));
            kept.lock().unwrap().push(Sighting { number: number(posted), id: id(posted), taken });
            // Now and then a kill is to hit a request under way.
            std::thread::sleep(Duration::from_micros(delay));
            answer
        });
        Self { server, sightings }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// How many requests there were.
    pub(crate) fn count(&self) -> usize {
        self.server.count()
    }

    /// Whether this number was taken.
    pub(crate) fn has_taken(&self, number: u64) -> bool {
        self.sightings.lock().unwrap().iter().rev().any(|one| one.taken && one.number == number)
    }

    /// Asserts that every number below `end` was taken at least once, always came under the same id, which no
    /// other number has, and that the first sightings, and the first successes, are in order.
    pub(crate) fn check(&self, end: u64, context: &str) -> Seen {
        let sightings = self.sightings.lock().unwrap();
        let all: Vec<u64> = (0..end).collect();
        let firsts = firsts(sightings.iter().map(|one| one.number));
        assert!(firsts == all, "{context}: first sightings: {}", difference(&firsts, end));
        let taken: Vec<_> = sightings.iter().filter(|one| one.taken).map(|one| one.number).collect();
        let first_taken = self::firsts(taken.iter().copied());
        assert!(first_taken == all, "{context}: first successes: {}", difference(&first_taken, end));
        let mut numbers = BTreeMap::new();
        let mut ids = BTreeMap::new();
        let mut counts = BTreeMap::<_, usize>::new();
        for Sighting { number, id, taken } in &*sightings {
            let first = ids.entry(number).or_insert(id);
            assert_eq!(*first, id, "{context}: the ids of event {number}");
            let owner = numbers.entry(id).or_insert(number);
            assert_eq!(*owner, number, "{context}: the events of id {id}");
            *counts.entry(number).or_default() += usize::from(*taken);
        }
        Seen {
            requests: sightings.len(),
            failed: sightings.len() - taken.len(),
            repeats: taken.len() - all.len(),
            most: counts.into_values().max().unwrap_or(0),
            longest: longest_repeat(&taken),
        }
    }
}

fn answer(health: Health, random: &mut fastrand::Rng) -> Answer {
    match (health, random.u8(..8)) {
        (Health::Well, _) | (Health::HalfIll, 4..) => Answer::OK,
        (Health::HalfIll, 0) => Answer::Close,
        (Health::HalfIll, 1) => Answer::Status(429, "Retry-After: 0\r\n", ""),
        (Health::HalfIll, 2) => Answer::Status(500, "", "<html>sorry</html>"),
        (Health::HalfIll, _) => Answer::Status(503, "", ""),
    }
}

fn number(posted: &Posted) -> u64 {
    json(&posted.body)["data"]["sobject"]["n"].as_u64().unwrap_or(NO_EVENT)
}

fn id(posted: &Posted) -> String {
    posted.header("webhook-id").unwrap().to_owned()
}

/// Each number where it comes first.
fn firsts(numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut known = std::collections::HashSet::new();
    numbers.filter(|number| known.insert(*number)).collect()
}

/// The longest run of numbers one after the other that were there before.
fn longest_repeat(numbers: &[u64]) -> usize {
    let (mut known, mut last) = (std::collections::HashSet::new(), None);
    let (mut run, mut longest) = (0, 0);
    for number in numbers {
        let goes_on = last.is_some_and(|last| last < number);
        run = if known.insert(number) {
            0
        } else if goes_on {
            run + 1
        } else {
            1
        };
        (last, longest) = (Some(number), longest.max(run));
    }
    longest
}

/// How a list differs from the numbers below `end` in order, for a message that stays short.
pub(crate) fn difference(list: &[u64], end: u64) -> String {
    let known: std::collections::HashSet<_> = list.iter().copied().collect();
    let missing: Vec<_> = (0..end).filter(|number| !known.contains(number)).collect();
    let start = &missing[..missing.len().min(10)];
    format!(
        "{} of {end}, {} different; {} missing: {start:?}...; {}",
        list.len(),
        known.len(),
        missing.len(),
        crate::support::gaps(list)
    )
}
