//! Responses full of events, built once and numbered in place, and what they have to be in a file.
//!
//! Every event is the same 300 bytes but for its number, ten digits that stand in it twice: as the replay id and in the
//! record's name. A line is compared with those bytes, which are JSON, so it needs no parser to be known good.

use crate::Result;

/// The number of a run's first event.
pub(crate) const FIRST: u32 = 1_000_000_000;
/// The length of an event's line in a file, its line break included.
pub(crate) const LINE_LEN: usize = LEN + 1;
/// The channel of every event.
pub(crate) const CHANNEL: &str = "/topic/InvoiceStatementUpdates";

/// A PushTopic event as the Streaming API sends it, with escapes and braces in its text.
const EVENT: &str = concat!(
    r#"{"channel":"/topic/InvoiceStatementUpdates","data":{"event":{"createdDate":"2026-03-29T16:40:08.208Z","#,
    r#""replayId":1000000000,"type":"updated"},"sobject":{"Id":"a00D0000008oLi8IAE","Name":"INV-1000000000","#,
    r#""Status__c":"Negotiated","Description__c":"Fragile: keep \"this side up\" {dock 4}, in person"}}}"#
);
const LEN: usize = EVENT.len();
const _: () = assert!(LEN == 300, "figures are about events of 300 bytes");

/// The events of a response, one after the other, each with a byte behind it.
pub(crate) struct Row {
    bytes: Vec<u8>,
    next: u32,
    places: Vec<usize>,
}

impl Row {
    /// `count` events, each with `end` behind it; the first has the number [`FIRST`].
    pub(crate) fn new(count: usize, end: u8) -> Self {
        let one = [EVENT.as_bytes(), &[end]].concat();
        let places = EVENT.match_indices("1000000000").map(|(at, _)| at).collect();
        Self { bytes: one.repeat(count), next: FIRST, places }
    }

    /// The next events.
    pub(crate) fn next(&mut self) -> &[u8] {
        for event in self.bytes.chunks_exact_mut(LINE_LEN) {
            let digits = digits(self.next);
            for place in &self.places {
                if let Some(number) = event.get_mut(*place..*place + digits.len()) {
                    number.copy_from_slice(&digits);
                }
            }
            self.next += 1;
        }
        &self.bytes
    }
}

fn digits(mut number: u32) -> [u8; 10] {
    let mut digits = [b'0'; 10];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    digits
}

/// Compares lines with what they have to be.
pub(crate) struct Check {
    row: Row,
    /// Lines that were right.
    pub(crate) lines: u32,
}

impl Check {
    pub(crate) fn new() -> Self {
        Self { row: Row::new(1, b'\n'), lines: 0 }
    }

    /// Takes the whole lines at the start of `bytes`; how many bytes they have.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize> {
        for line in bytes.chunks_exact(LINE_LEN) {
            let wanted = self.row.next();
            if line != wanted {
                let (line, wanted) = (String::from_utf8_lossy(line), String::from_utf8_lossy(wanted));
                return Err(format!("line {}: wanted {wanted}found {line}", self.lines + 1).into());
            }
            self.lines += 1;
        }
        Ok(bytes.len() - bytes.len() % LINE_LEN)
    }
}
