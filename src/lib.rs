//! A local OpenAI-compatible proxy that keeps a rationed fast provider full and never loses a turn.
//!
//! # Layout
//!
//! In the order in which a request meets them:
//!
//! - [`config`]: the environment, as written and resolved.
//! - [`reload`]: settings that change while the program runs.
//! - [`server`]: the accept loop: limits, deadlines, drain.
//! - [`api`]: the endpoints; each turns HTTP into a request and an answer into HTTP.
//! - [`auth`]: who may ask.
//! - [`estimate`]: how large a request is, before it is sent.
//! - [`proxy`]: [`forward`](proxy::forward), the one loop over providers.
//! - [`target`], [`account`]: account × model; its books, breaker and reservations.
//! - [`upstream`]: connections to the providers.
//! - [`failure`], [`refusal`]: what went wrong in one attempt; what the client sees when nothing is left.
//! - [`relay`]: a streamed answer on its way.
//! - [`report`]: what was decided, step by step; the log line and the history's row.
//! - [`ledger`]: where accounts get their budget from.
//! - [`rules`]: what providers have taught of the requests that they take.
//! - [`status`]: how the accounts stand: for `/ready`, the log and the command.
//! - [`store`]: the database of history and books, and its thread.
//! - [`coding`], `gather`: compressed bodies, and whole ones, from either side.
//! - [`log`](mod@log), [`clock`], `socket`: what everybody needs.
//! - [`replay`]: what another plan would have done, in virtual time.
//! - [`cli`], [`demo`]: the commands.

pub mod account;
pub mod api;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod coding;
pub mod config;
pub mod demo;
pub mod estimate;
pub mod failure;
mod gather;
#[cfg(test)]
mod hours;
pub mod ledger;
pub mod log;
pub mod proxy;
pub mod refusal;
pub mod relay;
pub mod reload;
pub mod replay;
pub mod report;
pub mod rules;
pub mod server;
mod socket;
pub mod status;
pub mod store;
pub mod target;
pub mod upstream;
