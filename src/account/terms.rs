//! What the settings make of an account.

use std::time::Duration;

use quota::{Dimension, Limit, Meter, Moment, Refill, Settlement, Window};

use super::admission::Terms;
use crate::clock::Clock;
use crate::config::{Limits, Provider};

pub(super) fn terms(provider: &Provider, minute: Duration, longest_pause: Duration, clock: Clock) -> Terms {
    let preset = &provider.preset;
    let day_begins = preset.days_begin_utc.then(|| day_begins(minute, clock));
    let uncached = provider.limits.uncached_tokens_per_minute.is_some();
    let settlement = if preset.returns_unused { Settlement::Returned } else { Settlement::Kept };
    Terms {
        limits: limits(&provider.limits, &provider.ceilings, minute, day_begins),
        meter: Meter { settlement, minute, day_begins, ..Meter::default() },
        soft: preset.soft_limits,
        completion_reserve: preset.completion_reserve,
        concurrent_requests: provider.limits.concurrent_requests,
        longest_pause,
        // Of no use elsewhere.
        prompt_cache: preset.prompt_cache.filter(|_| uncached),
    }
}

/// The next midnight UTC; where minutes are shorter, so are days, counted from the same 1970.
fn day_begins(minute: Duration, clock: Clock) -> Moment {
    let day = Window::Day.length(minute).as_nanos().max(1);
    let left = day - clock.since_1970().as_nanos() % day;
    clock.now() + Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX))
}

fn limits(limits: &Limits, ceilings: &Limits, minute: Duration, day_begins: Option<Moment>) -> Vec<Limit> {
    let limit = |((dimension, window, capacity), ceiling): (Row, Row)| {
        let limit =
            Limit { ceiling: ceiling.2.is_some(), ..Limit::new(dimension, window, capacity?, minute) };
        Some(match (window, day_begins) {
            (Window::Day, Some(mark)) => Limit { refill: Refill::Fixed(mark), ..limit },
            _ => limit,
        })
    };
    rows(limits).into_iter().zip(rows(ceilings)).filter_map(limit).collect()
}

/// What a limit counts, by which window, and how much it allows.
type Row = (Dimension, Window, Option<u64>);

fn rows(limits: &Limits) -> [Row; 8] {
    use Dimension::{Requests, Tokens, UncachedTokens};
    use Window::{Day, Hour, Minute, Second};
    [
        (Requests, Second, limits.requests_per_second),
        (Requests, Minute, limits.requests_per_minute),
        (Requests, Hour, limits.requests_per_hour),
        (Requests, Day, limits.requests_per_day),
        (Tokens, Minute, limits.tokens_per_minute),
        (UncachedTokens, Minute, limits.uncached_tokens_per_minute),
        (Tokens, Hour, limits.tokens_per_hour),
        (Tokens, Day, limits.tokens_per_day),
    ]
}
