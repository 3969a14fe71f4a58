//! The client's side of HTTP/1.1 (RFC 9112): a request's head written, an answer's head and body read.
//!
//! Pure: bytes come in as they were read, in whatever parts, and nothing here waits. A connection that is read this way keeps no
//! buffer: what was read is looked at where it lies, and only content is kept.
//!
//! # Layout
//!
//! - [`request`]: the head of a request.
//! - [`head`]: the head of an answer, and how its body is framed.
//! - [`body`]: the content of a body.

pub mod body;
pub mod head;
pub mod request;

pub use body::{Body, Framing};
pub use head::Head;

use thiserror::Error;

/// Bytes that are no answer. Nothing that follows on their connection can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// No status line, or no header line.
    #[error("its head is malformed: {0}")]
    Head(httparse::Error),
    /// More than [`head::MAX_HEAD`] bytes without an end.
    #[error("its head is longer than {} bytes", head::MAX_HEAD)]
    LongHead,
    /// Another protocol, which nobody asked for.
    #[error("it switches to another protocol")]
    Switched,
    /// Not one that there is. HTTP/1.0 has none.
    #[error("its Transfer-Encoding is malformed, or is none of its version")]
    Encoding,
    /// Not one number.
    #[error("its Content-Length is malformed")]
    Length,
    /// Not the lines that must stand around a chunk.
    #[error("a chunk of it is malformed")]
    Chunk,
    /// More than 16 KiB besides sizes and content.
    #[error("what stands around its chunks is too long")]
    TooMuch,
}

// Not its source: without what it is about, "invalid HTTP version" says too little.
impl From<httparse::Error> for Malformed {
    fn from(error: httparse::Error) -> Self {
        Self::Head(error)
    }
}

/// A connection that ended in the middle of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the connection was closed before the answer was complete")]
pub struct Incomplete;
