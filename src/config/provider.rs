//! Providers: keys, models, limits.

use std::fmt;

use http::Uri;
use secrecy::SecretString;

use super::{endpoint, env::Vars, key, number::Unit};

/// Highest limit that can be meant.
const HIGHEST_LIMIT: u64 = 1_000_000_000_000;

/// A vendor we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderName {
    /// Very fast, tightly rationed: preferred.
    Cerebras,
    /// Slower and roomier: the fallback.
    Chutes,
}

impl ProviderName {
    /// For machines: logs, metrics, headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cerebras => "cerebras",
            Self::Chutes => "chutes",
        }
    }

    /// For people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cerebras => "Cerebras",
            Self::Chutes => "Chutes",
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A vendor as configured, with a key.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Which vendor.
    pub name: ProviderName,
    /// The API key: visible ASCII without blanks, so it always fits a header.
    pub key: SecretString,
    /// The variable the key came from, for messages.
    pub key_variable: &'static str,
    /// Full URL of the chat completion endpoint: http or https, with a host, without user name.
    pub endpoint: Uri,
    /// The variable that sets the endpoint, for messages.
    pub endpoint_variable: &'static str,
    /// The variable that names the models, for messages.
    pub model_variable: &'static str,
    /// Upstream models in order of preference, never empty: the first one still served is used.
    pub models: Vec<String>,
    /// What to keep to: the limits that were set, and the defaults for the others.
    pub limits: Limits,
}

/// An account's limits; `None` where nothing is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute, at least 1.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute, at least 1.
    pub tokens_per_minute: Option<u64>,
    /// Tokens a day, at least 1.
    pub tokens_per_day: Option<u64>,
}

/// The names and defaults of one vendor's variables.
pub(super) struct Preset {
    pub(super) name: ProviderName,
    pub(super) key_variable: &'static str,
    pub(super) endpoint_variable: &'static str,
    pub(super) base_variable: &'static str,
    pub(super) endpoint: &'static str,
    pub(super) model_variable: &'static str,
    /// The original default first, then the vendor's successor for it.
    pub(super) models: [&'static str; 2],
}

const CEREBRAS: Preset = Preset {
    name: ProviderName::Cerebras,
    key_variable: "CEREBRAS_API_KEY",
    endpoint_variable: "CEREBRAS_ENDPOINT",
    base_variable: "CEREBRAS_BASE_URL",
    endpoint: "https://api.cerebras.ai/v1/chat/completions",
    model_variable: "CEREBRAS_MODEL_NAME",
    models: ["qwen-3-coder-480b", "qwen-3.8-27b"],
};

const CHUTES: Preset = Preset {
    name: ProviderName::Chutes,
    key_variable: "CHUTES_API_KEY",
    endpoint_variable: "CHUTES_ENDPOINT",
    base_variable: "CHUTES_BASE_URL",
    endpoint: "https://llm.chutes.ai/v1/chat/completions",
    model_variable: "CHUTES_MODEL_NAME",
    models: ["Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8", "Qwen/Qwen3.8-27B-TEE"],
};

/// The providers that have a key, in order of preference. All variables are checked, with or without a key.
pub(super) fn providers(vars: &mut Vars) -> Vec<Provider> {
    // 80 % of what the vendor's plan allowed when these defaults were chosen: 15 requests and 165,000 tokens
    // a minute, 24,000,000 tokens a day.
    let limits = Limits {
        requests_per_minute: limit(vars, "CEREBRAS_REQUESTS_PER_MINUTE", 12),
        tokens_per_minute: limit(vars, "CEREBRAS_TOKENS_PER_MINUTE", 132_000),
        tokens_per_day: limit(vars, "CEREBRAS_TOKENS_PER_DAY", 19_200_000),
    };
    let cerebras = provider(vars, &CEREBRAS, limits);
    let chutes = provider(vars, &CHUTES, Limits::default());
    let alone = match (&cerebras, &chutes) {
        (Some(_), None) => Some((CHUTES.key_variable, CEREBRAS.name)),
        (None, Some(_)) => Some((CEREBRAS.key_variable, CHUTES.name)),
        _ => None,
    };
    if let Some((missing, name)) = alone {
        let name = name.label();
        vars.warn(format!("{missing} is not set: running on {name} alone, with nothing to fall back to"));
    }
    cerebras.into_iter().chain(chutes).collect()
}

fn provider(vars: &mut Vars, preset: &Preset, limits: Limits) -> Option<Provider> {
    let (endpoint, endpoint_variable) = endpoint::resolve(vars, preset);
    let models = models(vars, preset);
    let key = vars.get(preset.key_variable)?;
    key::check_own(vars, preset.key_variable, &key);
    let key = SecretString::from(key);
    let Preset { name, key_variable, model_variable, .. } = *preset;
    Some(Provider { name, key, key_variable, endpoint, endpoint_variable, model_variable, models, limits })
}

fn limit(vars: &mut Vars, name: &str, default: u64) -> Option<u64> {
    vars.number(name, Unit::Count, &(1..=HIGHEST_LIMIT), default).or(Some(default))
}

/// The model that clients ask for.
pub(super) fn proxy_model(vars: &mut Vars) -> String {
    let model = vars.get("PROXY_MODEL_NAME").unwrap_or_else(|| "qwen-3-coder".to_owned());
    check_model(vars, "PROXY_MODEL_NAME", &model);
    model
}

fn models(vars: &mut Vars, preset: &Preset) -> Vec<String> {
    let models = vars.list(preset.model_variable);
    for model in &models {
        if !check_model(vars, preset.model_variable, model) {
            break;
        }
    }
    if models.is_empty() {
        if vars.get(preset.model_variable).is_some() {
            let message = format!("names no model; write {}, or leave it empty", preset.models.join(","));
            vars.problem(preset.model_variable, &message);
        }
        return preset.models.map(str::to_owned).to_vec();
    }
    models
}

/// Whether a name can stand in a request; notes a problem if not.
fn check_model(vars: &mut Vars, variable: &str, model: &str) -> bool {
    let problem = if model.chars().any(char::is_control) {
        "holds a control character; write the model's name on one line"
    } else if key::is_quoted(model) {
        "in quotes; write the model's name without them"
    } else {
        return true;
    };
    vars.problem(variable, problem);
    false
}
