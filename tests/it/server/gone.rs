//! A client that is gone takes its request to the provider with it, at once and at any moment.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::Request;
use http_body_util::Full;
use qwen_3_coder_proxy::api::{self, App};
use qwen_3_coder_proxy::clock::Clock;
use qwen_3_coder_proxy::config::{Config, Overrides};
use qwen_3_coder_proxy::store::Store;
use rusqlite::Connection;
use serde_json::json;
use simulator::{Fault, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::held::{Asked, HEAD, Held, ROLE, content};
use crate::client::{HANG, post};
use crate::harness::{CEREBRAS_KEY, House, Running, question};
use crate::process::{Process, Scratch};
use crate::scripted::Scripted;

/// The target; the promise is a second.
const PROMPT: Duration = Duration::from_secs(1);

/// Each takes 18 cases.
const ROUNDS: usize = 12;

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
    let account = &proxy.app.proxy.models[0].targets[0].account;
    let mut all = Vec::new();
    for how in [Closes, Resets, HalfCloses].repeat(ROUNDS) {
        let streams =
            [BeforeTheHead, AfterTheHead, AfterTheRole, AmidTheAnswer].map(|when| (when, true, how));
        let plain = [BeforeTheHead, AmidTheAnswer].map(|when| (when, false, how));
        for case in streams.into_iter().chain(plain) {
            let took = leaves(&proxy, &upstream, case).await;
            assert!(took < PROMPT, "{case:?}: {took:?}");
            assert_eq!(account.status().in_flight, 0, "{case:?}: settled");
            all.push(took);
        }
    }
    all.sort_unstable();
    let (median, most) = (all[all.len() / 2], all[all.len() * 99 / 100]);
    println!(
        "from the client's leaving to the provider's, {} times: {median:?}, p99 {most:?}, worst {:?}",
        all.len(),
        all[all.len() - 1]
    );
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

#[tokio::test]
async fn a_pause_is_not_sat_out_for_nobody() {
    let upstream = Scripted::start().await;
    let busy =
        r#"{"message":"busy","type":"too_many_requests_error","param":"queue","code":"queue_exceeded"}"#;
    let head = format!("429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: {}", busy.len());
    upstream.answer_raw(&head, busy);
    let url = upstream.base_url();
    let process = Process::start(&[("CEREBRAS_API_KEY", CEREBRAS_KEY), ("CEREBRAS_BASE_URL", &url)]).await;
    let mut client = TcpStream::connect(process.address).await.expect("the proxy listens");
    let request = post("/v1/chat/completions", &[], question(true).to_string().as_bytes());
    client.write_all(&request).await.expect("the proxy reads");
    process.line("decision").await;
    drop(client);
    let line = process.line("request").await;
    assert_eq!(line["end"], "client left", "{line}");
    assert_eq!(upstream.asked(), 1, "asked again for nobody: {}", process.written());

    // Who waits is asked for again.
    process.chat(&question(true)).await.error(429);
    assert!(upstream.asked() > 2, "there is no pause here to leave in");
}

#[tokio::test]
async fn the_ledger_is_not_waited_for_by_nobody() {
    let (house, directory, clock) = (House::new(&[]).await, Scratch::new(), Clock::start());
    let vars = [
        ("CEREBRAS_API_KEY", CEREBRAS_KEY.to_owned()),
        ("CEREBRAS_BASE_URL", house.cerebras.base_url()),
        ("CEREBRAS_TOKENS_PER_MINUTE", "1000000".to_owned()),
    ];
    let vars = vars.map(|(name, value)| (name.to_owned(), value));
    let config = Config::from_vars(vars.into_iter(), &Overrides::default()).expect("settings");
    let store = Store::open(&directory.0, 30, clock);
    let app = App::with_store(&config, store, clock).expect("usable settings");
    let ask = |tokens: u64| {
        let mut body = question(false);
        body["max_tokens"] = json!(tokens);
        let request = Request::post("/v1/chat/completions").header("host", "x");
        let request = request.header("content-type", "application/json");
        Box::pin(api::handle(
            Arc::clone(&app),
            request.body(Full::from(body.to_string())).expect("a request"),
        ))
    };
    let account = &app.proxy.models[0].targets[0].account;
    // Once this is answered there is a lease, of about two such requests.
    assert_eq!(ask(10).await.status(), 200);
    let locking = Connection::open(directory.0.join("state.db")).expect("a database");
    locking.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    let mut leaving = ask(16_000);
    for _ in 0..100 {
        assert!(leaving.as_mut().now_or_never().is_none(), "it waits for the ledger");
        tokio::task::yield_now().await;
    }
    drop(leaving);
    assert_eq!(account.status().in_flight, 0);
    // Who waits is answered, ledger or not.
    assert_eq!(ask(16_000).await.status(), 200);
    assert_eq!(house.cerebras.stats().received, 2, "nobody is asked for whoever is gone");
    drop(locking);
    app.store.close().await;
}
