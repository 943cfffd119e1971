//! Blocks as four vectors of 16 bytes.

use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
};

use super::super::marks::{BLOCK, CHUNK, Kinds, Past, Rare, mark};
use super::By;

/// [`mark`] for every `x86_64`.
#[target_feature(enable = "sse2")]
pub(super) fn mark_sse2(body: &[u8], base: usize, past: &mut Past, visits: &mut [u64; CHUNK]) -> usize {
    let sort = By {
        kinds: |blocks: &_, kinds: &mut _| all_kinds(blocks, kinds),
        rare: |block: &_| rare(block),
        parity: super::parity,
    };
    mark(body, base, past, visits, &sort)
}

type Quarters = [__m128i; 4];

/// Sixteen bytes.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn vector(bytes: &[u8; 16]) -> __m128i {
    let bytes = u128::from_le_bytes(*bytes).cast_signed();
    let word = |bits: i128| i64::try_from(bits).unwrap_or(0);
    _mm_set_epi64x(word(bytes >> 64), word(bytes << 64 >> 64))
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(block: &[u8; BLOCK]) -> Quarters {
    let (quarters, _) = block.as_chunks::<16>();
    let quarter = |at: usize| quarters.get(at).map_or(_mm_set1_epi8(0), |bytes| vector(bytes));
    [quarter(0), quarter(1), quarter(2), quarter(3)]
}

#[inline]
#[target_feature(enable = "sse2")]
fn mask(quarters: Quarters) -> u64 {
    let quarter = |quarter| u64::from(_mm_movemask_epi8(quarter).cast_unsigned());
    let [a, b, c, d] = quarters.map(quarter);
    a | b << 16 | c << 32 | d << 48
}

#[inline]
#[target_feature(enable = "sse2")]
fn equal(quarters: Quarters, byte: u8) -> Quarters {
    let byte = _mm_set1_epi8(byte.cast_signed());
    quarters.map(|quarter| _mm_cmpeq_epi8(quarter, byte))
}

#[inline]
#[target_feature(enable = "sse2")]
fn or(mut one: Quarters, other: Quarters) -> Quarters {
    one.iter_mut().zip(other).for_each(|(one, other)| *one = _mm_or_si128(*one, other));
    one
}

/// The bytes that are below a space as signed numbers: controls, and all that is no ASCII.
#[inline]
#[target_feature(enable = "sse2")]
fn below_space(quarters: Quarters) -> Quarters {
    quarters.map(|quarter| _mm_cmpgt_epi8(_mm_set1_epi8(0x20), quarter))
}

#[inline(never)]
#[target_feature(enable = "sse2")]
fn all_kinds(blocks: &[[u8; BLOCK]], all: &mut [Kinds; CHUNK]) {
    for (block, to) in blocks.iter().zip(all) {
        *to = kinds(block);
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn kinds(block: &[u8; BLOCK]) -> Kinds {
    let bytes = load(block);
    // `[` and `]` become `{` and `}`; no other byte does.
    let curled = or(bytes, [_mm_set1_epi8(0x20); 4]);
    Kinds {
        quotes: mask(equal(bytes, b'"')),
        commas: mask(equal(bytes, b',')),
        colons: mask(equal(bytes, b':')),
        brackets: mask(or(equal(curled, b'{'), equal(curled, b'}'))),
        spaces: mask(equal(bytes, b' ')),
        rare: mask(or(equal(bytes, b'\\'), below_space(bytes))),
    }
}

#[inline(never)]
#[target_feature(enable = "sse2")]
fn rare(block: &[u8; BLOCK]) -> Rare {
    let bytes = load(block);
    let high = mask(bytes);
    Rare {
        backslashes: mask(equal(bytes, b'\\')),
        controls: mask(below_space(bytes)) & !high,
        breaks: mask(or(or(equal(bytes, b'\t'), equal(bytes, b'\n')), equal(bytes, b'\r'))),
        high,
    }
}
