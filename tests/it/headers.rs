//! What is read of rate-limit headers and of refusals, against the simulated providers' books.

use std::time::Duration;

use quota::{Dimension, Reading, Window};
use qwen_3_coder_proxy::clock::Clock;
use serde_json::json;
use simulator::{Limits, Plan, Profile, RateHeaderSet, Simulator, Stats};
use wire::{Dialect, Evidence, ProviderError, rate};

use crate::client::{self, Reply};
use crate::harness::{Running, question};

/// So long that nothing to speak of is refilled during a test.
const LONG_MINUTE: Duration = Duration::from_hours(100);

/// The model of all of them.
const MODEL: &str = "qwen";

async fn start(profile: Profile) -> Simulator {
    Simulator::start(Profile { models: vec![MODEL.to_owned()], ..profile }).await.expect("a port")
}

/// Asks a provider itself.
async fn ask(provider: &Simulator) -> Reply {
    ask_for(provider, 6).await
}

async fn ask_for(provider: &Simulator, words: u64) -> Reply {
    let mut body = question(true);
    body["model"] = json!(MODEL);
    body["messages"][0]["content"] = json!(format!("Tell me a {words} word story."));
    let request = client::post("/v1/chat/completions", &[], body.to_string().as_bytes());
    client::exchange(provider.addr(), &request).await
}

/// The headers of an answer as a client library hands them on: names in lower case.
fn headers(reply: &Reply) -> Vec<(String, String)> {
    let lines = reply.head.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
}

fn read(dialect: Dialect, reply: &Reply) -> Vec<Reading> {
    let headers = headers(reply);
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    rate::readings(dialect, pairs, Clock::start().since_1970())
}

fn evidence(dialect: Dialect, reply: &Reply) -> Evidence {
    let headers = headers(reply);
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let error = ProviderError::parse(&reply.body).expect("an error");
    rate::evidence(dialect, pairs, &error, Clock::start().since_1970())
}

/// What a provider holds of a limit after one request.
fn held(dimension: Dimension, window: Window, limit: u64, stats: &Stats) -> Reading {
    let taken = if dimension == Dimension::Requests { stats.admitted } else { stats.tokens_reserved };
    Reading { dimension, window, limit: Some(limit), remaining: Some(limit - taken), reset: None }
}

#[tokio::test]
async fn headers_say_what_the_providers_books_hold() {
    use Dimension::{Requests, Tokens};
    use Window::{Day, Hour, Minute};
    let limits = Limits {
        requests_per_minute: Some(30),
        requests_per_hour: Some(700),
        requests_per_day: Some(1_000),
        tokens_per_minute: Some(60_000),
        tokens_per_hour: Some(600_000),
        tokens_per_day: Some(2_000_000),
        ..Limits::NONE
    };
    let six = vec![(Requests, Day, 1_000), (Tokens, Minute, 60_000)];
    let twelve = vec![
        (Requests, Minute, 30),
        (Requests, Hour, 700),
        (Requests, Day, 1_000),
        (Tokens, Minute, 60_000),
        (Tokens, Hour, 600_000),
        (Tokens, Day, 2_000_000),
    ];
    let with = |set| Profile { rate_header_set: set, ..Profile::cerebras() };
    for (dialect, profile, expected) in [
        (Dialect::Cerebras, with(RateHeaderSet::Six), six.clone()),
        (Dialect::Cerebras, with(RateHeaderSet::Twelve), twelve),
        (Dialect::Groq, Profile::groq(), six),
        (Dialect::OpenAi, Profile::openai(), vec![(Requests, Minute, 30), (Tokens, Minute, 60_000)]),
        (Dialect::OpenRouter, Profile::openrouter(), vec![]),
    ] {
        let profile = Profile { limits, minute: LONG_MINUTE, rate_headers: true, ..profile };
        let provider = start(profile).await;
        let reply = ask(&provider).await;
        assert_eq!(reply.status, 200, "{dialect:?}: {}", reply.describe());
        let stats = provider.stats();
        let expected: Vec<Reading> = expected
            .into_iter()
            .map(|(dimension, window, limit)| held(dimension, window, limit, &stats))
            .collect();
        let mut readings = read(dialect, &reply);
        let resets = readings.iter_mut().filter_map(|reading| reading.reset.take()).count();
        assert_eq!(readings, expected, "{dialect:?}: {}", reply.head);
        let go = matches!(dialect, Dialect::Groq | Dialect::OpenAi);
        assert_eq!(resets, if go { readings.len() } else { 0 }, "{dialect:?}");
    }
}

#[tokio::test]
async fn more_can_be_left_of_an_hour_than_its_limit() {
    let profile = Profile { minute: LONG_MINUTE, ..Plan::FreeTrial2026.profile() };
    let provider = start(profile).await;
    let readings = read(Dialect::Cerebras, &ask(&provider).await);
    let hour = |reading: &&Reading| (reading.dimension, reading.window) == (Dimension::Tokens, Window::Hour);
    let hour = readings.iter().find(hour).expect("tokens an hour");
    let left = 3_000_000 - provider.stats().tokens_reserved;
    assert_eq!((hour.limit, hour.remaining), (Some(1_000_000), Some(left)));
}

#[tokio::test]
async fn one_less_is_left_of_a_chutes_quota_than_its_headers_say() {
    let limits = Limits { requests_per_day: Some(2), ..Limits::NONE };
    let provider = start(Profile { limits, rate_headers: true, ..Profile::chutes() }).await;
    for left in [1, 0] {
        // The same question would count a tenth.
        let readings = read(Dialect::Chutes, &ask_for(&provider, left + 5).await);
        let [reading] = readings[..] else { panic!("{readings:?}") };
        assert_eq!((reading.dimension, reading.window), (Dimension::Requests, Window::Day));
        assert_eq!((reading.limit, reading.remaining), (Some(2), Some(left)));
        assert!(reading.reset.is_some_and(|reset| reset <= Duration::from_hours(24)), "{reading:?}");
    }
    let refused = ask(&provider).await;
    assert_eq!(refused.status, 402);
    let said = evidence(Dialect::Chutes, &refused);
    assert_eq!(said.readings[0].remaining, Some(0));
    assert!(said.retry_after.is_some_and(|wait| wait <= Duration::from_hours(24)), "{said:?}");
    let balance = Profile { rate_headers: true, limits: Limits::NONE, ..Profile::chutes() };
    let provider = start(balance).await;
    assert_eq!(read(Dialect::Chutes, &ask(&provider).await), [], "a balance has no limit");
}

#[tokio::test]
async fn refusals_say_what_is_left_and_when_to_come_back() {
    for (dialect, profile) in [
        (Dialect::Groq, Profile::groq()),
        (Dialect::OpenAi, Profile::openai()),
        (Dialect::OpenRouter, Profile::openrouter()),
    ] {
        let tokens = dialect != Dialect::OpenRouter;
        let limits = if tokens {
            Limits { tokens_per_minute: Some(150), ..Limits::NONE }
        } else {
            Limits { requests_per_minute: Some(1), ..Limits::NONE }
        };
        let profile = Profile { limits, token_delay: Duration::from_millis(20), ..profile };
        let provider = start(profile).await;
        let (first, second) = tokio::join!(ask(&provider), ask(&provider));
        let refused = if first.status == 200 { second } else { first };
        assert_eq!(refused.status, 429, "{dialect:?}: {}", refused.describe());
        let said = evidence(dialect, &refused);
        let [reading] = said.readings[..] else { panic!("{dialect:?}: {said:?}") };
        let expected = if tokens { (Dimension::Tokens, 150) } else { (Dimension::Requests, 1) };
        assert_eq!((reading.dimension, reading.limit), (expected.0, Some(expected.1)), "{dialect:?}");
        assert_eq!(reading.window, Window::Minute, "{dialect:?}");
        assert!(reading.remaining.is_some_and(|left| left < expected.1), "{dialect:?}: {reading:?}");
        assert!(
            said.retry_after.is_some_and(|wait| wait <= Duration::from_secs(61)),
            "{dialect:?}: {said:?}"
        );
    }
}

#[tokio::test]
async fn what_is_larger_than_a_limit_goes_elsewhere_and_leaves_the_provider_in_the_game() {
    let limits = Limits { tokens_per_minute: Some(500), ..Limits::NONE };
    let small = start(Profile { limits, ..Profile::groq() }).await;
    let behind = Simulator::start(Profile::chutes()).await.expect("a port");
    let file = format!(
        r#"
[providers.small]
preset = "groq"
base_url = "{}"
key = {{ env = "KEY" }}
models = ["{MODEL}"]
[providers.behind]
preset = "chutes"
base_url = "{}"
key = {{ env = "KEY" }}
[models.qwen-3-coder]
routes = ["small", "behind"]
[models.alone]
routes = ["small"]
"#,
        small.base_url(),
        behind.base_url()
    );
    let proxy = Running::start_with(&file, &[("KEY", "k")]).await;
    let mut large = question(false);
    large["max_tokens"] = json!(5_000);
    assert_eq!(proxy.chat(large.to_string().as_bytes()).await.good().provider(), "behind");
    assert_eq!(proxy.chat(question(false).to_string().as_bytes()).await.good().provider(), "small");
    large["model"] = json!("alone");
    let error = proxy.chat(large.to_string().as_bytes()).await.error(400);
    assert_eq!(error["code"], "context_length_exceeded", "what makes an agent shorten it");
    assert!(
        error["message"].as_str().is_some_and(|text| text.contains("larger than what may be sent")),
        "{error}"
    );
}
