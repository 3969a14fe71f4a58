//! What is said of each mistake, and what is never said.

use super::{config, problems, with_keys};
use crate::config::{Config, Overrides, schema};

#[test]
fn each_wrong_number_says_what_to_write() {
    for (name, value, message) in [
        ("REQUEST_TIMEOUT", "30s", "not a whole number of milliseconds; write 30000"),
        ("REQUEST_TIMEOUT", "30 s", "not a whole number of milliseconds; write 30000"),
        ("REQUEST_TIMEOUT", "5m", "not a whole number of milliseconds; write 300000"),
        ("REQUEST_TIMEOUT", "1.5h", "not a whole number of milliseconds; write 5400000"),
        ("REQUEST_TIMEOUT", "500ms", "not a whole number of milliseconds; write 500"),
        ("REQUEST_TIMEOUT", "30000.0", "not a whole number of milliseconds; write 30000"),
        ("REQUEST_TIMEOUT", "\"30000\"", "not a whole number of milliseconds; write 30000"),
        ("REQUEST_TIMEOUT", "soon", "not a whole number of milliseconds; write a number such as 30000"),
        ("REQUEST_TIMEOUT", "-1", "not a whole number of milliseconds; write a number such as 30000"),
        ("REQUEST_TIMEOUT", "1e4", "not a whole number of milliseconds; write a number such as 30000"),
        ("HEADER_TIMEOUT", "0s", "not a whole number of milliseconds; write a number such as 10000"),
        ("REQUEST_TIMEOUT", "0", "out of range; write a whole number of milliseconds from 1 to 604800000"),
        ("WRITE_TIMEOUT", "1m", "not a whole number of milliseconds; write 60000"),
        (
            "DRAIN_TIMEOUT",
            "604800001",
            "out of range; write a whole number of milliseconds from 1 to 604800000",
        ),
        (
            "BODY_TIMEOUT",
            "99999999999999999999999",
            "out of range; write a whole number of milliseconds from 1 to 604800000",
        ),
        ("MAX_BODY_BYTES", "10MB", "not a whole number of bytes; write 10000000"),
        ("MAX_BODY_BYTES", "32MiB", "not a whole number of bytes; write 33554432"),
        ("MAX_BODY_BYTES", "10kb", "not a whole number of bytes; write 10000"),
        ("MAX_BODY_BYTES", "0", "out of range; write a whole number of bytes from 1 to 1073741824"),
        ("CEREBRAS_TOKENS_PER_MINUTE", "132,000", "not a whole number; write 132000"),
        ("CEREBRAS_TOKENS_PER_MINUTE", "132_000", "not a whole number; write 132000"),
        ("CEREBRAS_TOKENS_PER_DAY", "19.2M", "not a whole number; write 19200000"),
        ("CEREBRAS_REQUESTS_PER_MINUTE", "1,5", "not a whole number; write a number such as 12"),
        ("CEREBRAS_REQUESTS_PER_MINUTE", "0", "out of range; write a whole number from 1 to 1000000000000"),
        ("PORT", "65536", "out of range; write a port number from 0 to 65535"),
        ("PORT", ":3000", "not a port number; write a number such as 3000"),
    ] {
        assert_eq!(problems(&[(name, value)]), [format!("{name}={value}: {message}")]);
    }
}

#[test]
fn each_wrong_text_says_what_to_write() {
    for (name, value, message) in [
        ("LOG_LEVEL", "verbose", "not a level; write ERROR, WARN, INFO or DEBUG"),
        (
            "HOST",
            "my-host",
            "not an IP address; write 127.0.0.1 for this machine alone, or 0.0.0.0 for every network",
        ),
        ("HOST", "127.0.0.1:3000", "not an IP address; write 127.0.0.1, and 3000 as the PORT"),
        (
            "HOST",
            "0.0.0.0",
            "would open your provider keys to the network without client keys; set PROXY_API_KEYS, or pass --allow-open if you mean it",
        ),
        (
            "CEREBRAS_ENDPOINT",
            "https://h.test/v1",
            "does not end in /chat/completions; write https://h.test/v1/chat/completions",
        ),
        (
            "CEREBRAS_ENDPOINT",
            "https://h.test",
            "does not end in /chat/completions; write https://h.test/v1/chat/completions",
        ),
        (
            "CEREBRAS_ENDPOINT",
            "https://h.test/v1/chat/completions/",
            "does not end in /chat/completions; write https://h.test/v1/chat/completions",
        ),
        (
            "CEREBRAS_ENDPOINT",
            "https://h.test/v1/completions",
            "does not end in /chat/completions; write https://h.test/v1/chat/completions",
        ),
        (
            "CEREBRAS_ENDPOINT",
            "h.test/v1/chat/completions",
            "not a URL; write https://h.test/v1/chat/completions",
        ),
        ("CEREBRAS_BASE_URL", "localhost:9000/v1", "not a URL; write http://localhost:9000/v1"),
        ("CEREBRAS_BASE_URL", "nonsense", "not a URL; write one such as https://api.cerebras.ai/v1"),
        ("CHUTES_BASE_URL", "ftp://h.test/v1", "ftp is not spoken here; write https://h.test/v1"),
        ("CHUTES_BASE_URL", "https:///v1", "not a URL; write one such as https://llm.chutes.ai/v1"),
        (
            "CHUTES_BASE_URL",
            "https://h.test:99999/v1",
            "not a URL; write one such as https://llm.chutes.ai/v1",
        ),
        (
            "CHUTES_BASE_URL",
            "https://h.test/v1/chat/completions",
            "names the endpoint, not its base; write https://h.test/v1",
        ),
        ("PROXY_MODEL_NAME", "\"coder\"", "in quotes; write the model's name without them"),
        ("CHUTES_MODEL_NAME", "a,'b'", "in quotes; write the model's name without them"),
        (
            "CHUTES_MODEL_NAME",
            ",",
            "names no model; write Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8,Qwen/Qwen3.8-27B-TEE, or leave it empty",
        ),
        ("CORS_ORIGINS", "https://x/", "not an origin; write https://x"),
        ("CORS_ORIGINS", "https://x/path", "not an origin; write https://x"),
        ("CORS_ORIGINS", "https://x:443", "not an origin; write https://x"),
        ("CORS_ORIGINS", "localhost:5173", "not a URL; write http://localhost:5173"),
        (
            "CORS_ORIGINS",
            "https://*.example.com",
            "a pattern; write the origins one by one, or * alone for all",
        ),
        ("STATE_DIR", "~/state", "~ is not expanded here; write /home/you/state"),
        ("HISTORY_DAYS", "30d", "not a whole number; write a number such as 30"),
        ("HISTORY_DAYS", "100000", "out of range; write a whole number from 0 to 36500"),
    ] {
        assert_eq!(problems(&[(name, value)]), [format!("{name}={value}: {message}")]);
    }
}

#[test]
fn control_characters_are_spelled_out() {
    let expected =
        "PROXY_MODEL_NAME=a\\u{1b}[2Jb: holds a control character; write the model's name on one line";
    assert_eq!(problems(&[("PROXY_MODEL_NAME", "a\u{1b}[2Jb")]), [expected]);
}

#[test]
fn all_problems_are_reported_at_once() {
    let lines = problems(&[
        ("PORT", "http"),
        ("REQUEST_TIMEOUT", "30s"),
        ("CEREBRAS_TOKENS_PER_DAY", "1_000"),
        ("CORS_ORIGINS", "https://a/,https://b/"),
        ("LOG_LEVEL", "loud"),
        ("CHUTES_API_KEY", "your_chutes_api_key_here"),
    ]);
    let names: Vec<&str> = lines.iter().filter_map(|line| line.split([':', '=']).next()).collect();
    let expected =
        ["PORT", "CORS_ORIGINS", "CORS_ORIGINS", "LOG_LEVEL", "CEREBRAS_TOKENS_PER_DAY", "CHUTES_API_KEY"];
    assert_eq!(names, [&expected[..], &["REQUEST_TIMEOUT"]].concat());
}

#[test]
fn keys_must_fit_a_header_and_are_never_shown() {
    let placeholder = "still holds the example's placeholder; paste your key, or leave it empty";
    let blank = "holds a blank or a character that cannot be part of a key; paste the key alone, on one line";
    let quotes = "in quotes; paste the key without them";
    for (name, value, message) in [
        ("CEREBRAS_API_KEY", "your_cerebras_api_key_here", placeholder),
        ("CHUTES_API_KEY", "<your key>", placeholder),
        ("CHUTES_API_KEY", "xxxxxxxx", placeholder),
        ("CEREBRAS_API_KEY", "Bearer csk-hidden", blank),
        ("CEREBRAS_API_KEY", "csk-hid\u{200b}den", blank),
        ("CHUTES_API_KEY", "cpk_hid\nden", blank),
        ("CHUTES_API_KEY", "\"cpk_hidden\"", quotes),
        ("PROXY_API_KEYS", "fine,hid den", blank),
    ] {
        assert_eq!(problems(&[(name, value)]), [format!("{name}: {message}")]);
    }
}

#[test]
fn secrets_stay_out_of_every_message() {
    let everywhere = config(&[("PROXY_API_KEYS", "hidden-client-key")]);
    let shown = format!("{everywhere:?}");
    assert!(
        !shown.contains("secret-one") && !shown.contains("secret.two") && !shown.contains("hidden"),
        "{shown}"
    );

    for name in schema::variables() {
        for value in ["csk-hidden key", "\"csk-hidden\"", "https://user:hidden@x.test/v1", "u:hidden@x.test"]
        {
            let Err(problems) = Config::from_vars(with_keys(&[(name, value)]), &Overrides::default()) else {
                continue; // a model, a path or a key may be called anything
            };
            let shown = format!("{problems} {problems:?}");
            assert!(!shown.contains("hidden"), "{shown}");
        }
    }
    let stray = "PORT: holds what looks like an API key; keys belong in CEREBRAS_API_KEY and CHUTES_API_KEY";
    assert_eq!(problems(&[("PORT", "csk-hidden")]), [stray]);
    let query = problems(&[("CHUTES_ENDPOINT", "https://x.test/v1?token=hidden")]);
    assert_eq!(
        query,
        [
            "CHUTES_ENDPOINT=https://x.test/v1?…: does not end in /chat/completions; write https://x.test/v1/chat/completions"
        ]
    );
}

#[test]
fn misspelled_names_are_noticed_and_others_left_alone() {
    let said =
        |name: &str, meant: &str| format!("{name} is not a variable of this program; did you mean {meant}?");
    for (name, meant) in [
        ("CEREBRAS_TOKEN_PER_MINUTE", "CEREBRAS_TOKENS_PER_MINUTE"),
        ("CEREBAS_API_KEY", "CEREBRAS_API_KEY"),
        ("CHUTES_API_KEYS", "CHUTES_API_KEY"),
        ("PROXY_API_KEY", "PROXY_API_KEYS"),
        ("REQUESTS_TIMEOUT", "REQUEST_TIMEOUT"),
        ("LOG_LEVELS", "LOG_LEVEL"),
        ("log_level", "LOG_LEVEL"),
    ] {
        assert_eq!(config(&[(name, "hidden")]).warnings, [said(name, meant)]);
    }
    for name in [
        "HOSTS",
        "POST",
        "PORTS",
        "STATIC_DIR",
        "OPENAI_API_KEY",
        "HTTP_TIMEOUT",
        "CONNECT_TIMEOUT",
        "LOGLEVELS",
        "READ_TIMEOUT",
        "CEREBRAS_API_BASE",
        "PATH",
        "HOSTNAME",
        "Größe_des_Ordners",
        "RUST_LOG",
        "LOGNAME",
    ] {
        assert_eq!(config(&[(name, "x")]).warnings, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn seconds_written_as_milliseconds_are_noticed() {
    let expected = "REQUEST_TIMEOUT=30: only 30 milliseconds; if seconds are meant, write 30000";
    assert_eq!(config(&[("REQUEST_TIMEOUT", "30")]).warnings, [expected]);
}

#[test]
fn a_deadline_behind_another_is_noticed() {
    let said = |name: &str, bound: &str, limit: u64| {
        vec![format!("{name}: has no effect, since {bound} is over after {limit} milliseconds")]
    };
    for (vars, warnings) in [
        (
            &[("PROVIDER_HEAD_TIMEOUT", "40000")][..],
            said("PROVIDER_HEAD_TIMEOUT=40000", "timeouts.request_ms", 30_000),
        ),
        (
            &[("PROVIDER_CONNECT_TIMEOUT", "2000"), ("REQUEST_TIMEOUT", "1500")],
            said("PROVIDER_CONNECT_TIMEOUT=2000", "REQUEST_TIMEOUT", 1_500),
        ),
        (
            &[("REQUEST_TIMEOUT", "20000"), ("TOTAL_TIMEOUT", "10000")],
            said("REQUEST_TIMEOUT=20000", "TOTAL_TIMEOUT", 10_000),
        ),
        // What is not written is no mistake, and 0 is never over.
        (&[("REQUEST_TIMEOUT", "1500"), ("TOTAL_TIMEOUT", "0")], vec![]),
    ] {
        assert_eq!(config(vars).warnings, warnings, "{vars:?}");
    }
}
