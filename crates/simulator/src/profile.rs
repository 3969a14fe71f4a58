//! What a simulated provider is like, as plain data.

use std::time::Duration;

/// Whose wire shapes and error bodies are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Very fast, tightly rationed, flat error bodies.
    Cerebras,
    /// Slower, roomier, `{"detail": …}` error bodies, `SGLang`'s stream shapes.
    Chutes,
}

/// The limits of one account; `None` means not limited.
///
/// Each is a bucket of that capacity which starts full and refills evenly over its window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests per [`Profile::minute`].
    pub requests_per_minute: Option<u64>,
    /// Tokens per [`Profile::minute`]: prompt plus reserved completion.
    pub tokens_per_minute: Option<u64>,
    /// Requests per day of 1,440 minutes. At Chutes this is the plan's quota, refused with 402.
    pub requests_per_day: Option<u64>,
    /// Tokens per day of 1,440 minutes.
    pub tokens_per_day: Option<u64>,
}

impl Limits {
    /// No limits at all.
    pub const NONE: Self = Self {
        requests_per_minute: None,
        tokens_per_minute: None,
        requests_per_day: None,
        tokens_per_day: None,
    };
}

/// A simulated provider. Start from [`Profile::cerebras`] or [`Profile::chutes`] and change fields.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Whose shapes and bodies are spoken.
    pub vendor: Vendor,
    /// The model names served; any other is answered with the vendor's 404.
    pub models: Vec<String>,
    /// The only key accepted; `None` accepts every key, and none.
    pub api_key: Option<String>,
    /// The account's limits.
    pub limits: Limits,
    /// How long a "minute" of the limits lasts; a day is 1,440 of them. Shorter minutes make fast tests.
    pub minute: Duration,
    /// Whether what was reserved and not used is given back at the end of the answer.
    pub returns_unused: bool,
    /// The prompt estimate at admission is off by up to this many percent, either way, drawn per request.
    pub miscount_percent: i64,
    /// Each request waits a random time up to this before it is admitted: the way from client to books.
    pub arrival_jitter: Duration,
    /// Time from admission to the response head.
    pub head_delay: Duration,
    /// Time per token of the answer.
    pub token_delay: Duration,
    /// Prompt plus requested completion over this many tokens is refused with 400.
    pub context_limit: u64,
    /// Whether a stream ends with `data: [DONE]`.
    pub done_marker: bool,
    /// Whether the `x-ratelimit-*` headers are sent, with answers and with refusals.
    pub rate_headers: bool,
    /// Seed of everything random: jitter, miscounts, ids and invented text.
    pub seed: u64,
}

impl Profile {
    /// Cerebras with the coding plan's limits of 2025 (15 requests, 165,000 tokens a minute, 24 million a day).
    ///
    /// It answers faster than the real one (2 ms to the head, 5,000 tokens a second), so as not to hold up tests.
    #[must_use]
    pub fn cerebras() -> Self {
        Self {
            vendor: Vendor::Cerebras,
            models: vec!["qwen-3-coder-480b".into()],
            api_key: None,
            limits: Limits {
                requests_per_minute: Some(15),
                tokens_per_minute: Some(165_000),
                requests_per_day: None,
                tokens_per_day: Some(24_000_000),
            },
            minute: Duration::from_mins(1),
            returns_unused: true,
            miscount_percent: 0,
            arrival_jitter: Duration::ZERO,
            head_delay: Duration::from_millis(2),
            token_delay: Duration::from_micros(200),
            context_limit: 131_072,
            done_marker: true,
            rate_headers: false,
            seed: 1,
        }
    }

    /// Chutes without limits, ten times slower than [`Profile::cerebras`] to start and five times per token.
    #[must_use]
    pub fn chutes() -> Self {
        Self {
            vendor: Vendor::Chutes,
            models: vec!["Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8".into()],
            limits: Limits::NONE,
            head_delay: Duration::from_millis(20),
            token_delay: Duration::from_millis(1),
            context_limit: 262_144,
            ..Self::cerebras()
        }
    }

    /// Length of a day in this profile's time.
    #[must_use]
    pub fn day(&self) -> Duration {
        self.minute.saturating_mul(1_440)
    }
}
