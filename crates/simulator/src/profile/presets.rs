//! One preset per vendor.

use std::time::Duration;

use crate::profile::{Completions, Damage, Limits, Profile, RateHeaderSet, Subscription, Vendor};

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Both call it `reasoning`.
const REASONING: &str = "messages.*.reasoning_content";

impl Profile {
    /// The preset of a vendor.
    #[must_use]
    pub fn of(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Cerebras => Self::cerebras(),
            Vendor::Chutes => Self::chutes(),
            Vendor::Groq => Self::groq(),
            Vendor::OpenRouter => Self::openrouter(),
            Vendor::LlamaCpp => Self::llama_cpp(),
            Vendor::OpenAi => Self::openai(),
        }
    }

    /// Cerebras with the coding plan's limits of 2025 (15 requests, 165,000 tokens a minute, 24 million a day).
    ///
    /// It answers faster than the real one (2 ms to the head, 5,000 tokens a second), so as not to hold up tests.
    #[must_use]
    pub fn cerebras() -> Self {
        Self {
            vendor: Vendor::Cerebras,
            models: owned(&["qwen-3-coder-480b"]),
            retired: Vec::new(),
            api_key: None,
            limits: Limits {
                requests_per_minute: Some(15),
                tokens_per_minute: Some(165_000),
                tokens_per_day: Some(24_000_000),
                ..Limits::NONE
            },
            subscription: Subscription::PLAIN,
            minute: Duration::from_mins(1),
            returns_unused: true,
            miscount_percent: 0,
            arrival_jitter: Duration::ZERO,
            cold_start: Duration::ZERO,
            busy_percent: 0,
            head_delay: Duration::from_millis(2),
            token_delay: Duration::from_micros(200),
            context_limit: 131_072,
            reasoning_tokens: 0,
            prompt_cache: false,
            cut_after: None,
            damage: Vec::new(),
            completions: Completions::Served,
            rejected_fields: owned(&["min_p", "top_k", "store", REASONING]),
            strict_fields: false,
            strict_history: false,
            done_marker: true,
            rate_headers: false,
            rate_header_set: RateHeaderSet::Six,
            rate_headers_on_429: true,
            seed: 1,
        }
    }

    /// Chutes without limits, ten times slower than [`Profile::cerebras`] to start and five times per token.
    #[must_use]
    pub fn chutes() -> Self {
        Self {
            vendor: Vendor::Chutes,
            models: owned(&["Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8"]),
            limits: Limits::NONE,
            head_delay: Duration::from_millis(20),
            token_delay: Duration::from_millis(1),
            context_limit: 262_144,
            damage: vec![Damage::Fragmented, Damage::NullFilled],
            rejected_fields: Vec::new(),
            ..Self::cerebras()
        }
    }

    /// Groq with limits of a free account's size (30 requests a minute, 1,000 a day, 6,000 tokens a minute).
    #[must_use]
    pub fn groq() -> Self {
        Self {
            vendor: Vendor::Groq,
            models: owned(&["qwen/qwen3.6-27b"]),
            limits: Limits {
                requests_per_minute: Some(30),
                requests_per_day: Some(1_000),
                tokens_per_minute: Some(6_000),
                ..Limits::NONE
            },
            rejected_fields: owned(&["logit_bias", "logprobs", "top_logprobs", "min_p", "top_k", REASONING]),
            rate_headers: true,
            ..Self::cerebras()
        }
    }

    /// `OpenRouter` with a free model's limits (20 requests a minute, 50 a day).
    #[must_use]
    pub fn openrouter() -> Self {
        Self {
            vendor: Vendor::OpenRouter,
            models: owned(&["qwen/qwen3-coder", "qwen/qwen3-coder:free"]),
            limits: Limits { requests_per_minute: Some(20), requests_per_day: Some(50), ..Limits::NONE },
            head_delay: Duration::from_millis(30),
            token_delay: Duration::from_millis(1),
            context_limit: 262_144,
            damage: vec![Damage::Fragmented],
            rejected_fields: Vec::new(),
            ..Self::cerebras()
        }
    }

    /// A llama.cpp server that has loaded its model.
    #[must_use]
    pub fn llama_cpp() -> Self {
        Self {
            vendor: Vendor::LlamaCpp,
            models: owned(&["qwen3-coder-30b-a3b"]),
            limits: Limits::NONE,
            head_delay: Duration::from_millis(20),
            token_delay: Duration::from_millis(2),
            context_limit: 32_768,
            damage: vec![Damage::Fragmented],
            rejected_fields: Vec::new(),
            ..Self::cerebras()
        }
    }

    /// A plain `OpenAI`-compatible provider (500 requests and 200,000 tokens a minute).
    #[must_use]
    pub fn openai() -> Self {
        Self {
            vendor: Vendor::OpenAi,
            models: owned(&["gpt-4.1-mini"]),
            limits: Limits {
                requests_per_minute: Some(500),
                tokens_per_minute: Some(200_000),
                ..Limits::NONE
            },
            head_delay: Duration::from_millis(20),
            token_delay: Duration::from_millis(1),
            damage: vec![Damage::Fragmented],
            rejected_fields: Vec::new(),
            rate_headers: true,
            ..Self::cerebras()
        }
    }
}
