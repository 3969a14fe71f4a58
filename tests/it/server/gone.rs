//! A client that is gone takes its request to the provider with it, at once and at any moment.

use std::time::Duration;

use simulator::{Fault, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::held::{Asked, HEAD, Held, ROLE, content};
use crate::client::{HANG, post};
use crate::harness::{House, Running, question};

/// The target; the promise is a second.
const PROMPT: Duration = Duration::from_secs(1);

/// When a client leaves.
#[derive(Clone, Copy, Debug)]
enum When {
    BeforeTheHead,
    AfterTheHead,
    AfterTheRole,
    AmidTheAnswer,
}
use When::{AfterTheHead, AfterTheRole, AmidTheAnswer, BeforeTheHead};

/// How it leaves.
#[derive(Clone, Copy, Debug)]
enum How {
    Closes,
    Resets,
    HalfCloses,
}
use How::{Closes, HalfCloses, Resets};

impl When {
    /// Brings an answer up to there.
    async fn reach(self, stream: bool, asked: &mut Asked, client: &mut TcpStream) {
        match self {
            BeforeTheHead => {}
            _ if !stream => {
                let head =
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{";
                asked.write(head).await;
            }
            AfterTheHead => asked.write(HEAD).await,
            AfterTheRole => {
                asked.write(HEAD).await;
                asked.event(ROLE).await;
            }
            AmidTheAnswer => {
                asked.write(HEAD).await;
                asked.event(&content("Once")).await;
                let mut seen = Vec::new();
                while !seen.windows(4).any(|window| window == b"Once") {
                    let read = tokio::time::timeout(HANG, client.read_buf(&mut seen)).await;
                    assert_ne!(read.expect("no hang").expect("an answer"), 0, "an answer");
                }
            }
        }
    }
}

async fn leaves(proxy: &Running, upstream: &Held, (when, stream, how): (When, bool, How)) -> Duration {
    let mut client = TcpStream::connect(proxy.address).await.expect("the proxy listens");
    let request = post("/v1/chat/completions", &[], question(stream).to_string().as_bytes());
    client.write_all(&request).await.expect("the proxy reads");
    let mut asked = upstream.asked().await;
    when.reach(stream, &mut asked, &mut client).await;
    let clock = proxy.app.proxy.clock;
    let left = clock.now();
    match how {
        Closes => drop(client),
        Resets => {
            client.set_zero_linger().expect("a socket");
            drop(client);
        }
        // Nothing more comes of it either way: see `connection` in `server.rs`.
        HalfCloses => client.shutdown().await.expect("half a connection"),
    }
    asked.closed().await;
    clock.since(left)
}

#[tokio::test]
async fn the_provider_is_hung_up_on() {
    let upstream = Held::start().await;
    let vars = [("CHUTES_API_KEY", "cpk_it"), ("CHUTES_BASE_URL", &upstream.base_url())];
    let proxy = Running::start(&vars).await;
    let mut slowest = Duration::ZERO;
    for how in [Closes, Resets, HalfCloses] {
        let streams =
            [BeforeTheHead, AfterTheHead, AfterTheRole, AmidTheAnswer].map(|when| (when, true, how));
        let plain = [BeforeTheHead, AmidTheAnswer].map(|when| (when, false, how));
        for case in streams.into_iter().chain(plain) {
            let took = leaves(&proxy, &upstream, case).await;
            assert!(took < PROMPT, "{case:?}: {took:?}");
            slowest = slowest.max(took);
        }
    }
    println!("from the client's leaving to the provider's: {slowest:?} at most");
}

#[tokio::test]
async fn the_provider_stops_writing_and_the_budget_comes_back() {
    let house = House::new(&[]).await;
    let (clock, cerebras) = (house.proxy.app.proxy.clock, &house.cerebras);
    for (number, fault) in
        [Fault::SilenceAfterHead, Fault::RoleThenSilence, Fault::SlowTokens].into_iter().enumerate()
    {
        for (again, stream) in [true, false].into_iter().enumerate() {
            let expected = u64::try_from(2 * number + again + 1).expect("few");
            cerebras.inject(fault, Times::Once);
            let mut client = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
            let request = post("/v1/chat/completions", &[], question(stream).to_string().as_bytes());
            client.write_all(&request).await.expect("the proxy reads");
            let started = clock.now();
            while cerebras.stats().admitted < expected {
                assert!(clock.since(started) < HANG, "{fault} is admitted");
                tokio::task::yield_now().await;
            }
            let left = clock.now();
            drop(client);
            while cerebras.stats().aborted < expected {
                assert!(clock.since(left) < PROMPT, "{fault}, stream {stream}: {:?}", cerebras.stats());
                tokio::task::yield_now().await;
            }
            assert_eq!(cerebras.stats().in_flight, 0);
        }
    }
    assert_eq!(house.chutes.stats().received, 0, "a client that is gone needs no other provider");
}
