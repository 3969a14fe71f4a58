//! One value for each thing that limits count.

use crate::limit::Dimension;

/// A value for each dimension.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PerDimension<T> {
    requests: T,
    tokens: T,
    uncached: T,
}

impl<T: Copy> PerDimension<T> {
    pub(crate) fn same(value: T) -> Self {
        Self { requests: value, tokens: value, uncached: value }
    }

    pub(crate) fn of(&self, dimension: Dimension) -> T {
        match dimension {
            Dimension::Requests => self.requests,
            Dimension::Tokens => self.tokens,
            Dimension::UncachedTokens => self.uncached,
        }
    }

    pub(crate) fn each(&mut self, mut change: impl FnMut(&mut T, Dimension)) {
        change(&mut self.requests, Dimension::Requests);
        change(&mut self.tokens, Dimension::Tokens);
        change(&mut self.uncached, Dimension::UncachedTokens);
    }
}
