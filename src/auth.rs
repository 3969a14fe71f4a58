//! Who may ask: holders of a client key, where keys are set, and pages of allowed origins.

use http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::config::CorsOrigins;

/// The longest name of a program, in bytes.
const LONGEST_AGENT: usize = 32;

/// Which of these client keys the request carries, counted from 1. Every key is compared in constant time, whichever
/// matches.
#[must_use]
pub fn key_number(keys: &[SecretString], headers: &HeaderMap) -> Option<u32> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().as_bytes())
    });
    let given = bearer.or_else(|| headers.get("x-api-key").map(http::HeaderValue::as_bytes))?;
    let mut found = 0;
    for (number, key) in (1..).zip(keys) {
        found.conditional_assign(&number, key.expose_secret().as_bytes().ct_eq(given));
    }
    (found > 0).then_some(found)
}

/// What kind of program asks: its user agent up to the version, such as `opencode` or `OpenAI/JS`. Programs name whom
/// they like: it is for people to look at, and decides nothing.
#[must_use]
pub fn user_agent(headers: &HeaderMap) -> Option<&str> {
    let product = headers.get(header::USER_AGENT)?.to_str().ok()?.split([' ', '(', ';']).next()?;
    let is_version =
        |part: &str| part.trim_start_matches('v').starts_with(|first: char| first.is_ascii_digit());
    let versions = product.match_indices('/').filter(|(slash, _)| is_version(&product[slash + 1..]));
    let end = versions.map(|(slash, _)| slash).min().unwrap_or(product.len()).min(LONGEST_AGENT);
    Some(&product[..end]).filter(|family| !family.is_empty())
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
        assert_eq!(key_number(&keys, &HeaderMap::new()), None);
        assert_eq!(key_number(&keys, &headers("authorization", "Bearer two")), Some(2));
        assert_eq!(key_number(&keys, &headers("authorization", "bearer  one ")), Some(1));
        assert_eq!(key_number(&keys, &headers("x-api-key", "one")), Some(1));
        for wrong in ["Bearer three", "Bearer tw", "Bearer twoo", "Basic two", "two", "Bearer "] {
            assert_eq!(key_number(&keys, &headers("authorization", wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn programs_are_called_by_their_names_without_versions() {
        for (agent, family) in [
            ("opencode/0.5.2 ai-sdk/provider-utils/3.0.0", Some("opencode")),
            ("OpenAI/JS 5.12.2", Some("OpenAI/JS")),
            ("OpenAI/Python/1.51.0", Some("OpenAI/Python")),
            ("QwenCode/v0.0.14 (linux; x64)", Some("QwenCode")),
            ("curl", Some("curl")),
            ("/1.0", None),
            ("", None),
            ("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddd", Some("aaaaaaaaaabbbbbbbbbbccccccccccdd")),
        ] {
            assert_eq!(user_agent(&headers("user-agent", agent)), family, "{agent}");
        }
        assert_eq!(user_agent(&HeaderMap::new()), None);
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
