//! Whether a provider gives back what it set aside and an answer did not use: assumed, then learned.

use crate::bucket::Verdict;
use crate::limit::Settlement;

/// So many pieces of evidence in a row for the other way make it the one that is believed.
const CONVINCED: u8 = 2;

/// What is believed, and how much speaks against it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Belief {
    pub(crate) settlement: Settlement,
    against: u8,
}

impl Belief {
    pub(crate) fn new(settlement: Settlement) -> Self {
        Self { settlement, against: 0 }
    }

    /// Takes in a piece of evidence. Returns whether the belief has changed.
    pub(crate) fn hear(&mut self, verdict: Verdict) -> bool {
        let Verdict::For(settlement) = verdict else { return false };
        if settlement == self.settlement {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let changed = self.against >= CONVINCED;
        if changed {
            *self = Self::new(settlement);
        }
        changed
    }
}
