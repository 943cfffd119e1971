//! From visit to visit through one message, by the grammar.

use super::level::Level;
use super::marks::{BLOCK, CHUNK, Past};
use super::scalar::{is_scalar, position};
use crate::event::ReplayId;

/// The most levels of a message.
const DEPTH_MAX: u32 = u64::BITS;

/// What the scan says of a message.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::bayeux) enum Found<'b> {
    /// It is an event, and valid.
    Event(Event<'b>),
    /// It is valid and ends before the byte at this place; it is none of the plain events.
    Other(usize),
    /// It was not proved to be valid.
    Unproved,
}

/// A plain event: a message with `data` and a channel of text that is none of the protocol's own.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::bayeux) struct Event<'b> {
    /// Its channel.
    pub(in crate::bayeux) channel: &'b str,
    /// The place behind its last byte.
    pub(in crate::bayeux) end: usize,
    /// `data.event.replayId`, where it has one.
    pub(in crate::bayeux) replay: Option<ReplayId>,
    /// Whether it has a `clientId`.
    pub(in crate::bayeux) names_session: bool,
    /// Whether there may be line breaks in it.
    pub(in crate::bayeux) may_break: bool,
}

/// Scans the messages of one body.
#[derive(Debug)]
pub(in crate::bayeux) struct Scanner<'b> {
    body: &'b [u8],
    level: Level,
    past: Past,
    visits: [u64; CHUNK],
    /// How many of `visits` are marked.
    marked: usize,
    /// How many of `visits` have been taken.
    taken: usize,
    /// The place behind the last marked block.
    end: usize,
    place: Place,
    /// The last channel that was read.
    channel: &'b str,
    /// Whether the place is known to be behind a whole message.
    sure: bool,
}

/// The visits of a block that are still to come.
#[derive(Clone, Copy, Debug)]
struct Place {
    base: usize,
    bits: u64,
}

/// What a message has said of itself so far.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Fields<'b> {
    channel: Option<&'b str>,
    data: bool,
    event: bool,
    replay: Option<ReplayId>,
    names_session: bool,
    /// Whether it is for `serde_json` to say what it is.
    odd: bool,
}

/// A number of bits as an index: every platform this builds for has at least 32-bit addresses.
#[inline(always)]
pub(super) fn index(bits: u32) -> usize {
    usize::try_from(bits).expect("usize has at least 32 bits")
}

/// Whether a value that begins so, where one is read, can be valid and still be refused: a number that is out of range,
/// a string with half a surrogate pair.
const fn may_be_refused(first: u8) -> bool {
    matches!(first, b'"' | b'-' | b'0'..=b'9')
}

impl<'b> Scanner<'b> {
    /// Nothing is read yet.
    pub(in crate::bayeux) fn new(body: &'b [u8], level: Level) -> Self {
        Self {
            body,
            level,
            past: Past::NONE,
            visits: [0; CHUNK],
            marked: 0,
            taken: 0,
            end: 0,
            place: Place { base: 0, bits: 0 },
            channel: "",
            sure: false,
        }
    }

    /// Scans the message that starts at `start`, which lies behind the last one.
    pub(in crate::bayeux) fn message(&mut self, start: usize) -> Found<'b> {
        if self.body.get(start) != Some(&b'{') {
            self.sure = false;
            return Found::Unproved;
        }
        if !self.sure {
            self.restart(start);
        }
        let mut fields = Fields::default();
        let end = self.walk(start, &mut fields);
        let found = end.map_or(Found::Unproved, |end| self.judge(start, end, &fields));
        self.sure = found != Found::Unproved;
        found
    }

    /// Forgets where it is: the next message is wherever it is said to be.
    pub(in crate::bayeux) const fn lose(&mut self) {
        self.sure = false;
    }

    fn restart(&mut self, start: usize) {
        self.past = Past::NONE;
        (self.marked, self.taken, self.end) = (0, 0, start);
        self.place = Place { base: start, bits: 0 };
    }

    /// What a message is whose structure is valid: strings and encoding are what is left to be checked.
    fn judge(&self, start: usize, end: usize, fields: &Fields<'b>) -> Found<'b> {
        let valid_text = self.past.high_end <= start
            || self.body.get(start..end).is_some_and(|message| std::str::from_utf8(message).is_ok());
        if self.past.bad < end || !valid_text {
            return Found::Unproved;
        }
        match fields.channel.filter(|channel| fields.data && !fields.odd && !channel.starts_with("/meta/")) {
            Some(channel) => Found::Event(Event {
                channel,
                end,
                replay: fields.replay,
                names_session: fields.names_session,
                may_break: self.past.controls_end > start,
            }),
            None => Found::Other(end),
        }
    }

    /// Follows the grammar from the opening bracket at `start` to the place behind the closing one (RFC 8259,
    /// sections 4 and 5).
    #[inline]
    fn walk(&mut self, start: usize, fields: &mut Fields<'b>) -> Option<usize> {
        let body = self.body;
        let mut place = self.place;
        while self.next(body, &mut place)?.0 < start {}
        let mut nest = Nest { objects: 1, depth: 1, focus: 1 };
        let (mut at, mut byte) = self.next(body, &mut place)?;
        let mut closed = byte == b'}';
        while !closed {
            if nest.in_object() {
                let name = at;
                if byte != b'"' {
                    return None;
                }
                (at, byte) = self.value_of(body, &mut place)?;
                if nest.depth == nest.focus && self.field(&mut nest, name, (at, byte), fields) {
                    // It has been read, and is a number: no visit.
                    byte = b'"';
                }
            }
            if matches!(byte, b'{' | b'[') {
                nest.open(byte)?;
                (at, byte) = self.next(body, &mut place)?;
                if byte != nest.closing() {
                    continue;
                }
                nest.close();
            } else if byte != b'"' && !is_scalar(body.get(at..)?) {
                return None;
            }
            // Behind a value.
            loop {
                (at, byte) = self.next(body, &mut place)?;
                if byte == b'"' {
                    if !Self::is_behind(body, at, b',') {
                        return None;
                    }
                    break;
                }
                if byte == b',' {
                    (at, byte) = self.next(body, &mut place)?;
                    break;
                }
                if byte != nest.closing() {
                    return None;
                }
                nest.close();
                if nest.depth == 0 {
                    closed = true;
                    break;
                }
            }
        }
        self.place = place;
        Some(at + 1)
    }

    /// The value behind a name and its colon, which is a visit of its own where there is space beside it (section 4).
    #[inline(always)]
    fn value_of(&mut self, body: &[u8], place: &mut Place) -> Option<(usize, u8)> {
        let (at, byte) = self.next(body, place)?;
        if Self::is_behind(body, at, b':') {
            return Some((at, byte));
        }
        if byte == b':' { self.next(body, place) } else { None }
    }

    /// Whether the byte before `at` is this one.
    #[inline(always)]
    fn is_behind(body: &[u8], at: usize, byte: u8) -> bool {
        body.get(at.wrapping_sub(1)) == Some(&byte)
    }

    /// The next visit: its place and its byte.
    #[inline(always)]
    fn next(&mut self, body: &[u8], place: &mut Place) -> Option<(usize, u8)> {
        while place.bits == 0 {
            *place = self.next_block()?;
        }
        let at = place.base + index(place.bits.trailing_zeros());
        place.bits &= place.bits - 1;
        Some((at, *body.get(at)?))
    }

    fn next_block(&mut self) -> Option<Place> {
        if self.taken == self.marked {
            self.taken = 0;
            self.marked = self.level.mark(self.body, self.end, &mut self.past, &mut self.visits);
            self.end += self.marked * BLOCK;
        }
        let base = self.end - (self.marked - self.taken) * BLOCK;
        let bits = *self.visits.get(..self.marked)?.get(self.taken)?;
        self.taken += 1;
        Some(Place { base, bits })
    }

    /// Takes in a field at the depth of names that matter; whether its value is read, and valid.
    #[inline(always)]
    fn field(&mut self, nest: &mut Nest, name: usize, value: (usize, u8), fields: &mut Fields<'b>) -> bool {
        let text = self.body.get(name..).unwrap_or_default();
        match nest.focus {
            1 if text.starts_with(b"\"data\"") => {
                fields.odd |= std::mem::replace(&mut fields.data, true) | may_be_refused(value.1);
                nest.focus += u32::from(value.1 == b'{');
            }
            1 if text.starts_with(b"\"channel\"") => {
                fields.odd |= fields.channel.is_some();
                fields.channel = self.plain_text(value.0);
                fields.odd |= fields.channel.is_none();
            }
            1 if text.starts_with(b"\"clientId\"") => fields.names_session = true,
            2 if text.starts_with(b"\"event\"") => {
                fields.odd |= std::mem::replace(&mut fields.event, true) | may_be_refused(value.1);
                nest.focus += u32::from(value.1 == b'{');
            }
            3 if text.starts_with(b"\"replayId\"") => {
                fields.odd |= fields.replay.is_some();
                fields.replay = self.body.get(value.0..).and_then(position).map(ReplayId);
                fields.odd |= fields.replay.is_none();
                return fields.replay.is_some();
            }
            _ => fields.odd |= self.has_escape(name, value.0),
        }
        false
    }

    /// Whether an escape stands in these bytes.
    #[inline(always)]
    fn has_escape(&self, from: usize, to: usize) -> bool {
        let (chunk, escapes) = (self.past.chunk, self.past.escapes);
        let possible =
            from < chunk || escapes >> ((from - chunk) / BLOCK) & ((2 << ((to - from) / BLOCK + 1)) - 1) != 0;
        possible && self.body.get(from..to).is_some_and(|text| text.contains(&b'\\'))
    }

    /// The text of a string without an escape.
    fn plain_text(&mut self, at: usize) -> Option<&'b str> {
        let text = self.body.get(at..)?.strip_prefix(b"\"")?;
        // Most events are of the channel of the last one.
        if text.strip_prefix(self.channel.as_bytes()).is_some_and(|rest| rest.starts_with(b"\"")) {
            return Some(self.channel);
        }
        let end = memchr::memchr2(b'"', b'\\', text)?;
        let text = text.split_at_checked(end).filter(|(_, rest)| rest.starts_with(b"\""))?.0;
        self.channel = std::str::from_utf8(text).ok()?;
        Some(self.channel)
    }
}

/// The open brackets of a message.
struct Nest {
    /// One bit for each, the innermost lowest: whether it is an object's.
    objects: u64,
    depth: u32,
    /// The depth of the names that matter: those of the message, of its data, of the event in it.
    focus: u32,
}

impl Nest {
    #[inline(always)]
    const fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// What closes the innermost bracket.
    #[inline(always)]
    const fn closing(&self) -> u8 {
        if self.in_object() { b'}' } else { b']' }
    }

    /// Opens a bracket, unless too many are open.
    #[inline(always)]
    fn open(&mut self, bracket: u8) -> Option<()> {
        self.objects = self.objects << 1 | u64::from(bracket == b'{');
        self.depth += 1;
        (self.depth <= DEPTH_MAX).then_some(())
    }

    /// Closes the innermost bracket.
    #[inline(always)]
    fn close(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
        self.focus = self.focus.min(self.depth);
    }
}
