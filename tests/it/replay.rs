//! The command that plays a trace in virtual time.

use serde_json::Value;

use crate::process::{Scratch, command};

/// What it prints and what it complains of.
fn run(directory: &Scratch, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(directory, &[]).arg("replay").args(arguments).output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_written_trace_is_played_like_the_made_up_one() {
    let scratch = Scratch::new();
    let (_, trace, _) = run(&scratch, &["generate", "--seed", "5", "--agents", "1", "--hours", "1"]);
    scratch.write("trace.jsonl", &trace);
    let made_up = run(&scratch, &["--seed", "5", "--agents", "1", "--hours", "1", "--format", "json"]);
    let played = run(&scratch, &["run", "trace.jsonl", "--seed", "5", "--format", "json"]);
    assert_eq!(made_up, played);
    let report: Value = serde_json::from_str(&played.1).expect("JSON");
    assert_eq!(report["requests"], trace.lines().count());
    let policies: Vec<&str> =
        (report["rows"].as_array().expect("rows").iter()).filter_map(|row| row["policy"].as_str()).collect();
    assert_eq!(policies, ["original", "true counts", "sliding minute", "this proxy"]);
}

#[test]
fn a_larger_plan_serves_more_and_the_table_says_so() {
    let scratch = Scratch::new();
    let fast = |more: &[&str]| {
        let arguments = [&["--agents", "1", "--hours", "1", "--format", "json"], more].concat();
        let report: Value = serde_json::from_str(&run(&scratch, &arguments).1).expect("JSON");
        report["rows"][3]["fast"].as_u64().expect("a number")
    };
    let (usual, conservative) = (fast(&[]), fast(&["--plan", "conservative"]));
    let unlimited =
        fast(&["--limits", "tokens_per_minute=0,requests_per_minute=0", "--limits", "tokens_per_day=0"]);
    assert!(conservative < usual && usual < unlimited, "{conservative} {usual} {unlimited}");
    let (_, table, _) = run(&scratch, &["--agents", "1", "--hours", "1"]);
    let row = table.lines().find(|line| line.starts_with("this proxy")).expect("a row");
    assert_eq!(row.split_whitespace().nth(2), Some(usual.to_string().as_str()), "{table}");
}

#[test]
fn what_is_wrong_is_said_with_what_to_write() {
    let scratch = Scratch::new();
    scratch.write("trace.jsonl", "{}\n");
    for (arguments, words) in [
        (&["--plan", "code-pro"][..], "code-pro-2025"),
        (&["--provider", "cerebra"], "cerebras"),
        (&["--limits", "tokens_per_hours=5"], "tokens_per_hour,"),
        (&["--limits", "tokens_per_hour"], "tokens_per_minute=165000"),
        (&["trace.jsonl"], "trace.jsonl is no trace: line 1: missing field"),
        (&["nowhere.jsonl"], "can't read nowhere.jsonl"),
    ] {
        let (code, out, complaint) = run(&scratch, arguments);
        assert!(code == Some(1) && out.is_empty() && complaint.contains(words), "{arguments:?}: {complaint}");
    }
}
