//! How an account stands, and when that is worth a line in the log.

use std::time::Duration;

use quota::{Dimension, LimitStatus, Moment, Settlement};

use super::CircuitStatus;

/// A limit by the day is worth a line when so many percent of it are spent; the last also when it has no room for a usual
/// request: a little is always left over.
const STEPS: [u8; 4] = [50, 80, 95, 100];
/// And again only after it has come back by so many percent: one that is used as fast as it refills stays at a step.
const BACK: u8 = 10;

/// How an account stands.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountStatus {
    /// Each of its limits.
    pub limits: Vec<LimitStatus>,
    /// What is believed of tokens that were set aside and not used.
    pub settlement: Settlement,
    /// Whether the limits only say when others are to be preferred.
    pub soft: bool,
    /// Its own circuit, which its models share.
    pub circuit: CircuitStatus,
    /// When it takes the smallest request, if nobody else does; `None`: never as things are.
    pub available_at: Option<Moment>,
    /// Requests under way.
    pub in_flight: u64,
    /// So many may be.
    pub concurrent_requests: Option<u64>,
    /// Requests it was ever given.
    pub requests: u64,
    /// How long an hour lasts.
    pub hour: Duration,
}

/// What is worth a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Notice {
    /// The limit.
    pub limit: LimitStatus,
    /// It has just passed so many percent; `None`: it is time to tell again.
    pub passed: Option<u8>,
}

/// What has been told of an account.
#[derive(Clone, Debug)]
pub struct Notices {
    told_at: Moment,
    /// How many requests it had been given then.
    requests: u64,
    /// The step that each limit by the day has passed.
    passed: Vec<(Dimension, u8)>,
}

impl Notices {
    /// Nothing has been told yet.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self { told_at: now, requests: 0, passed: Vec::new() }
    }

    /// What is worth a line now: a limit by the day that passed a step, and once an hour every limit of an account that was
    /// given requests.
    pub fn due(&mut self, status: &AccountStatus, now: Moment) -> Vec<Notice> {
        let hourly = now - self.told_at >= status.hour;
        let busy = status.requests != self.requests;
        if hourly {
            (self.told_at, self.requests) = (now, status.requests);
        }
        let notice = |limit: &LimitStatus| {
            let passed = self.passes(limit);
            (passed.is_some() || hourly && busy).then_some(Notice { limit: *limit, passed })
        };
        status.limits.iter().filter_map(notice).collect()
    }

    fn passes(&mut self, limit: &LimitStatus) -> Option<u8> {
        if !limit.is_daily() {
            return None;
        }
        let used = if limit.is_exhausted() { 100 } else { limit.used_percent() };
        let dimension = limit.limit.dimension;
        let index = self.passed.iter().position(|(of, _)| *of == dimension).unwrap_or_else(|| {
            self.passed.push((dimension, 0));
            self.passed.len() - 1
        });
        let (_, passed) = self.passed.get_mut(index)?;
        let now = step(used);
        let more = (now > *passed).then_some(now);
        *passed = now.max((*passed).min(step(used.saturating_add(BACK))));
        more
    }
}

/// The last step up to here; 0 before the first.
fn step(used: u8) -> u8 {
    STEPS.into_iter().rfind(|step| *step <= used).unwrap_or(0)
}

#[cfg(test)]
mod tests;
