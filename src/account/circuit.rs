//! A breaker, and what opened it. An account has one for itself, which all its models share, and one for each of them.

use std::time::Duration;

use quota::breaker::State;
use quota::{Breaker, Moment, Pass, Trip};

use super::Skip;
use crate::failure::Kind;

/// A breaker, and what opened it last.
#[derive(Debug)]
pub(super) struct Circuit {
    breaker: Breaker,
    tripped_by: Option<Kind>,
}

/// How a circuit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitStatus {
    /// What it lets through.
    pub state: State,
    /// Why it does not let everything through.
    pub tripped_by: Option<Kind>,
}

impl Circuit {
    /// A closed one whose pauses never exceed `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self { breaker: Breaker::new(longest), tripped_by: None }
    }

    /// No later pause exceeds `longest`.
    pub(super) fn set_longest(&mut self, longest: Duration) {
        self.breaker.set_longest(longest);
    }

    /// Lets one request pass. `alone`: nobody else would be asked, so that waiting for a probe would gain nothing; but
    /// a quota that was used up is not asked by a herd.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(super) fn admit(&mut self, alone: bool, now: Moment) -> Result<Pass, Skip> {
        let quota = matches!(self.tripped_by, Some(Kind::RateLimited(..)));
        match self.breaker.admit(now) {
            Ok(pass) => Ok(pass),
            Err(Some(until)) => Err(Skip::Open(until, self.tripped_by)),
            Err(None) if alone && !quota => Ok(Pass::Closed),
            Err(None) => Err(Skip::Probing),
        }
    }

    /// Why it is passed over now, if it is.
    pub(super) fn would_skip(&self, now: Moment) -> Option<Skip> {
        match self.breaker.state(now) {
            State::Open { until } => Some(Skip::Open(until, self.tripped_by)),
            State::HalfOpen { probing: true } => Some(Skip::Probing),
            State::Closed | State::HalfOpen { probing: false } => None,
        }
    }

    /// Until when nothing passes; `None` where something could.
    pub(super) fn open_until(&self, now: Moment) -> Option<Moment> {
        self.breaker.open_until(now)
    }

    /// It works. What comes after with this pass is about a closed circuit.
    pub(super) fn works(&mut self, pass: &mut Option<Pass>, now: Moment) {
        if let Some(pass) = pass {
            self.breaker.succeeded(*pass, now);
            *pass = Pass::Closed;
        }
    }

    /// It failed.
    pub(super) fn failed(
        &mut self,
        pass: &mut Option<Pass>,
        kind: Kind,
        trip: Trip,
        jitter: f64,
        now: Moment,
    ) {
        if let Some(pass) = pass.take()
            && self.breaker.failed(pass, trip, jitter, now)
        {
            self.tripped_by = Some(kind);
        }
    }

    /// Nothing was found out.
    pub(super) fn undecided(&mut self, pass: &mut Option<Pass>) {
        if let Some(pass) = pass.take() {
            self.breaker.undecided(pass);
        }
    }

    /// How it stands.
    pub(super) fn status(&self, now: Moment) -> CircuitStatus {
        let state = self.breaker.state(now);
        CircuitStatus { state, tripped_by: self.tripped_by.filter(|_| state != State::Closed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_being_probed_is_passed_over_by_all_others() {
        let (mut circuit, then) = (Circuit::new(Duration::from_mins(5)), Moment::default());
        let base = Duration::from_secs(1);
        let trip = Trip { threshold: 1, by_rate: false, hint: None, base, ceiling: base };
        circuit.failed(&mut Some(Pass::Closed), Kind::ServerError, trip, 0.0, then);
        assert_eq!(circuit.would_skip(then), Some(Skip::Open(then + base, Some(Kind::ServerError))));
        let later = then + base;
        assert_eq!(circuit.would_skip(later), None, "it would be the probe");
        let mut probe = circuit.admit(false, later).ok();
        assert_eq!((probe, circuit.would_skip(later)), (Some(Pass::Probe), Some(Skip::Probing)));
        circuit.works(&mut probe, later);
        assert_eq!(circuit.would_skip(later), None);
    }
}
