//! What was spent when, where each unit comes back one period later.

use std::collections::VecDeque;
use std::time::Duration;

use super::Both;
use crate::limit::Settlement;
use crate::time::Moment;

/// Spendings within this part of a period are taken for one, at the time of the latest: that is to our disadvantage,
/// and keeps the list short.
const GRAIN: u32 = 128;

/// Amounts by the moment at which they come back, the earliest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Spendings(VecDeque<Spending>);

#[derive(Clone, Copy, Debug)]
struct Spending {
    /// When the first of it was spent.
    from: Moment,
    back: Moment,
    amount: Both,
}

impl Spendings {
    pub(super) fn add(&mut self, amount: Both, period: Duration, now: Moment) {
        if amount == Both::default() {
            return;
        }
        let back = now + period;
        match self.0.back_mut() {
            Some(last) if now - last.from < period / GRAIN => {
                last.back = last.back.max(back);
                last.amount = last.amount.with(amount, i128::saturating_add);
            }
            _ => self.0.push_back(Spending { from: now, back, amount }),
        }
    }

    /// Takes back what was noted last: what comes back early was spent late, as far as anybody can tell.
    pub(super) fn remove(&mut self, amount: Both) {
        let mut left = amount;
        for spending in self.0.iter_mut().rev() {
            let part = spending.amount.with(left, |has, left| has.min(left).max(0));
            spending.amount = spending.amount.with(part, |has, part| has - part);
            left = left.with(part, |left, part| left - part);
        }
    }

    /// What has come back by now.
    pub(super) fn expired(&mut self, now: Moment) -> Both {
        let mut back = Both::default();
        while let Some(first) = self.0.front()
            && first.back <= now
        {
            back = back.with(first.amount, i128::saturating_add);
            self.0.pop_front();
        }
        back
    }

    /// When so much of it comes back, the earliest first.
    pub(super) fn returns(&self, settlement: Settlement) -> impl Iterator<Item = (Moment, i128)> {
        self.0.iter().map(move |spending| (spending.back, spending.amount.of(settlement)))
    }

    /// By when so much will have come back; `None`: more than was ever spent.
    pub(super) fn back_by(&self, amount: i128, settlement: Settlement) -> Option<Moment> {
        let mut sum = 0i128;
        self.0.iter().find_map(|spending| {
            sum = sum.saturating_add(spending.amount.of(settlement));
            (sum >= amount).then_some(spending.back)
        })
    }
}
