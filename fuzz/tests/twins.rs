//! The properties on mutated seeds.

use std::fmt;

use fuzz::seeds;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Bytes that a failure shows as text.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// A change to the bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Insert(Index, Vec<u8>),
    Replace(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let word = select(seeds::WORDS).prop_map(|word| word.as_bytes().to_vec());
    let index = any::<Index>;
    prop_oneof![
        (index(), word).prop_map(|(at, word)| Mutation::Insert(at, word)),
        (index(), prop::collection::vec(any::<u8>(), 1..4))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (index(), 1..40usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (index(), 1..80usize).prop_map(|(at, count)| Mutation::Repeat(at, count)),
    ]
}

fn mutated(seed: &str, mutations: Vec<Mutation>) -> Bytes {
    let mut bytes = seed.as_bytes().to_vec();
    for mutation in mutations {
        let at = |at: Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match mutation {
            Mutation::Insert(index, word) => {
                let at = at(index, &bytes);
                bytes.splice(at..at, word);
            }
            Mutation::Replace(index, byte) => {
                let at = at(index, &bytes);
                bytes.splice(at..(at + 1).min(bytes.len()), [byte]);
            }
            Mutation::Remove(index, count) => {
                let at = at(index, &bytes);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Mutation::Repeat(index, count) => {
                let at = at(index, &bytes);
                let part = bytes[at..(at + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    Bytes(bytes)
}

fn from(seeds: &'static [&'static str]) -> impl Strategy<Value = Bytes> {
    (select(seeds), prop::collection::vec(mutation(), 0..6))
        .prop_map(|(seed, mutations)| mutated(seed, mutations))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events(data in from(seeds::EVENTS)) {
        fuzz::events(&data.0);
    }

    #[test]
    fn http(data in from(seeds::HTTP)) {
        fuzz::http(&data.0);
    }

    #[test]
    fn answers(data in from(seeds::ANSWERS)) {
        fuzz::answer(&data.0);
    }

    #[test]
    fn repairs(data in from(seeds::REPAIRS)) {
        fuzz::repair(&data.0);
    }

    #[test]
    fn headers(data in from(seeds::HEADERS)) {
        fuzz::headers(&data.0);
    }

    #[test]
    fn requests(data in from(seeds::REQUESTS)) {
        fuzz::request(&data.0);
    }

    #[test]
    fn settings(data in from(seeds::SETTINGS)) {
        fuzz::settings(&data.0);
    }
}
