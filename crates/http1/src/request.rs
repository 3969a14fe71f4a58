//! The head of a request.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Uri};

/// The head of a request to `to`, whose body has `length` bytes; `None`: it has no body.
#[must_use]
pub fn head(
    method: &Method,
    to: &Uri,
    headers: &[(HeaderName, HeaderValue)],
    length: Option<usize>,
) -> Bytes {
    let path = to.path_and_query().map_or("", |path| path.as_str());
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
    let mut head = BytesMut::with_capacity(128 + path.len() + to.host().map_or(0, str::len) + lines);
    head.put_slice(method.as_str().as_bytes());
    head.put_slice(if path.starts_with('/') { b" " } else { b" /" });
    head.put_slice(path.as_bytes());
    head.put_slice(b" HTTP/1.1\r\nhost: ");
    head.put_slice(to.host().unwrap_or_default().as_bytes());
    if let Some(port) = to.port_u16().filter(|port| *port != implied_port(to)) {
        head.put_slice(format!(":{port}").as_bytes());
    }
    for (name, value) in headers {
        head.put_slice(b"\r\n");
        head.put_slice(name.as_str().as_bytes());
        head.put_slice(b": ");
        head.put_slice(value.as_bytes());
    }
    if let Some(length) = length {
        head.put_slice(format!("\r\ncontent-length: {length}").as_bytes());
    }
    head.put_slice(b"\r\n\r\n");
    head.freeze()
}

fn implied_port(to: &Uri) -> u16 {
    if to.scheme_str() == Some("https") { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn written(to: &str, headers: &[(HeaderName, HeaderValue)], length: Option<usize>) -> String {
        let head = head(&Method::POST, &to.parse().expect("a URI"), headers, length);
        String::from_utf8(head.to_vec()).expect("text")
    }

    #[test]
    fn a_head_has_a_line_for_each_header_and_an_empty_one() {
        let headers = [(header::ACCEPT, HeaderValue::from_static("text/event-stream"))];
        assert_eq!(
            written("http://127.0.0.1:8000/v1/chat?a=b", &headers, Some(12)),
            "POST /v1/chat?a=b HTTP/1.1\r\nhost: 127.0.0.1:8000\r\naccept: text/event-stream\r\n\
             content-length: 12\r\n\r\n"
        );
    }

    #[test]
    fn a_port_that_the_scheme_implies_is_left_out() {
        let host = |to| written(to, &[], None).lines().nth(1).map(str::to_owned);
        assert_eq!(host("https://api.cerebras.ai:443"), Some("host: api.cerebras.ai".to_owned()));
        assert_eq!(host("https://api.cerebras.ai:80"), Some("host: api.cerebras.ai:80".to_owned()));
        assert_eq!(host("http://[::1]:80/"), Some("host: [::1]".to_owned()));
    }

    #[test]
    fn no_path_is_the_root() {
        let first = |to| written(to, &[], None).lines().next().map(str::to_owned);
        assert_eq!(first("http://localhost"), Some("POST / HTTP/1.1".to_owned()));
        assert_eq!(first("http://localhost?a"), Some("POST /?a HTTP/1.1".to_owned()));
    }
}
