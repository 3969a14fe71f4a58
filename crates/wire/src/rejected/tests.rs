use proptest::prelude::*;

use super::*;

fn paths(body: &str) -> Vec<String> {
    named(&ProviderError::parse(body.as_bytes()).unwrap()).into_iter().map(|path| path.join(".")).collect()
}

fn said(message: &str) -> Vec<String> {
    named(&ProviderError::new(message)).into_iter().map(|path| path.join(".")).collect()
}

#[test]
fn whole_refusals_as_they_were_seen() {
    let cases: &[(&str, &[&str])] = &[
        // Cerebras.
        (
            r#"{"message":"body.min_p: property 'body.min_p' is unsupported\nbody.top_k: property 'body.top_k' is unsupported","type":"invalid_request_error","param":"validation_error","code":"wrong_api_format"}"#,
            &["min_p", "top_k"],
        ),
        (
            r#"{"message":"messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is unsupported\nmessages.4.assistant.reasoning_content: \n  property 'messages.4.assistant.reasoning_content' is unsupported","type":"invalid_request_error","param":"validation_error","code":"wrong_api_format"}"#,
            &["messages.*.assistant.reasoning_content"],
        ),
        // Groq.
        (
            r#"{"error":{"message":"'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]","type":"invalid_request_error"}}"#,
            &["messages.*.reasoning_content"],
        ),
        (
            r#"{"error":{"message":"property 'reasoning' is unsupported","type":"invalid_request_error","param":"","code":""}}"#,
            &["reasoning"],
        ),
        // vLLM.
        (
            r#"{"object":"error","message":"[{'type': 'extra_forbidden', 'loc': ('body', 'bad_words'), 'msg': 'Extra inputs are not permitted', 'input': ['<|end|>']}]","type":"BadRequestError","param":null,"code":400}"#,
            &["bad_words"],
        ),
        // Mistral.
        (
            r#"{"object":"Error","detail":[{"type":"extra_forbidden","loc":["body","messages",3,"assistant","reasoning"],"msg":"Extra inputs are not permitted","input":[]}],"type":"invalid_request_error","code":3001}"#,
            &["messages.*.assistant.reasoning"],
        ),
        // Anthropic.
        (
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"tools.3.custom.input_examples: Extra inputs are not permitted"},"request_id":"req_1"}"#,
            &["tools.*.custom.input_examples"],
        ),
        // OpenAI.
        (
            r#"{"error":{"message":"Unrecognized request arguments supplied: min_p, top_k","type":"invalid_request_error","param":null,"code":null}}"#,
            &["min_p", "top_k"],
        ),
        (
            r#"{"error":{"message":"Unknown parameter: 'messages[1].reasoning_content'.","type":"invalid_request_error","param":"messages[1].reasoning_content","code":"unknown_parameter"}}"#,
            &["messages.*.reasoning_content"],
        ),
        // Google.
        (
            r#"[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"store\": Cannot find field.","status":"INVALID_ARGUMENT"}}]"#,
            &["store"],
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(paths(body), *expected, "{body}");
    }
}

#[test]
fn words_of_libraries() {
    for (message, expected) in [
        (
            "body.tools.0.function.strict: property 'body.tools.0.function.strict' is unsupported",
            "tools.*.function.strict",
        ),
        ("messages[2].reasoning: reasoning is not supported with this model", "messages.*.reasoning"),
        (
            "Error from provider: Extra inputs are not permitted, field: 'messages[8].reasoning', value: 'the model is unsupported'",
            "messages.*.reasoning model",
        ),
        (
            "Additional properties are not allowed ('strict' was unexpected) - 'tools.0.function'",
            "tools.*.function.strict",
        ),
        ("Unknown name \"strict\" at 'tools[0].function': Cannot find field.", "tools.*.function.strict"),
        ("json: unknown field \"store\"", "store"),
        ("unknown field `store`, expected one of `model`, `messages`", "store"),
        ("Unrecognized key(s) in object: 'store', 'metadata'", "store metadata"),
        ("Unrecognized request argument supplied: store.", "store"),
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "max_tokens",
        ),
    ] {
        // What stands in quotes may be anybody's words: what is not in the request, or may not go, does no harm.
        let mut found = said(message);
        found.sort_by_key(|path| !expected.starts_with(path.as_str()));
        assert_eq!(found.join(" "), expected, "{message}");
    }
}

#[test]
fn other_refusals_name_nothing() {
    for message in [
        "Please reduce the length of the messages or completion. Current length is 9 while limit is 8",
        "Model x does not exist or you do not have access to it.",
        "Tools with mixed values for 'strict' are not allowed.",
        "Unsupported value: 'temperature' does not support 0.2 with this model.",
        "",
        "is unsupported",
        "'' is unsupported",
        "* is unsupported",
        "[] is unsupported",
        "unknown field",
        "unknown field é",
        "[{\"loc\":[null],\"type\":\"extra_forbidden\"}]",
        "{\"type\":\"extra_forbidden\",\"loc\":{}}",
    ] {
        assert_eq!(said(message), [""; 0], "{message}");
    }
    let deep = format!("{}: Extra inputs are not permitted", ["a"; 9].join("."));
    assert_eq!(said(&deep), [""; 0]);
    let many = (0..1_000).map(|field| format!("f{field} is unsupported")).collect::<Vec<_>>().join("\n");
    assert_eq!(said(&many).len(), MOST_FIELDS);
}

proptest! {
    #[test]
    fn no_words_at_all_make_it_panic(message in ".{0,40}", words in prop::sample::select(WORDS.iter().map(|(words, _)| *words).collect::<Vec<_>>()), more in ".{0,40}") {
        let _ = said(&format!("{message}{words}{more}"));
        let _ = said(&format!("{message}'{words}'é{more}"));
    }
}
