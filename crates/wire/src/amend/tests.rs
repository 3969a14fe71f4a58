use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rule::Rule;

fn request(body: &str) -> ChatRequest {
    ChatRequest::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// The body after an amendment.
fn amended(body: &str, amendment: Amendment) -> String {
    let sent = request(body).shape("m", &[Rule::Amendment(amendment)]).to_bytes();
    String::from_utf8(sent.to_vec()).unwrap()
}

fn body(messages: &str) -> String {
    format!(r#"{{ "model":"m", "messages":[{messages}] , "seed":1e0}}"#)
}

const USER: &str = r#"{"role":"user","content":"\u00e9  \"tool_calls\""}"#;
const CALLS: &str = r#"{"role":"assistant", "tool_calls":[{"id":"a","function":{"name":"f","arguments":"{ \"x\": [1e0]}"}}, {"id":"b","function":{"name":"f","arguments":""}}]}"#;
const A: &str = r#"{"role":"tool","tool_call_id":"a","content":"1"}"#;
const B: &str = r#"{"content":"2", "tool_call_id":"\u0062", "role":"tool"}"#;
const NO_A: &str = r#"{"role":"tool","tool_call_id":"a","content":"No result: the call was interrupted."}"#;
const NO_B: &str = r#"{"role":"tool","tool_call_id":"b","content":"No result: the call was interrupted."}"#;

#[test]
fn calls_and_answers_come_in_pairs() {
    for (messages, expected) in [
        // Nothing is wrong.
        (vec![USER], vec![USER]),
        (vec![USER, CALLS, A, B, USER], vec![USER, CALLS, A, B, USER]),
        (vec![CALLS, B, A], vec![CALLS, B, A]),
        (vec![CALLS, A, B, B], vec![CALLS, A, B, B]),
        // Nobody answered.
        (vec![USER, CALLS, A, USER], vec![USER, CALLS, A, NO_B, USER]),
        (vec![USER, CALLS], vec![USER, CALLS, NO_A, NO_B]),
        (vec![CALLS, CALLS, A, B], vec![CALLS, NO_A, NO_B, CALLS, A, B]),
        // Nobody called.
        (vec![A, USER], vec![USER]),
        (vec![A, B, USER, A], vec![USER]),
        (vec![USER, A, B], vec![USER]),
        (vec![USER, A, USER, B, USER], vec![USER, USER, USER]),
        // Both.
        (vec![A, CALLS, B, USER, A, USER], vec![CALLS, B, NO_A, USER, USER]),
        (vec![A], vec![A]),
    ] {
        assert_eq!(amended(&body(&messages.join(",")), Amendment::Calls), body(&expected.join(",")));
    }
}

#[test]
fn arguments_that_are_no_json_are_wrapped_and_no_others() {
    let with = |arguments: &str| {
        body(&format!(r#"{USER},{{"tool_calls":[{{"function":{{"arguments":{arguments} ,"name":"f"}}}}]}}"#))
    };
    for (arguments, expected) in [
        (r#""{\"a\" : 1.0e0}""#, r#""{\"a\" : 1.0e0}""#),
        (r#"" [] ""#, r#"" [] ""#),
        ("null", "null"),
        (r#"{"a":1}"#, r#"{"a":1}"#),
        (r#""""#, r#""{}""#),
        (r#""\ud800""#, r#""{}""#),
        (r#""{\"a\": \"half\n""#, r#""{\"unparsed\":\"{\\\"a\\\": \\\"half\\n\"}""#),
        (r#""{} {}""#, r#""{\"unparsed\":\"{} {}\"}""#),
    ] {
        assert_eq!(amended(&with(arguments), Amendment::Arguments), with(expected), "{arguments}");
    }
}

#[test]
fn tools_are_strict_together_or_not_at_all() {
    let with = |strict: &[&str]| {
        let tools: Vec<String> =
            strict.iter().map(|strict| format!(r#"{{"function": {{"name":"f"{strict}}} }}"#)).collect();
        format!(r#"{{"tools":[{}],"model":"m","messages":[{USER}]}}"#, tools.join(" , "))
    };
    let (yes, no, none) = (r#", "strict":true"#, r#","strict": false"#, "");
    for even in [vec![], vec![none], vec![yes, yes], vec![no, none, no], vec![none, none]] {
        assert_eq!(amended(&with(&even), Amendment::Strict), with(&even));
    }
    for mixed in [vec![yes, no], vec![none, yes], vec![yes, yes, no, none]] {
        assert_eq!(amended(&with(&mixed), Amendment::Strict), with(&vec![none; mixed.len()]));
    }
}

#[test]
fn an_amendment_is_needed_where_it_is_asked_for_and_has_something_to_do() {
    let asked = |message: &str| Amendment::asked_for(&ProviderError::new(message)).collect::<Vec<_>>();
    assert_eq!(
        asked("Messages with role 'tool' must be a response to a preceeding message with 'tool_calls'"),
        [Amendment::Calls]
    );
    assert_eq!(asked("Invalid tool_calls.function.arguments value, expected JSON"), [Amendment::Arguments]);
    assert_eq!(asked("Tools with mixed values for 'strict' are not allowed."), [Amendment::Strict]);
    assert_eq!(asked("Something else"), []);
    for (_, amendment) in Amendment::NAMED {
        assert!(!amendment.is_needed(&request(&body(USER))), "{amendment:?}");
    }
}

proptest! {
    /// However calls and answers lie, afterwards each call is answered and each answer has its call, nothing is changed
    /// that was right, and a second amendment finds nothing.
    #[test]
    fn any_history_is_made_whole(kinds in prop::collection::vec(0..4_u8, 1..12), ids in prop::collection::vec(0..3_u8, 12)) {
        let messages: Vec<Value> = kinds.iter().zip(&ids).map(|(kind, id)| match kind {
            0 => json!({"role": "user", "content": "x"}),
            1 => json!({"role": "assistant", "content": null, "tool_calls": (0..=*id).map(|id| json!({"id": id.to_string(), "function": {"arguments": "{}"}})).collect::<Vec<_>>()}),
            _ => json!({"role": "tool", "tool_call_id": id.to_string(), "content": "y"}),
        }).collect();
        let before = json!({"model": "m", "messages": messages}).to_string();
        let after = amended(&before, Amendment::Calls);
        let read: Value = serde_json::from_str(&after).unwrap();
        let read = read["messages"].as_array().unwrap();
        if !(kinds.iter().all(|kind| *kind >= 2)) {
            prop_assert!(is_whole(read), "{before}\n{after}");
        }
        let kept: Vec<&Value> = read.iter().filter(|message| message["content"] != NO_RESULT).collect();
        let others = |messages: &[&Value]| messages.iter().filter(|m| m["role"] != "tool").map(|m| (*m).clone()).collect::<Vec<_>>();
        prop_assert_eq!(others(&kept), others(&messages.iter().collect::<Vec<_>>()));
        if is_whole(&messages) {
            prop_assert_eq!(&after, &before);
        }
        prop_assert_eq!(amended(&after, Amendment::Calls), after);
    }
}

/// Whether each call is answered before the next message that is no answer, and each answer has its call.
fn is_whole(messages: &[Value]) -> bool {
    let mut open: Vec<(String, bool)> = Vec::new();
    for message in messages.iter().chain([&Value::Null]) {
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().unwrap();
            let Some(call) = open.iter_mut().find(|(call, _)| call == id) else { return false };
            call.1 = true;
            continue;
        }
        if open.iter().any(|(_, answered)| !answered) {
            return false;
        }
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        open = calls.map(|call| (call["id"].as_str().unwrap().to_owned(), false)).collect();
    }
    true
}
