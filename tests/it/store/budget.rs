//! One budget, whoever spends it and however often it is killed.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use simulator::{Limits, Profile};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Stage;
use crate::client;
use crate::harness::question;
use crate::process::Process;

const DAY: u64 = 24_000_000;
/// So long a minute that nothing comes back within a test.
const LONG: Duration = Duration::from_hours(10);

async fn stage(requests_per_minute: Option<u64>, tokens_per_minute: Option<u64>) -> Stage {
    let limits = Limits { requests_per_minute, tokens_per_minute, ..Limits::NONE };
    Stage::with(Profile { limits, minute: LONG, ..Profile::cerebras() }).await
}

async fn start(stage: &Stage, vars: &[(&str, &str)]) -> Process {
    let day = DAY.to_string();
    let own = [("RATE_WINDOW_MS", "36000000"), ("CEREBRAS_TOKENS_PER_DAY", &*day)];
    let vars: Vec<(&str, &str)> = own.into_iter().chain(vars.iter().copied()).collect();
    stage.start(&vars).await
}

/// What was left of the day's tokens at the latest decision.
fn left(process: &Process) -> Option<u64> {
    let budgets = process.log().into_iter().rev().filter(|line| line["provider"] == "cerebras");
    let mut budgets = budgets.filter_map(|line| line["budget"].as_str().map(str::to_owned));
    let budget = budgets.next()?;
    let (left, _) = budget.split_once(&format!(" left of {DAY} tokens a day"))?;
    left.rsplit(' ').next()?.parse().ok()
}

/// Whether a whole answer came, from a process that may be killed meanwhile.
async fn answered(address: SocketAddr, request: &[u8]) -> bool {
    let Ok(mut socket) = TcpStream::connect(address).await else { return false };
    socket.write_all(request).await.is_ok() && client::read(&mut socket).await.whole
}

#[tokio::test]
async fn a_restart_forgives_nothing_and_forgets_nothing() {
    let stage = stage(None, None).await;
    let mut spent = Vec::new();
    for _ in 0..3 {
        let mut process = start(&stage, &[]).await;
        for _ in 0..4 {
            process.chat(&question(false)).await.good();
        }
        process.signal("TERM");
        assert_eq!(process.exit_code().await, Some(0));
        process.line("stopped").await;
        spent.push((DAY - left(&process).expect("a decision"), stage.cerebras.stats().tokens_used));
    }
    // The latest decision is from before its own answer was settled, and holds what was set aside for it.
    for (ours, theirs) in spent {
        assert!((theirs..theirs + 200).contains(&ours), "{ours} in the books, {theirs} in truth");
    }
}

#[tokio::test]
async fn kills_at_random_cost_a_block_and_forgive_nothing() {
    const KILLS: u64 = 200;
    let stage = stage(None, None).await;
    let mut served = 0;
    for _ in 0..KILLS {
        let mut process = start(&stage, &[("LOG_LEVEL", "INFO")]).await;
        let mut agents = JoinSet::new();
        for _ in 0..4 {
            let address = process.address;
            agents.spawn(async move {
                let request =
                    client::post("/v1/chat/completions", &[], question(true).to_string().as_bytes());
                let mut served = 0;
                while answered(address, &request).await {
                    served += 1;
                }
                served
            });
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(5..150))).await;
        process.child.kill().expect("it runs");
        process.exit_code().await;
        served += agents.join_all().await.into_iter().sum::<u64>();
    }
    let process = start(&stage, &[]).await;
    process.chat(&question(false)).await.good();
    process.line("request").await;
    let left = left(&process).unwrap_or_else(|| panic!("no decision: {}", process.written()));
    let (ours, theirs) = (DAY - left, stage.cerebras.stats().tokens_used);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let drift = (theirs as f64 - ours as f64) / DAY as f64 * 100.0;
    println!(
        "{KILLS} kills, {served} answers: {ours} spent in the books, {theirs} in truth, a drift of {drift:.3} %"
    );
    assert!(served > KILLS, "it was under load");
    assert!((-1.0..=0.1).contains(&drift), "{ours} in the books, {theirs} in truth: {drift:.3} %");
}

#[tokio::test]
async fn two_processes_live_on_one_budget_and_use_it_up() {
    const REQUESTS: u64 = 120;
    let stage = stage(Some(REQUESTS), Some(60_000)).await;
    let limits = [("CEREBRAS_REQUESTS_PER_MINUTE", "120"), ("CEREBRAS_TOKENS_PER_MINUTE", "60000")];
    let processes = [start(&stage, &limits).await, start(&stage, &limits).await];
    let mut agents = JoinSet::new();
    for index in 0..8 {
        let address = processes[index % 2].address;
        agents.spawn(async move {
            let request = client::post("/v1/chat/completions", &[], question(false).to_string().as_bytes());
            for _ in 0..40 {
                client::exchange(address, &request).await.good();
            }
        });
    }
    agents.join_all().await;
    let stats = stage.cerebras.stats();
    let by_both: Vec<usize> = processes.iter().map(took).collect();
    println!(
        "{} of {REQUESTS} requests at the rationed provider, by each process {by_both:?}",
        stats.admitted
    );
    assert_eq!(stats.received, stats.admitted, "none was refused there");
    assert!(stats.admitted >= REQUESTS - 4, "{} of {REQUESTS}", stats.admitted);
    assert!(by_both.iter().all(|by| *by > 0), "{by_both:?}");
}

/// How many requests the rationed provider answered for this process.
fn took(process: &Process) -> usize {
    let taken = |line: &Value| line["message"] == "request" && line["provider"] == "cerebras";
    process.log().iter().filter(|line| taken(line)).count()
}
