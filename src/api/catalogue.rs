//! The model, and what is only there to say that the proxy is.

use http::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::App;
use super::reply::{self, Answered, Body, Error};

/// `GET /v1/models`
pub(super) fn models(app: &App) -> Response<Body> {
    answer(StatusCode::OK, &json!({"object": "list", "data": entries(app).collect::<Vec<_>>()}))
}

/// `GET /v1/models/{id}`
pub(super) fn model(app: &App, id: &str) -> Answered {
    let id = percent_decode_str(id).decode_utf8_lossy();
    if let Some(entry) = entries(app).find(|entry| entry["id"] == *id) {
        return Ok(answer(StatusCode::OK, &entry));
    }
    let error = Error::request(StatusCode::NOT_FOUND, "model_not_found", no_model(app, &id));
    Err(error.param(Some("model")))
}

/// What is said of a model that nobody has.
pub(super) fn no_model(app: &App, id: &str) -> String {
    format!("There is no model `{id}` here; ask for {}.", names(app))
}

fn names(app: &App) -> String {
    let names: Vec<String> = app.proxy.models.iter().map(|model| format!("`{}`", model.name)).collect();
    names.join(" or ")
}

/// The models with, beyond OpenAI's fields, what is in use behind them.
fn entries(app: &App) -> impl Iterator<Item = Value> {
    app.proxy.models.iter().map(|model| {
        let upstream: Vec<Value> = model
            .targets
            .iter()
            .map(|target| json!({"provider": target.name(), "model": target.model()}))
            .collect();
        json!({
            "id": model.name,
            "object": "model",
            "created": app.proxy.clock.started_unix(),
            "owned_by": "qwen-3-coder-proxy",
            "upstream": upstream,
        })
    })
}

/// `POST /v1/completions`
pub(super) fn completions() -> Error {
    let message = "Only chat completions are served: POST /v1/chat/completions with `messages`.";
    Error::request(StatusCode::BAD_REQUEST, "unsupported_endpoint", message)
}

/// `GET /`
pub(super) fn root(app: &App) -> Response<Body> {
    let message = format!(
        "qwen-3-coder-proxy is running. Point your agent at /v1, with any API key{} and the model {}.",
        if app.server.client_keys.is_empty() { "" } else { " out of PROXY_API_KEYS" },
        names(app).replace('`', ""),
    );
    answer(StatusCode::OK, &json!({"message": message, "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /health`: the process is up. `GET /v1/tcp_warming`: Cerebras's SDK calls it to open a connection before it is needed.
pub(super) fn up() -> Response<Body> {
    answer(StatusCode::OK, &json!({"status": "ok"}))
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    reply::json(status, body.to_string())
}
