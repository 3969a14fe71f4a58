//! Heads: wrong paths and methods, and what is no HTTP.

use super::{Bad, CHAT, all_turned_away};
use crate::client::{self, get, post};
use crate::harness::{House, question};

#[tokio::test]
async fn wrong_paths() {
    let body = question(false).to_string();
    let mut cases = Vec::new();
    for path in [
        "/nope",
        "/v1",
        "/v1/",
        "/v1/models/",
        "//v1/models",
        "/v2/models",
        "/v1/chat",
        "/V1/models",
        "/%2e%2e/etc/passwd",
        "/v1/chat/completions/",
    ] {
        cases.push(Bad::raw(path, get(path, &[]), 404, "not_found").kept());
        cases.push(Bad::raw(path, post(path, &[], body.as_bytes()), 404, "not_found"));
    }
    // Nobody is asked on a client's word, wherever it points.
    cases.push(Bad::raw("another host", get("http://169.254.169.254/latest", &[]), 404, "not_found").kept());
    cases.push(Bad {
        param: Some("model"),
        ..Bad::raw("no text", get("/v1/models/%ff", &[]), 404, "model_not_found").kept()
    });
    all_turned_away(&House::new(&[]).await, &cases).await;
}

#[tokio::test]
async fn wrong_methods_are_told_the_right_one() {
    let house = House::new(&[]).await;
    let mut cases = Vec::new();
    for method in ["GET", "PUT", "DELETE", "PATCH", "get", "BREW"] {
        cases.push((format!("{method} {CHAT}"), "POST"));
    }
    cases.push(("POST /v1/models".to_owned(), "GET,HEAD"));
    cases.push(("DELETE /v1/models/qwen-3-coder".to_owned(), "GET,HEAD"));
    cases.push(("POST /health".to_owned(), "GET,HEAD"));
    for (line, allowed) in &cases {
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let case = Bad::raw(line, request, 405, "method_not_allowed").kept();
        let reply = case.check(&house).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(reply.header("allow").as_deref(), Some(*allowed), "{line}");
    }
    assert!(house.cerebras.requests().is_empty());
}

#[tokio::test]
async fn heads_that_are_too_large() {
    let lines = |count: usize, length: usize| -> String {
        (0..count).flat_map(|_| ["X: ".to_owned(), "x".repeat(length), "\r\n".to_owned()]).collect()
    };
    let head = |lines: &str| format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    let large = |name, request: String| Bad::raw(name, request, 431, "headers_too_large");
    let cases = [
        large("one long header", head(&lines(1, 70_000))),
        large("an endless one", head(&lines(1, 5_000_000))),
        large("many", head(&lines(200, 1))),
        large("many and long", head(&lines(90, 10_000))),
    ];
    let house = House::new(&[]).await;
    all_turned_away(&house, &cases).await;
    let reply = client::exchange(house.proxy.address, head(&lines(90, 500)).as_bytes()).await;
    assert_eq!(reply.status, 200, "what agents send, and ten times that");
    let reply = client::exchange(house.proxy.address, &get(&"/x".repeat(40_000), &[])).await;
    assert!([414, 431].contains(&reply.status), "{}", reply.describe());
    reply.error(reply.status);
}

#[tokio::test]
async fn what_is_no_http() {
    let with = |line: &str| format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n").into_bytes();
    let cases = [
        ("words", b"Good morning, proxy.\r\n\r\n".to_vec()),
        ("no version", b"GET /health\r\n\r\n".to_vec()),
        ("a version to come", b"GET /health HTTP/3.0\r\n\r\n".to_vec()),
        ("no path", b"GET  HTTP/1.1\r\n\r\n".to_vec()),
        ("a space in the path", b"GET /a b HTTP/1.1\r\n\r\n".to_vec()),
        ("a control character in the path", b"GET /\x01 HTTP/1.1\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("zeros", vec![0; 64]),
        ("no colon", with("Host localhost")),
        ("no name", with(": x")),
        ("a space in the name", with("X Y: z")),
        ("a folded line", with("X: y\r\n z")),
        ("a zero in the value", with("X: \0")),
        ("a lone carriage return", with("X: a\rb")),
    ]
    .map(|(name, request)| Bad::raw(name, request, 400, "invalid_http"));
    all_turned_away(&House::new(&[]).await, &cases).await;
}

#[tokio::test]
async fn what_nobody_here_speaks_is_hung_up_on_or_told_so() {
    let house = House::new(&[]).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    assert_eq!(client::exchange(house.proxy.address, preface).await.status, 0);
    let tunnel = b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n";
    let reply = client::exchange(house.proxy.address, tunnel).await;
    reply.error(reply.status);
    let upgrade = get(
        "/health",
        &[
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ],
    );
    assert_eq!(client::exchange(house.proxy.address, &upgrade).await.status, 200);
    house.ask(false).await.good();
}
