//! How many tries beyond the first the proxy may spend.
//!
//! Retries are paid from what ordinary requests pay in, so that a provider in trouble sees a fifth more traffic
//! at the most, not a multiple of it.

/// One request pays in this many fifths of a retry…
const DEPOSIT: u32 = 1;
/// …and a retry takes this many.
const PRICE: u32 = 5;
/// There is always enough for a few retries after a quiet time, and never enough for a storm.
const LEAST: u32 = 10 * PRICE;
const MOST: u32 = 100 * PRICE;

/// A budget of retries: a fifth of the requests, with a start of ten.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    balance: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { balance: LEAST }
    }
}

impl RetryBudget {
    /// A client's request came in.
    pub fn deposit(&mut self) {
        self.balance = (self.balance + DEPOSIT).min(MOST);
    }

    /// Pays for one retry, if there is enough.
    #[must_use]
    pub fn withdraw(&mut self) -> bool {
        let paid = self.balance >= PRICE;
        if paid {
            self.balance -= PRICE;
        }
        paid
    }
}
