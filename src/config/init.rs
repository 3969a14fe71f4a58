//! A configuration file to begin with: what the environment says now, and the defaults as comments.

use std::fmt::Write as _;

use wire::json::quote;

use super::written::Written;

/// One setting of the file: its key, its default, and what is said of it.
type Row = (&'static str, &'static str, &'static str);

const TOP: &[Row] = &[
    ("cooldown_ms", "300000", "Longest time away from a provider after a rate limit or failures."),
    ("rate_window_ms", "60000", "Length of a provider's minute; for rehearsals against a simulator."),
    ("state_dir", "", "Directory of the database of books and history."),
    ("history_days", "30", "How long a request stays in the history; 0: none is kept."),
    ("extra_ca_file", "", "PEM file with certificate authorities to trust besides the usual ones."),
];

const SERVER: &[Row] = &[
    ("server.host", "\"127.0.0.1\"", "An address beyond this machine asks for client_keys."),
    ("server.port", "3000", ""),
    ("server.client_keys", "{ env = \"PROXY_API_KEYS\" }", "Keys of which clients must present one."),
    ("server.cors_origins", "[]", "Web pages that may call; none: those from this machine; [\"*\"]: all."),
    ("server.max_body_bytes", "33554432", ""),
];

const TIMEOUTS: &[Row] = &[
    (
        "timeouts.request_ms",
        "30000",
        "Until the first payload of an answer; the last provider left gets four times as long.",
    ),
    ("timeouts.provider_connect_ms", "3000", "Until a provider has accepted a connection."),
    ("timeouts.provider_tls_ms", "5000", "Until the TLS handshake on it is over."),
    (
        "timeouts.provider_head_ms",
        "30000",
        "Until the head of its response; request_ms where nothing is set.",
    ),
    ("timeouts.stream_idle_ms", "60000", "Longest silence inside a stream that flows."),
    (
        "timeouts.total_ms",
        "0",
        "Until an answer is over, from the request's arrival on; 0: however long it takes.",
    ),
    ("timeouts.header_ms", "10000", "A client must have sent its request head by then."),
    ("timeouts.body_ms", "30000", "Longest silence while a client sends its body."),
    (
        "timeouts.write_ms",
        "60000",
        "Longest time in which a client takes nothing of an answer that waits for it.",
    ),
    ("timeouts.drain_ms", "30000", "How long streams may run on after a request to stop."),
];

const LOG: &[Row] = &[("log.level", "\"INFO\"", "ERROR, WARN, INFO or DEBUG.")];

const CEREBRAS: &[Row] = &[
    ("providers.cerebras.base_url", "\"https://api.cerebras.ai/v1\"", ""),
    ("providers.cerebras.endpoint", "", ""),
    (
        "providers.cerebras.models",
        "[\"qwen-3-coder-480b\", \"qwen-3.8-27b\"]",
        "The first that is still served is used.",
    ),
];

const CEREBRAS_LIMITS: &[Row] = &[
    ("providers.cerebras.limits.requests_per_minute", "12", ""),
    ("providers.cerebras.limits.tokens_per_minute", "132000", ""),
    ("providers.cerebras.limits.tokens_per_day", "19200000", ""),
];

const CHUTES: &[Row] = &[
    ("providers.chutes.base_url", "\"https://llm.chutes.ai/v1\"", ""),
    ("providers.chutes.endpoint", "", ""),
    (
        "providers.chutes.models",
        "[\"Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8\", \"Qwen/Qwen3.8-27B-TEE\"]",
        "",
    ),
];

const HEAD: &str = "\
# Settings of qwen-3-coder-proxy. `qwen-3-coder-proxy check` says what they come to; a change takes effect at once, without a
# restart, where that is possible. Environment variables of the same meaning win. Times are milliseconds.
";

const EXAMPLES: &str = "\
# Any OpenAI-compatible server can stand in the chain. A preset knows its address, limits and habits.
# [providers.local]
# preset = \"llama-cpp\"
# base_url = \"http://127.0.0.1:8080/v1\"
# models = [\"qwen3-coder\"]
# context = 32768
";

/// The text of the file; `written` holds nothing but variables.
pub(super) fn text(written: &mut Written) -> String {
    written.apply_variables();
    let mut text = HEAD.to_owned();
    rows(&mut text, written, "", TOP, true);
    for (table, table_rows) in [("server", SERVER), ("timeouts", TIMEOUTS), ("log", LOG)] {
        rows(&mut text, written, table, table_rows, true);
    }
    let mut routes = Vec::new();
    for (name, own, limits) in [("cerebras", CEREBRAS, CEREBRAS_LIMITS), ("chutes", CHUTES, &[][..])] {
        let variable = format!("{}_API_KEY", name.to_uppercase());
        let has_key = written.variable(&variable).is_some();
        if has_key {
            routes.push(name);
        }
        let off = if has_key { "" } else { "# " };
        let _ = write!(text, "\n{off}[providers.{name}]\n{off}key = {{ env = \"{variable}\" }}\n");
        if !limits.is_empty() {
            text.push_str(
                "# plan = \"…\"    # `qwen-3-coder-proxy check` names the plans when it does not know one\n",
            );
        }
        entries(&mut text, written, own, has_key);
        if !limits.is_empty() {
            rows(&mut text, written, &format!("providers.{name}.limits"), limits, has_key);
        }
    }
    text.push('\n');
    text.push_str(EXAMPLES);
    let model = written.get("model").unwrap_or_else(|| "qwen-3-coder".to_owned());
    let off = if routes.is_empty() { "# " } else { "" };
    let routes: Vec<String> = routes.iter().map(|name| quote(name)).collect();
    text.push_str("\n# What clients ask for, and where it is to be had, in order of preference.\n");
    let _ = write!(text, "{off}[models.{}]\n{off}routes = [{}]\n", quote(&model), routes.join(", "));
    text
}

fn rows(text: &mut String, written: &Written, table: &str, rows: &[Row], on: bool) {
    if table.is_empty() {
        text.push('\n');
    } else {
        let _ = write!(text, "\n{}[{table}]\n", if on { "" } else { "# " });
    }
    entries(text, written, rows, on);
}

fn entries(text: &mut String, written: &Written, rows: &[Row], on: bool) {
    for (key, default, comment) in rows {
        let name = key.rsplit('.').next().unwrap_or(key);
        let comment = if comment.is_empty() { String::new() } else { format!("    # {comment}") };
        let (off, value) = match written.get(key) {
            Some(_) if *key == "server.client_keys" => ("", (*default).to_owned()),
            Some(value) => ("", as_toml(written, key, &value)),
            None if default.is_empty() && comment.is_empty() => continue,
            None if default.is_empty() => ("# ", "\"…\"".to_owned()),
            None => ("# ", (*default).to_owned()),
        };
        let off = if on { off } else { "# " };
        let _ = writeln!(text, "{off}{name} = {value}{comment}");
    }
}

fn as_toml(written: &Written, key: &str, value: &str) -> String {
    let is_list = key.ends_with(".models") || key.ends_with(".cors_origins");
    if is_list {
        let entries: Vec<String> = written.list(key).iter().map(|entry| quote(entry)).collect();
        return format!("[{}]", entries.join(", "));
    }
    if value.bytes().all(|byte| byte.is_ascii_digit()) { value.to_owned() } else { quote(value) }
}

/// Every key that a variable stands for has its row.
#[cfg(test)]
pub(super) fn covers_every_variable() -> bool {
    let rows = [TOP, SERVER, TIMEOUTS, LOG, CEREBRAS, CEREBRAS_LIMITS, CHUTES].concat();
    super::schema::VARIABLES
        .iter()
        .all(|(_, key)| *key == "model" || rows.iter().any(|(known, ..)| known == key))
}
