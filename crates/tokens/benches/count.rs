//! What exact counting costs: a request of about 100 KB with 60 messages and 20 tools, as an agent sends it, beside a copy and a hash
//! of the same bytes.
#![expect(clippy::expect_used, reason = "a benchmark stops where its data is wrong")]

use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use tokens::{Counter, Keys, Template, Vocabulary};

fn main() {
    let _ = Vocabulary::load();
    divan::main();
}

/// Source code of this crate, so that no two messages are alike.
const SOURCES: &str = concat!(
    include_str!("../src/counter.rs"),
    include_str!("../src/estimate.rs"),
    include_str!("../src/json.rs"),
    include_str!("../src/template.rs"),
    include_str!("../src/template/tools.rs"),
    include_str!("../src/python.rs"),
    include_str!("../src/message.rs"),
    include_str!("../src/calibration.rs"),
    include_str!("../src/vocabulary.rs"),
    include_str!("../src/counter/memo.rs"),
    include_str!("../src/counter/tests.rs"),
    include_str!("../src/template/tests.rs"),
    include_str!("../src/vocabulary/tests.rs"),
);

struct Request {
    messages: Vec<Vec<u8>>,
    tools: Vec<u8>,
}

impl Request {
    fn new() -> Self {
        let lines: Vec<&str> = SOURCES.split_inclusive('\n').collect();
        let message = |index: usize| {
            let lines = lines.iter().cycle().skip(index * lines.len() / 60).take(lines.len() / 48);
            let text = serde_json::Value::from(lines.copied().collect::<String>());
            let json = match index % 4 {
                0 => format!(r#"{{"role":"user","content":{text}}}"#),
                1 => format!(
                    r#"{{"role":"assistant","content":"I look.","tool_calls":[{{"id":"call_{index}","type":"function","function":{{"name":"read_file","arguments":"{{\"path\":\"src/file_{index}.rs\",\"limit\":400}}"}}}}]}}"#
                ),
                2 => format!(r#"{{"role":"tool","tool_call_id":"call_{index}","content":{text}}}"#),
                _ => format!(r#"{{"role":"assistant","content":{text}}}"#),
            };
            json.into_bytes()
        };
        let tool = |index: usize| {
            format!(
                r#"{{"type":"function","function":{{"name":"tool_{index}","description":"{}","parameters":{{"type":"object","properties":{{"path":{{"type":"string","description":"A path below the working directory"}},"limit":{{"type":"integer"}}}},"required":["path"]}}}}}}"#,
                "Does something with a file and tells what became of it. ".repeat(14)
            )
        };
        let tools: Vec<String> = (0..20).map(tool).collect();
        Self {
            messages: (0..60).map(message).collect(),
            tools: format!("[{}]", tools.join(",")).into_bytes(),
        }
    }

    fn size(&self) -> BytesCount {
        BytesCount::new(self.messages.iter().map(Vec::len).sum::<usize>() + self.tools.len())
    }

    fn count(&self, counter: &Counter) -> u64 {
        let tokens = counter.count(&counter.keys().of(self.messages.iter().map(Vec::as_slice), &self.tools));
        tokens.expect("messages that can be rendered")
    }
}

/// Nothing known.
#[divan::bench]
fn cold(bencher: Bencher<'_, '_>) {
    let request = Request::new();
    bencher
        .counter(request.size())
        .with_inputs(|| Counter::new(Template::Qwen3CoderLaunch, Keys::default()))
        .bench_refs(|counter| black_box(&request).count(counter));
}

/// All but the last message known.
#[divan::bench]
fn one_new_message(bencher: Bencher<'_, '_>) {
    let mut request = Request::new();
    let counter = Counter::new(Template::Qwen3CoderLaunch, Keys::default());
    let mut turn = 0_u32;
    bencher.counter(request.size()).bench_local(|| {
        turn += 1;
        if let Some(last) = request.messages.last_mut() {
            *last = format!(
                r#"{{"role":"user","content":"Now do what was said above, for the {turn}th time,\\nand tell me whether the tests pass."}}"#
            )
            .into_bytes();
        }
        request.count(black_box(&counter))
    });
}

/// All of it known.
#[divan::bench]
fn warm(bencher: Bencher<'_, '_>) {
    let request = Request::new();
    let counter = Counter::new(Template::Qwen3CoderLaunch, Keys::default());
    bencher.counter(request.size()).bench(|| black_box(&request).count(&counter));
}

/// Text that is made to be slow: words without an end, of letters that merge late.
#[divan::bench(args = [1 << 14, 1 << 17])]
fn endless_words(bencher: Bencher<'_, '_>, size: usize) {
    let mut random = 1_u64;
    let mut letter = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((random >> 33) % 26).unwrap_or_default())
    };
    let text: String = (0..size).map(|_| letter()).collect();
    let message = format!(r#"{{"role":"user","content":"{text}"}}"#);
    bencher
        .counter(BytesCount::new(size))
        .with_inputs(|| Counter::new(Template::Qwen3CoderLaunch, Keys::default()))
        .bench_refs(|counter| counter.count(&counter.keys().of([black_box(&message).as_bytes()], b"")));
}

#[divan::bench]
fn floor_hash(bencher: Bencher<'_, '_>) {
    let request = Request::new();
    bencher.counter(request.size()).bench(|| {
        let hash = |bytes: &[u8]| twox_hash::XxHash3_128::oneshot_with_seed(1, bytes);
        request
            .messages
            .iter()
            .map(|message| hash(black_box(message)))
            .fold(hash(&request.tools), |a, b| a ^ b)
    });
}

#[divan::bench]
fn floor_copy(bencher: Bencher<'_, '_>) {
    let request = Request::new();
    bencher.counter(request.size()).bench(|| {
        let messages: Vec<Vec<u8>> = black_box(&request.messages).clone();
        (messages, request.tools.clone())
    });
}

#[divan::bench]
fn other_estimate(bencher: Bencher<'_, '_>) {
    let request = Request::new();
    bencher.counter(request.size()).bench(|| {
        let messages = request.messages.iter().map(|message| tokens::estimate(black_box(message)));
        messages.sum::<u64>() + tokens::estimate(&request.tools)
    });
}
