//! A client that does not read holds its provider up, not our memory.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::held::{Asked, FINISH, HEAD, Held, chunk, content};
use crate::client::{self, HANG, post};
use crate::harness::{Running, question};
use crate::process::Process;

const MIB: usize = 1024 * 1024;
const ALL: usize = 200 * MIB;
/// More than a reader that falls behind may cost, in KiB.
const BOUND: u64 = 2 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_nobody_reads_waits_at_the_provider() {
    let upstream = Held::start().await;
    // A model whose vocabulary is not known, so that none is loaded in between.
    let vars = [
        ("CHUTES_API_KEY", "cpk_it"),
        ("CHUTES_BASE_URL", &upstream.base_url()),
        ("CHUTES_MODEL_NAME", "some-model"),
    ];
    let process = Process::start(&vars).await;
    let mut client = TcpStream::connect(process.address).await.expect("the proxy listens");
    let request = post("/v1/chat/completions", &[], question(true).to_string().as_bytes());
    client.write_all(&request).await.expect("the proxy reads");
    let mut asked = upstream.asked().await;
    asked.write(HEAD).await;
    let event = chunk(&content(&"x".repeat(64 * 1024)));
    asked.write(&event).await;
    let mut first = [0; 1];
    client.read_exact(&mut first).await.expect("an answer");
    let before = process.resident_kib();

    // Writes as long as anybody takes it: everything between here and the client is full then.
    let (mut written, mut rest) = (event.len(), event.as_bytes());
    while written < ALL {
        match tokio::time::timeout(Duration::from_millis(500), asked.0.write(rest)).await {
            Ok(count) => {
                let count = count.expect("the proxy is there");
                (written, rest) = (written + count, &rest[count..]);
            }
            Err(_) => break,
        }
        rest = if rest.is_empty() { event.as_bytes() } else { rest };
    }
    let stalled = process.resident_kib();
    println!("a stalled reader: {written} bytes taken, resident {before} KiB, then {stalled} KiB");
    assert!(written < ALL, "all of it was taken");
    assert!(stalled < before + BOUND, "resident {before} KiB, then {stalled} KiB");

    // Once it reads again, all of it comes.
    let rest = rest.to_vec();
    let provider = async {
        asked.0.write_all(&rest).await.expect("the proxy reads");
        let mut written = written + rest.len();
        while written < ALL {
            asked.write(&event).await;
            written += event.len();
        }
        asked.event(FINISH).await;
        asked.write("0\r\n\r\n").await;
    };
    let reader = async {
        let (mut total, mut tail, mut part) = (0, Vec::new(), vec![0; MIB]);
        while !tail.ends_with(b"0\r\n\r\n") {
            let read = tokio::time::timeout(HANG, client.read(&mut part)).await;
            let count = read.expect("no hang").expect("an answer");
            assert_ne!(count, 0, "the end of a whole answer");
            total += count;
            tail.extend_from_slice(&part[..count]);
            tail.drain(..tail.len().saturating_sub(1024));
        }
        total
    };
    let ((), total) = tokio::join!(provider, reader);
    assert!(total > ALL / 100 * 99, "{total}");
    let after = process.resident_kib();
    println!("read in the end: {total} bytes, resident {after} KiB");
    assert!(after < before + BOUND, "resident {before} KiB, then {after} KiB");
    assert_eq!(client::exchange(process.address, &client::get("/health", &[])).await.status, 200);
}

/// A client in the middle of a stream that is far larger than what the kernel keeps for it.
async fn amid_a_flood(upstream: &Held, proxy: &Running) -> (TcpStream, Asked) {
    let mut client = TcpStream::connect(proxy.address).await.expect("the proxy listens");
    let request = post("/v1/chat/completions", &[], question(true).to_string().as_bytes());
    client.write_all(&request).await.expect("the proxy reads");
    let mut asked = upstream.asked().await;
    asked.write(HEAD).await;
    (client, asked)
}

#[tokio::test]
async fn a_reader_that_never_reads_again_is_given_up() {
    let upstream = Held::start().await;
    let vars = [
        ("CHUTES_API_KEY", "cpk_it"),
        ("CHUTES_BASE_URL", &upstream.base_url()),
        ("WRITE_TIMEOUT", "300"),
        // Neither of these gives it up.
        ("STREAM_IDLE_TIMEOUT", "600000"),
        ("REQUEST_TIMEOUT", "600000"),
    ];
    let proxy = Running::start(&vars).await;
    let (mut client, mut asked) = amid_a_flood(&upstream, &proxy).await;
    let event = chunk(&content(&"x".repeat(64 * 1024)));
    let flood = async { while asked.0.write_all(event.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(HANG, flood).await.expect("the provider is hung up on");
    let account = &proxy.app.proxy.models[0].targets[0].account;
    let settled = async {
        while account.status().in_flight > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(HANG, settled).await.expect("the books are settled");
    let mut rest = Vec::new();
    let end = tokio::time::timeout(HANG, client.read_to_end(&mut rest)).await.expect("no hang");
    assert!(end.is_err(), "the connection is reset");
    assert!(!rest.ends_with(b"0\r\n\r\n"), "what came does not look whole");
}

#[tokio::test]
async fn a_reader_that_is_slow_is_not_given_up() {
    let upstream = Held::start().await;
    let vars =
        [("CHUTES_API_KEY", "cpk_it"), ("CHUTES_BASE_URL", &upstream.base_url()), ("WRITE_TIMEOUT", "1500")];
    let proxy = Running::start(&vars).await;
    let (mut client, mut asked) = amid_a_flood(&upstream, &proxy).await;
    let provider = async {
        let event = chunk(&content(&"x".repeat(64 * 1024)));
        for _ in 0..3 * 1024 / 64 {
            asked.write(&event).await;
        }
        asked.event(FINISH).await;
        asked.write("0\r\n\r\n").await;
    };
    // Behind all the time, for longer than the limit.
    let reader = async {
        let (mut pace, mut part) = (tokio::time::interval(Duration::from_millis(50)), vec![0; 16 * 1024]);
        let mut tail = Vec::new();
        while !tail.ends_with(b"0\r\n\r\n") {
            pace.tick().await;
            let count = client.read(&mut part).await.expect("an answer");
            assert_ne!(count, 0, "the end of a whole answer");
            tail = part[count.saturating_sub(5)..count].to_vec();
        }
    };
    let clock = proxy.app.proxy.clock;
    let started = clock.now();
    let ((), ()) =
        tokio::time::timeout(HANG, async { tokio::join!(provider, reader) }).await.expect("no hang");
    assert!(clock.since(started) > Duration::from_secs(3), "it was no slow reader");
}
