//! Requests and the records in them.
//!
//! * A request keeps its bytes and its id from the first attempt to the last.
//! * Where a request may have several records, its body is a JSON array, even of one.
//! * The id of a request of one record is that of its event; of several, 128 bits of a SHA-256 over the ids of
//!   their events, in hexadecimal: the same events have the same id, after a restart as well.

use std::collections::VecDeque;
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

/// A record that waits for its request.
#[derive(Debug)]
pub(super) struct Record {
    id: String,
    body: Bytes,
    /// When it was first tried, in a request that was refused: it goes alone.
    tried: Option<Instant>,
}

impl Record {
    /// The record of the event with this stable id.
    pub(super) const fn new(id: String, body: Bytes) -> Self {
        Self { id, body, tried: None }
    }
}

/// One request.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) body: Bytes,
    /// When the first attempt began; none before it.
    pub(super) tried: Option<Instant>,
    records: Vec<Record>,
}

impl Letter {
    /// The next request from the front of what waits.
    pub(super) fn take(waiting: &mut VecDeque<Record>, batch: Batch) -> Option<Self> {
        let first = waiting.pop_front()?;
        let (tried, mut size) = (first.tried, first.body.len() + 2);
        let mut records = vec![first];
        while tried.is_none() && records.len() < batch.events {
            let fits = |next: &mut Record| size + next.body.len() < batch.bytes && next.tried.is_none();
            let Some(next) = waiting.pop_front_if(fits) else { break };
            size += next.body.len() + 1;
            records.push(next);
        }
        let body = if batch.events > 1 { array(&records, size) } else { plain(&records) };
        Some(Self { id: id(&records), body, tried, records })
    }

    /// How many records it has.
    pub(super) const fn len(&self) -> usize {
        self.records.len()
    }

    /// What becomes of a request that is refused for good: its one record is, or all of them go back to the front
    /// of what waits, each to go alone.
    pub(super) fn refuse(self, reason: &str, waiting: &mut VecDeque<Record>) -> Option<Refused> {
        let Self { mut records, tried, .. } = self;
        if let [only] = records.as_slice() {
            return Some(Refused {
                id: only.id.clone(),
                reason: reason.to_owned(),
                record: only.body.clone(),
            });
        }
        while let Some(record) = records.pop() {
            waiting.push_front(Record { tried: tried.or_else(|| Some(Instant::now())), ..record });
        }
        None
    }
}

fn plain(records: &[Record]) -> Bytes {
    records.first().map(|record| record.body.clone()).unwrap_or_default()
}

fn array(records: &[Record], size: usize) -> Bytes {
    let mut body = Vec::with_capacity(size);
    for (index, record) in records.iter().enumerate() {
        body.push(if index == 0 { b'[' } else { b',' });
        body.extend_from_slice(&record.body);
    }
    body.push(b']');
    Bytes::from(body)
}

fn id(records: &[Record]) -> String {
    if let [only] = records {
        return only.id.clone();
    }
    let mut hash = Sha256::new();
    for record in records {
        hash.update(record.id.as_bytes());
        hash.update([0]);
    }
    let number = hash.finalize().iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    format!("{number:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(bodies: &[&'static str]) -> VecDeque<Record> {
        let record =
            |body: &&'static str| Record::new(format!("id{body}"), Bytes::from_static(body.as_bytes()));
        bodies.iter().map(record).collect()
    }

    fn bodies(waiting: &mut VecDeque<Record>, batch: Batch) -> Vec<Bytes> {
        std::iter::from_fn(|| Letter::take(waiting, batch)).map(|letter| letter.body).collect()
    }

    #[test]
    fn a_request_is_bounded_in_events_and_bytes() {
        let all = ["11", "22", "33", "44"];
        assert_eq!(bodies(&mut waiting(&all), Batch { events: 1, bytes: 99 }), all);
        assert_eq!(bodies(&mut waiting(&all), Batch { events: 3, bytes: 99 }), ["[11,22,33]", "[44]"]);
        assert_eq!(bodies(&mut waiting(&all), Batch { events: 9, bytes: 7 }), ["[11,22]", "[33,44]"]);
        assert_eq!(
            bodies(&mut waiting(&all), Batch { events: 9, bytes: 6 }),
            ["[11]", "[22]", "[33]", "[44]"]
        );
    }

    #[test]
    fn the_id_is_that_of_the_events() {
        let id = |bodies: &[&'static str]| {
            Letter::take(&mut waiting(bodies), Batch { events: 9, bytes: 99 }).unwrap().id
        };
        assert_eq!(id(&["1"]), "id1");
        assert_eq!(id(&["1", "2"]), id(&["1", "2"]));
        assert_eq!(id(&["1", "2"]).len(), 32);
        assert_ne!(id(&["1", "2"]), id(&["2", "1"]));
        assert_ne!(id(&["1", "2"]), id(&["1", "2", "3"]));
    }

    #[test]
    fn refused_records_go_alone_and_no_further() {
        let batch = Batch { events: 2, bytes: 99 };
        let mut waiting = waiting(&["1", "2", "3", "4"]);
        let letter = Letter::take(&mut waiting, batch).unwrap();
        assert!(letter.refuse("no", &mut waiting).is_none());
        let letter = Letter::take(&mut waiting, batch).unwrap();
        assert_eq!((&*letter.id, &*letter.body), ("id1", &b"[1]"[..]));
        let refused = letter.refuse("no", &mut waiting).unwrap();
        assert_eq!((&*refused.id, &*refused.reason, &*refused.record), ("id1", "no", &b"1"[..]));
        assert_eq!(bodies(&mut waiting, batch), ["[2]", "[3,4]"]);
    }
}
