//! The proxy from outside: real sockets, simulated providers.

mod client;
mod harness;
mod scripted;

mod bytes;
mod faults;
mod quotas;
