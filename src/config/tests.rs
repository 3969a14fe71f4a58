use std::{net::IpAddr, path::PathBuf, time::Duration};

use secrecy::ExposeSecret;

use super::{Config, CorsOrigins, Limits, LogLevel, Overrides, UpstreamModel, paths, written::Written};

mod dotenv;
mod file;
mod mistakes;

const BOTH_KEYS: [(&str, &str); 2] =
    [("CEREBRAS_API_KEY", "csk-secret-one"), ("CHUTES_API_KEY", "cpk_secret.two")];

fn owned(vars: &[(&str, &str)]) -> Vec<(String, String)> {
    vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with_keys(vars: &[(&str, &str)]) -> Vec<(String, String)> {
    owned(&[&BOTH_KEYS, vars].concat())
}

/// The configuration from both keys and `vars`, which must be right.
fn config(vars: &[(&str, &str)]) -> Config {
    Config::from_vars(with_keys(vars), &Overrides::default()).unwrap()
}

/// The lines of what is wrong with `vars`.
fn problems(vars: &[(&str, &str)]) -> Vec<String> {
    let problems = Config::from_vars(with_keys(vars), &Overrides::default()).unwrap_err();
    problems.to_string().lines().map(str::to_owned).collect()
}

fn names(models: &[UpstreamModel]) -> Vec<&str> {
    models.iter().map(|model| model.name.as_str()).collect()
}

fn millis(duration: Duration) -> u128 {
    duration.as_millis()
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = config(&[("HOME", "/home/ada")]);
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.server.host, "127.0.0.1".parse::<IpAddr>().unwrap());
    assert_eq!(config.server.port, 3000);
    assert_eq!(config.server.max_body_bytes, 33_554_432);
    assert!(config.server.client_keys.is_empty());
    assert_eq!(config.server.cors, CorsOrigins::Local);
    assert_eq!(config.log_level, LogLevel::Info);
    assert_eq!(config.models[0].name, "qwen-3-coder");
    let timeouts = config.timeouts;
    assert_eq!(millis(timeouts.request), 30_000);
    assert_eq!([timeouts.connect, timeouts.tls, timeouts.head].map(millis), [3_000, 5_000, 30_000]);
    assert_eq!(millis(timeouts.stream_idle), 60_000);
    assert_eq!(timeouts.total, None);
    assert_eq!(millis(timeouts.header), 10_000);
    assert_eq!(millis(timeouts.body), 30_000);
    assert_eq!(millis(timeouts.drain), 30_000);
    assert_eq!(millis(config.cooldown), 300_000);
    assert_eq!(millis(config.rate_window), 60_000);
    assert_eq!(config.history_days, 30);
    assert_eq!(config.extra_ca, None);
}

#[test]
fn providers_by_default() {
    let providers = config(&[]).providers;
    let [cerebras, chutes] = &providers[..] else { panic!("two providers") };
    assert_eq!(cerebras.name, "cerebras");
    assert_eq!(cerebras.keys[0].secret.expose_secret(), "csk-secret-one");
    assert_eq!(cerebras.keys[0].source.to_string(), "CEREBRAS_API_KEY");
    assert_eq!(cerebras.endpoint, "https://api.cerebras.ai/v1/chat/completions");
    assert_eq!(cerebras.settings.endpoint, "CEREBRAS_ENDPOINT");
    assert_eq!(cerebras.settings.models, "CEREBRAS_MODEL_NAME");
    assert_eq!(names(&cerebras.models), ["qwen-3-coder-480b", "qwen-3.8-27b"]);
    assert_eq!(cerebras.limits.requests_per_minute, Some(12));
    assert_eq!(cerebras.limits.tokens_per_minute, Some(132_000));
    assert_eq!(cerebras.limits.tokens_per_day, Some(19_200_000));
    assert_eq!((chutes.name.as_str(), chutes.label.as_str()), ("chutes", "Chutes"));
    assert_eq!(chutes.keys[0].secret.expose_secret(), "cpk_secret.two");
    assert_eq!(chutes.endpoint, "https://llm.chutes.ai/v1/chat/completions");
    assert_eq!(names(&chutes.models), ["Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8", "Qwen/Qwen3.8-27B-TEE"]);
    assert_eq!(chutes.limits, Limits::default());
}

#[test]
fn every_variable_is_read() {
    let config = config(&[
        ("HOST", "::1"),
        ("PORT", "0"),
        ("PROXY_API_KEYS", "one, two,,one"),
        ("CORS_ORIGINS", "https://App.example.com, vscode-webview://abc"),
        ("MAX_BODY_BYTES", "1000"),
        ("REQUEST_TIMEOUT", "1001"),
        ("STREAM_IDLE_TIMEOUT", "1002"),
        ("PROVIDER_CONNECT_TIMEOUT", "901"),
        ("PROVIDER_TLS_TIMEOUT", "902"),
        ("PROVIDER_HEAD_TIMEOUT", "903"),
        ("TOTAL_TIMEOUT", "2000"),
        ("HEADER_TIMEOUT", "1003"),
        ("BODY_TIMEOUT", "1004"),
        ("WRITE_TIMEOUT", "1008"),
        ("DRAIN_TIMEOUT", "1005"),
        ("COOLDOWN_PERIOD", "1006"),
        ("RATE_WINDOW_MS", "1007"),
        ("LOG_LEVEL", "Warning"),
        ("PROXY_MODEL_NAME", " coder "),
        ("CEREBRAS_MODEL_NAME", "a, b,,a"),
        ("CHUTES_MODEL_NAME", "c"),
        ("CEREBRAS_ENDPOINT", "http://localhost:9000/x/chat/completions"),
        ("CHUTES_BASE_URL", "https://chutes.test/v1/"),
        ("CEREBRAS_TOKENS_PER_MINUTE", "150000"),
        ("STATE_DIR", "/var/lib/proxy"),
        ("HISTORY_DAYS", "0"),
        ("EXTRA_CA_FILE", "/etc/ca.pem"),
        ("NODE_EXTRA_CA_CERTS", "/etc/node.pem"),
    ]);
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.server.host, "::1".parse::<IpAddr>().unwrap());
    assert_eq!(config.server.port, 0);
    let client_keys: Vec<_> = config.server.client_keys.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(client_keys, ["one", "two"]);
    let origins = ["https://app.example.com", "vscode-webview://abc"].map(str::to_owned).to_vec();
    assert_eq!(config.server.cors, CorsOrigins::List(origins));
    assert_eq!(config.server.max_body_bytes, 1000);
    let t = config.timeouts;
    let read =
        [t.request, t.stream_idle, t.header, t.body, t.drain, config.cooldown, config.rate_window, t.write];
    assert_eq!(read.map(millis), [1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008]);
    assert_eq!([t.connect, t.tls, t.head, t.total.unwrap_or_default()].map(millis), [901, 902, 903, 2000]);
    assert_eq!(config.log_level, LogLevel::Warn);
    assert_eq!(config.models[0].name, "coder");
    let [cerebras, chutes] = &config.providers[..] else { panic!("two providers") };
    assert_eq!(names(&cerebras.models), ["a", "b"]);
    assert_eq!(names(&chutes.models), ["c"]);
    assert_eq!(cerebras.endpoint, "http://localhost:9000/x/chat/completions");
    assert_eq!(chutes.endpoint, "https://chutes.test/v1/chat/completions");
    assert_eq!(chutes.settings.endpoint, "CHUTES_BASE_URL");
    assert_eq!(cerebras.limits.tokens_per_minute, Some(150_000));
    assert_eq!(cerebras.limits.requests_per_minute, Some(12));
    assert_eq!((config.state_dir, config.history_days), (PathBuf::from("/var/lib/proxy"), 0));
    assert_eq!(config.extra_ca, Some(PathBuf::from("/etc/ca.pem")));
}

#[test]
fn empty_means_unset() {
    let config = config(&[("PORT", " "), ("LOG_LEVEL", ""), ("CHUTES_BASE_URL", "")]);
    assert_eq!((config.server.port, config.log_level), (3000, LogLevel::Info));
}

#[test]
fn one_key_is_enough_and_said() {
    for (name, label, missing) in
        [("CEREBRAS_API_KEY", "Cerebras", "CHUTES_API_KEY"), ("CHUTES_API_KEY", "Chutes", "CEREBRAS_API_KEY")]
    {
        let vars = owned(&[(name, "k"), (missing, "")]);
        let config = Config::from_vars(vars, &Overrides::default()).unwrap();
        assert_eq!(config.providers.len(), 1);
        assert_eq!(config.providers[0].label, label);
        let warning = format!("{missing} is not set: running on {label} alone, with nothing to fall back to");
        assert_eq!(config.warnings, [warning]);
    }
    let none = Config::from_vars([], &Overrides::default()).unwrap();
    assert!(none.providers.is_empty() && none.warnings.is_empty());
}

#[test]
fn the_command_line_wins() {
    let args = Overrides { host: Some("localhost".into()), port: Some(8080), ..Overrides::default() };
    let vars = with_keys(&[("HOST", "conda-linux-gnu"), ("PORT", "1")]);
    let config = Config::from_vars(vars, &args).unwrap();
    assert_eq!((config.server.host.to_string(), config.server.port), ("127.0.0.1".to_owned(), 8080));

    let args = Overrides { host: Some("[::]".into()), ..Overrides::default() };
    let problems = Config::from_vars(with_keys(&[]), &args).unwrap_err();
    assert!(problems.to_string().starts_with("--host=[::]: would open your provider keys"), "{problems}");
}

#[test]
fn an_open_address_needs_client_keys_or_consent() {
    assert!(config(&[("HOST", "0.0.0.0"), ("PROXY_API_KEYS", "k")]).warnings.is_empty());
    assert!(config(&[("HOST", "[::ffff:127.0.0.1]")]).warnings.is_empty());
    let args = Overrides { allow_open: true, ..Overrides::default() };
    let config = Config::from_vars(with_keys(&[("HOST", "0.0.0.0")]), &args).unwrap();
    let expected = "HOST=0.0.0.0: whoever reaches this address can spend your provider keys; set PROXY_API_KEYS to ask for client keys";
    assert_eq!(config.warnings, [expected]);
}

#[test]
fn endpoints_and_bases() {
    for (base, endpoint) in [
        ("https://h.test/v1", "https://h.test/v1/chat/completions"),
        ("https://h.test/openai/v1//", "https://h.test/openai/v1/chat/completions"),
        ("https://h.test", "https://h.test/v1/chat/completions"),
        ("http://[::1]:9000/v1", "http://[::1]:9000/v1/chat/completions"),
    ] {
        let config = config(&[("CEREBRAS_BASE_URL", base), ("CHUTES_ENDPOINT", endpoint)]);
        assert_eq!(config.providers[0].endpoint, endpoint);
        assert_eq!(config.providers[1].endpoint, endpoint);
        assert_eq!(config.warnings, Vec::<String>::new());
    }
    let full = "https://h.test/v1/chat/completions";
    let same = config(&[("CEREBRAS_BASE_URL", "https://h.test/v1"), ("CEREBRAS_ENDPOINT", full)]);
    assert_eq!(same.providers[0].settings.endpoint, "CEREBRAS_ENDPOINT");
    let different = problems(&[("CEREBRAS_BASE_URL", "https://g.test/v1"), ("CEREBRAS_ENDPOINT", full)]);
    let expected = "differs from CEREBRAS_BASE_URL=https://g.test/v1; set only one of the two";
    assert_eq!(different, [format!("CEREBRAS_ENDPOINT={full}: {expected}")]);
    let plain = config(&[("CHUTES_BASE_URL", "http://h.test/v1")]);
    let expected =
        "CHUTES_BASE_URL: the key for h.test travels unencrypted; write https:// if the host offers it";
    assert_eq!(plain.warnings, [expected]);
}

#[test]
fn cors_star_opens_to_all() {
    assert_eq!(config(&[("CORS_ORIGINS", "*")]).server.cors, CorsOrigins::Any);
}

#[test]
fn state_stands_where_the_platform_keeps_it() {
    let all = [("HOME", "/h"), ("XDG_STATE_HOME", "/x"), ("LOCALAPPDATA", "/l")];
    for (vars, os, expected) in [
        (&all[..], "linux", "/x/qwen-3-coder-proxy"),
        (&all[..1], "linux", "/h/.local/state/qwen-3-coder-proxy"),
        (&[("XDG_STATE_HOME", "relative")], "linux", "./.qwen-3-coder-proxy"),
        (&all[..], "macos", "/h/Library/Application Support/qwen-3-coder-proxy"),
        (&all[..], "windows", "/l/qwen-3-coder-proxy"),
        (&[], "windows", "./.qwen-3-coder-proxy"),
    ] {
        let mut written = Written::default();
        written.add_variables(owned(vars));
        written.apply_variables();
        assert_eq!(paths::state_dir(&mut written, os), PathBuf::from(expected), "{os}");
    }
}

#[test]
fn certificates_of_node_are_taken_when_ours_are_unset() {
    let config = config(&[("NODE_EXTRA_CA_CERTS", "/etc/node.pem")]);
    assert_eq!(config.extra_ca, Some(PathBuf::from("/etc/node.pem")));
}

#[test]
fn an_unusable_certificate_file_is_a_problem_unless_it_is_nodes() {
    for (name, file, problem) in [
        ("EXTRA_CA_FILE", "/nowhere/ca.pem", "EXTRA_CA_FILE=/nowhere/ca.pem: cannot be read ("),
        ("EXTRA_CA_FILE", file!(), "EXTRA_CA_FILE="),
        ("NODE_EXTRA_CA_CERTS", "/nowhere/ca.pem", ""),
    ] {
        let mut vars = Written::default();
        vars.add_variables(owned(&[(name, file)]));
        vars.apply_variables();
        assert!(!paths::check_extra_ca(&mut vars, &PathBuf::from(file)));
        match vars.finish(config(&[])) {
            Ok(config) => assert_eq!((problem, config.warnings.len()), ("", 1)),
            Err(problems) => assert!(problems.to_string().starts_with(problem), "{problems}"),
        }
    }
}
