//! Whether a provider gives back what it set aside and an answer did not use: assumed, then learned.

use std::time::Duration;

use crate::bucket::Verdict;
use crate::limit::Settlement;
use crate::time::Moment;

/// So many pieces of evidence in a row for the other way make it the one that is believed.
const CONVINCED: u8 = 2;
/// In minutes: after this long what refusals alone have taught is put to the test. Somebody else on the account may have
/// brought them about, and whoever expects nothing back never finds out. Doubled each time it turns out to be true.
const TESTED_AFTER: u32 = 30;
/// Once a day at the least.
const TESTED_AT_LEAST: u32 = 24 * 60;

/// What is believed, and how much speaks against it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Belief {
    pub(crate) settlement: Settlement,
    against: u8,
    /// When it is put to the test, where no provider's own word has brought it about.
    tested_at: Option<Moment>,
    /// How many minutes after it was learned.
    patience: u32,
}

impl Belief {
    /// What is assumed.
    pub(crate) fn new(settlement: Settlement) -> Self {
        Self { settlement, against: 0, tested_at: None, patience: TESTED_AFTER }
    }

    /// What was learned in an earlier life, nobody knows how.
    pub(crate) fn remember(&mut self, settlement: Settlement, minute: Duration, now: Moment) {
        if settlement != self.settlement {
            self.change(settlement);
            self.test_later(minute, now);
        }
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
            self.change(settlement);
        }
        changed
    }

    /// A request was refused that was sent only because unused tokens are believed to come back. Returns whether the
    /// belief has changed.
    pub(crate) fn refused(&mut self, minute: Duration, now: Moment) -> bool {
        let changed = self.hear(Verdict::For(Settlement::Kept));
        if changed {
            self.test_later(minute, now);
        }
        changed
    }

    /// Believes that tokens come back again, where it is time to find out; one refusal then is enough to know better.
    pub(crate) fn review(&mut self, now: Moment) {
        if self.tested_at.is_some_and(|at| now >= at) {
            self.change(Settlement::Returned);
            self.against = CONVINCED - 1;
        }
    }

    fn change(&mut self, settlement: Settlement) {
        (self.settlement, self.against, self.tested_at) = (settlement, 0, None);
    }

    fn test_later(&mut self, minute: Duration, now: Moment) {
        if self.settlement == Settlement::Kept {
            self.tested_at = Some(now + minute.saturating_mul(self.patience));
            self.patience = (self.patience * 2).min(TESTED_AT_LEAST);
        }
    }
}
