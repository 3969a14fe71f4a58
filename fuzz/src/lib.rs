//! What must hold for any bytes that a provider, a client or a user hands us. Each property takes the bytes and
//! panics where it does not hold.
//!
//! Two drive them: `targets/` for as long as one likes (`cargo +nightly fuzz run --features libfuzzer NAME`), `tests/twins.rs` on
//! mutated seeds with every test run.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a property that does not hold panics"
)]

mod answers;
mod inputs;
pub mod seeds;

use serde_json::Value;

pub use answers::{answer, events, headers, http, repair};
pub use inputs::{request, settings};

/// What was taken for JSON, read by another reader. `None`: it holds what that one can't keep, though it is JSON: half of a
/// surrogate pair, or a number beyond what a machine's can be.
fn judged(data: &[u8]) -> Option<Value> {
    match serde_json::from_slice(data) {
        Ok(value) => Some(value),
        Err(error) => {
            let said = error.to_string();
            let beyond = ["surrogate", "hex escape", "out of range"].iter().any(|part| said.contains(part));
            assert!(beyond, "{said}: {}", data.escape_ascii());
            None
        }
    }
}
