//! What stands in the way of a start is said in few lines, with what to do.

use std::net::TcpListener;

use crate::process::{Scratch, command};

const KEY: (&str, &str) = ("CEREBRAS_API_KEY", "csk-it");

/// Starts it without hope; returns its exit code and the lines it wrote.
fn fails(args: &[&str], vars: &[(&str, &str)]) -> (Option<i32>, Vec<String>) {
    let directory = Scratch::new();
    let output = command(&directory, vars).args(args).output().expect("the binary runs");
    assert!(output.stdout.is_empty(), "{output:?}");
    let lines = String::from_utf8(output.stderr).expect("text").lines().map(str::to_owned).collect();
    (output.status.code(), lines)
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (args, vars) in [
        (vec![], vec![KEY, ("PORT", &port)]),
        (vec!["--port", &port], vec![KEY, ("CHUTES_API_KEY", "cpk_it")]),
    ] {
        let (code, lines) = fails(&args, &vars);
        assert_eq!(code, Some(1), "{lines:?}");
        let said: Vec<&String> = lines.iter().filter(|line| !line.starts_with('{')).collect();
        assert_eq!(said.len(), 1, "{lines:?}");
        assert!(
            said[0].contains(&port) && said[0].contains("PORT") && said[0].contains("--port"),
            "{lines:?}"
        );
    }
}

#[test]
fn no_key() {
    let (code, lines) = fails(&[], &[]);
    assert_eq!((code, lines.len()), (Some(2), 3), "{lines:?}");
    assert!(lines[1].contains("CEREBRAS_API_KEY") && lines[1].contains("CHUTES_API_KEY"), "{lines:?}");
    assert!(lines[2].contains("qwen-3-coder-proxy demo"), "{lines:?}");
}

#[test]
fn settings_that_are_wrong_are_all_named() {
    let wrong = [
        ("PORT", "70000"),
        ("LOG_LEVEL", "loud"),
        ("REQUEST_TIMEOUT", "soon"),
        ("MAX_BODY_BYTES", "-1"),
        ("CORS_ORIGINS", "https://*.example"),
        ("CEREBRAS_BASE_URL", "example"),
    ];
    let vars: Vec<_> = wrong.into_iter().chain([KEY]).collect();
    let (code, lines) = fails(&[], &vars);
    assert_eq!((code, lines.len()), (Some(2), wrong.len()), "{lines:?}");
    for (name, value) in wrong {
        assert!(lines.iter().any(|line| line.contains(name) && line.contains(value)), "{name}: {lines:?}");
    }
}

#[test]
fn open_to_a_network_only_on_purpose() {
    for (args, vars) in [(vec![], vec![KEY, ("HOST", "0.0.0.0")]), (vec!["--host", "::"], vec![KEY])] {
        let (code, lines) = fails(&args, &vars);
        assert_eq!((code, lines.len()), (Some(2), 1), "{lines:?}");
        assert!(lines[0].contains("PROXY_API_KEYS") && lines[0].contains("--allow-open"), "{lines:?}");
    }
}
