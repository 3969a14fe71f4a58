//! Told to stop: nobody new is let in, whoever is served is served to the end.

use serde_json::json;
use simulator::{Fault, Limits, Profile, Simulator, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{self, HANG, post};
use crate::harness::{CEREBRAS_KEY, House, question};
use crate::process::Process;

/// A client in the middle of a stream; the rest is read with [`client::read_on`].
async fn amid_a_stream(address: std::net::SocketAddr, body: &serde_json::Value) -> (TcpStream, Vec<u8>) {
    let mut socket = TcpStream::connect(address).await.expect("the proxy listens");
    let request = post("/v1/chat/completions", &[], body.to_string().as_bytes());
    socket.write_all(&request).await.expect("the proxy reads");
    let mut seen = Vec::new();
    while !seen.windows(7).any(|window| window == b"content") || !seen.windows(4).any(|it| it == b"\r\n\r\n")
    {
        let read = tokio::time::timeout(HANG, socket.read_buf(&mut seen)).await;
        assert_ne!(read.expect("no hang").expect("an answer"), 0, "an answer");
    }
    (socket, seen)
}

/// Waits until nobody is let in any more.
async fn refused(address: std::net::SocketAddr) {
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(HANG, refused).await.expect("nobody is let in");
}

#[tokio::test]
async fn a_stream_ends_whole_and_the_server_with_it() {
    let mut house = House::new(&[]).await;
    house.cerebras.inject(Fault::SlowTokens, Times::Once);
    let mut idle = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    idle.write_all(&client::get("/health", &[])).await.expect("the proxy reads");
    assert_eq!(client::read(&mut idle).await.status, 200);
    let (mut socket, seen) = amid_a_stream(house.proxy.address, &question(true)).await;
    house.proxy.stop();
    refused(house.proxy.address).await;
    assert_eq!(house.cerebras.stats().in_flight, 1, "it is still under way");
    client::read_on(&mut socket, seen).await.good();
    let ended = house.proxy.app.proxy.clock.now();
    assert_eq!(house.proxy.stopped().await, 0);
    let took = house.proxy.app.proxy.clock.since(ended);
    assert!(took.as_millis() < 500, "{took:?} after the last answer");
    assert_eq!(idle.read(&mut [0]).await.unwrap_or_default(), 0);
}

#[tokio::test]
async fn a_stream_that_is_longer_than_the_drain_is_cut_visibly() {
    let mut house = House::new(&[("DRAIN_TIMEOUT", "300")]).await;
    house.cerebras.inject(Fault::SlowTokens, Times::Once);
    let body = json!({"model": "qwen-3-coder", "messages": [{"role": "user", "content": "Tell me a 500 word story."}], "stream": true});
    let (mut socket, seen) = amid_a_stream(house.proxy.address, &body).await;
    house.proxy.stop();
    assert_eq!(house.proxy.stopped().await, 1);
    let reply = client::read_on(&mut socket, seen).await;
    let (_, finished) = reply.answer();
    assert!(!reply.whole && !finished && !reply.text().contains("[DONE]"), "{}", reply.describe());
}

async fn process() -> (Simulator, Process) {
    let cerebras = Profile { limits: Limits::NONE, ..Profile::cerebras() };
    let cerebras = Simulator::start(cerebras).await.expect("a port");
    cerebras.inject(Fault::SlowTokens, Times::Always);
    let vars = [("CEREBRAS_API_KEY", CEREBRAS_KEY), ("CEREBRAS_BASE_URL", &cerebras.base_url())];
    (cerebras, Process::start(&vars).await)
}

const STOPPING: &str = "stopping: streams may finish; a second signal ends them";

#[tokio::test]
async fn a_signal_lets_a_stream_end_and_the_process_is_content() {
    for signal in ["TERM", "INT"] {
        let (_cerebras, mut process) = process().await;
        let (mut socket, seen) = amid_a_stream(process.address, &question(true)).await;
        process.signal(signal);
        process.line(STOPPING).await;
        refused(process.address).await;
        client::read_on(&mut socket, seen).await.good();
        assert_eq!(process.exit_code().await, Some(0), "{signal}: {}", process.written());
        assert_eq!(process.line("request").await["end"], "whole", "what is to be logged is logged");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let (_cerebras, mut process) = process().await;
        let (mut socket, seen) = amid_a_stream(process.address, &question(true)).await;
        process.signal(first);
        process.line(STOPPING).await;
        process.signal(second);
        assert_eq!(process.exit_code().await, Some(130), "{first}, {second}");
        let reply = client::read_on(&mut socket, seen).await;
        assert!(!reply.whole && !reply.answer().1, "{}", reply.describe());
    }
}
