//! The books' side of a ledger: what of each limit is leased to this process.

use super::Books;
use crate::bucket::Bucket;
use crate::lease::{Draw, Lease};
use crate::limit::Cost;
use crate::time::Moment;

impl Books {
    /// Whether `cost` is covered by what this process has leased, where there is a ledger.
    pub fn is_leased(&mut self, cost: Cost) -> bool {
        let settlement = self.belief.settlement;
        let leased = |bucket: &mut Bucket| {
            let dimension = bucket.limit.dimension;
            bucket.is_leased(cost.most(dimension), self.held.of(dimension, settlement), settlement)
        };
        // All are asked: each takes note of the size.
        self.buckets.iter_mut().map(leased).fold(true, |all, leased| all & leased)
    }

    /// Whether the ledger should be asked for another lease soon.
    #[must_use]
    pub fn should_lease(&self) -> bool {
        let settlement = self.belief.settlement;
        self.buckets
            .iter()
            .any(|bucket| bucket.should_lease(self.held.of(bucket.limit.dimension, settlement), settlement))
    }

    /// What to tell the ledger; `closing`: nothing is wanted any more. Each must be answered with
    /// [`Books::leased`] or [`Books::undrawn`].
    pub fn draws(&mut self, closing: bool, now: Moment) -> Vec<Draw> {
        let settlement = self.belief.settlement;
        let draw = |bucket: &mut Bucket| {
            bucket.draw(self.held.of(bucket.limit.dimension, settlement), settlement, closing, now)
        };
        self.buckets.iter_mut().filter_map(draw).collect()
    }

    /// The ledger did not answer to these: the next draws say the same.
    pub fn undrawn(&mut self, draws: &[Draw]) {
        for draw in draws {
            let same = |bucket: &&mut Bucket| bucket.limit.is_about(draw.limit.dimension, draw.limit.window);
            if let Some(bucket) = self.buckets.iter_mut().find(same) {
                bucket.undrawn(draw);
            }
        }
    }

    /// What the ledger answered.
    pub fn leased(&mut self, leases: &[(Draw, Lease)], now: Moment) {
        for (draw, lease) in leases {
            let same = |bucket: &&mut Bucket| bucket.limit.is_about(draw.limit.dimension, draw.limit.window);
            if let Some(bucket) = self.buckets.iter_mut().find(same) {
                bucket.leased(draw, lease, now);
            }
        }
    }
}
