//! What a request holds of an account while it goes through it.

use quota::{Cost, Grant, Pass};

use crate::estimate::Estimate;

/// One request's way through an account.
#[derive(Debug)]
pub struct Permit {
    /// Taken when the books have been told the outcome.
    pub(super) grant: Option<Grant>,
    /// Taken when the account's circuit has…
    pub(super) pass: Option<Pass>,
    /// …and its model's.
    pub(super) model_pass: Option<Pass>,
    pub(super) estimate: Estimate,
    pub(super) cost: Cost,
}

impl Permit {
    /// What the request was expected to cost.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// Tokens set aside.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.cost.at_most
    }
}
