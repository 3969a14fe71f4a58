//! The books, from outside: what holds whatever happens.

mod evidence;
mod invariants;
mod oracle;
mod pauses;
