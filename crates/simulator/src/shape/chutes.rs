//! Chutes, that is `SGLang`: arguments in fragments, explicit nulls, usage in a chunk of its own when asked for.

use crate::answer::{Answer, Call};
use crate::count::pieces;
use crate::shape::{Frame, Head, Kind, event, hex, json};

/// What a call's first delta stands for: everything of it but its arguments.
fn opening_tokens(call: &Call) -> u64 {
    call.tokens().saturating_sub(crate::count::tokens(&call.arguments))
}

pub(super) fn stream(head: &Head, answer: &Answer) -> Vec<Frame> {
    let mut rng = fastrand::Rng::with_seed(head.seed);
    let mut frames = Vec::new();
    for index in 0..head.choices {
        let mut push = |kind, tokens, delta: &str, finish: &str| {
            let choice =
                format!(r#"{{"index":{index},"delta":{delta},"finish_reason":{finish},"logprobs":null}}"#);
            frames.push(event(kind, tokens, &chunk(head, &choice, "")));
        };
        push(Kind::Role, 0, r#"{"role":"assistant","content":""}"#, "null");
        for piece in pieces(&answer.text) {
            push(Kind::Payload, 1, &format!(r#"{{"role":"assistant","content":{}}}"#, json(piece)), "null");
        }
        for (at, call) in answer.calls.iter().enumerate() {
            let id = format!(r#""call_{}""#, hex(&mut rng, 24));
            let delta = |id: &str, name: &str, arguments: &str| {
                let arguments = json(arguments);
                let function = format!(r#"{{"name":{name},"arguments":{arguments}}}"#);
                let calls = if answer.legacy {
                    format!(r#""function_call":{function}"#)
                } else {
                    format!(
                        r#""tool_calls":[{{"id":{id},"index":{at},"type":"function","function":{function}}}]"#
                    )
                };
                format!(r#"{{"role":"assistant","content":null,{calls}}}"#)
            };
            push(Kind::Payload, opening_tokens(call), &delta(&id, &json(&call.name), ""), "null");
            for piece in pieces(&call.arguments) {
                push(Kind::Payload, 1, &delta("null", "null", piece), "null");
            }
        }
        push(Kind::Finish, 0, r#"{"role":"assistant","content":""}"#, &json(answer.finish));
    }
    if head.include_usage {
        frames.push(event(Kind::Tail, 0, &chunk(head, "", &usage(head))));
    }
    frames
}

pub(super) fn plain(head: &Head, answer: &Answer) -> String {
    let mut rng = fastrand::Rng::with_seed(head.seed);
    let mut choice = |index: u64| {
        let content = if answer.text.is_empty() { "null".into() } else { json(&answer.text) };
        let calls = calls(answer, &mut rng);
        let finish = json(answer.finish);
        format!(
            r#"{{"index":{index},"message":{{"role":"assistant","content":{content},"reasoning_content":null,{calls}}},"logprobs":null,"finish_reason":{finish},"matched_stop":null}}"#
        )
    };
    let choices = (0..head.choices).map(&mut choice).collect::<Vec<_>>().join(",");
    let (id, created, model) = (json(&head.id), head.created_second(), json(&head.model));
    let usage = usage(head);
    format!(
        r#"{{"id":{id},"object":"chat.completion","created":{created},"model":{model},"choices":[{choices}]{usage}}}"#
    )
}

fn chunk(head: &Head, choice: &str, tail: &str) -> String {
    let (id, created, model) = (json(&head.id), head.created_second(), json(&head.model));
    let object = "chat.completion.chunk";
    format!(
        r#"{{"id":{id},"object":"{object}","created":{created},"model":{model},"choices":[{choice}]{tail}}}"#
    )
}

fn calls(answer: &Answer, rng: &mut fastrand::Rng) -> String {
    let function =
        |call: &Call| format!(r#"{{"name":{},"arguments":{}}}"#, json(&call.name), json(&call.arguments));
    let Some(first) = answer.calls.first() else { return r#""tool_calls":null"#.into() };
    if answer.legacy {
        return format!(r#""function_call":{}"#, function(first));
    }
    let written = answer.calls.iter().enumerate().map(|(index, call)| {
        let id = hex(rng, 24);
        format!(r#"{{"id":"call_{id}","index":{index},"type":"function","function":{}}}"#, function(call))
    });
    format!(r#""tool_calls":[{}]"#, written.collect::<Vec<_>>().join(","))
}

fn usage(head: &Head) -> String {
    let (prompt, completion, total) = (head.prompt_tokens, head.completion_tokens, head.total_tokens());
    format!(
        r#","usage":{{"prompt_tokens":{prompt},"total_tokens":{total},"completion_tokens":{completion},"prompt_tokens_details":null}}"#
    )
}
