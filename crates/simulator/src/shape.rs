//! How a vendor writes an answer: as the events of a stream, or as one JSON body.
//!
//! JSON is written by template and not from a map, because the order of keys is part of a vendor's shape.

use bytes::Bytes;
use serde::Serialize;

use crate::answer::Answer;
use crate::profile::{Profile, Vendor};

mod cerebras;
mod chutes;
#[cfg(test)]
mod tests;

/// What an event of a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Opens a choice; carries no payload.
    Role,
    /// Text or (parts of) calls.
    Payload,
    /// Carries the finish reason.
    Finish,
    /// Usage on its own, or the end marker.
    Tail,
}

/// One event, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) bytes: Bytes,
    /// Completion tokens the model had to write for it.
    pub(crate) tokens: u64,
}

/// What is the same in every chunk of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) vendor: Vendor,
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: f64,
    pub(crate) model: String,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) choices: u64,
    pub(crate) include_usage: bool,
    pub(crate) done_marker: bool,
    /// Simulated seconds of prompt and completion.
    pub(crate) seconds: (f64, f64),
    /// Seed of the calls' ids.
    pub(crate) seed: u64,
}

impl Head {
    pub(crate) fn new(profile: &Profile, model: &str, rng: &mut fastrand::Rng) -> Self {
        let id = match profile.vendor {
            Vendor::Cerebras => format!("chatcmpl-{}", uuid(rng)),
            Vendor::Chutes => hex(rng, 32),
        };
        Self {
            vendor: profile.vendor,
            id,
            created: crate::clock::since_epoch().as_secs_f64(),
            model: model.into(),
            prompt_tokens: 0,
            completion_tokens: 0,
            choices: 1,
            include_usage: false,
            done_marker: profile.done_marker,
            seconds: (0.0, 0.0),
            seed: rng.u64(..),
        }
    }

    fn created_second(&self) -> String {
        format!("{:.0}", self.created.floor())
    }

    fn total_tokens(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }
}

/// The events of a streamed answer, `data: [DONE]` included where it is sent.
pub(crate) fn stream(head: &Head, answer: &Answer) -> Vec<Frame> {
    let mut frames = match head.vendor {
        Vendor::Cerebras => cerebras::stream(head, answer),
        Vendor::Chutes => chutes::stream(head, answer),
    };
    if head.done_marker {
        frames.push(event(Kind::Tail, 0, "[DONE]"));
    }
    frames
}

/// The body of a plain answer.
pub(crate) fn plain(head: &Head, answer: &Answer) -> String {
    match head.vendor {
        Vendor::Cerebras => cerebras::plain(head, answer),
        Vendor::Chutes => chutes::plain(head, answer),
    }
}

/// An id like `3f2b8c1e-…`.
pub(crate) fn uuid(rng: &mut fastrand::Rng) -> String {
    [8, 4, 4, 4, 12].map(|length| hex(rng, length)).join("-")
}

fn hex(rng: &mut fastrand::Rng, length: usize) -> String {
    std::iter::repeat_with(|| rng.digit(16)).take(length).collect()
}

/// A value as JSON text, for use within a template.
fn json(value: impl Serialize) -> String {
    serde_json::to_string(&value).unwrap_or_else(|_| "null".into())
}

fn event(kind: Kind, tokens: u64, data: &str) -> Frame {
    Frame { kind, bytes: Bytes::from(format!("data: {data}\n\n")), tokens }
}
