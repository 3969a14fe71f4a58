//! All limits of one account: a request is reserved on every one of them, or on none.
//!
//! - `evidence`: what answers and refusals say of the provider's own books.
//! - `leasing`: what of each limit is leased to this process.
//! - `status`: how all of it stands.

use crate::bucket::{Bucket, Ticket, Traffic};
use crate::evidence::Lesson;
use crate::held::Held;
use crate::limit::{Cost, Dimension, Limit, Meter, Settlement, Used, Window};
use crate::per_dimension::PerDimension;
use crate::rate::Rate;
use crate::settlement::Belief;
use crate::time::Moment;

mod evidence;
mod leasing;
mod status;

/// The books of one account.
///
/// With honest costs they never admit more than the provider's own buckets would, whatever the delays
/// between the two; with wrong ones the debt is carried until it is repaid.
#[derive(Clone, Debug)]
pub struct Books {
    buckets: Vec<Bucket>,
    /// What requests in flight may still take of every limit.
    held: Held,
    belief: Belief,
    meter: Meter,
    /// All that was ever sent.
    traffic: PerDimension<Traffic>,
    /// How fast it is spent.
    rates: PerDimension<Rate>,
    /// What a request sets aside, averaged over about the last eight.
    usual: PerDimension<u64>,
    /// Grants that were given only because unused tokens are believed to come back.
    trusting: u64,
}

/// Permission to send one request. It must be handed back with [`Books::settle`] or [`Books::release`]:
/// a grant that is lost holds its budget for ever.
#[derive(Debug)]
#[must_use = "a grant that is neither settled nor released holds its budget for ever"]
pub struct Grant {
    cost: Cost,
    sent: Moment,
    /// Whether the provider is known to have taken the request in.
    admitted: bool,
    /// What each limit stood at when it was given; empty once the answer has been read.
    tickets: Vec<(Dimension, Window, Ticket)>,
    /// How many grants had been given before it only because unused tokens are believed to come back.
    trusting_before: u64,
}

impl Grant {
    /// When it was given.
    #[must_use]
    pub fn sent(&self) -> Moment {
        self.sent
    }
}

/// What a provider's refusal for a quota means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The books had known by then that there was not enough, or know it by what the refusal has taught.
    pub foreseen: bool,
    /// When the books would admit the same again.
    pub available_at: Option<Moment>,
    /// What was learned from it.
    pub lessons: Vec<Lesson>,
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
        let buckets = limits.iter().map(|limit| Bucket::full(*limit, meter, now)).collect();
        let belief = Belief::new(meter.settlement);
        let (held, traffic, rates) = (Held::default(), PerDimension::default(), rates(meter, now));
        let usual = PerDimension::same(0);
        Self { buckets, held, belief, meter, traffic, rates, usual, trusting: 0 }
    }

    /// Goes on with other limits: one that is there already keeps what has been spent of it, and what is set aside for
    /// requests in flight counts for all of them. What the provider has taught stays.
    pub fn set_limits(&mut self, limits: &[Limit], meter: Meter, now: Moment) {
        let mut old = std::mem::take(&mut self.buckets);
        let bucket = |limit: &Limit| {
            let same = |bucket: &Bucket| bucket.limit.is_about(limit.dimension, limit.window);
            match old.iter().position(same) {
                Some(index) => old.swap_remove(index).reconfigured(*limit, meter, now),
                None => Bucket::full(*limit, meter, now),
            }
        };
        self.buckets = limits.iter().map(bucket).collect();
        if meter.settlement != self.meter.settlement {
            self.belief = Belief::new(meter.settlement);
        }
        if meter.minute != self.meter.minute {
            self.rates = rates(meter, now);
        }
        self.meter = meter;
    }

    /// Sets `cost` aside on all limits at once.
    ///
    /// # Errors
    ///
    /// [`Shortfall`] names the limit that takes the longest to admit it; nothing is set aside then.
    pub fn reserve(&mut self, cost: Cost, now: Moment) -> Result<Grant, Shortfall> {
        self.check(cost, now)?;
        Ok(self.reserve_anyway(cost, now))
    }

    /// The same whatever the limits say: what is missing becomes debt.
    pub fn reserve_anyway(&mut self, cost: Cost, now: Moment) -> Grant {
        let trusting_before = self.trusting;
        if self.belief.settlement == Settlement::Returned {
            self.trusting += u64::from(self.shortfall(cost, Settlement::Kept, now, |_| true).is_some());
        }
        self.held.add(cost);
        self.traffic.each(|traffic, dimension| traffic.send(cost.most(dimension)));
        self.usual.each(|usual, dimension| *usual = averaged(*usual, cost.most(dimension)));
        let ticket = |bucket: &mut Bucket| {
            bucket.refill(now);
            let Limit { dimension, window, .. } = bucket.limit;
            (dimension, window, bucket.ticket(self.held.both(dimension), self.traffic.of(dimension), now))
        };
        let tickets = self.buckets.iter_mut().map(ticket).collect();
        Grant { cost, sent: now, admitted: false, tickets, trusting_before }
    }

    /// Whether `cost` could be reserved now.
    ///
    /// # Errors
    ///
    /// The same as [`Books::reserve`].
    pub fn check(&mut self, cost: Cost, now: Moment) -> Result<(), Shortfall> {
        self.belief.review(now);
        self.shortfall(cost, self.belief.settlement, now, |_| true).map_or(Ok(()), Err)
    }

    /// The same where only what the operator set counts.
    ///
    /// # Errors
    ///
    /// The same as [`Books::reserve`].
    pub fn check_ceilings(&mut self, cost: Cost, now: Moment) -> Result<(), Shortfall> {
        self.shortfall(cost, self.belief.settlement, now, |limit| limit.ceiling).map_or(Ok(()), Err)
    }

    fn shortfall(
        &mut self,
        cost: Cost,
        settlement: Settlement,
        now: Moment,
        counts: impl Fn(&Limit) -> bool,
    ) -> Option<Shortfall> {
        let mut worst: Option<Shortfall> = None;
        for bucket in self.buckets.iter_mut().filter(|bucket| counts(&bucket.limit)) {
            let dimension = bucket.limit.dimension;
            let held = self.held.of(dimension, settlement);
            if let Err(available_at) = bucket.check(cost.most(dimension), held, settlement, now) {
                let shortfall = Shortfall { limit: bucket.limit, available_at };
                if worst.is_none_or(|worst| later(available_at, worst.available_at)) {
                    worst = Some(shortfall);
                }
            }
        }
        worst
    }

    /// The provider has taken the request in (its response head is there): what is spent for certain leaves the
    /// books, and only from now on do they earn refill for it.
    pub fn admitted(&mut self, grant: &mut Grant, now: Moment) {
        if std::mem::replace(&mut grant.admitted, true) {
            return;
        }
        grant.tickets = Vec::new();
        let cost = grant.cost;
        self.held.admitted(cost);
        self.traffic.each(|traffic, dimension| traffic.admit(cost.most(dimension)));
        self.buckets.iter_mut().for_each(|bucket| bucket.admitted(cost, grant.sent, now));
    }

    /// The request is over.
    pub fn settle(&mut self, mut grant: Grant, used: Used, now: Moment) {
        self.admitted(&mut grant, now);
        let cost = grant.cost;
        self.held.over(cost);
        self.buckets.iter_mut().for_each(|bucket| bucket.settle(cost, used, now));
        let spent = |dimension| match self.belief.settlement {
            Settlement::Returned => used.of(dimension),
            Settlement::Kept => used.kept(dimension),
        };
        self.rates.each(|rate, dimension| rate.add(spent(dimension), now));
    }

    /// The request was never sent, or the provider refused it: everything comes back.
    #[expect(clippy::needless_pass_by_value, reason = "a grant is handed back once")]
    pub fn release(&mut self, grant: Grant, now: Moment) {
        let cost = grant.cost;
        if !grant.admitted {
            self.traffic.each(|traffic, dimension| traffic.drop(cost.most(dimension)));
            return self.held.remove(cost);
        }
        self.held.over(cost);
        self.buckets.iter_mut().for_each(|bucket| bucket.released(cost, now));
    }

    /// What is believed of unused tokens.
    #[must_use]
    pub fn settlement(&self) -> Settlement {
        self.belief.settlement
    }

    /// The most tokens that a request may reserve at all; `None`: any number.
    #[must_use]
    pub fn largest(&self) -> Option<u64> {
        let limits = self.buckets.iter().map(|bucket| bucket.limit);
        limits.filter(|limit| limit.dimension != Dimension::Requests).map(|limit| limit.capacity).min()
    }

    /// What is left of each limit.
    #[must_use]
    pub fn levels(&mut self, now: Moment) -> Vec<Level> {
        let settlement = self.belief.settlement;
        let level = |bucket: &mut Bucket| {
            let limit = bucket.limit;
            let held = self.held.of(limit.dimension, settlement);
            Level { limit, available: bucket.available(held, settlement, now) }
        };
        self.buckets.iter_mut().map(level).collect()
    }

    /// What has been spent on each limit since the books were opened, requests in flight at their certain part.
    #[must_use]
    pub fn spent(&self) -> Vec<(Limit, i128)> {
        self.buckets.iter().map(|bucket| (bucket.limit, bucket.spent())).collect()
    }
}

/// An average over about the last eight; 0: there has been none.
fn averaged(average: u64, next: u64) -> u64 {
    if average == 0 { next } else { average - average / 8 + next / 8 }
}

/// Nothing spent so far.
fn rates(meter: Meter, now: Moment) -> PerDimension<Rate> {
    PerDimension::same(Rate::new(Window::Hour.length(meter.minute), now))
}

/// Whether `a` is later than `b`, where `None` is never.
fn later(a: Option<Moment>, b: Option<Moment>) -> bool {
    match (a, b) {
        (None, Some(_)) => true,
        (Some(a), Some(b)) => a > b,
        (_, None) => false,
    }
}
