//! How many tokens a chat request will cost, before it is sent.
//!
//! # Layout
//!
//! - [`mod@estimate`]: a guess from the bytes, for any tokenizer.
//! - [`calibration`]: what the reported usage of earlier requests says about that guess.

pub mod calibration;
pub mod estimate;

pub use calibration::{Calibration, Range};
pub use estimate::{estimate, estimate_chat};
