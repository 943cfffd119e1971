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
        let mut place = self.place;
        while self.next(&mut place)?.0 < start {}
        let mut nest = Nest { objects: 1, depth: 1, focus: 1 };
        let (mut at, mut byte) = self.next(&mut place)?;
        let mut step = if byte == b'}' { Step::Closed } else { Step::Name };
        loop {
            step = match step {
                Step::Name if byte == b'"' => {
                    let name = at;
                    (at, byte) = self.value_of(&mut place)?;
                    if nest.depth == nest.focus {
                        nest.focus = self.field(nest.focus, name, (at, byte), fields);
                    }
                    Step::Value
                }
                Step::Name => return None,
                Step::Value => match byte {
                    b'"' => Step::After,
                    b'{' | b'[' => {
                        let (close, first) = (byte + 2, nest.open(byte)?);
                        (at, byte) = self.next(&mut place)?;
                        if byte == close { Step::Closed } else { first }
                    }
                    _ => is_scalar(self.body.get(at..)?).then_some(Step::After)?,
                },
                Step::Closed => {
                    if nest.close() {
                        self.place = place;
                        return Some(at + 1);
                    }
                    Step::After
                }
                Step::After => {
                    (at, byte) = self.next(&mut place)?;
                    match byte {
                        b'"' if self.is_behind(at, b',') => nest.next(),
                        b',' => {
                            (at, byte) = self.next(&mut place)?;
                            nest.next()
                        }
                        b'}' if nest.in_object() => Step::Closed,
                        b']' if !nest.in_object() => Step::Closed,
                        _ => return None,
                    }
                }
            };
        }
    }

    /// The value behind a name and its colon, which is a visit of its own where there is space beside it (section 4).
    #[inline(always)]
    fn value_of(&mut self, place: &mut Place) -> Option<(usize, u8)> {
        let (at, byte) = self.next(place)?;
        if self.is_behind(at, b':') {
            return Some((at, byte));
        }
        if byte == b':' { self.next(place) } else { None }
    }

    /// Whether the byte before `at` is this one.
    #[inline(always)]
    fn is_behind(&self, at: usize, byte: u8) -> bool {
        self.body.get(at.wrapping_sub(1)) == Some(&byte)
    }

    /// The next visit: its place and its byte.
    #[inline(always)]
    fn next(&mut self, place: &mut Place) -> Option<(usize, u8)> {
        while place.bits == 0 {
            *place = self.next_block()?;
        }
        let at = place.base + index(place.bits.trailing_zeros());
        place.bits &= place.bits - 1;
        Some((at, *self.body.get(at)?))
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

    /// Takes in a field at the depth of names that matter; the depth of those that follow it.
    fn field(&self, focus: u32, name: usize, value: (usize, u8), fields: &mut Fields<'b>) -> u32 {
        let text = self.body.get(name + 1..value.0).unwrap_or_default();
        let inside = if value.1 == b'{' { focus + 1 } else { focus };
        match focus {
            1 if text.starts_with(b"channel\"") => {
                fields.odd |= fields.channel.is_some();
                fields.channel = self.plain_text(value.0);
                fields.odd |= fields.channel.is_none();
            }
            1 if text.starts_with(b"data\"") => {
                fields.odd |= std::mem::replace(&mut fields.data, true);
                return inside;
            }
            1 if text.starts_with(b"clientId\"") => fields.names_session = true,
            2 if text.starts_with(b"event\"") => {
                fields.odd |= std::mem::replace(&mut fields.event, true);
                return inside;
            }
            3 if text.starts_with(b"replayId\"") => {
                fields.odd |= fields.replay.is_some();
                fields.replay = self.body.get(value.0..).and_then(position).map(ReplayId);
                fields.odd |= fields.replay.is_none();
            }
            _ => fields.odd |= self.past.escapes_end > name && text.contains(&b'\\'),
        }
        focus
    }

    /// The text of a string without an escape.
    fn plain_text(&self, at: usize) -> Option<&'b str> {
        let text = self.body.get(at..)?.strip_prefix(b"\"")?;
        let end = memchr::memchr2(b'"', b'\\', text)?;
        let text = text.split_at_checked(end).filter(|(_, rest)| rest.starts_with(b"\""))?.0;
        std::str::from_utf8(text).ok()
    }
}

/// What is due at a visit.
#[derive(Clone, Copy)]
enum Step {
    /// The name of a member.
    Name,
    /// A value.
    Value,
    /// A bracket has been closed.
    Closed,
    /// A value is behind; what follows it is the next visit.
    After,
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

    /// What follows a comma.
    #[inline(always)]
    const fn next(&self) -> Step {
        if self.in_object() { Step::Name } else { Step::Value }
    }

    /// Opens a bracket; what is due in it, if it is not empty.
    #[inline(always)]
    fn open(&mut self, bracket: u8) -> Option<Step> {
        self.objects = self.objects << 1 | u64::from(bracket == b'{');
        self.depth += 1;
        (self.depth <= DEPTH_MAX).then(|| self.next())
    }

    /// Closes the innermost bracket; whether it was the message's own.
    #[inline(always)]
    fn close(&mut self) -> bool {
        self.objects >>= 1;
        self.depth -= 1;
        self.focus = self.focus.min(self.depth);
        self.depth == 0
    }
}
