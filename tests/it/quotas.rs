//! The fast lane is used to the last token it allows, and never beyond.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use simulator::{Limits, Profile, Simulator};

use crate::harness::{House, Running, question};

const LONG: Duration = Duration::from_mins(1);

fn cerebras(requests: Option<u64>, tokens: Option<u64>, minute: Duration) -> Profile {
    let limits = Limits { requests_per_minute: requests, tokens_per_minute: tokens, ..Limits::NONE };
    Profile { limits, minute, arrival_jitter: Duration::from_millis(120), ..Profile::cerebras() }
}

/// Asks `count` times at once; returns how many answers came from Cerebras. Every one must be good.
async fn herd(house: &House, count: usize, body: &serde_json::Value) -> usize {
    let replies = join_all((0..count).map(|_| house.send(body))).await;
    replies.into_iter().filter(|reply| reply.clone().good().provider() == "cerebras").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_on_twelve_requests_a_minute() {
    let house = House::with(
        cerebras(Some(12), None, LONG),
        Profile::chutes(),
        &[("CEREBRAS_REQUESTS_PER_MINUTE", "12")],
    )
    .await;
    let (clock, started) = (house.proxy.app.proxy.clock, house.proxy.app.proxy.clock.now());
    let body = json!({"model": "qwen-3-coder", "messages": [{"role": "user", "content": "Tell me a 5 word story."}], "max_tokens": 50});
    let fast = herd(&house, 200, &body).await;
    let refilled = usize::try_from(clock.since(started).as_secs() / 5).expect("a short test") + 1;
    let stats = house.cerebras.stats();
    assert_eq!(stats.refused_by_scope.total(), 0, "{stats:?}");
    assert!((12..=12 + refilled).contains(&fast), "{fast} with {refilled} refilled");
    assert_eq!(usize::try_from(house.chutes.stats().served).expect("few"), 200 - fast);
}

#[tokio::test(flavor = "multi_thread")]
async fn eighty_at_once_of_six_thousand_tokens_on_sixty_thousand_a_minute() {
    let house = House::with(
        cerebras(None, Some(60_000), LONG),
        Profile::chutes(),
        &[("CEREBRAS_TOKENS_PER_MINUTE", "60000")],
    )
    .await;
    // 600 words and 5,300 tokens of answer: 6,000 as the provider counts them before it knows better.
    let words = "word ".repeat(600);
    let body = json!({"model": "qwen-3-coder", "messages": [{"role": "user", "content": format!("Tell me a 5 word story. {words}")}], "max_tokens": 5_300});
    let fast = herd(&house, 80, &body).await;
    let stats = house.cerebras.stats();
    assert_eq!(stats.refused_by_scope.total(), 0, "{stats:?}");
    // Nine of the ten that would fit: one is the room for the guess. What is given back early serves more.
    assert!(fast >= 9, "{fast} served, {stats:?}");
    assert_eq!(usize::try_from(house.chutes.stats().served).expect("few"), 80 - fast);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saturated_minute_is_used_and_nothing_is_refused() {
    // Twelve in a second; four agents that ask again as soon as they are answered, for five of them.
    let minute = Duration::from_secs(1);
    let profile = Profile { miscount_percent: 3, ..cerebras(Some(12), None, minute) };
    let vars = [("CEREBRAS_REQUESTS_PER_MINUTE", "12"), ("RATE_WINDOW_MS", "1000")];
    let house = House::with(profile, Profile::chutes(), &vars).await;
    let (clock, started) = (house.proxy.app.proxy.clock, house.proxy.app.proxy.clock.now());
    let agent = async || {
        while clock.since(started) < Duration::from_secs(5) {
            house.ask(true).await.good();
        }
    };
    join_all((0..4).map(|_| agent())).await;
    let stats = house.cerebras.stats();
    let bound = 12.0 + 12.0 * clock.since(started).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let used = stats.admitted as f64 / bound;
    assert_eq!(stats.refused_by_scope.total(), 0, "{stats:?}");
    assert!(used > 0.85, "{used} of what the bucket allows, {stats:?}");
}

#[tokio::test]
async fn a_soft_limit_orders_providers_and_refuses_nobody() {
    let chutes = Simulator::start(Profile { models: vec!["some-model".into()], ..Profile::chutes() })
        .await
        .expect("a port");
    let fast = Profile {
        limits: Limits { requests_per_minute: Some(4), ..Limits::NONE },
        models: vec!["some-model".into()],
        ..Profile::cerebras()
    };
    let fast = Simulator::start(fast).await.expect("a port");
    let file = |limits: &str| {
        format!(
            r#"
[providers.chutes]
base_url = "{}"
key = {{ env = "KEY" }}
models = ["some-model"]
plan = "base"
{limits}

[providers.fast]
preset = "openai-compatible"
base_url = "{}"
key = {{ env = "KEY" }}
models = ["some-model"]
limits = {{ requests_per_minute = 2 }}

[presets.chutes.plans.base]
requests_per_minute = 3

[models.qwen-3-coder]
routes = ["chutes", "fast"]
"#,
            chutes.base_url(),
            fast.base_url()
        )
    };
    let vars = [("KEY", "a-key-0123456789"), ("RATE_WINDOW_MS", "36000000")];
    let ask = async |proxy: &Running| proxy.chat(question(false).to_string().as_bytes()).await;
    let proxy = Running::start_with(&file(""), &vars).await;
    let mut providers = Vec::new();
    for _ in 0..8 {
        providers.push(ask(&proxy).await.good().provider());
    }
    assert_eq!(providers, ["chutes", "chutes", "chutes", "fast", "fast", "chutes", "chutes", "chutes"]);
    // What the operator set is a ceiling even there.
    let proxy = Running::start_with(&file("limits = { requests_per_minute = 1 }"), &vars).await;
    let statuses = [
        ask(&proxy).await.status,
        ask(&proxy).await.status,
        ask(&proxy).await.status,
        ask(&proxy).await.status,
    ];
    assert_eq!(statuses, [200, 200, 200, 429]);
}
