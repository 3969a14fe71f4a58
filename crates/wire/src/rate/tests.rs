use quota::Dimension::{Requests, Tokens, UncachedTokens};
use quota::Window::{Day, Hour, Minute, Second};

use super::*;

mod whatever;

/// Wednesday, 21 October 2026, 07:28 in Greenwich.
const NOW: Duration = Duration::from_mins(29_876_128);

fn read(dialect: Dialect, headers: &[(&str, &str)]) -> Vec<Reading> {
    readings(dialect, headers.iter().map(|(name, value)| (*name, value.as_bytes())), NOW)
}

fn reading(
    dimension: Dimension,
    window: Window,
    limit: impl Into<Option<u64>>,
    remaining: impl Into<Option<u64>>,
    reset: impl Into<Option<u64>>,
) -> Reading {
    let reset = reset.into().map(Duration::from_millis);
    Reading { dimension, window, limit: limit.into(), remaining: remaining.into(), reset }
}

fn refused(dialect: Dialect, headers: &[(&str, &str)], body: &str) -> Evidence {
    let error = ProviderError::parse(body.as_bytes()).unwrap_or_default();
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    evidence(dialect, headers, &error, NOW)
}

#[test]
fn cerebras_in_six_headers_as_documented_until_2026() {
    let headers = [
        ("x-ratelimit-limit-requests-day", "1000000000"),
        ("x-ratelimit-limit-tokens-minute", "1000000000"),
        ("x-ratelimit-remaining-requests-day", "999997455"),
        ("x-ratelimit-remaining-tokens-minute", "999998298"),
        ("x-ratelimit-reset-requests-day", "33011.382867097855"),
        ("x-ratelimit-reset-tokens-minute", "11.382867097854614"),
    ];
    let expected = [
        reading(Requests, Day, 1_000_000_000, 999_997_455, None),
        reading(Tokens, Minute, 1_000_000_000, 999_998_298, None),
    ];
    assert_eq!(read(Dialect::Cerebras, &headers), expected);
}

#[test]
fn cerebras_in_twelve_headers_as_seen_in_2026_with_more_left_of_the_hour_than_its_limit() {
    let headers = [
        ("x-ratelimit-limit-requests-minute", "5"),
        ("x-ratelimit-limit-requests-hour", "150"),
        ("x-ratelimit-limit-requests-day", "2400"),
        ("x-ratelimit-limit-tokens-minute", "30000"),
        ("x-ratelimit-limit-tokens-hour", "1000000"),
        ("x-ratelimit-limit-tokens-day", "1000000"),
        ("x-ratelimit-remaining-requests-minute", "4"),
        ("x-ratelimit-remaining-requests-hour", "149"),
        ("x-ratelimit-remaining-requests-day", "2399"),
        ("x-ratelimit-remaining-tokens-minute", "29976"),
        ("x-ratelimit-remaining-tokens-hour", "2999976"),
        ("x-ratelimit-remaining-tokens-day", "999976"),
    ];
    let expected = [
        reading(Requests, Minute, 5, 4, None),
        reading(Requests, Hour, 150, 149, None),
        reading(Requests, Day, 2_400, 2_399, None),
        reading(Tokens, Minute, 30_000, 29_976, None),
        reading(Tokens, Hour, 1_000_000, 2_999_976, None),
        reading(Tokens, Day, 1_000_000, 999_976, None),
    ];
    assert_eq!(read(Dialect::Cerebras, &headers), expected);
}

#[test]
fn the_same_names_count_requests_by_the_day_at_groq_and_by_the_minute_at_openai() {
    let headers = [
        ("x-ratelimit-limit-requests", "14400"),
        ("x-ratelimit-remaining-requests", "14370"),
        ("x-ratelimit-reset-requests", "2m59.56s"),
        ("x-ratelimit-limit-tokens", "18000"),
        ("x-ratelimit-remaining-tokens", "17997"),
        ("x-ratelimit-reset-tokens", "7.66s"),
    ];
    let tokens = reading(Tokens, Minute, 18_000, 17_997, 7_660);
    let groq = [reading(Requests, Day, 14_400, 14_370, 179_560), tokens];
    assert_eq!(read(Dialect::Groq, &headers), groq);
    let openai = [reading(Requests, Minute, 14_400, 14_370, 179_560), tokens];
    assert_eq!(read(Dialect::OpenAi, &headers), openai);
}

#[test]
fn together_counts_by_the_second_and_mistral_by_the_minute() {
    let headers = [
        ("x-ratelimit-limit", "10"),
        ("x-ratelimit-remaining", "9"),
        ("x-ratelimit-reset", "1"),
        ("x-tokenlimit-limit", "3000"),
        ("x-tokenlimit-remaining", "2900"),
        ("x-ratelimit-limit-dynamic", "77"),
        ("x-tokenlimit-remaining-dynamic", "77"),
    ];
    let together = [reading(Requests, Second, 10, 9, 1_000), reading(Tokens, Second, 3_000, 2_900, None)];
    assert_eq!(read(Dialect::Together, &headers), together);
    let headers = [
        ("x-ratelimit-limit-req-minute", "60"),
        ("x-ratelimit-limit-tokens-minute", "50000"),
        ("x-ratelimit-limit-tokens-month", "4000000"),
        ("x-ratelimit-remaining-req-minute", "59"),
        ("x-ratelimit-remaining-tokens-minute", "47196"),
        ("x-ratelimit-remaining-tokens-month", "3950246"),
        ("x-ratelimit-tokens-query-cost", "2804"),
    ];
    let mistral = [reading(Requests, Minute, 60, 59, None), reading(Tokens, Minute, 50_000, 47_196, None)];
    assert_eq!(read(Dialect::Mistral, &headers), mistral);
}

#[test]
fn chutes_tells_its_quota_from_before_the_request() {
    let headers = |total, remaining| {
        [
            ("x-chutes-quota-total", total),
            ("x-chutes-quota-used", "12"),
            ("x-chutes-quota-remaining", remaining),
            ("x-chutes-rl-user", "60"),
        ]
    };
    let midnight = (24 * 60 - 7 * 60 - 28) * 60_000;
    let expected = [reading(Requests, Day, 300, 287, midnight)];
    assert_eq!(read(Dialect::Chutes, &headers("300", "288")), expected);
    assert_eq!(read(Dialect::Chutes, &headers("0", "0")), [], "as it comes, on a balance");
    let body = r#"{"detail":{"message":"Quota exceeded and account balance is $0.0","quota_reset_timestamp":"2026-10-22T00:00:00+00:00"}}"#;
    let evidence = refused(Dialect::Chutes, &[], body);
    assert_eq!(evidence.readings, [reading(Requests, Day, None, 0, midnight)]);
    assert_eq!(evidence.retry_after, Some(Duration::from_millis(midnight)));
}

#[test]
fn openrouter_tells_in_the_body_and_names_the_window_in_words_if_at_all() {
    let body = |reset: &str, message: &str| {
        format!(
            r#"{{"error":{{"message":"{message}","code":429,"metadata":{{"headers":{{"X-RateLimit-Limit":"8","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"{reset}"}},"provider_name":null}}}},"user_id":"u"}}"#
        )
    };
    let (soon, midnight) = ("1792567710000", "1792627200000");
    let minute = refused(
        Dialect::OpenRouter,
        &[],
        &body(soon, "Rate limit exceeded: limited to 8 requests per minute."),
    );
    assert_eq!(minute.readings, [reading(Requests, Minute, 8, 0, 30_000)]);
    assert_eq!(minute.retry_after, Some(Duration::from_secs(30)));
    let day = refused(Dialect::OpenRouter, &[], &body(midnight, "Rate limit exceeded"));
    assert_eq!(day.readings[0].window, Day);
    let day = refused(Dialect::OpenRouter, &[], &body(soon, "Rate limit exceeded: free-models-per-day"));
    assert_eq!(day.readings[0].window, Day, "half a minute before midnight");
    let headers = [("x-ratelimit-limit", "8"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", soon)];
    assert_eq!(refused(Dialect::OpenRouter, &headers, "{}"), minute, "as headers alone");
}

#[test]
fn the_ietf_in_three_generations() {
    let expected = [reading(Requests, Minute, 100, 50, 30_000)];
    for headers in [
        &[
            ("ratelimit-policy", r#""burst";q=100;w=60,"day;x";q=9;w=7"#),
            ("ratelimit", r#""burst";r=50;t=30"#),
        ][..],
        &[("ratelimit", r#""burst";r=50;t=30"#), ("ratelimit-policy", r#""burst"; q=100; w=60; pk=:YQ==:"#)],
        &[("ratelimit-policy", "100;w=60"), ("ratelimit", "limit=100, remaining=50, reset=30")],
        &[("ratelimit-limit", "100, 100;w=60"), ("ratelimit-remaining", "50"), ("ratelimit-reset", "30")],
        &[
            ("ratelimit-policy", "5;w=1, 100;w=60"),
            ("ratelimit-limit", "100"),
            ("ratelimit-remaining", "50"),
            ("ratelimit-reset", "30"),
        ],
    ] {
        let readings = read(Dialect::Ietf, headers);
        assert!(readings.ends_with(&expected), "{headers:?}: {readings:?}");
    }
    for headers in [
        &[("ratelimit", r#""default";r=50;t=30"#)][..],
        &[
            ("ratelimit-policy", r#""bytes";q=100;w=60;qu="content-bytes""#),
            ("ratelimit", r#""bytes";r=1;t=1"#),
        ],
        &[("ratelimit-policy", r#""odd";q=100;w=900"#), ("ratelimit", r#""odd";r=1;t=1"#)],
        &[("ratelimit-limit", "100"), ("ratelimit-remaining", "50"), ("ratelimit-reset", "30")],
    ] {
        assert_eq!(read(Dialect::Ietf, headers), [], "{headers:?}");
    }
}

#[test]
fn what_can_not_be_mapped_is_not_read() {
    let headers = [
        ("x-ratelimit-limit-tokens-prompt", "11250000"),
        ("x-ratelimit-remaining-tokens-generated", "0"),
        ("x-ratelimit-limit-requests", "600"),
    ];
    assert_eq!(read(Dialect::Fireworks, &headers), []);
    assert_eq!(read(Dialect::None, &headers), []);
    assert_eq!(read(Dialect::Groq, &[("x-ratelimit-limit-requests", "many")]), []);
}

#[test]
fn time_in_all_its_spellings() {
    let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
    for (text, expected) in [
        ("60", Some(minute)),
        (" 0 ", Some(Duration::ZERO)),
        ("0.5", Some(second / 2)),
        (".25", Some(second / 4)),
        ("33011.382867097855", Some(Duration::new(33_011, 382_867_097))),
        ("116ms", Some(Duration::from_millis(116))),
        ("2m59.56s", Some(Duration::from_millis(179_560))),
        ("6m0s", Some(6 * minute)),
        ("1h0m1.5s", Some(60 * minute + second * 3 / 2)),
        ("12µs", Some(Duration::from_micros(12))),
        ("1792567740", Some(minute)),
        ("1792567740.5", Some(minute + second / 2)),
        ("1792567740000", Some(minute)),
        ("1792567000", Some(Duration::ZERO)),
        ("Wed, 21 Oct 2026 07:29:00 GMT", Some(minute)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", Some(Duration::ZERO)),
        ("2026-10-21T07:29:00Z", Some(minute)),
        ("2026-10-21T09:29:00.5+02:00", Some(minute + second / 2)),
        ("2026-10-21 02:59:00-0430", Some(minute)),
        ("2028-02-29T00:00:00Z", None),
        ("2027-02-29T00:00:00Z", None),
        ("2026-10-21T07:29:00", None),
        ("2026-10-21T25:29:00Z", None),
        ("2026-10-21T07:29:00500Z", None),
        ("Wed, 32 Oct 2026 07:29:00 GMT", None),
        ("Wed, 21 Oct 2026 07:29:00 CET", None),
        ("-3", None),
        ("+3", None),
        ("1e3", None),
        ("NaN", None),
        ("inf", None),
        ("99999999", None),
        ("18446744073709551616", None),
        ("1792567740000000", None),
        ("5x", None),
        ("1h-3m", None),
        ("", None),
        (".", None),
        ("soon", None),
        ("é", None),
    ] {
        assert_eq!(time_until(text, NOW), expected, "{text}");
    }
    assert_eq!(time_until(&"9".repeat(5_000), NOW), None);
    assert_eq!(time_until("2000-02-29T23:59:59Z", Duration::from_secs(951_868_739)), Some(minute));
    assert_eq!(time_until("1970-01-01T00:01:00Z", Duration::ZERO), Some(minute));
    assert_eq!(time_until("1969-12-31T23:59:59Z", Duration::ZERO), None);
    assert_eq!(value::milliseconds("1500"), Some(second * 3 / 2));
    assert_eq!(value::milliseconds("1500s"), None);
}

const GROQ: &str = "Rate limit reached for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Used 5900, Requested 500. Please try again in 3.405s. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing";

#[test]
fn the_words_of_a_refusal_name_limit_rest_and_time() {
    let body = format!(r#"{{"error":{{"message":"{GROQ}","type":"tokens","code":"rate_limit_exceeded"}}}}"#);
    let evidence = refused(Dialect::Groq, &[], &body);
    assert_eq!(evidence.readings, [reading(Tokens, Minute, 6_000, 100, None)]);
    assert_eq!(evidence.retry_after, Some(Duration::from_millis(3_405)));
    let headers =
        [("retry-after", "4"), ("x-ratelimit-remaining-tokens", "90"), ("x-ratelimit-reset-tokens", "59s")];
    let evidence = refused(Dialect::Groq, &headers, &body);
    assert_eq!(evidence.readings, [reading(Tokens, Minute, 6_000, 90, 59_000)], "headers come first");
    assert_eq!(evidence.retry_after, Some(Duration::from_secs(4)));
    let headers = [("retry-after", "4"), ("retry-after-ms", "3405")];
    assert_eq!(refused(Dialect::OpenAi, &headers, "").retry_after, Some(Duration::from_millis(3_405)));
    let headers = [("retry-after", "Wed, 21 Oct 2026 07:28:07 GMT")];
    assert_eq!(refused(Dialect::None, &headers, "").retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn the_words_of_a_refusal_name_what_is_counted_and_by_which_window() {
    for (message, dimension, window) in [
        ("Requests per minute limit exceeded - too many requests sent.", Some(Requests), Some(Minute)),
        ("Requests per second limit exceeded - too many requests sent.", Some(Requests), Some(Second)),
        ("Tokens per day limit exceeded - too many tokens processed.", Some(Tokens), Some(Day)),
        ("Uncached tokens per minute limit exceeded", Some(UncachedTokens), Some(Minute)),
        ("You exceeded your uncached token limit per hour", Some(UncachedTokens), Some(Hour)),
        ("You exceeded your total token limit", Some(Tokens), None),
        ("on requests per min (RPM): Limit 3, Used 3, Requested 1.", Some(Requests), Some(Minute)),
        ("Rate limit exceeded: free-models-per-day", None, Some(Day)),
        ("limit_rpm/qwen/minimax-hour: limited to 8 requests per minute", Some(Requests), Some(Minute)),
        ("8 requests/hour", None, Some(Hour)),
        ("a super day, perhaps", None, None),
        ("slow down", None, None),
    ] {
        let said = Said::read(message);
        assert_eq!((said.dimension, said.window), (dimension, window), "{message}");
    }
}

#[test]
fn what_is_larger_than_its_limit_can_be_told_from_what_is_too_early() {
    let large = "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message size and try again.";
    let said = Said::read(large);
    assert!(said.too_large);
    assert_eq!(said.reading(), Some(reading(Tokens, Minute, 6_000, None, None)));
    assert!(!Said::read(GROQ).too_large);
    assert!(!Said::read("Request too large").too_large, "of bytes, perhaps");
    // A limit for a part of the tokens is none that the books keep.
    let output = Said::read(
        "Request too large for model m on output tokens per minute (OTPM): Limit 1000, Requested 2048",
    );
    assert!(output.too_large);
    assert_eq!(output.reading(), None);
    let separated = Said::read("on tokens per day (TPD): Limit 200,000 / Used 199,336 / Requested 1,524.");
    assert_eq!(separated.reading(), Some(reading(Tokens, Day, 200_000, 664, None)));
    let nonsense = format!("on tokens per day: Limit {}, Used -3", "9".repeat(3_000));
    assert_eq!(Said::read(&nonsense).reading(), None);
}
