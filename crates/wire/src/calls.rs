//! Whether the calls of an answer can be made: their arguments are whole JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::sse::Decoder;

/// The calls of an answer, put together from what was said of them.
#[derive(Debug, Default)]
struct Calls {
    /// Arguments by choice and index.
    arguments: BTreeMap<(u64, u64), String>,
    /// The answer ends where the request's own maximum is: whatever is missing, no other provider has it.
    is_cut_short: bool,
}

/// A chunk, or a plain answer.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, alias = "message")]
    delta: Option<Said<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    arguments: Option<Cow<'a, str>>,
}

/// Whether all calls of a streamed answer, which is over, can be made.
pub fn can_be_made<'a>(events: impl Iterator<Item = &'a Bytes>) -> bool {
    let mut calls = Calls::default();
    let mut decoder = Decoder::default();
    for event in events {
        // What is too long for the decoder has not come this far.
        let _ = decoder.feed(event.clone());
        while let Some(frame) = decoder.next() {
            if let Some(data) = frame.fields().data {
                calls.add(&data, false);
            }
        }
    }
    calls.can_be_made()
}

/// Whether all calls of a plain answer can be made.
#[must_use]
pub fn can_be_made_of(answer: &[u8]) -> bool {
    let mut calls = Calls::default();
    calls.add(answer, true);
    calls.can_be_made()
}

impl Calls {
    /// What can't be read says nothing of calls. In a plain answer each is whole, whatever its index: some engines give the
    /// tool's, which two calls may share.
    fn add(&mut self, answer: &[u8], whole: bool) {
        let Ok(Answer { choices }) = serde_json::from_slice(answer) else { return };
        for Choice { index: choice, delta, finish_reason } in choices {
            self.is_cut_short |= matches!(finish_reason.as_deref(), Some("length" | "content_filter"));
            let Some(Said { tool_calls, function_call }) = delta else { continue };
            let many = tool_calls.into_iter().flatten().enumerate();
            let index = |said: Option<u64>, place| said.filter(|_| !whole).unwrap_or(place);
            let many = many.map(|(place, call)| (index(call.index, place as u64), call.function));
            for (index, function) in many.chain([(u64::MAX, function_call)]) {
                let arguments = function.and_then(|function| function.arguments).unwrap_or_default();
                self.arguments.entry((choice, index)).or_default().push_str(&arguments);
            }
        }
    }

    /// Nothing at all is how some say that there are no arguments.
    fn can_be_made(&self) -> bool {
        let is_json = |text: &String| serde_json::from_str::<IgnoredAny>(text).is_ok();
        self.is_cut_short || self.arguments.values().all(|text| text.trim().is_empty() || is_json(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(deltas: &[(&str, &str)]) -> bool {
        let event = |(delta, finish): &(&str, &str)| {
            Bytes::from(format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
            ))
        };
        let events: Vec<Bytes> = deltas.iter().map(event).collect();
        can_be_made(events.iter())
    }

    #[test]
    fn fragments_are_put_together_by_index() {
        let fragment = |index: u32, text: &str| {
            format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":"{text}"}}}}]}}"#)
        };
        let (a, b) = (fragment(0, r#"{\"a\":"#), fragment(1, "{}"));
        let end = fragment(0, "1}");
        assert!(stream(&[(&a, "null"), (&b, "null"), (&end, "\"tool_calls\"")]));
        assert!(!stream(&[(&a, "null"), (&b, "\"tool_calls\"")]));
        assert!(stream(&[(&a, "null"), (&b, "\"length\"")]), "no other provider has the rest");
        assert!(stream(&[(&fragment(0, ""), "\"tool_calls\"")]), "no arguments at all");
    }

    #[test]
    fn the_older_way_to_call_and_plain_answers_are_looked_at_too() {
        assert!(!stream(&[(r#"{"function_call":{"name":"f","arguments":"{"}}"#, "\"stop\"")]));
        let plain = |arguments: &str| {
            format!(
                r#"{{"choices":[{{"message":{{"content":null,"tool_calls":[{{"id":"a","function":{{"name":"f","arguments":"{arguments}"}}}},{{"function":{{"arguments":"{{}}"}}}}]}}}}]}}"#
            )
        };
        assert!(can_be_made_of(plain("{}").as_bytes()));
        assert!(!can_be_made_of(plain(r#"{\"a\":\"b"#).as_bytes()));
        let shared = plain("{}").replace(r#""function":"#, r#""index":0,"function":"#);
        assert!(
            can_be_made_of(shared.as_bytes()),
            "a plain answer's calls are whole, whatever they are numbered"
        );
    }
}
