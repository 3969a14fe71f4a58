//! Errors in the shape every client of the chat API reads: `{"error":{message, type, param, code}}`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use wire::ApiError;

use crate::refusal::Refusal;

/// An error for the client.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) status: StatusCode,
    pub(crate) body: ApiError,
}

impl Error {
    /// The request is at fault.
    pub(crate) fn request(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ApiError {
            message: message.into(),
            kind: "invalid_request_error".to_owned(),
            param: None,
            code: Some(code.to_owned()),
        };
        Self { status, body }
    }

    /// The error's `type`, where the request is not at fault.
    pub(crate) fn kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.body.kind);
        self
    }

    pub(crate) fn param(mut self, param: Option<&str>) -> Self {
        self.body.param = param.map(str::to_owned);
        self
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = json(self.status, self.body.to_json());
        response.extensions_mut().insert(Rejected(self.body.message));
        response
    }
}

/// Why a request was turned away, for the log.
#[derive(Clone, Debug)]
pub(super) struct Rejected(pub(super) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = json(status, self.error.to_json());
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::BAD_GATEWAY {
            // Settings do not mend themselves; the SDKs would try twice more.
            response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
