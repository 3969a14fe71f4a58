//! What agents send and how they take errors; one test for each behaviour they depend on.

use std::time::Duration;

use serde_json::json;
use simulator::{Fault, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client;
use crate::harness::{House, question};

#[tokio::test]
async fn a_failure_before_the_first_byte_is_not_noticed_whatever_retry_after_said() {
    for fault in [Fault::RateLimitMinute, Fault::RateLimitTokensDay, Fault::ServerError, Fault::Unavailable] {
        for stream in [false, true] {
            let house = House::new(&[]).await;
            house.cerebras.inject(fault, Times::Always);
            let (clock, started) = (house.proxy.app.proxy.clock, house.proxy.app.proxy.clock.now());
            let reply = house.ask(stream).await.good();
            assert_eq!(
                (reply.provider().as_str(), reply.header("x-proxy-attempts").as_deref()),
                ("chutes", Some("2"))
            );
            assert_eq!(reply.header("retry-after"), None);
            assert!(clock.since(started) < Duration::from_secs(5), "{fault}: it waited");
        }
    }
}

#[tokio::test]
async fn when_all_quotas_are_used_up_it_is_a_429_with_the_truth_in_it() {
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::RateLimitTokensDay, Times::Always);
    house.chutes.inject(Fault::PaymentRequired, Times::Always);
    let reply = house.ask(true).await;
    let error = reply.error(429);
    assert_eq!((&error["type"], &error["code"]), (&json!("rate_limit_error"), &json!("rate_limit_exceeded")));
    assert!(error["param"].is_null() && error.as_object().is_some_and(|error| error.contains_key("param")));
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("Cerebras: ") && message.contains("Tokens per day limit exceeded"), "{message}");
    assert!(message.contains("Chutes: ") && message.contains("402"), "{message}");
    let wait: u64 = reply.header("retry-after").and_then(|it| it.parse().ok()).expect("whole seconds");
    assert!((1..=59).contains(&wait), "{wait}");
    // The next one is refused without asking anybody, and says until when.
    let asked = house.cerebras.stats().received;
    let reply = house.ask(false).await;
    let message = reply.error(429)["message"].to_string();
    assert!(message.contains("paused for") && message.contains("after rate_limited"), "{message}");
    assert_eq!(house.cerebras.stats().received, asked);
}

#[tokio::test]
async fn retry_after_is_when_a_route_admits_a_request_of_this_size() {
    let vars = [("CEREBRAS_REQUESTS_PER_MINUTE", "2"), ("RATE_WINDOW_MS", "20000")];
    let house = House::new(&vars).await;
    house.chutes.inject(Fault::PaymentRequired, Times::Always);
    house.ask(false).await.good();
    house.ask(true).await.good();
    let reply = house.ask(false).await;
    let message = reply.error(429)["message"].to_string();
    assert!(message.contains("2 requests a minute used up, free again in"), "{message}");
    let wait: u64 = reply.header("retry-after").and_then(|it| it.parse().ok()).expect("whole seconds");
    // One of two requests refills in ten seconds.
    assert!((9..=11).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_cut_stream_is_broken_even_if_the_provider_ended_it_cleanly() {
    for fault in [Fault::CutClean, Fault::CutRst, Fault::BareJsonFailure, Fault::ErrorMidStream] {
        let house = House::new(&[]).await;
        house.cerebras.inject(fault, Times::Always);
        let reply = house.ask(true).await;
        assert_eq!((reply.status, reply.whole), (200, false), "{fault}: {}", reply.describe());
        assert!(!reply.text().contains("[DONE]") && !reply.answer().1, "{fault}");
        // An error event is passed on, and reads like what agents try again after.
        let (shown, retried) =
            (reply.text().contains("\"error\":"), reply.text().contains("\"503 provider overloaded"));
        let in_band = fault == Fault::ErrorMidStream;
        assert_eq!((shown, retried), (in_band, in_band), "{fault}: {}", reply.describe());
        assert_eq!(
            house.chutes.stats().received,
            0,
            "{fault}: a second provider was asked after the commit point"
        );
    }
}

#[tokio::test]
async fn a_context_too_small_for_cerebras_is_tried_on_chutes_and_stays_a_400() {
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::ContextTooLong, Times::Always);
    assert_eq!(house.ask(true).await.good().provider(), "chutes");
    house.chutes.inject(Fault::ContextTooLong, Times::Always);
    let error = house.ask(false).await.error(400);
    assert_eq!(error["code"], "context_length_exceeded");
    assert!(error["message"].to_string().contains("reduce the length"), "{error}");
}

#[tokio::test]
async fn usage_is_asked_of_both_and_shown_to_those_who_asked() {
    for fallback in [false, true] {
        let house = House::new(&[]).await;
        if fallback {
            house.cerebras.inject(Fault::RateLimitMinute, Times::Always);
        }
        let provider = if fallback { &house.chutes } else { &house.cerebras };
        let quiet = house.ask(true).await.good();
        assert!(
            !quiet.text().contains("\"choices\":[]"),
            "a chunk without choices crashes clients that index it"
        );
        let seen = provider.requests();
        assert!(
            String::from_utf8_lossy(&seen[0].body).contains(r#""stream_options":{"include_usage":true}"#)
        );
        let mut asking = question(true);
        asking["stream_options"] = json!({"include_usage": true});
        let reply = house.send(&asking).await.good();
        assert!(reply.events().iter().any(|event| event.contains("\"usage\":{")), "{}", reply.describe());
    }
}

#[tokio::test]
async fn what_agents_send_passes_untouched() {
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::ServerError, Times::Always);
    let body = json!({
        "model": "qwen-3-coder",
        "max_completion_tokens": 16_384,
        "store": false,
        "metadata": {"x": [1, {"deep": null}]},
        "tools": [{"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {}}}}],
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
            {"role": "user", "name": "me", "content": "read it"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ],
    });
    house.send(&body).await.good();
    let seen = house.chutes.requests();
    let sent: serde_json::Value = serde_json::from_slice(&seen[0].body).expect("JSON");
    let mut expected = body;
    expected["model"] = json!("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8");
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn what_one_provider_rejects_of_its_own_accord_goes_to_the_other() {
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::BadFormat, Times::Once);
    assert_eq!(house.ask(false).await.good().provider(), "chutes");
    // It says nothing against Cerebras.
    assert_eq!(house.ask(false).await.good().provider(), "cerebras");
}

#[tokio::test]
async fn a_stream_is_neither_buffered_nor_cut_by_the_request_timeout() {
    let house = House::new(&[("REQUEST_TIMEOUT", "1000")]).await;
    house.cerebras.inject(Fault::SlowTokens, Times::Always);
    let clock = house.proxy.app.proxy.clock;
    let started = clock.now();
    let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    let body = question(true).to_string();
    let request = client::post("/v1/chat/completions", &[], body.as_bytes());
    socket.write_all(&request).await.expect("the proxy reads");
    let mut first = [0; 64];
    let length = socket.read(&mut first).await.expect("a head");
    let first_byte = clock.since(started);
    let mut rest = first[..length].to_vec();
    tokio::time::timeout(client::HANG, async {
        while !rest.ends_with(b"0\r\n\r\n") && socket.read_buf(&mut rest).await.is_ok_and(|length| length > 0)
        {
        }
    })
    .await
    .expect("the stream ends");
    let whole = clock.since(started);
    assert!(String::from_utf8_lossy(&rest).contains("\"finish_reason\":\"stop\""));
    assert!(whole > Duration::from_millis(1_500), "{whole:?}: too short to prove anything");
    assert!(first_byte * 3 < whole, "{first_byte:?} of {whole:?}");
}

#[tokio::test]
async fn the_last_target_that_is_left_gets_four_times_as_long() {
    let timeout = Duration::from_secs(1);
    let house = House::new(&[("REQUEST_TIMEOUT", "1000")]).await;
    house.cerebras.inject(Fault::SilenceAfterHead, Times::Always);
    house.chutes.inject(Fault::BlackHole, Times::Always);
    let clock = house.proxy.app.proxy.clock;
    let (started, line) = (clock.now(), house.ask(true).await.error(503)["message"].to_string());
    assert!(line.contains("Cerebras: timeout: sent a head but no payload within 1 s"), "{line}");
    assert!(line.contains("Chutes: timeout: sent no response head within 4 s"), "{line}");
    assert!(clock.since(started) >= timeout * 5);
}

#[tokio::test]
async fn a_refused_side_call_is_served_elsewhere() {
    // A title call in parallel takes the only request; the turn itself goes on.
    let house = House::new(&[("CEREBRAS_REQUESTS_PER_MINUTE", "1")]).await;
    let (turn, title) = tokio::join!(house.ask(true), house.ask(false));
    let mut providers = [turn.good().provider(), title.good().provider()];
    providers.sort();
    assert_eq!(providers, ["cerebras", "chutes"]);
}

#[tokio::test]
async fn a_long_session_is_not_too_large() {
    let house = House::new(&[]).await;
    let mut body = question(false);
    body["metadata"] = json!({"padding": "x".repeat(20_000_000)});
    house.send(&body).await.good();
    assert!(house.cerebras.requests()[0].body.len() > 20_000_000);
}

#[tokio::test]
async fn a_retired_model_is_followed_by_the_next_name_of_the_list() {
    let vars = [("CEREBRAS_MODEL_NAME", "gone-1,gone-2,qwen-3-coder-480b")];
    let house = House::new(&vars).await;
    let reply = house.ask(false).await.good();
    assert_eq!(
        (reply.provider().as_str(), reply.header("x-proxy-attempts").as_deref()),
        ("cerebras", Some("3"))
    );
    assert_eq!(reply.header("x-proxy-model").as_deref(), Some("qwen-3-coder-480b"));
    assert_eq!(
        house.ask(true).await.good().header("x-proxy-attempts").as_deref(),
        Some("1"),
        "it is remembered"
    );
    let models = house.proxy.get("/v1/models").await.json();
    assert_eq!(models["data"][0]["upstream"][0]["model"], "qwen-3-coder-480b");
}

#[tokio::test]
async fn a_key_that_no_provider_takes_names_its_variable_and_is_no_401() {
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::Unauthorized, Times::Always);
    house.chutes.inject(Fault::Unauthorized, Times::Always);
    let message = house.ask(false).await.error(502)["message"].to_string();
    assert!(message.contains("CEREBRAS_API_KEY") && message.contains("CHUTES_API_KEY"), "{message}");
    let again = house.ask(false).await.error(502)["message"].to_string();
    assert!(again.contains("CEREBRAS_API_KEY"), "the variable is still named while both are paused: {again}");
}

#[tokio::test]
async fn chutes_that_is_merely_busy_is_asked_again_within_the_request() {
    let house = House::new(&[("CEREBRAS_REQUESTS_PER_MINUTE", "1")]).await;
    house.ask(false).await.good();
    house.chutes.inject(Fault::Capacity, Times::Count(2));
    let reply = house.ask(true).await.good();
    assert_eq!(
        (reply.provider().as_str(), reply.header("x-proxy-attempts").as_deref()),
        ("chutes", Some("3"))
    );
}

#[tokio::test]
async fn what_no_provider_would_answer_otherwise_is_told_at_once_in_the_providers_words() {
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::BadRequest, Times::Always);
    let error = house.ask(false).await.error(400);
    assert_eq!(error["code"], "invalid_value");
    assert_eq!(house.chutes.stats().received, 0);
}

#[tokio::test]
async fn a_request_larger_than_the_limit_goes_to_chutes_or_asks_for_compaction() {
    let vars = [("CEREBRAS_TOKENS_PER_MINUTE", "10000")];
    let house = House::new(&vars).await;
    let mut body = question(false);
    body["max_tokens"] = json!(12_000);
    assert_eq!(house.send(&body).await.good().provider(), "chutes");
    house.chutes.inject(Fault::ContextTooLong, Times::Always);
    assert_eq!(house.send(&body).await.error(400)["code"], "context_length_exceeded");
}

#[tokio::test]
async fn what_fits_a_full_budget_by_the_best_guess_is_not_too_large() {
    let house = House::new(&[("CEREBRAS_TOKENS_PER_MINUTE", "20000")]).await;
    let mut body = question(false);
    // About 3,000 tokens and 16,384 for the answer; with the guess's margin it would be more than 20,000.
    body["messages"][0]["content"] = json!(format!("Tell me a 6 word story. {}", "word ".repeat(2_400)));
    body["max_tokens"] = json!(32_000);
    assert_eq!(house.send(&body).await.good().provider(), "cerebras");
}

#[tokio::test]
async fn of_two_different_troubles_the_more_hopeful_one_decides() {
    // A quota refills by itself, so it is a 429 although the other provider is down.
    let house = House::new(&[("CEREBRAS_REQUESTS_PER_MINUTE", "1")]).await;
    house.ask(false).await.good();
    house.chutes.inject(Fault::ServerError, Times::Always);
    let message = house.ask(false).await.error(429)["message"].to_string();
    assert!(
        message.contains("1 requests a minute used up") && message.contains("500 server_error"),
        "{message}"
    );

    // Later the other one may take what is too long for this one, so it is no 400.
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::ContextTooLong, Times::Always);
    house.chutes.inject(Fault::Unavailable, Times::Always);
    let message = house.ask(true).await.error(503)["message"].to_string();
    assert!(message.contains("reduce the length") && message.contains("503 server_error"), "{message}");

    // A key to correct does not hide that the request must be shortened, nor that a provider is down.
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::Unauthorized, Times::Always);
    house.chutes.inject(Fault::ContextTooLong, Times::Once);
    assert_eq!(house.ask(false).await.error(400)["code"], "context_length_exceeded");
    house.chutes.inject(Fault::Refuse, Times::Always);
    house.ask(false).await.error(503);
}

#[tokio::test]
async fn alone_a_short_wait_for_the_budget_beats_an_error() {
    let house = House::new(&[]).await;
    let vars = [
        ("CEREBRAS_API_KEY", crate::harness::CEREBRAS_KEY),
        ("CEREBRAS_BASE_URL", &house.cerebras.base_url()),
        ("CEREBRAS_REQUESTS_PER_MINUTE", "1"),
        ("RATE_WINDOW_MS", "1000"),
    ];
    let proxy = crate::harness::Running::start(&vars).await;
    for _ in 0..3 {
        proxy.chat(question(true).to_string().as_bytes()).await.good();
    }
}
