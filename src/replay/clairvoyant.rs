//! How much anybody could have got out of the rationed provider, knowing the whole trace beforehand.
//!
//! Which requests to send is a knapsack over time; this is an upper bound of its best solution, by prices. A request is
//! worth its tokens, and a unit of each limit has a price. Take any stretch of time that begins at `s` and ends at `t`,
//! and the requests that can only be admitted within it. Whoever sends some of them pays for what they take of the
//! limits, and the provider has no more to sell in that stretch than
//!
//! ```text
//! capacity + refill × (t − s) + what requests in flight at s may still give back
//! ```
//!
//! of each limit. So what was sent is worth at most the price of all there is to sell, and what each request is worth
//! beyond its own price, where that is positive: whatever the prices. A request in no stretch counts in full. The bound
//! is the least over many prices and over all ways to cut the trace into such stretches, found in one pass.
//!
//! Of one limit alone there is a smaller one, where stretches may overlap: `divided`. The least of all counts.
//! docs/REPLAY.md has the proofs.

use super::provider::{self, Limit};
use super::scenario::{Chance, Scenario, Speed};
use super::trace::Request;

mod divided;
mod price;

use price::Prices;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Tokens served, prompts and answers together.
    Served,
    /// Tokens taken from the ration: the same, or more where the provider keeps what it set aside.
    Charged,
}

impl Worth {
    /// What a request is worth, in tokens.
    #[must_use]
    pub fn of(self, scenario: &Scenario, request: &Request, chance: Chance) -> u64 {
        match self {
            Self::Served => request.tokens(),
            Self::Charged => provider::charged(scenario, request, chance),
        }
    }
}

/// A request, and when it was or will be asked, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// Since the trace began.
    pub at: u64,
    /// What chance does to it.
    pub chance: Chance,
}

/// What a request takes from a limit for certain, and what it may give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weight {
    taken: u64,
    returned: u64,
}

/// A request as the bound sees it.
#[derive(Debug)]
struct Candidate {
    /// It reaches the provider at this moment at the earliest, and no later than what it may wait after it.
    earliest: u64,
    latest: u64,
    /// It is over at this moment at the latest.
    over: u64,
    /// In tokens.
    worth: u64,
    weights: Vec<Weight>,
}

/// The bound in tokens, rounded down.
#[must_use]
pub fn bound(scenario: &Scenario, asked: &[Asked<'_>], worth: Worth) -> u64 {
    let limits = provider::limits(&scenario.limits);
    let mut candidates: Vec<Candidate> =
        asked.iter().filter_map(|asked| candidate(scenario, &limits, *asked, worth)).collect();
    candidates.sort_by_key(|candidate| candidate.earliest);
    let returning = returning(&candidates, limits.len());
    let mut markets: Vec<Market> = price::prices(&candidates, limits.len()).map(Market::new).collect();
    let mut best = 0;
    for (candidate, returning) in candidates.iter().zip(&returning) {
        let mut next = best + scaled(candidate.worth);
        for market in &mut markets {
            next = next.min(market.extend(&limits, candidate, returning, best));
        }
        best = next;
    }
    let priced = u64::try_from(best / SCALE).unwrap_or(u64::MAX);
    let divided = |(index, limit): (usize, &Limit)| divided::bound(*limit, index, &candidates, &returning);
    limits.iter().enumerate().map(divided).fold(priced, u64::min)
}

/// `None` where it exceeds a limit, so that nobody could send it.
fn candidate(scenario: &Scenario, limits: &[Limit], asked: Asked<'_>, worth: Worth) -> Option<Candidate> {
    let Asked { request, at, chance } = asked;
    let mut weights = Vec::with_capacity(limits.len());
    for limit in limits {
        let charge = provider::charge(scenario, *limit, request, chance);
        if charge.reserved > limit.capacity {
            return None;
        }
        // Where more is used than was set aside, the difference is not taken before the end.
        let taken = charge.reserved.min(charge.settled);
        weights.push(Weight { taken, returned: charge.reserved - taken });
    }
    let earliest = at + chance.there;
    let latest = earliest.saturating_add(scenario.wait);
    let over = latest.saturating_add(Speed::FAST.whole(request));
    Some(Candidate { earliest, latest, over, worth: worth.of(scenario, request, chance), weights })
}

/// For each candidate and limit: what those before it may give back from its earliest moment on.
fn returning(candidates: &[Candidate], limits: usize) -> Vec<Vec<u64>> {
    let mut ends: Vec<&Candidate> = candidates.iter().collect();
    ends.sort_by_key(|candidate| candidate.over);
    let mut ends = ends.into_iter().peekable();
    let mut sum = vec![0u64; limits];
    let mut all = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        while let Some(ended) = ends.next_if(|ended| ended.over < candidate.earliest) {
            sum.iter_mut().zip(&ended.weights).for_each(|(sum, weight)| *sum -= weight.returned);
        }
        all.push(sum.clone());
        sum.iter_mut().zip(&candidate.weights).for_each(|(sum, weight)| *sum += weight.returned);
    }
    all
}

/// Worth is kept in tokens times this.
const SCALE: i128 = price::ONE as i128 * REFILL_SCALE;
/// Refill is kept in units times this.
const REFILL_SCALE: i128 = 1 << 20;

fn scaled(tokens: u64) -> i128 {
    i128::from(tokens) * SCALE
}

/// One set of prices, and the best stretch under it that is still open.
#[derive(Debug)]
struct Market {
    prices: Prices,
    /// The bound before the stretch and the price of what was there when it began, less the refill until then.
    opened: Option<i128>,
    /// What all requests so far are worth beyond their prices.
    surplus: i128,
}

impl Market {
    fn new(prices: Prices) -> Self {
        Self { prices, opened: None, surplus: 0 }
    }

    /// The least bound of a stretch that ends with this candidate, where `before` is the bound before it.
    fn extend(&mut self, limits: &[Limit], candidate: &Candidate, returning: &[u64], before: i128) -> i128 {
        let mut opening = before - self.surplus;
        let mut refill = 0;
        for &(index, price) in &self.prices.0 {
            let limit = limits[index];
            let stock = i128::from(limit.capacity) + i128::from(returning[index]);
            // Each rounded so that the bound does not become smaller.
            let until_start = refilled(limit, candidate.earliest).div_euclid(i128::from(limit.window));
            let until_end = -(-refilled(limit, candidate.latest)).div_euclid(i128::from(limit.window));
            opening += i128::from(price) * (stock * REFILL_SCALE - until_start);
            refill += i128::from(price) * until_end;
        }
        let opened = self.opened.map_or(opening, |opened| opened.min(opening));
        self.opened = Some(opened);
        self.surplus += i128::from(self.prices.surplus(candidate)) * REFILL_SCALE;
        opened + refill + self.surplus
    }
}

/// Units refilled in so many microseconds, times the window and the scale.
fn refilled(limit: Limit, time: u64) -> i128 {
    i128::from(limit.capacity) * i128::from(time) * REFILL_SCALE
}
