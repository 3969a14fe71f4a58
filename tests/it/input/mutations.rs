//! Good requests with bytes changed at random. Seeds are fixed: what fails once fails again.

use fastrand::Rng;
use futures_util::StreamExt;

use super::CHAT;
use crate::client::{self, post};
use crate::harness::{House, question};

const CASES: u64 = 600;

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
    for _ in 0..rng.usize(1..=4) {
        // What is left of a request may be nothing.
        if bytes.is_empty() {
            return;
        }
        let at = rng.usize(..bytes.len());
        let end = (at + rng.usize(..16)).min(bytes.len());
        match rng.u8(..6) {
            0 => bytes[at] = rng.u8(..),
            1 => bytes[at] ^= 1 << rng.u8(..8),
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, PIECES[rng.usize(..PIECES.len())].iter().copied())),
            4 => {
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            _ => bytes.truncate(at + 1),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_is_served_refused_or_hung_up_on() {
    let house = House::new(&[("HEADER_TIMEOUT", "200"), ("BODY_TIMEOUT", "200")]).await;
    let house = &house;
    let outcomes = futures_util::stream::iter(0..CASES).map(|seed| async move {
        let mut rng = Rng::with_seed(seed);
        let mut request =
            post(CHAT, &[("Authorization", "Bearer x")], question(rng.bool()).to_string().as_bytes());
        mutate(&mut rng, &mut request);
        let reply = client::exchange(house.proxy.address, &request).await;
        let describe = || format!("seed {seed}: {}\n{}", request.escape_ascii(), reply.describe());
        match reply.status {
            200 if reply.whole => {}
            0 => assert!(reply.head.is_empty(), "{}", describe()),
            400..=499 if reply.whole => {
                let error = &reply.json()["error"];
                assert!(error["message"].is_string() && error["type"].is_string(), "{}", describe());
            }
            _ => panic!("{}", describe()),
        }
        reply.status
    });
    let statuses: Vec<u16> = outcomes.buffer_unordered(32).collect().await;
    for status in [200, 400, 404, 408] {
        assert!(statuses.contains(&status), "no mutation ends with {status}");
    }
    house.ask(true).await.good();
}
