//! What the books say after answers, aborts, failures and refusals.

use std::time::Duration;

use serde_json::json;
use simulator::{Damage, Fault, Limits, Profile, Reply, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client;
use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, House, Running, question};
use crate::scripted::Scripted;

/// Tokens gone from the daily budget, which refills too slowly to be noticed.
fn spent(house: &House) -> u64 {
    spent_by(&house.proxy)
}

fn spent_by(running: &Running) -> u64 {
    let levels = running.app.proxy.models[0].targets[0].account.levels();
    let day = levels.last().expect("a daily limit");
    day.limit.capacity - u64::try_from(day.available).expect("no debt")
}

async fn house() -> House {
    house_of(Profile::cerebras()).await
}

async fn house_of(cerebras: Profile) -> House {
    // Hours of real time for a simulated minute: nothing refills within a test.
    let minute = Duration::from_hours(10);
    let cerebras = Profile { limits: Limits::NONE, minute, ..cerebras };
    let vars = [
        ("CEREBRAS_TOKENS_PER_DAY", "1000000"),
        ("CEREBRAS_TOKENS_PER_MINUTE", "1000000"),
        ("RATE_WINDOW_MS", "36000000"),
    ];
    House::with(cerebras, Profile::chutes(), &vars).await
}

/// Waits for a condition that another task brings about.
async fn until(what: &str, condition: impl Fn() -> bool) {
    tokio::time::timeout(client::HANG, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn an_answer_is_charged_what_the_provider_reports() {
    let house = house().await;
    for stream in [false, true] {
        let before = spent(&house);
        let mut body = question(stream);
        body["stream_options"] = json!({"include_usage": true});
        let reply = house.send(&body).await.good();
        let text = reply.text();
        let total = text.rsplit("\"total_tokens\":").next().and_then(|rest| rest.split([',', '}']).next());
        let total: u64 = total.and_then(|total| total.parse().ok()).expect("reported usage");
        until("settled", || spent(&house) == before + total).await;
    }
    assert_eq!(spent(&house), house.cerebras.stats().tokens_used);
}

#[tokio::test]
async fn a_stream_without_usage_is_counted() {
    let house = house().await;
    house.cerebras.inject(Fault::CutClean, Times::Always);
    assert!(!house.ask(true).await.whole);
    until("settled", || (20..400).contains(&spent(&house))).await;
}

#[tokio::test]
async fn an_abort_is_charged_for_what_it_used_and_gives_back_the_rest() {
    let house = house().await;
    house.cerebras.inject(Fault::SlowTokens, Times::Always);
    let mut body = question(true);
    body["max_tokens"] = json!(10_000);
    let mut socket = TcpStream::connect(house.proxy.address).await.expect("the proxy listens");
    let request = client::post("/v1/chat/completions", &[], body.to_string().as_bytes());
    socket.write_all(&request).await.expect("the proxy reads");
    let mut first = [0; 512];
    assert!(socket.read(&mut first).await.is_ok_and(|length| length > 0));
    assert!(spent(&house) >= 10_000, "reserved while it runs");
    drop(socket);
    until("settled", || spent(&house) < 400).await;
    assert!(spent(&house) > 20, "an abort is not free");
}

/// A proxy whose first provider writes a long call, then this, and no end.
async fn writing_a_call(then: &str) -> (Scripted, House, Running) {
    let (stage, house) = (Scripted::start().await, House::new(&[]).await);
    let arguments = "a".repeat(40_000);
    let call =
        json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}});
    let chunk = json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]});
    let events = format!("data: {chunk}\n\n{then}");
    let head = "200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";
    stage.answer_raw(head, &format!("{:x}\r\n{events}\r\n", events.len()));
    let (cerebras, chutes) = (stage.base_url(), house.chutes.base_url());
    let vars = [
        ("CEREBRAS_API_KEY", CEREBRAS_KEY),
        ("CHUTES_API_KEY", CHUTES_KEY),
        ("CEREBRAS_BASE_URL", cerebras.as_str()),
        ("CHUTES_BASE_URL", chutes.as_str()),
        ("CEREBRAS_TOKENS_PER_DAY", "1000000"),
        ("CEREBRAS_TOKENS_PER_MINUTE", "1000000"),
        ("RATE_WINDOW_MS", "36000000"),
    ];
    let proxy = Running::start(&vars).await;
    (stage, house, proxy)
}

fn question_with_room() -> Vec<u8> {
    let mut body = question(true);
    body["max_tokens"] = json!(10_000);
    body.to_string().into_bytes()
}

#[tokio::test]
async fn what_was_written_of_a_call_is_charged_though_its_provider_then_says_that_it_is_busy() {
    let busy = "data: {\"error\":{\"message\":\"at maximum capacity\",\"code\":429}}\n\n";
    let (_stage, _house, proxy) = writing_a_call(busy).await;
    assert_eq!(proxy.chat(&question_with_room()).await.good().provider(), "chutes");
    let spent = spent_by(&proxy);
    assert!((2_000..5_000).contains(&spent), "{spent}");
}

#[tokio::test]
async fn a_call_that_nobody_can_make_is_charged_what_its_provider_reports() {
    let broken = Profile { damage: vec![Damage::BrokenArguments], ..Profile::cerebras() };
    let house = house_of(broken).await;
    house.cerebras.script(vec![Reply::Calls(vec![("f".to_owned(), json!({"a": "b"}))])]);
    let mut body = question(false);
    body["tools"] = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    assert_eq!(house.send(&body).await.provider(), "chutes");
    assert_eq!(spent(&house), house.cerebras.stats().tokens_used);

    let end = json!({
        "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100},
    });
    let (_stage, _house, proxy) = writing_a_call(&format!("data: {end}\n\n")).await;
    assert_eq!(proxy.chat(&question_with_room()).await.good().provider(), "chutes");
    assert_eq!(spent_by(&proxy), 100);
}

#[tokio::test]
async fn what_was_written_of_a_call_is_charged_when_the_client_leaves_meanwhile() {
    let (_stage, _house, proxy) = writing_a_call("").await;
    let (mut patience, mut spent) = (Duration::ZERO, 0);
    // How far the proxy has read nobody tells, so each client waits a little longer than the one before it.
    while !(2_000..5_000).contains(&spent) {
        patience += Duration::from_millis(10);
        assert!(patience < Duration::from_millis(500), "{spent}");
        let before = spent_by(&proxy);
        let _ = tokio::time::timeout(patience, proxy.chat(&question_with_room())).await;
        until("settled", || spent_by(&proxy) < before + 5_000).await;
        spent = spent_by(&proxy) - before;
    }
}

#[tokio::test]
async fn what_was_refused_or_never_sent_costs_nothing() {
    for fault in [Fault::RateLimitSecond, Fault::QueueExceeded, Fault::Unauthorized, Fault::ContextTooLong] {
        let house = house().await;
        house.cerebras.inject(fault, Times::Once);
        house.ask(false).await.good();
        assert_eq!(spent(&house), 0, "{fault}");
    }
    let house = house().await;
    let dead = "http://127.0.0.1:9/v1";
    let vars = [("CEREBRAS_API_KEY", "a-key"), ("CEREBRAS_BASE_URL", dead), ("CHUTES_API_KEY", "cpk")];
    let chutes = ("CHUTES_BASE_URL", house.chutes.base_url());
    let vars: Vec<(&str, &str)> = vars.into_iter().chain([(chutes.0, chutes.1.as_str())]).collect();
    let proxy = crate::harness::Running::start(&vars).await;
    let _ = proxy.chat(question(false).to_string().as_bytes()).await;
    let levels = proxy.app.proxy.models[0].targets[0].account.levels();
    assert_eq!(levels[0].available, 12, "nothing was sent, so nothing is gone: {levels:?}");
}

#[tokio::test]
async fn an_unforeseen_429_is_obeyed_no_longer_than_the_cooldown_and_ends_with_one_probe() {
    let house = House::new(&[("COOLDOWN_PERIOD", "700")]).await;
    house.cerebras.inject(Fault::RateLimitTokensDay, Times::Once);
    assert_eq!(house.ask(false).await.good().provider(), "chutes");
    let asked = house.cerebras.stats().received;
    assert_eq!(house.ask(false).await.good().provider(), "chutes", "it is left alone");
    assert_eq!(house.cerebras.stats().received, asked);
    // The pause is over: of a herd, one finds out, slowly; the others do not wait for it.
    house.cerebras.inject(Fault::BlackHole, Times::Always);
    tokio::time::sleep(Duration::from_millis(750)).await;
    let probe = house.ask(false);
    let herd = async {
        until("the probe is under way", || house.cerebras.stats().received == asked + 1).await;
        let replies = futures_util::future::join_all((0..10).map(|_| house.ask(false))).await;
        assert!(replies.into_iter().all(|reply| reply.good().provider() == "chutes"));
        assert_eq!(house.cerebras.stats().received, asked + 1, "one probe, and not a herd");
    };
    tokio::select! {
        _ = probe => panic!("the black hole answered"),
        () = herd => {}
    }
    house.cerebras.heal();
    // The probe's client is gone without a verdict, so the next request is the probe, and it is answered.
    let reply = house.ask(false).await.good();
    assert_eq!(reply.provider(), "cerebras");
}

#[tokio::test]
async fn a_provider_in_trouble_is_left_alone_and_comes_back_after_one_probe() {
    let house = House::new(&[]).await;
    house.cerebras.inject(Fault::ServerError, Times::Count(3));
    for _ in 0..3 {
        house.ask(false).await.good();
    }
    let asked = house.cerebras.stats().received;
    assert_eq!(house.ask(false).await.good().header("x-proxy-attempts").as_deref(), Some("1"));
    assert_eq!(house.cerebras.stats().received, asked, "open after three failures in a row");
    let comes_back = async {
        while house.ask(true).await.good().provider() != "cerebras" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(client::HANG, comes_back).await.expect("it comes back");
    assert_eq!(house.cerebras.stats().received, asked + 1, "with one probe");
    assert_eq!(house.ask(true).await.good().provider(), "cerebras");
}
