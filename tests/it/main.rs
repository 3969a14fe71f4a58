//! The proxy from outside: real sockets, simulated providers.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests stop the test")]

mod client;
mod harness;
mod process;
mod rules;
mod scripted;

mod access;
mod agents;
mod books;
mod bytes;
mod calls;
mod chaos;
mod circuit;
mod compressed;
mod config;
mod context;
mod count;
mod deadlines;
mod egress;
mod faults;
mod headers;
mod hostile;
mod input;
mod logging;
mod machine;
mod packaging;
mod presets;
mod prompts;
mod quotas;
mod recordings;
mod reload;
mod replay;
mod saturation;
mod server;
mod status;
mod store;
mod streams;
