//! By what the pieces of a request, and the beginning of a conversation, are known again: hashes of the JSON as it stands in the
//! request. What serves it hashes it once, for all who remember something of it.
//!
//! Providers too keep what they have read and need not read it again where a prompt begins with the same: its tools and then its
//! messages. Equal bytes make equal prompts, and so do no tools, however that is written.

use std::hash::{BuildHasher, RandomState};

use twox_hash::XxHash3_128;

/// Makes the keys. Keys of two makers have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Random, so that nobody can easily prepare two messages with the same hash. With 128 bits, chance won't.
    seed: u64,
}

/// A request's pieces, each with its key.
#[derive(Debug)]
pub struct Keyed<'a> {
    /// Where they are from.
    pub(crate) keys: Keys,
    /// Its tools, if it has any, and its messages.
    pub(crate) pieces: Vec<Piece<'a>>,
    pub(crate) has_tools: bool,
}

/// The JSON of a message, or of the list of tools.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) key: u128,
    pub(crate) json: &'a [u8],
    pub(crate) place: Place,
}

/// Where a piece stands; the same bytes are another piece in another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first message of a chat without tools.
    First,
    /// The first message of a chat with tools.
    FirstWithTools,
    Later,
    Tools,
}

impl Default for Keys {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one("keys") }
    }
}

impl Keys {
    /// The keys of a request: the JSON of each message as it stands there, and of the list of tools (may be empty).
    #[must_use]
    pub fn of<'a>(self, messages: impl IntoIterator<Item = &'a [u8]>, tools: &'a [u8]) -> Keyed<'a> {
        let has_tools = !says_nothing(tools);
        let first = if has_tools { Place::FirstWithTools } else { Place::First };
        let places = std::iter::once(first).chain(std::iter::repeat(Place::Later));
        let tools = has_tools.then_some((tools, Place::Tools));
        let all = tools.into_iter().chain(messages.into_iter().zip(places));
        Keyed { keys: self, pieces: all.map(|(json, place)| self.piece(json, place)).collect(), has_tools }
    }

    fn piece(self, json: &[u8], place: Place) -> Piece<'_> {
        let key = XxHash3_128::oneshot_with_seed(self.seed.wrapping_add(place as u64), json);
        Piece { key, json, place }
    }
}

impl Keyed<'_> {
    /// A hash for each message: of the tools, all messages before it, and itself. Half of one is given out, which is enough to tell
    /// apart the few thousand that anybody remembers. Keys are secret, so what is made of them needs no seed.
    #[must_use]
    pub fn prefixes(&self) -> Vec<u64> {
        let mut before = 0;
        let with_next = |piece: &Piece<'_>| {
            let mut both = [0; 32];
            both[..16].copy_from_slice(&u128::to_le_bytes(before));
            both[16..].copy_from_slice(&piece.key.to_le_bytes());
            before = XxHash3_128::oneshot(&both);
            #[expect(clippy::cast_possible_truncation, reason = "half of it is given out")]
            let given_out = before as u64;
            given_out
        };
        let prefixes = self.pieces.iter().map(with_next);
        prefixes.skip(usize::from(self.has_tools)).collect()
    }
}

/// No tools, `null`, or an empty list.
fn says_nothing(tools: &[u8]) -> bool {
    match tools.trim_ascii() {
        b"" | b"null" => true,
        [b'[', rest @ ..] => rest.trim_ascii_start() == b"]",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(keys: Keys, messages: &[String], tools: &str) -> Vec<u64> {
        keys.of(messages.iter().map(String::as_bytes), tools.as_bytes()).prefixes()
    }

    proptest! {
        /// Two requests share as many hashes as they have equal messages at their beginning, and none where tools differ.
        #[test]
        fn what_begins_alike_and_nothing_else(
            common in prop::collection::vec("[ab]{0,3}", 0..5),
            one in prop::collection::vec("[ab]{0,3}", 0..5),
            other in prop::collection::vec("[ab]{0,3}", 0..5),
        ) {
            let keys = Keys::default();
            let (one, other) = ([common.clone(), one].concat(), [common, other].concat());
            let alike = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
            for tools in ["[t]", ""] {
                let (a, b) = (of(keys, &one, tools), of(keys, &other, tools));
                prop_assert_eq!((a.len(), b.len()), (one.len(), other.len()));
                prop_assert_eq!(&a[..alike], &b[..alike]);
                prop_assert!(a[alike..].iter().all(|hash| !b.contains(hash)));
                prop_assert!(of(keys, &one, "[u]").iter().all(|hash| !a.contains(hash)));
            }
        }
    }

    #[test]
    fn no_tools_are_none_however_that_is_written() {
        let (keys, messages) = (Keys::default(), ["a".to_owned(), "b".to_owned()]);
        let none = of(keys, &messages, "");
        for tools in ["null", "[]", " [ ] "] {
            assert_eq!(of(keys, &messages, tools), none, "{tools}");
        }
    }

    #[test]
    fn another_process_has_other_keys() {
        let messages = ["a".to_owned()];
        assert_ne!(of(Keys::default(), &messages, ""), of(Keys::default(), &messages, ""));
    }
}
