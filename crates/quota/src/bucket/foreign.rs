//! What others spend of the same account, as far as the provider's levels betray it.
//!
//! Between two answers somebody else may spend as much as they did before, and a little more. A margin of that size is
//! kept: it costs nothing but a lower level while a limit is saturated, since what is not spent there is spent later. It fades
//! when they are heard of no more, so that it locks nobody out.
//!
//! The same method that TCP uses for its retransmission timer: a moving mean of what they spend at a time, and of how far
//! that is off.

use std::time::Duration;

use crate::time::Moment;

/// The weight of one spending, beside all before it.
const GAIN: f64 = 1.0 / 4.0;
/// Deviations above the mean: all there is, where sizes are spread evenly.
const SIDES: f64 = 2.0;
/// Silent for so many periods, half of it is enough.
const HALF_LIFE: f64 = 3.0;

/// Others' spendings of one limit, in its units.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Foreign {
    /// Spent between two readings, where anything was.
    mean: f64,
    deviation: f64,
    heard_at: Moment,
    /// Units a nanosecond, averaged over about a period.
    rate: f64,
    read_at: Moment,
}

impl Foreign {
    /// A reading came in: since the one before it others have spent so many units.
    #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
    pub(super) fn read(&mut self, units: u64, period: Duration, now: Moment) {
        let elapsed = (now - self.read_at).as_nanos().max(1) as f64;
        self.read_at = self.read_at.max(now);
        if units == 0 && self.mean == 0.0 {
            return;
        }
        let units = units as f64;
        let weight = 1.0 - (-elapsed / period.as_nanos().max(1) as f64).exp();
        self.rate += weight * (units / elapsed - self.rate);
        if units == 0.0 {
            return;
        }
        self.heard_at = now;
        if self.mean == 0.0 {
            (self.mean, self.deviation) = (units, units / 2.0);
        } else {
            self.deviation += GAIN * ((units - self.mean).abs() - self.deviation);
            self.mean += GAIN * (units - self.mean);
        }
    }

    /// Units that others may have spent by now without our hearing of it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "never negative, and saturates"
    )]
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn margin(&self, period: Duration, now: Moment) -> u64 {
        if self.mean == 0.0 {
            return 0;
        }
        let periods = (now - self.heard_at).as_nanos() as f64 / period.as_nanos().max(1) as f64;
        let burst = (self.mean + SIDES * self.deviation) * (-periods / HALF_LIFE).exp2();
        if burst < 0.5 {
            return 0;
        }
        let silent = (now - self.read_at).min(period).as_nanos();
        let meanwhile = self.rate * silent as f64;
        (burst + meanwhile.min(burst)).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIOD: Duration = Duration::from_mins(1);

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    proptest! {
        /// Of spendings that are spread evenly hardly one is larger than what is kept for it.
        #[test]
        fn the_next_spending_has_room(sizes in prop::collection::vec(5_000..30_000u64, 40)) {
            let mut foreign = Foreign::default();
            let mut larger = 0;
            for (at, size) in (0..).step_by(15).map(at).zip(&sizes) {
                larger += usize::from(*size > foreign.margin(PERIOD, at));
                foreign.read(*size, PERIOD, at);
            }
            // The first one comes as a surprise.
            prop_assert!(larger <= 1 + sizes.len() / 5, "{larger} of {}", sizes.len());
        }

        /// However much they spent, it is forgotten.
        #[test]
        fn silence_ends_it(sizes in prop::collection::vec(1..1_000_000u64, 1..40)) {
            let mut foreign = Foreign::default();
            for size in sizes {
                foreign.read(size, PERIOD, at(0));
            }
            let once = foreign.margin(PERIOD, at(0));
            prop_assert!(foreign.margin(PERIOD, at(3 * 60)) <= once);
            prop_assert_eq!(foreign.margin(PERIOD, at(80 * 60)), 0);
        }
    }

    #[test]
    fn equal_spendings_need_no_more_room_than_one() {
        let mut foreign = Foreign::default();
        for second in 0..40 {
            foreign.read(10_000, PERIOD, at(second));
        }
        let room = foreign.margin(PERIOD, at(39));
        assert!((10_000..10_500).contains(&room), "{room}");
    }
}
