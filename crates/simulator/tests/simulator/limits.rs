//! The books over the wire: admission, refusal, settlement.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::json;
use simulator::{Fault, Limits, Profile, Simulator, Stats, Times, Vendor};
use tokio::task::JoinSet;

use crate::harness::{ask, eventually, open, question, with};

/// So long that nothing to speak of is refilled during a test.
const LONG_MINUTE: Duration = Duration::from_hours(1);

async fn start(limits: Limits, change: impl FnOnce(&mut Profile)) -> Simulator {
    let mut profile = Profile { limits, minute: LONG_MINUTE, ..Profile::cerebras() };
    change(&mut profile);
    Simulator::start(profile).await.unwrap()
}

#[tokio::test]
async fn twelve_of_two_hundred_at_once_are_admitted() {
    let limits = Limits { requests_per_minute: Some(12), ..Limits::NONE };
    let jitter = |profile: &mut Profile| profile.arrival_jitter = Duration::from_millis(20);
    let simulator = Arc::new(start(limits, jitter).await);
    let body = Arc::new(question(Vendor::Cerebras, "Tell me a 2 word story."));
    let mut requests = JoinSet::new();
    for _ in 0..200 {
        let (simulator, body) = (Arc::clone(&simulator), Arc::clone(&body));
        requests.spawn(async move { ask(&simulator, &body).await });
    }
    let seen = requests.join_all().await;
    let refused = seen.iter().filter(|exchange| exchange.status.unwrap() == 429);
    assert!(refused.clone().all(|exchange| exchange.headers["retry-after"] == "3600"));
    assert_eq!(refused.count(), 188);
    let stats = simulator.stats();
    assert_eq!((stats.received, stats.admitted, stats.served), (200, 12, 12));
    assert_eq!(stats.refused_by_scope.requests_minute, 188);
}

#[tokio::test]
async fn what_is_reserved_counts_until_it_is_settled() {
    let limits = Limits { tokens_per_minute: Some(2_000), ..Limits::NONE };
    let slow = |profile: &mut Profile| profile.token_delay = Duration::from_hours(1);
    let simulator = start(limits, slow).await;
    let body = with(question(Vendor::Cerebras, "Hello"), json!({"stream": true, "max_tokens": 1_500}));
    let first = open(&simulator, &body).await;
    let refused = ask(&simulator, &body).await;
    assert_eq!(refused.json()["code"], "token_quota_exceeded");
    assert_eq!(simulator.stats().in_flight, 1);
    drop(first);
    eventually("the abandoned answer is settled", || simulator.stats().aborted == 1).await;
    let stats = simulator.stats();
    assert!(stats.tokens_used < 50, "the prompt only: {stats:?}");
    let _second = open(&simulator, &body).await;
    assert_eq!(simulator.stats().admitted, 2);
}

#[tokio::test]
async fn who_saw_the_end_may_rely_on_the_settlement() {
    let limits = Limits { tokens_per_minute: Some(2_000), ..Limits::NONE };
    let simulator = start(limits, |_| ()).await;
    let mut used = 0;
    for stream in [true, false, true] {
        let body = question(Vendor::Cerebras, "Tell me a 5 word story.");
        let body = with(body, json!({"stream": stream, "max_completion_tokens": 1_700}));
        let mut answer = open(&simulator, &body).await;
        let mut text = Vec::new();
        while let Some(frame) = answer.body.frame().await {
            text.extend_from_slice(&frame.unwrap().into_data().unwrap());
            if text.windows(7).any(|bytes| bytes == b"\"usage\"") {
                break;
            }
        }
        let Stats { in_flight, tokens_used, .. } = simulator.stats();
        assert_eq!(in_flight, 0);
        assert!(tokens_used > used);
        used = tokens_used;
    }
}

#[tokio::test]
async fn unused_reservations_can_be_kept_and_absent_ceilings_reserve_sixteen_thousand() {
    let limits = Limits { tokens_per_day: Some(40_000), ..Limits::NONE };
    let simulator = start(limits, |profile| profile.returns_unused = false).await;
    let absent = json!({"model": "qwen-3-coder-480b", "messages": [{"role": "user", "content": "Hi"}]});
    let unlimited = with(absent.clone(), json!({"max_completion_tokens": -1}));
    let mut statuses = Vec::new();
    for body in [&absent, &unlimited, &absent] {
        statuses.push(ask(&simulator, body).await.status.unwrap().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
    let stats = simulator.stats();
    let prompts = stats.tokens_reserved - 2 * 16_384;
    assert!((2..20).contains(&prompts), "{stats:?}");
    assert_eq!(stats.refused_by_scope.tokens_day, 1);
}

#[tokio::test]
async fn usage_is_what_is_charged_and_what_was_written() {
    for vendor in [Vendor::Cerebras, Vendor::Chutes] {
        let profile = if vendor == Vendor::Cerebras { Profile::cerebras() } else { Profile::chutes() };
        let simulator = Simulator::start(Profile { miscount_percent: 3, ..profile }).await.unwrap();
        let body = question(vendor, "Tell me a 20 word story.");
        let plain = ask(&simulator, &body).await.json();
        let more = json!({"stream": true, "stream_options": {"include_usage": true}});
        let streamed = ask(&simulator, &with(body, more)).await;
        let chunks = streamed.chunks();
        let usage = chunks.iter().find_map(|chunk| chunk.get("usage")).unwrap();
        assert_eq!(usage, &plain["usage"]);
        assert_eq!(usage["completion_tokens"], streamed.payload() + 1);
        assert_eq!(streamed.streamed_text(), plain["choices"][0]["message"]["content"]);
        assert_eq!(json!(simulator.stats().tokens_used), json!(2 * usage["total_tokens"].as_u64().unwrap()));
    }
}

#[tokio::test]
async fn chutes_refuses_what_is_over_its_daily_quota_with_402() {
    let limits = Limits { requests_per_day: Some(1), ..Limits::NONE };
    let simulator = Simulator::start(Profile { limits, ..Profile::chutes() }).await.unwrap();
    let body = question(Vendor::Chutes, "Tell me a 2 word story.");
    assert!(ask(&simulator, &body).await.headers.contains_key("x-chutes-invocationid"));
    let refused = ask(&simulator, &body).await;
    assert_eq!(refused.status.unwrap(), 402);
    assert!(refused.json()["detail"]["quota_reset_timestamp"].is_string());
    assert!(!refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn rate_headers_tell_the_level_after_admission() {
    let limits = Limits { tokens_per_minute: Some(10_000), requests_per_day: Some(9), ..Limits::NONE };
    let simulator = start(limits, |profile| profile.rate_headers = true).await;
    let seen = ask(&simulator, &question(Vendor::Cerebras, "Hello")).await;
    let header = |name: &str| seen.headers[name].to_str().unwrap().parse::<f64>().unwrap();
    assert!((header("x-ratelimit-limit-tokens-minute") - 10_000.0).abs() < 0.5);
    assert!((header("x-ratelimit-remaining-requests-day") - 8.0).abs() < 0.5);
    assert!(header("x-ratelimit-remaining-tokens-minute") < 9_001.0);
    assert!((0.0..=3_600.0).contains(&header("x-ratelimit-reset-tokens-minute")));
}

#[tokio::test]
async fn a_cut_answer_is_charged_for_what_was_written() {
    let simulator = start(Limits::NONE, |_| ()).await;
    let body = with(question(Vendor::Cerebras, "Tell me a 100 word story."), json!({"stream": true}));
    ask(&simulator, &body).await;
    let whole = simulator.stats().tokens_used;
    simulator.inject(Fault::CutRst, Times::Once);
    ask(&simulator, &body).await;
    let cut = simulator.stats().tokens_used - whole;
    assert!(whole / 3 < cut && cut < whole, "{cut} of {whole}");
}
