//! What a provider allows, and how it counts.

use std::fmt;
use std::time::Duration;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Requests, one each.
    Requests,
    /// Prompt and completion tokens together.
    Tokens,
    /// The same without those that the provider had in its prompt cache.
    UncachedTokens,
}

/// The span a limit is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Window {
    /// The window's length where a minute lasts `minute` (rehearsals run on shorter ones).
    #[must_use]
    pub fn length(self, minute: Duration) -> Duration {
        match self {
            Self::Second => minute / 60,
            Self::Minute => minute,
            Self::Hour => minute.saturating_mul(60),
            Self::Day => minute.saturating_mul(24 * 60),
        }
    }
}

/// One limit: `capacity` units, refilled continuously at `capacity` per `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub dimension: Dimension,
    /// What the provider calls the span.
    pub window: Window,
    /// The most that can be spent at once, in requests or tokens; at least 1.
    pub capacity: u64,
    /// The time in which an empty bucket fills.
    pub period: Duration,
}

impl Limit {
    /// A limit of `capacity` units per `window`, where a minute lasts `minute`.
    #[must_use]
    pub fn new(dimension: Dimension, window: Window, capacity: u64, minute: Duration) -> Self {
        Self { dimension, window, capacity: capacity.max(1), period: window.length(minute) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dimension = match self.dimension {
            Dimension::Requests => "requests",
            Dimension::Tokens => "tokens",
            Dimension::UncachedTokens => "uncached tokens",
        };
        let window = match self.window {
            Window::Second => "second",
            Window::Minute => "minute",
            Window::Hour => "hour",
            Window::Day => "day",
        };
        let article = if self.window == Window::Hour { "an" } else { "a" };
        write!(f, "{} {dimension} {article} {window}", self.capacity)
    }
}

/// What one request will use, as far as is known before it is sent. Counts as one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Tokens that are spent for certain once the provider has accepted it: a low guess of the prompt.
    pub at_least: u64,
    /// Tokens that the provider sets aside when it accepts: a high guess of the prompt, and the longest answer.
    pub at_most: u64,
}

/// How a provider counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Whether the provider gives back, at the end, what it set aside and the answer did not use.
    pub returns_unused: bool,
}

impl Default for Meter {
    fn default() -> Self {
        Self { returns_unused: true }
    }
}
