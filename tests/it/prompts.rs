//! What the provider has in its prompt cache does not count as uncached.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Plan, Profile, RefusedByScope, Simulator};

use crate::harness::Running;

/// How long the provider's minute lasts.
const MINUTE: Duration = Duration::from_secs(1);
const TURNS: usize = 24;

/// What became of a conversation.
#[derive(Debug)]
struct Held {
    /// Turns that Cerebras answered.
    fast: usize,
    refused: RefusedByScope,
}

/// An agent's conversation on the plan of 5 requests a minute and 30,000 tokens, 90,000 with those in the cache. It grows from 11,000
/// tokens to 40,000, more than a limit for uncached ones ever holds; a turn comes every half of the provider's minutes.
async fn conversation(preset: &str) -> Held {
    let cerebras = Profile { minute: MINUTE, ..Plan::FreeTrial2026.profile() };
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

[providers.chutes]
base_url = "{}"
key = {{ env = "KEY" }}
models = ["roomy"]

[models.qwen-3-coder]
routes = ["cerebras", "chutes"]
{preset}"#,
        cerebras.base_url(),
        chutes.base_url()
    );
    let minute = MINUTE.as_millis().to_string();
    let proxy = Running::start_with(&file, &[("KEY", "a-key-0123456789"), ("RATE_WINDOW_MS", &minute)]).await;
    let said = |role: &str, words: usize| json!({"role": role, "content": "word ".repeat(words)});
    let mut messages: Vec<Value> = vec![said("system", 10_000), said("user", 1_000)];
    let mut held = Held { fast: 0, refused: RefusedByScope::default() };
    for _ in 0..TURNS {
        let body =
            json!({"model": "qwen-3-coder", "messages": messages, "stream": true, "max_tokens": 2_000});
        let reply = proxy.chat(body.to_string().as_bytes()).await.good();
        held.fast += usize::from(reply.provider() == "cerebras");
        messages.extend([said("assistant", 200), said("user", 1_000)]);
        tokio::time::sleep(MINUTE / 2).await;
    }
    held.refused = cerebras.stats().refused_by_scope;
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growing_conversation_costs_its_new_turns() {
    let nothing_found = "[presets.cerebras]\nprompt_cache = { block = 1000000, minutes = 5 }\n";
    let (with, without) = tokio::join!(conversation(""), conversation(nothing_found));
    assert_eq!((with.refused.total(), without.refused.total()), (0, 0), "{with:?} {without:?}");
    assert!(with.fast >= TURNS * 9 / 10, "{with:?}");
    assert!(without.fast <= TURNS * 6 / 10, "{without:?}");
}
