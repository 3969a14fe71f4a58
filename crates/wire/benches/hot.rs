//! What a request, an event and an answer cost, each beside what looking at the same bytes costs otherwise.
#![expect(clippy::expect_used, reason = "a benchmark stops where its data is wrong")]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use wire::completion::Completion;
use wire::json::quote;
use wire::sse::Decoder;
use wire::{ChatRequest, ChatStream, Dialect, Mending, Repairs, Rule, rate};

fn main() {
    divan::main();
}

/// A request of about 1 KB, and one of about 100 KB with 60 messages and 20 tools, as an agent sends it.
const SIZES: [&str; 2] = ["1 KB", "100 KB"];

fn request(size: &str) -> Bytes {
    let (messages, tools, length) = if size == "1 KB" { (2, 0, 300) } else { (60, 20, 1_000) };
    // An escape for about every 35 bytes, as in source code.
    let text = concat!(
        "    let answer = self.ask(question).await?;\\n",
        "    // the answer is looked at where it lies\\n",
        "    log(\\\"took {} ms\\\", since(started));\\n",
        "    match answer.finish_reason {\\n",
        "        Some(reason) => tell(reason, &answer),\\n    }\\n",
    );
    let text = text.repeat(length / text.len() + 1);
    let message = |index: usize| {
        let role = if index.is_multiple_of(2) { "user" } else { "assistant" };
        format!(r#"{{"role":"{role}","content":"{text}"}}"#)
    };
    let tool = |index: usize| {
        format!(
            r#"{{"type":"function","function":{{"name":"tool_{index}","description":"{}","parameters":{{"type":"object","properties":{{"path":{{"type":"string","description":"A path below the working directory"}},"limit":{{"type":"integer"}}}},"required":["path"]}}}}}}"#,
            "Does something with a file and tells what became of it. ".repeat(14)
        )
    };
    let list = |count, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<Vec<_>>().join(",");
    let tools = if tools == 0 { String::new() } else { format!(r#","tools":[{}]"#, list(tools, &tool)) };
    let body = format!(
        r#"{{"model":"qwen-3-coder","messages":[{}]{tools},"temperature":0.2,"max_tokens":32000,"stream":true}}"#,
        list(messages, &message)
    );
    body.into()
}

#[divan::bench(args = SIZES)]
fn parse_and_shape(bencher: Bencher<'_, '_>, size: &str) {
    let body = request(size);
    bencher.counter(BytesCount::new(body.len())).bench(|| {
        let request = ChatRequest::parse(black_box(body.clone())).expect("a request");
        request.shape("qwen-3-coder-480b", &[]).len()
    });
}

/// What is known of Cerebras, with a few fields more; then with all amendments.
const RULES: [&str; 3] = ["none", "fields and strict", "fields and all amendments"];

/// A request of about 100 KB whose history is calls of tools and their answers, in order.
#[divan::bench(args = RULES)]
fn shape_a_healthy_history(bencher: Bencher<'_, '_>, rules: &str) {
    let text = "    log(\"took {} ms\", since(started));\n".repeat(32);
    let call = |at: usize| {
        let arguments = format!(r#"{{"path":"a.rs","content":{}}}"#, quote(&text));
        format!(
            r#"{{"role":"assistant","content":null,"tool_calls":[{{"id":"call_{at}","type":"function","function":{{"name":"write","arguments":{}}}}}]}},{{"role":"tool","tool_call_id":"call_{at}","content":{}}}"#,
            quote(&arguments),
            quote(&text)
        )
    };
    let messages = (0..30).map(call).collect::<Vec<_>>().join(",");
    let body = format!(r#"{{"model":"m","messages":[{messages}],"stream":true}}"#);
    let names: &[&str] = match rules {
        "none" => &[],
        "fields and strict" => &RULE_NAMES[..8],
        _ => &RULE_NAMES,
    };
    let rules: Vec<Rule> = names.iter().map(|name| Rule::learned(name).expect("a rule")).collect();
    let request = ChatRequest::parse(body.into()).expect("a request");
    bencher
        .counter(BytesCount::new(request.body.len()))
        .bench(|| black_box(&request).shape("qwen-3-coder-480b", black_box(&rules)).len());
}

const RULE_NAMES: [&str; 10] = [
    "store",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "messages.*.reasoning_content",
    "messages.*.tool_calls.*.index",
    "(strict)",
    "(arguments)",
    "(calls)",
];

#[divan::bench(args = SIZES)]
fn floor_copy(bencher: Bencher<'_, '_>, size: &str) {
    let body = request(size);
    bencher.counter(BytesCount::new(body.len())).bench(|| black_box(&body).to_vec());
}

#[divan::bench(args = SIZES)]
fn floor_utf8(bencher: Bencher<'_, '_>, size: &str) {
    let body = request(size);
    bencher.counter(BytesCount::new(body.len())).bench(|| std::str::from_utf8(black_box(&body)).is_ok());
}

#[divan::bench(args = SIZES)]
fn other_raw_values(bencher: Bencher<'_, '_>, size: &str) {
    let body = request(size);
    bencher.counter(BytesCount::new(body.len())).bench(|| {
        let text = std::str::from_utf8(black_box(&body)).expect("text");
        wire::json::Fields::parse(text).is_ok()
    });
}

#[divan::bench(args = SIZES)]
fn other_tree(bencher: Bencher<'_, '_>, size: &str) {
    let body = request(size);
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| serde_json::from_slice::<serde_json::Value>(black_box(&body)).is_ok());
}

const EVENT: &str = "data: {\"id\":\"chatcmpl-5f1c\",\"choices\":[{\"delta\":{\"content\":\" answer\"},\"index\":0}],\"created\":1761230000,\"model\":\"qwen-3-coder-480b\",\"system_fingerprint\":\"fp_386b539e7b02ce3613b7\",\"object\":\"chat.completion.chunk\"}\n\n";

#[divan::bench]
fn relay_an_event(bencher: Bencher<'_, '_>) {
    let event = Bytes::from_static(EVENT.as_bytes());
    let mut decoder = Decoder::default();
    let mut stream = ChatStream::new("qwen-3-coder", true);
    bencher.counter(BytesCount::new(event.len())).bench_local(|| {
        decoder.feed(black_box(event.clone())).expect("short");
        let frame = decoder.next().expect("an event");
        stream.step(&frame)
    });
}

/// The same for a request with tools to a provider whose answers are repaired.
#[divan::bench]
fn relay_an_event_that_may_be_repaired(bencher: Bencher<'_, '_>) {
    let event = Bytes::from_static(EVENT.as_bytes());
    let mut decoder = Decoder::default();
    let mending = Mending { repairs: Repairs::ALL, tools: b"[]", seed: 0 };
    let mut stream = ChatStream::new("qwen-3-coder", true).mending(&mending);
    bencher.counter(BytesCount::new(event.len())).bench_local(|| {
        decoder.feed(black_box(event.clone())).expect("short");
        let frame = decoder.next().expect("an event");
        stream.step(&frame)
    });
}

#[divan::bench]
fn other_tree_of_an_event(bencher: Bencher<'_, '_>) {
    let data = EVENT.trim_start_matches("data: ");
    bencher
        .counter(BytesCount::new(EVENT.len()))
        .bench(|| serde_json::from_str::<serde_json::Value>(black_box(data)).is_ok());
}

#[divan::bench]
fn check_a_plain_answer(bencher: Bencher<'_, '_>) {
    let text = "It depends on what is meant by that. ".repeat(50);
    let body = Bytes::from(format!(
        r#"{{"id":"c","object":"chat.completion","model":"up","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":10,"completion_tokens":400,"total_tokens":410}}}}"#
    ));
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| Completion::parse(black_box(&body), "qwen-3-coder").is_ok());
}

/// A response head as Cerebras sends it: twelve headers about limits, and eight others.
const HEAD: [(&str, &str); 20] = [
    ("content-type", "text/event-stream; charset=utf-8"),
    ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
    ("server", "cloudflare"),
    ("inference-id", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"),
    ("x-ratelimit-limit-requests-minute", "5"),
    ("x-ratelimit-limit-requests-hour", "150"),
    ("x-ratelimit-limit-requests-day", "2400"),
    ("x-ratelimit-limit-tokens-minute", "30000"),
    ("x-ratelimit-limit-tokens-hour", "1000000"),
    ("x-ratelimit-limit-tokens-day", "1000000"),
    ("x-ratelimit-remaining-requests-minute", "4"),
    ("x-ratelimit-remaining-requests-hour", "149"),
    ("x-ratelimit-remaining-requests-day", "2399"),
    ("x-ratelimit-remaining-tokens-minute", "29976"),
    ("x-ratelimit-remaining-tokens-hour", "2999976"),
    ("x-ratelimit-remaining-tokens-day", "999976"),
    ("strict-transport-security", "max-age=3600; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("cf-cache-status", "DYNAMIC"),
    ("vary", "accept-encoding"),
];

fn head() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    black_box(&HEAD).iter().map(|(name, value)| (*name, value.as_bytes()))
}

/// With an allocation for six readings, and with none.
#[divan::bench(args = [Dialect::Cerebras, Dialect::Chutes])]
fn read_a_head_with_twelve_limits(dialect: Dialect) -> usize {
    rate::readings(dialect, head(), Duration::from_mins(29_876_128)).len()
}

/// Every byte looked at once.
#[divan::bench]
fn floor_look_at_a_head() -> u64 {
    let sum = |text: &[u8]| text.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    head().map(|(name, value)| sum(name.as_bytes()) + sum(value)).sum()
}

/// The numbers alone, as the standard library reads them.
#[divan::bench]
fn floor_numbers_of_a_head() -> u64 {
    let number = |(_, value)| std::str::from_utf8(value).ok()?.parse::<u64>().ok();
    head().skip(4).take(12).filter_map(number).sum()
}
