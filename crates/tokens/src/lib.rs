//! How many tokens a chat request will cost, before it is sent.
//!
//! Exactly, where the model's vocabulary and chat template are known: what the template makes of the request is counted as the
//! model's own tokenizer would. By a guess from the bytes elsewhere.
//!
//! # Layout
//!
//! - [`counter`]: exact counts of chat requests; what was counted once is remembered.
//! - [`keys`]: by what the pieces of a request and the beginning of a conversation are known again.
//! - [`template`]: what a chat template makes of a request.
//! - `message`: a message as a template sees it (private).
//! - [`vocabulary`]: text to tokens.
//! - `json`, `python`: values that keep their spelling, and how Python prints them (private).
//! - [`mod@estimate`]: a guess from the bytes, for any tokenizer.
//! - [`calibration`]: what the reported usage of earlier requests says about a count or a guess.

pub mod calibration;
pub mod counter;
pub mod estimate;
mod json;
pub mod keys;
mod message;
mod python;
pub mod template;
pub mod vocabulary;

pub use calibration::{Calibration, Range};
pub use counter::{Counter, Parts, TakesLong};
pub use estimate::{estimate, estimate_chat};
pub use keys::{Keyed, Keys};
pub use template::Template;
pub use vocabulary::Vocabulary;
