//! The replay against cases worked out by hand, and the bound against everybody.

use super::scenario::{Scenario, Speed};
use super::trace::{Request, Trace};
use crate::config::Limits;

mod bound;
mod day;
mod originals;
mod providers;
mod turns;

/// 60,000 tokens a minute, a thousand a second, and nothing by chance.
fn scenario() -> Scenario {
    Scenario {
        limits: Limits { tokens_per_minute: Some(60_000), ..Limits::default() },
        completion_reserve: Some(16_384),
        returns_unused: true,
        miscount_percent: 0,
        jitter: 0,
        wait: 0,
        closed: false,
        seed: 1,
    }
}

/// A streamed request that names its longest answer.
fn request(at_ms: u64, prompt_tokens: u64, max_tokens: u64, completion_tokens: u64) -> Request {
    Request {
        at_ms,
        session: format!("at {at_ms}"),
        prompt_tokens,
        cached_tokens: 0,
        estimate: None,
        max_tokens: Some(max_tokens),
        completion_tokens,
        stream: true,
    }
}

#[test]
fn a_trace_is_read_as_it_was_written_and_in_order() {
    let mut second = request(20, 7, 9, 1);
    second.max_tokens = None;
    second.estimate = Some(6);
    second.cached_tokens = 2;
    let trace = Trace::new(vec![second, request(10, 5, 9, 1)]);
    assert_eq!(trace.requests()[0].at_ms, 10);
    assert_eq!(Trace::read(&trace.to_lines()), Ok(trace));
}

#[test]
fn a_line_that_cannot_be_meant_is_named() {
    let good = r#"{"at_ms":0,"session":"a","prompt_tokens":5,"completion_tokens":1}"#;
    assert_eq!(Trace::read(good).unwrap().requests()[0].max_tokens, None);
    for (bad, why) in [
        (r#"{"at_ms":0,"session":"a","prompt_tokens":5}"#, "missing field"),
        (&good.replace('}', r#","max_token":1}"#), "unknown field"),
        (&good.replace("\"at_ms\":0", "\"at_ms\":1764000000000"), "beginning of the trace"),
        (&good.replace('}', r#","cached_tokens":6}"#), "cached_tokens"),
        (&good.replace(":5", ":100000001"), "100 million"),
    ] {
        let wrong = Trace::read(&format!("{good}\n\n{bad}")).unwrap_err().to_string();
        assert!(wrong.starts_with("line 3: ") && wrong.contains(why), "{wrong}");
    }
}

#[test]
fn what_an_answer_takes_is_reading_and_writing() {
    let request = request(0, 50_000, 4_096, 3_000);
    assert_eq!(Speed::FAST.first_token(&request), 1_000_000);
    assert_eq!(Speed::FAST.whole(&request), 3_000_000);
    assert_eq!(Speed::FALLBACK.first_token(&request), 1_200_000);
    assert_eq!(Speed::FALLBACK.whole(&request), 51_200_000);
}
