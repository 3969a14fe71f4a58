//! How an account comes by its budget: see [`crate::ledger`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quota::{Dimension, Lesson, Limit, Settlement, Window};

use super::Account;
use crate::estimate::Estimate;
use crate::ledger::Ledger;

/// No request waits longer for a lease: it is sent without, and what it spends is told to the ledger later.
const PATIENCE: Duration = Duration::from_millis(250);

/// An account's side of the ledger.
#[derive(Debug)]
pub(super) struct Leasing {
    ledger: Ledger,
    /// One exchange at a time: each begins with what the one before it has left.
    turn: tokio::sync::Mutex<()>,
    /// Whether an exchange has been asked for and has not begun.
    asked: AtomicBool,
}

impl Leasing {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger, turn: tokio::sync::Mutex::default(), asked: AtomicBool::new(false) }
    }
}

impl Account {
    /// Lives on a ledger from now on; what was learned in earlier lives comes back.
    pub fn attach(self: &Arc<Self>, ledger: Ledger) {
        if self.leasing.set(Leasing::new(ledger)).is_err() {
            return;
        }
        self.admission.lock().lease_only(true);
        let account = Arc::clone(self);
        tokio::spawn(async move {
            account.recall().await;
            account.lease_again().await;
        });
    }

    /// Waits until a request of this size is covered by the lease, or there is no point in waiting; `at_most` so long.
    pub async fn lease(self: &Arc<Self>, estimate: Estimate, at_most: Duration) {
        let account = Arc::clone(self);
        // Not given up when the client is: the ledger's answer would be lost.
        let covered = tokio::spawn(async move {
            let Some(leasing) = account.leasing.get() else { return };
            let _turn = leasing.turn.lock().await;
            // Somebody who waited before may have leased enough for both.
            let leased = account.admission.lock().is_leased(estimate, account.clock.now());
            if !leased {
                account.exchange_in_turn(leasing, false).await;
            }
        });
        // A request that has less time says nothing of the ledger.
        if tokio::time::timeout(PATIENCE.min(at_most), covered).await.is_err() && at_most >= PATIENCE {
            self.admission.lock().lease_only(false);
        }
    }

    /// Has the lease renewed beside whatever else happens, if that is due.
    pub(super) fn renew(self: &Arc<Self>) {
        let Some(leasing) = self.leasing.get() else { return };
        if !self.admission.lock().should_lease() || leasing.asked.swap(true, Ordering::Relaxed) {
            return;
        }
        // At the end of the program there may be no runtime any more, and nothing to renew.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let account = Arc::clone(self);
            runtime.spawn(async move { account.lease_again().await });
        }
    }

    async fn lease_again(&self) {
        let Some(leasing) = self.leasing.get() else { return };
        let _turn = leasing.turn.lock().await;
        self.exchange_in_turn(leasing, false).await;
    }

    /// Tells the ledger how things stand, and has it know that this process lives; `closing`: for the last time, so that
    /// everything comes back that is not in flight.
    pub async fn exchange(&self, closing: bool) {
        let Some(leasing) = self.leasing.get() else { return };
        let known = self.admission.lock().calibrations();
        leasing.ledger.remember(known);
        let _turn = leasing.turn.lock().await;
        self.exchange_in_turn(leasing, closing).await;
    }

    async fn exchange_in_turn(&self, leasing: &Leasing, closing: bool) {
        leasing.asked.store(false, Ordering::Relaxed);
        // Before the books are read: what comes back from here on is credited by them, and not by the pool as well.
        let now = self.clock.since_1970();
        let draws = self.admission.lock().draws(closing, self.clock.now());
        let answer = leasing.ledger.lease(draws.clone(), closing, now).await;
        let mut admission = self.admission.lock();
        // In memory where there is none; the ledger hears of it all when it is back.
        admission.lease_only(answer.is_ok() && !closing);
        if let Ok(leases) = answer {
            admission.leased(&leases, self.clock.now());
        } else {
            admission.not_leased(&draws);
        }
    }

    /// Remembers what a provider has taught, beyond this process's life.
    pub(super) fn learn(&self, lessons: &[Lesson]) {
        if let Some(leasing) = self.leasing.get() {
            leasing.ledger.learn(lessons);
        }
    }

    /// Remembers these beyond this process's life, each under its key.
    pub(super) fn remember(&self, known: Vec<(String, String)>) {
        if let Some(leasing) = self.leasing.get() {
            leasing.ledger.remember(known);
        }
    }

    async fn recall(&self) {
        let Some(leasing) = self.leasing.get() else { return };
        let Ok(known) = leasing.ledger.remembered().await else { return };
        let now = self.clock.now();
        let mut admission = self.admission.lock();
        let mut contexts = self.contexts.lock();
        for (key, value) in known {
            contexts.recall(&key, &value);
            admission.recalibrate(&key, &value);
            if let Some(lesson) = lesson(&key, &value, admission.minute()) {
                admission.remember(lesson, now);
            }
        }
    }
}

fn lesson(key: &str, value: &str, minute: Duration) -> Option<Lesson> {
    if key == "settlement" {
        let known = [Settlement::Returned, Settlement::Kept];
        return known.into_iter().find(|settlement| settlement.name() == value).map(Lesson::Settlement);
    }
    let (dimension, window) = key.strip_prefix("limit ")?.split_once(' ')?;
    let dimensions = [Dimension::Requests, Dimension::Tokens, Dimension::UncachedTokens];
    let windows = [Window::Second, Window::Minute, Window::Hour, Window::Day];
    let dimension = dimensions.into_iter().find(|known| known.name() == dimension)?;
    let window = windows.into_iter().find(|known| known.name() == window)?;
    Some(Lesson::Limit(Limit::new(dimension, window, value.parse().ok()?, minute)))
}
