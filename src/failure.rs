//! What went wrong in one attempt, and what follows from it.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use quota::{Dimension, Reading, Trip, Window};
use wire::rate::{self, Said};
use wire::{Dialect, Evidence, ProviderError, Redactor};

/// One attempt that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// In what way.
    pub kind: Kind,
    /// The provider's status, where there was an answer.
    pub status: Option<StatusCode>,
    /// In the provider's words, or ours.
    pub error: ProviderError,
    /// When the provider wants to be asked again.
    pub retry_after: Option<Duration>,
    /// What it says of its books.
    pub readings: Vec<Reading>,
}

/// In what way an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Our quota there is used up: of what, and by which window, where the provider says it.
    RateLimited(Option<Dimension>, Option<Window>),
    /// The request is larger than a limit there ever holds: coming back does not help, nothing is wrong with the
    /// provider.
    TooLargeForLimit,
    /// The provider has no capacity for anybody; not our quota.
    Busy,
    /// It wants to be paid.
    PaymentRequired,
    /// Nothing, or no payload, before the deadline.
    Timeout,
    /// No connection to it before the deadline.
    Unreachable,
    /// The client's request has taken as long as any may: nothing speaks against the provider.
    OutOfTime,
    /// It failed, and says so: a 5xx or 408.
    ServerError,
    /// It can't be reached, or the connection broke before any payload.
    Connection,
    /// An error inside a 200.
    ErrorInAnswer,
    /// A stream that ended without payload.
    EmptyStream,
    /// A stream that broke off with nothing but parts of calls in it.
    BrokenOff,
    /// A call whose arguments are no JSON.
    BrokenCall,
    /// A 200 that is no completion.
    NoCompletion,
    /// It does not take our key.
    Unauthorized,
    /// It no longer serves, or never served, this model.
    ModelGone,
    /// There is nothing at this address.
    NotFound,
    /// The conversation is too long for this model there.
    ContextTooLong,
    /// It refuses of its own accord what another provider may take.
    Rejected,
    /// No provider would answer otherwise.
    BadRequest,
}

/// What a provider's errors mean, where the general rules would get it wrong. Absent conditions hold always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The status it is sent with.
    pub status: Option<u16>,
    /// The error's code, or its type.
    pub code: Option<String>,
    /// A part of its message, in lower case.
    pub says: Option<String>,
    /// What it means.
    pub kind: Kind,
}

impl Rule {
    fn matches(&self, status: StatusCode, error: Option<&ProviderError>, message: &str) -> bool {
        let code = |code: &String| {
            error.is_some_and(|error| [&error.code, &error.kind].iter().any(|it| it.as_ref() == Some(code)))
        };
        self.status.is_none_or(|it| it == status.as_u16())
            && self.code.as_ref().is_none_or(code)
            && self.says.as_ref().is_none_or(|part| message.contains(part.as_str()))
    }
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next target.
    Target,
    /// The next name in this target's list of models.
    Model,
    /// The client hears of it at once.
    Client,
}

/// Whom a failure speaks against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The account: no model of it would do better.
    Account,
    /// One model there; another may be well.
    Model {
        /// Whether the account is known to work by it: the provider has answered.
        reached: bool,
    },
}

impl Kind {
    /// Whom it speaks against, if it does.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::RateLimited(..)
            | Self::PaymentRequired
            | Self::Unauthorized
            | Self::NotFound
            | Self::Connection
            | Self::Unreachable => Scope::Account,
            Self::Timeout | Self::OutOfTime => Scope::Model { reached: false },
            Self::TooLargeForLimit
            | Self::Busy
            | Self::ServerError
            | Self::ErrorInAnswer
            | Self::EmptyStream
            | Self::BrokenOff
            | Self::BrokenCall
            | Self::NoCompletion
            | Self::ModelGone
            | Self::ContextTooLong
            | Self::Rejected
            | Self::BadRequest => Scope::Model { reached: true },
        }
    }

    /// What follows.
    #[must_use]
    pub fn next(self) -> Next {
        match self {
            Self::ModelGone => Next::Model,
            Self::BadRequest => Next::Client,
            _ => Next::Target,
        }
    }

    /// How it speaks against the provider; `None`: it does not. `alone`: there is nowhere else to go, so that
    /// staying away from a provider which is merely busy would gain nothing.
    #[must_use]
    pub fn trip(self, hint: Option<Duration>, alone: bool) -> Option<Trip> {
        let trip = |threshold, base, ceiling| {
            Some(Trip {
                threshold,
                by_rate: !alone,
                hint,
                base: Duration::from_secs(base),
                ceiling: Duration::from_secs(ceiling),
            })
        };
        match self {
            Self::Busy if alone => None,
            Self::Busy => trip(1, 1, 8),
            Self::ServerError
            | Self::ErrorInAnswer
            | Self::EmptyStream
            | Self::BrokenOff
            | Self::BrokenCall
            | Self::NoCompletion => trip(3, 1, 30),
            Self::Connection => trip(2, 1, 30),
            Self::Timeout => trip(if alone { 3 } else { 1 }, 5, 60),
            // A connection that never comes costs seconds, and one that is refused nothing.
            Self::Unreachable => trip(if alone { 3 } else { 1 }, 2, 30),
            Self::PaymentRequired | Self::Unauthorized | Self::NotFound | Self::ModelGone => trip(1, 30, 300),
            Self::RateLimited(..)
            | Self::TooLargeForLimit
            | Self::OutOfTime
            | Self::ContextTooLong
            | Self::Rejected
            | Self::BadRequest => None,
        }
    }

    /// Whether the provider did no work for the request.
    #[must_use]
    pub fn is_free(self) -> bool {
        matches!(
            self,
            Self::RateLimited(..)
                | Self::TooLargeForLimit
                | Self::Busy
                | Self::PaymentRequired
                | Self::Unauthorized
                | Self::ModelGone
                | Self::NotFound
                | Self::ContextTooLong
                | Self::Rejected
                | Self::BadRequest
        )
    }

    /// Those that a preset's rule may name.
    pub(crate) const NAMED: [(&str, Self); 12] = [
        ("rate_limited", Self::RateLimited(None, None)),
        ("too_large_for_limit", Self::TooLargeForLimit),
        ("busy", Self::Busy),
        ("payment_required", Self::PaymentRequired),
        ("timeout", Self::Timeout),
        ("server_error", Self::ServerError),
        ("unauthorized", Self::Unauthorized),
        ("model_gone", Self::ModelGone),
        ("not_found", Self::NotFound),
        ("context_too_long", Self::ContextTooLong),
        ("rejected", Self::Rejected),
        ("bad_request", Self::BadRequest),
    ];

    /// For logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimited(..) => "rate_limited",
            Self::TooLargeForLimit => "too_large_for_limit",
            Self::Busy => "busy",
            Self::PaymentRequired => "payment_required",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::OutOfTime => "out_of_time",
            Self::ServerError => "server_error",
            Self::Connection => "connection",
            Self::ErrorInAnswer => "error_in_answer",
            Self::EmptyStream => "empty_stream",
            Self::BrokenOff => "broken_off",
            Self::BrokenCall => "broken_call",
            Self::NoCompletion => "no_completion",
            Self::Unauthorized => "unauthorized",
            Self::ModelGone => "model_gone",
            Self::NotFound => "not_found",
            Self::ContextTooLong => "context_too_long",
            Self::Rejected => "rejected",
            Self::BadRequest => "bad_request",
        }
    }
}

impl Failure {
    /// A failure that the provider said nothing about.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let error = ProviderError::new(message);
        Self { kind, status: None, error, retry_after: None, readings: Vec::new() }
    }

    /// The same without keys.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        self.error = self.error.redacted(redactor);
        self
    }

    /// A failure from an answer that is not a 2xx, by a provider with these rules of its own.
    #[must_use]
    pub fn from_answer(status: StatusCode, body: &[u8], rules: &[Rule]) -> Self {
        let read = ProviderError::parse(body);
        let kind = classify(status, read.as_ref(), rules);
        let silent = || ProviderError::new(format!("answered {status} without a reason that can be read"));
        let error = read.unwrap_or_else(silent);
        Self { kind, status: Some(status), error, retry_after: None, readings: Vec::new() }
    }

    /// The same with what the answer says of the provider's books and of when to come back; its headers are spelled in
    /// this dialect, and it is so long since 1970.
    #[must_use]
    pub fn with_evidence(mut self, dialect: Dialect, headers: &HeaderMap, since_1970: Duration) -> Self {
        let Evidence { readings, retry_after } =
            rate::evidence(dialect, pairs(headers), &self.error, since_1970);
        (self.readings, self.retry_after) = (readings, retry_after);
        self
    }

    /// A failure from an error inside a 200. Only what it says of the request or the quota is believed beyond that.
    #[must_use]
    pub fn in_answer(error: ProviderError, rules: &[Rule]) -> Self {
        let code = error.code.as_deref().unwrap_or_default();
        let known = rules.iter().find(|rule| rule.code.as_deref() == Some(code)).and_then(|rule| rule.status);
        let status = match (code, known) {
            (_, Some(status)) => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            ("context_length_exceeded", None) => StatusCode::BAD_REQUEST,
            (code, None) => code.parse().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let kind = match classify(status, Some(&error), rules) {
            kind @ (Kind::ContextTooLong | Kind::RateLimited(..) | Kind::TooLargeForLimit | Kind::Busy) => {
                kind
            }
            _ => Kind::ErrorInAnswer,
        };
        let said = Said::read(&error.message);
        let readings = said.reading().into_iter().collect();
        Self { kind, status: None, error, retry_after: said.retry_after, readings }
    }
}

/// Headers as `wire` reads them.
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{} {}: {}", status.as_u16(), self.kind.name(), self.error.message),
            None => write!(f, "{}: {}", self.kind.name(), self.error.message),
        }
    }
}

/// The kind of failure behind a status and what the body says: by the provider's own rules, else by what most mean.
fn classify(status: StatusCode, error: Option<&ProviderError>, rules: &[Rule]) -> Kind {
    let code = error.and_then(|error| error.code.as_deref()).unwrap_or_default();
    let message = error.map(|error| error.message.to_ascii_lowercase()).unwrap_or_default();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if let Some(rule) = rules.iter().find(|rule| rule.matches(status, error, &message)) {
        return match rule.kind {
            Kind::RateLimited(dimension, window) => rate_limited(&Said::read(&message), dimension, window),
            kind => kind,
        };
    }
    match status.as_u16() {
        429 if code == "insufficient_quota" => Kind::PaymentRequired,
        429 if says(CROWDED) => Kind::Busy,
        429 => rate_limited(&Said::read(&message), None, None),
        402 => Kind::PaymentRequired,
        403 if says(UNPAID) => Kind::PaymentRequired,
        401 | 403 => Kind::Unauthorized,
        400 | 404 | 410 | 422 if code == "model_not_found" => Kind::ModelGone,
        404 if says(&["model"]) => Kind::ModelGone,
        300..400 | 404 | 405 | 410 => Kind::NotFound,
        413 if Said::read(&message).too_large => Kind::TooLargeForLimit,
        413 => Kind::ContextTooLong,
        400 | 422 if code == "context_length_exceeded" || says(TOO_LONG) => Kind::ContextTooLong,
        200..300 => Kind::NoCompletion,
        408 | 409 | 421 | 424 | 425 | 499.. => Kind::ServerError,
        _ => Kind::BadRequest,
    }
}

/// How engines say that a conversation is too long, in lower case.
const TOO_LONG: &[&str] = &["context length", "reduce the length", "maximum context", "prompt is too long"];
/// How a 429 says that it is about everybody, in lower case: Cerebras and Chutes, through routers too.
const CROWDED: &[&str] = &["high traffic", "at maximum capacity", "overloaded"];
/// How a 403 says that it is about money, in lower case: Novita, and Alibaba where a free quota is used up.
const UNPAID: &[&str] = &["balance", "quota", "credits"];

/// Whose quota it is: by a rule, else in the provider's words. One that names no window means the shortest usual one:
/// a longer one is always named.
fn rate_limited(said: &Said, dimension: Option<Dimension>, window: Option<Window>) -> Kind {
    let dimension = match (dimension, said.dimension) {
        // A code for tokens of either kind.
        (Some(Dimension::Tokens), uncached @ Some(Dimension::UncachedTokens)) => uncached,
        (by_rule, said) => by_rule.or(said),
    };
    if said.too_large {
        Kind::TooLargeForLimit
    } else {
        Kind::RateLimited(dimension, window.or(said.window).or(Some(Window::Minute)))
    }
}

#[cfg(test)]
mod tests;
