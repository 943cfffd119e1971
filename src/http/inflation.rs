//! A gzip body, inflated as it comes into the memory that it stays in.
//!
//! Constraints: no more than a cap is ever written, and memory grows with what came, not with what is claimed. A body
//! may consist of several members (RFC 1952, 2.2); checksums and lengths must be right.
//!
//! Operations: [`Inflation::take`] each piece, then [`Inflation::finish`].

use flate2::{Decompress, FlushDecompress, Status};

/// The largest window of gzip, as a power of two of bytes.
const WINDOW_BITS: u8 = 15;
/// The least room for what is inflated at once, in bytes.
const ROOM: usize = 4 << 10;

/// Why a body cannot be inflated.
pub(super) enum Failure {
    /// There is more in it than is accepted.
    Full,
    /// It is no gzip, or not all of it.
    Broken(String),
}

/// A body on its way.
pub(super) struct Inflation {
    member: Decompress,
    /// Whether the present member is complete.
    ended: bool,
    inflated: Vec<u8>,
    max: usize,
}

impl Inflation {
    /// Inflates to the end of `into`, up to `max` bytes in all.
    pub(super) fn new(into: Vec<u8>, max: usize) -> Self {
        Self { member: Decompress::new_gzip(WINDOW_BITS), ended: false, inflated: into, max }
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> Result<(), Failure> {
        // What was asked for with all the room used up may have more to give without another byte.
        while !piece.is_empty() || (!self.ended && self.inflated.len() == self.inflated.capacity()) {
            if self.ended {
                (self.member, self.ended) = (Decompress::new_gzip(WINDOW_BITS), false);
            }
            if self.inflated.len() == self.inflated.capacity() {
                self.inflated.reserve(ROOM);
            }
            let (read, written) = (self.member.total_in(), self.inflated.len());
            let step = self.member.decompress_vec(piece, &mut self.inflated, FlushDecompress::None);
            let status = step.map_err(|error| Failure::Broken(error.to_string()))?;
            if self.inflated.len() > self.max {
                return Err(Failure::Full);
            }
            let read = usize::try_from(self.member.total_in() - read).unwrap_or(usize::MAX);
            piece = piece.get(read..).unwrap_or_default();
            self.ended = status == Status::StreamEnd;
            if read == 0 && self.inflated.len() == written && !self.ended {
                break;
            }
        }
        Ok(())
    }

    /// What was inflated.
    pub(super) fn finish(self) -> Result<Vec<u8>, Failure> {
        if self.ended { Ok(self.inflated) } else { Err(Failure::Broken("it is cut short".to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(body: &[u8], piece: usize, max: usize) -> Result<Vec<u8>, Failure> {
        let mut inflation = Inflation::new(Vec::new(), max);
        body.chunks(piece).try_for_each(|piece| inflation.take(piece))?;
        inflation.finish()
    }

    #[test]
    fn members_of_every_size_in_pieces_of_every_size() {
        let all: Vec<u8> = (0..70_000_u32).flat_map(|at| (at % 251).to_le_bytes()).collect();
        for length in [0, 1, ROOM - 1, ROOM, ROOM + 1, all.len()] {
            let text = &all[..length];
            let body = [gzip(text), gzip(b"x"), gzip(text)].concat();
            let whole = [text, b"x", text].concat();
            for piece in [1, 7, 4096, body.len()] {
                assert!(inflate(&body, piece, whole.len()).is_ok_and(|inflated| inflated == whole));
                assert!(matches!(inflate(&body, piece, whole.len() - 1), Err(Failure::Full)));
            }
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_no_body() {
        let body = gzip(&b"events ".repeat(1000));
        for end in 0..body.len() {
            assert!(matches!(inflate(&body[..end], 100, 1 << 20), Err(Failure::Broken(_))), "{end}");
        }
        for at in [0, 1, body.len() - 8, body.len() - 1] {
            let mut changed = body.clone();
            changed[at] ^= 1;
            assert!(matches!(inflate(&changed, 100, 1 << 20), Err(Failure::Broken(_))), "{at}");
        }
        let behind = [&body[..], b"behind"].concat();
        assert!(matches!(inflate(&behind, 1000, 1 << 20), Err(Failure::Broken(_))));
    }

    #[test]
    fn memory_grows_with_what_is_there_and_stops_at_the_cap() {
        let body = gzip(&vec![0; 8 << 20]);
        let mut inflation = Inflation::new(Vec::new(), 100_000);
        assert!(matches!(inflation.take(&body), Err(Failure::Full)));
        assert!(inflation.inflated.capacity() < 300_000, "{}", inflation.inflated.capacity());
    }
}
