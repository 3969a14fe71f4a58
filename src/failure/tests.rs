use super::*;
use crate::config::{Config, Overrides};

/// What the presets of both usual providers say.
fn rules() -> Vec<Rule> {
    let keys = ["CEREBRAS_API_KEY", "CHUTES_API_KEY"].map(|name| (name.to_owned(), "k".to_owned()));
    let config = Config::from_vars(keys, &Overrides::default()).unwrap();
    config.providers.iter().flat_map(|provider| provider.preset.errors.clone()).collect()
}

fn kind(status: u16, body: &str) -> Kind {
    let status = StatusCode::from_u16(status).unwrap();
    Failure::from_answer(status, body.as_bytes(), &rules()).kind
}

#[test]
fn a_429_is_classified_by_scope() {
    let flat =
        |message: &str, code: &str| kind(429, &format!(r#"{{"message":"{message}","code":"{code}"}}"#));
    for (message, code, expected) in [
        (
            "Requests per minute limit exceeded - x",
            "request_quota_exceeded",
            (Some(Dimension::Requests), Some(Window::Minute)),
        ),
        (
            "Requests per second limit exceeded - x",
            "request_quota_exceeded",
            (Some(Dimension::Requests), Some(Window::Second)),
        ),
        (
            "Tokens per minute limit exceeded - x",
            "token_quota_exceeded",
            (Some(Dimension::Tokens), Some(Window::Minute)),
        ),
        (
            "Tokens per day limit exceeded - x",
            "token_quota_exceeded",
            (Some(Dimension::Tokens), Some(Window::Day)),
        ),
        (
            "Tokens per hour limit exceeded - x",
            "token_quota_exceeded",
            (Some(Dimension::Tokens), Some(Window::Hour)),
        ),
        ("slow down", "", (None, Some(Window::Minute))),
    ] {
        assert_eq!(flat(message, code), Kind::RateLimited(expected.0, expected.1), "{message}");
    }
    assert_eq!(flat("We're experiencing high traffic right now!", "queue_exceeded"), Kind::Busy);
    assert_eq!(
        kind(429, r#"{"detail":"Infrastructure is at maximum capacity, try again later"}"#),
        Kind::Busy
    );
}

#[test]
fn statuses_and_codes_mean_what_providers_mean_by_them() {
    for (status, body, expected) in [
        (
            400,
            r#"{"message":"Please reduce the length of the messages or completion.","code":"context_length_exceeded"}"#,
            Kind::ContextTooLong,
        ),
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 9 tokens."}}"#,
            Kind::ContextTooLong,
        ),
        (413, "", Kind::ContextTooLong),
        (
            400,
            r#"{"message":"body.min_p: property is unsupported","code":"wrong_api_format"}"#,
            Kind::Rejected,
        ),
        (422, r#"{"message":"Tools with mixed values for 'strict' are not allowed."}"#, Kind::Rejected),
        (422, r#"{"detail":[{"loc":["body"]}]}"#, Kind::BadRequest),
        (400, r#"{"message":"temperature is too high","code":"invalid_value"}"#, Kind::BadRequest),
        (401, r#"{"message":"Wrong API Key","code":"wrong_api_key"}"#, Kind::Unauthorized),
        (403, "<html>403 Forbidden</html>", Kind::Unauthorized),
        (
            402,
            r#"{"detail":{"message":"Quota exceeded and account balance is $0.0"}}"#,
            Kind::PaymentRequired,
        ),
        (404, r#"{"message":"Model x does not exist","code":"model_not_found"}"#, Kind::ModelGone),
        (404, r#"{"code":"model_archived","message":"gone"}"#, Kind::ModelGone),
        (404, r#"{"detail":"No matching chute found!"}"#, Kind::ModelGone),
        (404, "<html>", Kind::NotFound),
        (308, "", Kind::NotFound),
        (408, "", Kind::ServerError),
        (500, "", Kind::ServerError),
        (503, r#"{"detail":"No instances available (yet) for chute_id='x'"}"#, Kind::ServerError),
        (529, "", Kind::ServerError),
        (204, "", Kind::NoCompletion),
        (409, "", Kind::ServerError),
        (410, r#"{"message":"gone","code":"model_archived"}"#, Kind::ModelGone),
        (
            422,
            r#"{"message":"Timed out while updating the structured output state machine"}"#,
            Kind::Rejected,
        ),
    ] {
        assert_eq!(kind(status, body), expected, "{status} {body}");
    }
}

#[test]
fn a_429_may_be_about_everybody_or_about_money() {
    for (status, body, expected) in [
        (429, r#"{"message":"We're experiencing high traffic right now!"}"#, Kind::Busy),
        (429, r#"{"detail":"Infrastructure is at maximum capacity, try again later"}"#, Kind::Busy),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","code":"insufficient_quota"}}"#,
            Kind::PaymentRequired,
        ),
        (403, r#"{"message":"NOT ENOUGH BALANCE"}"#, Kind::PaymentRequired),
        (403, r#"{"message":"not allowed"}"#, Kind::Unauthorized),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(Failure::from_answer(status, body.as_bytes(), &[]).kind, expected, "{body}");
    }
}

#[test]
fn alibaba_names_its_limits_in_words_of_its_own() {
    let vars = [("K".to_owned(), "k".to_owned())];
    let file = "[providers.a]\npreset = \"alibaba\"\nkey = { env = \"K\" }\n";
    let config = Config::from_text(file, vars, &Overrides::default()).unwrap();
    let rules = &config.providers[0].preset.errors;
    for (message, dimension, window) in [
        ("Requests rate limit exceeded, please try again later.", Dimension::Requests, Window::Minute),
        ("You exceeded your current requests list.", Dimension::Requests, Window::Minute),
        ("Allocated quota exceeded, please increase your quota limit.", Dimension::Tokens, Window::Minute),
        ("You exceeded your current quota, please check your plan.", Dimension::Tokens, Window::Minute),
        (
            "Request rate increased too quickly. To ensure system stability",
            Dimension::Requests,
            Window::Second,
        ),
    ] {
        let body = format!(r#"{{"error":{{"message":"{message}","code":"insufficient_quota"}}}}"#);
        let kind = Failure::from_answer(StatusCode::TOO_MANY_REQUESTS, body.as_bytes(), rules).kind;
        assert_eq!(kind, Kind::RateLimited(Some(dimension), Some(window)), "{message}");
    }
}

#[test]
fn what_is_larger_than_a_limit_is_neither_too_early_nor_too_long() {
    let large = "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message size";
    let early = "Rate limit reached on tokens per minute (TPM): Limit 6000, Used 5900, Requested 500.";
    let body =
        |message: &str| format!(r#"{{"error":{{"message":"{message}","code":"rate_limit_exceeded"}}}}"#);
    for status in [413, 429] {
        assert_eq!(kind(status, &body(large)), Kind::TooLargeForLimit, "{status}");
    }
    assert_eq!(kind(429, &body(early)), Kind::RateLimited(Some(Dimension::Tokens), Some(Window::Minute)));
    assert_eq!(kind(413, &body("Request Entity Too Large")), Kind::ContextTooLong);
    assert_eq!(Kind::TooLargeForLimit.next(), Next::Target);
    assert_eq!(Kind::TooLargeForLimit.trip(Some(Duration::from_mins(1)), false), None);
    assert!(Kind::TooLargeForLimit.is_free());
}

#[test]
fn a_code_for_tokens_and_words_for_the_uncached_ones() {
    let body = r#"{"message":"Uncached tokens per minute limit exceeded - too many tokens processed.","code":"token_quota_exceeded"}"#;
    let uncached = Kind::RateLimited(Some(Dimension::UncachedTokens), Some(Window::Minute));
    assert_eq!(kind(429, body), uncached);
}

#[test]
fn a_refusal_carries_what_it_says_of_the_books() {
    let headers = HeaderMap::from_iter([
        (http::header::RETRY_AFTER, "7".parse().unwrap()),
        (http::HeaderName::from_static("x-ratelimit-remaining-tokens-minute"), "12".parse().unwrap()),
    ]);
    let failure = Failure::from_answer(StatusCode::TOO_MANY_REQUESTS, b"", &[]);
    let failure = failure.with_evidence(Dialect::Cerebras, &headers, Duration::ZERO);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    let (limit, reset) = (None, None);
    let (dimension, window) = (Dimension::Tokens, Window::Minute);
    assert_eq!(failure.readings, [Reading { dimension, window, limit, remaining: Some(12), reset }]);
}

#[test]
fn an_error_inside_a_200_is_believed_where_it_speaks_of_the_request_or_the_quota() {
    let kind = |message: &str, code: &str| {
        let error = ProviderError { code: Some(code.to_owned()), ..ProviderError::new(message) };
        Failure::in_answer(error, &rules()).kind
    };
    assert_eq!(kind("too much", "context_length_exceeded"), Kind::ContextTooLong);
    assert_eq!(kind("maximum context length is 9", "400"), Kind::ContextTooLong);
    let per_minute = Kind::RateLimited(Some(Dimension::Tokens), Some(Window::Minute));
    assert_eq!(kind("Tokens per minute limit exceeded", "token_quota_exceeded"), per_minute);
    assert_eq!(kind("high traffic", "queue_exceeded"), Kind::Busy);
    for code in ["", "401", "500", "server_error"] {
        assert_eq!(kind("boom", code), Kind::ErrorInAnswer, "{code}");
    }
}
