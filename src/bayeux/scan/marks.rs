//! The marks of a chunk: which of its bytes are visited, as one bit each, and what was seen on the way.
//!
//! The work on the masks is the same on every machine; how a block is sorted into masks is a [`Sort`] of `level`.

use super::scalar::is_escape;

/// The bytes of a block, one for each bit of a mask.
pub(super) const BLOCK: usize = 64;

/// The blocks that are marked at a time.
pub(super) const CHUNK: usize = 16;

/// The bytes of a block by their kind, the first in the lowest bit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    pub(super) quotes: u64,
    pub(super) commas: u64,
    pub(super) colons: u64,
    /// `{`, `}`, `[` and `]`.
    pub(super) brackets: u64,
    pub(super) spaces: u64,
    /// Not zero where a byte of [`Rare`] is in it.
    pub(super) rare: u64,
}

/// The bytes of a block that most blocks have none of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rare {
    pub(super) backslashes: u64,
    /// Below a space.
    pub(super) controls: u64,
    /// Tab, line feed and carriage return, which are controls too.
    pub(super) breaks: u64,
    /// Not ASCII.
    pub(super) high: u64,
}

/// How one machine sorts blocks. The masks go through memory, or through a call: a compiler that sees comparisons
/// and the work on masks together takes the masks apart, byte by byte.
pub(super) trait Sort {
    /// The kinds of the bytes of each block.
    fn kinds(&self, blocks: &[[u8; BLOCK]], kinds: &mut [Kinds; CHUNK]);
    /// The rare bytes of a block.
    fn rare(&self, block: &[u8; BLOCK]) -> Rare;
    /// For each bit whether the number of bits up to it, itself included, is odd.
    fn parity(&self, bits: u64) -> u64;
}

/// What a block must know of those before it. Places are counted from the begin of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Past {
    /// All ones within a string.
    in_string: u64,
    /// 1 where the first byte is escaped.
    escaped: u64,
    /// 1 behind a byte of a number or a literal.
    after_scalar: u64,
    /// 1 behind a closing quote.
    after_close: u64,
    /// The first byte that no valid string can hold: a control character, or an escape that is none.
    pub(super) bad: usize,
    /// The begin of the chunk that was marked last.
    pub(super) chunk: usize,
    /// The blocks of the chunk that have an escape, one bit for each.
    pub(super) escapes: u32,
    /// The end of the last block that has a control character.
    pub(super) controls_end: usize,
    /// The end of the last block that has a byte that is no ASCII.
    pub(super) high_end: usize,
}

impl Past {
    /// At the begin of a message.
    pub(super) const NONE: Self = Self {
        in_string: 0,
        escaped: 0,
        after_scalar: 0,
        after_close: 0,
        bad: usize::MAX,
        chunk: 0,
        escapes: 0,
        controls_end: 0,
        high_end: 0,
    };
}

/// Marks the blocks of `body` from `base` on, at most as many as `visits` has room for; how many there were.
#[inline(always)]
pub(super) fn mark(
    body: &[u8],
    base: usize,
    past: &mut Past,
    visits: &mut [u64; CHUNK],
    sort: &impl Sort,
) -> usize {
    (past.chunk, past.escapes) = (base, 0);
    let (blocks, tail) = body.get(base..).unwrap_or_default().as_chunks::<BLOCK>();
    if let Some(blocks) = blocks.get(..CHUNK) {
        mark_blocks(body, base, blocks, past, visits, sort);
        return CHUNK;
    }
    mark_blocks(body, base, blocks, past, visits, sort);
    let count = blocks.len();
    let Some(visits) = visits.get_mut(count..).filter(|_| !tail.is_empty()) else {
        return count;
    };
    let mut block = [b' '; BLOCK];
    block.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    mark_blocks(body, base + count * BLOCK, &[block], past, visits, sort);
    count + 1
}

/// Marks blocks that stand at `base` of `body`, each in its place of `visits`.
#[inline(always)]
fn mark_blocks(
    body: &[u8],
    mut base: usize,
    blocks: &[[u8; BLOCK]],
    past: &mut Past,
    visits: &mut [u64],
    sort: &impl Sort,
) {
    let mut kinds = [Kinds::default(); CHUNK];
    sort.kinds(blocks, &mut kinds);
    for ((block, kinds), visits) in blocks.iter().zip(&kinds).zip(visits) {
        let rare = if kinds.rare != 0 { sort.rare(block) } else { Rare::default() };
        *visits = mark_block(body, base, kinds, &rare, past, sort);
        base += BLOCK;
    }
}

/// The visits of one block.
#[inline(always)]
fn mark_block(
    body: &[u8],
    base: usize,
    kinds: &Kinds,
    rare: &Rare,
    past: &mut Past,
    sort: &impl Sort,
) -> u64 {
    let mut quotes = kinds.quotes;
    if rare.backslashes != 0 || past.escaped != 0 {
        past.escapes |= 1 << ((base - past.chunk) / BLOCK);
        quotes &= !escaped(body, base, rare.backslashes, past);
    }
    // From an opening quote to the byte before the closing one.
    let strings = sort.parity(quotes) ^ past.in_string;
    past.in_string = if strings >> 63 == 0 { 0 } else { u64::MAX };
    if kinds.rare != 0 {
        note(base, rare, strings, past);
    }
    let outside = !(strings | quotes);
    let blanks = kinds.spaces | rare.breaks;
    let signs = kinds.commas | kinds.colons | kinds.brackets;
    let scalars = outside & !(signs | blanks);
    let (opening, closing) = (quotes & strings, quotes & !strings);
    let after_scalar = scalars << 1 | past.after_scalar;
    let after_close = closing << 1 | past.after_close;
    (past.after_scalar, past.after_close) = (scalars >> 63, closing >> 63);
    let starts = scalars & !after_scalar;
    // RFC 8259, section 4: a name, a colon, a value, and a comma before the next name.
    let plain_colons = kinds.colons & after_close & ((opening | scalars) >> 1);
    let plain_commas = kinds.commas & (after_close | after_scalar) & (opening >> 1);
    (signs & outside & !(plain_colons | plain_commas)) | opening | starts
}

/// The bytes that follow a backslash which is not itself escaped (RFC 8259, section 7); each escape is checked.
fn escaped(body: &[u8], base: usize, backslashes: u64, past: &mut Past) -> u64 {
    let mut escaped = std::mem::take(&mut past.escaped);
    let mut rest = backslashes & !escaped;
    while rest != 0 {
        let bit = rest & rest.wrapping_neg();
        let at = base + super::walk::index(bit.trailing_zeros());
        if !body.get(at + 1..).is_some_and(is_escape) {
            past.bad = past.bad.min(at);
        }
        past.escaped = bit >> 63;
        escaped |= bit << 1;
        rest &= !(bit | bit << 1);
    }
    escaped
}

/// Notes the rare bytes of a block. A control character within a string is bad (RFC 8259, section 7).
fn note(base: usize, rare: &Rare, strings: u64, past: &mut Past) {
    let bad = rare.controls & strings;
    if bad != 0 {
        past.bad = past.bad.min(base + super::walk::index(bad.trailing_zeros()));
    }
    if rare.controls != 0 {
        past.controls_end = base + BLOCK;
    }
    if rare.high != 0 {
        past.high_end = base + BLOCK;
    }
}
