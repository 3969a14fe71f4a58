//! Calls that are where they belong, and damaged.

use super::*;

fn only(repair: Repair) -> Repairs {
    [repair].into_iter().collect()
}

fn fragments(fragments: &[Value], finish: &str) -> String {
    let mut stream = event(&json!({"role": "assistant", "content": null}), None);
    for fragment in fragments {
        stream += &event(&json!({"tool_calls": [fragment]}), None);
    }
    stream + &event(&json!({}), Some(finish)) + "data: [DONE]\n\n"
}

fn repaired(stream: &str, repairs: Repairs) -> (Seen, String, Repairs) {
    let rng = &mut Rng::with_seed(3);
    let (out, acted) = streamed(stream.as_bytes(), repairs, rng);
    assert_eq!(streamed(stream.as_bytes(), repairs, rng).0, out, "cut otherwise");
    (seen(&out), String::from_utf8(out).unwrap(), acted)
}

/// A call in fragments of its arguments, each of so many characters.
fn in_fragments(index: u64, name: &str, arguments: &str, size: usize) -> Vec<Value> {
    let first = json!({"index": index, "id": format!("call_{name}{index}"), "type": "function", "function": {"name": name, "arguments": ""}});
    let chars: Vec<char> = arguments.chars().collect();
    let rest = chars.chunks(size).map(|part| {
        let text: String = part.iter().collect();
        json!({"index": index, "id": null, "type": "function", "function": {"name": null, "arguments": text}})
    });
    std::iter::once(first).chain(rest).collect()
}

#[test]
fn healthy_calls_pass_byte_for_byte() {
    let edit = r#"{"path":"\"a\"","edits":[{"a":"[1]"}],"options":{"b":"{}"},"save":true}"#;
    for size in [1, 3, 100] {
        let calls = [
            in_fragments(0, "edit", edit, size),
            in_fragments(1, "edit", edit, size),
            in_fragments(2, "list", "", 1),
        ];
        let stream = fragments(&calls.concat(), "tool_calls");
        let (_, out, acted) = repaired(&stream, Repairs::ALL);
        assert_eq!((out, acted), (stream, Repairs::NONE));
    }
}

#[test]
fn arguments_that_were_encoded_once_too_often_are_decoded() {
    let meant = json!({"path": "a\"b", "edits": [{"line": 1}], "options": {"deep": ["x"]}, "save": true});
    let mut nested = meant.clone();
    for key in ["edits", "options"] {
        nested[key] = meant[key].to_string().into();
    }
    let all = Value::from(nested.to_string()).to_string();
    for (arguments, size) in [(nested.to_string(), 1), (nested.to_string(), 7), (all.clone(), 1), (all, 1000)]
    {
        let calls =
            [in_fragments(0, "edit", &arguments, size), in_fragments(1, "read", r#"{"path":"[1]"}"#, size)];
        let stream = fragments(&calls.concat(), "tool_calls");
        let (answer, _, acted) = repaired(&stream, Repairs::ALL);
        let called = [("edit".to_owned(), meant.clone()), ("read".to_owned(), json!({"path": "[1]"}))];
        assert_eq!((answer.called().as_slice(), acted), (&called[..], only(Repair::DoubleEncodedArguments)));
        let call =
            json!({"id": "c", "type": "function", "function": {"name": "edit", "arguments": arguments}});
        let (answer, completion) =
            plain(&json!({"content": null, "tool_calls": [call]}), "tool_calls", Repairs::ALL);
        assert_eq!(answer.called(), called[..1]);
        assert_eq!(completion.repaired, only(Repair::DoubleEncodedArguments));
    }
}

#[test]
fn what_may_be_damaged_waits_for_the_end_and_no_other() {
    // What came before the value in question has passed, and what is no damage in the end passes as it came.
    let arguments = r#"{"path":"a","edits":"[1"}"#;
    let stream = fragments(&in_fragments(0, "edit", arguments, 2), "tool_calls");
    let (_, out, acted) = repaired(&stream, Repairs::ALL);
    assert_eq!((out, acted), (stream, Repairs::NONE));
}

#[test]
fn calls_that_share_an_index_are_told_apart() {
    let call = |id: Value, name: &str, arguments: &str| json!({"index": 0, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let wanted = [
        ("read".to_owned(), json!({"path": "a"})),
        ("read".to_owned(), json!({"path": "b"})),
        ("list".to_owned(), json!({})),
    ];
    // By their ids; or where they have none, by a name behind whole arguments.
    for ids in [["x", "y", "z"].map(Value::from), [const { Value::Null }; 3]] {
        let [a, b, c] = ids;
        let calls = [
            call(a, "read", r#"{"path":"#),
            json!({"index": 0, "function": {"arguments": "\"a\"}"}}),
            call(b, "read", r#"{"path":"b"}"#),
            call(c, "list", "{}"),
        ];
        let (answer, _, acted) = repaired(&fragments(&calls, "stop"), Repairs::ALL);
        assert_eq!(answer.called(), wanted);
        assert_eq!(answer.finish.as_deref(), Some("tool_calls"));
        assert!(acted.has(Repair::ToolCallIndexes) && acted.has(Repair::FinishReasons));
        // All in one event, as Ollama sends them.
        let event =
            event(&json!({"tool_calls": [calls[2], calls[3]]}), None) + &event(&json!({}), Some("stop"));
        let (answer, ..) = repaired(&event, Repairs::ALL);
        assert_eq!(answer.called(), wanted[1..]);
    }
}

#[test]
fn a_call_without_id_or_type_gets_them() {
    let calls = [
        json!({"index": 0, "function": {"name": "read", "arguments": "{\"path\":"}}),
        json!({"index": 0, "function": {"arguments": "\"a\"}"}}),
        json!({"index": 1, "id": "", "type": null, "function": {"name": "list", "arguments": "{}"}}),
    ];
    let (answer, out, acted) = repaired(&fragments(&calls, "tool_calls"), Repairs::ALL);
    let ids: Vec<&str> = answer.calls.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(ids, ["call_000000000000000700000000", "call_000000000000000700000001"]);
    assert_eq!((out.matches("\"type\":\"function\"").count(), acted), (2, only(Repair::ToolCallIds)));
    let call = json!({"function": {"name": "list", "arguments": "{}"}});
    let (answer, completion) =
        plain(&json!({"content": "", "tool_calls": [call, call]}), "stop", Repairs::ALL);
    assert_eq!(answer.calls.len(), 2);
    assert!(answer.calls[0].0.starts_with("call_") && answer.calls[0].0 != answer.calls[1].0);
    assert!(
        completion.repaired.has(Repair::ToolCallIds) && !completion.repaired.has(Repair::ToolCallIndexes)
    );
    assert_eq!(answer.finish.as_deref(), Some("tool_calls"));
}

#[test]
fn a_whole_stream_without_its_end_marker_gets_one() {
    let stream = event(&json!({"content": "a"}), None) + &event(&json!({}), Some("stop"));
    let (_, out, acted) = repaired(&stream, Repairs::ALL);
    assert_eq!((out, acted), (stream.clone() + "data: [DONE]\n\n", only(Repair::DoneMarker)));
    let half = event(&json!({"content": "a"}), None);
    assert_eq!(repaired(&half, Repairs::ALL).1, half, "half an answer gets none");
    assert_eq!(repaired(&stream, Repairs::NONE).1, stream);
}

#[test]
fn answers_with_several_choices_are_left_alone() {
    let call = json!({"index": 0, "function": {"name": "list", "arguments": "\"{}\""}});
    let chunk = json!({"choices": [
        {"index": 0, "delta": {"tool_calls": [call]}}, {"index": 1, "delta": {"content": "<function=list>"}, "finish_reason": "stop"},
    ]});
    let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    assert_eq!(repaired(&stream, Repairs::ALL).1, stream);
}
