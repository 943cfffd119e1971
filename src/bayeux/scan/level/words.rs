//! Blocks as eight words, on any machine.

use super::super::marks::{BLOCK, CHUNK, Kinds, Rare, Sort};

/// A block as eight words.
pub(super) struct Words;

impl Sort for Words {
    #[inline(always)]
    fn kinds(&self, blocks: &[[u8; BLOCK]], all: &mut [Kinds; CHUNK]) {
        for (block, to) in blocks.iter().zip(all) {
            *to = kinds(block);
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
        super::parity(bits)
    }
}

fn kinds(block: &[u8; BLOCK]) -> Kinds {
    let rare = Words.rare(block);
    Kinds {
        quotes: equal(block, 0, b'"'),
        commas: equal(block, 0, b','),
        colons: equal(block, 0, b':'),
        brackets: equal(block, 0x20, b'{') | equal(block, 0x20, b'}'),
        spaces: equal(block, 0, b' '),
        rare: rare.backslashes | rare.controls | rare.high,
    }
}

/// The bytes of a block that are `byte` when the bits of `set` are set in them.
#[inline(always)]
fn equal(block: &[u8; BLOCK], set: u8, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let (set, byte) = (u64::from_ne_bytes([set; 8]), u64::from_ne_bytes([byte; 8]));
    by_word(block, |word| {
        let differs = (word | set) ^ byte;
        // The high bit of each byte that is nothing but zeros; no byte's sum reaches the next.
        ones_of(!(((differs & LOW) + LOW) | differs))
    })
}

/// The high bit of every byte of a word, as the lowest bit of that byte.
#[inline(always)]
const fn ones_of(word: u64) -> u64 {
    word >> 7 & 0x0101_0101_0101_0101
}

/// A mask of a block from what `ones` says of each of its words: the lowest bit of each byte.
#[inline(always)]
fn by_word(block: &[u8; BLOCK], ones: impl Fn(u64) -> u64) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let words = words.iter().map(|word| ones(u64::from_le_bytes(*word)));
    // The factor moves the bit of byte n to bit 56 + n.
    words.rev().fold(0, |mask, ones| mask << 8 | ones.wrapping_mul(0x0102_0408_1020_4080) >> 56)
}
