//! Who decides where a request goes.

use std::time::Duration;

use quota::Moment;

use super::provider::Refusal;
use super::trace::Request;

mod original;
mod ours;
mod strict;
mod window;

pub use original::{Counting, Original};
pub use ours::Ours;
pub use strict::Strict;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To the rationed provider, now.
    Fast,
    /// To the one behind it, now.
    Spill,
    /// It is offered again after this time; where that exceeds what a request may wait, it spills.
    Wait(Duration),
}

/// What the client sees of a request that the rationed provider refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The refusal: its turn is lost.
    PassOn,
    /// Nothing: the provider behind it answers.
    Spill,
}

/// Decides. Requests are known by their index; of a [`Request`] it may only look at what is known before the
/// answer.
pub trait Policy {
    /// For people.
    fn name(&self) -> &'static str;

    /// Where this request goes.
    fn offer(&mut self, id: usize, request: &Request, now: Moment) -> Choice;

    /// The rationed provider has begun to answer.
    fn head(&mut self, id: usize, now: Moment);

    /// Its answer is over. What it took is in the request.
    fn settled(&mut self, id: usize, request: &Request, now: Moment);

    /// It was refused with a 429.
    fn refused(&mut self, id: usize, refusal: &Refusal, now: Moment) -> Refused;
}
