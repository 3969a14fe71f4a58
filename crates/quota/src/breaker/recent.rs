//! How many of the last outcomes were failures.

use std::time::Duration;

use crate::time::Moment;

/// The window moves on in steps of this length…
const STEP: Duration = Duration::from_secs(3);
/// …and holds so many, the one that runs included: the last 27 to 30 s.
const STEPS: usize = 10;
/// With fewer outcomes there is no rate to speak of.
const LEAST: u32 = 10;

/// Outcomes of the last half minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    steps: [Outcomes; STEPS],
    /// Which step runs, counted from the origin of time.
    step: u128,
}

#[derive(Clone, Copy, Debug, Default)]
struct Outcomes {
    all: u32,
    failed: u32,
}

impl Recent {
    pub(super) fn add(&mut self, failed: bool, now: Moment) {
        let step = (now - Moment::default()).as_nanos() / STEP.as_nanos();
        // Those that have passed without an outcome hold what is older than the window.
        for gone in (self.step + 1..=step).rev().take(STEPS) {
            *self.at(gone) = Outcomes::default();
        }
        self.step = self.step.max(step);
        let outcomes = self.at(self.step);
        outcomes.all = outcomes.all.saturating_add(1);
        outcomes.failed = outcomes.failed.saturating_add(u32::from(failed));
    }

    /// Whether half of them failed, or more.
    pub(super) fn mostly_failed(&self) -> bool {
        let all: u32 = self.steps.iter().map(|outcomes| outcomes.all).sum();
        let failed: u32 = self.steps.iter().map(|outcomes| outcomes.failed).sum();
        all >= LEAST && failed.saturating_mul(2) >= all
    }

    fn at(&mut self, step: u128) -> &mut Outcomes {
        &mut self.steps[usize::try_from(step % STEPS as u128).unwrap_or(0)]
    }
}
