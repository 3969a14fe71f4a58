//! Where a string may end, or be none: all such bytes of 64 are found at once, and the escapes among them are passed over
//! without a branch for each. Source code has one for every 30 bytes, and where the next stands can't be foreseen.
//!
//! The widest vectors that the processor has are chosen when the process runs.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u8x64};

/// Bytes whose bits make a word.
const BLOCK: usize = 64;
/// Blocks that are looked at together.
const WINDOW: usize = 16;
/// Every second byte of a block.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// Finds what [`next`](Self::next) stops at: quotes that are not escaped, control characters, and escapes that are rare
/// or none at all.
pub(super) struct Specials<'a> {
    text: &'a [u8],
    /// Which block is the first of those that were looked at last.
    first: usize,
    /// The special bytes of them, a bit each.
    found: [u64; WINDOW],
    /// Whether the last of them ends with a backslash that escapes the next byte.
    escapes_next: bool,
    level: Level,
}

impl<'a> Specials<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let mut specials =
            Self { text, first: 0, found: [0; WINDOW], escapes_next: false, level: Level::new() };
        specials.look(0);
        specials
    }

    /// The first special byte of a string's content from `at` on, no backslash among them: of an escape, what is behind it.
    /// The end of the text where there is none. `at` never goes back, and never stands within an escape.
    pub(super) fn next(&mut self, at: usize) -> usize {
        let (mut block, mut from) = (at / BLOCK, u64::MAX << (at % BLOCK));
        while block * BLOCK < self.text.len() {
            let found = self.of(block) & from;
            if found != 0 {
                return block * BLOCK + found.trailing_zeros() as usize;
            }
            (block, from) = (block + 1, u64::MAX);
        }
        self.text.len()
    }

    fn of(&mut self, block: usize) -> u64 {
        match self.found.get(block - self.first) {
            Some(found) => *found,
            None => self.look(block),
        }
    }

    /// Looks at a block and those behind it. Not inlined, so that what is done for each string is.
    #[inline(never)]
    fn look(&mut self, first: usize) -> u64 {
        // Blocks are left out only between strings, where no backslash stands.
        let is_escaped = self.escapes_next && first == self.first + WINDOW;
        let rest = self.text.get(first * BLOCK..).unwrap_or_default();
        self.first = first;
        self.escapes_next = dispatch!(self.level, simd => window(simd, rest, &mut self.found, is_escaped));
        self.found[0]
    }
}

/// The special bytes of a text's first blocks, whose first byte may be escaped, and whether the last escapes what follows.
#[expect(clippy::inline_always, reason = "what the processor can do is known where it is inlined")]
#[inline(always)]
fn window<S: Simd>(simd: S, text: &[u8], found: &mut [u64; WINDOW], mut is_escaped: bool) -> bool {
    let (blocks, rest) = text.as_chunks();
    let mut found = found.iter_mut();
    for (block, found) in blocks.iter().zip(found.by_ref()) {
        (*found, is_escaped) = special(simd, block, is_escaped);
    }
    if let Some(found) = found.next() {
        let mut block = [b' '; BLOCK];
        block.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        (*found, is_escaped) = special(simd, &block, is_escaped);
    }
    is_escaped
}

/// The special bytes of a block whose first may be escaped, and whether its last escapes what follows.
#[expect(clippy::inline_always, reason = "what the processor can do is known where it is inlined")]
#[inline(always)]
fn special<S: Simd>(simd: S, bytes: &[u8; BLOCK], is_escaped: bool) -> (u64, bool) {
    let lanes = u8x64::from_slice(simd, bytes);
    let quotes = lanes.simd_eq(b'"');
    let ends = (quotes | lanes.simd_lt(b' ')).to_bitmask();
    let line_ends = lanes.simd_eq(b'n') | lanes.simd_eq(b'r');
    let usual = (quotes | line_ends | lanes.simd_eq(b't')).to_bitmask();
    let (escaped, escapes_next) = escaped(lanes.simd_eq(b'\\').to_bitmask(), is_escaped);
    (ends & !escaped | escaped & !usual, escapes_next)
}

/// The bytes that a backslash before them escapes and that are none themselves: what stands behind an odd number of them. And
/// whether that is the first byte of the next block.
fn escaped(backslashes: u64, is_first: bool) -> (u64, bool) {
    let first = u64::from(is_first);
    let runs = backslashes & !first;
    let begin = runs & !(runs << 1);
    // With a one added where it begins, a run is carried to the byte behind it.
    let behind_even = runs.wrapping_add(begin & EVEN);
    let (behind_odd, escapes_next) = runs.overflowing_add(begin & !EVEN);
    // An odd number lies between an even place and an odd one.
    let behind = behind_even & !EVEN | behind_odd & EVEN;
    ((behind | first) & !backslashes, escapes_next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All that this processor can be asked for, the least that a build may count on among them.
    fn levels() -> Vec<Level> {
        let best = Level::new();
        let mut levels = vec![Level::baseline(), best];
        #[cfg(target_arch = "x86_64")]
        levels.extend(best.as_sse4_2().map(Simd::level).into_iter().chain(best.as_avx2().map(Simd::level)));
        levels
    }

    /// Byte after byte.
    fn plainly(text: &[u8]) -> Vec<usize> {
        let mut is_escaped = false;
        let mut special = Vec::new();
        for (at, byte) in text.iter().enumerate() {
            let is_usual = matches!(byte, b'"' | b'\\' | b'n' | b'r' | b't');
            let ends = matches!(byte, b'"' | 0..b' ');
            if is_escaped && !is_usual || !is_escaped && ends {
                special.push(at);
            }
            is_escaped = *byte == b'\\' && !is_escaped;
        }
        special
    }

    proptest! {
        #[test]
        fn the_same_with_any_vectors(text in "([\\x00-\\xff]|\\\\|\"|\\\\n|a{60}){0,200}") {
            let expected = plainly(text.as_bytes());
            for level in levels() {
                let mut specials = Specials { level, ..Specials::new(text.as_bytes()) };
                specials.look(0);
                let mut found = Vec::new();
                let mut at = specials.next(0);
                while at < text.len() {
                    found.push(at);
                    at = specials.next(at + 1);
                }
                prop_assert_eq!(&found, &expected, "{:?}", level);
            }
        }
    }
}
