//! How blocks are sorted on the machine at hand: with AVX2, with SSE2 (every `x86_64`), or eight bytes at a time.

#[cfg(target_arch = "x86_64")]
use super::marks::{BLOCK, Kinds, Rare, Sort};
use super::marks::{CHUNK, Past};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod sse2;
#[cfg(any(test, feature = "fuzzing", not(target_arch = "x86_64")))]
mod words;

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

    /// Marks a chunk; see [`super::marks::mark`].
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
            Means::Words => super::marks::mark(body, base, past, visits, &words::Words),
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
    K: Fn(&[[u8; BLOCK]], &mut [Kinds; CHUNK]),
    R: Fn(&[u8; BLOCK]) -> Rare,
    P: Fn(u64) -> u64,
{
    #[inline(always)]
    fn kinds(&self, blocks: &[[u8; BLOCK]], kinds: &mut [Kinds; CHUNK]) {
        (self.kinds)(blocks, kinds);
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

/// [`Sort::parity`] by doubling shifts.
#[inline(always)]
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}
