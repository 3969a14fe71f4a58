//! The provider's books: token buckets that reserve at admission and settle at the end.
//!
//! Everything is integer arithmetic: a level is kept in tokens times the window's nanoseconds, so that a
//! nanosecond of refill is exactly `capacity` units and nothing is ever rounded.

use std::time::{Duration, Instant};

use crate::profile::{Limits, Profile, Vendor};

/// In nanoseconds; with it no level overflows, whatever the capacity.
const LONGEST_WINDOW: i128 = 1_000_000_000_000_000_000;

/// Which limit said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Requests per second.
    RequestsSecond,
    /// Requests per minute.
    RequestsMinute,
    /// Tokens per minute, those found in the prompt cache left out.
    UncachedMinute,
    /// Tokens per minute.
    TokensMinute,
    /// Requests per hour.
    RequestsHour,
    /// Tokens per hour, those found in the prompt cache left out.
    UncachedHour,
    /// Tokens per hour.
    TokensHour,
    /// Requests per day.
    RequestsDay,
    /// Tokens per day.
    TokensDay,
}

impl Scope {
    /// Every scope, in the order in which they are asked.
    const ALL: [Self; 9] = [
        Self::RequestsSecond,
        Self::RequestsMinute,
        Self::UncachedMinute,
        Self::TokensMinute,
        Self::RequestsHour,
        Self::UncachedHour,
        Self::TokensHour,
        Self::RequestsDay,
        Self::TokensDay,
    ];

    pub(crate) fn counts_tokens(self) -> bool {
        matches!(
            self,
            Self::UncachedMinute
                | Self::TokensMinute
                | Self::UncachedHour
                | Self::TokensHour
                | Self::TokensDay
        )
    }

    fn capacity(self, limits: &Limits) -> Option<u64> {
        match self {
            Self::RequestsSecond => limits.requests_per_second,
            Self::RequestsMinute => limits.requests_per_minute,
            Self::UncachedMinute => limits.uncached_tokens_per_minute,
            Self::TokensMinute => limits.tokens_per_minute,
            Self::RequestsHour => limits.requests_per_hour,
            Self::UncachedHour => limits.uncached_tokens_per_hour,
            Self::TokensHour => limits.tokens_per_hour,
            Self::RequestsDay => limits.requests_per_day,
            Self::TokensDay => limits.tokens_per_day,
        }
    }

    /// What it takes of a request of `tokens`, `cached` of which are.
    fn amount(self, tokens: u64, cached: u64) -> u64 {
        match self {
            Self::UncachedMinute | Self::UncachedHour => tokens.saturating_sub(cached),
            _ if self.counts_tokens() => tokens,
            _ => 1,
        }
    }

    /// The name of its window.
    pub(crate) fn per(self) -> &'static str {
        match self {
            Self::RequestsSecond => "second",
            Self::RequestsMinute | Self::UncachedMinute | Self::TokensMinute => "minute",
            Self::RequestsHour | Self::UncachedHour | Self::TokensHour => "hour",
            Self::RequestsDay | Self::TokensDay => "day",
        }
    }

    pub(crate) fn window(self, profile: &Profile) -> Duration {
        match self.per() {
            "second" => profile.minute / 60,
            "minute" => profile.minute,
            "hour" => profile.minute.saturating_mul(60),
            _ => profile.day(),
        }
    }
}

/// A limit that said no, and how far the request was over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverLimit {
    pub(crate) scope: Scope,
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    pub(crate) asked: u64,
    /// Until as much has been refilled; `None` where it never will be.
    pub(crate) wait: Option<Duration>,
}

/// How full a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) capacity: u64,
    /// Never below zero.
    pub(crate) remaining: u64,
    pub(crate) until_full: Duration,
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

    /// How long until `amount` could be taken; `None` where it is more than the bucket ever holds.
    fn until_holds(&mut self, amount: u64, now: Instant) -> Option<Duration> {
        self.refill(now);
        let amount = i128::from(amount);
        if amount > self.capacity {
            return None;
        }
        let missing = (amount * self.window - self.level).max(0);
        let nanos = (missing + self.capacity - 1).checked_div(self.capacity).unwrap_or(0);
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
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
            // Chutes counts a day's requests when they are completed: that is not a bucket's business.
            if profile.vendor == Vendor::Chutes && scope == Scope::RequestsDay {
                return None;
            }
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
        self.admit_cached(tokens, 0, now)
    }

    /// The same where `cached` of the tokens are left out of the buckets for uncached ones.
    ///
    /// # Errors
    /// The first limit that does not hold as much.
    pub fn admit_cached(&mut self, tokens: u64, cached: u64, now: Instant) -> Result<(), Scope> {
        for (scope, bucket) in &mut self.buckets {
            if !bucket.holds(scope.amount(tokens, cached), now) {
                return Err(*scope);
            }
        }
        for (scope, bucket) in &mut self.buckets {
            bucket.take(i128::from(scope.amount(tokens, cached)), now);
        }
        Ok(())
    }

    /// What a refusal by `scope` is about.
    pub(crate) fn over(&mut self, scope: Scope, tokens: u64, cached: u64, now: Instant) -> OverLimit {
        let asked = scope.amount(tokens, cached);
        let mut over = OverLimit { scope, capacity: 0, used: 0, asked, wait: None };
        if let Some((_, bucket)) = self.buckets.iter_mut().find(|(s, _)| *s == scope) {
            over.capacity = unsigned(bucket.capacity);
            over.used = unsigned(bucket.capacity - bucket.available(now));
            over.wait = bucket.until_holds(asked, now);
        }
        over
    }

    /// Corrects an admission of `reserved` tokens to what was `used`, or to what is charged for it; returns that.
    pub fn settle(&mut self, reserved: u64, used: u64, now: Instant) -> u64 {
        let charged = if self.returns_unused { used } else { used.max(reserved) };
        let owed = i128::from(charged) - i128::from(reserved);
        self.buckets.iter_mut().filter(|(s, _)| s.counts_tokens()).for_each(|(_, b)| b.take(owed, now));
        charged
    }

    /// What is left of a limit, negative while in debt; `None`: there is no such limit.
    pub fn left(&mut self, scope: Scope, now: Instant) -> Option<i128> {
        self.buckets.iter_mut().find(|(s, _)| *s == scope).map(|(_, bucket)| bucket.available(now))
    }

    /// How full the bucket of `scope` is, where there is one: what the rate headers show.
    pub(crate) fn level(&mut self, scope: Scope, now: Instant) -> Option<Level> {
        let (_, bucket) = self.buckets.iter_mut().find(|(s, _)| *s == scope)?;
        let capacity = unsigned(bucket.capacity);
        let until_full = bucket.until_holds(capacity, now).unwrap_or_default();
        Some(Level { capacity, remaining: unsigned(bucket.available(now)), until_full })
    }
}

fn unsigned(amount: i128) -> u64 {
    u64::try_from(amount.max(0)).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests;
