//! Requests and the records in them.
//!
//! * A request keeps its bytes and its id from the first attempt to the last.
//! * Where a request may have several records, its body is a JSON array, even of one.
//! * A record is formed where it is sent from; refused, it is a part of that body.
//! * The id of a request of one record is that of its event; of several, 128 bits of a SHA-256 over the ids of
//!   their events, in hexadecimal: the same events have the same id, after a restart as well.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::super::target::Refused;

/// How much goes into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The most events; more than one make JSON arrays of all bodies.
    pub events: usize,
    /// The most bytes of a body, unless a single event is larger.
    pub bytes: usize,
}

impl Default for Batch {
    /// One event, 1 MiB.
    fn default() -> Self {
        Self { events: 1, bytes: 1 << 20 }
    }
}

/// A record in its request.
#[derive(Debug)]
struct Record {
    /// The stable id of its event.
    id: String,
    /// Where it stands in the body.
    place: Range<usize>,
}

/// A request that is being filled.
#[derive(Debug, Default)]
pub(super) struct Draft {
    body: Vec<u8>,
    records: Vec<Record>,
}

impl Draft {
    /// With room for a body of so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { body: Vec::with_capacity(bytes), records: Vec::new() }
    }

    /// Whether nothing more goes into it.
    pub(super) const fn is_full(&self, batch: Batch) -> bool {
        self.records.len() >= batch.events
    }

    /// Appends the record that `form` appends to the body; where that makes the body too large for the request, a request
    /// with that record instead.
    pub(super) fn push(&mut self, batch: Batch, id: String, form: impl FnOnce(&mut Vec<u8>)) -> Option<Self> {
        let start = self.begin(batch);
        form(&mut self.body);
        let end = self.body.len();
        if self.records.is_empty() || end < batch.bytes {
            self.records.push(Record { id, place: start..end });
            return None;
        }
        let record = self.body.split_off(start);
        // The comma before it.
        self.body.pop();
        let mut next = Self::default();
        let start = next.begin(batch);
        next.body.extend_from_slice(&record);
        next.records.push(Record { id, place: start..next.body.len() });
        Some(next)
    }

    /// Where the next record stands.
    fn begin(&mut self, batch: Batch) -> usize {
        if batch.events > 1 {
            self.body.push(if self.records.is_empty() { b'[' } else { b',' });
        }
        self.body.len()
    }

    /// How many bytes its last record has.
    pub(super) fn last_len(&self) -> usize {
        self.records.last().map_or(0, |record| record.place.len())
    }

    /// The request; none without a record.
    pub(super) fn seal(mut self, batch: Batch) -> Option<Letter> {
        if self.records.is_empty() {
            return None;
        }
        if batch.events > 1 {
            self.body.push(b']');
        }
        Some(Letter { id: id(&self.records), body: self.body.into(), tried: None, records: self.records })
    }
}

/// One request.
#[derive(Debug)]
pub(super) struct Letter {
    /// Visible ASCII, or what stood in a file of parked events.
    pub(super) id: Bytes,
    pub(super) body: Bytes,
    /// When the first attempt began; none before it.
    pub(super) tried: Option<Instant>,
    records: Vec<Record>,
}

impl Letter {
    /// How many records it has.
    pub(super) const fn len(&self) -> usize {
        self.records.len()
    }

    /// What becomes of a request that is refused for good: its one record is, or all of them go back to the front
    /// of what waits, each to go alone.
    pub(super) fn refuse(mut self, reason: &str, waiting: &mut VecDeque<Self>) -> Option<Refused> {
        if let [only] = self.records.as_slice() {
            let record = self.body.slice(only.place.clone());
            return Some(Refused { id: only.id.clone(), reason: reason.to_owned(), record });
        }
        while let Some(record) = self.records.pop() {
            waiting.push_front(self.alone(record));
        }
        None
    }

    /// A request with one record of this one, of several.
    fn alone(&self, record: Record) -> Self {
        let bytes = self.body.get(record.place).unwrap_or_default();
        let body = [b"[", bytes, b"]"].concat();
        let record = Record { id: record.id, place: 1..1 + bytes.len() };
        let tried = self.tried.or_else(|| Some(Instant::now()));
        Self { id: Bytes::from(record.id.clone()), body: body.into(), tried, records: vec![record] }
    }
}

fn id(records: &[Record]) -> Bytes {
    if let [only] = records {
        return Bytes::from(only.id.clone());
    }
    let mut hash = Sha256::new();
    for record in records {
        hash.update(record.id.as_bytes());
        hash.update([0]);
    }
    let number = hash.finalize().iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    Bytes::from(format!("{number:032x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(bodies: &[&str], batch: Batch) -> VecDeque<Letter> {
        let (mut letters, mut draft) = (VecDeque::new(), Draft::default());
        for body in bodies {
            let form = |out: &mut Vec<u8>| out.extend_from_slice(body.as_bytes());
            if let Some(next) = draft.push(batch, format!("id{body}"), form) {
                letters.extend(std::mem::replace(&mut draft, next).seal(batch));
            }
            assert_eq!(draft.last_len(), body.len());
            if draft.is_full(batch) {
                letters.extend(std::mem::take(&mut draft).seal(batch));
            }
        }
        letters.extend(draft.seal(batch));
        letters
    }

    fn bodies(letters: VecDeque<Letter>) -> Vec<Bytes> {
        letters.into_iter().map(|letter| letter.body).collect()
    }

    #[test]
    fn a_request_is_bounded_in_events_and_bytes() {
        let of = |events, bytes| bodies(letters(&["11", "22", "33", "44"], Batch { events, bytes }));
        assert_eq!(of(1, 99), ["11", "22", "33", "44"]);
        assert_eq!(of(1, 1), ["11", "22", "33", "44"]);
        assert_eq!(of(3, 99), ["[11,22,33]", "[44]"]);
        assert_eq!(of(9, 7), ["[11,22]", "[33,44]"]);
        assert_eq!(of(9, 6), ["[11]", "[22]", "[33]", "[44]"]);
    }

    #[test]
    fn the_id_is_that_of_the_events() {
        let id = |bodies: &[&str]| letters(bodies, Batch { events: 9, bytes: 99 })[0].id.clone();
        assert_eq!(id(&["1"]), "id1");
        assert_eq!(id(&["1", "2"]), id(&["1", "2"]));
        assert_eq!(id(&["1", "2"]).len(), 32);
        assert_ne!(id(&["1", "2"]), id(&["2", "1"]));
        assert_ne!(id(&["1", "2"]), id(&["1", "2", "3"]));
    }

    #[test]
    fn refused_records_go_alone_and_no_further() {
        let mut waiting = letters(&["1", "2", "3", "4"], Batch { events: 2, bytes: 99 });
        let letter = waiting.pop_front().unwrap();
        assert!(letter.refuse("no", &mut waiting).is_none());
        let letter = waiting.pop_front().unwrap();
        assert_eq!((&*letter.id, &*letter.body, letter.len()), (&b"id1"[..], &b"[1]"[..], 1));
        let refused = letter.refuse("no", &mut waiting).unwrap();
        assert_eq!((&*refused.id, &*refused.reason, &*refused.record), ("id1", "no", &b"1"[..]));
        assert_eq!(bodies(waiting), ["[2]", "[3,4]"]);
    }
}
