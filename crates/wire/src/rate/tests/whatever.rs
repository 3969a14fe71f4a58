//! Whatever comes in a header or a refusal, nothing impossible is read out of it.

use proptest::prelude::*;

use super::*;

/// Names that some dialect reads, and some that none does.
const NAMES: [&str; 24] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-limit-tokens-minute",
    "x-ratelimit-remaining-tokens-hour",
    "x-ratelimit-reset-requests-day",
    "x-ratelimit-limit-req-minute",
    "x-ratelimit-",
    "x-tokenlimit-limit",
    "x-tokenlimit-remaining",
    "x-chutes-quota-total",
    "x-chutes-quota-remaining",
    "quota_reset_timestamp",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "retry-after-ms",
    "content-type",
];

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        any::<u64>().prop_map(|number| number.to_string().into_bytes()),
        any::<f64>().prop_map(|number| number.to_string().into_bytes()),
        "[0-9.hmsµnu]{0,12}".prop_map(String::into_bytes),
        r#"("?[a-z]{0,3}"?(;(r|q|w|t|qu)=[0-9]{0,5}){0,4},? ?){0,3}"#.prop_map(String::into_bytes),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:?[0-9]{2})"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn headers_never_panic(
        headers in prop::collection::vec((prop::sample::select(&NAMES[..]), any_value()), 0..20),
        message in ".{0,80}",
        now in any::<u32>(),
    ) {
        let since_1970 = Duration::from_secs(now.into());
        let most = Duration::from_hours(400 * 24);
        let pairs = || headers.iter().map(|(name, value)| (*name, value.as_slice()));
        let mut error = ProviderError::new(message);
        error.quoted = pairs().map(|(name, value)| (name.into(), String::from_utf8_lossy(value).into())).collect();
        for (_, dialect) in Dialect::ALL {
            let evidence = evidence(*dialect, pairs(), &error, since_1970);
            prop_assert!(evidence.retry_after.is_none_or(|time| time <= most));
            for reading in readings(*dialect, pairs(), since_1970).iter().chain(&evidence.readings) {
                prop_assert!(reading.reset.is_none_or(|time| time <= most), "{:?}", reading);
                prop_assert!(reading.limit.is_some() || reading.remaining.is_some());
            }
        }
    }

    #[test]
    fn numbers_are_as_they_are_written(limit in any::<u64>(), remaining in any::<u64>(), millis in 0_u64..3_000_000_000) {
        let (limit_text, remaining_text) = (limit.to_string(), remaining.to_string());
        let reset = format!("{}.{:03}", millis / 1_000, millis % 1_000);
        let headers = [
            ("x-ratelimit-limit-tokens", limit_text.as_str()),
            ("x-ratelimit-remaining-tokens", &remaining_text),
            ("x-ratelimit-reset-tokens", &reset),
        ];
        prop_assert_eq!(read(Dialect::Groq, &headers), [reading(Tokens, Minute, limit, remaining, millis)]);
    }

    #[test]
    fn words_never_panic(message in "(limit|used|requested|per|/|try again in|,|:| |[0-9]{1,25}|µ|day|[a-z]){0,30}") {
        let said = Said::read(&message);
        prop_assert!(said.reading().is_none_or(|it| it.limit.is_some() && it.remaining <= it.limit));
    }
}
