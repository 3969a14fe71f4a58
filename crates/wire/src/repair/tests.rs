//! Answers through the repairs as a client sees them, streamed and plain.

use bytes::Bytes;
use fastrand::Rng;
use serde_json::{Value, json};

use super::{Mending, Repair, Repairs};
use crate::completion::Completion;
use crate::sse::{Decoder, Frame};
use crate::stream::{ChatStream, Step};

mod damaged;
mod hostile;
mod leaked;
mod untouched;

/// So many answers are made up for each property.
const CASES: u64 = 10_000;

/// The tools of every request here.
fn tools() -> Value {
    let tool = |name: &str, properties: Value| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}});
    let text = json!({"type": "string", "description": "Some text"});
    json!([
        tool("read", json!({"path": text})),
        tool(
            "edit",
            json!({
                "path": text,
                "edits": {"type": "array", "items": {"type": "object"}},
                "options": {"type": "object"},
                "save": {"type": "boolean"},
                "limit": {"type": "integer"},
                "ratio": {"type": ["number", "null"]},
            })
        ),
        tool("list", json!({})),
    ])
}

/// What a client makes of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    text: String,
    /// Id, name and arguments.
    calls: Vec<(String, String, String)>,
    finish: Option<String>,
}

impl Seen {
    /// Name and arguments of each call.
    fn called(&self) -> Vec<(String, Value)> {
        let parsed = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        self.calls.iter().map(|(_, name, arguments)| (name.clone(), parsed(arguments))).collect()
    }

    fn add(&mut self, said: &Value, choice: &Value) {
        self.text += said["content"].as_str().unwrap_or_default();
        for (place, call) in said["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let index = call["index"].as_u64().map_or(place, |index| usize::try_from(index).unwrap());
            while self.calls.len() <= index {
                self.calls.push(Default::default());
            }
            let (id, name, arguments) = &mut self.calls[index];
            *id += call["id"].as_str().unwrap_or_default();
            *name += call["function"]["name"].as_str().unwrap_or_default();
            *arguments += call["function"]["arguments"].as_str().unwrap_or_default();
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            assert_eq!(self.finish.replace(reason.to_owned()), None, "two finish reasons");
        }
    }
}

/// The bytes a client gets of a stream that is cut like this, and what was repaired.
fn streamed(stream: &[u8], repairs: Repairs, rng: &mut Rng) -> (Vec<u8>, Repairs) {
    let tools = tools().to_string();
    let mending = Mending { repairs, tools: tools.as_bytes(), seed: 7 };
    let mut chat = ChatStream::new("mine", true).mending(&mending);
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (part, behind) = rest.split_at(rng.usize(1..=rest.len().min(400)));
        rest = behind;
        decoder.feed(Bytes::copy_from_slice(part)).unwrap();
        while let Some(frame) = decoder.next() {
            match chat.step(&frame) {
                Step::Pass { bytes, .. } => out.extend_from_slice(&bytes),
                step => panic!("{step:?}"),
            }
        }
    }
    out.extend(chat.give_up().unwrap_or_default());
    out.extend(chat.missing_done().unwrap_or_default());
    (out, chat.repaired())
}

fn seen(stream: &[u8]) -> Seen {
    let text = std::str::from_utf8(stream).unwrap();
    let mut seen = Seen::default();
    for data in text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")) {
        if data == "[DONE]" {
            continue;
        }
        let chunk: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error} in {data}"));
        let choice = &chunk["choices"][0];
        seen.add(&choice["delta"], choice);
    }
    seen
}

/// A plain answer after its repair.
fn plain(message: &Value, finish: &str, repairs: Repairs) -> (Seen, Completion) {
    let tools = tools().to_string();
    let mending = Mending { repairs, tools: tools.as_bytes(), seed: 7 };
    let body =
        json!({"model": "mine", "choices": [{"index": 0, "message": message, "finish_reason": finish}]});
    let body = Bytes::from(body.to_string());
    let completion = Completion::parse(&body, "mine").unwrap().mended(&mending);
    if completion.repaired.is_empty() {
        assert_eq!(completion.body, body, "nothing was repaired");
    }
    let answer: Value = serde_json::from_slice(&completion.body).unwrap();
    let mut seen = Seen::default();
    seen.add(&answer["choices"][0]["message"], &answer["choices"][0]);
    (seen, completion)
}

fn event(delta: &Value, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": "c", "model": "mine",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": null}],
    });
    format!("data: {chunk}\n\n")
}

/// A stream of this text in pieces, as engines write it: with a role first, and usage and an end marker behind it.
fn stream_of(text: &str, finish: &str, rng: &mut Rng) -> String {
    let mut stream = event(&json!({"role": "assistant", "content": ""}), None);
    let mut rest = text;
    while !rest.is_empty() {
        let most = rng.usize(1..=40);
        let mut end = most.min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        let mut written = event(&json!({"content": piece}), None);
        if rng.u8(..4) == 0 {
            // As Go writes it.
            written = written.replace('<', "\\u003c").replace('>', "\\u003e");
        }
        stream += &written;
        if rng.u8(..30) == 0 {
            stream += ": ping\n\n";
        }
    }
    stream += &event(&json!({}), Some(finish));
    stream += "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
    stream + "data: [DONE]\n\n"
}

#[test]
fn names_are_told_apart() {
    for (name, repair) in Repair::NAMED {
        let only: Repairs = [*repair].into_iter().collect();
        assert_eq!((repair.name(), only.names().as_str()), (*name, *name));
        assert!(Repairs::ALL.has(*repair) && !Repairs::NONE.has(*repair));
    }
    assert_eq!(Repairs::ALL.iter().count(), Repair::NAMED.len());
}

#[test]
fn what_is_held_back_keeps_nothing_of_what_was_read_with_it() {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"<tool_call>\"}}]}\n\n";
    let read = Bytes::from(format!("{event}{}", " ".repeat(8000)).into_bytes());
    let tools = tools().to_string();
    let mut chat = ChatStream::new("m", false);
    chat = chat.mending(&Mending { repairs: Repairs::ALL, tools: tools.as_bytes(), seed: 7 });
    let passed = chat.step(&Frame(read.slice(..event.len())));
    assert!(matches!(&passed, Step::Pass { bytes, .. } if bytes.is_empty()), "{passed:?}");
    assert!(read.is_unique());
    assert_eq!(chat.give_up().unwrap(), event);
}
