//! What holds for every endpoint: request ids, allowed origins, client keys, and errors in one shape.

use std::any::Any;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header, request};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::App;
use super::reply::{Error, Rejected};
use crate::auth;
use crate::config::CorsOrigins;
use crate::server::{self, Framing};

/// See [`server::request_id`].
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives each request its id, and refuses one whose end two readers would see in two places. What is turned away,
/// here or further in, is logged here.
pub(super) async fn request_id(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id = server::request_id();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = match framing_problem(&request) {
        Some(message) => {
            Error::request(StatusCode::BAD_REQUEST, "ambiguous_framing", message).into_response()
        }
        None => next.run(request).await,
    };
    if let Some(Rejected(reason)) = response.extensions().get() {
        let (status, reason) = (response.status().as_u16(), app.proxy.redactor.redact(reason));
        tracing::info!(request_id = id, status, reason = &*reason, "rejected");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

fn framing_problem(request: &Request) -> Option<&'static str> {
    if request.extensions().get::<Framing>().is_some_and(Framing::is_ambiguous) {
        return Some("The request has both Content-Length and Transfer-Encoding; send one of them.");
    }
    let mut encodings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let chunked = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let plain = encodings.next().is_none_or(chunked) && encodings.next().is_none();
    (!plain).then_some("The only Transfer-Encoding taken is `chunked`, and once.")
}

/// Refuses what pages of foreign origins send.
pub(super) async fn origin(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    match origin {
        Some(origin) if !auth::is_allowed_origin(&app.server.cors, origin) => {
            let message = format!("Pages of {origin} may not call; CORS_ORIGINS names those that may.");
            Error::request(StatusCode::FORBIDDEN, "origin_not_allowed", message).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Refuses those without a client key, where keys are set.
pub(super) async fn client_key(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if auth::has_key(&app.server.client_keys, request.headers()) {
        return next.run(request).await;
    }
    let message =
        "This proxy asks for a key: send `Authorization: Bearer KEY` with one of its PROXY_API_KEYS.";
    let error = Error::request(StatusCode::UNAUTHORIZED, "invalid_api_key", message);
    error.kind("authentication_error").into_response()
}

pub(super) fn cors(origins: &CorsOrigins) -> CorsLayer {
    let origins = origins.clone();
    let allowed = move |origin: &HeaderValue, _: &request::Parts| {
        origin.to_str().is_ok_and(|origin| auth::is_allowed_origin(&origins, origin))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_methods([Method::GET, Method::POST])
        // Not `*`, which in browsers leaves `Authorization` out.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(
            ["retry-after", "x-request-id", "x-proxy-provider", "x-proxy-model", "x-proxy-attempts"]
                .map(HeaderName::from_static),
        )
}

pub(super) async fn not_found(request: Request) -> Error {
    let path = request.uri().path();
    let message = format!("There is nothing at {path}; the base URL for agents is /v1.");
    Error::request(StatusCode::NOT_FOUND, "not_found", message)
}

pub(super) async fn wrong_method(request: Request) -> Error {
    let message = format!("{} is not what {} takes.", request.method(), request.uri().path());
    Error::request(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked; the backtrace is on standard error");
    let message = "The proxy failed; its log says more.";
    Error::request(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
        .kind("server_error")
        .into_response()
}
