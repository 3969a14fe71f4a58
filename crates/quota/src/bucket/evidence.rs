//! What the provider says of its own level, held against ours.
//!
//! A reading was written some time between our sending the request and our reading its head. By then the provider had at
//! least what we had beside that request when it was sent, less what was sent in the meantime. A reading below that means that somebody
//! else spends, or that the books are wrong: the level goes down to what the reading proves. What it proves is itself, less
//! whatever may have arrived after it was written, and without what requests under way will give back: they may have done so
//! already. Where that is more than the level, the level goes up to it. A late reading proves little, so it changes little.

use super::{Both, Bucket};
use crate::evidence::Reading;
use crate::limit::{Cost, Limit, Settlement};
use crate::time::Moment;

/// A provider's limit above this is none that anybody could mean.
const HIGHEST: u64 = 1_000_000_000_000_000;

/// What the books said when a request was sent, for judging what its answer says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    /// What was missing of a full limit, counting all that was held, this request too; scaled.
    missing: Both,
    at: Moment,
    /// The traffic by then, this request included.
    traffic: Traffic,
}

/// Units of all requests so far, at what each may cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// Set aside.
    sent: u64,
    /// Of these, taken in: their heads have come.
    admitted: u64,
    /// Given back before that.
    dropped: u64,
}

impl Traffic {
    pub(crate) fn send(&mut self, units: u64) {
        self.sent = self.sent.wrapping_add(units);
    }

    pub(crate) fn admit(&mut self, units: u64) {
        self.admitted = self.admitted.wrapping_add(units);
    }

    pub(crate) fn drop(&mut self, units: u64) {
        self.dropped = self.dropped.wrapping_add(units);
    }

    fn without_head(self) -> u64 {
        self.sent.wrapping_sub(self.admitted).wrapping_sub(self.dropped)
    }
}

/// What a reading says of the settlement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    #[default]
    Undecided,
    For(Settlement),
}

impl Bucket {
    /// What is to be remembered of a request that is sent now, beside what is `held`, its own part included.
    pub(crate) fn ticket(&self, held: Both, traffic: Traffic, now: Moment) -> Ticket {
        let (full, held) = (self.full, held.map(|held| self.scale_signed(held)));
        let missing = self.level.with(held, |level, held| full.saturating_sub(level).saturating_add(held));
        Ticket { missing, at: now, traffic }
    }

    /// The provider named its limit. Returns whether that changed the one in force.
    pub(crate) fn name_limit(&mut self, capacity: u64, now: Moment) -> bool {
        let named = capacity.clamp(1, HIGHEST);
        let capacity = match self.configured {
            Some(configured) if configured.ceiling => named.min(configured.capacity),
            _ => named,
        };
        self.named = Some(now);
        let changed = capacity != self.limit.capacity;
        if changed {
            self.resize_by_evidence(Limit { capacity, ..self.limit }, now);
        }
        changed
    }

    /// Holds a reading against the books, where `traffic` is what it is now.
    pub(crate) fn read(
        &mut self,
        reading: &Reading,
        ticket: &Ticket,
        cost: Cost,
        traffic: Traffic,
        settlement: Settlement,
        now: Moment,
    ) -> Verdict {
        let Some(remaining) = reading.remaining else { return Verdict::Undecided };
        // What other processes of ours have leased since cannot be told from what strangers spend.
        if self.shared {
            return Verdict::Undecided;
        }
        self.refill(now);
        let named = reading.limit.unwrap_or(self.limit.capacity).clamp(1, HIGHEST);
        let remaining = remaining.min(named);
        let said = self.scale(remaining.min(self.limit.capacity));
        let dimension = self.limit.dimension;
        let later = self.scale(traffic.sent.wrapping_sub(ticket.traffic.sent));
        let least = ticket.missing.map(|missing| self.full.saturating_sub(missing).saturating_sub(later));
        let meanwhile = self.scale(traffic.admitted.wrapping_sub(ticket.traffic.admitted));
        // This request is about to leave the upper bound; the reading is without it already.
        let own = self.scale(cost.set_aside(dimension)).saturating_sub(self.earned(ticket.at, now));
        let above = self.upper.saturating_sub(own).saturating_add(meanwhile).saturating_add(self.period);
        let tolerance = self.tolerance(cost, traffic.without_head());
        let verdict = judge(said, least, above, tolerance);
        // All without a head are still to leave the upper bound, and may have left what the reading says.
        let at_most = said.saturating_add(self.period).saturating_add(self.scale(traffic.without_head()));
        self.upper = self.upper.min(at_most);
        self.hear_of_others(said, least, tolerance, verdict, settlement, now);
        // Below the operator's ceiling the provider's own limit is larger by so much, and so is what it says is left.
        let usable = self.scale(remaining.saturating_sub(named.saturating_sub(self.limit.capacity)));
        // What leaves the books for this request when it counts as taken in has left the provider's already.
        let own_part =
            Both { returned: self.scale(cost.least(dimension)), kept: self.scale(cost.most(dimension)) };
        let proven = |usable: i128| own_part.map(|own| usable.saturating_add(own).saturating_sub(meanwhile));
        let (down, up) = (proven(said), proven(usable));
        // A reading is rounded down: what is within a unit of it says nothing.
        let too_high = least.map(|least| least >= said.saturating_add(self.period));
        let down = Both {
            returned: if too_high.returned { down.returned } else { i128::MAX },
            kept: if too_high.kept { down.kept } else { i128::MAX },
        };
        self.lower_to(down, now);
        self.raise_to(up);
        verdict
    }

    /// No more than `remaining` is left beside what is `held`.
    pub(crate) fn read_at_most(&mut self, remaining: Option<u64>, held: Both, now: Moment) {
        let Some(remaining) = remaining else { return };
        let remaining = self.scale(remaining.min(self.limit.capacity));
        let said = held.map(|held| remaining.saturating_add(self.scale_signed(held)));
        self.lower_to(said, now);
    }

    fn hear_of_others(
        &mut self,
        said: i128,
        least: Both,
        tolerance: i128,
        verdict: Verdict,
        settlement: Settlement,
        now: Moment,
    ) {
        let explained = verdict == Verdict::For(Settlement::Kept);
        let over = if explained { least.kept } else { least.of(settlement) }.saturating_sub(said);
        let units = if over > tolerance { over.div_euclid(self.period) } else { 0 };
        self.foreign.read(u64::try_from(units).unwrap_or(0), self.limit.period, now);
    }

    /// What two counters may differ by in what no reading has shown before, scaled.
    fn tolerance(&self, cost: Cost, without_head: u64) -> i128 {
        match self.margin() {
            0 => 0,
            margin => {
                let unseen = without_head.max(cost.most(self.limit.dimension));
                self.scale(margin / 4 + unseen / 20 + 1)
            }
        }
    }

    fn raise_to(&mut self, surely: Both) {
        let full = self.full;
        let surely = surely.map(|surely| surely.min(full));
        let more = surely.with(self.level, |surely, level| surely.saturating_sub(level).max(0));
        self.level = self.level.with(more, i128::saturating_add);
        self.allowance.note_evidence(more);
        self.spendings.remove(more);
    }
}

/// Which settlement a reading fits. Others' spendings make it lower, so only a high one speaks for giving back.
fn judge(said: i128, least: Both, above: i128, tolerance: i128) -> Verdict {
    if said > above {
        return Verdict::For(Settlement::Returned);
    }
    let too_low = said < least.returned.saturating_sub(tolerance);
    // As much as there must be if nothing comes back, and told apart from what there is if it does.
    let enough = said >= least.kept.saturating_sub(tolerance) && least.returned - least.kept > tolerance;
    if too_low && enough { Verdict::For(Settlement::Kept) } else { Verdict::Undecided }
}
