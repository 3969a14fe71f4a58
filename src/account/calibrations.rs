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

impl Key {
    fn name(&self) -> String {
        format!("calibration {} {:016x}", if self.counted { "counted" } else { "guessed" }, self.model)
    }

    fn named(name: &str) -> Option<Self> {
        let (how, model) = name.strip_prefix("calibration ")?.split_once(' ')?;
        Some(Self { model: u64::from_str_radix(model, 16).ok()?, client: None, counted: how == "counted" })
    }
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
                calibration = self.0.get(&key).copied().unwrap_or_else(|| prior(estimate.counted));
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

    /// What holds for each model, by a name for it.
    pub(super) fn learned(&self) -> Vec<(String, String)> {
        let models = self.0.iter().filter(|(key, _)| key.client.is_none());
        models.map(|(key, calibration)| (key.name(), calibration.learned())).collect()
    }

    /// Takes back what was learned under such a name; others are none of its business.
    pub(super) fn remember(&mut self, name: &str, learned: &str) {
        if let Some(key) = Key::named(name)
            && let Some(calibration) = prior(key.counted).remember(learned)
        {
            self.0.entry(key).or_insert(calibration);
        }
    }

    fn of(&self, estimate: Estimate) -> Calibration {
        keys(estimate)
            .iter()
            .find_map(|key| self.0.get(key).copied())
            .unwrap_or_else(|| prior(estimate.counted))
    }
}

/// The client's own, and the model's.
fn keys(Estimate { counted, whose: Whose { model, client }, .. }: Estimate) -> [Key; 2] {
    [Some(client), None].map(|client| Key { model, client, counted })
}

fn prior(counted: bool) -> Calibration {
    if counted { Calibration::exact() } else { Calibration::guess() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(client: u64) -> Estimate {
        let whose = Whose { model: 1, client };
        Estimate { prompt: 10_000, whose, ..Estimate::default() }
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
    fn another_process_goes_on_with_what_holds_for_the_model() {
        let (mut before, mut after) = (Calibrations::default(), Calibrations::default());
        for _ in 0..40 {
            before.observe(by(1), 8_000);
        }
        after.remember("settlement", "kept");
        before.learned().iter().for_each(|(name, learned)| after.remember(name, learned));
        assert_eq!(after.range(by(7)), before.range(by(7)));
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
