//! Sums over requests. Pure.

/// Sums by the text that they have in common.
#[derive(Debug, Default)]
pub(super) struct Groups(pub(super) Vec<(Option<String>, Tally)>);

/// Sums over some requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    /// A whole answer.
    pub(super) answered: u64,
    /// An error instead of an answer.
    pub(super) refused: u64,
    /// The answer broke off.
    pub(super) broken: u64,
    pub(super) prompt: i64,
    /// Those of the prompts' tokens that providers had in their caches.
    pub(super) cached: i64,
    pub(super) completion: i64,
    /// Requests that some provider took, and those that the first one took.
    taken: u64,
    first: u64,
    /// Of whole answers, in milliseconds.
    times: Vec<i64>,
}

impl Groups {
    pub(super) fn of(&mut self, key: Option<String>) -> &mut Tally {
        let known = self.0.iter().position(|(known, _)| *known == key);
        let index = known.unwrap_or_else(|| {
            self.0.push((key, Tally::default()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }

    /// By name, or those with the most requests first.
    pub(super) fn sort(&mut self, by_name: bool) {
        self.0.sort_by(|(name, tally), (other, others)| {
            let more = others.requests.cmp(&tally.requests);
            if by_name { name.cmp(other) } else { more.then_with(|| name.cmp(other)) }
        });
    }

    pub(super) fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.0.iter().for_each(|(_, tally)| total.add(tally));
        total
    }
}

impl Tally {
    pub(super) fn outcome(&mut self, outcome: &str, total_ms: i64) {
        self.requests += 1;
        match outcome {
            "whole" => {
                self.answered += 1;
                self.times.push(total_ms);
            }
            "refused" => self.refused += 1,
            "broken" => self.broken += 1,
            _ => {}
        }
    }

    pub(super) fn tokens(&mut self, prompt: i64, cached: i64, completion: i64) {
        self.prompt += prompt;
        self.cached += cached;
        self.completion += completion;
    }

    pub(super) fn choice(&mut self, first: Option<bool>) {
        self.taken += u64::from(first.is_some());
        self.first += u64::from(first == Some(true));
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.answered += other.answered;
        self.refused += other.refused;
        self.broken += other.broken;
        self.tokens(other.prompt, other.cached, other.completion);
        self.taken += other.taken;
        self.first += other.first;
        self.times.extend(&other.times);
    }

    /// The share of requests that the first provider took, of those that any took, in thousandths.
    pub(super) fn first_share(&self) -> Option<u64> {
        (self.first * 1000 + self.taken / 2).checked_div(self.taken)
    }

    /// The mean time of a whole answer, in milliseconds.
    pub(super) fn mean_ms(&self) -> Option<i64> {
        let sum: i64 = self.times.iter().sum();
        sum.checked_div(i64::try_from(self.times.len()).ok()?)
    }

    /// The time within which 95 of 100 whole answers were over, in milliseconds.
    pub(super) fn p95_ms(&self) -> Option<i64> {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get((times.len() * 95).div_ceil(100).checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(times: impl IntoIterator<Item = i64>) -> Tally {
        let mut tally = Tally::default();
        times.into_iter().for_each(|time| tally.outcome("whole", time));
        tally
    }

    #[test]
    fn times_are_those_of_whole_answers() {
        let mut hundred = tally((1..=100).rev());
        hundred.outcome("refused", 1_000_000);
        assert_eq!((hundred.mean_ms(), hundred.p95_ms()), (Some(50), Some(95)));
        assert_eq!((tally([7]).mean_ms(), tally([7]).p95_ms()), (Some(7), Some(7)));
        assert_eq!((tally([]).mean_ms(), tally([]).p95_ms()), (None, None));
        assert_eq!((hundred.requests, hundred.answered, hundred.refused), (101, 100, 1));
    }

    #[test]
    fn the_share_is_of_what_was_taken() {
        let mut tally = Tally::default();
        assert_eq!(tally.first_share(), None);
        for first in [Some(true), Some(true), Some(false), None] {
            tally.choice(first);
        }
        assert_eq!(tally.first_share(), Some(667));
    }
}
