//! How fast a budget is spent.

use std::time::Duration;

use crate::time::Moment;

/// A rate is averaged over at least this part of an hour: of the first request alone nobody could tell one.
const SHORTEST: u32 = 12;

/// What has been spent in about the last hour, on average.
///
/// Each unit weighs less the older it is, with half an hour as the mean age: as old as in a plain average over the last
/// hour, and without a list of what was spent when. It is exact for a use that never changes, from the first minutes on.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// The units spent, each with its weight.
    weighed: f64,
    /// As of when.
    at: Moment,
    since: Moment,
    /// The mean age of a unit.
    age: Duration,
    shortest: Duration,
}

impl Rate {
    /// Of a budget of which nothing has been spent before now, where an hour lasts `hour`.
    #[must_use]
    pub fn new(hour: Duration, now: Moment) -> Self {
        let age = (hour / 2).max(Duration::from_nanos(1));
        Self { weighed: 0.0, at: now, since: now, age, shortest: hour / SHORTEST }
    }

    /// So many units have been spent now.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn add(&mut self, units: u64, now: Moment) {
        let now = now.max(self.at);
        self.weighed = self.weighed * self.fading(now - self.at) + units as f64;
        self.at = now;
    }

    /// How many units are spent in `time` at this rate.
    #[must_use]
    pub fn in_time(&self, time: Duration, now: Moment) -> f64 {
        let now = now.max(self.at);
        let seen = (now - self.since).max(self.shortest);
        // All the weight that an even use had gathered since then.
        let weight = self.age.as_secs_f64() * (1.0 - self.fading(seen));
        self.weighed * self.fading(now - self.at) / weight * time.as_secs_f64()
    }

    fn fading(&self, time: Duration) -> f64 {
        (-time.as_secs_f64() / self.age.as_secs_f64()).exp()
    }
}
