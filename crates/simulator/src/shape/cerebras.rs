//! Cerebras: a chunk per token, all calls whole in one delta, usage and timing in the last chunk unasked.

use crate::answer::{Answer, Call};
use crate::count::pieces;
use crate::shape::{Frame, Head, Kind, event, hex, json};

const FINGERPRINT: &str = "fp_51a1de0c0de51a1de0c0";

pub(super) fn stream(head: &Head, answer: &Answer) -> Vec<Frame> {
    let mut rng = fastrand::Rng::with_seed(head.seed);
    let mut frames = Vec::new();
    for index in 0..head.choices {
        let mut push = |kind, tokens, delta: &str| {
            let choice = format!(r#"{{"delta":{delta},"index":{index}}}"#);
            frames.push(event(kind, tokens, &chunk(head, &choice, "")));
        };
        push(Kind::Role, 0, r#"{"role":"assistant"}"#);
        for piece in pieces(&answer.text) {
            push(Kind::Payload, 1, &format!(r#"{{"content":{}}}"#, json(piece)));
        }
        if !answer.calls.is_empty() {
            let tokens = answer.calls.iter().map(Call::tokens).sum();
            push(Kind::Payload, tokens, &format!("{{{}}}", calls(answer, &mut rng, true)));
        }
        let choice = format!(r#"{{"delta":{{}},"finish_reason":"{}","index":{index}}}"#, answer.finish);
        let tail = if index + 1 == head.choices { tail(head) } else { String::new() };
        frames.push(event(Kind::Finish, 0, &chunk(head, &choice, &tail)));
    }
    frames
}

pub(super) fn plain(head: &Head, answer: &Answer) -> String {
    let mut rng = fastrand::Rng::with_seed(head.seed);
    let mut choice = |index: u64| {
        let content =
            Some(format!(r#""content":{}"#, json(&answer.text))).filter(|_| !answer.text.is_empty());
        let calls = Some(calls(answer, &mut rng, false)).filter(|_| !answer.calls.is_empty());
        let role = Some(r#""role":"assistant""#.to_owned());
        let message = [content, calls, role].into_iter().flatten().collect::<Vec<_>>().join(",");
        let finish = answer.finish;
        format!(r#"{{"finish_reason":"{finish}","index":{index},"message":{{{message}}}}}"#)
    };
    let choices = (0..head.choices).map(&mut choice).collect::<Vec<_>>().join(",");
    let (id, created, model) = (json(&head.id), head.created_second(), json(&head.model));
    let object = "chat.completion";
    format!(
        r#"{{"id":{id},"choices":[{choices}],"created":{created},"model":{model},"system_fingerprint":"{FINGERPRINT}","object":"{object}"{}}}"#,
        tail(head)
    )
}

fn chunk(head: &Head, choice: &str, tail: &str) -> String {
    let (id, created, model) = (json(&head.id), head.created_second(), json(&head.model));
    let object = "chat.completion.chunk";
    format!(
        r#"{{"id":{id},"choices":[{choice}],"created":{created},"model":{model},"system_fingerprint":"{FINGERPRINT}","object":"{object}"{tail}}}"#
    )
}

/// `"tool_calls":[…]` or `"function_call":{…}`; only in a stream do calls carry their index.
fn calls(answer: &Answer, rng: &mut fastrand::Rng, streamed: bool) -> String {
    let function =
        |call: &Call| format!(r#"{{"name":{},"arguments":{}}}"#, json(&call.name), json(&call.arguments));
    if answer.legacy {
        return answer
            .calls
            .first()
            .map(|c| format!(r#""function_call":{}"#, function(c)))
            .unwrap_or_default();
    }
    let written = answer.calls.iter().enumerate().map(|(index, call)| {
        let (function, id) = (function(call), hex(rng, 9));
        if streamed {
            format!(r#"{{"function":{function},"type":"function","id":"{id}","index":{index}}}"#)
        } else {
            format!(r#"{{"id":"{id}","type":"function","function":{function}}}"#)
        }
    });
    format!(r#""tool_calls":[{}]"#, written.collect::<Vec<_>>().join(","))
}

fn tail(head: &Head) -> String {
    let (prompt, completion, total) = (head.prompt_tokens, head.completion_tokens, head.total_tokens());
    let (reading, writing) = head.seconds;
    let queue = 0.0001;
    let sum = queue + reading + writing;
    format!(
        concat!(
            r#","usage":{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":0}}}}"#,
            r#","time_info":{{"queue_time":{:.9},"prompt_time":{:.9},"completion_time":{:.9},"total_time":{:.9},"created":{:.7}}}"#
        ),
        prompt, completion, total, queue, reading, writing, sum, head.created
    )
}
