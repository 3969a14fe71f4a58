//! What another plan, margin or wait would have done: admission in virtual time, by a trace, against a model of the
//! provider.
//!
//! # Layout
//!
//! - [`trace`]: what agents asked and when; one line of JSON a request.
//! - [`recorded`]: a trace from the history.
//! - [`generate`]: a made-up day of agents, by seed.
//! - [`scenario`]: the plan, and what is assumed of network and providers.
//! - [`provider`]: what the provider does. Shares no code with the books.
//! - [`policy`]: who decides: this proxy, and what it is compared with.
//! - [`run`](mod@run): the events in their order.
//! - [`clairvoyant`]: what nobody can exceed.
//! - [`report`]: a row for each policy.
//!
//! Everything but `recorded` is pure; moments are microseconds since the trace began.

pub mod clairvoyant;
pub mod generate;
pub mod policy;
pub mod provider;
pub mod recorded;
pub mod report;
pub mod run;
pub mod scenario;
#[cfg(test)]
mod tests;
pub mod trace;

pub use report::Report;
pub use run::run;
pub use scenario::Scenario;
pub use trace::Trace;
