//! Errors as `{"error": {…}}`: Groq, `OpenRouter`, llama.cpp and `OpenAI`.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::books::OverLimit;
use crate::headers::go_duration;
use crate::profile::Vendor;
use crate::refusal::Refusal;

const ORGANISATION: &str = "org_01simulated0000000000000000";

fn error(status: StatusCode, error: &Value) -> Refusal {
    Refusal::new(status, json!({ "error": error }))
}

/// An error whose `type` is the usual one.
fn invalid(vendor: Vendor, status: StatusCode, message: &str, param: &Value, code: &str) -> Refusal {
    let kind = "invalid_request_error";
    let body = match vendor {
        Vendor::Groq => json!({"message": message, "type": kind, "code": code}),
        Vendor::OpenRouter => json!({"message": message, "code": status.as_u16()}),
        Vendor::LlamaCpp => json!({"code": status.as_u16(), "message": message, "type": kind}),
        _ => json!({"message": message, "type": kind, "param": param, "code": code}),
    };
    error(status, &body)
}

/// Groq says where in its own way, in users' reports of 2026.
pub(super) fn groq_unsupported(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match parts[..] {
        ["messages", at, role, field] => format!(
            "'messages.{at}' : for 'role:{role}' the following must be satisfied[('messages.{at}' : property '{field}' is unsupported)]"
        ),
        _ => format!("property '{path}' is unsupported"),
    }
}

/// `on tokens per minute (TPM)`, as Groq and `OpenAI` name a limit, the latter in short.
fn limit_name(over: &OverLimit, short: bool) -> String {
    let what = if over.scope.counts_tokens() { "tokens" } else { "requests" };
    let per = over.scope.per();
    let per_text = if short && per == "minute" { "min" } else { per };
    let letters = (what[..1].to_uppercase(), per[..1].to_uppercase());
    format!("on {what} per {per_text} ({}P{})", letters.0, letters.1)
}

pub(super) fn groq_over_limit(model: &str, over: &OverLimit) -> Refusal {
    let kind = if over.scope.counts_tokens() { "tokens" } else { "requests" };
    let place = format!("for model `{model}` in organization `{ORGANISATION}` service tier `on_demand`");
    let name = limit_name(over, false);
    let OverLimit { capacity, used, asked, .. } = *over;
    let Some(wait) = over.wait else {
        let message = format!(
            "Request too large {place} {name}: Limit {capacity}, Requested {asked}, please reduce your message size and try again."
        );
        let body = json!({"message": message, "type": kind, "code": "rate_limit_exceeded"});
        return error(StatusCode::PAYLOAD_TOO_LARGE, &body).after(Duration::from_mins(1));
    };
    let message = format!(
        "Rate limit reached {place} {name}: Limit {capacity}, Used {used}, Requested {asked}. Please try again in {}.",
        go_duration(wait)
    );
    let body = json!({"message": message, "type": kind, "code": "rate_limit_exceeded"});
    error(StatusCode::TOO_MANY_REQUESTS, &body).after(wait)
}

pub(super) fn openai_over_limit(model: &str, over: &OverLimit) -> Refusal {
    let kind = if over.scope.counts_tokens() { "tokens" } else { "requests" };
    let name = limit_name(over, true);
    let OverLimit { capacity, used, asked, .. } = *over;
    let (start, end) = match over.wait {
        Some(wait) => (
            "Rate limit reached",
            format!("Used {used}, Requested {asked}. Please try again in {}.", go_duration(wait)),
        ),
        None => (
            "Request too large",
            format!(
                "Requested {asked}. The input or output tokens must be reduced in order to run successfully."
            ),
        ),
    };
    let message =
        format!("{start} for {model} in organization {ORGANISATION} {name}: Limit {capacity}, {end}");
    let body = json!({"message": message, "type": kind, "param": null, "code": "rate_limit_exceeded"});
    let mut refusal = error(StatusCode::TOO_MANY_REQUESTS, &body);
    if let Some(wait) = over.wait {
        refusal = refusal.after(wait);
        refusal.headers.push(("retry-after-ms", wait.as_millis().max(1).to_string()));
    }
    refusal
}

/// The reset is in milliseconds since 1970.
pub(super) fn openrouter_over_limit(model: &str, over: &OverLimit) -> Refusal {
    let (window, name) = (over.scope.per(), if over.scope.counts_tokens() { "tokens" } else { "requests" });
    let letters = (if name == "tokens" { "t" } else { "r" }, &window[..1]);
    let OverLimit { capacity, .. } = *over;
    let message = format!(
        "Rate limit exceeded: limit_{}p{}/{model}. High demand for {model} on OpenRouter - limited to {capacity} {name} per {window}. Please retry shortly.",
        letters.0, letters.1
    );
    let reset = crate::clock::since_epoch() + over.wait.unwrap_or_default();
    let shown = [
        ("X-RateLimit-Limit", capacity.to_string()),
        ("X-RateLimit-Remaining", "0".to_owned()),
        ("X-RateLimit-Reset", reset.as_millis().to_string()),
    ];
    let headers: serde_json::Map<_, _> =
        shown.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let body = json!({
        "error": {"message": message, "code": 429, "metadata": {"headers": headers, "provider_name": null}},
        "user_id": "user_simulated",
    });
    let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, body);
    refusal.headers.extend(shown);
    refusal
}

pub(super) fn overloaded(vendor: Vendor) -> Refusal {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let body = match vendor {
        Vendor::OpenRouter => {
            let raw = "The model is temporarily rate-limited upstream. Please retry shortly.";
            let metadata = json!({"raw": raw, "provider_name": "Simulated"});
            let body = json!({"message": "Provider returned error", "code": 429, "metadata": metadata});
            return error(StatusCode::TOO_MANY_REQUESTS, &body);
        }
        Vendor::LlamaCpp => json!({"code": 503, "message": "no slot is free", "type": "unavailable_error"}),
        Vendor::Groq => json!({
            "message": "The model is currently over capacity. Please try again and back off exponentially.",
            "type": "internal_server_error",
        }),
        _ => json!({
            "message": "The engine is currently overloaded, please try again later.",
            "type": "server_error", "param": null, "code": null,
        }),
    };
    error(status, &body)
}

pub(super) fn loading() -> Refusal {
    let body = json!({"code": 503, "message": "Loading model", "type": "unavailable_error"});
    error(StatusCode::SERVICE_UNAVAILABLE, &body)
}

pub(super) fn wrong_key(vendor: Vendor) -> Refusal {
    let status = StatusCode::UNAUTHORIZED;
    match vendor {
        Vendor::OpenRouter => error(status, &json!({"message": "User not found.", "code": 401})),
        Vendor::LlamaCpp => {
            error(status, &json!({"code": 401, "message": "Invalid API Key", "type": "authentication_error"}))
        }
        Vendor::Groq => invalid(vendor, status, "Invalid API Key", &Value::Null, "invalid_api_key"),
        _ => invalid(vendor, status, "Incorrect API key provided.", &Value::Null, "invalid_api_key"),
    }
}

pub(super) fn no_key() -> Refusal {
    error(StatusCode::UNAUTHORIZED, &json!({"message": "No auth credentials found", "code": 401}))
}

pub(super) fn no_model(vendor: Vendor, model: &str) -> Refusal {
    if vendor == Vendor::OpenRouter {
        let body = json!({
            "error": {"message": format!("{model} is not a valid model ID"), "code": 400},
            "user_id": "user_simulated",
        });
        return Refusal::new(StatusCode::BAD_REQUEST, body);
    }
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    invalid(vendor, StatusCode::NOT_FOUND, &message, &Value::Null, "model_not_found")
}

pub(super) fn decommissioned(model: &str) -> Refusal {
    let message = format!("The model `{model}` has been decommissioned and is no longer supported.");
    invalid(Vendor::Groq, StatusCode::BAD_REQUEST, &message, &Value::Null, "model_decommissioned")
}

pub(super) fn bad_format(vendor: Vendor, message: &str) -> Refusal {
    invalid(vendor, StatusCode::BAD_REQUEST, message, &Value::Null, "invalid_value")
}

pub(super) fn context_too_long(vendor: Vendor, prompt: u64, completion: u64, limit: u64) -> Refusal {
    let (status, total) = (StatusCode::BAD_REQUEST, prompt.saturating_add(completion));
    let message = match vendor {
        Vendor::LlamaCpp => {
            let body = json!({
                "code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": prompt, "n_ctx": limit,
                "message": "the request exceeds the available context size, try increasing it",
            });
            return error(status, &body);
        }
        Vendor::Groq => "Please reduce the length of the messages or completion.".to_owned(),
        Vendor::OpenRouter => format!(
            "This endpoint's maximum context length is {limit} tokens. However, you requested about {total} tokens \
             ({prompt} of text input, {completion} in the output). Please reduce the length of either one."
        ),
        _ => format!(
            "This model's maximum context length is {limit} tokens. However, you requested {total} tokens \
             ({prompt} in the messages, {completion} in the completion). Please reduce the length of the messages or completion."
        ),
    };
    invalid(vendor, status, &message, &json!("messages"), "context_length_exceeded")
}
