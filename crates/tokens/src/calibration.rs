//! What the reported usage of earlier requests says about the guess.
//!
//! The same method that TCP uses for its retransmission timer: a moving mean of the ratio between truth and guess,
//! and a moving mean of its deviation. The range given is the mean and a few deviations to both sides.

/// The weight of one request that is large enough to be told by its content.
const GAIN: f64 = 1.0 / 8.0;
/// Guesses of this many tokens or more weigh fully; a small request is mostly template.
const FULL_WEIGHT: f64 = 2_000.0;
/// Deviations to each side of the mean.
const SIDES: f64 = 3.0;
/// What templates add whatever the guess, in tokens.
const OVERHEAD: f64 = 24.0;

/// How far guesses for one model are off, learned from its answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    ratio: f64,
    deviation: f64,
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
    /// No answer seen: the guess itself, a quarter to both sides.
    fn default() -> Self {
        Self { ratio: 1.0, deviation: 0.25 / SIDES }
    }
}

impl Calibration {
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
        let low = (mean - spread - OVERHEAD).max(0.0);
        Range {
            low: low.floor() as u64,
            mean: mean.round() as u64,
            high: (mean + spread + OVERHEAD).ceil() as u64,
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
        let gain = GAIN * (guess / FULL_WEIGHT).min(1.0);
        self.deviation += gain * ((ratio - self.ratio).abs() - self.deviation);
        self.ratio += gain * (ratio - self.ratio);
        self.deviation = self.deviation.max(0.01);
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
    }

    proptest! {
        /// Whatever is reported, a range is a range and grows with the guess.
        #[test]
        fn a_range_is_a_range(reports in prop::collection::vec((0..200_000u64, 0..400_000u64), 0..100), guess in 0..500_000u64) {
            let mut calibration = Calibration::default();
            for (guess, truth) in reports {
                calibration.observe(guess, truth);
            }
            let Range { low, high, .. } = calibration.range(guess);
            prop_assert!(low <= high);
            prop_assert!(calibration.range(guess * 2).high >= high);
        }
    }
}
