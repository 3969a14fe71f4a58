//! By what the beginning of a conversation is known again.
//!
//! Providers keep what they have read and need not read it again where a prompt begins with the same. What it begins with are its
//! tools and then its messages, each as it stands in the request: equal bytes make equal prompts.

use std::hash::{BuildHasher, RandomState};

use twox_hash::XxHash3_128;

/// Hashes beginnings, so that nobody can prepare two with the same hash. The half that is given out is enough to tell apart the
/// few thousand that anybody remembers.
#[derive(Debug)]
pub struct Prefixes {
    /// Of this process.
    seed: u64,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one("prefixes") }
    }
}

impl Prefixes {
    /// A hash for each message: of the tools (may be empty), all messages before it, and itself.
    #[must_use]
    pub fn of<'a>(&self, messages: impl IntoIterator<Item = &'a [u8]>, tools: &[u8]) -> Vec<u64> {
        let hash = |bytes: &[u8]| XxHash3_128::oneshot_with_seed(self.seed, bytes);
        let mut before = hash(tools);
        let with_next = |message: &[u8]| {
            let mut both = [0; 32];
            both[..16].copy_from_slice(&before.to_le_bytes());
            both[16..].copy_from_slice(&hash(message).to_le_bytes());
            before = hash(&both);
            #[expect(clippy::cast_possible_truncation, reason = "half of it is given out")]
            let given_out = before as u64;
            given_out
        };
        messages.into_iter().map(with_next).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(prefixes: &Prefixes, messages: &[String], tools: &str) -> Vec<u64> {
        prefixes.of(messages.iter().map(String::as_bytes), tools.as_bytes())
    }

    proptest! {
        /// Two requests share as many hashes as they have equal messages at their beginning, and none where tools differ.
        #[test]
        fn what_begins_alike_and_nothing_else(
            common in prop::collection::vec("[ab]{0,3}", 0..5),
            one in prop::collection::vec("[ab]{0,3}", 0..5),
            other in prop::collection::vec("[ab]{0,3}", 0..5),
        ) {
            let prefixes = Prefixes::default();
            let (one, other) = ([common.clone(), one].concat(), [common, other].concat());
            let alike = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
            let (a, b) = (of(&prefixes, &one, "[t]"), of(&prefixes, &other, "[t]"));
            prop_assert_eq!((a.len(), b.len()), (one.len(), other.len()));
            prop_assert_eq!(&a[..alike], &b[..alike]);
            prop_assert!(a[alike..].iter().all(|hash| !b.contains(hash)));
            prop_assert!(of(&prefixes, &one, "[u]").iter().all(|hash| !a.contains(hash)));
        }
    }

    #[test]
    fn another_process_has_other_hashes() {
        let messages = ["a".to_owned()];
        assert_ne!(of(&Prefixes::default(), &messages, ""), of(&Prefixes::default(), &messages, ""));
    }
}
