//! Every key that a configuration file may hold, and the environment variable that says the same in short.

/// What stands at a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    /// A text, a number, true or false, or a list of texts.
    Value,
    /// Where a key is to be read, or a list of such places: never the key itself.
    Secret,
    /// A table with these keys.
    Table(&'static [(&'static str, Node)]),
    /// A table whose keys are names that the user chooses.
    Named(&'static Node),
    /// A list of texts, of tables with these keys, or of both.
    Items(&'static [(&'static str, Node)]),
}

use Node::{Items, Named, Secret, Table, Value};

/// The whole file.
pub(super) const FILE: &[(&str, Node)] = &[
    ("model", Value),
    ("cooldown_ms", Value),
    ("rate_window_ms", Value),
    ("state_dir", Value),
    ("history_days", Value),
    ("extra_ca_file", Value),
    (
        "server",
        Table(&[
            ("host", Value),
            ("port", Value),
            ("client_keys", Secret),
            ("cors_origins", Value),
            ("max_body_bytes", Value),
        ]),
    ),
    (
        "timeouts",
        Table(&[
            ("request_ms", Value),
            ("provider_connect_ms", Value),
            ("provider_tls_ms", Value),
            ("provider_head_ms", Value),
            ("stream_idle_ms", Value),
            ("total_ms", Value),
            ("header_ms", Value),
            ("body_ms", Value),
            ("write_ms", Value),
            ("drain_ms", Value),
        ]),
    ),
    ("log", Table(&[("level", Value)])),
    (
        "providers",
        Named(&Table(&[
            ("preset", Value),
            ("base_url", Value),
            ("endpoint", Value),
            ("key", Secret),
            ("models", Value),
            ("context", Value),
            ("plan", Value),
            ("limits", Table(LIMITS)),
        ])),
    ),
    ("models", Named(&Table(&[("routes", Items(&[("provider", Value), ("models", Value)]))]))),
    ("presets", Named(&Table(PRESET))),
];

/// Where a key is read.
pub(super) const SECRET: &[(&str, Node)] = &[("env", Value), ("file", Value)];

/// What a preset may say.
pub(super) const PRESET: &[(&str, Node)] = &[
    ("label", Value),
    ("base_url", Value),
    ("key_env", Value),
    ("catalogue", Value),
    ("models", Items(&[("name", Value), ("context", Value), ("max_output", Value), ("template", Value)])),
    ("completion_reserve", Value),
    ("returns_unused", Value),
    ("prompt_cache", Table(&[("block", Value), ("minutes", Value)])),
    ("days_begin_utc", Value),
    ("soft_limits", Value),
    ("headers", Value),
    ("rejects", Value),
    ("amends", Value),
    ("repairs", Value),
    ("renames", Items(&[("from", Value), ("to", Value)])),
    ("default_plan", Value),
    ("plans", Named(&Table(PLAN))),
    (
        "errors",
        Items(&[
            ("status", Value),
            ("code", Value),
            ("says", Value),
            ("kind", Value),
            ("dimension", Value),
            ("window", Value),
        ]),
    ),
];

macro_rules! limits {
    ($($more:expr),*) => {
        &[
            ("requests_per_second", Value),
            ("requests_per_minute", Value),
            ("requests_per_hour", Value),
            ("requests_per_day", Value),
            ("tokens_per_minute", Value),
            ("tokens_per_hour", Value),
            ("tokens_per_day", Value),
            ("uncached_tokens_per_minute", Value),
            ("concurrent_requests", Value),
            $($more),*
        ]
    };
}

/// An account's limits.
pub(super) const LIMITS: &[(&str, Node)] = limits!();

const PLAN: &[(&str, Node)] = limits!(("context", Value));

/// Variables and the keys they stand for.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("PROXY_MODEL_NAME", "model"),
    ("CEREBRAS_MODEL_NAME", "providers.cerebras.models"),
    ("CHUTES_MODEL_NAME", "providers.chutes.models"),
    ("CEREBRAS_ENDPOINT", "providers.cerebras.endpoint"),
    ("CHUTES_ENDPOINT", "providers.chutes.endpoint"),
    ("CEREBRAS_BASE_URL", "providers.cerebras.base_url"),
    ("CHUTES_BASE_URL", "providers.chutes.base_url"),
    ("CEREBRAS_REQUESTS_PER_MINUTE", "providers.cerebras.limits.requests_per_minute"),
    ("CEREBRAS_TOKENS_PER_MINUTE", "providers.cerebras.limits.tokens_per_minute"),
    ("CEREBRAS_TOKENS_PER_DAY", "providers.cerebras.limits.tokens_per_day"),
    ("COOLDOWN_PERIOD", "cooldown_ms"),
    ("RATE_WINDOW_MS", "rate_window_ms"),
    ("HOST", "server.host"),
    ("PORT", "server.port"),
    ("PROXY_API_KEYS", "server.client_keys"),
    ("CORS_ORIGINS", "server.cors_origins"),
    ("MAX_BODY_BYTES", "server.max_body_bytes"),
    ("REQUEST_TIMEOUT", "timeouts.request_ms"),
    ("PROVIDER_CONNECT_TIMEOUT", "timeouts.provider_connect_ms"),
    ("PROVIDER_TLS_TIMEOUT", "timeouts.provider_tls_ms"),
    ("PROVIDER_HEAD_TIMEOUT", "timeouts.provider_head_ms"),
    ("STREAM_IDLE_TIMEOUT", "timeouts.stream_idle_ms"),
    ("TOTAL_TIMEOUT", "timeouts.total_ms"),
    ("HEADER_TIMEOUT", "timeouts.header_ms"),
    ("BODY_TIMEOUT", "timeouts.body_ms"),
    ("WRITE_TIMEOUT", "timeouts.write_ms"),
    ("DRAIN_TIMEOUT", "timeouts.drain_ms"),
    ("LOG_LEVEL", "log.level"),
    ("STATE_DIR", "state_dir"),
    ("HISTORY_DAYS", "history_days"),
    ("EXTRA_CA_FILE", "extra_ca_file"),
];

/// Variables that stand for no key of the file: where that file is, and the keys of the providers that are there without one.
pub(super) const OTHER_VARIABLES: &[&str] = &["CONFIG_FILE", "CEREBRAS_API_KEY", "CHUTES_API_KEY"];

/// Every variable of this program.
pub(super) fn variables() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().map(|(variable, _)| *variable).chain(OTHER_VARIABLES.iter().copied())
}

/// Whether values of this variable must never be shown.
pub(super) fn is_secret(variable: &str) -> bool {
    variable.contains("API_KEY")
}

/// What people write for our keys.
const OTHERS_NAMES: &[(&str, &str)] = &[
    ("url", "base_url"),
    ("api_base", "base_url"),
    ("api_key", "key"),
    ("apikey", "key"),
    ("token", "key"),
    ("model", "models"),
    ("rpm", "requests_per_minute"),
    ("tpm", "tokens_per_minute"),
    ("rpd", "requests_per_day"),
    ("tpd", "tokens_per_day"),
    ("provider", "providers"),
    ("type", "preset"),
    ("route", "routes"),
    ("fallbacks", "routes"),
];

/// The one of `known` that `written` was probably meant to be.
pub(super) fn meant<'a>(written: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let plain = written.to_ascii_lowercase().replace('-', "_");
    let other = OTHERS_NAMES.iter().find(|(others, _)| *others == plain).map(|(_, ours)| *ours);
    if let Some(ours) = other.and_then(|ours| known.clone().find(|name| *name == ours)) {
        return Some(ours);
    }
    let distance = |name: &str| {
        let name = name.to_ascii_lowercase().replace('-', "_");
        // `request` was meant to be `request_ms`.
        let begun = plain.len() > 3 && name.starts_with(&plain);
        let distance = strsim::damerau_levenshtein(&plain, &name);
        (begun || distance <= if name.len() < 6 { 1 } else { 3 }).then_some(distance)
    };
    known.filter_map(|name| Some((distance(name)?, name))).min().map(|(_, name)| name)
}

/// Names shorter than this are too common to guess at.
const SHORTEST_GUESS: usize = 8;

/// The variable that `name` was probably meant to be. Strict, so that ordinary environments stay quiet:
/// the beginning must agree, and at most two letters (one in a short name) may differ.
pub(super) fn meant_variable(name: &str) -> Option<&'static str> {
    if name.len() < SHORTEST_GUESS || !name.is_ascii() || variables().any(|ours| ours == name) {
        return None;
    }
    let name = name.to_ascii_uppercase();
    variables()
        .filter(|ours| ours.len() >= SHORTEST_GUESS && ours.as_bytes()[..3] == name.as_bytes()[..3])
        .map(|ours| (strsim::levenshtein(&name, ours), ours))
        .filter(|(distance, ours)| *distance <= if ours.len() < 12 { 1 } else { 2 })
        .min()
        .map(|(_, ours)| ours)
}
