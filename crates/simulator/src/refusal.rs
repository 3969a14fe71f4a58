//! The vendors' error bodies.
//!
//! Cerebras writes a flat object without an `error` wrapper, Chutes `FastAPI`'s `{"detail": …}`.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::books::Scope;
use crate::profile::Vendor;

/// An error answer that is sent instead of a completion.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// Whole seconds, at least one.
    pub(crate) retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry_after: None }
    }

    /// Cerebras' flat error object.
    pub(crate) fn flat(status: StatusCode, message: &str, kind: &str, param: &str, code: &str) -> Self {
        Self::new(status, json!({"message": message, "type": kind, "param": param, "code": code}))
    }

    /// Chutes' error object.
    pub(crate) fn detail(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self::new(status, json!({"detail": detail.into()}))
    }

    /// The 429 of a limit: `Retry-After` is the length of the window, not the time until enough has refilled.
    pub(crate) fn over_limit(vendor: Vendor, scope: Scope, window: Duration) -> Self {
        match (vendor, scope) {
            (Vendor::Chutes, Scope::RequestsDay) => Self::quota_exceeded(window),
            (Vendor::Chutes, _) => Self::capacity(),
            (Vendor::Cerebras, Scope::RequestsMinute) => Self::too_many_requests("minute", window),
            (Vendor::Cerebras, Scope::RequestsDay) => Self::too_many_requests("day", window),
            (Vendor::Cerebras, Scope::TokensMinute) => Self::too_many_tokens("minute", window),
            (Vendor::Cerebras, Scope::TokensDay) => Self::too_many_tokens("day", window),
        }
    }

    /// Cerebras' 429 for requests per second, minute or day.
    pub(crate) fn too_many_requests(per: &str, window: Duration) -> Self {
        let message = format!("Requests per {per} limit exceeded - too many requests sent.");
        Self::rate_limited(&message, "too_many_requests_error", "quota", "request_quota_exceeded")
            .after(window)
    }

    /// Cerebras' 429 for tokens per minute or day.
    pub(crate) fn too_many_tokens(per: &str, window: Duration) -> Self {
        let message = format!("Tokens per {per} limit exceeded - too many tokens processed.");
        Self::rate_limited(&message, "too_many_tokens_error", "quota", "token_quota_exceeded").after(window)
    }

    /// Cerebras' 429 that is not about the caller's quota.
    pub(crate) fn queue_exceeded() -> Self {
        let message = "We're experiencing high traffic right now! Please try again soon.";
        Self::rate_limited(message, "too_many_requests_error", "queue", "queue_exceeded")
    }

    /// Chutes' 429.
    pub(crate) fn capacity() -> Self {
        let detail = "Infrastructure is at maximum capacity, try again later";
        Self::detail(StatusCode::TOO_MANY_REQUESTS, detail)
    }

    /// Chutes' 402; the reset is shown as the end of the window in which it is refused.
    pub(crate) fn quota_exceeded(window: Duration) -> Self {
        let now = crate::clock::since_epoch().as_secs();
        let window = window.as_secs().max(1);
        let detail = json!({
            "message": "Quota exceeded and account balance is $0.0, please add balance to continue.",
            "quota_reset_timestamp": timestamp((now / window + 1) * window),
        });
        Self::detail(StatusCode::PAYMENT_REQUIRED, detail)
    }

    /// A key that is not the account's.
    pub(crate) fn wrong_key(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Cerebras => {
                let (kind, code) = ("invalid_request_error", "wrong_api_key");
                Self::flat(StatusCode::UNAUTHORIZED, "Wrong API Key", kind, "api_key", code)
            }
            Vendor::Chutes => Self::detail(StatusCode::UNAUTHORIZED, "Authentication required."),
        }
    }

    /// No key at all.
    pub(crate) fn no_key(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Cerebras => Self::detail(StatusCode::FORBIDDEN, "Not authenticated"),
            Vendor::Chutes => Self::wrong_key(vendor),
        }
    }

    /// A model that is not served.
    pub(crate) fn no_model(vendor: Vendor, model: &str) -> Self {
        match vendor {
            Vendor::Cerebras => {
                let message = format!("Model {model} does not exist or you do not have access to it.");
                Self::flat(StatusCode::NOT_FOUND, &message, "not_found_error", "model", "model_not_found")
            }
            Vendor::Chutes => Self::detail(StatusCode::NOT_FOUND, format!("model not found: {model}")),
        }
    }

    /// A model that was served once.
    pub(crate) fn model_archived(model: &str) -> Self {
        let message = format!("Model {model} has been archived and is no longer available.");
        Self::flat(StatusCode::NOT_FOUND, &message, "not_found_error", "model", "model_archived")
    }

    /// A body that does not have the form the vendor wants.
    pub(crate) fn bad_format(vendor: Vendor, message: &str) -> Self {
        match vendor {
            Vendor::Cerebras => {
                let (kind, param) = ("invalid_request_error", "validation_error");
                Self::flat(StatusCode::BAD_REQUEST, message, kind, param, "wrong_api_format")
            }
            Vendor::Chutes => {
                Self::detail(StatusCode::BAD_REQUEST, format!("invalid request JSON payload: {message}"))
            }
        }
    }

    /// Prompt and requested completion together are longer than the model's context.
    pub(crate) fn context_too_long(length: u64, limit: u64) -> Self {
        let message = format!(
            "Please reduce the length of the messages or completion. Current length is {length} while limit is {limit}"
        );
        let code = "context_length_exceeded";
        let mut refusal =
            Self::flat(StatusCode::BAD_REQUEST, &message, "invalid_request_error", "messages", code);
        refusal.body["id"] = "".into();
        refusal
    }

    /// Some tools ask for strict arguments, some do not.
    pub(crate) fn mixed_strict() -> Self {
        let message = "Tools with mixed values for 'strict' are not allowed. \
                       Please set all tools to 'strict: true' or 'strict: false'";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::flat(status, message, "invalid_request_error", "tools", "wrong_api_format")
    }

    fn rate_limited(message: &str, kind: &str, param: &str, code: &str) -> Self {
        Self::flat(StatusCode::TOO_MANY_REQUESTS, message, kind, param, code)
    }

    fn after(self, window: Duration) -> Self {
        Self { retry_after: Some(window.as_secs().max(1)), ..self }
    }
}

/// Seconds since 1970 as `2025-10-05T00:00:00+00:00`.
fn timestamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from the first of March of the year 0, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn timestamps_know_leap_years() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00+00:00");
        assert_eq!(timestamp(951_868_799), "2000-02-29T23:59:59+00:00");
        assert_eq!(timestamp(1_759_622_400), "2025-10-05T00:00:00+00:00");
    }
}
