//! What one event of a chat stream says.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::ProviderError;
use crate::json;
use crate::usage::Usage;

/// What matters of one `chat.completion.chunk`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunk {
    /// Where the value of `model` stands in the data, if it is a string.
    pub model: Option<Range<usize>>,
    /// Reported usage.
    pub usage: Option<Usage>,
    /// Whether it has no choices and only reports usage.
    pub only_usage: bool,
    /// Whether it carries anything of the answer: text, reasoning, refusal, calls, or a finish reason.
    pub payload: bool,
    /// About how many tokens of the answer it carries.
    pub tokens: u64,
    /// The choices it speaks of, a bit each.
    pub seen: u128,
    /// The choices it finishes, a bit each.
    pub finished: u128,
    /// The provider failed, in band.
    pub error: Option<ProviderError>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<i64>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
}

impl Chunk {
    /// Reads the data of an event. `None`: it is no chunk, and nothing of ours.
    #[must_use]
    pub fn parse(data: &str) -> Option<Self> {
        let raw: Raw<'_> = serde_json::from_str(data).ok()?;
        let has_choices = raw.choices.is_some();
        let choices = raw.choices.unwrap_or_default();
        let mut chunk = Self {
            model: raw
                .model
                .filter(|model| model.get().starts_with('"'))
                .map(|model| json::span(data, model.get())),
            usage: raw.usage.and_then(|usage| Usage::parse(usage.get())),
            only_usage: raw.usage.is_some() && choices.is_empty(),
            ..Self::default()
        };
        if raw.error.is_some_and(json::says_something) || !has_choices && !chunk.only_usage {
            chunk.error = ProviderError::parse(data.as_bytes());
        }
        for choice in choices {
            chunk.add(&choice);
        }
        Some(chunk)
    }

    fn add(&mut self, choice: &Choice<'_>) {
        let index = u32::try_from(choice.index.unwrap_or(0)).unwrap_or(0);
        let bit = 1u128.checked_shl(index).unwrap_or(0);
        let bytes = choice.delta.as_ref().map_or(0, Delta::payload_bytes);
        self.seen |= bit;
        if bytes > 0 {
            // One chunk a token is usual; where several share a chunk, four bytes make one.
            self.tokens += (bytes / 4).max(1);
        }
        // Some engines send an empty one until there is one.
        let finish_reason = choice.finish_reason.filter(|reason| json::says_something(reason));
        match finish_reason.map(RawValue::get) {
            Some("\"error\"") => {
                self.error = Some(ProviderError::new("The provider ended the answer with an error."));
            }
            Some(_) => self.finished |= bit,
            None => {}
        }
        self.payload |= bytes > 0 || finish_reason.is_some();
    }
}

impl Delta<'_> {
    fn payload_bytes(&self) -> u64 {
        let texts = [self.content, self.reasoning, self.reasoning_content, self.refusal];
        let calls = [self.tool_calls, self.function_call];
        let size = |value: &RawValue| if json::says_something(value) { value.get().len() as u64 } else { 0 };
        // Most of a fragment of a call is its frame: `{"index":0,"id":null,"type":"function","function":{…}}`.
        let texts: u64 = texts.into_iter().flatten().map(size).sum();
        texts + calls.into_iter().flatten().map(|call| size(call).div_ceil(4)).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(delta: &str, finish: &str) -> Chunk {
        let data = format!(
            r#"{{"id":"x","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}],"model":"up"}}"#
        );
        Chunk::parse(&data).unwrap()
    }

    #[test]
    fn payload_is_what_design_says_it_is() {
        for (fields, payload) in [
            (r#"{"role":"assistant"}"#, false),
            (r#"{"role":"assistant","content":""}"#, false),
            (r#"{"content":null,"tool_calls":[]}"#, false),
            (r#"{"content":"a"}"#, true),
            (r#"{"reasoning":"a"}"#, true),
            (r#"{"reasoning_content":"a"}"#, true),
            (r#"{"refusal":"a"}"#, true),
            (r#"{"tool_calls":[{"index":0}]}"#, true),
            (r#"{"function_call":{"name":"f"}}"#, true),
        ] {
            assert_eq!(delta(fields, "null").payload, payload, "{fields}");
        }
        let last = delta("{}", "\"stop\"");
        assert!(last.payload && last.finished == 1);
        let unfinished = delta("{}", "\"\"");
        assert!(!unfinished.payload && unfinished.finished == 0, "an empty finish reason is none");
    }

    #[test]
    fn a_usage_chunk_has_no_choices() {
        let chunk = Chunk::parse(
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
        )
        .unwrap();
        assert!(chunk.only_usage && !chunk.payload && chunk.error.is_none());
        assert_eq!(chunk.usage.unwrap().total(), 7);
    }

    #[test]
    fn errors_are_told_in_every_shape_they_come_in() {
        for data in [
            r#"{"error":{"message":"boom"}}"#,
            r#"{"error":"boom"}"#,
            r#"{"message":"boom","type":"server_error","code":"x"}"#,
            r#"{"object":"error","message":"boom","code":500}"#,
            r#"{"detail":"boom"}"#,
        ] {
            assert_eq!(Chunk::parse(data).unwrap().error.unwrap().message, "boom", "{data}");
        }
        assert!(delta("{}", "\"error\"").error.is_some());
        for none in ["null", "\"\"", "{}", "[]", "false"] {
            let data = format!(r#"{{"choices":[{{"delta":{{"content":"a"}}}}],"error":{none}}}"#);
            assert_eq!(Chunk::parse(&data).unwrap().error, None, "{none}");
        }
        for data in [
            r#"{"choices":[],"message":"queued","type":"status"}"#,
            r#"{"choices":[],"prompt_filter_results":[]}"#,
        ] {
            assert_eq!(Chunk::parse(data).unwrap().error, None, "{data}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_none() {
        for data in ["[DONE]", "", "{", "7", r#"{"choices":7}"#] {
            assert_eq!(Chunk::parse(data), None, "{data}");
        }
    }
}
