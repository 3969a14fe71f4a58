//! What the provider does: buckets that refill continuously, asked when a request arrives.
//!
//! Cerebras, by its documentation and its users: the prompt and the longest answer are set aside at admission, the
//! difference to what was used comes back at the end or does not, and a refusal names the window's length as
//! `Retry-After`. Written without a look at the books, so that both being wrong in the same way is unlikely.

use super::scenario::{Chance, Scenario};
use super::trace::Request;
use crate::config::Limits;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// One for each request.
    Requests,
    /// Prompt and answer.
    Tokens,
    /// The same without what was in the prompt cache.
    Uncached,
}

/// One limit of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it counts.
    pub counts: Counts,
    /// The bucket's size, and what comes back in a window.
    pub capacity: u64,
    /// In microseconds.
    pub window: u64,
}

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// All limits of a plan, the shortest windows first.
#[must_use]
pub fn limits(plan: &Limits) -> Vec<Limit> {
    let all = [
        (Counts::Requests, plan.requests_per_second, SECOND),
        (Counts::Requests, plan.requests_per_minute, MINUTE),
        (Counts::Uncached, plan.uncached_tokens_per_minute, MINUTE),
        (Counts::Tokens, plan.tokens_per_minute, MINUTE),
        (Counts::Requests, plan.requests_per_hour, HOUR),
        (Counts::Tokens, plan.tokens_per_hour, HOUR),
        (Counts::Requests, plan.requests_per_day, DAY),
        (Counts::Tokens, plan.tokens_per_day, DAY),
    ];
    let limit = |(counts, capacity, window): (_, Option<u64>, _)| {
        capacity.map(|capacity| Limit { counts, capacity, window })
    };
    all.into_iter().filter_map(limit).collect()
}

/// What a request takes from one limit: when it is admitted, and when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Must be there at admission, and is taken then.
    pub reserved: u64,
    /// What it comes to at the end, in all.
    pub settled: u64,
}

/// What a request takes from this limit.
#[must_use]
pub fn charge(scenario: &Scenario, limit: Limit, request: &Request, chance: Chance) -> Charge {
    let answer = match (request.max_tokens, scenario.completion_reserve) {
        (Some(named), Some(most)) => named.min(most),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 0,
    };
    let cached = match limit.counts {
        Counts::Requests => return Charge { reserved: 1, settled: 1 },
        Counts::Tokens => 0,
        Counts::Uncached => request.cached_tokens,
    };
    let reserved = chance.guessed_prompt.saturating_sub(cached) + answer;
    let used = request.tokens() - cached;
    let settled = if scenario.returns_unused { used } else { used.max(reserved) };
    Charge { reserved, settled }
}

/// What a request takes in all from a limit of tokens: what was used, or more where the provider keeps what it set
/// aside.
#[must_use]
pub fn charged(scenario: &Scenario, request: &Request, chance: Chance) -> u64 {
    let limit = Limit { counts: Counts::Tokens, capacity: 0, window: 0 };
    charge(scenario, limit, request, chance).settled
}

/// A refusal, status 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first limit that had not enough.
    pub limit: Limit,
    /// What it tells to wait, in microseconds: the window's length, however soon there would be enough.
    pub retry_after: u64,
}

/// The rationed provider.
#[derive(Clone, Debug)]
pub struct Provider {
    buckets: Vec<Bucket>,
}

impl Provider {
    /// With full buckets at moment 0.
    #[must_use]
    pub fn new(limits: &[Limit]) -> Self {
        Self { buckets: limits.iter().map(|limit| Bucket::full(*limit)).collect() }
    }

    /// A request arrives that takes `charges`, one for each limit.
    ///
    /// # Errors
    ///
    /// The refusal; nothing is taken then.
    pub fn arrive(&mut self, charges: &[Charge], now: u64) -> Result<(), Refusal> {
        for (bucket, charge) in self.buckets.iter_mut().zip(charges) {
            bucket.refill(now);
            if bucket.level < bucket.scaled(charge.reserved) {
                return Err(Refusal { limit: bucket.limit, retry_after: bucket.limit.window });
            }
        }
        for (bucket, charge) in self.buckets.iter_mut().zip(charges) {
            bucket.level -= bucket.scaled(charge.reserved);
        }
        Ok(())
    }

    /// A request that was admitted is over.
    pub fn end(&mut self, charges: &[Charge], now: u64) {
        for (bucket, charge) in self.buckets.iter_mut().zip(charges) {
            bucket.refill(now);
            let level = bucket.level + bucket.scaled(charge.reserved) - bucket.scaled(charge.settled);
            bucket.level = level.min(bucket.scaled(bucket.limit.capacity));
        }
    }

    /// Whole units in each bucket now; negative where more was used than set aside.
    pub fn levels(&mut self, now: u64) -> Vec<i128> {
        let level = |bucket: &mut Bucket| {
            bucket.refill(now);
            bucket.level.div_euclid(i128::from(bucket.limit.window))
        };
        self.buckets.iter_mut().map(level).collect()
    }
}

/// Units are kept times the window's microseconds: a microsecond refills exactly `capacity` of them.
#[derive(Clone, Debug)]
struct Bucket {
    limit: Limit,
    level: i128,
    at: u64,
}

impl Bucket {
    fn full(limit: Limit) -> Self {
        Self { limit, level: i128::from(limit.capacity) * i128::from(limit.window), at: 0 }
    }

    fn scaled(&self, units: u64) -> i128 {
        i128::from(units) * i128::from(self.limit.window)
    }

    fn refill(&mut self, now: u64) {
        let gained = i128::from(now.saturating_sub(self.at)) * i128::from(self.limit.capacity);
        self.level = (self.level + gained).min(self.scaled(self.limit.capacity));
        self.at = self.at.max(now);
    }
}
