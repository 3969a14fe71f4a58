//! Which fields a refusal may talk us out of, and which not: what makes the request, or shapes its answer.

/// Without these it is no request any more, or another one.
const REQUEST: &[&str] = &["model", "messages", "stream"];
/// How long the answer may be: what is set aside for it goes by these.
const LENGTH: &[&str] = &["max_tokens", "max_completion_tokens", "min_tokens"];
/// What the answer may be, and in which form: whoever asked for it would misread another one.
const ANSWER: &[&str] = &[
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "parallel_tool_calls",
    "response_format",
    "json_schema",
    "grammar",
    "regex",
    "ebnf",
    "structural_tag",
    "structured_outputs",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "n",
    "best_of",
    "stop",
    "suffix",
    "echo",
    "modalities",
    "audio",
    "web_search_options",
    "plugins",
];
/// What was said, by whom, and what belongs together; a `prefix` is to be gone on with.
const MESSAGE: &[&str] = &[
    "role",
    "content",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "refusal",
    "audio",
    "prefix",
    "partial",
];
/// Which function was called, and with what.
const CALL: &[&str] = &["id", "type", "function", "custom"];
/// What a function is called, what it does and takes.
const FUNCTION: &[&str] = &["name", "arguments", "description", "parameters"];

/// Whether a field may be left out because a provider does not take it: the answer is the same kind of answer to the
/// same question without it. Hints and bookkeeping may go, and how a model samples; whatever is not known may, too.
pub(crate) fn may_go(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        // All else of a part is what was said.
        ["messages", "*", "content", "*", field] => field == "cache_control",
        ["messages", "*", "tool_calls", "*", field] | ["tools", "*", field] => !CALL.contains(&field),
        ["messages", "*", "tool_calls", "*", "function", field] | ["tools", "*", "function", field] => {
            !FUNCTION.contains(&field)
        }
        ["messages", "*", field, ..] => !MESSAGE.contains(&field),
        ["tools", "*", field, ..] => !CALL.contains(&field),
        [field, ..] => ![REQUEST, LENGTH, ANSWER].iter().any(|list| list.contains(&field)),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::may_go;

    fn goes(path: &str) -> bool {
        may_go(&path.split('.').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_makes_the_request_or_shapes_its_answer_stays() {
        for path in [
            "model",
            "messages",
            "messages.*",
            "messages.*.role",
            "messages.*.content",
            "messages.*.content.*.text",
            "messages.*.content.*.image_url.url",
            "messages.*.tool_calls",
            "messages.*.tool_calls.*.function",
            "messages.*.tool_calls.*.function.arguments",
            "messages.*.tool_call_id",
            "stream",
            "max_tokens",
            "max_completion_tokens",
            "tools",
            "tools.*",
            "tools.*.function.parameters",
            "tools.*.function.parameters.properties.path.format",
            "tools.*.custom.input_schema",
            "tool_choice",
            "tool_choice.function",
            "response_format",
            "response_format.json_schema.strict",
            "logit_bias",
            "n",
            "stop",
        ] {
            assert!(!goes(path), "{path}");
        }
        assert!(!may_go(&[]));
    }

    #[test]
    fn hints_bookkeeping_and_what_nobody_knows_may_go() {
        for path in [
            "store",
            "metadata",
            "metadata.user",
            "stream_options",
            "top_k",
            "reasoning_effort",
            "thinking",
            "messages.*.reasoning_content",
            "messages.*.reasoning_details.*.format",
            "messages.*.name",
            "messages.*.content.*.cache_control",
            "messages.*.tool_calls.*.index",
            "tools.*.cache_control",
            "tools.*.function.strict",
            "of_a_client_that_nobody_knows",
        ] {
            assert!(goes(path), "{path}");
        }
    }
}
