//! The provider's books: token buckets that reserve at admission and settle at the end.
//!
//! Everything is integer arithmetic: a level is kept in tokens times the window's nanoseconds, so that a
//! nanosecond of refill is exactly `capacity` units and nothing is ever rounded.

use std::time::{Duration, Instant};

use crate::profile::{Limits, Profile};

/// In nanoseconds; with it no level overflows, whatever the capacity.
const LONGEST_WINDOW: i128 = 1_000_000_000_000_000_000;

/// Which limit said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Requests per minute.
    RequestsMinute,
    /// Tokens per minute.
    TokensMinute,
    /// Requests per day.
    RequestsDay,
    /// Tokens per day.
    TokensDay,
}

impl Scope {
    const ALL: [Self; 4] = [Self::RequestsMinute, Self::TokensMinute, Self::RequestsDay, Self::TokensDay];

    fn counts_tokens(self) -> bool {
        matches!(self, Self::TokensMinute | Self::TokensDay)
    }

    fn capacity(self, limits: &Limits) -> Option<u64> {
        match self {
            Self::RequestsMinute => limits.requests_per_minute,
            Self::TokensMinute => limits.tokens_per_minute,
            Self::RequestsDay => limits.requests_per_day,
            Self::TokensDay => limits.tokens_per_day,
        }
    }

    pub(crate) fn window(self, profile: &Profile) -> Duration {
        match self {
            Self::RequestsMinute | Self::TokensMinute => profile.minute,
            Self::RequestsDay | Self::TokensDay => profile.day(),
        }
    }
}

/// A bucket of `capacity` that starts full and refills evenly, `capacity` per window.
///
/// A settlement may take it below zero: overuse is debt, repaid by the refill.
#[derive(Debug, Clone)]
pub struct Bucket {
    capacity: i128,
    window: i128,
    level: i128,
    at: Instant,
}

impl Bucket {
    /// A full bucket. A window is at least a nanosecond and at most 31 years long.
    #[must_use]
    pub fn full(capacity: u64, window: Duration, now: Instant) -> Self {
        let (capacity, window) = (i128::from(capacity), nanos(window).clamp(1, LONGEST_WINDOW));
        Self { capacity, window, level: capacity * window, at: now }
    }

    /// Whole units that could be taken now; negative while in debt.
    pub fn available(&mut self, now: Instant) -> i128 {
        self.refill(now);
        self.level.div_euclid(self.window)
    }

    /// Whether `amount` could be taken now.
    pub fn holds(&mut self, amount: u64, now: Instant) -> bool {
        self.refill(now);
        self.level >= i128::from(amount) * self.window
    }

    /// Takes `amount`, into debt if need be; a negative amount is given back, up to the capacity.
    pub fn take(&mut self, amount: i128, now: Instant) {
        self.refill(now);
        self.level = (self.level - amount * self.window).min(self.capacity * self.window);
    }

    fn refill(&mut self, now: Instant) {
        // A clock read before another thread's but brought here after it must not be refilled twice.
        let Some(elapsed) = now.checked_duration_since(self.at) else { return };
        self.at = now;
        let gain = nanos(elapsed).saturating_mul(self.capacity);
        self.level = self.level.saturating_add(gain).min(self.capacity * self.window);
    }
}

/// All buckets of one account.
///
/// Usable without a server, as the reference that other books are compared with.
#[derive(Debug, Clone)]
pub struct Books {
    buckets: Vec<(Scope, Bucket)>,
    returns_unused: bool,
}

impl Books {
    /// Full buckets for the profile's limits.
    #[must_use]
    pub fn new(profile: &Profile, now: Instant) -> Self {
        let bucket = |scope: Scope| {
            let capacity = scope.capacity(&profile.limits)?;
            Some((scope, Bucket::full(capacity, scope.window(profile), now)))
        };
        let buckets = Scope::ALL.into_iter().filter_map(bucket).collect();
        Self { buckets, returns_unused: profile.returns_unused }
    }

    /// Takes one request and `tokens` from every bucket, or nothing from any.
    ///
    /// # Errors
    /// The first limit that does not hold as much.
    pub fn admit(&mut self, tokens: u64, now: Instant) -> Result<(), Scope> {
        let amount = |scope: Scope| if scope.counts_tokens() { tokens } else { 1 };
        for (scope, bucket) in &mut self.buckets {
            if !bucket.holds(amount(*scope), now) {
                return Err(*scope);
            }
        }
        self.buckets.iter_mut().for_each(|(scope, b)| b.take(i128::from(amount(*scope)), now));
        Ok(())
    }

    /// Corrects an admission of `reserved` tokens to what was `used`.
    pub fn settle(&mut self, reserved: u64, used: u64, now: Instant) {
        let used = if self.returns_unused { used } else { used.max(reserved) };
        let owed = i128::from(used) - i128::from(reserved);
        self.buckets.iter_mut().filter(|(s, _)| s.counts_tokens()).for_each(|(_, b)| b.take(owed, now));
    }

    /// Capacity and what is left of it, never below zero: what the rate headers show.
    pub fn remaining(&mut self, scope: Scope, now: Instant) -> Option<(i128, i128)> {
        let (_, bucket) = self.buckets.iter_mut().find(|(s, _)| *s == scope)?;
        Some((bucket.capacity, bucket.available(now).max(0)))
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests;
