//! How often a provider may be asked again for the same request.
//!
//! Retries are paid from what ordinary requests pay in, so that a provider in trouble sees a fifth more traffic
//! at the most, not a multiple of it. A floor that time refills leaves a few to those who ask seldom.

use std::time::Duration;

use crate::time::Moment;

/// One request pays in this many fifths of a retry…
const DEPOSIT: u32 = 1;
/// …and a retry takes this many.
const PRICE: u32 = 5;
/// There is always enough for a few retries after a quiet time, and never enough for a storm.
const LEAST: u32 = 10 * PRICE;
const MOST: u32 = 100 * PRICE;
/// Below the least one retry comes back in this time.
const REFILL: Duration = Duration::from_secs(10);

/// A budget of retries: a fifth of the requests, with a start of ten, which time gives back, one in ten seconds.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    balance: u32,
    /// Until when time has been counted.
    as_of: Moment,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { balance: LEAST, as_of: Moment::default() }
    }
}

impl RetryBudget {
    /// A request is sent for the first time.
    pub fn deposit(&mut self) {
        self.balance = (self.balance + DEPOSIT).min(MOST);
    }

    /// Pays for one retry, if there is enough.
    #[must_use]
    pub fn withdraw(&mut self, now: Moment) -> bool {
        self.refill(now);
        let paid = self.balance >= PRICE;
        if paid {
            self.balance -= PRICE;
        }
        paid
    }

    fn refill(&mut self, now: Moment) {
        let periods = (now - self.as_of).as_nanos() / REFILL.as_nanos();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.as_of = self.as_of + REFILL.saturating_mul(periods);
        if self.balance < LEAST {
            self.balance = self.balance.saturating_add(periods.saturating_mul(PRICE)).min(LEAST);
        }
    }
}
