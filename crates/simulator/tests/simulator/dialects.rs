//! What is peculiar to each vendor.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Fault, Limits, Profile, Simulator, Times, Vendor};

use crate::harness::{Exchange, ask, get, question, tool, with};

const VENDORS: [Vendor; 6] =
    [Vendor::Cerebras, Vendor::Chutes, Vendor::Groq, Vendor::OpenRouter, Vendor::LlamaCpp, Vendor::OpenAi];
const LONG_MINUTE: Duration = Duration::from_hours(1);

async fn start(vendor: Vendor, change: impl FnOnce(&mut Profile)) -> Simulator {
    let mut profile = Profile { minute: LONG_MINUTE, ..Profile::of(vendor) };
    change(&mut profile);
    Simulator::start(profile).await.unwrap()
}

fn keys(value: &Value, text: &str) -> Vec<String> {
    // In the order of the text: a map would sort them.
    let mut found: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(|key| (text.find(&format!("\"{key}\":")), key.clone()))
        .collect();
    found.sort();
    found.into_iter().map(|(_, key)| key).collect()
}

#[tokio::test]
async fn all_answer_streamed_and_plain_alike() {
    for vendor in VENDORS {
        let simulator = start(vendor, |_| ()).await;
        let body = question(vendor, "Tell me a 9 word story.");
        let plain = ask(&simulator, &body).await.json();
        let more = json!({"stream": true, "stream_options": {"include_usage": true}});
        let streamed = ask(&simulator, &with(body.clone(), more)).await;
        assert_eq!(streamed.streamed_text(), plain["choices"][0]["message"]["content"], "{vendor:?}");
        assert_eq!(streamed.finish().as_deref(), Some("stop"), "{vendor:?}");
        let usage = streamed.chunks().iter().rev().find_map(|chunk| chunk.get("usage").cloned());
        assert_eq!(usage.unwrap(), plain["usage"], "{vendor:?}");
        let called = ask(&simulator, &with(body, json!({"tools": [tool("weather")]}))).await.json();
        assert_eq!(called["choices"][0]["finish_reason"], "tool_calls", "{vendor:?}");
    }
}

#[tokio::test]
async fn keys_stand_in_the_vendors_order() {
    let orders = [
        (Vendor::Cerebras, "id choices created model system_fingerprint object usage time_info"),
        (Vendor::Chutes, "id object created model choices usage"),
        (
            Vendor::Groq,
            "id object created model choices usage usage_breakdown system_fingerprint x_groq service_tier",
        ),
        (Vendor::OpenRouter, "id object created model provider system_fingerprint choices usage"),
        (Vendor::LlamaCpp, "choices created model system_fingerprint object usage id timings"),
    ];
    for (vendor, order) in orders {
        let simulator = start(vendor, |_| ()).await;
        let seen = ask(&simulator, &question(vendor, "Tell me a 2 word story.")).await;
        assert_eq!(keys(&seen.json(), &seen.text()).join(" "), order, "{vendor:?}");
    }
}

fn header(seen: &Exchange, name: &str) -> Option<String> {
    seen.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn groq_says_when_to_come_back_and_what_never_fits() {
    let tokens = |profile: &mut Profile| {
        profile.limits =
            Limits { tokens_per_minute: Some(1_100), requests_per_day: Some(100), ..Limits::NONE };
    };
    let simulator = start(Vendor::Groq, tokens).await;
    let body = with(question(Vendor::Groq, "Tell me a 300 word story."), json!({"max_tokens": 1_000}));
    let good = ask(&simulator, &body).await;
    assert_eq!(header(&good, "x-ratelimit-limit-requests").as_deref(), Some("100"));
    assert!(header(&good, "x-ratelimit-reset-tokens").unwrap().ends_with('s'));
    assert_eq!(header(&good, "retry-after"), None);
    let refused = ask(&simulator, &body).await;
    assert_eq!(refused.status.unwrap(), 429);
    let text = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        text.contains("on tokens per minute (TPM): Limit 1100, Used ")
            && text.contains("Please try again in "),
        "{text}"
    );
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
    assert!(header(&refused, "retry-after").unwrap().parse::<u64>().unwrap() < 3_600);
    let large = ask(&simulator, &with(body.clone(), json!({"max_tokens": 2_000}))).await;
    assert_eq!(large.status.unwrap(), 413);
    let open_ended = with(question(Vendor::Groq, "Tell me a 2 word story."), json!({"max_tokens": null}));
    assert_eq!(ask(&simulator, &open_ended).await.status.unwrap(), 200, "nothing is reserved for it");
}

#[tokio::test]
async fn openrouter_keeps_connections_alive_and_breaks_off_with_a_finish_reason() {
    let simulator = start(Vendor::OpenRouter, |profile| profile.limits.requests_per_minute = Some(3)).await;
    let body = question(Vendor::OpenRouter, "Tell me a 9 word story.");
    let plain = ask(&simulator, &body).await;
    assert!(plain.text().starts_with("\n         \n") && plain.json()["choices"].is_array());
    assert!(!plain.headers.keys().any(|name| name.as_str().contains("ratelimit")));
    let streamed = with(body.clone(), json!({"stream": true}));
    assert!(ask(&simulator, &streamed).await.text().starts_with(": OPENROUTER PROCESSING\n\n"));
    simulator.inject(Fault::ErrorMidStream, Times::Once);
    let broken = ask(&simulator, &streamed).await;
    let last = broken.chunks().pop().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "error", "{}", broken.text());
    assert_eq!(last["error"]["code"], 502);
    assert!(!broken.text().contains("[DONE]"));

    let refused = ask(&simulator, &body).await;
    assert_eq!(refused.status.unwrap(), 429);
    let told = &refused.json()["error"]["metadata"]["headers"];
    assert_eq!((&told["X-RateLimit-Limit"], &told["X-RateLimit-Remaining"]), (&json!("3"), &json!("0")));
    let reset: u128 = told["X-RateLimit-Reset"].as_str().unwrap().parse().unwrap();
    assert!(reset > 1_700_000_000_000, "milliseconds since 1970");
    assert_eq!(header(&refused, "x-ratelimit-reset").unwrap(), reset.to_string());
}

#[tokio::test]
async fn openai_counts_requests_by_the_minute_and_hints_in_milliseconds() {
    let simulator = start(Vendor::OpenAi, |profile| profile.limits.requests_per_minute = Some(1)).await;
    let body = question(Vendor::OpenAi, "Hi");
    assert_eq!(header(&ask(&simulator, &body).await, "x-ratelimit-remaining-requests").as_deref(), Some("0"));
    let refused = ask(&simulator, &body).await;
    assert_eq!(refused.json()["error"]["type"], "requests");
    assert!(refused.text().contains("on requests per min (RPM): Limit 1"), "{}", refused.text());
    assert!(header(&refused, "retry-after-ms").unwrap().parse::<u64>().unwrap() > 3_000_000);
}

#[tokio::test]
async fn llama_cpp_tells_its_health_and_takes_any_model_and_key() {
    let simulator = start(Vendor::LlamaCpp, |_| ()).await;
    assert_eq!(get(&simulator, "/health", None).await.json(), json!({"status": "ok"}));
    let body = with(question(Vendor::LlamaCpp, "Tell me a 2 word story."), json!({"model": "whatever"}));
    let seen = ask(&simulator, &body).await.json();
    assert!(seen["timings"]["predicted_n"].is_u64(), "{seen}");
}

#[tokio::test]
async fn lengths_models_and_keys_are_refused_in_the_vendors_words() {
    let cases = [
        (Vendor::Cerebras, "Current length is", "model_not_found", "wrong_api_key"),
        (
            Vendor::Chutes,
            "maximum context length of 500 tokens",
            "model not found: none",
            "Authentication required.",
        ),
        (Vendor::Groq, "Please reduce the length of the messages", "model_not_found", "Invalid API Key"),
        (
            Vendor::OpenRouter,
            "This endpoint's maximum context length",
            "is not a valid model ID",
            "User not found.",
        ),
        (
            Vendor::OpenAi,
            "This model's maximum context length is 500",
            "model_not_found",
            "Incorrect API key",
        ),
    ];
    for (vendor, length, model, key) in cases {
        let simulator = start(vendor, |profile| profile.context_limit = 500).await;
        let body = question(vendor, "Hi");
        let long = ask(&simulator, &body).await;
        assert_eq!(long.status.unwrap(), 400, "{vendor:?}");
        assert!(long.text().contains(length), "{}", long.text());
        let unknown = ask(&simulator, &with(body.clone(), json!({"model": "none"}))).await;
        assert!(unknown.text().contains(model), "{}", unknown.text());
        let locked = start(vendor, |profile| profile.api_key = Some("another".into())).await;
        let refused = ask(&locked, &body).await;
        assert_eq!(refused.status.unwrap(), 401, "{vendor:?}");
        assert!(refused.text().contains(key), "{}", refused.text());
    }
}

#[tokio::test]
async fn every_field_that_is_not_taken_is_named() {
    let lists = |profile: &mut Profile| {
        profile.rejected_fields.push("logit_bias".into());
        profile.strict_fields = true;
    };
    let simulator = start(Vendor::Cerebras, lists).await;
    let more = json!({"logit_bias": {}, "min_p": 0, "anything": 1, "temperature": 0.1});
    let refused = ask(&simulator, &with(question(Vendor::Cerebras, "Hi"), more)).await;
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    for field in ["anything", "logit_bias", "min_p"] {
        assert!(
            message.contains(&format!("body.{field}: property 'body.{field}' is unsupported")),
            "{message}"
        );
    }
    assert_eq!(message.lines().count(), 3);
}

#[tokio::test]
async fn fields_within_lists_are_named_where_they_stand() {
    let more = json!({
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "x", "name": "y"}],
        "tools": [{"type": "function", "function": {"name": "f", "strict": true}}],
    });
    let cases = [
        (
            Vendor::Cerebras,
            "messages.1.assistant.name: property 'messages.1.assistant.name' is unsupported\n\
             body.tools.0.function.strict: property 'body.tools.0.function.strict' is unsupported",
        ),
        (
            Vendor::Groq,
            "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'name' is \
             unsupported)]\nproperty 'tools.0.function.strict' is unsupported",
        ),
    ];
    for (vendor, expected) in cases {
        let fields = ["messages.*.name", "tools.*.function.strict"].map(str::to_owned);
        let simulator = start(vendor, |profile| profile.rejected_fields = fields.to_vec()).await;
        let refused = ask(&simulator, &with(question(vendor, "Hi"), more.clone())).await;
        assert_eq!(refused.status.unwrap(), 400);
        let body = refused.json();
        let message = body["message"].as_str().or(body["error"]["message"].as_str());
        assert_eq!(message, Some(expected), "{vendor:?}");
        assert_eq!(ask(&simulator, &question(vendor, "Hi")).await.status.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_strict_provider_wants_a_history_that_fits_together() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let calls = |calls: Vec<Value>| json!({"role": "assistant", "content": null, "tool_calls": calls});
    let answer = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "x"});
    let user = json!({"role": "user", "content": "Hi"});
    let (a, b) = (call("a", "{}"), call("b", "[1]"));
    let cases = [
        (json!([calls(vec![a.clone(), b.clone()]), answer("b"), answer("a"), user]), ""),
        (json!([user, calls(vec![a.clone(), b]), answer("a"), user]), "must be followed by tool messages"),
        (json!([user, calls(vec![a.clone()])]), "must be followed by tool messages"),
        (json!([answer("a"), user]), "must be a response to a preceeding message"),
        (
            json!([calls(vec![a]), answer("a"), user, answer("a")]),
            "must be a response to a preceeding message",
        ),
        (json!([calls(vec![call("a", "{\"x\": \"")]), answer("a")]), "Unterminated string"),
        (json!([calls(vec![call("a", "")]), answer("a")]), "Unterminated string"),
        (json!([calls(vec![call("a", "x")]), answer("a")]), "Expecting value"),
    ];
    let strict = start(Vendor::Cerebras, |profile| profile.strict_history = true).await;
    let plain = start(Vendor::Cerebras, |_| {}).await;
    for (messages, message) in cases {
        let body = with(question(Vendor::Cerebras, "Hi"), json!({"messages": messages}));
        let answered = ask(&strict, &body).await;
        assert_eq!(answered.status.unwrap(), if message.is_empty() { 200 } else { 400 }, "{messages}");
        assert!(answered.text().contains(message), "{messages}: {}", answered.text());
        assert_eq!(ask(&plain, &body).await.status.unwrap(), 200);
    }
    assert_eq!(strict.stats().rejected, 7);
}

#[tokio::test]
async fn retired_models_may_still_be_listed() {
    let cases = [(Vendor::Cerebras, 404, "model_archived"), (Vendor::Groq, 400, "model_decommissioned")];
    for (vendor, status, code) in cases {
        let simulator = start(vendor, |profile| profile.retired = profile.models.clone()).await;
        let listed = get(&simulator, "/v1/models", None).await.json();
        assert_eq!(listed["data"].as_array().unwrap().len(), 1);
        let gone = ask(&simulator, &question(vendor, "Hi")).await;
        assert_eq!(gone.status.unwrap(), status);
        assert!(gone.text().contains(code), "{}", gone.text());
    }
}
