//! Agents that go on while every socket to the providers breaks at random: each turn ends as a whole, correct answer,
//! one well-formed error, or a visibly broken stream. Then the wires heal, and everything is as it was. And agents that
//! never hear of what one provider does before its first payload, while the other is well.
//!
//! `CHAOS_TURNS` and `CHAOS_SEED` make it longer and different; `scripts/chaos` sets them.

use std::collections::HashMap;
use std::time::Duration;

use fastrand::Rng;
use futures_util::StreamExt;
use serde_json::{Value, json};
use simulator::{Fault, Limits, Phase, Profile, Simulator, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{self, Reply};
use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, House, Running};
use wire::Wire;

mod wire;

/// Turns at once.
const AGENTS: usize = 8;
const MOST_WORDS: usize = 120;

/// How turns ended.
#[derive(Debug, Default)]
struct Tally {
    whole: usize,
    refused: usize,
    broken: usize,
    left: usize,
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |value| value.parse().expect("a number"))
}

fn question(words: usize, stream: bool) -> Value {
    let asked = format!("Tell me a {words} word story.");
    json!({"model": "qwen-3-coder", "messages": [{"role": "user", "content": asked}], "max_tokens": 4000, "stream": stream})
}

/// One turn of an agent; now and then it leaves amid the answer.
async fn turn(proxy: &Running, texts: &HashMap<usize, String>, seed: u64) -> Tally {
    let mut rng = Rng::with_seed(seed);
    let (words, stream) = (rng.usize(1..=MOST_WORDS), rng.bool());
    let request = client::post("/v1/chat/completions", &[], question(words, stream).to_string().as_bytes());
    if rng.u8(0..20) == 0 {
        let mut socket = TcpStream::connect(proxy.address).await.expect("the proxy listens");
        socket.write_all(&request).await.expect("the proxy reads");
        let mut some = vec![0; rng.usize(1..3_000)];
        let _ = tokio::time::timeout(Duration::from_millis(rng.u64(0..200)), socket.read(&mut some)).await;
        return Tally { left: 1, ..Tally::default() };
    }
    let reply = client::exchange(proxy.address, &request).await;
    judge(&reply, &texts[&words])
}

/// How it ended; anything but the three honest ways stops the test.
fn judge(reply: &Reply, text: &str) -> Tally {
    match reply.status {
        200 if reply.whole => {
            assert_eq!(reply.answer(), (text.to_owned(), true), "{}", reply.describe());
            Tally { whole: 1, ..Tally::default() }
        }
        200 => {
            let (begun, finished) = reply.answer();
            assert!(text.starts_with(&begun) && !finished, "{}", reply.describe());
            assert!(!reply.text().contains("[DONE]"), "{}", reply.describe());
            Tally { broken: 1, ..Tally::default() }
        }
        status => {
            assert!(matches!(status, 429 | 502 | 503), "{}", reply.describe());
            reply.error(status);
            let seconds: u64 = reply.header("retry-after").and_then(|it| it.parse().ok()).unwrap_or_default();
            assert!((1..=59).contains(&seconds), "{}", reply.describe());
            Tally { refused: 1, ..Tally::default() }
        }
    }
}

/// What providers answer where nothing breaks, by the number of words.
async fn texts(provider: &Simulator) -> HashMap<usize, String> {
    let mut texts = HashMap::new();
    for words in 1..=MOST_WORDS {
        let key = format!("Bearer {CEREBRAS_KEY}");
        let mut body = question(words, false);
        body["model"] = "qwen-3-coder-480b".into();
        let request =
            client::post("/v1/chat/completions", &[("Authorization", &key)], body.to_string().as_bytes());
        let (text, finished) = client::exchange(provider.addr(), &request).await.answer();
        assert!(finished);
        texts.insert(words, text);
    }
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn every_turn_ends_honestly_while_sockets_break() {
    let (turns, seed) = (setting("CHAOS_TURNS", 200), setting("CHAOS_SEED", 1));
    let provider = |profile: Profile, key: &str| {
        Simulator::start(Profile { api_key: Some(key.into()), limits: Limits::NONE, ..profile })
    };
    let cerebras = provider(Profile::cerebras(), CEREBRAS_KEY).await.expect("a port");
    let chutes = provider(Profile::chutes(), CHUTES_KEY).await.expect("a port");
    let wires = [Wire::to(cerebras.addr(), seed).await, Wire::to(chutes.addr(), !seed).await];
    let urls = wires.each_ref().map(Wire::base_url);
    let vars = [("REQUEST_TIMEOUT", "500"), ("STREAM_IDLE_TIMEOUT", "500"), ("COOLDOWN_PERIOD", "1000")];
    let proxy = Running::between(&urls, &vars).await;
    let texts = texts(&cerebras).await;
    let ends = futures_util::stream::iter(0..turns)
        .map(|number| turn(&proxy, &texts, seed.wrapping_add(number)))
        .buffer_unordered(AGENTS);
    let tally = ends
        .fold(Tally::default(), |all, one| async move {
            Tally {
                whole: all.whole + one.whole,
                refused: all.refused + one.refused,
                broken: all.broken + one.broken,
                left: all.left + one.left,
            }
        })
        .await;
    println!("{turns} turns, seed {seed}: {tally:?}");
    assert!(tally.whole as u64 > turns / 3 && tally.broken > 0, "nothing broke, or everything: {tally:?}");

    wires.iter().for_each(Wire::heal);
    let healed = async {
        // Broken connections may be in the pool, and circuits open for a while.
        while proxy.chat(question(3, true).to_string().as_bytes()).await.provider() != "cerebras" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(client::HANG, healed).await.expect("the fast lane is used again");
    for _ in 0..20 {
        let reply = proxy.chat(question(30, true).to_string().as_bytes()).await.good();
        assert_eq!((reply.provider().as_str(), reply.answer().0), ("cerebras", texts[&30].clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_of_trouble_that_another_provider_can_take() {
    // A turn takes a tenth of the time that one over breaking sockets does.
    let (turns, seed) = (5 * setting("CHAOS_TURNS", 200), setting("CHAOS_SEED", 1));
    let house = House::new(&[("REQUEST_TIMEOUT", "300"), ("COOLDOWN_PERIOD", "100")]).await;
    // A request that no provider would take is the client's own affair.
    let kinds: Vec<Fault> =
        Fault::ALL.iter().copied().filter(|fault| fault.when() == Phase::BeforePayload).collect();
    let faults: Vec<Fault> = kinds.into_iter().filter(|fault| *fault != Fault::BadRequest).collect();
    let turn = async |number| {
        let mut rng = Rng::with_seed(seed.wrapping_add(number));
        if rng.u8(0..10) == 0 {
            house.cerebras.inject(faults[rng.usize(..faults.len())], Times::Once);
        }
        let reply = house.send(&question(rng.usize(1..=8), rng.bool())).await.good();
        usize::from(reply.provider() == "chutes")
    };
    let answers = futures_util::stream::iter(0..turns).map(turn).buffer_unordered(AGENTS);
    let taken_over = answers.fold(0, |all, one| async move { all + one }).await;
    println!("{turns} turns, seed {seed}: all answered, {taken_over} by the other provider");
    assert!(taken_over > 0, "no fault ever struck");
}
