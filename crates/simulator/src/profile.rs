//! What a simulated provider is like, as plain data.

use std::time::Duration;

mod limits;
mod options;
mod plans;
mod presets;

pub use limits::Limits;
pub use options::{Completions, Damage, RateHeaderSet, Subscription, Vendor};
pub use plans::Plan;

/// A simulated provider. Start from one of the presets, such as [`Profile::cerebras`], and change fields.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Profile {
    /// Whose shapes and bodies are spoken.
    pub vendor: Vendor,
    /// The model names served; any other is answered with the vendor's 404.
    pub models: Vec<String>,
    /// Models that were served once. One that is in `models` too is still listed, and refused all the same.
    pub retired: Vec<String>,
    /// The only key accepted; `None` accepts every key, and none.
    pub api_key: Option<String>,
    /// The account's limits.
    pub limits: Limits,
    /// What the account has paid for; Chutes alone looks at it.
    pub subscription: Subscription,
    /// How long a "minute" of the limits lasts; all other windows follow. Shorter minutes make fast tests.
    pub minute: Duration,
    /// Whether what was reserved and not used is given back at the end of the answer.
    pub returns_unused: bool,
    /// The prompt estimate at admission is off by up to this many percent, either way, drawn per request.
    pub miscount_percent: i64,
    /// Each request waits a random time up to this before it is admitted: the way from client to books.
    pub arrival_jitter: Duration,
    /// The model is loaded this long, during which requests are refused with 503: at llama.cpp from the
    /// simulator's start, elsewhere from the first request.
    pub cold_start: Duration,
    /// So many of a hundred requests are refused because everyone else asks too, drawn per request.
    pub busy_percent: u8,
    /// Time from admission to the response head.
    pub head_delay: Duration,
    /// Time per token of the answer.
    pub token_delay: Duration,
    /// Prompt plus requested completion over this many tokens is refused with 400.
    pub context_limit: u64,
    /// Answers start with this many tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Whether prompts are remembered for five minutes, in blocks of 128 tokens from their beginning.
    pub prompt_cache: bool,
    /// The connection of every stream is reset after this many events.
    pub cut_after: Option<usize>,
    /// What happens to the tool calls of every answer.
    pub damage: Vec<Damage>,
    /// What `/v1/completions` does.
    pub completions: Completions,
    /// Properties that are answered with 400, such as `store` or `messages.*.name`.
    pub rejected_fields: Vec<String>,
    /// Whether every top-level property that `OpenAI` does not document is answered with 400 as well.
    pub strict_fields: bool,
    /// Whether calls without an answer, answers without a call, and arguments of earlier calls that are no JSON are
    /// answered with 400 as well. Chutes minds the last in any case.
    pub strict_history: bool,
    /// Whether a stream ends with `data: [DONE]`.
    pub done_marker: bool,
    /// Whether headers tell how much is left: `x-ratelimit-*`, at Chutes `X-Chutes-Quota-*`.
    pub rate_headers: bool,
    /// Which of them, where the vendor had several generations.
    pub rate_header_set: RateHeaderSet,
    /// Whether a 429 carries them too.
    pub rate_headers_on_429: bool,
    /// Seed of everything random: jitter, miscounts, ids and invented text.
    pub seed: u64,
}

impl Profile {
    /// Length of a day in this profile's time.
    #[must_use]
    pub fn day(&self) -> Duration {
        self.minute.saturating_mul(1_440)
    }
}
