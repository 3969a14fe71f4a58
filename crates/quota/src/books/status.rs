//! How all limits of an account stand, for people.

use super::Books;
use crate::bucket::Bucket;
use crate::status::LimitStatus;
use crate::time::Moment;

impl Books {
    /// How each limit stands; those left out are believed no longer and hold nobody back.
    #[must_use]
    pub fn status(&mut self, now: Moment) -> Vec<LimitStatus> {
        let settlement = self.belief.settlement;
        let status = |bucket: &mut Bucket| {
            let dimension = bucket.limit.dimension;
            let held = self.held.of(dimension, settlement);
            bucket.status(held, settlement, &self.rates.of(dimension), self.usual.of(dimension), now)
        };
        self.buckets.iter_mut().filter_map(status).collect()
    }
}
