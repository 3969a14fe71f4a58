//! What must be understood of OpenAI-style chat traffic, without ever re-serialising it.
//!
//! Bytes come in, are looked at where they lie, and go out again with named edits. Everything here is pure.
//!
//! # Layout
//!
//! - [`json`]: the top-level fields of an object and where they stand.
//! - `scan`: a JSON text in one look (private).
//! - [`request`]: a client's chat request, checked, and the edits that fit it to a provider.
//! - [`fields`]: fields that a provider refuses, and what becomes of them.
//! - [`rule`]: what is done to every request for a provider, as known or as learned.
//! - `rejected`: which fields a refusal names (private).
//! - [`amend`]: histories and tools that strict providers refuse, made whole.
//! - [`splice`]: a body with some spans replaced; all other bytes are the original's.
//! - [`sse`]: a byte stream cut into server-sent events, however it was split.
//! - [`chunk`]: what one event of a chat stream says.
//! - [`stream`]: what a whole chat stream has said so far, and what becomes of each event.
//! - [`completion`]: a plain answer, checked.
//! - `context`: what a refusal says of how long a conversation may be (private).
//! - [`calls`]: whether an answer's calls can be made.
//! - [`repair`]: known damage to an answer's calls, and its repair.
//! - [`usage`]: reported token counts.
//! - [`rate`]: what headers and refusals say of rate limits.
//! - [`error`]: the errors of providers, read; our own, written.
//! - [`redact`]: keys taken out of text.

pub mod amend;
pub mod calls;
pub mod chunk;
pub mod completion;
mod context;
pub mod error;
pub mod fields;
pub mod json;
pub mod rate;
pub mod redact;
mod rejected;
pub mod repair;
pub mod request;
pub mod rule;
mod scan;
pub mod splice;
pub mod sse;
pub mod stream;
pub mod usage;

pub use amend::Amendment;
pub use error::{ApiError, ProviderError};
pub use fields::FieldEdit;
pub use rate::{Dialect, Evidence};
pub use redact::Redactor;
pub use repair::{Mending, Repair, Repairs};
pub use request::{ChatRequest, Invalid, Objections};
pub use rule::Rule;
pub use splice::{Edit, Spliced};
pub use stream::{ChatStream, Payload, Step};
pub use usage::Usage;
