//! The faults that are on, and which of them a request meets.
//!
//! The list is bounded. What a request meets is decided and counted under the lock, at once for all of the list.

use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;
use serde::Serialize;

use super::Fault;
use crate::emulator::message::Message;

/// The most faults at a time.
const FAULTS_MAX: usize = 100;

/// What of a request decides which faults it meets.
#[derive(Clone, Copy, Debug)]
pub(in crate::emulator) struct Asked<'a> {
    /// Its path, where faults of paths are asked for.
    pub(in crate::emulator) path: Option<&'a str>,
    /// Its messages, where the others are.
    pub(in crate::emulator) messages: &'a [Message],
    /// Whose it is.
    pub(in crate::emulator) user: Option<&'a str>,
}

impl Asked<'_> {
    /// Whether one of the messages is so.
    pub(super) fn any(&self, is_so: impl Fn(&Message) -> bool) -> bool {
        self.messages.iter().any(is_so)
    }
}

/// The faults that are on, the oldest first.
#[derive(Debug, Default)]
pub(in crate::emulator) struct Faults {
    list: Vec<Active>,
    last: u64,
}

/// A fault that is on.
#[derive(Debug)]
struct Active {
    id: u64,
    fault: Arc<Fault>,
    left: Option<u64>,
    met: u64,
    rng: Rng,
}

/// A fault as it is shown.
#[derive(Debug, Serialize)]
pub(in crate::emulator) struct Shown<'a> {
    id: u64,
    #[serde(flatten)]
    fault: &'a Fault,
    /// How many requests will meet it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
    /// How many requests met it.
    met: u64,
}

/// A fault that one request meets.
#[derive(Debug)]
pub(in crate::emulator) struct Met {
    /// What it does.
    pub(in crate::emulator) fault: Arc<Fault>,
    rng: Rng,
}

/// Why a fault is not switched on: there are as many as there may be.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::emulator) struct TooMany;

impl Faults {
    /// Switches a checked fault on, behind the others, and gives its id.
    pub(in crate::emulator) fn add(&mut self, fault: Fault) -> Result<u64, TooMany> {
        if self.list.len() >= FAULTS_MAX {
            return Err(TooMany);
        }
        self.last += 1;
        self.list.push(Active::new(self.last, fault));
        Ok(self.last)
    }

    /// Switches one off; whether it was on.
    pub(in crate::emulator) fn remove(&mut self, id: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|active| active.id != id);
        self.list.len() < before
    }

    /// Switches all off and says how many there were.
    pub(in crate::emulator) fn clear(&mut self) -> usize {
        self.list.drain(..).count()
    }

    /// Whether none is on.
    pub(in crate::emulator) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Each of them.
    pub(in crate::emulator) fn shown(&self) -> Vec<Shown<'_>> {
        self.list.iter().map(Active::shown).collect()
    }

    /// What a request meets; counts it.
    pub(in crate::emulator) fn meet(&mut self, asked: Asked<'_>) -> Vec<Met> {
        let mut met: Vec<Met> = Vec::new();
        for active in &mut self.list {
            let spoilt = met.iter().any(|one| one.fault.spoils());
            if active.fault.concerns(&asked) && !(spoilt && active.fault.spoils()) {
                met.extend(active.draw());
            }
        }
        self.list.retain(|active| active.left != Some(0));
        met
    }
}

impl Active {
    fn new(id: u64, fault: Fault) -> Self {
        let rng = Rng::with_seed(fault.seed);
        Self { id, left: fault.next, fault: Arc::new(fault), met: 0, rng }
    }

    fn shown(&self) -> Shown<'_> {
        Shown { id: self.id, fault: &self.fault, left: self.left, met: self.met }
    }

    fn draw(&mut self) -> Option<Met> {
        // Both are drawn for each request, so that what one meets does not depend on what the fault does.
        let (drawn, seed) = (self.rng.f64(), self.rng.u64(..));
        if self.fault.rate.is_some_and(|rate| drawn >= rate) {
            return None;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.met += 1;
        Some(Met { fault: Arc::clone(&self.fault), rng: Rng::with_seed(seed) })
    }
}

impl Met {
    /// Puts things into another order, if there are two that can change places.
    pub(in crate::emulator) fn shuffle<T: Clone + PartialEq>(&mut self, things: &mut [T]) {
        let before = things.to_vec();
        self.rng.shuffle(things);
        if things == before && things.len() > 1 {
            things.rotate_left(1);
        }
    }

    /// The body as it is sent, and after how many bytes it is cut.
    pub(in crate::emulator) fn damage(&mut self, body: Bytes) -> (Bytes, Option<usize>) {
        let cut = self.fault.cut.within(body.len(), &mut self.rng);
        let Some(at) = self.fault.corrupt.within(body.len(), &mut self.rng) else {
            return (body, cut);
        };
        let mut bytes = body.to_vec();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = !*byte;
        }
        (bytes.into(), cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOTHING: Asked<'_> = Asked { path: None, messages: &[], user: None };

    fn faults(list: impl IntoIterator<Item = Value>) -> Faults {
        let mut faults = Faults::default();
        for fault in list {
            let fault: Fault = serde_json::from_value(fault).unwrap();
            fault.check().unwrap();
            faults.add(fault).unwrap();
        }
        faults
    }

    fn one(fault: Value) -> Met {
        faults([fault]).meet(NOTHING).remove(0)
    }

    #[test]
    fn a_rate_meets_that_part_and_the_same_again_with_the_same_seed() {
        let met = |seed: u64| {
            let mut faults = faults([json!({"rate": 0.2, "seed": seed, "close": true})]);
            (0..10_000).map(|_| !faults.meet(NOTHING).is_empty()).collect::<Vec<_>>()
        };
        let first = met(1);
        let count = first.iter().filter(|met| **met).count();
        assert!((1700..2300).contains(&count), "{count}");
        assert_eq!(first, met(1));
        assert_ne!(first, met(2));
        let mut few = faults([json!({"rate": 0.5, "next": 3})]);
        assert_eq!((0..1000).map(|_| few.meet(NOTHING).len()).sum::<usize>(), 3);
        assert!(few.is_empty());
    }

    #[test]
    fn what_spoils_an_answer_waits_for_the_next_and_the_rest_adds_up() {
        let mut faults = faults([
            json!({"next": 2, "delay": 1}),
            json!({"next": 1, "status": 503}),
            json!({"next": 1, "cut": 1, "delay": 5}),
            json!({"next": 1, "delay": 2}),
        ]);
        let delays = |met: Vec<Met>| met.iter().map(|one| one.fault.delay().as_millis()).collect::<Vec<_>>();
        assert_eq!(delays(faults.meet(NOTHING)), [1, 0, 2]);
        assert_eq!(delays(faults.meet(NOTHING)), [1, 5]);
        assert!(faults.is_empty() && faults.meet(NOTHING).is_empty());
    }

    #[test]
    fn the_list_is_bounded_and_ids_are_used_once() {
        let mut faults = faults((0..FAULTS_MAX).map(|_| json!({"next": 1})));
        assert_eq!(faults.add(Fault::default()), Err(TooMany));
        assert!(faults.remove(1) && !faults.remove(1));
        assert_eq!(faults.add(Fault::default()), Ok(101));
        assert_eq!(faults.clear(), FAULTS_MAX);
        assert_eq!(faults.add(Fault::default()), Ok(102));
    }

    #[test]
    fn bodies_are_damaged_where_the_fault_says_or_anywhere() {
        let damage = |fault, body: &'static str| one(fault).damage(Bytes::from(body));
        let (body, cut) = damage(json!({"next": 1, "cut": 2, "corrupt": 1}), "abc");
        assert_eq!((&*body, cut), (&[b'a', !b'b', b'c'][..], Some(2)));
        let (body, cut) = damage(json!({"next": 1, "cut": 9, "corrupt": 9}), "abc");
        assert_eq!((&*body, cut), (&[b'a', b'b', !b'c'][..], Some(2)));
        let (body, cut) = damage(json!({"next": 1, "cut": true, "corrupt": true}), "abc");
        assert!(cut.is_some_and(|cut| cut < 3) && String::from_utf8(body.to_vec()).is_err());
        assert_eq!(damage(json!({"next": 1, "cut": true, "corrupt": 0}), ""), (Bytes::new(), None));
    }

    #[test]
    fn another_order_is_another_one() {
        for seed in 0..20 {
            let mut met = one(json!({"next": 1, "seed": seed, "reorder": true}));
            let mut things = [1, 2];
            met.shuffle(&mut things);
            assert_eq!(things, [2, 1]);
            met.shuffle(&mut [1]);
        }
    }
}
