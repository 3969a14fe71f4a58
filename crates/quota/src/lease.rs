//! Where several processes, and a process after a crash, get their budget from: a pool that outlives them.
//!
//! The pool of a limit holds what nobody has leased of it. A process spends only what it has leased, in blocks taken
//! ahead, so it need not ask for every request; what it had leased when it was killed counts as spent. Pool and leases together never
//! exceed the provider's bucket.

use std::time::Duration;

use crate::limit::{Limit, Refill};

/// Pools and leases count millionths of a unit: a refill over a millisecond is not lost in rounding.
pub const UNIT: i64 = 1_000_000;

/// What nobody has leased of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Millionths of a request or token; negative in debt.
    pub level: i64,
    /// Up to when refill has been credited, since 1970.
    pub as_of: Duration,
    /// The limit's capacity then, in requests or tokens.
    pub capacity: u64,
}

/// What a process tells of one limit when it leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Which limit.
    pub limit: Limit,
    /// What it has left of its lease, requests in flight included; in millionths, negative where it spent more.
    pub leased: i64,
    /// What it wants to have; in millionths.
    pub wanted: i64,
    /// What there is by its own books, its lease included; in millionths.
    pub level: i64,
    /// By how much the provider's word has moved that since it drew last; in millionths.
    pub evidence: i64,
}

/// What it has then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its lease, in millionths.
    pub leased: i64,
    /// The pool and its lease together, in millionths.
    pub level: i64,
    /// Whether others lease of the same limit.
    pub shared: bool,
}

impl Pool {
    /// The pool of a limit that no ledger knows yet: all that the process has by its own books.
    #[must_use]
    pub fn opened(draw: &Draw, now: Duration) -> Self {
        Self { level: draw.level - draw.leased, as_of: now, capacity: draw.limit.capacity }
    }

    /// Gives a process what it wants, or what there is; takes back what it does not want. `before`: what it had when it was
    /// asked last; `others`: all that is leased to others; both in millionths. `now`: when it drew, since 1970, which
    /// may jump.
    pub fn lease(&mut self, draw: &Draw, before: i64, others: i64, now: Duration) -> Lease {
        self.resize(draw.limit.capacity);
        self.level = self.level.saturating_add(draw.evidence);
        let full =
            |leased: i64| units(self.capacity).saturating_sub(leased.max(0)).saturating_sub(others).max(0);
        // What has been spent since then has not made room for what came back before that.
        let (full_then, full_now) = (full(before), full(draw.leased));
        self.level = self.refilled(&draw.limit, full_now, now).min(full_then).min(full_now);
        self.as_of = self.as_of.max(now);
        // A clock that was set back would stop all refill until it has caught up.
        if self.as_of.saturating_sub(now) > draw.limit.period {
            self.as_of = now;
        }
        // What was spent without a lease is owed.
        let more = (draw.wanted - draw.leased).min(self.level.max(0)).max(-draw.leased);
        self.level -= more;
        let leased = draw.leased + more;
        Lease { leased, level: self.level + leased, shared: others > 0 }
    }

    /// What is missing of the old capacity is missing of the new one; a smaller capacity alone makes no debt.
    fn resize(&mut self, capacity: u64) {
        let change = units(capacity).saturating_sub(units(self.capacity));
        self.level = self.level.saturating_add(change).max(self.level.min(0));
        self.capacity = capacity;
    }

    fn refilled(&self, limit: &Limit, full: i64, now: Duration) -> i64 {
        let period = limit.period.as_nanos().max(1);
        match limit.refill {
            Refill::Continuous | Refill::Sliding => {
                let elapsed = now.saturating_sub(self.as_of).as_nanos();
                let earned = u128::from(self.capacity)
                    .saturating_mul(UNIT.unsigned_abs().into())
                    .saturating_mul(elapsed)
                    .div_euclid(period);
                self.level.saturating_add(i64::try_from(earned).unwrap_or(i64::MAX))
            }
            // Those begin anew at multiples of their period.
            Refill::Fixed(_) if now.as_nanos() / period > self.as_of.as_nanos() / period => full,
            Refill::Fixed(_) => self.level,
        }
    }
}

/// Whole units in millionths.
pub(crate) fn units(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX).saturating_mul(UNIT)
}
