//! One limit's level, kept so that it is never above the provider's own.
//!
//! The provider debits a request when it arrives: some time after we sent it and before we saw its head.
//! Until the head is there the amount is only *held* (by the books, for all buckets): it cannot be spent twice, but it does not yet leave
//! the bucket, so that a full bucket earns no refill for a debit which the provider has not made yet. The same
//! holds for the part that a provider may give back: it stays held until the request is settled. Both make the
//! mirror a lower bound of the provider's bucket under any delay between the two.
//!
//! Whether the provider gives anything back is an assumption, so every level is kept twice: as it is if it does,
//! and as it is if it does not. The evidence that refutes one leaves the other ready for use.
//!
//! - `allowance`: what of it is leased to this process.
//! - `evidence`: what the provider says of its own level.
//! - `foreign`: what others seem to spend of it.
//! - `status`: how it stands, for people.
//! - `sliding`: what was spent when, where each unit comes back one period later.

use std::time::Duration;

use crate::limit::{Cost, Dimension, Limit, Meter, Refill, Settlement, Used};
use crate::time::Moment;

mod allowance;
mod evidence;
mod foreign;
mod sliding;
mod status;

use allowance::Allowance;
pub(crate) use evidence::{Ticket, Traffic, Verdict};
use foreign::Foreign;
use sliding::Spendings;

/// Of a limit that begins anew at marks, the mark is trusted this part of its period late: clocks differ.
const MARK_GUARD: u32 = 1_000;
const LONGEST_GUARD: Duration = Duration::from_secs(2);
/// So many minutes a limit that the provider named is believed without being named again. A wrong one may keep every
/// request from being sent, and then nothing would ever correct it.
const LEARNED_FOR: u32 = 10;

/// An amount under each assumption about what was set aside and not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Both<T = i128> {
    pub(crate) returned: T,
    pub(crate) kept: T,
}

impl<T: Copy> Both<T> {
    pub(crate) fn same(amount: T) -> Self {
        Self { returned: amount, kept: amount }
    }

    pub(crate) fn of(self, settlement: Settlement) -> T {
        match settlement {
            Settlement::Returned => self.returned,
            Settlement::Kept => self.kept,
        }
    }

    pub(crate) fn map<U>(self, change: impl Fn(T) -> U) -> Both<U> {
        Both { returned: change(self.returned), kept: change(self.kept) }
    }

    pub(crate) fn with<U: Copy, V>(self, other: Both<U>, change: impl Fn(T, U) -> V) -> Both<V> {
        Both { returned: change(self.returned, other.returned), kept: change(self.kept, other.kept) }
    }
}

/// Levels are units times the period in nanoseconds: a refill over any time is then exact.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// In force.
    pub(crate) limit: Limit,
    /// As configured, where the provider has named another; `None`: only the provider has named it.
    configured: Option<Limit>,
    /// When the provider named the limit in force, if it did.
    named: Option<Moment>,
    /// Nanoseconds of the period, and what a full bucket holds, scaled: for speed.
    period: i128,
    full: i128,
    /// What is there, in units × period nanoseconds; negative is debt.
    level: Both,
    /// What the provider has at the most if nothing ever comes back, scaled: more than that refutes it.
    upper: i128,
    /// Units that have left the bucket for good, over its whole life.
    spent: i128,
    /// Until when refill has been credited.
    credited: Moment,
    spendings: Spendings,
    foreign: Foreign,
    allowance: Allowance,
    /// Whether other processes lease of it: then its level may move without anybody else's doing.
    shared: bool,
    meter: Meter,
}

impl Bucket {
    pub(crate) fn full(limit: Limit, meter: Meter, now: Moment) -> Self {
        let mut bucket = Self {
            limit,
            configured: Some(limit),
            named: None,
            period: 1,
            full: 0,
            level: Both::default(),
            upper: 0,
            spent: 0,
            credited: now,
            spendings: Spendings::default(),
            foreign: Foreign::default(),
            allowance: Allowance::default(),
            shared: false,
            meter,
        };
        bucket.fit(limit);
        bucket.upper = bucket.full;
        bucket.level = Both::same(bucket.full);
        bucket
    }

    /// A limit that only the provider has named.
    pub(crate) fn learned(limit: Limit, meter: Meter, now: Moment) -> Self {
        Self { configured: None, named: Some(now), ..Self::full(limit, meter, now) }
    }

    /// When `amount` can be held beside what is `held`: `Ok` now, else the earliest moment, `None` if it exceeds the
    /// limit itself.
    pub(crate) fn check(
        &mut self,
        amount: u64,
        held: u64,
        settlement: Settlement,
        now: Moment,
    ) -> Result<(), Option<Moment>> {
        self.refill(now);
        if self.is_stale(now) {
            return Ok(());
        }
        if amount > self.limit.capacity {
            return Err(None);
        }
        // Next to a full bucket the margin would only make the last units unusable.
        let margin =
            (self.margin() + self.foreign.margin(self.limit.period, now)).min(self.limit.capacity - amount);
        let wanted = self.scale(amount + margin).saturating_add(self.scale(held));
        let missing = wanted.saturating_sub(self.level.of(settlement));
        if missing <= 0 { Ok(()) } else { Err(Some(self.comes_back(missing, settlement, now))) }
    }

    /// When so much more will be there, if nothing else is spent.
    fn comes_back(&self, missing: i128, settlement: Settlement, now: Moment) -> Moment {
        match self.limit.refill {
            Refill::Continuous => {
                now + nanoseconds(missing.unsigned_abs().div_ceil(u128::from(self.limit.capacity)))
            }
            Refill::Sliding => self.spendings.back_by(missing, settlement).unwrap_or(now + self.limit.period),
            Refill::Fixed(mark) => self.next_mark(mark, self.credited),
        }
    }

    /// The provider has taken a request in that was sent at `sent`: what is certain leaves the bucket, and all that is
    /// set aside where nothing comes back. Below zero is debt that refill repays before anything else is admitted.
    pub(crate) fn admitted(&mut self, cost: Cost, sent: Moment, now: Moment) {
        let dimension = self.limit.dimension;
        let (least, most) = (cost.least(dimension), cost.most(dimension));
        self.spent = self.spent.saturating_add(i128::from(least));
        self.take(Both { returned: i128::from(least), kept: i128::from(most) }, now);
        let taken_early = self.scale(cost.set_aside(dimension)).saturating_sub(self.earned(sent, now));
        self.upper = self.upper.saturating_sub(taken_early).min(self.full);
    }

    /// It was not, after all.
    pub(crate) fn released(&mut self, cost: Cost, now: Moment) {
        let (least, most) = (cost.least(self.limit.dimension), cost.most(self.limit.dimension));
        self.spent = self.spent.saturating_sub(i128::from(least));
        self.give(Both { returned: i128::from(least), kept: i128::from(most) }, now);
        self.upper = self.upper.saturating_add(self.scale(most)).min(self.full);
    }

    /// It is over.
    pub(crate) fn settle(&mut self, cost: Cost, used: Used, now: Moment) {
        let dimension = self.limit.dimension;
        let (least, most) = (i128::from(cost.least(dimension)), i128::from(cost.most(dimension)));
        let more = Both {
            returned: i128::from(used.of(dimension)) - least,
            kept: i128::from(used.kept(dimension)) - most,
        };
        self.spent = self.spent.saturating_add(more.returned);
        self.take(more.map(|more| more.max(0)), now);
        self.give(more.map(|more| (-more).max(0)), now);
    }

    /// The provider said that less than `amount` is left beside what is `held`.
    pub(crate) fn refute(&mut self, amount: u64, held: Both, now: Moment) {
        let most = held.map(|held| self.scale_signed(held).saturating_add(self.scale(amount)) - 1);
        self.lower_to(most, now);
    }

    /// Units that could be held now beside what is `held`; negative in debt.
    pub(crate) fn available(&mut self, held: u64, settlement: Settlement, now: Moment) -> i64 {
        self.refill(now);
        let units = self.level.of(settlement).div_euclid(self.period) - i128::from(held);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    /// Another limit from the settings: what has been taken and has not come back stays taken.
    pub(crate) fn reconfigured(mut self, limit: Limit, meter: Meter, now: Moment) -> Self {
        self.meter = meter;
        self.resize(limit, now);
        (self.configured, self.named) = (Some(limit), None);
        self
    }

    pub(crate) fn spent(&self) -> i128 {
        self.spent
    }

    /// Room for what two counters of the same tokens differ by. Requests are counted exactly.
    fn margin(&self) -> u64 {
        match self.limit.dimension {
            Dimension::Requests => 0,
            Dimension::Tokens | Dimension::UncachedTokens => {
                self.meter.margin.unwrap_or((self.limit.capacity / 50).min(3_000)).min(self.limit.capacity)
            }
        }
    }

    /// Whether the provider alone named it, and that too long ago to refuse a request for it.
    fn is_stale(&self, now: Moment) -> bool {
        self.configured.is_none() && self.named.is_none_or(|named| self.is_over(named, now))
    }

    fn is_over(&self, named: Moment, now: Moment) -> bool {
        now >= self.believed_until(named)
    }

    fn believed_until(&self, named: Moment) -> Moment {
        named + self.meter.minute.saturating_mul(LEARNED_FOR)
    }

    /// The same limit with another capacity, by the provider's word. That alone never makes a debt.
    fn resize_by_evidence(&mut self, limit: Limit, now: Moment) {
        self.refill(now);
        let debt = self.level.map(|level| level.min(0).div_euclid(self.period));
        self.resize(limit, now);
        let debt = debt.map(|debt| self.scale_signed(debt));
        self.level = self.level.with(debt, i128::max);
    }

    /// What is missing of the old limit is missing of the new one; rounded against us.
    fn resize(&mut self, limit: Limit, now: Moment) {
        self.refill(now);
        let (full, period) = (self.full, self.period);
        let units =
            self.level.map(|level| full.saturating_sub(level).saturating_add(period - 1).div_euclid(period));
        self.fit(limit);
        let (full, period) = (self.full, self.period);
        let missing = units.map(|units| units.saturating_mul(period));
        self.level = missing.map(|missing| full.saturating_sub(missing));
        self.upper = full;
        self.spendings = Spendings::default();
        self.note_spending(missing.map(|missing| missing.max(0)), now);
    }

    /// Takes out so many units.
    fn take(&mut self, units: Both, now: Moment) {
        self.refill(now);
        let amount = units.map(|units| self.scale_signed(units));
        self.level = self.level.with(amount, i128::saturating_sub);
        self.allowance.take(amount);
        self.note_spending(amount, now);
    }

    fn note_spending(&mut self, amount: Both, now: Moment) {
        if self.limit.refill == Refill::Sliding {
            self.spendings.add(amount, self.limit.period, now);
        }
    }

    /// Puts so many units back, up to the capacity.
    fn give(&mut self, units: Both, now: Moment) {
        self.refill(now);
        let amount = units.map(|units| self.scale_signed(units));
        let full = self.full;
        self.level = self.level.with(amount, i128::saturating_add).map(|level| level.min(full));
        self.allowance.give(amount);
        self.spendings.remove(amount);
    }

    fn lower_to(&mut self, most: Both, now: Moment) {
        self.refill(now);
        let over = self.level.with(most, |level, most| level.saturating_sub(most).max(0));
        self.level = self.level.with(over, i128::saturating_sub);
        self.allowance.note_evidence(over.map(|over| -over));
        self.note_spending(over, now);
    }

    /// Brings the level up to now, and goes back to what is configured where the provider has not repeated itself for long.
    pub(crate) fn refill(&mut self, now: Moment) {
        if let (Some(named), Some(configured)) = (self.named, self.configured)
            && self.limit != configured
            && self.is_over(named, now)
        {
            self.named = None;
            self.resize_by_evidence(configured, self.believed_until(named));
        }
        self.refill_at_this_rate(now);
    }

    fn refill_at_this_rate(&mut self, now: Moment) {
        if now <= self.credited {
            return;
        }
        let full = self.full;
        let earned = self.earned(self.credited, now);
        self.upper = self.upper.saturating_add(earned).min(full);
        match self.limit.refill {
            Refill::Continuous => {
                self.level = self.level.map(|level| level.saturating_add(earned).min(full));
            }
            Refill::Sliding => {
                let back = self.spendings.expired(now);
                self.level = self.level.with(back, i128::saturating_add).map(|level| level.min(full));
            }
            Refill::Fixed(mark) => {
                if self.next_mark(mark, self.credited) <= now {
                    self.level = Both::same(full);
                }
            }
        }
        self.credited = now;
    }

    /// What comes back in that time at the most, however the limit refills.
    fn earned(&self, from: Moment, to: Moment) -> i128 {
        match self.limit.refill {
            Refill::Continuous => {
                let elapsed = i128::try_from((to - from).as_nanos()).unwrap_or(i128::MAX);
                elapsed.saturating_mul(i128::from(self.limit.capacity))
            }
            Refill::Sliding | Refill::Fixed(_) => self.full,
        }
    }

    /// The first moment after `from` at which a limit that begins anew has surely done so.
    fn next_mark(&self, mark: Moment, from: Moment) -> Moment {
        let period = self.limit.period.max(Duration::from_nanos(1));
        let guard = (period / MARK_GUARD).min(LONGEST_GUARD);
        let since = (from - (mark + guard)).as_nanos();
        // Marks are known by one of them, which may lie behind or ahead.
        let behind = if from < mark + guard {
            let ahead = ((mark + guard) - from).as_nanos() % period.as_nanos();
            if ahead == 0 { period.as_nanos() } else { ahead }
        } else {
            period.as_nanos() - since % period.as_nanos()
        };
        from + nanoseconds(behind)
    }

    fn fit(&mut self, limit: Limit) {
        self.limit = limit;
        self.period = i128::try_from(limit.period.as_nanos()).unwrap_or(i128::MAX).max(1);
        self.full = self.scale(limit.capacity);
    }

    fn scale(&self, units: u64) -> i128 {
        self.scale_signed(i128::from(units))
    }

    fn scale_signed(&self, units: i128) -> i128 {
        units.saturating_mul(self.period)
    }
}

fn nanoseconds(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}
