//! A client that does not read holds its provider up, not our memory.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::held::{FINISH, HEAD, Held, chunk, content};
use crate::client::{self, HANG, post};
use crate::harness::question;
use crate::process::Process;

const MIB: usize = 1024 * 1024;
const ALL: usize = 64 * MIB;

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
    assert!(stalled < before + 16 * 1024, "resident {before} KiB, then {stalled} KiB");

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
    assert!(after < before + 16 * 1024, "resident {before} KiB, then {after} KiB");
    assert_eq!(client::exchange(process.address, &client::get("/health", &[])).await.status, 200);
}
