use proptest::prelude::*;
use serde_json::{Value, json};

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
    let chunk =
        Chunk::parse(r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#)
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

proptest! {
    /// What a tree of the same text says.
    #[test]
    fn a_tree_says_the_same(
        content in "[a-z\\\\\"é]{0,6}",
        fields in prop::sample::subsequence(
            vec![r#""a":[{"b":null}]"#, r#""model":"up""#, r#""usage":{"prompt_tokens":3}"#, r#""choices":null"#, r#""model":7"#],
            0..5,
        ),
        choices in prop::collection::vec((0..200i64, prop::bool::ANY, 0..4usize), 0..4),
    ) {
        let finish = [r#""stop""#, "null", r#""""#, r#""length""#];
        let choice = |(index, calls, finished): &(i64, bool, usize)| {
            let field = if *calls { "tool_calls" } else { "content" };
            let value = if *calls { json!([{"function": content}]) } else { json!(content) };
            format!(r#"{{"index": {index} ,"delta":{{"{field}":{value}}}, "finish_reason":{}}}"#, finish[*finished])
        };
        let list = choices.iter().map(choice).collect::<Vec<_>>().join(",");
        let list = format!(r#""choices": [{list}]"#);
        let data = format!("{{{}}}", fields.iter().copied().chain([list.as_str()]).collect::<Vec<_>>().join(" , "));
        let chunk = Chunk::parse(&data);
        let twice = |name: &str| data.matches(name).count() > 1;
        if twice("\"model\"") || twice("\"choices\"") {
            prop_assert_eq!(chunk, None);
            return Ok(());
        }
        let (chunk, tree): (_, Value) = (chunk.unwrap(), serde_json::from_str(&data).unwrap());
        prop_assert_eq!(chunk.model.map(|span| data[span].to_owned()), tree["model"].as_str().map(|model| format!("\"{model}\"")));
        prop_assert_eq!(chunk.usage.map(|usage| usage.prompt_tokens), tree["usage"]["prompt_tokens"].as_u64());
        let index = |choice: &Value| choice["index"].as_u64().and_then(|index| index.try_into().ok()).unwrap();
        let bit = |choice: &Value| 1u128.checked_shl(index(choice)).unwrap_or(0);
        let tree = tree["choices"].as_array().unwrap();
        let done = |choice: &&Value| choice["finish_reason"].as_str().is_some_and(|reason| !reason.is_empty());
        let says = |choice: &Value| choice["delta"]["content"] != "";
        prop_assert_eq!(chunk.seen, tree.iter().map(bit).fold(0, |bits, bit| bits | bit));
        prop_assert_eq!(chunk.finished, tree.iter().filter(done).map(bit).fold(0, |bits, bit| bits | bit));
        prop_assert_eq!(chunk.payload, tree.iter().any(|choice| says(choice) || done(&choice)));
        prop_assert_eq!(chunk.tokens > 0, tree.iter().any(says));
    }
}
