//! What this process may spend of a limit by its lease.

use super::{Both, Bucket};
use crate::lease::{Draw, Lease, UNIT};
use crate::limit::{Refill, Settlement};
use crate::time::Moment;

/// A block is this part of the limit at the least: what a crash may cost.
const SMALLEST_BLOCK: u64 = 65_536;
/// And room for so many requests of the size that is usual, so that none has to wait for its lease.
const REQUESTS_AHEAD: u64 = 2;

/// The part of a limit that is ours to spend.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    /// Leased and not yet spent, scaled.
    left: Both,
    /// By how much evidence has moved the level since the last lease, scaled.
    evidence: Both,
    /// The largest amount asked for lately, in units.
    usual: u64,
}

impl Allowance {
    pub(super) fn take(&mut self, amount: Both) {
        self.left = self.left.with(amount, i128::saturating_sub);
    }

    pub(super) fn give(&mut self, amount: Both) {
        self.left = self.left.with(amount, i128::saturating_add);
    }

    pub(super) fn note_evidence(&mut self, change: Both) {
        self.evidence = self.evidence.with(change, i128::saturating_add);
    }
}

impl Bucket {
    /// Whether `amount` beside what is `held` is ours to spend. Where nothing may be held back it is anyway.
    pub(crate) fn is_leased(&mut self, amount: u64, held: u64, settlement: Settlement) -> bool {
        self.allowance.usual = self.allowance.usual.max(amount);
        let wanted = self.scale(amount).saturating_add(self.scale(held));
        !self.is_leasable() || self.allowance.left.of(settlement) >= wanted
    }

    /// Whether the lease is far from what is wanted.
    pub(crate) fn should_lease(&self, held: u64, settlement: Settlement) -> bool {
        let block = self.scale(self.block());
        let free = self.allowance.left.of(settlement).saturating_sub(self.scale(held));
        self.is_leasable() && (free < block / 2 || free > block.saturating_mul(2))
    }

    /// What is to be told to the ledger; `closing`: nothing is wanted beyond what is in flight.
    pub(crate) fn draw(
        &mut self,
        held: u64,
        settlement: Settlement,
        closing: bool,
        now: Moment,
    ) -> Option<Draw> {
        self.refill(now);
        let block = if closing { 0 } else { self.block() };
        // Requests get smaller, too.
        self.allowance.usual -= self.allowance.usual / 16;
        let evidence = std::mem::take(&mut self.allowance.evidence).of(settlement);
        self.is_leasable().then(|| Draw {
            limit: self.limit,
            leased: self.millionths(self.allowance.left.of(settlement)),
            wanted: self.millionths(self.scale(held.saturating_add(block))),
            level: self.millionths(self.level.of(settlement)),
            evidence: self.millionths(evidence),
        })
    }

    /// What the ledger answered to `draw`. What has been spent since stays spent.
    pub(crate) fn leased(&mut self, draw: &Draw, lease: &Lease, now: Moment) {
        self.refill(now);
        let scaled = |millionths: i64| i128::from(millionths).saturating_mul(self.period) / i128::from(UNIT);
        let (more, level) = (scaled(lease.leased - draw.leased), scaled(lease.level - draw.level));
        self.allowance.give(Both::same(more));
        let full = self.full;
        self.level = self.level.map(|had| had.saturating_add(level).min(full));
        self.shared = lease.shared;
    }

    /// No ledger answered to `draw`.
    pub(crate) fn undrawn(&mut self, draw: &Draw) {
        let evidence = i128::from(draw.evidence).saturating_mul(self.period) / i128::from(UNIT);
        self.allowance.note_evidence(Both::same(evidence));
    }

    /// What slides is known by when it was spent, and that no pool can tell.
    fn is_leasable(&self) -> bool {
        self.limit.refill != Refill::Sliding
    }

    fn block(&self) -> u64 {
        let ahead = self.allowance.usual.saturating_mul(REQUESTS_AHEAD);
        (self.limit.capacity / SMALLEST_BLOCK).max(ahead).clamp(1, self.limit.capacity)
    }

    fn millionths(&self, scaled: i128) -> i64 {
        let millionths = scaled.saturating_mul(i128::from(UNIT)).div_euclid(self.period);
        i64::try_from(millionths).unwrap_or(if millionths < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
    }
}
