//! Blocks as two vectors of 32 bytes.

use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm256_cmpeq_epi8,
    _mm256_cmpgt_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_m128i, _mm256_set1_epi8,
};

use super::super::marks::{BLOCK, CHUNK, Kinds, Past, Rare, mark};
use super::{By, sse2};

/// [`mark`] for machines with AVX2 and PCLMULQDQ.
#[target_feature(enable = "avx2,pclmulqdq")]
pub(super) fn mark_avx2(body: &[u8], base: usize, past: &mut Past, visits: &mut [u64; CHUNK]) -> usize {
    let sort = By {
        kinds: |blocks: &_, kinds: &mut _| all_kinds(blocks, kinds),
        rare: |block: &_| rare(block),
        parity: |bits| parity(bits),
    };
    mark(body, base, past, visits, &sort)
}

type Halves = [__m256i; 2];

#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &[u8; BLOCK]) -> Halves {
    let (quarters, _) = block.as_chunks::<16>();
    let quarter = |at: usize| quarters.get(at).map_or(_mm_set1_epi8(0), |bytes| sse2::vector(bytes));
    [_mm256_set_m128i(quarter(1), quarter(0)), _mm256_set_m128i(quarter(3), quarter(2))]
}

#[inline]
#[target_feature(enable = "avx2")]
fn mask([low, high]: Halves) -> u64 {
    let half = |half| u64::from(_mm256_movemask_epi8(half).cast_unsigned());
    half(low) | half(high) << 32
}

#[inline]
#[target_feature(enable = "avx2")]
fn equal([low, high]: Halves, byte: u8) -> Halves {
    let byte = _mm256_set1_epi8(byte.cast_signed());
    [_mm256_cmpeq_epi8(low, byte), _mm256_cmpeq_epi8(high, byte)]
}

#[inline]
#[target_feature(enable = "avx2")]
fn or(one: Halves, other: Halves) -> Halves {
    [_mm256_or_si256(one[0], other[0]), _mm256_or_si256(one[1], other[1])]
}

/// The bytes that are below a space as signed numbers: controls, and all that is no ASCII.
#[inline]
#[target_feature(enable = "avx2")]
fn below_space([low, high]: Halves) -> Halves {
    let space = _mm256_set1_epi8(0x20);
    [_mm256_cmpgt_epi8(space, low), _mm256_cmpgt_epi8(space, high)]
}

#[inline(never)]
#[target_feature(enable = "avx2")]
fn all_kinds(blocks: &[[u8; BLOCK]], all: &mut [Kinds; CHUNK]) {
    for (block, to) in blocks.iter().zip(all) {
        *to = kinds(block);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn kinds(block: &[u8; BLOCK]) -> Kinds {
    let bytes = load(block);
    // `[` and `]` become `{` and `}`; no other byte does.
    let curled = or(bytes, [_mm256_set1_epi8(0x20); 2]);
    let [low, high] = or(equal(bytes, b'\\'), below_space(bytes));
    Kinds {
        quotes: mask(equal(bytes, b'"')),
        commas: mask(equal(bytes, b',')),
        colons: mask(equal(bytes, b':')),
        brackets: mask(or(equal(curled, b'{'), equal(curled, b'}'))),
        spaces: mask(equal(bytes, b' ')),
        rare: u64::from(_mm256_movemask_epi8(_mm256_or_si256(low, high)).cast_unsigned()),
    }
}

#[inline(never)]
#[target_feature(enable = "avx2")]
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

/// A carry-less product by all ones adds up, without carry, all lower bits for each bit.
#[inline]
#[target_feature(enable = "avx2,pclmulqdq")]
fn parity(bits: u64) -> u64 {
    let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits.cast_signed()), _mm_set1_epi8(-1));
    _mm_cvtsi128_si64(product).cast_unsigned()
}
