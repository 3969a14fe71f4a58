//! What the reported usage of earlier requests says about a count or a guess.
//!
//! The same method that TCP uses for its retransmission timer: a moving mean of the ratio between truth and guess,
//! and a moving mean of its deviation. The range given is the mean and a few deviations to both sides. What is believed before the
//! first answer is the [prior](Calibration::exact): a count that claims to be exact gets a narrow range, and one answer that
//! contradicts it is enough to widen it.
//!
//! One of these belongs to each upstream model and client: the model has the tokenizer, the client the habits (long
//! tools, much code, another language) that a guess gets wrong.

/// The most that earlier answers weigh against a new one that is large enough to be told by its content: 7 to 1.
const MEMORY: f64 = 7.0;
/// Guesses of this many tokens or more weigh fully; a small request is mostly template.
const FULL_WEIGHT: f64 = 2_000.0;
/// Deviations to each side of the mean.
const SIDES: f64 = 3.0;

/// How far counts or guesses for one model and client are off, learned from its answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    ratio: f64,
    deviation: f64,
    /// How much was seen, at most [`MEMORY`]; in the beginning, what the prior is worth.
    weight: f64,
    /// The smallest deviation that is believed.
    least: f64,
    /// What templates add whatever the guess, in tokens.
    overhead: f64,
    /// With which power of its size a small request weighs. 1 where many things may be wrong; 2 where only the template can be, which
    /// adds about the same to any request: then the ratio's error falls with the size.
    power: i32,
}

/// Between which numbers of tokens the truth lies, most likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// A low guess.
    pub low: u64,
    /// The best guess.
    pub mean: u64,
    /// A high guess.
    pub high: u64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self::guess()
    }
}

impl Calibration {
    /// For guesses of a tokenizer that is not known, no answer seen: the guess itself, a quarter to both sides.
    #[must_use]
    pub fn guess() -> Self {
        Self { ratio: 1.0, deviation: 0.25 / SIDES, weight: MEMORY, least: 0.01, overhead: 24.0, power: 1 }
    }

    /// For counts by the model's own vocabulary and template, no answer seen: the count itself, 0.2 % and 4 tokens to both sides.
    /// A provider may still run another template or count otherwise, so the first answer weighs as much as this.
    #[must_use]
    pub fn exact() -> Self {
        let deviation = 0.002 / SIDES;
        Self { ratio: 1.0, deviation, weight: 1.0, least: deviation, overhead: 4.0, power: 2 }
    }

    /// What it has learned, in words that [`remember`](Self::remember) reads.
    #[must_use]
    pub fn learned(&self) -> String {
        format!("{} {} {}", self.ratio, self.deviation, self.weight)
    }

    /// This prior with what another has learned; `None` where that is nothing that could have been.
    #[must_use]
    pub fn remember(self, learned: &str) -> Option<Self> {
        let mut numbers = learned.split(' ').map(|number| number.parse::<f64>().ok());
        let (ratio, deviation, weight) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let sound = (0.25..=4.0).contains(&ratio)
            && (self.least..=4.0).contains(&deviation)
            && (0.0..=MEMORY).contains(&weight);
        sound.then_some(Self { ratio, deviation, weight, ..self })
    }

    /// The range for a guess of so many tokens.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped at zero; tokens fit"
    )]
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub fn range(&self, guess: u64) -> Range {
        let guess = guess as f64;
        let (mean, spread) = (guess * self.ratio, guess * self.deviation * SIDES);
        let low = (mean - spread - self.overhead).max(0.0);
        Range {
            low: low.floor() as u64,
            mean: mean.round() as u64,
            high: (mean + spread + self.overhead).ceil() as u64,
        }
    }

    /// An answer reported `truth` tokens for what was guessed at `guess`.
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub fn observe(&mut self, guess: u64, truth: u64) {
        if guess == 0 || truth == 0 {
            return;
        }
        let guess = guess as f64;
        // A report may be a lie; a factor of four either way is all that a tokenizer can explain.
        let ratio = (truth as f64 / guess).clamp(0.25, 4.0);
        let weight = (guess / FULL_WEIGHT).min(1.0).powi(self.power);
        let gain = weight / (self.weight + weight);
        self.weight = (self.weight + weight).min(MEMORY);
        self.deviation += gain * ((ratio - self.ratio).abs() - self.deviation);
        self.ratio += gain * (ratio - self.ratio);
        self.deviation = self.deviation.max(self.least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unseen_model_gets_a_quarter_to_both_sides() {
        assert_eq!(Calibration::default().range(1_000), Range { low: 726, mean: 1_000, high: 1_274 });
    }

    #[test]
    fn a_steady_bias_is_learned_and_the_range_closes_around_it() {
        let mut calibration = Calibration::default();
        for _ in 0..60 {
            calibration.observe(10_000, 7_000);
        }
        let Range { low, high, .. } = calibration.range(10_000);
        assert!(low <= 7_000 && high >= 7_000 && high - low < 1_000, "{low}..{high}");
    }

    #[test]
    fn a_small_request_hardly_moves_it() {
        let mut calibration = Calibration::default();
        calibration.observe(20, 80);
        let Range { low, high, .. } = calibration.range(1_000);
        assert!(low > 700 && high < 1_310, "{low}..{high}");
        let mut calibration = Calibration::exact();
        calibration.observe(20, 80);
        let Range { low, high, .. } = calibration.range(10_000);
        assert!(low > 9_950 && high < 10_050, "{low}..{high}");
    }

    #[test]
    fn an_exact_count_gets_a_narrow_range_and_keeps_it_while_it_is_right() {
        let mut calibration = Calibration::exact();
        let narrow = Range { low: 9_976, mean: 10_000, high: 10_024 };
        assert_eq!(calibration.range(10_000), narrow);
        for _ in 0..10 {
            calibration.observe(10_000, 10_000);
        }
        assert_eq!(calibration.range(10_000), narrow);
    }

    #[test]
    fn one_answer_is_enough_to_doubt_a_count_that_claims_to_be_exact() {
        let mut calibration = Calibration::exact();
        calibration.observe(10_000, 10_300);
        let Range { low, high, .. } = calibration.range(10_000);
        assert!(low <= 10_000 && high >= 10_300 && high - low < 1_000, "{low}..{high}");
    }

    #[test]
    fn another_template_is_a_steady_bias_and_is_learned() {
        let mut calibration = Calibration::exact();
        for guess in (2_000..100_000).step_by(2_000) {
            // The other one says 3 tokens more of each of 20 tools, and 7 once.
            calibration.observe(guess, guess + 67);
        }
        let Range { low, high, .. } = calibration.range(100_000);
        assert!(low <= 100_067 && high >= 100_067 && high - low < 1_500, "{low}..{high}");
    }

    /// What a simulated provider does that miscounts by up to 3 % either way.
    #[test]
    fn a_provider_that_counts_at_random_is_covered() {
        let mut calibration = Calibration::exact();
        let mut outside = 0;
        for turn in 0..200_u64 {
            let truth = 50_000 * (970 + turn * 7 % 61) / 1_000;
            let Range { low, high, .. } = calibration.range(50_000);
            outside += u32::from(!(low..=high).contains(&truth));
            calibration.observe(50_000, truth);
        }
        assert!(outside <= 2, "{outside}");
    }

    #[test]
    fn what_was_learned_can_be_remembered_and_nonsense_can_not() {
        let mut calibration = Calibration::guess();
        for _ in 0..5 {
            calibration.observe(10_000, 8_100);
        }
        assert_eq!(Calibration::guess().remember(&calibration.learned()), Some(calibration));
        for nonsense in ["", "1", "1 2", "NaN 0.1 7", "9 0.1 7", "1 -0.1 7", "1 0.1 1e9", "1 0.1 inf"] {
            assert_eq!(Calibration::guess().remember(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        /// Whatever is reported, a range is a range and grows with the guess.
        #[test]
        fn a_range_is_a_range(reports in prop::collection::vec((0..200_000u64, 0..400_000u64), 0..100), guess in 0..500_000u64, exact in any::<bool>()) {
            let mut calibration = if exact { Calibration::exact() } else { Calibration::guess() };
            for (guess, truth) in reports {
                calibration.observe(guess, truth);
            }
            let Range { low, high, .. } = calibration.range(guess);
            prop_assert!(low <= high);
            prop_assert!(calibration.range(guess * 2).high >= high);
        }
    }
}
