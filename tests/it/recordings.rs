//! Real traffic, where a folder of recordings stands beside the checkout: each recorded answer goes through the proxy and reaches the
//! client with the same content, calls and usage, and with the same bytes but for the model's name.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use simulator::{Limits, Profile, Simulator};
use tokens::{Counter, Keys, Template, Vocabulary};
use wire::ChatRequest;

use crate::client::{self, Reply};
use crate::harness::{CEREBRAS_KEY, Running};
use crate::scripted::Scripted;

/// One recorded exchange.
struct Exchange {
    file: String,
    request: Value,
    /// The request as it was sent.
    sent: String,
    status: u64,
    body: String,
}

/// The folder, or a line that says that it is not there.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/recordings");
    if folder.is_dir() {
        return Some(folder);
    }
    // Not `eprintln!`, which is kept back where a test passes.
    let _ = writeln!(std::io::stderr(), "\nskipped: no recordings beside the checkout");
    None
}

fn exchanges(folder: &Path) -> Vec<Exchange> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .flat_map(|path| {
            std::fs::read_dir(path).expect("a folder").filter_map(|entry| Some(entry.ok()?.path()))
        })
        .collect();
    files.sort();
    let mut exchanges = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a text");
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = path.strip_prefix(folder).expect("below it").display().to_string();
        let new = |sent: &str, status: &Value, body: &Value| {
            let request: Value = serde_json::from_str(sent).ok()?;
            request.get("messages")?;
            let (status, body) = (status.as_u64()?, body.as_str()?.to_owned());
            Some(Exchange { file: file.clone(), request, sent: sent.to_owned(), status, body })
        };
        for document in &documents {
            let interactions = document["interactions"].as_array().into_iter().flatten();
            exchanges.extend(interactions.filter_map(|it| {
                let (request, response) = (&it["request"], &it["response"]);
                new(request["body"].as_str()?, &response["code"], &response["body"])
            }));
            let (when, then) = (&document["when"], &document["then"]);
            let request = when["json_body_str"].as_str().or_else(|| when["body"].as_str());
            exchanges.extend(request.and_then(|request| new(request, &then["status"], &then["body"])));
        }
    }
    exchanges
}

#[tokio::test]
async fn recorded_answers_reach_the_client_as_they_are() {
    let Some(folder) = folder() else { return };
    let exchanges = exchanges(&folder);
    assert!(exchanges.len() >= 60, "{} exchanges", exchanges.len());
    let provider = Scripted::start().await;
    let vars = [
        ("CEREBRAS_API_KEY", CEREBRAS_KEY),
        ("CEREBRAS_BASE_URL", &provider.base_url()),
        ("CEREBRAS_REQUESTS_PER_MINUTE", "1000000"),
        ("CEREBRAS_TOKENS_PER_MINUTE", "1000000000"),
    ];
    let proxy = Running::start(&vars).await;
    let (mut plain, mut streams) = (0, 0);
    for exchange in exchanges {
        let stream = exchange.request["stream"] == true;
        assert_eq!(exchange.status, 200, "{}", exchange.file);
        *(if stream { &mut streams } else { &mut plain }) += 1;
        let mut request = exchange.request.clone();
        request["model"] = json!("qwen-3-coder");
        for pieces in if stream { &[usize::MAX, 7, 700][..] } else { &[usize::MAX] } {
            let reply = replay(&provider, &proxy, &request, &exchange.body, *pieces).await;
            let reply = reply.good_or_calls(&exchange.file);
            let mut expected = unnamed(&visible(&exchange));
            if stream && !expected.contains("[DONE]") {
                // Cerebras' streams of 2025, which are repaired.
                expected += "data: [DONE]\n\n";
            }
            assert_eq!(unnamed(&reply.text()), expected, "{}", exchange.file);
        }
    }
    assert!(plain >= 20 && streams >= 20, "{plain} plain, {streams} streams");
}

/// What Cerebras counted is what we count: of each prompt before it is sent, and of each answer.
#[test]
fn recorded_usage_of_qwen3_coder_is_counted_exactly() {
    let Some(folder) = folder() else { return };
    let _ = Vocabulary::load();
    let counter = Counter::new(Template::Qwen3CoderLaunch, Keys::default());
    let exchanges = exchanges(&folder);
    let recorded = exchanges.iter().filter(|exchange| exchange.file.starts_with("cerebras-qwen3-coder-480b"));
    let mut compared = 0;
    for Exchange { file, sent, body, .. } in recorded {
        let request = ChatRequest::parse(sent.clone().into()).expect("a request");
        let tools = request.body.get(request.tools.clone()).expect("in the body");
        let (reported, text, calls) = answer(body);
        let calls = calls.iter().map(|(name, arguments)| (name.as_str(), arguments.as_str()));
        let keyed = counter.keys().of(request.each_message(), tools);
        let ours = (counter.count(&keyed), counter.count_answer(&text, calls));
        assert_eq!(
            ours,
            (reported["prompt_tokens"].as_u64(), reported["completion_tokens"].as_u64()),
            "{file}"
        );
        assert!(ours.0.is_some() && ours.1.is_some(), "{file}");
        compared += 1;
    }
    assert_eq!(compared, 10);
}

/// The usage of an answer, its text and its calls; of a stream where no call comes in pieces.
fn answer(body: &str) -> (Value, String, Vec<(String, String)>) {
    let (mut usage, mut text, mut calls) = (Value::Null, String::new(), Vec::new());
    let lines = body.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
    for line in lines.filter(|line| line.starts_with('{')) {
        let mut said: Value = serde_json::from_str(line).expect("JSON");
        let choice = said["choices"][0].take();
        let message = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        text += message["content"].as_str().unwrap_or_default();
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let part = |part: &str| call["function"][part].as_str().expect("a text").to_owned();
            calls.push((part("name"), part("arguments")));
        }
        if said["usage"].is_object() {
            usage = said["usage"].take();
        }
    }
    (usage, text, calls)
}

/// Keys that a recording has and the simulated provider has not, or the other way round, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    // The gateway in between adds these to what Chutes itself sends.
    ("provider", "OpenRouter's own"),
    ("choices[].native_finish_reason", "OpenRouter's own"),
    ("choices[].logprobs", "OpenRouter leaves it out of some events"),
    ("choices[].matched_stop", "left out by OpenRouter"),
    ("system_fingerprint", "OpenRouter's own"),
    ("usage.cost", "OpenRouter's own"),
    ("usage.is_byok", "OpenRouter's own"),
    ("usage.cost_details", "OpenRouter's own"),
    ("usage.completion_tokens_details", "OpenRouter's own"),
    ("usage.prompt_tokens_details", "OpenRouter fills it in"),
    ("choices[].message.content", "OpenRouter writes an empty text beside calls"),
    ("choices[].message.refusal", "OpenRouter's own"),
    ("choices[].message.reasoning", "OpenRouter's own"),
    ("choices[].message.reasoning_content", "left out by OpenRouter"),
    ("choices[].message.tool_calls", "left out by OpenRouter where there are none"),
];

#[tokio::test]
async fn simulated_answers_have_the_shape_of_recorded_ones() {
    let Some(folder) = folder() else { return };
    // In autumn 2025 its streams ended without a marker.
    let cerebras = Profile { limits: Limits::NONE, done_marker: false, ..Profile::cerebras() };
    let mut different = Vec::new();
    for (of, profile) in [("cerebras-qwen3-coder-480b", cerebras), ("openrouter-chutes", Profile::chutes())] {
        let model = profile.models[0].clone();
        let simulator = Simulator::start(profile).await.expect("a port");
        let recorded: Vec<Exchange> =
            exchanges(&folder).into_iter().filter(|exchange| exchange.file.starts_with(of)).collect();
        assert!(recorded.len() >= 8, "{of}: {}", recorded.len());
        for exchange in recorded {
            let mut request = exchange.request.clone();
            request["model"] = json!(model);
            let body = request.to_string();
            let request =
                client::post("/v1/chat/completions", &[("Authorization", "Bearer k")], body.as_bytes());
            let reply = client::exchange(simulator.addr(), &request).await;
            let (ours, theirs) = (shape(&reply.text()), shape(&exchange.body));
            let explained = |path: &&String| {
                let path = path.split_once(' ').map_or(path.as_str(), |(path, _)| path);
                of.starts_with("openrouter")
                    && DIFFERENCES.iter().any(|(known, _)| {
                        path == *known
                            || path.strip_prefix(known).is_some_and(|rest| rest.starts_with(['.', '[']))
                    })
            };
            let unexplained: Vec<&String> =
                ours.symmetric_difference(&theirs).filter(|path| !explained(path)).collect();
            different.extend(unexplained.into_iter().map(|path| format!("{}: {path}", exchange.file)));
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}

/// Every key of an answer with the type of its value; of a stream, those of all events together.
fn shape(text: &str) -> BTreeSet<String> {
    let mut shape = BTreeSet::new();
    let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let texts = if events.is_empty() { vec![text.trim()] } else { events };
    for text in texts {
        if text == "[DONE]" {
            shape.insert("[DONE]".to_owned());
            continue;
        }
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        paths("", &value, &mut shape);
    }
    shape
}

fn paths(path: &str, value: &Value, shape: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                paths(&path, value, shape);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| paths(&format!("{path}[]"), value, shape)),
        value => {
            let kind = match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(_) => "number",
                _ => "text",
            };
            shape.insert(format!("{path} {kind}"));
        }
    }
}

/// Lets the provider answer with the recorded body, a stream in pieces of so many bytes.
async fn replay(provider: &Scripted, proxy: &Running, request: &Value, body: &str, pieces: usize) -> Reply {
    if request["stream"] == true {
        provider.answer(body.as_bytes().chunks(pieces.min(body.len())).map(<[u8]>::to_vec).collect());
    } else {
        let head = format!("200 OK\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
        provider.answer_raw(&head, body);
    }
    client::exchange(
        proxy.address,
        &client::post("/v1/chat/completions", &[], request.to_string().as_bytes()),
    )
    .await
}

impl Reply {
    /// A whole answer; one that only calls a function has no text.
    fn good_or_calls(self, file: &str) -> Self {
        assert!(self.status == 200 && self.whole, "{file}: {}", self.describe());
        assert!(self.answer().1, "{file} has a finish reason: {}", self.describe());
        self
    }
}

/// What a client is to see of a recorded body: a chunk with nothing but usage only if it asked for it.
fn visible(exchange: &Exchange) -> String {
    let wants_usage = exchange.request["stream_options"]["include_usage"] == true;
    if exchange.request["stream"] != true || wants_usage {
        return exchange.body.clone();
    }
    let only_usage = |event: &str| {
        let data = event.trim_start().strip_prefix("data: ").unwrap_or_default();
        let chunk: Value = serde_json::from_str(data).unwrap_or_default();
        chunk["choices"].as_array().is_some_and(Vec::is_empty) && chunk["usage"].is_object()
    };
    exchange.body.split_inclusive("\n\n").filter(|event| !only_usage(event)).collect()
}

/// The same text with the value of each top-level `model` gone.
fn unnamed(text: &str) -> String {
    let without_name = |line: &str| {
        let json = line.strip_prefix("data: ").unwrap_or(line);
        let named: Value = serde_json::from_str(json.trim()).unwrap_or_default();
        let Some(model) = named.get("model") else { return line.to_owned() };
        let (named, at) = (format!("\"model\":{model}"), line.find(&format!("\"model\":{model}")));
        at.map_or_else(|| line.to_owned(), |at| format!("{}{}", &line[..at], &line[at + named.len()..]))
    };
    text.split_inclusive('\n').map(without_name).collect()
}
