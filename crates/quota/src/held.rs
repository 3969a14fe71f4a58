//! What requests in flight may still take.

use crate::bucket::Both;
use crate::limit::{Cost, Dimension, Settlement};

/// Units set aside for requests in flight, by what they count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    requests: i128,
    tokens: Both,
    uncached: Both,
}

impl Held {
    pub(crate) fn both(&self, dimension: Dimension) -> Both {
        match dimension {
            Dimension::Requests => Both::same(self.requests),
            Dimension::Tokens => self.tokens,
            Dimension::UncachedTokens => self.uncached,
        }
    }

    pub(crate) fn of(&self, dimension: Dimension, settlement: Settlement) -> u64 {
        u64::try_from(self.both(dimension).of(settlement)).unwrap_or(0)
    }

    /// A request is sent: all that it may cost.
    pub(crate) fn add(&mut self, cost: Cost) {
        self.change(1, cost, |cost, dimension| Both::same(i128::from(cost.most(dimension))));
    }

    /// It was not, or not taken in.
    pub(crate) fn remove(&mut self, cost: Cost) {
        self.change(-1, cost, |cost, dimension| Both::same(-i128::from(cost.most(dimension))));
    }

    /// It was taken in: what is certain has left the buckets, and where nothing comes back all of it has.
    pub(crate) fn admitted(&mut self, cost: Cost) {
        self.change(-1, cost, |cost, dimension| Both {
            returned: -i128::from(cost.least(dimension)),
            kept: -i128::from(cost.most(dimension)),
        });
    }

    /// One that was taken in is over.
    pub(crate) fn over(&mut self, cost: Cost) {
        self.change(0, cost, |cost, dimension| Both {
            returned: i128::from(cost.least(dimension)) - i128::from(cost.most(dimension)),
            kept: 0,
        });
    }

    fn change(&mut self, requests: i128, cost: Cost, tokens: impl Fn(Cost, Dimension) -> Both) {
        self.requests += requests;
        let add = |held: Both, more: Both| held.with(more, |held, more| held + more);
        self.tokens = add(self.tokens, tokens(cost, Dimension::Tokens));
        self.uncached = add(self.uncached, tokens(cost, Dimension::UncachedTokens));
    }
}
