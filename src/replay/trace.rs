//! What agents asked and when: one line of JSON a request.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Numbers of tokens above this are mistakes.
const MOST_TOKENS: u64 = 100_000_000;
/// Moments above this, ten years in milliseconds, are mistakes: a date, most likely.
const LATEST_MS: u64 = 315_360_000_000;

/// One request of an agent, and what answering it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// When it came, in milliseconds since the trace began.
    pub at_ms: u64,
    /// Requests of a session follow one another.
    pub session: String,
    /// Tokens of the prompt, as the provider reported them.
    pub prompt_tokens: u64,
    /// How many of them it had in its prompt cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// The guess of the prompt before it was sent; without it the guess was right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<u64>,
    /// The longest answer that the client allowed, in tokens, if it named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Whether the answer was streamed.
    #[serde(default = "yes")]
    pub stream: bool,
}

impl Request {
    /// Prompt and answer together.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }
}

/// Requests in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    requests: Vec<Request>,
}

/// A line that is no request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct NotARequest {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl Trace {
    /// These requests, brought into order.
    #[must_use]
    pub fn new(mut requests: Vec<Request>) -> Self {
        requests.sort_by_key(|request| request.at_ms);
        Self { requests }
    }

    /// Reads lines of JSON, in any order; empty ones are passed over.
    ///
    /// # Errors
    ///
    /// The first line that is no request, or that says what cannot be meant.
    pub fn read(text: &str) -> Result<Self, NotARequest> {
        let mut requests = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |message: String| NotARequest { line: index + 1, message };
            let request: Request = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            check(&request).map_err(|message| wrong(message.to_owned()))?;
            requests.push(request);
        }
        Ok(Self::new(requests))
    }

    /// The same as lines of JSON.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let mut text = String::new();
        for request in &self.requests {
            // Writing numbers and strings to a string does not fail.
            if let Ok(line) = serde_json::to_string(request) {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    /// In the order in which they came.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// From the first request to the last, in milliseconds.
    #[must_use]
    pub fn span_ms(&self) -> u64 {
        match &self.requests[..] {
            [first, .., last] => last.at_ms - first.at_ms,
            _ => 0,
        }
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        let names = self.requests.iter().map(|request| request.session.as_str());
        names.collect::<std::collections::BTreeSet<_>>().len()
    }
}

fn check(request: &Request) -> Result<(), &'static str> {
    let Request { at_ms, prompt_tokens, cached_tokens, estimate, max_tokens, completion_tokens, .. } =
        request;
    let counts = [Some(*prompt_tokens), *estimate, *max_tokens, Some(*completion_tokens)];
    if *at_ms > LATEST_MS {
        return Err("at_ms counts from the beginning of the trace, in milliseconds");
    }
    if counts.into_iter().flatten().any(|tokens| tokens > MOST_TOKENS) {
        return Err("more than 100 million tokens");
    }
    if cached_tokens > prompt_tokens {
        return Err("more cached_tokens than prompt_tokens");
    }
    Ok(())
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
