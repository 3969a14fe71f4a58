//! The model, and what is only there to say that the proxy is.

use std::sync::Arc;

use axum::extract::{Path, State, rejection::PathRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::App;
use super::reply::{self, Error};
use crate::account::Estimate;

/// `GET /v1/models`
pub(super) async fn models(State(app): State<Arc<App>>) -> Response {
    answer(StatusCode::OK, &json!({"object": "list", "data": [entry(&app)]}))
}

/// `GET /v1/models/{id}`
pub(super) async fn model(State(app): State<Arc<App>>, id: Result<Path<String>, PathRejection>) -> Response {
    // An id that is no text is no model's.
    let id = id.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(id)| id);
    if id == app.proxy.model {
        return answer(StatusCode::OK, &entry(&app));
    }
    let message = format!("There is no model `{id}` here; ask for `{}`.", app.proxy.model);
    Error::request(StatusCode::NOT_FOUND, "model_not_found", message).param(Some("model")).into_response()
}

/// The model with, beyond OpenAI's fields, what is in use behind it.
fn entry(app: &App) -> Value {
    let upstream: Vec<Value> = app
        .proxy
        .targets
        .iter()
        .map(|target| json!({"provider": target.name().as_str(), "model": target.model()}))
        .collect();
    json!({
        "id": app.proxy.model,
        "object": "model",
        "created": app.proxy.clock.started_unix(),
        "owned_by": "qwen-3-coder-proxy",
        "upstream": upstream,
    })
}

/// `POST /v1/completions`
pub(super) async fn completions() -> Error {
    let message = "Only chat completions are served: POST /v1/chat/completions with `messages`.";
    Error::request(StatusCode::BAD_REQUEST, "unsupported_endpoint", message)
}

/// `GET /`
pub(super) async fn root(State(app): State<Arc<App>>) -> Response {
    let message = format!(
        "qwen-3-coder-proxy is running. Point your agent at /v1, with any API key{} and the model {}.",
        if app.server.client_keys.is_empty() { "" } else { " out of PROXY_API_KEYS" },
        app.proxy.model,
    );
    answer(StatusCode::OK, &json!({"message": message, "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /health`: the process is up.
pub(super) async fn health() -> Response {
    answer(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /ready`: some route can serve a small request.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let small = Estimate { prompt: 0, max_tokens: Some(1) };
    let providers: Vec<(&str, bool)> = app
        .proxy
        .targets
        .iter()
        .map(|target| {
            let at = target.account.available_at(small);
            // Read last: "at once" is a moment ago by now.
            (target.name().as_str(), at.is_some_and(|at| at <= app.proxy.clock.now()))
        })
        .collect();
    let ready = providers.iter().any(|(_, ready)| *ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let providers: Value = providers
        .into_iter()
        .map(|(name, ready)| (name.to_owned(), json!(ready)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    answer(status, &json!({"ready": ready, "providers": providers}))
}

/// `GET /v1/tcp_warming`: Cerebras's SDK calls it to open a connection before it is needed.
pub(super) async fn warming() -> Response {
    answer(StatusCode::OK, &json!({"status": "ok"}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    reply::json(status, body.to_string())
}
