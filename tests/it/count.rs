//! The command `count`, as scripts call it.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::process::{Scratch, command};

/// The command with these arguments and this input.
fn count(arguments: &[&str], input: &str) -> Output {
    let directory = Scratch::new();
    directory.write("notes.txt", "Hello, world!");
    let mut command = command(&directory, &[]);
    command.arg("count").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads all");
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn request(content: &Value) -> String {
    json!({"model": "m", "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": content}]})
        .to_string()
}

#[test]
fn a_text_is_counted_wherever_it_comes_from() {
    for (arguments, input) in [
        (&["--text", "Hello, world!"][..], ""),
        (&["notes.txt"], ""),
        (&["-"], "Hello, world!"),
        (&[], "Hello, world!"),
    ] {
        assert_eq!(said(&count(arguments, input)), (Some(0), "4\n".into(), String::new()), "{arguments:?}");
    }
    assert_eq!(said(&count(&["--json", "notes.txt"], "")).1, "{\"tokens\":4}\n");
}

#[test]
fn a_request_is_counted_as_the_model_reads_it() {
    let prompt =
        "<|im_start|>system\nx<|im_end|>\n<|im_start|>user\nHello, world!<|im_end|>\n<|im_start|>assistant\n";
    let request = request(&json!("Hello, world!"));
    assert_eq!(said(&count(&["--show"], &request)).1, prompt);
    let (status, text, _) = said(&count(&["--json"], &request));
    let parts: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(status, Some(0));
    assert_eq!(parts, json!({"tokens": 18, "system": 6, "tools": 0, "messages": 12}));
    assert!(said(&count(&[], &request)).1.starts_with("18\n  system           6\n"));
    assert_eq!(said(&count(&["--text", &request], "")).0, Some(0));
}

#[test]
fn what_cannot_be_counted_is_said() {
    let image = request(&json!([{"type": "image_url", "image_url": {"url": "data:,"}}]));
    let (status, text, error) = said(&count(&["--json"], &image));
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert!(status == Some(1) && answer["tokens"].is_null() && answer["estimate"].is_u64(), "{text}");
    assert!(error.starts_with("qwen3-coder-launch can make no text of this request"), "{error}");
    assert_eq!(said(&count(&["--request"], "no request")).0, Some(2));
    assert_eq!(said(&count(&["--template", "mine", "--text", "x"], "")).0, Some(2));
    let (status, _, error) = said(&count(&["nowhere.txt"], ""));
    assert!(status == Some(1) && error.contains("nowhere.txt"), "{error}");
}

#[test]
fn many_documents_are_counted_in_one_process() {
    let lines = format!("\"Hello, world!\"\n{}\n\"\"\n", request(&json!("Hello, world!")));
    let (status, text, _) = said(&count(&["--lines", "--template", "qwen3-coder-vllm"], &lines));
    let tokens = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["tokens"].as_u64();
    assert_eq!(status, Some(0));
    assert_eq!(text.lines().map(tokens).collect::<Vec<_>>(), [Some(4), Some(18), Some(0)]);
    let (status, _, error) = said(&count(&["--lines"], "\"x\"\n{}\n"));
    assert!(status == Some(1) && error.contains("line 2"), "{error}");
}
