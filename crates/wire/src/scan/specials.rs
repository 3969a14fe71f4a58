//! Where a string may end, or be none: all such bytes of 64 are found at once, and the escapes among them are passed over
//! without a branch for each. Source code has one for every 30 bytes, and where the next stands can't be foreseen.

use wide::u8x16;

/// Bytes that are looked at together.
const BLOCK: usize = 64;
/// Every second byte of a block.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// Finds what [`next`](Self::next) stops at: quotes that are not escaped, control characters, and escapes that are rare
/// or none at all.
pub(super) struct Specials<'a> {
    text: &'a [u8],
    /// Where the block begins that was looked at last.
    block: usize,
    /// Its special bytes, a bit each.
    found: u64,
    /// Whether it ends with a backslash that escapes the first byte of the next.
    escapes_next: bool,
}

impl<'a> Specials<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, block: usize::MAX, found: 0, escapes_next: false }
    }

    /// The first special byte of a string's content from `at` on, no backslash among them: of an escape, what is behind it.
    /// The end of the text where there is none.
    pub(super) fn next(&mut self, at: usize) -> usize {
        let (mut block, mut from) = (at - at % BLOCK, u64::MAX << (at % BLOCK));
        while block < self.text.len() {
            let found = self.of(block) & from;
            if found != 0 {
                return block + found.trailing_zeros() as usize;
            }
            (block, from) = (block + BLOCK, u64::MAX);
        }
        self.text.len()
    }

    fn of(&mut self, block: usize) -> u64 {
        if self.block != block {
            // Blocks are left out only between strings, where no backslash stands.
            let is_escaped = self.escapes_next && block == self.block.wrapping_add(BLOCK);
            self.block = block;
            let rest = self.text.get(block..).unwrap_or_default();
            let bytes = rest.first_chunk().copied().unwrap_or_else(|| filled_up(rest));
            (self.found, self.escapes_next) = special(&bytes, is_escaped);
        }
        self.found
    }
}

/// The last block, with blanks behind it.
fn filled_up(rest: &[u8]) -> [u8; BLOCK] {
    let mut filled = [b' '; BLOCK];
    filled.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    filled
}

/// The special bytes of a block whose first may be escaped, and whether its last escapes what follows.
fn special(bytes: &[u8; BLOCK], is_escaped: bool) -> (u64, bool) {
    let (quote, backslash, control) = (u8x16::splat(b'"'), u8x16::splat(b'\\'), u8x16::splat(0x1f));
    let backslashes = bits(bytes, |lane| lane.simd_eq(backslash));
    let ends = bits(bytes, |lane| lane.simd_eq(quote) | lane.simd_le(control));
    let (escaped, escapes_next) = escaped(backslashes, is_escaped);
    let usual = bits(bytes, |lane| {
        lane.simd_eq(u8x16::splat(b'n')) | lane.simd_eq(u8x16::splat(b't')) | lane.simd_eq(quote)
    });
    (ends & !escaped | escaped & !usual, escapes_next)
}

/// A bit for each byte that is so.
fn bits(bytes: &[u8; BLOCK], is: impl Fn(u8x16) -> u8x16) -> u64 {
    let (lanes, _) = bytes.as_chunks::<16>();
    let bits = |lane: &[u8; 16]| u64::from(is(u8x16::new(*lane)).to_bitmask());
    lanes.iter().rev().fold(0, |found, lane| found << 16 | bits(lane))
}

/// The bytes that a backslash before them escapes and that are none themselves: what stands behind an odd number of them. And
/// whether that is the first byte of the next block.
fn escaped(backslashes: u64, is_first: bool) -> (u64, bool) {
    let first = u64::from(is_first);
    let runs = backslashes & !first;
    let begin = runs & !(runs << 1);
    // With a one added where it begins, a run is carried to the byte behind it.
    let (behind_even, _) = runs.overflowing_add(begin & EVEN);
    let (behind_odd, escapes_next) = runs.overflowing_add(begin & !EVEN);
    // An odd number lies between an even place and an odd one.
    let behind = (behind_even & !EVEN | behind_odd & EVEN) & !runs;
    ((behind | first) & !backslashes, escapes_next)
}
