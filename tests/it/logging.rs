//! One line a request that says what happened and why, and never a key.

use serde_json::{Value, json};
use simulator::{Fault, Limits, Profile, Simulator, Times};

use crate::harness::{CEREBRAS_KEY, CHUTES_KEY, question};
use crate::process::{Process, STATE, Scratch};

async fn start(level: &str) -> (Simulator, Simulator, Process) {
    start_with(level, &[]).await
}

async fn start_with(level: &str, vars: &[(&str, &str)]) -> (Simulator, Simulator, Process) {
    // More than is taken for granted, which the headers say.
    let limits = Limits { tokens_per_minute: Some(165_000), ..Limits::NONE };
    let api_key = Some(CEREBRAS_KEY.into());
    let cerebras = Profile { limits, rate_headers: true, api_key, done_marker: false, ..Profile::cerebras() };
    let cerebras = Simulator::start(cerebras).await.expect("a port");
    let chutes = Profile { api_key: Some(CHUTES_KEY.into()), ..Profile::chutes() };
    let chutes = Simulator::start(chutes).await.expect("a port");
    let (fast, slow) = (cerebras.base_url(), chutes.base_url());
    let own = [
        ("CEREBRAS_API_KEY", CEREBRAS_KEY),
        ("CHUTES_API_KEY", CHUTES_KEY),
        ("CEREBRAS_BASE_URL", &fast),
        ("CHUTES_BASE_URL", &slow),
        ("LOG_LEVEL", level),
    ];
    let vars: Vec<(&str, &str)> = own.into_iter().chain(vars.iter().copied()).collect();
    (cerebras, chutes, Process::start(&vars).await)
}

#[tokio::test]
async fn a_request_is_one_line_with_all_that_was_decided() {
    let (cerebras, _chutes, process) = start("info").await;
    cerebras.inject(Fault::ServerError, Times::Once);
    let reply = process.chat(&question(true)).await.good();
    let line = process.line("request").await;
    assert_eq!(line["request_id"].as_str(), reply.header("x-request-id").as_deref());
    for (field, value) in [
        ("model", json!("qwen-3-coder")),
        ("provider", json!("chutes")),
        ("upstream_model", json!("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8")),
        ("attempts", json!(2)),
        ("status", json!(200)),
        ("end", json!("whole")),
        ("stream", json!(true)),
    ] {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    for field in ["tokens_reserved", "prompt_tokens", "completion_tokens", "first_payload_ms", "total_ms"] {
        assert!(line[field].is_u64(), "{field} in {line}");
    }
    let steps = line["steps"].as_str().unwrap_or_default();
    assert!(
        steps.starts_with("cerebras: 500 server_error: ") && steps.ends_with("; chutes: took"),
        "{steps}"
    );
    let decisions: Vec<Value> =
        process.log().into_iter().filter(|line| line["message"] == "decision").collect();
    assert_eq!(decisions.len(), 2, "{decisions:?}");
    assert!(
        decisions[0]["budget"].as_str().is_some_and(|it| it.contains("of 12 requests a minute")),
        "{decisions:?}"
    );
    assert!(!process.written().contains("story"), "bodies are for DEBUG only");
}

#[tokio::test]
async fn what_is_turned_away_is_logged_with_its_reason() {
    let (_cerebras, _chutes, process) = start("INFO").await;
    process.chat(&json!({"model": "gpt-4"})).await.error(400);
    let line = process.line("rejected").await;
    assert_eq!(line["status"], 400);
    assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("messages")), "{line}");
}

#[tokio::test]
async fn no_key_in_any_line_or_answer_at_any_level() {
    let (cerebras, chutes, process) = start("DEBUG").await;
    let mut body = question(false);
    body["tools"] =
        json!([{"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}]);
    body["messages"][0]["content"] = json!(format!("my keys are {CEREBRAS_KEY} and sk-abcdefghijklmnop1234"));
    process.chat(&body).await;
    assert!(process.line("request body").await["functions"].to_string().contains("read_file"));
    let faults = [Fault::ErrorLeaksKey, Fault::ErrorMidStreamLeaksKey, Fault::Unauthorized];
    let mut seen = String::new();
    for fault in faults {
        for stream in [false, true] {
            cerebras.inject(fault, Times::Always);
            chutes.inject(fault, Times::Always);
            seen.push_str(&process.chat(&question(stream)).await.describe());
        }
    }
    let written = process.written();
    assert!(
        seen.contains("[redacted]") && written.contains("[redacted]"),
        "the faults did leak:\n{seen}\n{written}"
    );
    for key in [CEREBRAS_KEY, CHUTES_KEY, "sk-abcdefghijklmnop1234"] {
        assert!(!written.contains(key), "{key} in the log:\n{written}");
        assert!(!seen.contains(key), "{key} in an answer:\n{seen}");
    }
}

#[tokio::test]
async fn the_level_filters() {
    let (_cerebras, _chutes, process) = start("debug").await;
    process.chat(&question(false)).await.good();
    let (_cerebras, _chutes, quiet) = {
        let (cerebras, chutes, _) = start("info").await;
        let quiet = Process::start(&[
            ("CEREBRAS_API_KEY", CEREBRAS_KEY),
            ("CEREBRAS_BASE_URL", &cerebras.base_url()),
            ("LOG_LEVEL", "Info"),
        ])
        .await;
        (cerebras, chutes, quiet)
    };
    quiet.chat(&question(false)).await.good();
    let text = "CHUTES_API_KEY is not set: running on Cerebras alone, with nothing to fall back to";
    let warning = quiet.line_with("warning", text).await;
    assert_eq!(warning["level"], "WARN");
    quiet.line("request").await;
    assert!(quiet.log().iter().all(|line| line["level"] != "DEBUG"));
    assert!(process.log().iter().any(|line| line["level"] == "DEBUG"));
}

/// The lines about budgets so far, by what matters of them.
fn budgets(process: &Process, field: &str) -> Vec<Value> {
    let lines = process.log().into_iter().filter(|line| line["message"] == "budget");
    lines.map(|line| line[field].clone()).filter(|value| !value.is_null()).collect()
}

#[tokio::test]
async fn a_days_limit_is_told_when_it_passes_a_step_and_not_before() {
    let vars = [
        ("CEREBRAS_TOKENS_PER_DAY", "1000"),
        ("CEREBRAS_REQUESTS_PER_MINUTE", "1000"),
        ("RATE_WINDOW_MS", "36000000"),
    ];
    let (cerebras, _chutes, process) = start_with("info", &vars).await;
    let body = question(false);
    while process.chat(&body).await.good().provider() == "cerebras" {}
    let last = process.line_with("passed_percent", 100).await;
    for (field, value) in [
        ("account", json!("Cerebras")),
        ("dimension", json!("tokens")),
        ("window", json!("day")),
        ("capacity", json!(1_000)),
        ("in_flight", json!(0)),
        ("source", json!("operator")),
        ("refill", json!("continuous")),
        ("forecast", json!("runs out")),
        ("runs_out_in_s", json!(0.0)),
        ("circuit", json!("closed")),
        ("unused_tokens", json!("returned")),
    ] {
        assert_eq!(last[field], value, "{field} in {last}");
    }
    let spent = cerebras.stats().tokens_used;
    assert_eq!(last["available"].as_u64(), Some(1_000 - spent), "{last}");
    let steps = budgets(&process, "passed_percent");
    let steps: Vec<u64> = steps.iter().filter_map(Value::as_u64).collect();
    assert!(
        steps.is_sorted_by(|a, b| a < b) && steps.iter().all(|it| [50, 80, 95, 100].contains(it)),
        "{steps:?}"
    );
}

#[tokio::test]
async fn every_limit_is_told_once_an_hour_while_there_is_traffic() {
    // An hour of 1.2 seconds.
    let (_cerebras, _chutes, process) = start_with("info", &[("RATE_WINDOW_MS", "20")]).await;
    assert_eq!(budgets(&process, "window"), Vec::<Value>::new());
    process.chat(&question(false)).await.good();
    let line = process.line_with("window", "minute").await;
    assert!(line["passed_percent"].is_null() && line["capacity"].is_u64(), "{line}");
    process.line_with("window", "day").await;
    let windows = budgets(&process, "window");
    assert_eq!(windows, [json!("minute"), json!("minute"), json!("day")]);
}

/// The documented lines: message, levels, field, type.
fn schema() -> Vec<[String; 4]> {
    let rows = include_str!("../../docs/LOGGING.md").lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        std::array::from_fn(|_| cells.next().unwrap_or_default())
    })
    .collect()
}

#[tokio::test]
async fn every_line_is_as_documented_and_all_that_is_documented_is_seen() {
    // None of these can be brought about from outside, or only by breaking the machine.
    const UNSEEN: [&str; 8] = [
        "state database not closed",
        "some requests are missing in the history",
        "work on the state database panicked; the backtrace is on standard error",
        "cut at the end of DRAIN_TIMEOUT",
        "a connection ended",
        "a connection could not be accepted",
        "a request handler panicked; the backtrace is on standard error",
        "takes effect with the next start",
    ];
    let (cerebras, chutes, mut process) = start("DEBUG").await;
    let answered = process.chat(&question(true)).await.good();
    let mut refused = question(false);
    refused["metadata"] = json!({});
    cerebras.inject(Fault::BadFormat, Times::Once);
    process.chat(&refused).await.good();
    cerebras.inject(Fault::ServerError, Times::Once);
    process.chat(&question(false)).await.good();
    cerebras.inject(Fault::CutFin, Times::Once);
    process.chat(&question(true)).await;
    process.chat(&json!({"model": "gpt-4"})).await.error(400);
    cerebras.inject(Fault::Unauthorized, Times::Always);
    chutes.inject(Fault::Unauthorized, Times::Always);
    process.chat(&question(false)).await.error(502);
    process.signal("HUP");
    process.line("settings reloaded").await;
    process.line("remembered").await;
    process.rewrite("[log]\nlevel = 3\n[server]\nhots = 1\n");
    process.line("settings not reloaded").await;
    process.signal("TERM");
    process.exit_code().await;
    let (_cerebras, _chutes, alone) = {
        let (cerebras, chutes, _) = start("info").await;
        let vars = [
            ("CEREBRAS_API_KEY", CEREBRAS_KEY),
            ("CEREBRAS_BASE_URL", &cerebras.base_url()),
            ("CEREBRAS_TOKENS_PER_DAY", "300"),
        ];
        let directory = Scratch::new();
        std::fs::create_dir(directory.0.join(STATE)).expect("a directory");
        directory.write(&format!("{STATE}/state.db"), &"no database at all; ".repeat(100));
        let alone = Process::start_in(directory, &vars).await;
        (cerebras, chutes, alone)
    };
    alone.line("settings").await;
    alone.line("state database corrupt; a new one is begun").await;
    let mut story = question(false);
    story["max_tokens"] = json!(60);
    while alone.chat(&story).await.status == 200 {}
    alone.line("budget").await;
    let stateless = Process::start(&[("CEREBRAS_API_KEY", CEREBRAS_KEY), ("STATE_DIR", "/dev/null/x")]).await;
    stateless.line("state database unusable; going on in memory").await;

    let schema = schema();
    let id = answered.header("x-request-id").unwrap_or_default();
    let sent = cerebras.requests()[0].headers.get("x-request-id").cloned();
    assert_eq!(sent.and_then(|sent| sent.to_str().map(str::to_owned).ok()).as_deref(), Some(&*id));
    let mut seen = std::collections::BTreeSet::new();
    for line in process.log().into_iter().chain(alone.log()).chain(stateless.log()) {
        let message = line["message"].as_str().unwrap_or_default().to_owned();
        for (field, value) in line.as_object().into_iter().flatten() {
            let kind = match value {
                Value::Bool(_) => "boolean",
                Value::Number(_) => "number",
                _ => "text",
            };
            if ["timestamp", "message"].contains(&field.as_str()) {
                continue;
            }
            if field == "level" {
                let levels = schema.iter().find(|row| row[0] == message).map(|row| row[1].clone());
                let level = value.as_str().unwrap_or_default();
                assert!(levels.is_some_and(|levels| levels.split(", ").any(|it| it == level)), "{line}");
                continue;
            }
            let documented = schema.iter().any(|row| row[0] == message && row[2] == *field && row[3] == kind);
            assert!(documented, "{field} ({kind}) of {line}");
            seen.insert((message.clone(), field.clone()));
        }
        seen.insert((message, String::new()));
    }
    for [message, _, field, _] in &schema {
        let unseen = UNSEEN.contains(&message.as_str());
        assert!(
            unseen || seen.contains(&(message.clone(), field.clone())),
            "{message}: {field} was not seen"
        );
    }
}
