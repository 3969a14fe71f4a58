use super::*;
use proptest::prelude::*;

fn parse(body: &str) -> Result<ChatRequest, Invalid> {
    ChatRequest::parse(Bytes::copy_from_slice(body.as_bytes()))
}

fn shaped(body: &str) -> String {
    String::from_utf8(parse(body).unwrap().shape("up/stream", &[]).to_bytes().to_vec()).unwrap()
}

const MESSAGES: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

#[test]
fn only_the_model_changes_in_a_plain_request() {
    let body = "{ \"x\" : 1.0E+2 ,\n \"model\":\t\"qwen-3-coder\", \"messages\":[{\"role\":\"user\",\"content\":\"😀\\u00e9  \"}],\"seed\":  00 }";
    let body = body.replace("00 }", "7 }");
    assert_eq!(shaped(&body), body.replace("\"qwen-3-coder\"", "\"up/stream\""));
}

#[test]
fn a_stream_that_does_not_ask_for_usage_does_now() {
    let with = |options: &str| format!(r#"{{"model":"m",{MESSAGES},"stream":true{options}}}"#);
    let up = |text: String| text.replace("\"m\"", "\"up/stream\"");
    assert_eq!(
        shaped(&with("")),
        up(with("")).replacen('{', r#"{"stream_options":{"include_usage":true},"#, 1)
    );
    for (asked, sent) in [
        ("null", r#"{"include_usage":true}"#),
        ("{ }", r#"{"include_usage":true}"#),
        (r#"{"include_usage": false }"#, r#"{"include_usage": true }"#),
        (r#"{"include_usage":null}"#, r#"{"include_usage":true}"#),
        (r#"{ "other":1}"#, r#"{"include_usage":true, "other":1}"#),
    ] {
        let body = with(&format!(r#","stream_options":{asked}"#));
        assert!(!parse(&body).unwrap().wants_usage);
        assert_eq!(shaped(&body), up(with(&format!(r#","stream_options":{sent}"#))));
    }
    let asks = with(r#","stream_options":{"include_usage":true}"#);
    assert!(parse(&asks).unwrap().wants_usage);
    assert_eq!(shaped(&asks), up(asks));
}

#[test]
fn a_plain_request_keeps_its_stream_options() {
    let body = format!(r#"{{"model":"m",{MESSAGES},"stream":false,"stream_options":null}}"#);
    assert_eq!(shaped(&body), body.replace("\"m\"", "\"up/stream\""));
}

#[test]
fn a_nested_model_is_not_the_model() {
    let body = format!(r#"{{"metadata":{{"model":"m"}},{MESSAGES},"model":"m"}}"#);
    assert_eq!(shaped(&body), format!(r#"{{"metadata":{{"model":"m"}},{MESSAGES},"model":"up/stream"}}"#));
}

#[test]
fn each_message_is_found_where_it_stands() {
    let each = |messages: &str| {
        let body = format!(r#"{{"tools":[{{}}],"model":"m","messages":{messages},"stop":["x"]}}"#);
        let request = parse(&body).unwrap();
        request.each_message().map(|message| String::from_utf8(message.to_vec()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(each(r#"[ {"a" : [1]} , {"b":{}}]"#), [r#"{"a" : [1]}"#, r#"{"b":{}}"#]);
    let many = |count| format!("[{}]", vec!["{}"; count].join(","));
    assert_eq!(each(&many(16_384)).len(), 16_384);
    assert_eq!(each(&many(16_385)).len(), 0, "too many to keep where they stand");
}

#[test]
fn the_longest_answer_is_the_smaller_of_both_names() {
    let max = |fields: &str| parse(&format!(r#"{{"model":"m",{MESSAGES}{fields}}}"#)).unwrap().max_tokens;
    assert_eq!(max(""), None);
    assert_eq!(max(r#","max_tokens":null"#), None);
    assert_eq!(max(r#","max_tokens":-1"#), None);
    assert_eq!(max(r#","max_tokens":1.0e3"#), Some(1_000));
    assert_eq!(max(r#","max_tokens":50,"max_completion_tokens":20"#), Some(20));
}

#[test]
fn what_no_provider_could_accept_is_told_with_its_field() {
    let cases: &[(&str, Option<&str>, &str)] = &[
        ("", None, "not a JSON object"),
        ("[]", None, "not a JSON object"),
        (r#"{"model":"m""#, None, "not a JSON object"),
        (r#"{"model":"m"} x"#, None, "not a JSON object"),
        (r#"{"model":"m","model":"n","messages":[]}"#, None, "\"model\" stands twice"),
        (r#"{"messages":[{}]}"#, Some("model"), "names no model"),
        (r#"{"model":"","messages":[{}]}"#, Some("model"), "not empty"),
        (r#"{"model":7,"messages":[{}]}"#, Some("model"), "must be a string"),
        (r#"{"model":"m"}"#, Some("messages"), "no messages"),
        (r#"{"model":"m","messages":null}"#, Some("messages"), "no messages"),
        (r#"{"model":"m","messages":[]}"#, Some("messages"), "empty"),
        (r#"{"model":"m","messages":{}}"#, Some("messages"), "array of message objects"),
        (r#"{"model":"m","messages":["hi"]}"#, Some("messages"), "array of message objects"),
        (r#"{"model":"m","messages":[{}],"stream":"true"}"#, Some("stream"), "true or false"),
        (r#"{"model":"m","messages":[{}],"max_tokens":0}"#, Some("max_tokens"), "at least 1"),
        (r#"{"model":"m","messages":[{}],"max_tokens":-2}"#, Some("max_tokens"), "at least 1"),
        (r#"{"model":"m","messages":[{}],"max_tokens":1.5}"#, Some("max_tokens"), "at least 1"),
        (
            r#"{"model":"m","messages":[{}],"max_completion_tokens":"9"}"#,
            Some("max_completion_tokens"),
            "at least 1",
        ),
        (r#"{"model":"m","messages":[{}],"tools":{}}"#, Some("tools"), "an array"),
        (r#"{"model":"m","messages":[{}],"temperature":"hot"}"#, Some("temperature"), "a number"),
        (r#"{"model":"m","messages":[{}],"stream_options":true}"#, Some("stream_options"), "an object"),
    ];
    for (body, param, message) in cases {
        let error = parse(body).expect_err(body);
        assert_eq!(error.param, *param, "{body}");
        assert!(error.message.contains(message), "{body}: {error}");
    }
    let error = ChatRequest::parse(Bytes::from_static(b"{\"model\":\"\xff\"}")).unwrap_err();
    assert!(error.message.contains("UTF-8: see byte 10"), "{error}");
    let deep = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(&deep).unwrap_err().message.contains("nests deeper"));
}

fn objections(body: &str, message: &str, known: &[&Rule]) -> (Vec<String>, bool) {
    let objections = parse(body).unwrap().objections(&ProviderError::new(message), known);
    (objections.rules.iter().map(Rule::name).collect(), objections.names_a_field)
}

#[test]
fn a_refusal_is_believed_where_the_request_has_the_field_and_it_may_go() {
    let body = r#"{"model":"m","store":false,"tools":[{"function":{"name":"f","strict":true}}],"messages":[{"role":"user","name":"n","content":"hi"},{"role":"assistant","reasoning_content":"r","tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}]}"#;
    for (path, expected) in [
        ("body.store", vec!["store"]),
        ("messages.1.assistant.reasoning_content", vec!["messages.*.reasoning_content"]),
        ("messages[0].name", vec!["messages.*.name"]),
        ("tools.0.function.strict", vec!["tools.*.function.strict"]),
        ("messages.1.assistant.tool_calls.0.index", vec!["messages.*.tool_calls.*.index"]),
        ("messages.1.assistant.tool_calls.0.function.name", vec![]),
        ("messages.0.content", vec![]),
        ("tools", vec![]),
        ("model", vec![]),
    ] {
        let message = format!("{path}: property '{path}' is unsupported");
        let expected = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(objections(body, &message, &[]), (expected, true), "{path}");
    }
    for nonsense in ["metadata", "messages.0.reasoning_content.x", "name", "strict", "messages.0.user.nobody"]
    {
        let message = format!("property '{nonsense}' is unsupported");
        assert_eq!(objections(body, &message, &[]), (vec![], false), "{nonsense}");
    }
}

#[test]
fn what_is_known_is_no_news_and_a_new_name_means_the_old_field() {
    let body = r#"{"model":"m","store":1,"messages":[{"role":"assistant","reasoning_content":"r"}]}"#;
    let store = Rule::learned("store").unwrap();
    assert_eq!(objections(body, "property 'store' is unsupported", &[&store]), (vec![], true));
    let renamed = Rule::Field(FieldEdit::rename("messages.*.reasoning_content", "reasoning").unwrap());
    let refusal = "property 'messages.0.assistant.reasoning' is unsupported";
    let (rules, _) = objections(body, refusal, &[&renamed]);
    assert_eq!(rules, ["messages.*.reasoning_content"]);
    let sent = parse(body).unwrap().shape("m", [&Rule::learned(&rules[0]).unwrap(), &renamed]).to_bytes();
    assert_eq!(sent, r#"{"model":"m","store":1,"messages":[{"role":"assistant"}]}"#);
}

#[test]
fn a_provider_that_does_not_report_usage_is_not_asked_for_it() {
    let body = format!(r#"{{"model":"m",{MESSAGES},"stream":true}}"#);
    let (rules, _) = objections(&body, "Unrecognized request argument supplied: stream_options", &[]);
    assert_eq!(rules, ["stream_options"]);
    let sent =
        |body: &str| parse(body).unwrap().shape("m", &[Rule::learned("stream_options").unwrap()]).to_bytes();
    assert_eq!(sent(&body), body);
    let asks = body.replace("true}", r#"true,"stream_options":{"include_usage":false}}"#);
    assert_eq!(sent(&asks), body);
}

const FIELDS: [&str; 6] = ["store", "top_k", "metadata", "user", "seed", "nobody_knows"];

proptest! {
    /// Whatever a refusal names: the body is the client's but for that field, and nothing else is ever removed.
    #[test]
    fn a_learned_rule_removes_its_field_and_nothing_else(
        there in prop::sample::subsequence(FIELDS.to_vec(), 0..=6),
        in_messages in prop::sample::subsequence(vec!["name", "reasoning_content", "index"], 0..=3),
        named in prop::sample::select(vec!["store", "user", "nobody_knows", "messages.1.assistant.reasoning_content", "messages.0.name", "model", "messages", "messages.0.role", "messages.1.content", "stream", "max_tokens", "tools", "nonsense", "messages.9", "metadata.deep"]),
    ) {
        let top = there.iter().map(|key| format!(",\"{key}\" : {{\"deep\":1.0E0,\"store\":[ ]}}")).collect::<Vec<_>>().concat();
        let inner = in_messages.iter().map(|key| format!("\"{key}\": \"\\u00e9\" ,")).collect::<Vec<_>>().concat();
        let body = format!("{{\"model\":\"m\",\"stream\":false,\"max_tokens\":1e1,\"messages\":[{{{inner}\"role\":\"user\",\"content\":\"a\"}}, {{\"role\":\"assistant\",{inner} \"content\":\"b\"}}],\"tools\":[]{top}}}");
        let request = parse(&body).unwrap();
        let message = format!("{named}: property '{named}' is unsupported");
        let Objections { rules, .. } = request.objections(&ProviderError::new(&*message), &[]);
        prop_assert!(rules.len() <= 1);
        let sent = request.shape("m", &rules).to_bytes();
        let mut expected: serde_json::Value = serde_json::from_str(&body).unwrap();
        match rules.first().map(Rule::name) {
            None => prop_assert_eq!(&sent, &body),
            Some(path) if path == "metadata.deep" => {
                expected["metadata"].as_object_mut().unwrap().remove("deep");
            }
            Some(path) => match path.strip_prefix("messages.*.") {
                Some(key) => for message in expected["messages"].as_array_mut().unwrap() {
                    message.as_object_mut().unwrap().remove(key);
                },
                None => { expected.as_object_mut().unwrap().remove(&path); }
            },
        }
        let read: serde_json::Value = serde_json::from_slice(&sent).unwrap();
        prop_assert_eq!(read, expected);
        // And byte for byte: what is left stands in the body in the same order.
        prop_assert!(is_subsequence(&sent, body.as_bytes()));
        // Said again, it is no news.
        let known: Vec<&Rule> = rules.iter().collect();
        prop_assert_eq!(request.objections(&ProviderError::new(message), &known).rules, vec![]);
    }

    /// Invariant 5: whatever stands around them, only the named edits change.
    #[test]
    fn the_shaped_body_is_the_clients_but_for_the_named_edits(
        before in r#"( |"[a-z]{1,3}" ?: ?(-?[1-9][0-9]{0,3}(\.0{1,3})?([eE][+-]?0?1)?|"[ -!#-\[\]-~é😀]{0,9}"|null|\[ ?\]|\{"model": "z"\}),){0,1}"#,
        after in r#"(, ?"k[a-z]" ?: ?"(\\n|\\u00e9|  )*"){0,1}"#,
        stream in any::<bool>(),
    ) {
        let flag = if stream { r#","stream":true"# } else { "" };
        let body = format!(r#" {{{before}"model" :"m" ,{MESSAGES}{flag}{after}}} "#);
        let Ok(request) = parse(&body) else { return Ok(()) };
        let sent = request.shape("zz", &[]).to_bytes();
        let mut expected = body.replacen("\"model\" :\"m\"", "\"model\" :\"zz\"", 1);
        if stream {
            expected = expected.replacen('{', r#"{"stream_options":{"include_usage":true},"#, 1);
        }
        prop_assert_eq!(sent, expected);
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = ChatRequest::parse(body.into());
    }
}

fn is_subsequence(part: &[u8], whole: &[u8]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|byte| rest.any(|other| other == byte))
}

#[test]
fn the_only_stream_option_may_go_where_usage_is_asked_for() {
    for options in [r#"{"include_obfuscation":false}"#, r#"{ "include_obfuscation" : false }"#] {
        let body = format!(r#"{{"model":"m",{MESSAGES},"stream":true,"stream_options":{options}}}"#);
        let request = ChatRequest::parse(body.into()).unwrap();
        let rule = Rule::learned("stream_options.include_obfuscation").unwrap();
        let sent: serde_json::Value =
            serde_json::from_slice(&request.shape("m", [&rule]).to_bytes()).unwrap();
        assert_eq!(sent["stream_options"], serde_json::json!({"include_usage": true}));
    }
}
