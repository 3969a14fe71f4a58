//! One limit's level, kept so that it is never above the provider's own.
//!
//! The provider debits a request when it arrives: some time after we sent it and before we saw its head.
//! Until the head is there the amount is only *held* (by the books, for all buckets): it cannot be spent twice, but it does not yet leave
//! the bucket, so that a full bucket earns no refill for a debit which the provider has not made yet. The same
//! holds for the part that a provider may give back: it stays held until the request is settled. Both make the
//! mirror a lower bound of the provider's bucket under any delay between the two.

use crate::limit::Limit;
use crate::time::Moment;

/// Levels are units times the period in nanoseconds: a refill over any time is then exact.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) limit: Limit,
    /// What is there, in units × period nanoseconds; negative is debt.
    level: i128,
    /// Units that have left the bucket for good, over its whole life.
    spent: i128,
    /// Until when refill has been credited.
    credited: Moment,
}

impl Bucket {
    pub(crate) fn full(limit: Limit, now: Moment) -> Self {
        let mut bucket = Self { limit, level: 0, spent: 0, credited: now };
        bucket.level = bucket.scale(limit.capacity);
        bucket
    }

    /// When `amount` can be held beside what is `held`: `Ok` now, else the earliest moment, `None` if it exceeds the
    /// limit itself.
    pub(crate) fn check(&mut self, amount: u64, held: u64, now: Moment) -> Result<(), Option<Moment>> {
        self.refill(now);
        if amount > self.limit.capacity {
            return Err(None);
        }
        // Next to a full bucket the margin would only make the last units unusable.
        let margin = self.margin().min(self.limit.capacity - amount);
        let wanted = self.scale(amount + margin).saturating_add(self.scale(held));
        let missing = wanted.saturating_sub(self.level);
        if missing <= 0 {
            return Ok(());
        }
        let wait = missing.unsigned_abs().div_ceil(u128::from(self.limit.capacity));
        Err(Some(now + nanoseconds(wait)))
    }

    /// Takes `amount` out; below zero is debt that refill repays before anything else is admitted.
    pub(crate) fn debit(&mut self, amount: u64, now: Moment) {
        self.refill(now);
        self.level = self.level.saturating_sub(self.scale(amount));
        self.spent = self.spent.saturating_add(i128::from(amount));
    }

    /// Puts `amount` back, up to the capacity.
    pub(crate) fn credit(&mut self, amount: u64, now: Moment) {
        self.refill(now);
        self.level = self.level.saturating_add(self.scale(amount)).min(self.scale(self.limit.capacity));
        self.spent = self.spent.saturating_sub(i128::from(amount));
    }

    /// The provider said that less than `amount` is left beside what is `held`.
    pub(crate) fn refute(&mut self, amount: u64, held: u64, now: Moment) {
        self.refill(now);
        self.level = self.level.min(self.scale(amount).saturating_add(self.scale(held)) - 1);
    }

    /// Units that could be held now beside what is `held`; negative in debt.
    pub(crate) fn available(&self, held: u64, now: Moment) -> i64 {
        let mut later = self.clone();
        later.refill(now);
        let units = later.level.div_euclid(later.period()) - i128::from(held);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    /// The same use of another capacity, or of another period: what has been taken and not refilled stays taken.
    pub(crate) fn resized(mut self, limit: Limit, now: Moment) -> Self {
        self.refill(now);
        let missing = self.scale(self.limit.capacity).saturating_sub(self.level);
        // Rounded against us.
        let units = missing.saturating_add(self.period() - 1).div_euclid(self.period());
        let mut resized = Self { limit, level: 0, ..self };
        resized.level = resized.scale(limit.capacity).saturating_sub(units.saturating_mul(resized.period()));
        resized
    }

    pub(crate) fn spent(&self) -> i128 {
        self.spent
    }

    /// Room for what two counters of the same tokens differ by. Requests are counted exactly.
    fn margin(&self) -> u64 {
        match self.limit.dimension {
            crate::Dimension::Requests => 0,
            crate::Dimension::Tokens | crate::Dimension::UncachedTokens => {
                (self.limit.capacity / 50).min(3_000)
            }
        }
    }

    fn refill(&mut self, now: Moment) {
        let elapsed = i128::try_from((now - self.credited).as_nanos()).unwrap_or(i128::MAX);
        let earned = elapsed.saturating_mul(i128::from(self.limit.capacity));
        self.level = self.level.saturating_add(earned).min(self.scale(self.limit.capacity));
        self.credited = self.credited.max(now);
    }

    fn period(&self) -> i128 {
        i128::try_from(self.limit.period.as_nanos()).unwrap_or(i128::MAX).max(1)
    }

    fn scale(&self, units: u64) -> i128 {
        i128::from(units).saturating_mul(self.period())
    }
}

fn nanoseconds(count: u128) -> std::time::Duration {
    std::time::Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}
