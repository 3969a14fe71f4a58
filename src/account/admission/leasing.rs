//! What of an account's budget this process may spend, and what outlives it.

use std::time::Duration;

use quota::{Cost, Draw, Lease, Lesson, Moment};

use super::Admission;
use crate::account::Skip;
use crate::estimate::Estimate;

impl Admission {
    /// From now on only what is leased may be spent, or all that the books say.
    pub fn lease_only(&mut self, lease_only: bool) {
        self.lease_only = lease_only;
    }

    /// Whether a request of this size is covered by what is leased.
    #[must_use]
    pub fn is_leased(&mut self, estimate: Estimate, now: Moment) -> bool {
        let cost = self.cost(estimate, now);
        self.books.is_leased(cost)
    }

    /// Whether it is time for another lease.
    #[must_use]
    pub fn should_lease(&self) -> bool {
        self.books.should_lease()
    }

    /// See [`Books::draws`](quota::Books::draws).
    pub fn draws(&mut self, closing: bool, now: Moment) -> Vec<Draw> {
        self.books.draws(closing, now)
    }

    /// See [`Books::leased`](quota::Books::leased).
    pub fn leased(&mut self, leases: &[(Draw, Lease)], now: Moment) {
        self.books.leased(leases, now);
    }

    /// See [`Books::undrawn`](quota::Books::undrawn).
    pub fn not_leased(&mut self, draws: &[Draw]) {
        self.books.undrawn(draws);
    }

    /// Believes what was learned in an earlier life.
    pub fn remember(&mut self, lesson: Lesson, now: Moment) {
        self.books.remember(lesson, now);
    }

    /// What calibrations have learned, each under a name.
    #[must_use]
    pub fn calibrations(&self) -> Vec<(String, String)> {
        self.calibrations.learned()
    }

    /// Goes on with what a calibration of this name had learned.
    pub fn recalibrate(&mut self, name: &str, learned: &str) {
        self.calibrations.remember(name, learned);
    }

    /// How long its provider's minute lasts.
    #[must_use]
    pub fn minute(&self) -> Duration {
        self.terms.meter.minute
    }

    /// What is beyond the books is not leased from anybody.
    pub(super) fn check_lease(&mut self, cost: Cost, now: Moment) -> Result<(), Skip> {
        let within = self.lease_only && self.books.check(cost, now).is_ok();
        if within && !self.books.is_leased(cost) { Err(Skip::Unleased) } else { Ok(()) }
    }
}
