//! Good requests with bytes changed at random. Seeds are fixed: what fails once fails again.

use fastrand::Rng;
use futures_util::StreamExt;

use super::CHAT;
use super::judge;
use crate::client::{self, post};
use crate::compressed::gzip;
use crate::harness::{Running, question};

const CASES: u64 = 5_000;

const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\0",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\xff",
    b"\xf0\x9f",
    b"null",
    b"-1",
    b"1e999",
    b"\"model\":",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"\\u0000",
    b"HTTP/1.1",
    b"\r\n\r\n",
];

fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.usize(1..=3) {
        // What is left of a request may be nothing.
        if bytes.is_empty() {
            return;
        }
        let at = rng.usize(..bytes.len());
        let end = (at + rng.usize(..16)).min(bytes.len());
        match rng.u8(..12) {
            0 | 1 => bytes[at] = rng.u8(..),
            2 | 3 => bytes[at] ^= 1 << rng.u8(..8),
            4 | 5 => drop(bytes.drain(at..end)),
            6..=8 => drop(bytes.splice(at..at, PIECES[rng.usize(..PIECES.len())].iter().copied())),
            9 | 10 => {
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            _ => bytes.truncate(at + 1),
        }
    }
}

/// A good request in one of the framings there are, and then not quite.
fn mutated(seed: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let body = question(rng.bool()).to_string();
    let mut request = match rng.u8(..8) {
        0 => post(CHAT, &[("Content-Encoding", "gzip")], &gzip(body.as_bytes())),
        1 | 2 => {
            let (head, tail) = body.split_at(rng.usize(1..body.len()));
            let chunks = format!("{:x}\r\n{head}\r\n{:X};a=b\r\n{tail}\r\n0\r\n\r\n", head.len(), tail.len());
            let head = "Host: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
            format!("POST {CHAT} HTTP/1.1\r\n{head}\r\n\r\n{chunks}").into_bytes()
        }
        _ => post(CHAT, &[("Authorization", "Bearer x")], body.as_bytes()),
    };
    mutate(&mut rng, &mut request);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_is_served_refused_or_hung_up_on() {
    let provider = judge::Provider::start().await;
    let vars = [
        ("CHUTES_API_KEY", "cpk_it"),
        ("CHUTES_BASE_URL", &provider.base_url()),
        ("HEADER_TIMEOUT", "200"),
        ("BODY_TIMEOUT", "200"),
    ];
    let proxy = &Running::start(&vars).await;
    let outcomes = futures_util::stream::iter(0..CASES).map(|seed| async move {
        let request = mutated(seed);
        let reply = client::exchange(proxy.address, &request).await;
        let describe = || format!("seed {seed}: {}\n{}", request.escape_ascii(), reply.describe());
        match reply.status {
            // The provider answers whatever it is asked, so these are those that were forwarded.
            200 if reply.whole => {
                let verdict = judge::request(&request);
                assert_eq!(verdict, Ok(()), "{}", describe());
            }
            0 => assert!(reply.head.is_empty(), "{}", describe()),
            400..=499 if reply.whole => {
                let error = &reply.json()["error"];
                assert!(error["message"].is_string() && error["type"].is_string(), "{}", describe());
            }
            _ => panic!("{}", describe()),
        }
        reply.status
    });
    let statuses: Vec<u16> = outcomes.buffer_unordered(256).collect().await;
    for status in [200, 400, 404, 405, 408, 415] {
        assert!(statuses.contains(&status), "no mutation ends with {status}");
    }
    let served = statuses.iter().filter(|status| **status == 200).count();
    let asked = provider.asked();
    println!("{served} of {CASES} served, {} asked for", asked.len());
    assert!(served > 50 && asked.len() >= served);
    for body in asked {
        assert_eq!(judge::body(&body), Ok(()), "{}", body.escape_ascii());
    }
    // Whatever it was, the next one is served.
    proxy.chat(question(true).to_string().as_bytes()).await.good();
}
