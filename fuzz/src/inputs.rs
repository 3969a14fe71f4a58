//! What clients send and users write.

use bytes::Bytes;
use qwen_3_coder_proxy::config::{Config, Overrides};
use serde_json::Value;
use wire::{ChatRequest, FieldEdit, Rule};

use crate::judged;

/// A key that no text about settings may show.
const KEY: &str = "csk-fuzz-0123456789abcdef0123456789abcdef";

/// What is taken for a request is JSON, and goes on as the same but for the edits that were asked for.
pub fn request(data: &[u8]) {
    let Ok(request) = ChatRequest::parse(Bytes::copy_from_slice(data)) else { return };
    let Some(before) = judged(data) else { return };
    assert_eq!(before["model"], *request.model);
    assert!(before["messages"].as_array().is_some_and(|list| list.len() >= request.each_message().len()));
    let removed = ["store", "messages.*.reasoning_content"]
        .map(|path| Rule::Field(FieldEdit::remove(path).expect("a path")));
    let sent = request.shape("up/stream", &removed).to_bytes();
    let mut sent = judged(&sent).expect("it stays JSON");
    assert_eq!(sent["model"], "up/stream");
    assert!(sent.get("store").is_none());
    if request.stream {
        assert_eq!(sent["stream_options"]["include_usage"], true);
        sent["stream_options"] = before["stream_options"].clone();
    }
    let mut expected = before;
    expected["model"] = "up/stream".into();
    if let Some(fields) = expected.as_object_mut() {
        fields.remove("store");
        if request.stream {
            fields.entry("stream_options").or_insert(Value::Null);
        }
    }
    for message in expected["messages"].as_array_mut().into_iter().flatten() {
        message.as_object_mut().map(|fields| fields.remove("reasoning_content"));
    }
    assert_eq!(sent, expected, "more than what was asked for changed");
}

/// A file of settings is usable, and then shows itself as one that says the same, or has its mistakes named. No text
/// shows a key.
pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Files beside it are not the property's business.
    if text.contains("file") {
        return;
    }
    let read = |text: &str| {
        let keys = [("CEREBRAS_API_KEY", KEY), ("CHUTES_API_KEY", KEY)];
        let vars = keys.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Config::from_text(text, vars, &Overrides::default())
    };
    match read(text) {
        Ok(config) => {
            let shown = config.to_string();
            assert!(!shown.contains(KEY), "{shown}");
            let again = read(&shown).unwrap_or_else(|problems| panic!("{problems}\n{shown}"));
            assert_eq!(again.to_string(), shown);
        }
        Err(problems) => {
            let problems = problems.to_string();
            assert!(!problems.trim().is_empty() && !problems.contains(KEY), "{problems}");
        }
    }
}
