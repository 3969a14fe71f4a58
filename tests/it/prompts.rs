//! What the provider has in its prompt cache does not count as uncached.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use simulator::{Limits, Plan, Profile, RefusedByScope, Simulator};

use crate::harness::Running;

/// How long the provider's minute lasts.
const MINUTE: Duration = Duration::from_secs(1);
/// What became of them.
#[derive(Debug)]
struct Held {
    /// Turns that Cerebras answered.
    fast: usize,
    refused: RefusedByScope,
}

/// So many conversations at once, so many turns each, on a plan that counts uncached tokens apart. In 24 turns a conversation grows from
/// 11,000 tokens to 40,000; a turn comes every half of the provider's minutes.
async fn conversations(agents: usize, turns: usize, limits: Option<Limits>, settings: &str) -> Held {
    let plan = Plan::FreeTrial2026.profile();
    let cerebras = Profile {
        minute: MINUTE,
        miscount_percent: 3,
        arrival_jitter: MINUTE / 120,
        limits: limits.unwrap_or(plan.limits),
        rate_headers: limits.is_none(),
        ..plan
    };
    let chutes = Profile { models: vec!["roomy".into()], ..Profile::chutes() };
    let cerebras = Simulator::start(cerebras).await.expect("a port");
    let chutes = Simulator::start(chutes).await.expect("a port");
    let file = format!(
        r#"
[providers.cerebras]
base_url = "{}"
key = {{ env = "KEY" }}
models = ["qwen-3.8-27b"]
plan = "free-trial-2026"
{settings}

[providers.chutes]
base_url = "{}"
key = {{ env = "KEY" }}
models = ["roomy"]

[models.qwen-3-coder]
routes = ["cerebras", "chutes"]
"#,
        cerebras.base_url(),
        chutes.base_url()
    );
    let minute = MINUTE.as_millis().to_string();
    let proxy = Running::start_with(&file, &[("KEY", "a-key-0123456789"), ("RATE_WINDOW_MS", &minute)]).await;
    let said = |role: &str, words: usize| json!({"role": role, "content": "word ".repeat(words)});
    let converse = async |agent: usize| {
        let mut messages: Vec<Value> = vec![
            json!({"role": "system", "content": format!("{agent} {}", "word ".repeat(10_000))}),
            said("user", 1_000),
        ];
        let mut fast = 0;
        for _ in 0..turns {
            let body =
                json!({"model": "qwen-3-coder", "messages": messages, "stream": true, "max_tokens": 2_000});
            let reply = proxy.chat(body.to_string().as_bytes()).await.good();
            fast += usize::from(reply.provider() == "cerebras");
            messages.extend([said("assistant", 200), said("user", 1_000)]);
            tokio::time::sleep(MINUTE / 2).await;
        }
        fast
    };
    let fast = join_all((0..agents).map(converse)).await.into_iter().sum();
    Held { fast, refused: cerebras.stats().refused_by_scope }
}

/// 5 requests a minute and 30,000 tokens, 90,000 with those in the cache. Without them the conversation soon is longer than the limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_growing_conversation_costs_its_new_turns() {
    const TURNS: usize = 24;
    let nothing_found = "[presets.cerebras]\nprompt_cache = { block = 1000000, minutes = 5 }";
    let (with, without) =
        tokio::join!(conversations(1, TURNS, None, ""), conversations(1, TURNS, None, nothing_found));
    assert_eq!((with.refused.total(), without.refused.total()), (0, 0), "{with:?} {without:?}");
    assert!(with.fast >= TURNS * 9 / 10, "{with:?}");
    assert!(without.fast <= TURNS * 7 / 10, "{without:?}");
}

/// Nothing binds but 30,000 uncached tokens a minute, and no header says what is left of them.
#[tokio::test(flavor = "multi_thread")]
async fn conversations_that_want_more_than_there_is_are_refused_nothing() {
    let limits = Limits { uncached_tokens_per_minute: Some(30_000), ..Limits::NONE };
    let set = "limits = { requests_per_minute = 1000, requests_per_hour = 10000, requests_per_day = 100000, tokens_per_minute = 100000000, tokens_per_hour = 1000000000, tokens_per_day = 1000000000 }";
    let held = conversations(10, 16, Some(limits), set).await;
    assert_eq!(held.refused.total(), 0, "{held:?}");
    assert!((32..144).contains(&held.fast), "{held:?}");
}
