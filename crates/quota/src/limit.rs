//! What a provider allows, and how it counts.

use std::fmt;
use std::time::Duration;

use crate::time::Moment;

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

impl Dimension {
    /// For logs and machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::UncachedTokens => "uncached_tokens",
        }
    }

    /// For people.
    fn words(self) -> &'static str {
        match self {
            Self::UncachedTokens => "uncached tokens",
            Self::Requests | Self::Tokens => self.name(),
        }
    }
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
    /// For logs and machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

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

/// How what was spent of a limit comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refill {
    /// All the time, a full limit in its period.
    #[default]
    Continuous,
    /// Each unit one period after it was spent.
    Sliding,
    /// All at once, at this moment and every period from it.
    Fixed(Moment),
}

impl Refill {
    /// For logs and machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Continuous => "continuous",
            Self::Sliding => "sliding",
            Self::Fixed(_) => "fixed",
        }
    }
}

/// One limit: `capacity` units that come back within `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub dimension: Dimension,
    /// What the provider calls the span.
    pub window: Window,
    /// The most that can be spent at once, in requests or tokens; at least 1.
    pub capacity: u64,
    /// The time in which all of it comes back.
    pub period: Duration,
    /// In which way it does.
    pub refill: Refill,
    /// Whether the operator set it: what the provider says may lower it then, but not raise it.
    pub ceiling: bool,
}

impl Limit {
    /// A limit of `capacity` units per `window`, where a minute lasts `minute`: refilled continuously, and a
    /// starting point that the provider's word moves both ways.
    #[must_use]
    pub fn new(dimension: Dimension, window: Window, capacity: u64, minute: Duration) -> Self {
        let (capacity, period) = (capacity.max(1), window.length(minute));
        Self { dimension, window, capacity, period, refill: Refill::Continuous, ceiling: false }
    }

    /// Whether both are about the same thing, however much they allow.
    #[must_use]
    pub fn is_about(&self, dimension: Dimension, window: Window) -> bool {
        self.dimension == dimension && self.window == window
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if self.window == Window::Hour { "an" } else { "a" };
        write!(f, "{} {} {article} {}", self.capacity, self.dimension.words(), self.window.name())
    }
}

/// What one request will use, as far as is known before it is sent. Counts as one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Tokens that are spent for certain once the provider has accepted it: a low guess of the prompt.
    pub at_least: u64,
    /// A low guess of what the provider sets aside when it accepts: the prompt and the longest answer.
    pub set_aside: u64,
    /// A high guess of the same.
    pub at_most: u64,
    /// Tokens of the prompt that the provider will find in its cache; 0 where that is not sure.
    pub cached: u64,
}

impl Cost {
    /// The most that the provider sets aside of a limit of this dimension.
    #[must_use]
    pub fn most(self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::Requests => 1,
            Dimension::Tokens => self.at_most,
            Dimension::UncachedTokens => self.at_most.saturating_sub(self.cached),
        }
    }

    /// The least that it sets aside.
    #[must_use]
    pub fn set_aside(self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::Requests => 1,
            Dimension::Tokens => self.set_aside.min(self.at_most),
            // All of the prompt may be in the cache.
            Dimension::UncachedTokens => self.set_aside.min(self.at_most).saturating_sub(self.at_least),
        }
    }

    /// What is gone for certain once it has been accepted.
    #[must_use]
    pub fn least(self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::Requests => 1,
            Dimension::Tokens => self.at_least.min(self.at_most),
            Dimension::UncachedTokens => self.at_least.min(self.at_most).saturating_sub(self.cached),
        }
    }
}

/// What one request has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Prompt and completion tokens together.
    pub tokens: u64,
    /// Those of the prompt that the provider had in its cache.
    pub cached: u64,
    /// What the provider must have set aside, as far as that is known now; else what it was thought to.
    pub set_aside: u64,
}

impl Used {
    /// What is spent where nothing comes back, of a limit of this dimension.
    #[must_use]
    pub fn kept(self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::Requests => 1,
            Dimension::Tokens => self.set_aside.max(self.tokens),
            Dimension::UncachedTokens => self.set_aside.max(self.tokens).saturating_sub(self.cached),
        }
    }

    /// What it has used of a limit of this dimension.
    #[must_use]
    pub fn of(self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::Requests => 1,
            Dimension::Tokens => self.tokens,
            Dimension::UncachedTokens => self.tokens.saturating_sub(self.cached),
        }
    }
}

/// What becomes, at the end, of the tokens that a provider set aside and the answer did not use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Settlement {
    /// They come back.
    #[default]
    Returned,
    /// They are spent.
    Kept,
}

impl Settlement {
    /// For logs and machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Kept => "kept",
        }
    }
}

/// How a provider counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    /// What is taken for granted of it until there is evidence.
    pub settlement: Settlement,
    /// How long a minute lasts.
    pub minute: Duration,
    /// A moment at which a day begins, where the provider counts by days that begin; `None`: days refill continuously.
    pub day_begins: Option<Moment>,
    /// Tokens that are left alone at the edge of a limit, for what two counters of the same request differ by. `None`: a
    /// fiftieth of the limit and at most 3,000, which costs 0.2 points of a minute's use and takes a miscount of a few
    /// percent.
    pub margin: Option<u64>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            settlement: Settlement::Returned,
            minute: Duration::from_mins(1),
            day_begins: None,
            margin: None,
        }
    }
}
