//! The vendors' error bodies.
//!
//! Cerebras writes a flat object without an `error` wrapper, Chutes `FastAPI`'s `{"detail": …}`, the others
//! an `error` object of which no two are alike.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::books::OverLimit;
use crate::ledger::Spent;
use crate::profile::{Profile, Vendor};

mod cerebras;
mod chutes;
mod nested;
mod timestamp;

/// What is written instead of a completion.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    Json(Value),
    Html(String),
}

/// An error answer that is sent instead of a completion.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) body: Body,
    /// Further headers, such as `Retry-After`.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body: Body::Json(body), headers: Vec::new() }
    }

    /// Cerebras' flat error object.
    pub(crate) fn flat(status: StatusCode, message: &str, kind: &str, param: &str, code: &str) -> Self {
        Self::new(status, json!({"message": message, "type": kind, "param": param, "code": code}))
    }

    /// Chutes' error object.
    pub(crate) fn detail(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self::new(status, json!({"detail": detail.into()}))
    }

    /// A web page, as a proxy before the vendor's own server writes it.
    fn page(status: StatusCode) -> Self {
        let body = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self { status, body: Body::Html(body), headers: Vec::new() }
    }

    /// The 429 of a limit, or the 413 of what never fits.
    pub(crate) fn over_limit(profile: &Profile, model: &str, over: &OverLimit) -> Self {
        match profile.vendor {
            Vendor::Cerebras => cerebras::over_limit(over.scope, over.scope.window(profile)),
            Vendor::Chutes => Self::page(StatusCode::TOO_MANY_REQUESTS),
            Vendor::Groq => nested::groq_over_limit(model, over),
            Vendor::OpenRouter => nested::openrouter_over_limit(model, over),
            Vendor::LlamaCpp | Vendor::OpenAi => nested::openai_over_limit(model, over),
        }
    }

    /// Cerebras' 429 for requests per second, minute, hour or day.
    pub(crate) fn too_many_requests(per: &str, window: Duration) -> Self {
        cerebras::too_many_requests(per, window)
    }

    /// Cerebras' 429 for tokens per minute, hour or day.
    pub(crate) fn too_many_tokens(per: &str, window: Duration) -> Self {
        cerebras::too_many_tokens(per, window)
    }

    /// Cerebras' 429 that is not about the caller's quota.
    pub(crate) fn queue_exceeded() -> Self {
        cerebras::queue_exceeded()
    }

    /// Chutes' 429.
    pub(crate) fn capacity() -> Self {
        chutes::capacity()
    }

    /// Everyone else asks too.
    pub(crate) fn busy(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Cerebras => Self::queue_exceeded(),
            Vendor::Chutes => Self::capacity(),
            _ => nested::overloaded(vendor),
        }
    }

    /// The model is not loaded yet.
    pub(crate) fn cold(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Chutes | Vendor::Cerebras => chutes::cold(),
            Vendor::LlamaCpp => nested::loading(),
            _ => nested::overloaded(vendor),
        }
    }

    /// Chutes' 402: what was paid for is used up.
    pub(crate) fn spent(profile: &Profile, spent: Spent) -> Self {
        match spent {
            Spent::Quota => Self::quota_exceeded(profile.day()),
            Spent::Cap => chutes::cap_exceeded(),
        }
    }

    /// Chutes' 402 of a day's quota; the reset is shown as the end of the window in which it is refused.
    pub(crate) fn quota_exceeded(window: Duration) -> Self {
        chutes::quota_exceeded(window)
    }

    /// A key that is not the account's.
    pub(crate) fn wrong_key(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Cerebras => cerebras::wrong_key(),
            Vendor::Chutes => Self::detail(StatusCode::UNAUTHORIZED, "Authentication required."),
            _ => nested::wrong_key(vendor),
        }
    }

    /// No key at all.
    pub(crate) fn no_key(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Cerebras => Self::detail(StatusCode::FORBIDDEN, "Not authenticated"),
            Vendor::OpenRouter => nested::no_key(),
            _ => Self::wrong_key(vendor),
        }
    }

    /// A model that is not served.
    pub(crate) fn no_model(vendor: Vendor, model: &str) -> Self {
        match vendor {
            Vendor::Cerebras => cerebras::no_model(model),
            Vendor::Chutes => Self::detail(StatusCode::NOT_FOUND, format!("model not found: {model}")),
            _ => nested::no_model(vendor, model),
        }
    }

    /// A model that was served once.
    pub(crate) fn retired(vendor: Vendor, model: &str) -> Self {
        match vendor {
            Vendor::Cerebras => Self::model_archived(model),
            Vendor::Groq => nested::decommissioned(model),
            _ => Self::no_model(vendor, model),
        }
    }

    /// Cerebras' 404 for a model that was served once.
    pub(crate) fn model_archived(model: &str) -> Self {
        let message = format!("Model {model} has been archived and is no longer available.");
        Self::flat(StatusCode::NOT_FOUND, &message, "not_found_error", "model", "model_archived")
    }

    /// A body that does not have the form the vendor wants.
    pub(crate) fn bad_format(vendor: Vendor, message: &str) -> Self {
        match vendor {
            Vendor::Cerebras => cerebras::bad_format(message),
            Vendor::Chutes => {
                Self::detail(StatusCode::BAD_REQUEST, format!("invalid request JSON payload: {message}"))
            }
            _ => nested::bad_format(vendor, message),
        }
    }

    /// A property this vendor does not take; `path` is like `min_p` or `messages.1.assistant.reasoning_content`.
    pub(crate) fn unsupported(vendor: Vendor, paths: &[String]) -> Self {
        let line = |path: &String| match vendor {
            // Cerebras says where in the body, unless it is within the messages.
            Vendor::Cerebras if path.starts_with("messages.") => cerebras::unsupported(path),
            Vendor::Cerebras => cerebras::unsupported(&format!("body.{path}")),
            Vendor::Groq => nested::groq_unsupported(path),
            Vendor::OpenAi => format!("Unrecognized request argument supplied: {path}"),
            _ => format!("property '{path}' is unsupported"),
        };
        Self::bad_format(vendor, &paths.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// Prompt and requested completion together are longer than the model's context.
    pub(crate) fn context_too_long(vendor: Vendor, prompt: u64, completion: u64, limit: u64) -> Self {
        match vendor {
            Vendor::Cerebras => cerebras::context_too_long(prompt.saturating_add(completion), limit),
            Vendor::Chutes => chutes::context_too_long(prompt, completion, limit),
            _ => nested::context_too_long(vendor, prompt, completion, limit),
        }
    }

    /// Some tools ask for strict arguments, some do not.
    pub(crate) fn mixed_strict() -> Self {
        cerebras::mixed_strict()
    }

    /// `Retry-After` in whole seconds, rounded up, at least one.
    fn after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.headers.push(("retry-after", seconds.max(1).to_string()));
        self
    }
}
