//! The books of a rationed API.
//!
//! A provider with a token bucket decides about a request when it arrives, by an estimate of what the
//! request will use. Whoever wants to know beforehand must keep the same books: reserve before sending,
//! settle with what was used, release what was never sent. Everything here is pure: time is an argument,
//! nothing sleeps, nothing is read from outside.
//!
//! # Layout
//!
//! - [`limit`]: what a provider allows, and how it counts.
//! - [`evidence`]: what a response says of the provider's own books.
//! - [`books`]: all limits of one account; a request is reserved on all of them or on none.
//! - [`lease`]: where several processes, and one after a crash, get their budget from.
//! - [`status`], [`rate`]: how limits stand, how fast they are spent, and how long that can go on.
//! - `bucket`, `held`: one limit's level in exact integers, with debt; what requests in flight may still take.
//! - `settlement`: whether unused tokens come back, as far as is known.
//! - [`breaker`]: how long to stay away from a provider that failed, and the single probe afterwards.
//! - [`retry`]: how many tries beyond the first the proxy may spend.
//! - [`time`]: the moment type that all of them take.

pub mod books;
pub mod breaker;
mod bucket;
pub mod evidence;
mod held;
pub mod lease;
pub mod limit;
mod per_dimension;
pub mod rate;
pub mod retry;
mod settlement;
pub mod status;
pub mod time;

pub use books::{Books, Grant, Level, Shortfall};
pub use breaker::{Breaker, Pass, Trip};
pub use evidence::{Lesson, Reading};
pub use lease::{Draw, Lease, Pool};
pub use limit::{Cost, Dimension, Limit, Meter, Refill, Settlement, Used, Window};
pub use rate::Rate;
pub use retry::RetryBudget;
pub use status::{Forecast, LimitStatus, Source};
pub use time::Moment;
