//! How far counts and guesses have been off, for each model and client.

use std::collections::HashMap;

use tokens::{Calibration, Range};

use crate::estimate::{Estimate, Whose};

/// So many are remembered; one of them, whichever, makes room for another.
const MOST: usize = 4_096;

/// All calibrations of one account.
#[derive(Debug, Default)]
pub(super) struct Calibrations(HashMap<Key, Calibration>);

/// A count is off otherwise than a guess. Without a client it is what holds for the model, and what a new client begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    model: u64,
    client: Option<u64>,
    counted: bool,
}

impl Calibrations {
    /// Between which numbers of tokens the prompt lies.
    pub(super) fn range(&self, estimate: Estimate) -> Range {
        self.of(estimate).range(estimate.prompt)
    }

    /// An answer reported so many tokens for it.
    pub(super) fn observe(&mut self, estimate: Estimate, prompt_tokens: u64) {
        for key in keys(estimate) {
            let mut calibration = self.of(estimate);
            if key.client.is_none() {
                calibration = self.0.get(&key).copied().unwrap_or_else(|| prior(estimate));
            }
            calibration.observe(estimate.prompt, prompt_tokens);
            if self.0.len() >= MOST
                && !self.0.contains_key(&key)
                && let Some(other) = self.0.keys().next().copied()
            {
                self.0.remove(&other);
            }
            self.0.insert(key, calibration);
        }
    }

    fn of(&self, estimate: Estimate) -> Calibration {
        keys(estimate).iter().find_map(|key| self.0.get(key).copied()).unwrap_or_else(|| prior(estimate))
    }
}

/// The client's own, and the model's.
fn keys(Estimate { counted, whose: Whose { model, client }, .. }: Estimate) -> [Key; 2] {
    [Some(client), None].map(|client| Key { model, client, counted })
}

fn prior(estimate: Estimate) -> Calibration {
    if estimate.counted { Calibration::exact() } else { Calibration::guess() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(client: u64) -> Estimate {
        Estimate { prompt: 10_000, counted: false, max_tokens: None, whose: Whose { model: 1, client } }
    }

    #[test]
    fn a_new_client_begins_with_what_is_known_of_the_model_and_then_has_its_own() {
        let mut calibrations = Calibrations::default();
        for _ in 0..40 {
            calibrations.observe(by(1), 8_000);
        }
        let of_another = calibrations.range(by(2));
        assert!((7_900..8_100).contains(&of_another.mean), "{of_another:?}");
        for _ in 0..40 {
            calibrations.observe(by(2), 12_000);
        }
        assert!((7_900..8_100).contains(&calibrations.range(by(1)).mean));
        assert!((11_900..12_100).contains(&calibrations.range(by(2)).mean));
        assert_eq!(calibrations.range(Estimate { counted: true, ..by(1) }).mean, 10_000);
    }

    #[test]
    fn many_clients_take_no_more_room() {
        let mut calibrations = Calibrations::default();
        for client in 0..10_000 {
            calibrations.observe(by(client), 9_000);
        }
        assert_eq!(calibrations.0.len(), MOST);
    }
}
