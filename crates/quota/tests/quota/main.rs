//! The books, from outside: what holds whatever happens.

#![expect(clippy::expect_used, reason = "helpers outside of test functions")]

mod circuit;
mod evidence;
mod forecast;
mod invariants;
mod leases;
mod oracle;
mod pauses;
