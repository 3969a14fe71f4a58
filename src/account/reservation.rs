//! A guard around a permit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quota::{Dimension, Lesson, Reading, Trip, Window};
use wire::Usage;

use super::Account;
use super::admission::{Permit, Refused};
use crate::estimate::Estimate;
use crate::failure::Kind;

/// A guard around a permit. Dropped before sending it gives everything back; dropped afterwards it is settled at the
/// prompt and what was counted of the answer. The breaker hears of it either way.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<Account>,
    permit: Permit,
    /// Set as soon as the provider may have seen the request.
    sent: Arc<AtomicBool>,
    /// Tokens of the answer that have passed.
    counted: u64,
}

impl Reservation {
    pub(super) fn new(account: Arc<Account>, permit: Permit) -> Self {
        Self { account, permit, sent: Arc::default(), counted: 0 }
    }

    /// What it was expected to cost, and which model.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        self.permit.estimate()
    }

    /// Tokens set aside.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.permit.reserved()
    }

    /// To be set as soon as the provider may have seen the request.
    #[must_use]
    pub fn sent(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.sent)
    }

    /// The provider has taken the request in: its response's head is there, and says this of its own books.
    pub fn admitted(&mut self, readings: &[Reading]) -> Vec<Lesson> {
        let now = self.account.clock.now();
        let lessons = self.account.admission.lock().admitted(&mut self.permit, readings, now);
        self.account.learn(&lessons);
        lessons
    }

    /// So many tokens of the answer have passed.
    pub fn counted(&mut self, tokens: u64) {
        self.counted = tokens;
    }

    /// The answer is over, and `usage` what the provider reported, if it did; whether the answer was of any use is told apart.
    pub fn settle(&mut self, usage: Option<Usage>) {
        let now = self.account.clock.now();
        self.account.admission.lock().settle(&mut self.permit, usage, self.counted, now);
    }

    /// The provider did nothing for it: everything comes back.
    pub fn release(&mut self) {
        let now = self.account.clock.now();
        self.account.admission.lock().release(&mut self.permit, now);
    }

    /// The provider refused it for a quota; see [`Admission::refused`](super::admission::Admission::refused).
    pub fn refused(
        &mut self,
        scope: (Option<Dimension>, Option<Window>),
        hint: Option<Duration>,
        readings: &[Reading],
    ) -> Refused {
        let now = self.account.clock.now();
        let refused = {
            let mut admission = self.account.admission.lock();
            admission.refused(&mut self.permit, scope, hint, readings, fastrand::f64(), now)
        };
        self.account.learn(&refused.lessons);
        refused
    }

    /// The provider refused it because it is larger than a limit.
    pub fn too_large(&mut self, readings: &[Reading]) -> Vec<Lesson> {
        let now = self.account.clock.now();
        let lessons = self.account.admission.lock().too_large(&mut self.permit, readings, now);
        self.account.learn(&lessons);
        lessons
    }

    /// The provider works, and so does its model: the circuits close.
    pub fn works(&mut self) {
        let now = self.account.clock.now();
        self.account.admission.lock().works(&mut self.permit, now);
    }

    /// The provider has answered, without asking its model.
    pub fn answered(&mut self) {
        let now = self.account.clock.now();
        self.account.admission.lock().answered(&mut self.permit, now);
    }

    /// An answer has begun: a probe has found what it looked for. The rest is told when the answer is over.
    pub fn probed(&mut self) {
        let now = self.account.clock.now();
        self.account.admission.lock().probed(&mut self.permit, now);
    }

    /// It failed in a way that speaks against the provider, or against its model alone.
    pub fn failed(&mut self, kind: Kind, trip: Trip) {
        let now = self.account.clock.now();
        self.account.admission.lock().failed(&mut self.permit, kind, trip, fastrand::f64(), now);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let (now, sent) = (self.account.clock.now(), self.sent.load(Ordering::Relaxed));
        self.account.admission.lock().close(&mut self.permit, sent, self.counted, now);
        self.account.renew();
    }
}
