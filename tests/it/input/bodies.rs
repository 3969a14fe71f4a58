//! Bodies: JSON that is none, or not what the API takes.

use std::fmt::Write as _;

use serde_json::json;

use super::{Bad, CHAT, all_turned_away};
use crate::client::post;
use crate::harness::{House, question};

#[tokio::test]
async fn what_is_no_json_object() {
    let mut cases: Vec<Bad> = [
        "",
        " ",
        "{",
        "}",
        "[]",
        "null",
        "1",
        "\"x\"",
        "{}x",
        "{\"model\":}",
        "{'model':'x'}",
        "{\"a\":1,}",
        "{\"model\" \"x\"}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\ud800\"",
        "// x\n{}",
    ]
    .into_iter()
    .map(|body| Bad::body(body, None))
    .collect();
    let mut latin = question(false).to_string().into_bytes();
    latin.insert(latin.len() - 2, 0xe9);
    cases.extend([Bad::body(latin, None), Bad::body([0xff, 0xfe, b'{', 0, b'}', 0], None)]);
    all_turned_away(&House::new(&[]).await, &cases).await;
}

#[tokio::test]
async fn fields_that_are_missing_or_of_the_wrong_type() {
    let no_model = json!({"messages": question(false)["messages"]}).to_string();
    let no_messages = json!({"model": "qwen-3-coder"}).to_string();
    let mut cases = vec![Bad::body(no_model, "model"), Bad::body(no_messages, "messages")];
    for model in [json!(null), json!(""), json!(5), json!([]), json!({"id": "qwen-3-coder"})] {
        cases.push(Bad::field("model", model));
    }
    for messages in [json!(null), json!([]), json!({}), json!("x"), json!([1]), json!([null]), json!([[]])] {
        cases.push(Bad::field("messages", messages));
    }
    for tokens in
        [json!(0), json!(-2), json!(1.5), json!("9"), json!(true), json!([9]), json!({}), json!(-0.5)]
    {
        cases.push(Bad::field("max_tokens", tokens.clone()));
        cases.push(Bad::field("max_completion_tokens", tokens));
    }
    for (field, value) in [
        ("stream", json!("true")),
        ("stream", json!(1)),
        ("stream", json!([])),
        ("stream_options", json!(5)),
        ("stream_options", json!([])),
        ("tools", json!({})),
        ("tools", json!("x")),
        ("functions", json!({})),
        ("temperature", json!("0.7")),
        ("top_p", json!({})),
    ] {
        cases.push(Bad::field(field, value));
    }
    all_turned_away(&House::new(&[]).await, &cases).await;
}

#[tokio::test]
async fn a_model_that_is_not_served_is_not_found() {
    let unknown =
        |model: &str| Bad { status: 404, code: "model_not_found", ..Bad::field("model", json!(model)) };
    let cases = ["gpt-4", "qwen-3-coder ", "Qwen-3-coder", "qwen-3-coder-480b", "\u{0}"].map(unknown);
    all_turned_away(&House::new(&[]).await, &cases).await;
}

#[tokio::test]
async fn a_key_that_stands_twice_however_it_is_written() {
    let good = question(false).to_string();
    let with = |pair: &str| Bad::body(good.replacen('{', &format!("{{{pair},"), 1), None);
    let cases = [
        with(r#""model":"qwen-3-coder""#),
        with(r#""mod\u0065l":"gpt-4""#),
        with(r#""\u006dessages":[]"#),
        with(r#""x":1,"x":1"#),
        with(r#""stream":true"#),
    ];
    all_turned_away(&House::new(&[]).await, &cases).await;
}

#[tokio::test]
async fn a_hundred_thousand_brackets() {
    const DEEP: usize = 100_000;
    let nested = |open: &str, close: &str| open.repeat(DEEP) + &close.repeat(DEEP);
    let arrays = nested("[", "]");
    let good = question(false).to_string();
    let cases = [
        Bad::body(&arrays, None),
        Bad::body("[".repeat(DEEP), None),
        Bad::body(nested("{\"a\":", "}").replacen(":}", ":1}", 1), None),
        Bad::body(good.replacen('{', &format!("{{\"x\":{arrays},"), 1), None),
        Bad::body(good.replacen('[', &format!("[{arrays},"), 1), None),
        Bad::body(good.replacen("\"content\":", &format!("\"x\":{arrays},\"content\":"), 1), None),
    ];
    let house = House::new(&[]).await;
    all_turned_away(&house, &cases).await;
    // In a text they are text.
    house.proxy.chat(good.replace("Tell me", &format!("{arrays} Tell me")).as_bytes()).await.good();
}

#[tokio::test]
async fn no_limit_is_not_a_wrong_limit() {
    let house = House::new(&[]).await;
    for field in ["max_tokens", "max_completion_tokens"] {
        for value in ["null", "-1", "-1.0", "100.0", "1e2"] {
            let mut body = question(false).to_string().replace("\"max_tokens\":100", "\"x\":0");
            body.insert_str(1, &format!("\"{field}\":{value},"));
            let before = house.cerebras.requests().len();
            let reply = house.proxy.chat(body.as_bytes()).await;
            assert!(house.cerebras.requests().len() > before, "{field}: {value}: {}", reply.describe());
            if ["null", "-1"].contains(&value) {
                reply.good();
            }
        }
    }
}

#[tokio::test]
async fn only_json_and_only_as_it_is() {
    let body = question(false).to_string();
    let with = |headers: &str| {
        let length = body.len();
        format!("POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
    };
    let mut cases = Vec::new();
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
        "application/jsonp",
        "\u{e9}",
    ] {
        let header = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        cases.push(Bad::raw(&format!("type {kind:?}"), with(&header), 415, "unsupported_media_type"));
    }
    for encoding in ["br", "zstd", "gzip, gzip", "identity, gzip", "compress"] {
        let headers = format!("Content-Type: application/json\r\nContent-Encoding: {encoding}\r\n");
        cases.push(Bad::raw(&format!("encoding {encoding}"), with(&headers), 415, "unsupported_encoding"));
    }
    let house = House::new(&[]).await;
    all_turned_away(&house, &cases).await;
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"] {
        let headers = format!("Content-Type: {kind}\r\nContent-Encoding: identity\r\n");
        crate::client::exchange(house.proxy.address, with(&headers).as_bytes()).await.good();
    }
}

#[tokio::test]
async fn bodies_over_the_limit() {
    const LIMIT: usize = 64 * 1024;
    let house = House::new(&[("MAX_BODY_BYTES", &LIMIT.to_string())]).await;
    let filled = |length: usize| {
        let mut body = question(false).to_string();
        body.push_str(&" ".repeat(length - body.len()));
        body
    };
    let head = format!("POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    let chunked = |length: usize| {
        let mut request = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        for part in filled(length).as_bytes().chunks(1000) {
            let part = std::str::from_utf8(part).expect("ASCII");
            let _ = write!(request, "{:x}\r\n{part}\r\n", part.len());
        }
        request + "0\r\n\r\n"
    };
    let code = "request_too_large";
    let cases = [
        Bad::raw("one byte over", post(CHAT, &[], filled(LIMIT + 1).as_bytes()), 413, code),
        Bad::raw("far over", post(CHAT, &[], filled(200 * LIMIT).as_bytes()), 413, code),
        Bad::raw("announced only", format!("{head}Content-Length: 99999999999999\r\n\r\n"), 413, code),
        Bad::raw(
            "waits to be told",
            format!("{head}Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n"),
            413,
            code,
        ),
        Bad::raw("chunked", chunked(LIMIT / 2 + 1), 413, code),
    ];
    all_turned_away(&house, &cases).await;
    house.proxy.chat(filled(LIMIT).as_bytes()).await.good();
    crate::client::exchange(house.proxy.address, chunked(LIMIT / 2).as_bytes()).await.good();
}
