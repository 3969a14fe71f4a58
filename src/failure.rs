//! What went wrong in one attempt, and what follows from it.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use quota::{Dimension, Trip, Window};
use wire::ProviderError;

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
}

/// In what way an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Our quota there is used up: of what, where the provider says it, and by which window. `None`: one that the
    /// books do not keep, such as a second or an hour.
    RateLimited(Option<Dimension>, Option<Window>),
    /// The provider has no capacity for anybody; not our quota.
    Busy,
    /// It wants to be paid.
    PaymentRequired,
    /// Nothing, or no payload, before the deadline.
    Timeout,
    /// It failed, and says so: a 5xx or 408.
    ServerError,
    /// It can't be reached, or the connection broke before any payload.
    Connection,
    /// An error inside a 200.
    ErrorInAnswer,
    /// A stream that ended without payload.
    EmptyStream,
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

impl Kind {
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
                hint,
                base: Duration::from_secs(base),
                ceiling: Duration::from_secs(ceiling),
            })
        };
        match self {
            Self::Busy if alone => None,
            Self::Busy => trip(1, 1, 8),
            Self::ServerError | Self::ErrorInAnswer | Self::EmptyStream | Self::NoCompletion => {
                trip(3, 1, 30)
            }
            Self::Connection => trip(2, 1, 30),
            Self::Timeout => trip(if alone { 3 } else { 1 }, 5, 60),
            Self::PaymentRequired | Self::Unauthorized | Self::NotFound | Self::ModelGone => trip(1, 30, 300),
            Self::RateLimited(..) | Self::ContextTooLong | Self::Rejected | Self::BadRequest => None,
        }
    }

    /// Whether the provider did no work for the request.
    #[must_use]
    pub fn is_free(self) -> bool {
        matches!(
            self,
            Self::RateLimited(..)
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

    /// For logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimited(..) => "rate_limited",
            Self::Busy => "busy",
            Self::PaymentRequired => "payment_required",
            Self::Timeout => "timeout",
            Self::ServerError => "server_error",
            Self::Connection => "connection",
            Self::ErrorInAnswer => "error_in_answer",
            Self::EmptyStream => "empty_stream",
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
        Self { kind, status: None, error: ProviderError::new(message), retry_after: None }
    }

    /// A failure from an answer that is not a 2xx.
    #[must_use]
    pub fn from_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let read = ProviderError::parse(body);
        let silent = || ProviderError::new(format!("answered {status} without a reason that can be read"));
        let kind = classify(status, read.as_ref());
        Self {
            kind,
            status: Some(status),
            error: read.unwrap_or_else(silent),
            retry_after: retry_after(headers),
        }
    }

    /// A failure from an error inside a 200. Only what it says of the request or the quota is believed beyond that.
    #[must_use]
    pub fn in_answer(error: ProviderError) -> Self {
        let status = match error.code.as_deref().unwrap_or_default() {
            "context_length_exceeded" => StatusCode::BAD_REQUEST,
            "queue_exceeded" | "request_quota_exceeded" | "token_quota_exceeded" => {
                StatusCode::TOO_MANY_REQUESTS
            }
            code => code.parse().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let kind = match classify(status, Some(&error)) {
            kind @ (Kind::ContextTooLong | Kind::RateLimited(..) | Kind::Busy) => kind,
            _ => Kind::ErrorInAnswer,
        };
        Self { error, ..Self::new(kind, "") }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{} {}: {}", status.as_u16(), self.kind.name(), self.error.message),
            None => write!(f, "{}: {}", self.kind.name(), self.error.message),
        }
    }
}

/// The kind of failure behind a status and what the body says. Codes and texts are those of Cerebras (flat
/// bodies with a code) and Chutes (`{"detail":…}` without one), as recorded or reported by their users.
fn classify(status: StatusCode, error: Option<&ProviderError>) -> Kind {
    let code = error.and_then(|error| error.code.as_deref()).unwrap_or_default();
    let message = error.map(|error| error.message.to_ascii_lowercase()).unwrap_or_default();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match status.as_u16() {
        429 if code == "queue_exceeded"
            || says(&["capacity", "high traffic", "no_targets", "maintenance"]) =>
        {
            Kind::Busy
        }
        429 => quota_scope(code, &message),
        402 => Kind::PaymentRequired,
        401 | 403 => Kind::Unauthorized,
        400 | 404 | 410 | 422 if matches!(code, "model_archived" | "model_not_found") => Kind::ModelGone,
        404 if says(&["model", "chute found", "cord found"]) => Kind::ModelGone,
        300..400 | 404 | 405 | 410 => Kind::NotFound,
        413 => Kind::ContextTooLong,
        400 | 422 if code == "context_length_exceeded" || says(TOO_LONG) => Kind::ContextTooLong,
        400 | 422 if code == "wrong_api_format" || says(OWN_ACCORD) => Kind::Rejected,
        200..300 => Kind::NoCompletion,
        408 | 409 | 421 | 424 | 425 | 499.. => Kind::ServerError,
        _ => Kind::BadRequest,
    }
}

/// How engines say that a conversation is too long, in lower case.
const TOO_LONG: &[&str] = &["context length", "reduce the length", "maximum context", "prompt is too long"];
/// What Cerebras refuses without a code of its own, in lower case.
const OWN_ACCORD: &[&str] = &["mixed values for 'strict'", "structured output state machine"];

/// Which quota a 429 speaks of. One that names no window means the shortest: a longer one is always named.
fn quota_scope(code: &str, message: &str) -> Kind {
    let dimension = match code {
        "request_quota_exceeded" => Some(Dimension::Requests),
        "token_quota_exceeded" => Some(Dimension::Tokens),
        _ if message.starts_with("requests per") => Some(Dimension::Requests),
        _ if message.starts_with("tokens per") => Some(Dimension::Tokens),
        _ => None,
    };
    let window = match message {
        text if text.contains("per day") => Some(Window::Day),
        text if text.contains("per second") || text.contains("per hour") => None,
        _ => Some(Window::Minute),
    };
    Kind::RateLimited(dimension, window)
}

/// Whole or broken seconds; dates are not sent by any provider known.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds.clamp(0.0, 1e9)).ok()
}

#[cfg(test)]
mod tests;
