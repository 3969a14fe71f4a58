//! What holds for every endpoint: clear framing, allowed origins, client keys, and a panic that stays in its request.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, Version, header};

use super::App;
use super::reply::{Answered, Error};
use crate::auth;
use crate::server::Framing;

/// Refuses a request whose end two readers would see in two places.
pub(super) fn framing(framing: Option<&Framing>, headers: &HeaderMap) -> Result<(), Error> {
    let refuse = |message: &str| Err(Error::request(StatusCode::BAD_REQUEST, "ambiguous_framing", message));
    if framing.is_some_and(Framing::is_ambiguous) {
        return refuse("The request has both Content-Length and Transfer-Encoding; send one of them.");
    }
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if encodings.next().is_none_or(chunked) && encodings.next().is_none() {
        return Ok(());
    }
    refuse("The only Transfer-Encoding taken is `chunked`, and once.")
}

/// Refuses a request of which two readers would see two hosts, or, in HTTP/1.1, none.
pub(super) fn host(version: Version, headers: &HeaderMap) -> Result<(), Error> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let sound = match hosts.next() {
        // What a request is about that has no host.
        Some(host) => {
            host.is_empty()
                || Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        None => version < Version::HTTP_11,
    };
    if sound && hosts.next().is_none() {
        return Ok(());
    }
    let message = "The request must have one well-formed Host header.";
    Err(Error::request(StatusCode::BAD_REQUEST, "invalid_host", message))
}

/// Refuses what pages of foreign origins send.
pub(super) fn origin(app: &App, headers: &HeaderMap) -> Result<(), Error> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    if auth::is_allowed_origin(&app.server.cors, origin) {
        return Ok(());
    }
    let message = format!("Pages of {origin} may not call; CORS_ORIGINS names those that may.");
    Err(Error::request(StatusCode::FORBIDDEN, "origin_not_allowed", message))
}

/// Refuses those without a client key, where keys are set; tells which of them it is.
pub(super) fn client_key(app: &App, headers: &HeaderMap) -> Result<Option<u32>, Error> {
    let keys = &app.server.client_keys;
    let number = auth::key_number(keys, headers);
    if keys.is_empty() || number.is_some() {
        return Ok(number);
    }
    let message =
        "This proxy asks for a key: send `Authorization: Bearer KEY` with one of its PROXY_API_KEYS.";
    let error = Error::request(StatusCode::UNAUTHORIZED, "invalid_api_key", message);
    Err(error.kind("authentication_error"))
}

/// A panic becomes an error of its own request, and of no other.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked()))
}

/// The same of what takes its time.
pub(super) async fn caught_later(mut answering: Pin<&mut impl Future<Output = Answered>>) -> Answered {
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context)))
            .unwrap_or_else(|_| Poll::Ready(Err(panicked())))
    })
    .await
}

fn panicked() -> Error {
    tracing::error!("a request handler panicked; the backtrace is on standard error");
    let message = "The proxy failed; its log says more.";
    let error = Error::request(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message);
    error.kind("server_error")
}
