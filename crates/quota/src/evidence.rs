//! What a provider's response headers say of its own books.

use std::fmt;
use std::time::Duration;

use crate::limit::{Dimension, Limit, Settlement, Window};

/// What one response said of one limit. Nothing in it is trusted: providers report one bucket's rest beside
/// another's limit, and answers arrive in another order than they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What is counted.
    pub dimension: Dimension,
    /// The span the limit is named after.
    pub window: Window,
    /// The most that can be spent at once, in requests or tokens.
    pub limit: Option<u64>,
    /// What was left once this request had been taken in, in requests or tokens.
    pub remaining: Option<u64>,
    /// How long until the limit starts anew, or is full again.
    pub reset: Option<Duration>,
}

/// What the books learned from a provider, to be logged and remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// Another limit than was known is in force.
    Limit(Limit),
    /// What becomes of unused tokens is not what was believed.
    Settlement(Settlement),
}

impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(limit) => write!(f, "its limit is {limit}"),
            Self::Settlement(Settlement::Kept) => {
                f.write_str("it keeps what it sets aside and answers do not use")
            }
            Self::Settlement(Settlement::Returned) => {
                f.write_str("it gives back what it sets aside and answers do not use")
            }
        }
    }
}
