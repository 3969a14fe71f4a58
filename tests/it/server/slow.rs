//! Clients that send nothing, or next to nothing, are cut off in time and hold nobody up.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{self, HANG, post};
use crate::harness::{CEREBRAS_KEY, House, question};
use crate::process::Process;

/// Beyond the limit, for a machine under load.
const GRACE: Duration = Duration::from_secs(2);

/// Waits until the proxy hangs up; it must not say anything.
async fn hung_up_on(socket: &mut TcpStream) {
    let mut said = Vec::new();
    // A reset is as good as an end.
    let _ = tokio::time::timeout(HANG, socket.read_to_end(&mut said)).await.expect("it hangs up");
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn a_head_that_does_not_come() {
    const LIMIT: Duration = Duration::from_millis(300);
    let house = House::new(&[("HEADER_TIMEOUT", "300")]).await;
    let clock = house.proxy.app.proxy.clock;
    let started = clock.now();
    let silent = async {
        let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
        hung_up_on(&mut socket).await;
        clock.since(started)
    };
    let half = async {
        let start = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-";
        let reply = client::exchange(house.proxy.address, start).await;
        assert_eq!(reply.error(408)["code"], "request_timeout");
        assert!(reply.header("x-request-id").is_some());
        clock.since(started)
    };
    let (nothing, half, served) = tokio::join!(silent, half, house.ask(true));
    served.good();
    for took in [nothing, half] {
        assert!((LIMIT..LIMIT + GRACE).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte() {
    let house = House::new(&[("HEADER_TIMEOUT", "300")]).await;
    let clock = house.proxy.app.proxy.clock;
    let started = clock.now();
    let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut byte = [0];
    for letter in b"GET /health HTTP/1.1\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
        tokio::select! {
            _ = socket.read(&mut byte) => break,
            _ = pace.tick() => {}
        }
        let _ = socket.write_all(&[*letter]).await;
        assert!(clock.since(started) < GRACE, "it is never cut off");
    }
}

#[tokio::test]
async fn an_idle_connection_is_not_kept_for_ever() {
    let house = House::new(&[("HEADER_TIMEOUT", "300")]).await;
    let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    socket.write_all(&client::get("/health", &[])).await.expect("the proxy reads");
    assert_eq!(client::read(&mut socket).await.status, 200);
    hung_up_on(&mut socket).await;
}

#[tokio::test]
async fn a_body_that_is_slow_but_comes_is_read() {
    let house = House::new(&[("BODY_TIMEOUT", "400"), ("HEADER_TIMEOUT", "400")]).await;
    let request = post("/v1/chat/completions", &[], question(true).to_string().as_bytes());
    let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    let (head, body) =
        request.split_at(request.windows(4).position(|it| it == b"\r\n\r\n").expect("a head") + 4);
    socket.write_all(head).await.expect("the proxy reads");
    for part in body.chunks(body.len() / 8) {
        pace.tick().await;
        socket.write_all(part).await.expect("the proxy reads");
    }
    client::read(&mut socket).await.good();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_half_heads_hold_nobody_up() {
    let house = House::new(&[]).await;
    let process = Process::start(&[
        ("CEREBRAS_API_KEY", CEREBRAS_KEY),
        ("CEREBRAS_BASE_URL", &house.cerebras.base_url()),
        ("CEREBRAS_REQUESTS_PER_MINUTE", "100000"),
        ("CEREBRAS_TOKENS_PER_MINUTE", "100000000"),
        ("HEADER_TIMEOUT", "3000"),
    ])
    .await;
    let clock = house.proxy.app.proxy.clock;
    let slowest = async || {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let asked = clock.now();
            process.chat(&question(true)).await.good();
            slowest = slowest.max(clock.since(asked));
        }
        slowest
    };
    let before = slowest().await;
    let started = clock.now();
    let half = async || {
        let mut socket = TcpStream::connect(process.address).await.expect("the proxy listens");
        socket.write_all(b"GET /health HTTP/1.1\r\nX: ").await.expect("the proxy reads");
        socket
    };
    let mut sockets = join_all((0..300).map(|_| half())).await;
    let during = slowest().await;
    assert!(clock.since(started) < Duration::from_secs(3), "measured while they were all there");
    for reply in join_all(sockets.iter_mut().map(client::read)).await {
        reply.error(408);
    }
    let all_cut = clock.since(started);
    println!(
        "slowest of twenty: {before:?} without, {during:?} with 300 half heads; all cut after {all_cut:?}"
    );
    assert!(all_cut < Duration::from_secs(3) + GRACE, "{all_cut:?}");
    assert!(during < before + Duration::from_millis(250), "{before:?}, then {during:?}");
}
