//! Segment files: their names, and the header that each begins with.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::disk::Handle;
use super::record::{Fields, checksum};

const MAGIC: [u8; 8] = *b"cometail";
/// The version that this program writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;
/// The bytes of a segment before its first record.
pub(super) const HEADER: usize = 44;
const SUFFIX: &str = ".segment";
/// What the name of a file ends in until it can be relied on.
pub(super) const UNFINISHED: &str = ".unfinished";

/// The file of segment `number`; names sort as numbers do.
pub(super) fn name(number: u64) -> String {
    format!("{number:020}{SUFFIX}")
}

/// The number in a segment's name; `None` for any other file.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    /// The number of the segment before it, its own if there was none.
    pub(super) previous: u64,
    /// The sequence number that its first event has.
    pub(super) first: u64,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// Another program's later format.
    Newer(u32),
    /// Not what was written.
    Damaged,
}

impl Header {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(!VERSION).to_le_bytes());
        for field in [self.number, self.previous, self.first] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        let sum = checksum(self.number, &bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of segment `number`. Magic, version and its complement stand where they do in every
    /// version, so that a flipped bit is no newer version.
    pub(super) fn parse(bytes: &[u8], number: u64) -> Result<Self, HeaderError> {
        let mut fields = Fields(bytes);
        let magic: Option<[u8; 8]> = fields.array();
        let (version, complement) = (fields.u32(), fields.u32());
        if let (Some(MAGIC), Some(version)) = (magic, version)
            && complement == Some(!version)
            && version > VERSION
        {
            return Err(HeaderError::Newer(version));
        }
        Self::parse_rest(bytes, fields, number).ok_or(HeaderError::Damaged)
    }

    fn parse_rest(bytes: &[u8], mut fields: Fields<'_>, number: u64) -> Option<Self> {
        let header = Self { number: fields.u64()?, previous: fields.u64()?, first: fields.u64()? };
        let summed = bytes.get(..HEADER - size_of::<u32>())?;
        let intact = header.number == number && fields.u32()? == checksum(number, summed);
        (intact && header.bytes().starts_with(summed)).then_some(header)
    }
}

/// What is known of a segment without reading it.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) number: u64,
    /// The sequence number that its first event has.
    pub(super) first: u64,
    /// How far it may be read.
    pub(super) len: u64,
    /// When it was last written, by the file system or by our own clock.
    pub(super) modified: SystemTime,
}

/// A segment that is written, and whether it can still be made durable.
#[derive(Debug)]
pub(super) struct Writable {
    pub(super) handle: Arc<dyn Handle>,
    failed: Mutex<Option<io::ErrorKind>>,
}

impl Writable {
    pub(super) fn new(handle: Arc<dyn Handle>) -> Self {
        Self { handle, failed: Mutex::new(None) }
    }

    /// Makes what was written durable. After a failure the kernel may have dropped the pages and would call
    /// the next attempt a success, so there is none: it fails for good.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = *failed {
            return Err(kind.into());
        }
        self.handle.sync().inspect_err(|error| *failed = Some(error.kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Header = Header { number: 7, previous: 5, first: 1_000 };

    #[test]
    fn a_header_gives_back_what_went_in_and_no_flipped_bit_passes() {
        let bytes = HEAD.bytes();
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(Header::parse(&bytes, 7), Ok(HEAD));
        assert_eq!(Header::parse(&bytes, 8), Err(HeaderError::Damaged), "another segment's");
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&bytes, 7), Err(HeaderError::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage_whatever_follows_it() {
        let mut bytes = HEAD.bytes();
        bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
        assert_eq!(Header::parse(&bytes, 7), Err(HeaderError::Damaged));
        bytes[12..16].copy_from_slice(&(!2_u32).to_le_bytes());
        assert_eq!(Header::parse(&bytes, 7), Err(HeaderError::Newer(2)));
        assert_eq!(Header::parse(&bytes[..16], 7), Err(HeaderError::Newer(2)));
    }

    #[test]
    fn only_segments_have_a_segments_name() {
        assert_eq!(number(&name(42)), Some(42));
        assert_eq!(number(&name(u64::MAX)), Some(u64::MAX));
        for other in ["", ".segment", "1.segment", "lock", "0000000000000000000x.segment"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
