//! Reads a request's body within its limits of size and silence.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;

use super::reply::Error;
use crate::coding::{Broken, Coding, Decoded};
use crate::gather::Gathered;

/// A body shorter than this is copied. It is a slice of the 8 KiB that its connection read into, and would keep them all
/// for as long as an answer is waited for.
const SMALL: usize = 4 * 1024;

/// The whole content of at most `limit` bytes, with no silence longer than `silence`.
pub(super) async fn read<B>(body: B, coding: Coding, limit: usize, silence: Duration) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    // One whose length nobody knows costs all of the limit before it is found to be too large.
    let (limit, whose) = match body.size_hint().exact() {
        Some(_) => (limit, "MAX_BODY_BYTES sets the limit"),
        None => (limit / 2, "half of MAX_BODY_BYTES is the limit where no Content-Length is sent"),
    };
    let is_known = body.size_hint().exact().is_some();
    let too_large = || too_large(limit, whose);
    if announced > limit {
        return Err(too_large());
    }
    let mut body = Decoded::new(body, coding).suspicious();
    let is_plain = coding == Coding::Identity;
    // What is sent is what there is of it, where it says how much that is.
    let most = if is_known && is_plain { announced } else { limit };
    let mut read = Gathered::new(announced, most);
    loop {
        match tokio::time::timeout(silence, body.frame()).await {
            Err(_) => {
                let message = format!("Nothing came of the request's body for {} s.", silence.as_secs_f64());
                return Err(Error::request(StatusCode::REQUEST_TIMEOUT, "request_timeout", message));
            }
            Ok(None) => return Ok(read.into_bytes()),
            Ok(Some(Err(broken))) => return Err(no_content(&broken)),
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                if data.len() == announced && announced >= SMALL && is_plain {
                    return Ok(data);
                }
                read.add(&data).map_err(|_| too_large())?;
            }
        }
    }
}

/// Only JSON: a type that a web page may send without asking first would let any page spend the quota. Says how it is
/// compressed.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<Coding, Error> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json")) {
        let message = "The body must be JSON: send the header `Content-Type: application/json`.";
        return Err(Error::request(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    Coding::of(headers).map_err(|said| {
        let message = format!(
            "A body compressed with {said} is not taken: send gzip, deflate, or no `Content-Encoding`."
        );
        let error = Error::request(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message);
        error.instead("gzip, deflate")
    })
}

fn no_content<E>(broken: &Broken<E>) -> Error {
    let (status, code, message) = match broken {
        Broken::Body(_) => (
            StatusCode::BAD_REQUEST,
            "invalid_body",
            "The request's body broke off, or its framing is wrong.",
        ),
        Broken::Malformed(_) => (
            StatusCode::BAD_REQUEST,
            "invalid_body",
            "The body is not compressed as its Content-Encoding says.",
        ),
        Broken::Bomb => {
            let message = "The body becomes far larger than what was sent: send it uncompressed.";
            (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
        }
    };
    Error::request(status, code, message)
}

fn too_large(limit: usize, whose: &str) -> Error {
    let message = format!("The body is larger than {limit} bytes; {whose}.");
    Error::request(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn a_small_body_keeps_nothing_of_what_was_read_with_it() {
        let connection = Bytes::from(vec![b'x'; 2 * SMALL]);
        for (length, is_copied) in [(SMALL - 1, true), (SMALL, false)] {
            let sent = Full::new(connection.slice(..length));
            let body = read(sent, Coding::Identity, usize::MAX, Duration::MAX).await.expect("a body");
            assert_eq!((body.len(), connection.is_unique()), (length, is_copied));
        }
    }
}
