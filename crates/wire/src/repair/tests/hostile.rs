//! Answers that are made to hurt: whatever comes, each byte of it costs about as much.

use serde_json::{Value, json};

use super::*;

/// A stream of these deltas, the last of which ends it for this reason.
fn stream(deltas: &[Value], finish: &str) -> Vec<u8> {
    let event = |(at, delta): (usize, &Value)| {
        let finish = if at + 1 == deltas.len() { json!(finish) } else { Value::Null };
        let chunk =
            json!({"model": "mine", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        format!("data: {chunk}\n\n")
    };
    deltas.iter().enumerate().map(event).collect::<String>().into_bytes()
}

#[test]
fn any_index_may_come() {
    let call = |index: u64, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"name": "list", "arguments": arguments}}]});
    let leaked = json!({"content": "<function=list>\n</function>"});
    let stream = stream(&[call(u64::MAX, "{}"), call(u64::MAX, "{}"), leaked], "stop");
    seen_or_not(&streamed(&stream, Repairs::ALL, &mut Rng::with_seed(1)).0);
}

fn seen_or_not(stream: &[u8]) {
    assert!(std::str::from_utf8(stream).is_ok_and(|text| text.contains("list")));
}

#[test]
fn more_calls_than_any_agent_makes_pass_as_they_are() {
    let part = json!({"function": {"name": "list", "arguments": "\"{}\""}});
    let parts = vec![part; 200_000];
    let bytes = stream(&[json!({"tool_calls": parts})], "stop");
    let (out, _) = streamed(&bytes, Repairs::ALL, &mut Rng::with_seed(1));
    assert!(out.starts_with(&bytes));
    let message = json!({"content": null, "tool_calls": parts});
    assert_eq!(plain(&message, "stop", Repairs::ALL).1.repaired, Repairs::NONE);
}

#[test]
fn lines_that_all_begin_like_a_call_are_read_once() {
    let text = "<\n".repeat(1 << 20);
    let (seen, _) = plain(&json!({"content": text}), "stop", Repairs::ALL);
    assert_eq!(seen.text.len(), text.len());
}

#[test]
fn a_call_of_more_parameters_than_any_tool_has_is_text() {
    let parameters: Vec<String> = (0..200_000).map(|at| format!("<parameter=p{at}>1</parameter>")).collect();
    let text = format!("<function=read>{}</function>", parameters.concat());
    let (seen, _) = plain(&json!({"content": text}), "stop", Repairs::ALL);
    assert_eq!((seen.text.len(), seen.calls.len()), (text.len(), 0));
}

#[test]
fn arguments_that_were_held_back_for_another_reason_are_decoded_from_their_beginning() {
    let part = |arguments: &str| json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "edit", "arguments": arguments}}]});
    let rest = |arguments: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]});
    // A line that may become a call.
    let opening = json!({"content": "<tool_call>\n"});
    let deltas = [opening, part(r#"{"edits":"#), rest(r#""[{}]""#), rest("}"), json!({})];
    let (out, _) = streamed(&stream(&deltas, "tool_calls"), Repairs::ALL, &mut Rng::with_seed(1));
    assert_eq!(seen(&out).called(), [("edit".to_owned(), json!({"edits": [{}]}))]);
}
