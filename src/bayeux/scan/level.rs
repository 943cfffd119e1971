//! How blocks are sorted on the machine at hand: with AVX2, with SSE2 (every `x86_64`), or eight bytes at a time.

use super::marks::{BLOCK, CHUNK, Kinds, Past, Rare, Sort, mark};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod sse2;

/// The means by which blocks are sorted; there is none that this machine does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bayeux) struct Level(Means);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Sse2,
    #[cfg(any(test, feature = "fuzzing", not(target_arch = "x86_64")))]
    Words,
}

impl Level {
    /// The fastest.
    #[cfg(target_arch = "x86_64")]
    pub(in crate::bayeux) fn best() -> Self {
        Self(if has_avx2() { Means::Avx2 } else { Means::Sse2 })
    }

    /// The fastest.
    #[cfg(not(target_arch = "x86_64"))]
    pub(in crate::bayeux) fn best() -> Self {
        Self(Means::Words)
    }

    /// Every level of this machine.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(in crate::bayeux) fn all() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let more = [Means::Sse2, Means::Avx2].into_iter().filter(|means| *means != Means::Avx2 || has_avx2());
        #[cfg(not(target_arch = "x86_64"))]
        let more = [];
        std::iter::once(Means::Words).chain(more).map(Self).collect()
    }

    /// Marks a chunk; see [`mark`].
    pub(super) fn mark(self, body: &[u8], base: usize, past: &mut Past, visits: &mut [u64; CHUNK]) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code, reason = "no safe call reaches a function that not every machine can run")]
            // SAFETY: `Means::Avx2` is made only where `has_avx2` has said that the machine has what it needs.
            Means::Avx2 => unsafe { avx2::mark_avx2(body, base, past, visits) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code, reason = "as above")]
            // SAFETY: SSE2 is part of `x86_64`.
            Means::Sse2 => unsafe { sse2::mark_sse2(body, base, past, visits) },
            #[cfg(any(test, feature = "fuzzing", not(target_arch = "x86_64")))]
            Means::Words => mark(body, base, past, visits, &Words),
        }
    }
}

#[cfg(target_arch = "x86_64")]
/// A [`Sort`] of closures: unlike methods, they may use what the function around them is built for.
struct By<K, R, P> {
    kinds: K,
    rare: R,
    parity: P,
}

#[cfg(target_arch = "x86_64")]
impl<K, R, P> Sort for By<K, R, P>
where
    K: Fn(&[u8; BLOCK]) -> Kinds,
    R: Fn(&[u8; BLOCK]) -> Rare,
    P: Fn(u64) -> u64,
{
    #[inline(always)]
    fn kinds(&self, block: &[u8; BLOCK]) -> Kinds {
        (self.kinds)(block)
    }
    #[inline(always)]
    fn rare(&self, block: &[u8; BLOCK]) -> Rare {
        (self.rare)(block)
    }
    #[inline(always)]
    fn parity(&self, bits: u64) -> u64 {
        (self.parity)(bits)
    }
}

/// Whether the machine has what `avx2` is built for.
#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("pclmulqdq")
}

/// A block as eight words.
#[cfg(any(test, feature = "fuzzing", not(target_arch = "x86_64")))]
struct Words;

#[cfg(any(test, feature = "fuzzing", not(target_arch = "x86_64")))]
impl Sort for Words {
    #[inline(always)]
    fn kinds(&self, block: &[u8; BLOCK]) -> Kinds {
        let rare = self.rare(block);
        Kinds {
            quotes: equal(block, 0, b'"'),
            commas: equal(block, 0, b','),
            colons: equal(block, 0, b':'),
            brackets: equal(block, 0x20, b'{') | equal(block, 0x20, b'}'),
            spaces: equal(block, 0, b' '),
            has_rare: rare.backslashes | rare.controls | rare.high != 0,
        }
    }

    #[inline(always)]
    fn rare(&self, block: &[u8; BLOCK]) -> Rare {
        Rare {
            backslashes: equal(block, 0, b'\\'),
            // A byte is below a space when it is not after one of its three high bits has been taken for all.
            controls: by_word(block, |word| ones_of(!(word | word << 1 | word << 2)) & ones_of(!word)),
            breaks: equal(block, 0, b'\t') | equal(block, 0, b'\n') | equal(block, 0, b'\r'),
            high: by_word(block, ones_of),
        }
    }

    #[inline(always)]
    fn parity(&self, bits: u64) -> u64 {
        parity(bits)
    }
}

/// [`Sort::parity`] by doubling shifts.
#[inline(always)]
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The bytes of a block that are `byte` when the bits of `set` are set in them.
#[cfg(any(test, feature = "fuzzing", not(target_arch = "x86_64")))]
#[inline(always)]
fn equal(block: &[u8; BLOCK], set: u8, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let (set, byte) = (u64::from_ne_bytes([set; 8]), u64::from_ne_bytes([byte; 8]));
    by_word(block, |word| {
        let differs = (word | set) ^ byte;
        // The high bit of each byte that is nothing but zeros; no byte's sum reaches the next.
        ones_of(!((differs & LOW) + LOW | differs))
    })
}

/// The high bit of every byte of a word, as the lowest bit of that byte.
#[cfg(any(test, feature = "fuzzing", not(target_arch = "x86_64")))]
#[inline(always)]
const fn ones_of(word: u64) -> u64 {
    word >> 7 & 0x0101_0101_0101_0101
}

/// A mask of a block from what `ones` says of each of its words: the lowest bit of each byte.
#[cfg(any(test, feature = "fuzzing", not(target_arch = "x86_64")))]
#[inline(always)]
fn by_word(block: &[u8; BLOCK], ones: impl Fn(u64) -> u64) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let words = words.iter().map(|word| ones(u64::from_le_bytes(*word)));
    // The factor moves the bit of byte n to bit 56 + n.
    words.rev().fold(0, |mask, ones| mask << 8 | ones.wrapping_mul(0x0102_0408_1020_4080) >> 56)
}
