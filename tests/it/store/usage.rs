//! What the `usage` command and the documented queries make of the history.

use std::process::Output;

use rusqlite::Connection;
use serde_json::{Value, json};
use simulator::{Fault, Times};

use super::Stage;
use crate::client;
use crate::harness::question;
use crate::process::{Scratch, command};

/// Runs it on the history in this directory; returns exit code, output and errors.
fn usage(state: &Scratch, arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = state.0.display().to_string();
    let vars = [("STATE_DIR", directory.as_str()), ("TZ", "UTC")];
    let output = command(&Scratch::new(), &vars).arg("usage").args(arguments).output();
    let Output { status, stdout, stderr } = output.expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// Three days in November: two requests, none, and four, of two clients.
async fn november() -> Stage {
    let stage = Stage::new().await;
    let mut process = stage.start(&[]).await;
    process.line("state database in use").await;
    process.signal("TERM");
    process.exit_code().await;
    let rows = "
        INSERT INTO request (at_ms, request_id, client, model, stream, provider, first_choice, status, outcome, attempts,
                             steps, prompt_tokens, cached_tokens, completion_tokens, tokens_counted, tokens_reserved, total_ms)
        VALUES
        (unixepoch('2026-11-01 00:00:00') * 1000, 'a', 'opencode', 'coder', 1, 'cerebras', 1, 200, 'whole', 1, '', 10000, 8000, 500, NULL, 0, 900),
        (unixepoch('2026-11-01 23:59:59') * 1000 + 999, 'b', 'opencode', 'coder', 1, 'chutes', 0, 200, 'whole', 2, '', 12000, NULL, 700, NULL, 0, 4100),
        (unixepoch('2026-11-03 08:00:00') * 1000, 'c', NULL, 'coder', 1, 'cerebras', 1, 200, 'broken', 1, '', NULL, NULL, NULL, 40, 0, 800),
        (unixepoch('2026-11-03 09:00:00') * 1000, 'd', NULL, 'small', 0, NULL, NULL, 429, 'refused', 2, '', NULL, NULL, NULL, 0, 0, 3),
        (unixepoch('2026-11-03 10:00:00') * 1000, 'e', NULL, 'small', 1, 'cerebras', 1, 200, 'client left', 1, '', NULL, NULL, NULL, 7, 0, 50),
        (unixepoch('2026-11-03 11:00:00') * 1000, 'f', 'opencode', 'small', 1, 'cerebras', 1, 200, 'whole', 1, '', 1500000, 0, 30000, NULL, 0, 61000);";
    Connection::open(stage.file()).and_then(|it| it.execute_batch(rows)).expect("they are in");
    stage
}

#[tokio::test]
async fn usage_sums_up_in_every_format() {
    let stage = november().await;
    let table = "\
day         requests answered failed prompt cached output first  mean   p95
2026-11-01         2        2      0  22.0k  8.00k  1.20k   50% 2.50s 4.10s
2026-11-03         4        1      2  1.50M      0  30.0k  100% 61.0s 61.0s
total              6        3      2  1.52M  8.00k  31.2k   80% 22.0s 61.0s
";
    assert_eq!(usage(&stage.state, &[]), (Some(0), table.to_owned(), String::new()));

    let csv = "\
client,requests,answered,refused,broken,prompt_tokens,cached_tokens,completion_tokens,first_share,mean_ms,p95_ms
,3,0,1,1,0,0,47,1.0,,
opencode,1,1,0,0,1500000,0,30000,1.0,61000,61000
";
    let arguments = ["--by", "client", "--since", "2026-11-02", "--format", "csv"];
    assert_eq!(usage(&stage.state, &arguments), (Some(0), csv.to_owned(), String::new()));

    let (code, out, _) = usage(&stage.state, &["--by", "model", "--format", "json"]);
    let models: Value = serde_json::from_str(&out).expect("JSON");
    let expected = json!([
        {"model": "coder", "requests": 3, "answered": 2, "refused": 0, "broken": 1, "prompt_tokens": 22000,
         "cached_tokens": 8000, "completion_tokens": 1240, "first_share": 0.667, "mean_ms": 2500, "p95_ms": 4100},
        {"model": "small", "requests": 3, "answered": 1, "refused": 1, "broken": 0, "prompt_tokens": 1_500_000,
         "cached_tokens": 0, "completion_tokens": 30007, "first_share": 1.0, "mean_ms": 61000, "p95_ms": 61000},
    ]);
    assert_eq!((code, models), (Some(0), expected));
    let (_, out, _) = usage(&stage.state, &["--by", "provider"]);
    let names: Vec<&str> = out.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["provider", "cerebras", "-", "chutes", "total"]);
}

#[tokio::test]
async fn usage_says_in_one_line_what_is_missing() {
    let nothing = Scratch::new();
    let (code, out, err) = usage(&nothing, &[]);
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(1), "", 1), "{err}");
    assert!(err.starts_with("There is no history at ") && err.contains("STATE_DIR"), "{err}");
    assert!(!nothing.0.join("state.db").exists(), "it makes none");
    nothing.write("state.db", "no database at all, which is said");
    let (code, _, err) = usage(&nothing, &[]);
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains("can't be read: file is not a database"), "{err}");

    let stage = november().await;
    let (code, out, err) = usage(&stage.state, &["--since", "2026-11-04"]);
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(0), "", 1), "{err}");
    assert_eq!(usage(&stage.state, &["--since", "2026-11-04", "--format", "json"]).1, "[]\n");
    for wrong in ["2026-02-30", "0d", "yesterday", "7"] {
        let (code, out, err) = usage(&stage.state, &["--since", wrong]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{wrong}: {err}");
    }
}

#[tokio::test]
async fn usage_and_the_documented_queries_work_while_the_proxy_runs() {
    let stage = Stage::new().await;
    let process = stage.start(&[]).await;
    for _ in 0..3 {
        process.chat(&question(true)).await.good();
    }
    stage.cerebras.inject(Fault::CutFin, Times::Once);
    client::exchange(
        process.address,
        &client::post("/v1/chat/completions", &[], question(true).to_string().as_bytes()),
    )
    .await;
    let rows = stage.rows_when(4).await;
    let (code, out, err) = usage(&stage.state, &["--since", "1d", "--format", "csv"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.lines().last().is_some_and(|line| line.contains(",4,3,0,1,")), "{out}");

    let text = include_str!("../../../docs/HISTORY.md");
    let columns: Vec<&String> = rows[0].keys().collect();
    let documented =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect::<Vec<_>>();
    assert_eq!(columns.len(), documented.len());
    assert!(columns.iter().all(|column| documented.contains(&column.as_str())), "{columns:?} {documented:?}");
    let connection = Connection::open(stage.file()).expect("a database");
    let queries = text.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut asked = 0;
    for query in queries {
        let mut statement = connection.prepare(query).unwrap_or_else(|error| panic!("{error} in {query}"));
        let mut found = statement.query([]).expect("it runs");
        let first = found.next().expect("it runs");
        assert!(first.is_some(), "nothing comes of {query}");
        asked += 1;
    }
    assert_eq!(asked, 5);
}

#[tokio::test]
async fn a_history_that_is_closed_is_read_as_well() {
    let stage = november().await;
    assert!(!stage.state.0.join("state.db-wal").exists(), "nobody has it open");
    assert_eq!(usage(&stage.state, &["--by", "day"]).0, Some(0));
}

#[tokio::test]
async fn the_history_can_be_played_again() {
    let stage = november().await;
    let directory = stage.state.0.display().to_string();
    let replay = |arguments: &[&str]| {
        let vars = [("STATE_DIR", directory.as_str())];
        command(&Scratch::new(), &vars).arg("replay").args(arguments).output().expect("the binary runs")
    };
    let played = replay(&["--history", "--format", "json"]);
    assert!(played.status.success(), "{played:?}");
    let played: Value = serde_json::from_slice(&played.stdout).expect("JSON");
    // Those that were answered: 'a', 'b' and 'f'.
    assert_eq!((&played["requests"], &played["tokens"]), (&json!(3), &json!(10_500 + 12_700 + 1_530_000)));
    let nowhere = Scratch::new().0.display().to_string();
    let vars = [("STATE_DIR", nowhere.as_str())];
    let output =
        command(&Scratch::new(), &vars).args(["replay", "--history"]).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("There is no history at"), "{output:?}");
}
