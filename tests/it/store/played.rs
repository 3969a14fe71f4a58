//! What the replay says of a trace is what happens to it over real sockets.

use std::time::Duration;

use qwen_3_coder_proxy::config::Limits as Plan;
use qwen_3_coder_proxy::replay::policy::Ours;
use qwen_3_coder_proxy::replay::{Report, Scenario, Trace, recorded};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use simulator::{Limits, Profile};
use tokio::task::JoinSet;

use super::Stage;
use crate::client;

/// A minute of the provider takes this part of a real one.
const FASTER: u32 = 40;
const MINUTES: u32 = 8;
const REQUESTS: u32 = 300;
const REQUESTS_PER_MINUTE: u64 = 15;
const TOKENS_PER_MINUTE: u64 = 165_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_replay_agrees_with_what_happened_over_sockets() {
    let minute = Duration::from_mins(1) / FASTER;
    let cerebras = Profile {
        limits: Limits {
            requests_per_minute: Some(REQUESTS_PER_MINUTE),
            tokens_per_minute: Some(TOKENS_PER_MINUTE),
            ..Limits::NONE
        },
        minute,
        head_delay: Duration::from_millis(10),
        token_delay: Duration::ZERO,
        ..Profile::cerebras()
    };
    let stage = Stage::with(cerebras).await;
    let window = minute.as_millis().to_string();
    let mut process = stage
        .start(&[
            ("RATE_WINDOW_MS", &*window),
            ("CEREBRAS_REQUESTS_PER_MINUTE", "15"),
            ("CEREBRAS_TOKENS_PER_MINUTE", "165000"),
            ("CEREBRAS_TOKENS_PER_DAY", "1000000000"),
        ])
        .await;
    let gap = minute * MINUTES / REQUESTS;
    let mut agents = JoinSet::new();
    for index in 0..REQUESTS {
        let (address, body) = (process.address, request(index).to_string());
        agents.spawn(async move {
            tokio::time::sleep(gap * index).await;
            let request = client::post("/v1/chat/completions", &[], body.as_bytes());
            client::exchange(address, &request).await.good();
        });
    }
    agents.join_all().await;
    stage.rows_when(REQUESTS as usize).await;
    process.signal("TERM");
    process.exit_code().await;

    let rows = stage.rows();
    let fast = |row: &&serde_json::Map<String, Value>| row["provider"] == "cerebras";
    let tokens = |row: &serde_json::Map<String, Value>| {
        row["prompt_tokens"].as_u64().unwrap_or(0) + row["completion_tokens"].as_u64().unwrap_or(0)
    };
    let all: u64 = rows.iter().map(tokens).sum();
    let served: u64 = rows.iter().filter(fast).map(tokens).sum();

    let history = Connection::open_with_flags(stage.file(), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let trace = recorded::trace(&history.expect("a database")).expect("a history");
    let mut requests = trace.requests().to_vec();
    for request in &mut requests {
        request.at_ms *= u64::from(FASTER);
    }
    let scenario = Scenario {
        limits: Plan {
            requests_per_minute: Some(REQUESTS_PER_MINUTE),
            tokens_per_minute: Some(TOKENS_PER_MINUTE),
            ..Plan::default()
        },
        completion_reserve: Some(16_384),
        returns_unused: true,
        miscount_percent: 0,
        jitter: 0,
        wait: 0,
        closed: false,
        seed: 1,
    };
    let played = Report::new(&scenario, &Trace::new(requests), vec![Box::new(Ours::new(&scenario, None))]);
    let row = &played.rows[0];
    assert_eq!(played.tokens, all);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let percent = |tokens: u64| tokens as f64 / all as f64 * 100.0;
    let (over_sockets, in_the_replay) = (percent(served), percent(row.tokens));
    let refused = stage.cerebras.stats().received - stage.cerebras.stats().admitted;
    println!(
        "{over_sockets:.1} % of {all} tokens over sockets and {refused} refused, {in_the_replay:.1} % in the replay and {} refused",
        row.drawn_429
    );
    assert_eq!((refused, row.drawn_429), (0, 0));
    assert!((over_sockets - in_the_replay).abs() <= 2.0, "{over_sockets:.1} % and {in_the_replay:.1} %");
}

/// Between 3,000 and 20,000 tokens; half of them name a maximum.
fn request(index: u32) -> Value {
    let words = 3_000 + (index * 7_919) % 17_000;
    let text = "word ".repeat(words as usize);
    let mut request = json!({
        "model": "qwen-3-coder",
        "messages": [{"role": "user", "content": format!("{text}Tell me a 60 word story.")}],
    });
    if index.is_multiple_of(2) {
        request["max_tokens"] = json!(1_000);
    }
    request
}
