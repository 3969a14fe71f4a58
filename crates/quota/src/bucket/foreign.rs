//! What others spend of the same account, as far as the provider's levels betray it.
//!
//! Between two answers somebody else may spend as much as they did before. A margin of that size is kept, which fades
//! when they are heard of no more, so that it locks nobody out.

use std::time::Duration;

use crate::time::Moment;

/// Others' spendings of one limit, in its units.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Foreign {
    /// The largest spending between two readings, fading by half each period.
    burst: f64,
    burst_at: Moment,
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
        if units == 0 && self.burst == 0.0 {
            return;
        }
        let weight = 1.0 - (-elapsed / period.as_nanos().max(1) as f64).exp();
        self.rate += weight * (units as f64 / elapsed - self.rate);
        let faded = self.faded(period, now);
        if units as f64 >= faded {
            (self.burst, self.burst_at) = (units as f64, now);
        }
    }

    /// Units that others may have spent by now without our hearing of it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "never negative, and saturates"
    )]
    pub(super) fn margin(&self, period: Duration, now: Moment) -> u64 {
        if self.burst == 0.0 {
            return 0;
        }
        let burst = self.faded(period, now);
        if burst < 0.5 {
            return 0;
        }
        let silent = (now - self.read_at).min(period).as_nanos();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let meanwhile = self.rate * silent as f64;
        (burst + meanwhile.min(burst)).ceil() as u64
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn faded(&self, period: Duration, now: Moment) -> f64 {
        let periods = (now - self.burst_at).as_nanos() as f64 / period.as_nanos().max(1) as f64;
        self.burst * (-periods).exp2()
    }
}
