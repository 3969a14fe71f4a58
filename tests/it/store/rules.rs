//! What was learned of requests outlives the process, is listed, and is forgotten when asked.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Limits, Profile};

use super::Stage;
use crate::client;
use crate::harness::question;
use crate::process::{FILE, Process, Scratch, command};

const UNKNOWN: &str =
    "[presets.cerebras]\nrejects = []\nrenames = []\namends = []\n[presets.chutes]\namends = []\n";
const MODEL: &str = "qwen-3-coder-480b";

/// Runs the command on the database in this directory; returns exit code, output and errors.
fn rules(state: &Scratch, arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = state.0.display().to_string();
    let vars = [
        ("STATE_DIR", directory.as_str()),
        ("TZ", "UTC"),
        ("CEREBRAS_API_KEY", "k"),
        ("CHUTES_API_KEY", "k"),
    ];
    let scratch = Scratch::new();
    scratch.write(FILE, UNKNOWN);
    let Output { status, stdout, stderr } =
        command(&scratch, &vars).arg("rules").args(arguments).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn listed(state: &Scratch) -> Vec<String> {
    let (code, out, err) = rules(state, &["--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let list: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    list.iter().map(|line| line["rule"].as_str().expect("a name").to_owned()).collect()
}

async fn ask(process: &Process) -> String {
    let mut body = question(true);
    body["store"] = json!(false);
    body["top_k"] = json!(1);
    let reply = process.chat(&body).await.good();
    assert_eq!(reply.provider(), "cerebras");
    reply.header("x-proxy-attempts").unwrap_or_default()
}

#[tokio::test]
async fn a_rule_outlives_the_process_and_is_forgotten_by_the_next_one_when_it_is_told_to() {
    let stage = Stage::with(Profile { limits: Limits::NONE, ..Profile::cerebras() }).await;
    let start = async || {
        let directory = Scratch::new();
        directory.write(FILE, UNKNOWN);
        stage.start_in(directory, &[]).await
    };
    let mut process = start().await;
    assert_eq!(ask(&process).await, "2");
    assert_eq!(ask(&process).await, "1");
    let line = process.line("learned").await;
    assert_eq!((&line["provider"], &line["upstream_model"]), (&json!("cerebras"), &json!(MODEL)));
    let lessons = || process.log().into_iter().filter(|line| line["message"] == "learned").count();
    assert_eq!(lessons(), 2, "each is told once");
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));

    let mut process = start().await;
    assert_eq!(process.line("remembered").await["rules"], 2);
    assert_eq!(ask(&process).await, "1", "nothing has to be learned again");
    assert_eq!(stage.cerebras.stats().rejected, 1);
    process.signal("TERM");
    process.exit_code().await;

    let (code, table, _) = rules(&stage.state, &[]);
    assert_eq!(code, Some(0));
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["provider", "model", "rule", "effect", "from", "since"]);
    let mut known: Vec<String> = lines[1..].iter().map(|line| line[..6].join(" ")).collect();
    known.sort();
    let expected = ["store", "top_k"].map(|field| format!("cerebras {MODEL} {field} left out learned"));
    assert_eq!(known, expected);

    for nothing in
        [&["forget", "chutes"][..], &["forget", "cerebras", "x"], &["forget", "cerebras", MODEL, "x"]]
    {
        let (code, out, err) = rules(&stage.state, nothing);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.starts_with("Nothing like that was learned"), "{err}");
    }
    let (code, out, _) = rules(&stage.state, &["forget", "cerebras", MODEL, "top_k"]);
    assert_eq!((code, out), (Some(0), format!("cerebras {MODEL}: top_k is left out\n")));
    assert_eq!(listed(&stage.state), ["store"]);
    let process = start().await;
    assert_eq!(process.line("remembered").await["rules"], 1);
    assert_eq!(ask(&process).await, "2", "one of them is learned again");
    let written = async {
        while listed(&stage.state).len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(client::HANG, written).await.expect("it is written behind the answer");
    let (code, out, _) = rules(&stage.state, &["forget", "cerebras"]);
    assert_eq!((code, out.lines().count()), (Some(0), 2));
    assert_eq!(listed(&stage.state), [""; 0]);
}

#[tokio::test]
async fn without_a_database_the_presets_rules_are_listed() {
    let nothing = Scratch::new();
    let directory = nothing.0.display().to_string();
    let vars = [("STATE_DIR", directory.as_str()), ("CEREBRAS_API_KEY", "k"), ("CHUTES_API_KEY", "k")];
    let output = command(&Scratch::new(), &vars).arg("rules").output().expect("the binary runs");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success() && output.stderr.is_empty());
    let has = |words: &str| {
        table.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") == words)
    };
    assert!(has("cerebras all store left out preset -"), "{table}");
    assert!(has("cerebras all messages.*.reasoning_content sent as reasoning preset -"), "{table}");
    assert!(
        has("cerebras all strict amended preset -") && has("chutes all arguments amended preset -"),
        "{table}"
    );
    assert!(!nothing.0.join("state.db").exists(), "it makes none");
}
