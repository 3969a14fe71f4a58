//! How a limit stands, for people.

use std::time::Duration;

use crate::limit::{Limit, Window};
use crate::time::Moment;

/// How one limit stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitStatus {
    /// The limit in force.
    pub limit: Limit,
    /// Who says so.
    pub source: Source,
    /// Requests or tokens that are left beside those in flight; negative in debt.
    pub available: i64,
    /// Requests or tokens set aside for requests in flight.
    pub in_flight: u64,
    /// What a request usually sets aside of it.
    pub usual: u64,
    /// When a usual request is admitted again; `None`: it is now.
    pub exhausted_until: Option<Moment>,
    /// When all of it is there again, if nothing else is spent and requests in flight use all that is set aside.
    pub full_at: Moment,
    /// Requests or tokens spent in an hour, by about the last one.
    pub per_hour: f64,
    /// Of a limit by the day: what becomes of it at this rate.
    pub forecast: Option<Forecast>,
}

/// Who says what a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The operator set it.
    Operator,
    /// It is what is known of the plan, and nobody has said otherwise.
    Assumed,
    /// The provider named it.
    Provider,
}

impl Source {
    /// For logs and machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Assumed => "assumed",
            Self::Provider => "provider",
        }
    }
}

/// What becomes of a limit at the present rate of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecast {
    /// It has no room for a usual request then.
    RunsOut(Moment),
    /// Enough comes back before.
    Lasts,
}

impl LimitStatus {
    /// How much is spent, requests in flight left out, in percent.
    #[must_use]
    pub fn used_percent(&self) -> u8 {
        let capacity = i128::from(self.limit.capacity).max(1);
        let spent = capacity - i128::from(self.available) - i128::from(self.in_flight);
        u8::try_from((spent * 100 / capacity).clamp(0, 100)).unwrap_or(100)
    }

    /// Whether what is left is too little for a usual request, and that not for those in flight.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.exhausted_until.is_some() && self.in_flight == 0
    }

    /// Whether it is one by the day, which is planned with; the shorter ones come and go.
    #[must_use]
    pub fn is_daily(&self) -> bool {
        self.limit.window == Window::Day
    }
}

/// When `left` units are used up, where `drain` units a second go and so many come back at these moments; nothing is known
/// beyond the `horizon`.
pub(crate) fn forecast(
    left: f64,
    drain: f64,
    returns: impl Iterator<Item = (Moment, f64)>,
    horizon: Moment,
    now: Moment,
) -> Forecast {
    let (mut left, mut at) = (left, now);
    if left <= 0.0 {
        return Forecast::RunsOut(now);
    }
    if drain <= 0.0 {
        return Forecast::Lasts;
    }
    for (moment, units) in returns.take_while(|(moment, _)| *moment < horizon).chain([(horizon, 0.0)]) {
        let enough_for = left / drain;
        if enough_for < (moment - at).as_secs_f64() {
            return Forecast::RunsOut(at + Duration::from_secs_f64(enough_for));
        }
        left += units - drain * (moment - at).as_secs_f64();
        at = at.max(moment);
    }
    Forecast::Lasts
}
