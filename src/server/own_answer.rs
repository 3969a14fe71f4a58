//! A request that hyper can't read gets an answer without a body from it; clients are to get one they can read.

use http::StatusCode;
use wire::ApiError;

use super::request_id;

/// What to write instead of these bytes, if they are an answer of hyper's own. Those have a 4xx status, no body and
/// no request id; of ours each has both.
pub(super) fn replaced(written: &[u8]) -> Option<Vec<u8>> {
    let status = StatusCode::from_bytes(written.strip_prefix(b"HTTP/1.1 ")?.get(..3)?).ok()?;
    let has = |part| memchr::memmem::find(written, part).is_some();
    let bare = written.ends_with(b"\r\n\r\n") && has(b"content-length: 0\r\n") && !has(b"x-request-id: ");
    if !status.is_client_error() || !bare {
        return None;
    }
    let (code, message) = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            ("headers_too_large", "The request's headers are too many or too large.")
        }
        StatusCode::URI_TOO_LONG => ("uri_too_long", "The request's address is too long."),
        _ => ("invalid_http", "This is not a well-formed HTTP/1.1 request."),
    };
    Some(answer(status, code, message))
}

/// For a client whose request head did not come in time.
pub(super) fn head_too_late() -> Vec<u8> {
    let message = "The request's head did not come in time; HEADER_TIMEOUT sets the limit.";
    answer(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
}

fn answer(status: StatusCode, code: &str, message: &str) -> Vec<u8> {
    let id = request_id();
    tracing::info!(request_id = id, status = status.as_u16(), reason = message, "rejected");
    let kind = "invalid_request_error".to_owned();
    let body =
        ApiError { message: message.to_owned(), kind, param: None, code: Some(code.to_owned()) }.to_json();
    let length = body.len();
    let head = "content-type: application/json\r\nconnection: close";
    format!("HTTP/1.1 {status}\r\n{head}\r\nx-request-id: {id}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}
