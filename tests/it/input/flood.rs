//! The binary under bad input: it stays up, and its memory where it was.

use futures_util::StreamExt;
use serde_json::json;
use simulator::{Limits, Profile, Simulator};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::CHAT;
use crate::client::{self, get, post};
use crate::harness::question;
use crate::process::Process;

const MIB: usize = 1024 * 1024;
/// One more than `MAX_BODY_BYTES` allows.
const OVER: usize = 33 * MIB;
const UNDER: usize = 31 * MIB;

/// Small requests of many kinds that are turned away.
fn bad(number: usize) -> Vec<u8> {
    let deep = "[".repeat(10_000);
    match number % 8 {
        0 => post(CHAT, &[], b"{"),
        1 => post(CHAT, &[], deep.as_bytes()),
        2 => post(CHAT, &[], json!({"model": "x".repeat(20_000), "messages": [{}]}).to_string().as_bytes()),
        3 => get(&format!("/{number}/{}", "x".repeat(10_000)), &[]),
        4 => get("/health", &[("X", &"x".repeat(100_000))]),
        5 => {
            format!("POST {CHAT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n").into()
        }
        6 => vec![0; 1000],
        _ => post(CHAT, &[("Content-Encoding", "gzip")], &vec![7; 50_000]),
    }
}

/// Sends a body of blanks in front of a question for an unknown model; returns the status.
async fn upload(process: &Process, length: usize, chunked: bool) -> u16 {
    let mut socket = TcpStream::connect(process.address).await.expect("the proxy listens");
    let framing =
        if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {length}") };
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("the proxy reads");
    let part = vec![b' '; MIB];
    let end = br#"{"model":"other","messages":[{}]}"#;
    for _ in 0..length / MIB - 1 {
        if chunked {
            socket.write_all(b"100000\r\n").await.expect("the proxy reads");
        }
        socket.write_all(&part).await.expect("the proxy reads");
        if chunked {
            socket.write_all(b"\r\n").await.expect("the proxy reads");
        }
    }
    let last = [&part[end.len()..], end].concat();
    let last = if chunked { [b"100000\r\n", last.as_slice(), b"\r\n0\r\n\r\n"].concat() } else { last };
    socket.write_all(&last).await.expect("the proxy reads");
    client::read(&mut socket).await.status
}

async fn flood(process: &Process, small: usize, large: usize) {
    let statuses = futures_util::stream::iter(0..small)
        .map(|number| async move { client::exchange(process.address, &bad(number)).await.status });
    let statuses: Vec<u16> = statuses.buffer_unordered(32).collect().await;
    assert!(statuses.iter().all(|status| (400..500).contains(status)), "{statuses:?}");
    for _ in 0..large {
        assert_eq!(upload(process, OVER, false).await, 413);
        assert_eq!(upload(process, OVER, true).await, 413);
        assert_eq!(upload(process, UNDER, false).await, 404);
        // Without its length half as much may come.
        assert_eq!(upload(process, UNDER / 2, true).await, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_where_it_was() {
    let cerebras = Profile { limits: Limits::NONE, ..Profile::cerebras() };
    let cerebras = Simulator::start(cerebras).await.expect("a port");
    let vars = [("CEREBRAS_API_KEY", "csk-it"), ("CEREBRAS_BASE_URL", &cerebras.base_url())];
    let process = Process::start(&vars).await;
    process.chat(&question(true)).await.good();
    flood(&process, 300, 1).await;
    let before = process.resident_kib();
    flood(&process, 3_000, 10).await;
    let after = process.resident_kib();
    eprintln!("resident: {before} KiB, then {after} KiB");
    assert!(after < before + 48 * 1024, "resident: {before} KiB, then {after} KiB");
    process.chat(&question(true)).await.good();
    assert_eq!(cerebras.requests().len(), 2);
}

#[tokio::test]
async fn whatever_is_turned_away_is_logged_without_keys() {
    let key = "csk-it-0123456789abcdef";
    let process = Process::start(&[("CEREBRAS_API_KEY", key), ("PROXY_API_KEYS", "first-key-123456")]).await;
    let requests = [
        get(&format!("/{key}"), &[]),
        get("/v1/models", &[("Authorization", "Bearer wrong")]),
        get("/v1/models", &[("Origin", "https://evil.example")]),
        b"nonsense\r\n\r\n".to_vec(),
    ];
    for request in requests {
        let reply = client::exchange(process.address, &request).await;
        let log = process.line_with("request_id", reply.header("x-request-id").expect("an id")).await;
        assert_eq!((&log["message"], &log["status"]), (&json!("rejected"), &json!(reply.status)), "{log}");
        assert!(log["reason"].is_string(), "{log}");
    }
    assert!(!process.written().contains(key), "{}", process.written());
}
