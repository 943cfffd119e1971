//! Events without the line breaks that they came with: a sink writes each on one line.

use std::ops::Range;

use bytes::Bytes;

/// The bytes that the places of a body's events refer to: the body itself, until an event has had a line break.
#[derive(Debug, Default)]
pub(super) struct Flat(Option<Vec<u8>>);

impl Flat {
    /// Where the event that stands at `at` of `body` stands without line breaks. `may_break` tells whether it may have
    /// any.
    pub(super) fn place(&mut self, body: &[u8], at: Range<usize>, may_break: bool) -> Range<usize> {
        if !may_break && self.0.is_none() {
            return at;
        }
        let message = body.get(at.clone()).unwrap_or_default();
        if self.0.is_none() && memchr::memchr2(b'\n', b'\r', message).is_none() {
            return at;
        }
        // What stands before the first such event keeps its place.
        let flat = self.0.get_or_insert_with(|| {
            let mut flat = Vec::with_capacity(body.len());
            flat.extend_from_slice(body.get(..at.start).unwrap_or_default());
            flat
        });
        let start = flat.len();
        let mut rest = 0;
        for end in memchr::memchr2_iter(b'\n', b'\r', message).chain([message.len()]) {
            flat.extend_from_slice(message.get(rest..end).unwrap_or_default());
            rest = end + 1;
        }
        start..flat.len()
    }

    /// What the places refer to.
    pub(super) fn finish(self, body: &Bytes) -> Bytes {
        self.0.map_or_else(|| body.clone(), Bytes::from)
    }
}
