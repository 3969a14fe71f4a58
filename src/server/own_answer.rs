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
    let id = request_id();
    tracing::info!(request_id = id, status = status.as_u16(), reason = message, "rejected");
    let kind = "invalid_request_error".to_owned();
    let body =
        ApiError { message: message.to_owned(), kind, param: None, code: Some(code.to_owned()) }.to_json();
    let length = body.len();
    Some(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: {id}\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes(),
    )
}
