//! What was counted, in two generations: when the younger is full, the older is forgotten and the younger takes its place.
//! What is asked for moves to the younger, so a conversation stays as long as it goes on.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Piece;

/// Pieces of a generation: as many as a table of 32,768 places holds before it grows.
const GENERATION: usize = 28_672;

#[derive(Debug, Default)]
pub(super) struct Memo {
    younger: Table,
    older: Table,
}

type Table = HashMap<u128, Piece, BuildHasherDefault<Hashed>>;

impl Memo {
    pub(super) fn get(&mut self, key: u128) -> Option<Piece> {
        if let Some(piece) = self.younger.get(&key) {
            return Some(*piece);
        }
        let piece = *self.older.get(&key)?;
        self.put(key, piece);
        Some(piece)
    }

    pub(super) fn put(&mut self, key: u128, piece: Piece) {
        if self.younger.len() >= GENERATION {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(key, piece);
    }
}

/// Keys are hashes already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Kind;

    fn piece(tokens: u32) -> Piece {
        Piece { tokens: Some(tokens), kind: Kind::Turn }
    }

    /// Keys that differ in both halves, as hashes do.
    fn key(number: u32) -> u128 {
        u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_asked_for() {
        let mut memo = Memo::default();
        let many = 10 * u32::try_from(GENERATION).unwrap();
        for number in 0..many {
            memo.put(key(number), piece(number));
            assert_eq!(memo.get(key(0)), Some(piece(0)), "{number}");
        }
        assert!(memo.younger.len() + memo.older.len() <= 2 * GENERATION);
        assert!(memo.younger.capacity() <= GENERATION && memo.older.capacity() <= GENERATION);
        assert_eq!(memo.get(key(many - 1)), Some(piece(many - 1)));
        assert_eq!(memo.get(key(1)), None);
    }
}
