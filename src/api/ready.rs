//! `GET /ready`: whether somebody can serve a small request now, and how the accounts stand.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::reply::{self, Body};
use super::{App, guard};
use crate::status::Status;

/// Probes need no key. How the accounts stand is told to those only who may ask for completions, too.
pub(super) fn ready(app: &App, headers: &HeaderMap) -> Response<Body> {
    let status = Status::of(&app.proxy, &app.store);
    let told = if guard::client_key(app, headers).is_ok() { &status } else { &status.without_details() };
    let code = if status.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = reply::json(code, serde_json::to_string(told).unwrap_or_default());
    if let Some(seconds) = status.ready_in_s {
        let seconds = HeaderValue::from(whole_seconds(seconds));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative, and saturates")]
fn whole_seconds(seconds: f64) -> u64 {
    (seconds.ceil() as u64).max(1)
}
