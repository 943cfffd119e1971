//! Responses full of events, built before the clock starts, so that the server costs next to nothing.
//!
//! Constraints: no event is sent twice with the same number in a run. A body that is not compressed is used again and
//! again and numbered in place, while the client is busy with the response before. Compressed bodies cannot be: each
//! is compressed beforehand, once for all runs over the same events, up to [`Load::most`] events.
//!
//! Format: the reply to the request comes last, since only the request tells its id. In chunks it is a chunk of its own;
//! in a gzip member a stored block after the compressed ones, whose checksum goes on from theirs.

use std::io::{self, Write as _};
use std::sync::Arc;

use crc32fast::Hasher;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use memchr::memmem;

use crate::events::{self, Form, Shape};
use crate::shared::messages::response_head;

const DIGITS: usize = events::UNNUMBERED.len();
/// Room for the head, which is written last: only then is the length of the body known.
const HEAD_ROOM: usize = 192;
/// The length of a chunk; a number is not cut, so one may be a little longer.
const CHUNK: usize = 8 << 10;
/// The most that the file of a run, and that the bodies compressed beforehand, may hold.
const FILE_MAX: u64 = 450_000_000;
const COMPRESSED_MAX: u64 = 100_000_000;
/// The head of a gzip member that tells nothing about itself (RFC 1952, 2.3).
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// What the runs at one size of response have in common.
pub(crate) struct Load {
    pub(crate) form: Form,
    /// Events in a response.
    pub(crate) per_response: u32,
    compressed: Arc<Vec<Compressed>>,
}

/// The events of one response as deflate blocks that end on a byte.
#[derive(Clone)]
pub(crate) struct Compressed {
    blocks: Vec<u8>,
    checksum: Hasher,
    length: usize,
}

impl Load {
    pub(crate) fn new(form: Form, per_response: u32) -> Self {
        Self { form, per_response, compressed: Arc::default() }
    }

    /// The most events of a run, so that disk and memory do not run out.
    pub(crate) fn most(&self) -> u32 {
        let bytes = if self.form.shape == Shape::Gzip { COMPRESSED_MAX } else { FILE_MAX };
        u32::try_from(bytes / self.form.line()).unwrap_or(u32::MAX)
    }

    /// The responses of a run of `total` events.
    pub(crate) fn responses(&mut self, total: u32) -> io::Result<Responses> {
        if self.form.shape == Shape::Gzip {
            self.compress(total)?;
            return Ok(Responses::Compressed {
                of: Arc::clone(&self.compressed),
                next: 0,
                buffer: Vec::new(),
            });
        }
        Ok(Responses::Numbered(Numbered::new(self.form, self.per_response)))
    }

    fn compress(&mut self, total: u32) -> io::Result<()> {
        let wanted = usize::try_from(total / self.per_response).unwrap_or(usize::MAX);
        let done = self.compressed.len();
        let mut body = Numbered::new(Form { shape: Shape::Plain, ..self.form }, self.per_response);
        let compressed = Arc::make_mut(&mut self.compressed);
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        for _ in 0..done.min(wanted) {
            body.skip();
        }
        body.number();
        for _ in done..wanted {
            compressed.push(Compressed::new(body.events(), &mut encoder)?);
            body.skip();
            body.number();
        }
        Ok(())
    }
}

impl Compressed {
    fn new(events: &[u8], encoder: &mut DeflateEncoder<Vec<u8>>) -> io::Result<Self> {
        drop(encoder.reset(Vec::new())?);
        encoder.write_all(events)?;
        // What a flush leaves ends on a byte and is not marked as the last block.
        encoder.flush()?;
        let mut checksum = Hasher::new();
        checksum.update(events);
        Ok(Self { blocks: encoder.get_ref().clone(), checksum, length: events.len() })
    }

    /// Puts the member with `tail` at its end into `buffer`.
    fn write(&self, tail: &[u8], buffer: &mut Vec<u8>) {
        let length = u16::try_from(tail.len()).expect("a reply is short");
        buffer.extend_from_slice(&GZIP_HEAD);
        buffer.extend_from_slice(&self.blocks);
        // RFC 1951, 3.2.4: the last block, stored, its length and the complement of it.
        buffer.push(1);
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(&(!length).to_le_bytes());
        buffer.extend_from_slice(tail);
        let mut checksum = self.checksum.clone();
        checksum.update(tail);
        buffer.extend_from_slice(&checksum.finalize().to_le_bytes());
        let length = u32::try_from(self.length + tail.len()).expect("a body is below 4 GiB");
        buffer.extend_from_slice(&length.to_le_bytes());
    }
}

/// The responses of one run, one after the other.
pub(crate) enum Responses {
    Numbered(Numbered),
    Compressed { of: Arc<Vec<Compressed>>, next: usize, buffer: Vec<u8> },
}

impl Responses {
    /// The whole HTTP response, with the reply to the request `id` (as JSON) after the events.
    pub(crate) fn to(&mut self, id: &str) -> &[u8] {
        match self {
            Self::Numbered(numbered) => numbered.to(id),
            Self::Compressed { of, next, buffer } => {
                let tail = Form::USUAL.reply(id) + "]";
                buffer.clear();
                buffer.resize(HEAD_ROOM, b' ');
                of[*next].write(tail.as_bytes(), buffer);
                let head = head(buffer.len() - HEAD_ROOM, "Content-Encoding: gzip\r\n");
                with_head(buffer, &head)
            }
        }
    }

    /// Goes on to the next response; for the time in which the client is busy.
    pub(crate) fn advance(&mut self) {
        match self {
            Self::Numbered(numbered) => {
                numbered.skip();
                numbered.number();
            }
            Self::Compressed { next, .. } => *next += 1,
        }
    }
}

/// A response that is used again and again, with new numbers in the place of the old.
pub(crate) struct Numbered {
    form: Form,
    per_response: u32,
    buffer: Vec<u8>,
    /// Where the events end and the server's own reply begins.
    events_end: usize,
    /// Where the numbers stand, two for each event.
    places: Vec<usize>,
    /// The number of the first event.
    first: u32,
}

impl Numbered {
    fn new(form: Form, per_response: u32) -> Self {
        let mut body = "[".to_owned();
        for _ in 0..per_response {
            body.push_str(&form.event());
            body.push(',');
        }
        let mut buffer = vec![b' '; HEAD_ROOM];
        if form.shape == Shape::Chunked {
            chunks(body.as_bytes(), &mut buffer);
        } else {
            buffer.extend_from_slice(body.as_bytes());
        }
        let places = memmem::find_iter(&buffer, events::UNNUMBERED).collect();
        let mut new =
            Self { form, per_response, events_end: buffer.len(), buffer, places, first: events::FIRST };
        new.number();
        new
    }

    /// The events, as far as they are no part of HTTP.
    fn events(&self) -> &[u8] {
        &self.buffer[HEAD_ROOM..self.events_end]
    }

    /// Leaves out the numbers of a response.
    fn skip(&mut self) {
        self.first += self.per_response;
    }

    /// Writes the numbers into the events.
    fn number(&mut self) {
        let mut digits = [b'0'; DIGITS];
        digits.copy_from_slice(format!("{:010}", self.first).as_bytes());
        for event in self.places.chunks_exact(2) {
            for place in event {
                self.buffer[*place..*place + DIGITS].copy_from_slice(&digits);
            }
            increment(&mut digits);
        }
    }

    fn to(&mut self, id: &str) -> &[u8] {
        self.buffer.truncate(self.events_end);
        let tail = self.form.reply(id) + "]";
        if self.form.shape == Shape::Chunked {
            chunks(tail.as_bytes(), &mut self.buffer);
            self.buffer.extend_from_slice(b"0\r\n\r\n");
            return with_head(&mut self.buffer, &response_head("Transfer-Encoding: chunked\r\n"));
        }
        self.buffer.extend_from_slice(tail.as_bytes());
        let head = head(self.buffer.len() - HEAD_ROOM, "");
        with_head(&mut self.buffer, &head)
    }
}

/// The head of a response; `more` is further header lines, each with its line end.
pub(crate) fn head(length: usize, more: &str) -> String {
    response_head(&format!("{more}Content-Length: {length}\r\n"))
}

/// Puts `head` right before the body in `buffer`; where both stand.
fn with_head<'a>(buffer: &'a mut [u8], head: &str) -> &'a [u8] {
    let start = HEAD_ROOM.saturating_sub(head.len());
    buffer[start..HEAD_ROOM].copy_from_slice(head.as_bytes());
    &buffer[start..]
}

/// Puts `body` into `buffer` in chunks that cut no number.
fn chunks(mut body: &[u8], buffer: &mut Vec<u8>) {
    while !body.is_empty() {
        let rest = body.iter().skip(CHUNK).position(|byte| !byte.is_ascii_digit());
        let (chunk, after) = body.split_at(rest.map_or(body.len(), |rest| CHUNK + rest));
        buffer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        buffer.extend_from_slice(chunk);
        buffer.extend_from_slice(b"\r\n");
        body = after;
    }
}

fn increment(digits: &mut [u8; DIGITS]) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}
