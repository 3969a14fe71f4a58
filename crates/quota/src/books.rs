//! All limits of one account: a request is reserved on every one of them, or on none.

use crate::bucket::Bucket;
use crate::limit::{Cost, Dimension, Limit, Meter, Window};
use crate::time::Moment;

/// The books of one account.
///
/// With honest costs they never admit more than the provider's own buckets would, whatever the delays
/// between the two; with wrong ones the debt is carried until it is repaid.
#[derive(Clone, Debug)]
pub struct Books {
    buckets: Vec<Bucket>,
    /// What requests in flight may still take of every limit.
    held: Held,
    meter: Meter,
}

/// Units set aside for requests in flight.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    requests: u64,
    tokens: u64,
}

impl Held {
    fn of(self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::Requests => self.requests,
            Dimension::Tokens | Dimension::UncachedTokens => self.tokens,
        }
    }

    fn add(&mut self, requests: u64, tokens: u64) {
        self.requests = self.requests.saturating_add(requests);
        self.tokens = self.tokens.saturating_add(tokens);
    }

    fn remove(&mut self, requests: u64, tokens: u64) {
        self.requests = self.requests.saturating_sub(requests);
        self.tokens = self.tokens.saturating_sub(tokens);
    }
}

/// Permission to send one request. It must be handed back with [`Books::settle`] or [`Books::release`]:
/// a grant that is lost holds its budget for ever.
#[derive(Debug)]
#[must_use = "a grant that is neither settled nor released holds its budget for ever"]
pub struct Grant {
    cost: Cost,
    /// Whether the provider is known to have taken the request in.
    admitted: bool,
}

/// Which limit said no, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The limit that is exhausted the longest.
    pub limit: Limit,
    /// When it will admit the request if nothing else happens; `None`: never, the request exceeds it.
    pub available_at: Option<Moment>,
}

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The limit.
    pub limit: Limit,
    /// Requests or tokens that could be reserved now; negative in debt.
    pub available: i64,
}

impl Books {
    /// Full books with these limits. Without any limit every request is granted.
    #[must_use]
    pub fn new(limits: &[Limit], meter: Meter, now: Moment) -> Self {
        let buckets = limits.iter().map(|limit| Bucket::full(*limit, now)).collect();
        Self { buckets, held: Held::default(), meter }
    }

    /// Goes on with other limits: one that is there already keeps what has been spent of it, and what is set aside for
    /// requests in flight counts for all of them.
    pub fn set_limits(&mut self, limits: &[Limit], meter: Meter, now: Moment) {
        let mut old = std::mem::take(&mut self.buckets);
        let bucket = |limit: &Limit| {
            let same = |bucket: &Bucket| {
                bucket.limit.dimension == limit.dimension && bucket.limit.window == limit.window
            };
            match old.iter().position(same) {
                Some(index) => old.swap_remove(index).resized(*limit, now),
                None => Bucket::full(*limit, now),
            }
        };
        self.buckets = limits.iter().map(bucket).collect();
        self.meter = meter;
    }

    /// Sets `cost` aside on all limits at once.
    ///
    /// # Errors
    ///
    /// [`Shortfall`] names the limit that takes the longest to admit it; nothing is set aside then.
    pub fn reserve(&mut self, cost: Cost, now: Moment) -> Result<Grant, Shortfall> {
        self.check(cost, now)?;
        self.held.add(1, cost.at_most);
        Ok(Grant { cost, admitted: false })
    }

    /// Whether `cost` could be reserved now.
    ///
    /// # Errors
    ///
    /// The same as [`Books::reserve`].
    pub fn check(&mut self, cost: Cost, now: Moment) -> Result<(), Shortfall> {
        let mut worst: Option<Shortfall> = None;
        for bucket in &mut self.buckets {
            let wanted = amount(bucket, cost.at_most);
            if let Err(available_at) = bucket.check(wanted, self.held.of(bucket.limit.dimension), now) {
                let shortfall = Shortfall { limit: bucket.limit, available_at };
                if worst.is_none_or(|worst| later(available_at, worst.available_at)) {
                    worst = Some(shortfall);
                }
            }
        }
        worst.map_or(Ok(()), Err)
    }

    /// The provider has taken the request in (its response head is there): what is spent for certain leaves the
    /// books, and only from now on do they earn refill for it.
    pub fn admitted(&mut self, grant: &mut Grant, now: Moment) {
        if std::mem::replace(&mut grant.admitted, true) {
            return;
        }
        let certain = grant.cost.at_least.min(grant.cost.at_most);
        self.held.remove(1, certain);
        for bucket in &mut self.buckets {
            bucket.debit(amount(bucket, certain), now);
        }
    }

    /// The request is over and used `tokens`, prompt and completion together.
    pub fn settle(&mut self, mut grant: Grant, tokens: u64, now: Moment) {
        self.admitted(&mut grant, now);
        let Cost { at_least, at_most } = grant.cost;
        let certain = at_least.min(at_most);
        let tokens = if self.meter.returns_unused { tokens } else { tokens.max(at_most) };
        self.held.remove(0, at_most - certain);
        for bucket in self.tokens() {
            bucket.debit(tokens.saturating_sub(certain), now);
            bucket.credit(certain.saturating_sub(tokens), now);
        }
    }

    /// The request was never sent, or the provider refused it: everything comes back.
    #[expect(clippy::needless_pass_by_value, reason = "a grant is handed back once")]
    pub fn release(&mut self, grant: Grant, now: Moment) {
        let Cost { at_least, at_most } = grant.cost;
        let certain = at_least.min(at_most);
        if !grant.admitted {
            return self.held.remove(1, at_most);
        }
        self.held.remove(0, at_most - certain);
        for bucket in &mut self.buckets {
            bucket.credit(amount(bucket, certain), now);
        }
    }

    /// The provider refused `cost` although the books had granted it: less than that is left of the limits of
    /// this window and dimension (`None`: it did not say of what).
    pub fn refute(&mut self, dimension: Option<Dimension>, window: Window, cost: Cost, now: Moment) {
        for bucket in &mut self.buckets {
            let limit = bucket.limit;
            if limit.window == window && dimension.is_none_or(|it| it == limit.dimension) {
                bucket.refute(amount(bucket, cost.at_most), self.held.of(limit.dimension), now);
            }
        }
    }

    /// The most tokens that a request may reserve at all; `None`: any number.
    #[must_use]
    pub fn largest(&self) -> Option<u64> {
        let limits = self.buckets.iter().map(|bucket| bucket.limit);
        limits.filter(|limit| limit.dimension == Dimension::Tokens).map(|limit| limit.capacity).min()
    }

    /// What is left of each limit.
    #[must_use]
    pub fn levels(&self, now: Moment) -> Vec<Level> {
        let level = |bucket: &Bucket| {
            let limit = bucket.limit;
            Level { limit, available: bucket.available(self.held.of(limit.dimension), now) }
        };
        self.buckets.iter().map(level).collect()
    }

    /// What has been spent on each limit since the books were opened, requests in flight at their certain part.
    #[must_use]
    pub fn spent(&self) -> Vec<(Limit, i128)> {
        self.buckets.iter().map(|bucket| (bucket.limit, bucket.spent())).collect()
    }

    fn tokens(&mut self) -> impl Iterator<Item = &mut Bucket> {
        self.buckets.iter_mut().filter(|bucket| bucket.limit.dimension == Dimension::Tokens)
    }
}

/// What a request that uses `tokens` takes from this bucket.
fn amount(bucket: &Bucket, tokens: u64) -> u64 {
    match bucket.limit.dimension {
        Dimension::Requests => 1,
        Dimension::Tokens | Dimension::UncachedTokens => tokens,
    }
}

/// Whether `a` is later than `b`, where `None` is never.
fn later(a: Option<Moment>, b: Option<Moment>) -> bool {
    match (a, b) {
        (None, Some(_)) => true,
        (Some(a), Some(b)) => a > b,
        (_, None) => false,
    }
}
