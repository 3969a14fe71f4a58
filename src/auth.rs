//! Who may ask: holders of a client key, where keys are set, and pages of allowed origins.

use http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use crate::config::CorsOrigins;

/// Whether the request carries one of these client keys; without any, everybody may ask. Every key is compared
/// in constant time, whichever matches.
#[must_use]
pub fn has_key(keys: &[SecretString], headers: &HeaderMap) -> bool {
    if keys.is_empty() {
        return true;
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().as_bytes())
    });
    let Some(given) = bearer.or_else(|| headers.get("x-api-key").map(http::HeaderValue::as_bytes)) else {
        return false;
    };
    let same = |key: &SecretString| key.expose_secret().as_bytes().ct_eq(given);
    keys.iter().fold(Choice::from(0), |found, key| found | same(key)).into()
}

/// Whether a page of this origin may call. Any web page can make a browser send a request to this machine, and the
/// browser only keeps the answer from it: the quota would be spent all the same.
#[must_use]
pub fn is_allowed_origin(origins: &CorsOrigins, origin: &str) -> bool {
    match origins {
        CorsOrigins::Any => true,
        CorsOrigins::List(list) => list.iter().any(|allowed| allowed == origin),
        CorsOrigins::Local => is_local(origin),
    }
}

/// A page served from this machine.
fn is_local(origin: &str) -> bool {
    let Ok(origin) = origin.parse::<http::Uri>() else { return false };
    let host = origin.host().unwrap_or_default().trim_matches(['[', ']']);
    matches!(origin.scheme_str(), Some("http" | "https"))
        && (host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn a_key_is_needed_once_there_are_keys() {
        let keys = ["one", "two"].map(SecretString::from);
        assert!(has_key(&[], &HeaderMap::new()));
        assert!(!has_key(&keys, &HeaderMap::new()));
        assert!(has_key(&keys, &headers("authorization", "Bearer two")));
        assert!(has_key(&keys, &headers("authorization", "bearer  one ")));
        assert!(has_key(&keys, &headers("x-api-key", "one")));
        for wrong in ["Bearer three", "Bearer tw", "Bearer twoo", "Basic two", "two", "Bearer "] {
            assert!(!has_key(&keys, &headers("authorization", wrong)), "{wrong}");
        }
    }

    #[test]
    fn local_pages_may_call_and_others_not() {
        for origin in ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:8080"] {
            assert!(is_allowed_origin(&CorsOrigins::Local, origin), "{origin}");
        }
        for origin in
            ["https://evil.example", "http://localhost.evil.example", "null", "", "file://localhost"]
        {
            assert!(!is_allowed_origin(&CorsOrigins::Local, origin), "{origin}");
        }
        let list = CorsOrigins::List(vec!["https://a.example".to_owned()]);
        assert!(
            is_allowed_origin(&list, "https://a.example") && !is_allowed_origin(&list, "http://localhost")
        );
        assert!(is_allowed_origin(&CorsOrigins::Any, "https://evil.example"));
    }
}
