//! Prices worth trying. Any would do for a bound; these find a small one.

use super::Candidate;

/// A price of one token a unit.
pub(super) const ONE: u64 = 1 << 10;
/// So many prices of one limit alone.
const ALONE: usize = 48;
/// So many prices of one limit, and of another beside each of them.
const BESIDE: usize = 12;

/// What a unit of each limit costs, in tokens times [`ONE`]: index and price. Other limits cost nothing.
#[derive(Clone, Debug)]
pub(super) struct Prices(pub(super) Vec<(usize, u64)>);

impl Prices {
    /// What the request is worth beyond what it would pay, in tokens times [`ONE`].
    pub(super) fn surplus(&self, candidate: &Candidate) -> u64 {
        let worth = candidate.worth * ONE;
        self.0.iter().fold(worth, |worth, &(index, price)| {
            worth.saturating_sub(price.saturating_mul(candidate.weights[index].taken))
        })
    }
}

/// Prices at which some request is just worth sending: of one limit alone, and of two together.
pub(super) fn prices(candidates: &[Candidate], limits: usize) -> impl Iterator<Item = Prices> {
    let mut all = Vec::new();
    for first in 0..limits {
        let alone = worthwhile(candidates, &Prices(Vec::new()), first, ALONE);
        all.extend(alone.iter().map(|price| Prices(vec![(first, *price)])));
        let Some(dearest) = alone.last() else { continue };
        for second in first + 1..limits {
            for step in 1..BESIDE as u64 {
                let known = Prices(vec![(first, dearest * step / BESIDE as u64)]);
                let beside = worthwhile(candidates, &known, second, BESIDE);
                all.extend(beside.into_iter().map(|price| {
                    let mut prices = known.clone();
                    prices.0.push((second, price));
                    prices
                }));
            }
        }
    }
    all.into_iter()
}

/// Quantiles of the prices of a limit at which a request is just worth sending, where others have prices already; in
/// ascending order.
fn worthwhile(candidates: &[Candidate], known: &Prices, limit: usize, count: usize) -> Vec<u64> {
    let worth = |candidate: &Candidate| {
        let taken = candidate.weights[limit].taken;
        (taken > 0).then(|| known.surplus(candidate).div_ceil(taken))
    };
    let mut prices: Vec<u64> = candidates.iter().filter_map(worth).collect();
    prices.sort_unstable();
    prices.dedup();
    if prices.len() > count {
        let last = prices.len() - 1;
        prices = (0..count).map(|step| prices[last * step / (count - 1)]).collect();
    }
    prices
}
