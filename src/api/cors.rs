//! What browsers ask before they let a page call, and what they are told with each answer.

use http::{HeaderMap, HeaderValue, Response, header};

use super::reply::Body;
use crate::auth;
use crate::config::CorsOrigins;

/// Headers that a page may read.
const EXPOSED: &str = "retry-after,x-request-id,x-proxy-provider,x-proxy-model,x-proxy-attempts";

/// The answer to whoever asks what may be asked here, and to a browser whether a page may.
pub(super) fn preflight(origins: &CorsOrigins, asked: &HeaderMap, methods: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,POST"));
    // Not `*`, which in browsers leaves `Authorization` out.
    if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    let vary = "origin, access-control-request-method, access-control-request-headers";
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    allow(origins, asked.get(header::ORIGIN), headers);
    response
}

/// The page that a request comes from. A copy, which keeps nothing else of what was read with it.
pub(super) fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    HeaderValue::from_bytes(headers.get(header::ORIGIN)?.as_bytes()).ok()
}

/// What stands in each answer.
pub(super) fn add(origins: &CorsOrigins, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if origin.is_some() {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        allow(origins, origin, headers);
    }
}

fn allow(origins: &CorsOrigins, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    let allowed =
        |origin: &&HeaderValue| origin.to_str().is_ok_and(|origin| auth::is_allowed_origin(origins, origin));
    if let Some(origin) = origin.filter(allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}
