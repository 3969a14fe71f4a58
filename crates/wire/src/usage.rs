//! Reported token counts.

use serde::Deserialize;

/// What a provider reports an answer to have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    #[serde(default)]
    pub completion_tokens: u64,
}

impl Usage {
    /// Prompt and completion together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// Reads a `usage` value; one that counts nothing or makes no sense is none.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        serde_json::from_str::<Self>(value).ok().filter(|usage| usage.total() > 0)
    }
}
