//! What is answered to what: text, calls, scripts, and the vendors' objections.

use http::Method;
use serde_json::{Value, json};
use simulator::{Profile, Reply, Simulator, Vendor};

use crate::harness::{PATIENCE, ask, exchange, get, question, request, tool, with};

async fn cerebras() -> Simulator {
    Simulator::start(Profile::cerebras()).await.unwrap()
}

#[tokio::test]
async fn as_many_words_as_asked_for_up_to_the_ceiling() {
    let simulator = cerebras().await;
    let body = question(Vendor::Cerebras, "Tell me a 250 word story.");
    let answer = ask(&simulator, &body).await.json();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(text.split_whitespace().count(), 250);
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let short = ask(&simulator, &with(body, json!({"max_tokens": 10}))).await.json();
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    assert_eq!(short["usage"]["completion_tokens"], 10);
}

#[tokio::test]
async fn tools_are_called_for_the_user_and_not_for_their_results() {
    let simulator = Simulator::start(Profile::chutes()).await.unwrap();
    let tools = json!({"tools": [tool("weather"), tool("traffic")]});
    let body = with(question(Vendor::Chutes, "How is it in New York?"), tools);
    let names = async |more: Value| -> Vec<String> {
        let answer = ask(&simulator, &with(body.clone(), more)).await.json();
        let calls = answer["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
        calls.iter().map(|call| call["function"]["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(json!({})).await, ["weather"]);
    assert_eq!(names(json!({"parallel_tool_calls": true})).await, ["weather", "traffic"]);
    let forced = json!({"tool_choice": {"type": "function", "function": {"name": "traffic"}}});
    assert_eq!(names(forced).await, ["traffic"]);
    assert!(names(json!({"tool_choice": "none"})).await.is_empty());
    let results = json!([{"role": "user", "content": "How is it?"}, {"role": "tool", "content": "Sunny"}]);
    assert!(names(json!({"messages": results})).await.is_empty());
    let call = ask(&simulator, &body).await.json()["choices"][0]["message"]["tool_calls"][0].clone();
    assert_eq!(call["function"]["arguments"], r#"{"location": "New York"}"#);
}

#[tokio::test]
async fn older_functions_are_answered_in_kind() {
    let simulator = cerebras().await;
    let functions = json!({"functions": [{"name": "weather", "parameters": {}}]});
    let answer = ask(&simulator, &with(question(Vendor::Cerebras, "Well?"), functions)).await.json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "function_call");
    assert_eq!(choice["message"]["function_call"], json!({"name": "weather", "arguments": "{}"}));
}

#[tokio::test]
async fn a_script_goes_on_with_each_round_of_results() {
    let simulator = cerebras().await;
    let write = |path: &str| ("write_file".to_owned(), json!({"path": path}));
    simulator.script(vec![
        Reply::Calls(vec![write("a"), write("b")]),
        Reply::Calls(vec![write("c")]),
        Reply::Text("Done.".into()),
    ]);
    let tools = json!({"tools": [tool("write_file")]});
    let user = json!({"role": "user", "content": "Write files"});
    let (assistant, result) =
        (json!({"role": "assistant", "content": null}), json!({"role": "tool", "content": "ok"}));
    let rounds = [
        vec![&user],
        vec![&user, &assistant, &result, &result],
        vec![&user, &assistant, &result, &result, &assistant, &result],
        vec![&user, &assistant, &result, &assistant, &result, &assistant, &result],
        vec![&user, &assistant, &result, &assistant, &result, &user],
    ];
    let mut said = Vec::new();
    for messages in rounds {
        let body = with(question(Vendor::Cerebras, ""), tools.clone());
        let answer = ask(&simulator, &with(body, json!({"messages": messages}))).await.json();
        let message = &answer["choices"][0]["message"];
        let calls = message["tool_calls"].as_array().map_or(0, Vec::len);
        said.push((calls, message["content"].as_str().unwrap_or_default().to_owned()));
    }
    let none = String::new;
    let done = || (0, "Done.".to_owned());
    assert_eq!(said, [(2, none()), (1, none()), done(), done(), (2, none())]);
    let title = ask(&simulator, &question(Vendor::Cerebras, "Make a 3 word title")).await.json();
    assert_eq!(title["choices"][0]["message"]["content"].as_str().unwrap().split(' ').count(), 3);
}

#[tokio::test]
async fn cerebras_objects_to_what_chutes_accepts() {
    let strict = |value: bool| with(tool("weather")["function"].clone(), json!({"strict": value}));
    let mixed = json!([{"type": "function", "function": strict(true)}, {"type": "function", "function": strict(false)}]);
    let reasoned = json!([{"role": "user", "content": "a"}, {"role": "assistant", "reasoning_content": "b"}]);
    let cases = [
        (json!({"min_p": 0.1, "top_k": 20}), 400, "body.top_k: property 'body.top_k' is unsupported"),
        (json!({"messages": reasoned}), 400, "messages.1.assistant.reasoning_content"),
        (json!({"tools": mixed}), 422, "mixed values for 'strict'"),
    ];
    let (cerebras, chutes) = (cerebras().await, Simulator::start(Profile::chutes()).await.unwrap());
    for (more, status, message) in cases {
        let refused = ask(&cerebras, &with(question(Vendor::Cerebras, "Hi"), more.clone())).await;
        assert_eq!(refused.status.unwrap(), status);
        assert!(refused.json()["message"].as_str().unwrap().contains(message));
        let accepted = ask(&chutes, &with(question(Vendor::Chutes, "Hi"), more)).await;
        assert_eq!(accepted.status.unwrap(), 200);
    }
    assert_eq!(cerebras.stats().rejected, 3);
}

#[tokio::test]
async fn wrong_keys_models_lengths_and_json_are_refused() {
    let profile = Profile { api_key: Some("csk-right".into()), context_limit: 500, ..Profile::cerebras() };
    let simulator = Simulator::start(profile).await.unwrap();
    let fits = with(question(Vendor::Cerebras, "Hi"), json!({"max_tokens": 10}));
    let other_model = with(fits.clone(), json!({"model": "other"}));
    let too_long = with(fits.clone(), json!({"max_tokens": 500}));
    let cases = [
        (Some("csk-right"), fits.to_string(), 200, ""),
        (Some("csk-wrong"), fits.to_string(), 401, "wrong_api_key"),
        (None, fits.to_string(), 403, "Not authenticated"),
        (Some("csk-right"), other_model.to_string(), 404, "model_not_found"),
        (Some("csk-right"), too_long.to_string(), 400, "context_length_exceeded"),
        (Some("csk-right"), "{".to_owned(), 400, "wrong_api_format"),
    ];
    for (key, body, status, text) in cases {
        let seen =
            exchange(&simulator, request(Method::POST, "/v1/chat/completions", key, body), PATIENCE).await;
        assert_eq!(seen.status.unwrap(), status);
        assert!(seen.text().contains(text), "{}", seen.text());
    }
    assert_eq!(get(&simulator, "/v1/models", None).await.status.unwrap(), 403);
    let models = get(&simulator, "/v1/models", Some("csk-right")).await.json();
    assert_eq!(models["data"][0]["id"], "qwen-3-coder-480b");
}
