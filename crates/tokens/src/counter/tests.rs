use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const TEMPLATES: [Template; 3] =
    [Template::Qwen3CoderLaunch, Template::Qwen3CoderVllm, Template::Qwen3CoderLate];

fn counter(template: Template) -> Counter {
    let _ = Vocabulary::load();
    Counter::new(template, Keys::default())
}

fn count(counter: &Counter, messages: &[Vec<u8>], tools: &[u8]) -> Option<u64> {
    counter.count(&counter.keys().of(messages.iter().map(Vec::as_slice), tools))
}

fn rendered(template: Template, messages: &[Vec<u8>], tools: &[u8]) -> Option<u64> {
    Some(Vocabulary::load().count(&template.render(messages.iter().map(Vec::as_slice), tools)?))
}

fn bytes(messages: &[Value]) -> Vec<Vec<u8>> {
    messages.iter().map(|message| message.to_string().into_bytes()).collect()
}

/// Texts that begin and end with what the tokenizer likes to merge.
const TEXT: &str = "([ \n\r\t.a-c<|>'0é\u{301}]|<\\|im_end\\|>|</?tool_(call|response)>|\\{\\}){0,8}";

fn message() -> impl Strategy<Value = Value> {
    let role = prop::sample::select(vec!["system", "user", "assistant", "tool", "tool", "developer"]);
    let calls = prop::option::weighted(0.3, prop::collection::vec((TEXT, TEXT), 1..3));
    (role, prop::option::weighted(0.9, TEXT), calls).prop_map(|(role, content, calls)| {
        let mut message = json!({"role": role, "content": content});
        if let Some(calls) = calls {
            let call = |(name, value): (String, String)| {
                let arguments = json!({name: value}).to_string();
                json!({"function": {"name": "f", "arguments": arguments}})
            };
            message["tool_calls"] = calls.into_iter().map(call).collect();
        }
        message
    })
}

fn chat() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
    let tools = prop::collection::vec(TEXT, 0..3).prop_map(|texts| {
        let tool = |text: &String| json!({"type": "function", "function": {"name": text, "description": text, "parameters": {"properties": {text: {"type": text}}}}});
        match &texts[..] {
            [] => Vec::new(),
            texts => Value::from(texts.iter().map(tool).collect::<Vec<_>>()).to_string().into_bytes(),
        }
    });
    (prop::collection::vec(message(), 1..6).prop_map(|messages| bytes(&messages)), tools)
}

#[test]
fn what_is_remembered_is_not_new() {
    let counter = counter(Template::Qwen3CoderLaunch);
    let messages =
        bytes(&[json!({"role": "user", "content": "hi"}), json!({"role": "user", "content": "more"})]);
    let little = |messages: &[Vec<u8>], tools: &[u8], most| {
        counter.count_little(&counter.keys().of(messages.iter().map(Vec::as_slice), tools), most)
    };
    let (first, second) = (messages[0].len(), messages[1].len());
    assert_eq!(little(&messages[..1], b"[]", first - 1), Err(TakesLong));
    let one = count(&counter, &messages[..1], b"");
    assert!(one.is_some());
    assert_eq!(little(&messages[..1], b"[]", 0), Ok(one));
    assert_eq!(little(&messages, b"", second - 1), Err(TakesLong));
    // With tools the first message is another piece.
    assert_eq!(little(&messages[..1], b"[1]", first + 2), Err(TakesLong));
    assert_eq!(little(&messages[..1], b"[]", 0), Ok(one), "nothing was counted that takes long");
    let both = count(&counter, &messages, b"");
    assert_eq!((little(&messages, b"", 0), both.is_some()), (Ok(both), true));
}

#[test]
fn what_has_no_text_is_not_counted() {
    let counter = counter(Template::Qwen3CoderLaunch);
    let hi = json!({"role": "user", "content": "hi"});
    let image = json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]});
    let unread = json!({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]});
    assert!(count(&counter, &bytes(std::slice::from_ref(&hi)), b"").is_some());
    for messages in [
        vec![],
        vec![hi.clone(), image],
        vec![hi.clone(), unread],
        vec![json!({"content": "hi"})],
        vec![json!(7)],
    ] {
        // The second time from memory.
        for _ in 0..2 {
            assert_eq!(count(&counter, &bytes(&messages), b""), None, "{messages:?}");
        }
    }
    assert_eq!(count(&counter, &bytes(std::slice::from_ref(&hi)), b"{}"), None);
    assert_eq!(
        count(&counter, &bytes(std::slice::from_ref(&hi)), br#"[{"function":{"name":"f"}}]"#),
        None,
        "without parameters"
    );
    let long = format!(r#"{{"role":"user","content":"{}"}}"#, "a ".repeat(MOST_NEW));
    assert_eq!(count(&counter, &[long.into_bytes()], b""), None, "longer than is worth it");
}

#[test]
fn a_conversation_too_long_to_be_counted_at_once_is_counted_in_several_requests() {
    let counter = counter(Template::Qwen3CoderLaunch);
    let message =
        |turn: usize| json!({"role": "user", "content": format!("{turn} {}", "word ".repeat(MOST_NEW / 15))});
    let messages = bytes(&(0..6).map(message).collect::<Vec<_>>());
    let counts: Vec<_> = (0..4).map(|_| count(&counter, &messages, b"")).collect();
    let whole = rendered(Template::Qwen3CoderLaunch, &messages, b"");
    assert_eq!(counts, [None, None, whole, whole]);
}

#[test]
fn an_empty_list_of_tools_is_none() {
    let counter = counter(Template::Qwen3CoderVllm);
    let messages =
        bytes(&[json!({"role": "system", "content": "x"}), json!({"role": "user", "content": "hi"})]);
    let none = count(&counter, &messages, b"");
    for tools in [&b"[]"[..], b" [ \n] ", b"null"] {
        assert_eq!(count(&counter, &messages, tools), none);
        assert_eq!(rendered(Template::Qwen3CoderVllm, &messages, tools), none);
    }
}

#[test]
fn the_same_message_counts_differently_where_it_is_rendered_differently() {
    let counter = counter(Template::Qwen3CoderLaunch);
    let tools = br#"[{"name":"f","parameters":{}}]"#;
    let (system, user) =
        (json!({"role": "system", "content": "x\n"}), json!({"role": "user", "content": "hi"}));
    let tool = json!({"role": "tool", "content": "1"});
    let chats = [
        vec![system.clone(), user.clone()],
        vec![user.clone(), system.clone()],
        vec![tool.clone(), tool.clone(), user.clone(), tool.clone(), tool.clone()],
        vec![system, tool.clone(), user, tool],
    ];
    for messages in chats {
        let messages = bytes(&messages);
        for tools in [&b""[..], tools] {
            let wanted = rendered(Template::Qwen3CoderLaunch, &messages, tools);
            assert!(wanted.is_some());
            assert_eq!(count(&counter, &messages, tools), wanted);
        }
    }
}

#[test]
fn an_answer_is_counted_with_its_end() {
    let counter = counter(Template::Qwen3CoderLaunch);
    assert_eq!(counter.count_answer("hi", []), Some(2));
    let call = ("add", r#"{"a": 2, "b": 3}"#);
    let one = counter.count_answer("", [call]).unwrap();
    // Each further call has a line end before it; only one end follows.
    assert_eq!(counter.count_answer("", [call, call]), Some(2 * one));
    assert_eq!(counter.count_answer("", [("f", "{")]), None);
}

proptest! {
    /// The sum of the pieces is the count of the whole, known or not, whatever was counted before.
    #[test]
    fn counts_add_up(chats in prop::collection::vec(chat(), 1..4), template in prop::sample::select(TEMPLATES.to_vec())) {
        let shared = counter(template);
        for (messages, tools) in chats {
            let whole = rendered(template, &messages, &tools);
            prop_assert!(whole.is_some());
            prop_assert_eq!(count(&counter(template), &messages, &tools), whole);
            prop_assert_eq!(count(&shared, &messages, &tools), whole);
            prop_assert_eq!(count(&shared, &messages, &tools), whole);
            // A growing conversation.
            for turns in 1..messages.len() {
                prop_assert_eq!(count(&shared, &messages[..turns], &tools), rendered(template, &messages[..turns], &tools));
            }
        }
    }

    /// Whatever a client sends.
    #[test]
    fn no_mutation_makes_it_panic(
        (mut messages, mut tools) in chat(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::option::of(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\\0-e".to_vec())])), 1..4),
        template in prop::sample::select(TEMPLATES.to_vec()),
    ) {
        for (which, at, with) in edits {
            let which = which.index(messages.len() + 1);
            let text = messages.get_mut(which).unwrap_or(&mut tools);
            if text.is_empty() {
                continue;
            }
            let at = at.index(text.len());
            match with {
                Some(byte) => text[at] = byte,
                None => drop(text.remove(at)),
            }
        }
        let counter = counter(template);
        let cold = count(&counter, &messages, &tools);
        prop_assert_eq!(count(&counter, &messages, &tools), cold);
        prop_assert_eq!(rendered(template, &messages, &tools), cold);
    }
}
