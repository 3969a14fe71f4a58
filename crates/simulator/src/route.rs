//! Which path is answered by what.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode, request::Parts};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::playback::{Broken, Ending, Playback};
use crate::profile::{Profile, Vendor};
use crate::refusal::Refusal;
use crate::state::{Seen, State};
use crate::{chat, control, steps};

/// Answers one request.
pub(crate) async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
    ending: Ending,
) -> Result<Response<Playback>, Broken> {
    let path = request.uri().path().to_owned();
    if path == "/v1/chat/completions" && request.method() == Method::POST {
        return chat::answer(&state, request, ending).await;
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    if let Some(action) = path.strip_prefix("/_sim/") {
        let (status, value) = control::answer(&state, &parts.method, action, &body);
        return Ok(json_page(status, &value));
    }
    state.remember(Seen { body, ..Seen::of(&parts) });
    Ok(match catalogue(&state.profile, &parts, &path) {
        Ok(value) => json_page(StatusCode::OK, &value),
        Err(refusal) => refused(&refusal),
    })
}

fn catalogue(profile: &Profile, parts: &Parts, path: &str) -> Result<Value, Refusal> {
    let entry = |model: &String| entry(profile, model);
    if parts.method != Method::GET {
        return Err(Refusal::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
    }
    match path {
        "/" => return Ok(json!({"what": format!("a simulated {:?}", profile.vendor), "control": "/_sim/"})),
        "/v1/tcp_warming" => return Ok(json!({})),
        _ => {}
    }
    // Chutes shows its catalogue to everyone.
    if profile.vendor == Vendor::Cerebras {
        authorize(profile, key(&parts.headers))?;
    }
    if path == "/v1/models" {
        return Ok(json!({"object": "list", "data": profile.models.iter().map(entry).collect::<Vec<_>>()}));
    }
    let Some(name) = path.strip_prefix("/v1/models/") else {
        return Err(Refusal::detail(StatusCode::NOT_FOUND, "Not Found"));
    };
    let wanted = name.replace("%2F", "/").replace("%2f", "/");
    let model = profile.models.iter().find(|model| **model == wanted);
    model.map(entry).ok_or_else(|| Refusal::no_model(profile.vendor, &wanted))
}

fn entry(profile: &Profile, model: &str) -> Value {
    match profile.vendor {
        Vendor::Cerebras => json!({"id": model, "object": "model", "created": 0, "owned_by": "Cerebras"}),
        Vendor::Chutes => json!({
            "id": model, "root": model, "object": "model", "created": 0, "owned_by": "sglang",
            "max_model_len": profile.context_limit, "context_length": profile.context_limit,
        }),
    }
}

/// Whether the key opens the account.
pub(crate) fn authorize(profile: &Profile, key: Option<&str>) -> Result<(), Refusal> {
    match (&profile.api_key, key) {
        (None, _) => Ok(()),
        (Some(right), Some(key)) if right == key => Ok(()),
        (Some(_), Some(_)) => Err(Refusal::wrong_key(profile.vendor)),
        (Some(_), None) => Err(Refusal::no_key(profile.vendor)),
    }
}

/// The key in the `Authorization` header.
pub(crate) fn key(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    Some(value.strip_prefix("Bearer ").unwrap_or(value))
}

impl Seen {
    /// A request whose body has not been read.
    pub(crate) fn of(parts: &Parts) -> Self {
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        Self { method, path, headers: parts.headers.clone(), body: bytes::Bytes::new() }
    }
}

/// A response with `playback` as its body; without a length it is sent in chunks.
pub(crate) fn response(
    status: StatusCode,
    content_type: &'static str,
    length: Option<usize>,
    playback: Playback,
) -> Response<Playback> {
    let mut response = Response::new(playback);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// A response sent at once.
pub(crate) fn page(status: StatusCode, content_type: &'static str, body: String) -> Response<Playback> {
    let mut body = steps::sent(body);
    // Events are of unknown length, even none.
    let length = body.length.take().filter(|_| content_type != crate::canned::EVENTS);
    response(status, content_type, length, Playback::new(body.steps, None, Ending::default()))
}

/// An error answer.
pub(crate) fn refused(refusal: &Refusal) -> Response<Playback> {
    let mut response = json_page(refusal.status, &refusal.body);
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Sets a header, if it can be one.
pub(crate) fn set(response: &mut Response<Playback>, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        response.headers_mut().insert(name, value);
    }
}

fn json_page(status: StatusCode, value: &Value) -> Response<Playback> {
    page(status, "application/json", value.to_string())
}
