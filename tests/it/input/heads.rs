//! Heads: wrong paths and methods, and what is no HTTP.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Bad, CHAT, all_turned_away};
use crate::client::{self, HANG, get, post};
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
        cases.push((format!("{method} {CHAT}"), "POST,OPTIONS"));
    }
    cases.push(("POST /v1/models".to_owned(), "GET,HEAD,OPTIONS"));
    cases.push(("DELETE /v1/models/qwen-3-coder".to_owned(), "GET,HEAD,OPTIONS"));
    cases.push(("POST /health".to_owned(), "GET,HEAD,OPTIONS"));
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

#[tokio::test]
async fn one_host_and_a_sound_one() {
    let health = |version: &str, hosts: &[&str]| -> String {
        let hosts: String = hosts.iter().flat_map(|host| ["Host: ", host, "\r\n"]).collect();
        format!("GET /health HTTP/{version}\r\n{hosts}\r\n")
    };
    let cases = [
        ("none", health("1.1", &[])),
        ("two", health("1.1", &["localhost", "localhost"])),
        ("a path", health("1.1", &["localhost/v1"])),
        ("a user", health("1.1", &["me@localhost"])),
        ("a space", health("1.1", &["local host"])),
        ("bytes", health("1.1", &["\u{e9}"])),
    ]
    .map(|(name, request)| Bad::raw(name, request, 400, "invalid_host").kept());
    let house = House::new(&[]).await;
    for case in &cases {
        case.check(&house).await.unwrap_or_else(|error| panic!("{error}"));
    }
    for sound in ["localhost", "LOCALHOST:3000", "127.0.0.1:1", "[::1]:3000", ""] {
        let reply = client::exchange(house.proxy.address, health("1.1", &[sound]).as_bytes()).await;
        assert_eq!(reply.status, 200, "{sound}: {}", reply.describe());
    }
    assert_eq!(client::exchange(house.proxy.address, health("1.0", &[]).as_bytes()).await.status, 200);
}

/// The head of an answer without what is another each time, and what came behind it until the connection was closed.
async fn whole(house: &House, method: &str, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("the proxy reads");
    let mut answer = String::new();
    let read = tokio::time::timeout(HANG, socket.read_to_string(&mut answer)).await;
    read.expect("no hang").expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let same = |line: &&str| !["date:", "x-request-id:"].iter().any(|name| line.starts_with(name));
    (head.lines().filter(same).collect::<Vec<_>>().join("\n"), body.to_owned())
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_says_what_there_is() {
    let house = House::new(&[]).await;
    for path in [
        "/",
        "/health",
        "/v1/models",
        "/v1/models/qwen-3-coder",
        "/v1/tcp_warming",
        "/models",
        "/v1/models/x",
    ] {
        let (got, body) = whole(&house, "GET", path).await;
        let (head, none) = whole(&house, "HEAD", path).await;
        assert_eq!((head, none.as_str()), (got, ""), "{path}");
        assert!(!body.is_empty(), "{path}");
        let (options, none) = whole(&house, "OPTIONS", path).await;
        assert!(options.contains("\nallow: GET,HEAD,OPTIONS"), "{path}: {options}");
        assert_eq!(none, "");
    }
    for path in [CHAT, "/chat/completions", "/v1/completions"] {
        let (head, none) = whole(&house, "HEAD", path).await;
        assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("\nallow: POST,OPTIONS"), "{head}");
        assert_eq!(none, "");
        let (options, _) = whole(&house, "OPTIONS", path).await;
        assert!(options.contains("\nallow: POST,OPTIONS"), "{path}: {options}");
    }
    let (options, _) = whole(&house, "OPTIONS", "*").await;
    assert!(options.contains("\nallow: GET,HEAD,POST,OPTIONS"), "{options}");
    let both = "OPTIONS /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    all_turned_away(&house, &[Bad::raw("ambiguous", both, 400, "ambiguous_framing")]).await;
}

#[tokio::test]
async fn who_waits_to_be_told_is_told() {
    let house = House::new(&[]).await;
    let body = question(false).to_string();
    let ask = async |more: &str| {
        let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nExpect: 100-continue\r\n{more}\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.expect("the proxy reads");
        let mut said = vec![0; "HTTP/1.1 100".len()];
        tokio::time::timeout(HANG, socket.read_exact(&mut said)).await.expect("no hang").expect("an answer");
        (String::from_utf8(said).expect("text"), socket)
    };
    let (said, mut socket) = ask("Content-Type: application/json\r\n").await;
    assert_eq!(said, "HTTP/1.1 100");
    socket.write_all(body.as_bytes()).await.expect("the proxy reads");
    client::read_on(&mut socket, said.into_bytes()).await.good();
    // What is refused by its head need not be sent.
    for (more, status) in [
        ("Content-Type: text/plain\r\n", "415"),
        ("Content-Type: application/json\r\nContent-Encoding: br\r\n", "415"),
    ] {
        assert_eq!(ask(more).await.0, format!("HTTP/1.1 {status}"));
    }
}
