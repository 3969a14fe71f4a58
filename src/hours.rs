//! Hours in virtual time: agents, the proxy and two providers in one thread, connected by pipes, with the runtime's clock paused. It
//! goes on to the next timer whenever there is nothing to do, so that hours take a second, limits can be measured exactly, and all
//! that happens follows from a seed.
//!
//! The way of a request is the real one, from the server's connection over the loop in `forward` and the pool of connections to the
//! relay; but for the sockets, the accept loop and the database.
//!
//! `HOURS` and `HOURS_SEED` make it longer and different.

use std::time::Duration;

mod drips;
mod fate;
mod house;
mod provider;
mod recovery;
mod reply;
mod storms;
mod words;

/// The default of `STREAM_IDLE_TIMEOUT`.
const IDLE: Duration = Duration::from_mins(1);
/// The default of `REQUEST_TIMEOUT`.
const REQUEST: Duration = Duration::from_secs(30);
/// The same for the last target that is left.
const WHOLE: Duration = Duration::from_mins(2);
/// The default of `COOLDOWN_PERIOD`.
const COOLDOWN: Duration = Duration::from_mins(5);
/// What timers, which are exact to a millisecond, and the pace of tokens may add up to.
const SLACK: Duration = Duration::from_secs(1);

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |value| value.parse().expect("a number"))
}
