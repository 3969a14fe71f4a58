//! One row for each request that is over, with what the log says of it, and never a key.

use std::time::Duration;

use qwen_3_coder_proxy::clock::Clock;
use rusqlite::Connection;
use serde_json::json;
use simulator::{Fault, Limits, Profile, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Stage;
use crate::client::{self, Reply};
use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, question};
use crate::process::Process;

async fn ask(process: &Process, headers: &[(&str, &str)]) -> Reply {
    let body = question(true).to_string();
    let request = client::post("/v1/chat/completions", headers, body.as_bytes());
    client::exchange(process.address, &request).await
}

#[tokio::test]
async fn a_row_says_what_the_log_line_says() {
    let token_delay = Duration::from_millis(20);
    let stage = Stage::with(Profile { limits: Limits::NONE, token_delay, ..Profile::cerebras() }).await;
    let mut process = stage.start(&[]).await;
    let clock = Clock::start();
    let began = clock.unix_ms();
    let mut ids = Vec::new();
    let mut id = |reply: &Reply| ids.push(reply.header("x-request-id").unwrap_or_default());

    id(&ask(&process, &[("User-Agent", "opencode/0.5.2 ai-sdk/3")]).await.good());
    stage.cerebras.inject(Fault::ServerError, Times::Once);
    id(&ask(&process, &[]).await.good());
    stage.cerebras.inject(Fault::CutFin, Times::Once);
    id(&ask(&process, &[]).await);
    leave(&process).await;
    process.line_with("end", "client left").await;
    process.chat(&json!({"model": "gpt-4"})).await.error(400);
    stage.cerebras.inject(Fault::Unauthorized, Times::Always);
    stage.chutes.inject(Fault::Unauthorized, Times::Always);
    id(&ask(&process, &[]).await);
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));

    let rows = stage.rows();
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(
        column("outcome"),
        ["whole", "whole", "broken", "client left", "refused"],
        "what was turned away has no row"
    );
    assert_eq!(column("status"), [200, 200, 200, 200, 502]);
    assert_eq!(
        column("provider"),
        [json!("cerebras"), json!("chutes"), json!("cerebras"), json!("cerebras"), json!(null)]
    );
    assert_eq!(column("account")[..2], ["Cerebras", "Chutes"]);
    assert_eq!(column("first_choice"), [json!(1), json!(0), json!(1), json!(1), json!(null)]);
    assert_eq!(column("client"), [json!("opencode"), json!(null), json!(null), json!(null), json!(null)]);
    ids.insert(3, rows[3]["request_id"].as_str().unwrap_or_default().to_owned());
    assert_eq!(column("request_id"), ids);
    let now = clock.unix_ms();
    let times: Vec<u64> = column("at_ms").iter().filter_map(serde_json::Value::as_u64).collect();
    assert!(
        times.is_sorted() && times.iter().all(|at| (began..=now).contains(at)),
        "{times:?} in {began}..={now}"
    );
    assert!(rows[2]["why"].as_str().is_some_and(|why| !why.is_empty()), "{:?}", rows[2]);
    assert!(rows[0]["cached_tokens"].is_u64() && rows[0]["tokens_counted"].is_null(), "{:?}", rows[0]);

    let log = process.log();
    for row in &rows {
        let line =
            log.iter().find(|line| line["message"] == "request" && line["request_id"] == row["request_id"]);
        let line = line.expect("a line for each row");
        assert_eq!(line["end"], row["outcome"]);
        assert_eq!(line["stream"], json!(row["stream"] == 1));
        let mut same = 0;
        for (name, value) in row.iter().filter(|(name, _)| *name != "stream") {
            if let Some(logged) = line.get(name) {
                assert_eq!(logged, value, "{name}");
                same += 1;
            }
        }
        assert!(same >= 8, "{line} {row:?}");
    }
}

/// Goes away in the middle of a streamed answer.
async fn leave(process: &Process) {
    let mut socket = TcpStream::connect(process.address).await.expect("the proxy listens");
    let request = client::post("/v1/chat/completions", &[], question(true).to_string().as_bytes());
    socket.write_all(&request).await.expect("the proxy reads");
    let mut some = [0; 64];
    assert!(socket.read(&mut some).await.expect("an answer") > 0);
}

#[tokio::test]
async fn no_key_is_in_the_file() {
    let stage = Stage::new().await;
    let keys = ["first-client-key-0123456789", "second-client-key-0123456789"];
    let process = stage.start(&[("PROXY_API_KEYS", &keys.join(","))]).await;
    let second = format!("Bearer {}", keys[1]);
    let leaking = [("Authorization", second.as_str()), ("User-Agent", CEREBRAS_KEY)];
    for fault in [Fault::ErrorLeaksKey, Fault::ErrorMidStreamLeaksKey, Fault::Unauthorized] {
        stage.cerebras.inject(fault, Times::Always);
        stage.chutes.inject(fault, Times::Always);
        ask(&process, &leaking).await;
    }
    let rows = stage.rows_when(3).await;
    assert!(rows.iter().all(|row| row["client"] == "key 2"), "{rows:?}");
    assert!(
        rows.iter().any(|row| row["steps"].to_string().contains("[redacted]")),
        "the faults did leak: {rows:?}"
    );
    for part in ["state.db", "state.db-wal"] {
        let bytes = std::fs::read(stage.state.0.join(part)).expect("it is there");
        for key in [CEREBRAS_KEY, CHUTES_KEY, keys[0], keys[1]] {
            assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{key} in {part}");
        }
    }
    drop(process);
    let process = stage.start(&[]).await;
    ask(&process, &[("User-Agent", CEREBRAS_KEY)]).await;
    assert_eq!(stage.rows_when(4).await[3]["client"], "[redacted]");
}

#[tokio::test]
async fn old_rows_go_and_without_a_history_all_do() {
    let stage = Stage::new().await;
    let mut process = stage.start(&[]).await;
    ask(&process, &[]).await.good();
    process.signal("TERM");
    process.exit_code().await;
    let connection = Connection::open(stage.file()).expect("a database");
    let copies = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) \
                  INSERT INTO request (at_ms, request_id, model, stream, status, outcome, attempts, steps, tokens_reserved, total_ms) \
                  SELECT at_ms - 10 * 86400000, request_id || n, model, stream, status, outcome, attempts, steps, tokens_reserved, total_ms FROM request, n";
    connection.execute_batch(copies).expect("old rows");
    drop(connection);

    let mut process = stage.start(&[("HISTORY_DAYS", "11")]).await;
    ask(&process, &[]).await.good();
    assert_eq!(stage.rows_when(2502).await.len(), 2502);
    process.signal("TERM");
    process.exit_code().await;

    let process = stage.start(&[("HISTORY_DAYS", "9")]).await;
    left(&stage, 2).await;
    drop(process);
    let process = stage.start(&[("HISTORY_DAYS", "0")]).await;
    ask(&process, &[]).await.good();
    left(&stage, 0).await;
}

async fn left(stage: &Stage, count: usize) {
    let gone = async {
        while stage.rows().len() != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(client::HANG, gone).await.expect("old rows are deleted");
}
