//! What is known of a vendor, as data: this program's own files in `presets/`, and the user's `[presets.NAME]` over them.

use http::Uri;
use quota::{Dimension, Window};
use tokens::Template;
use wire::{Amendment, Dialect, FieldEdit, Repair, Repairs};

use super::{Limits, endpoint, file, number::Unit, schema, written::Written};
use crate::failure::{Kind, Rule};

/// What is known of a vendor.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// As it is written in `preset = "…"`.
    pub name: String,
    /// For people.
    pub label: String,
    /// Where its API begins; `None`: wherever the user runs it.
    pub base_url: Option<String>,
    /// The variable that usually holds the key; `None`: it asks for none.
    pub key_env: Option<String>,
    /// Where it lists its models; `None`: at `/models` below the base.
    pub catalogue: Option<Uri>,
    /// Its models for the work at hand, in order of preference.
    pub models: Vec<UpstreamModel>,
    /// Tokens it sets aside for an answer at the most, and where the client names no maximum. `None`: what the
    /// client names.
    pub completion_reserve: Option<u64>,
    /// Whether what was set aside and not used comes back at the end.
    pub returns_unused: bool,
    /// How it keeps prompts that it has read; `None`: not at all, or nobody knows.
    pub prompt_cache: Option<PromptCache>,
    /// Whether what a day allows comes back at midnight UTC, and not all the time.
    pub days_begin_utc: bool,
    /// Whether limits only say when others are to be preferred, but for those that the operator set.
    pub soft_limits: bool,
    /// How its rate-limit headers are spelled.
    pub headers: Dialect,
    /// What becomes of fields that it refuses, and what of a request is made whole for it.
    pub rules: Vec<wire::Rule>,
    /// Which known damage to answers it does, as far as that is to be repaired.
    pub repairs: Repairs,
    /// The plan of an account that names none.
    pub default_plan: Option<String>,
    /// What its plans allow.
    pub plans: Vec<Plan>,
    /// What its errors mean, where the general rules would get it wrong.
    pub errors: Vec<Rule>,
}

impl Preset {
    /// This program's own preset of this name, if there is one.
    #[must_use]
    pub fn builtin(name: &str) -> Option<Self> {
        preset(&mut Written::default(), name)
    }

    /// The names of this program's own presets.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }
}

/// A cache of prompts by what they begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptCache {
    /// Only whole blocks of so many tokens are found again.
    pub block: u64,
    /// So many minutes at the least.
    pub minutes: u32,
}

/// A model as a provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamModel {
    /// Its name there.
    pub name: String,
    /// Prompt and answer together, in tokens, if known.
    pub context: Option<u64>,
    /// The longest answer, in tokens, if known.
    pub max_output: Option<u64>,
    /// What makes a prompt of a request, if known: then its tokens can be counted before it is sent.
    pub template: Option<Template>,
}

/// What one plan allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// As it is written in `plan = "…"`.
    pub name: String,
    /// What it allows.
    pub limits: Limits,
    /// The longest context on this plan, in tokens, whatever the model.
    pub context: Option<u64>,
}

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        /// The presets of this program: name and text.
        pub(super) const BUILTIN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../presets/", $name, ".toml")))),*];
    };
}

builtin![
    "cerebras",
    "chutes",
    "openrouter",
    "groq",
    "together",
    "deepinfra",
    "novita",
    "alibaba",
    "huggingface",
    "vllm",
    "sglang",
    "llama-cpp",
    "ollama",
    "lm-studio",
    "openai-compatible",
];

/// The names of all presets, the user's first.
pub(super) fn names(written: &Written) -> Vec<String> {
    let mut names: Vec<String> = written.children("presets").into_iter().map(|(name, _)| name).collect();
    names.extend(BUILTIN.iter().map(|(name, _)| (*name).to_owned()));
    names
}

/// The preset of this name, if there is one.
pub(super) fn preset(written: &mut Written, name: &str) -> Option<Preset> {
    let builtin = BUILTIN.iter().find(|(known, _)| *known == name);
    let users = written.children("presets").into_iter().any(|(known, _)| known == name);
    if let Some((_, text)) = builtin {
        file::parse_preset(name, text, written);
    }
    (builtin.is_some() || users).then(|| read(written, name))
}

fn read(written: &mut Written, name: &str) -> Preset {
    let at = |field: &str| format!("presets.{name}.{field}");
    let text = |written: &Written, field: &str| written.get(&at(field));
    let base_url = text(written, "base_url");
    if let Some(base) = &base_url
        && let Err(message) =
            endpoint::parse(base, "https://host/v1").and_then(|uri| endpoint::completed_base(&uri))
    {
        written.problem(&at("base_url"), &message);
    }
    let catalogue = text(written, "catalogue").and_then(|url| {
        let checked = endpoint::parse(&url, "https://host/v1/models");
        checked.map_err(|message| written.problem(&at("catalogue"), &message)).ok()
    });
    let plans: Vec<Plan> = written
        .children(&at("plans"))
        .into_iter()
        .map(|(name, key)| Plan {
            name,
            limits: Limits::default().overridden(written, &key),
            context: tokens(written, &format!("{key}.context")),
        })
        .collect();
    let default_plan = text(written, "default_plan");
    if let Some(default) = &default_plan
        && !plans.iter().any(|plan| plan.name == *default)
    {
        written.problem(&at("default_plan"), "not one of the plans below");
    }
    Preset {
        name: name.to_owned(),
        label: text(written, "label").unwrap_or_else(|| name.to_owned()),
        base_url,
        key_env: text(written, "key_env"),
        catalogue,
        models: models(written, &at("models")),
        completion_reserve: tokens(written, &at("completion_reserve")),
        returns_unused: flag(written, &at("returns_unused"), true),
        prompt_cache: prompt_cache(written, &at("prompt_cache")),
        days_begin_utc: flag(written, &at("days_begin_utc"), false),
        soft_limits: flag(written, &at("soft_limits"), false),
        headers: dialect(written, &at("headers")),
        rules: request_rules(written, name),
        repairs: repairs(written, &at("repairs")),
        default_plan,
        plans,
        errors: rules(written, &at("errors")),
    }
}

/// A number of tokens.
pub(super) fn tokens(written: &mut Written, key: &str) -> Option<u64> {
    written.number(key, Unit::Count, &(1..=1_000_000_000), 131_072)
}

fn flag(written: &mut Written, key: &str, default: bool) -> bool {
    match written.get(key).as_deref() {
        None => default,
        Some("true") => true,
        Some("false") => false,
        Some(_) => {
            written.problem(key, "neither true nor false");
            default
        }
    }
}

fn prompt_cache(written: &mut Written, key: &str) -> Option<PromptCache> {
    let (block, minutes) = (format!("{key}.block"), format!("{key}.minutes"));
    for (one, other) in [(&block, &minutes), (&minutes, &block)] {
        if written.get(one).is_some() && written.get(other).is_none() {
            written.problem_without_value(one, &format!("of no use without {other}"));
        }
    }
    let block = tokens(written, &block);
    let minutes = written.number(&minutes, Unit::Count, &(1..=1_440), 5);
    Some(PromptCache { block: block?, minutes: u32::try_from(minutes?).ok()? })
}

fn models(written: &mut Written, key: &str) -> Vec<UpstreamModel> {
    let model = |written: &mut Written, index| {
        let item = format!("{key}.{index}");
        let name = written.get(&item).or_else(|| written.get(&format!("{item}.name")));
        let Some(name) = name else {
            written.problem_without_value(key, "a model without a name; write { name = \"…\" }");
            return None;
        };
        let context = tokens(written, &format!("{item}.context"));
        let max_output = tokens(written, &format!("{item}.max_output"));
        let template = choice(written, &format!("{item}.template"), Template::NAMED);
        Some(UpstreamModel { name, context, max_output, template })
    };
    (0..written.items(key)).filter_map(|index| model(written, index)).collect()
}

fn dialect(written: &mut Written, key: &str) -> Dialect {
    let Some(name) = written.get(key) else { return Dialect::None };
    one_of(written, key, &name, Dialect::ALL).unwrap_or(Dialect::None)
}

fn request_rules(written: &mut Written, name: &str) -> Vec<wire::Rule> {
    let at = |list: &str| format!("presets.{name}.{list}");
    let (rejects, renames, amendments) = (at("rejects"), at("renames"), at("amends"));
    let mut rules: Vec<wire::Rule> = Vec::new();
    for path in written.list(&rejects) {
        match FieldEdit::remove(&path) {
            Some(edit) => rules.push(wire::Rule::Field(edit)),
            None => written.problem_with(&rejects, &path, PATH),
        }
    }
    for index in 0..written.items(&renames) {
        let part = |part: &str| written.get(&format!("{renames}.{index}.{part}"));
        match (part("from"), part("to")) {
            (Some(from), Some(to)) => match FieldEdit::rename(&from, &to) {
                Some(edit) => rules.push(wire::Rule::Field(edit)),
                None => written.problem_with(&format!("{renames}.{index}.from"), &from, PATH),
            },
            _ => written.problem_without_value(&renames, "write { from = \"path\", to = \"name\" }"),
        }
    }
    for amendment in written.list(&amendments) {
        rules.extend(one_of(written, &amendments, &amendment, Amendment::NAMED).map(wire::Rule::Amendment));
    }
    rules
}

fn repairs(written: &mut Written, key: &str) -> Repairs {
    let names = written.list(key);
    names.iter().filter_map(|name| one_of(written, key, name, Repair::NAMED)).collect()
}

const PATH: &str = "not a field's path; write a name such as top_k, or messages.*.reasoning_content";

fn rules(written: &mut Written, key: &str) -> Vec<Rule> {
    let rule = |written: &mut Written, index| {
        let at = |field: &str| format!("{key}.{index}.{field}");
        let status = written.number(&at("status"), Unit::Count, &(100..=599), 429);
        let dimension = choice(written, &at("dimension"), DIMENSIONS);
        let window = choice(written, &at("window"), WINDOWS);
        let Some(kind) = choice(written, &at("kind"), &Kind::NAMED) else {
            if written.get(&at("kind")).is_none() {
                written.problem_without_value(key, "a rule without a kind");
            }
            return None;
        };
        let kind = match kind {
            Kind::RateLimited(..) => Kind::RateLimited(dimension, window),
            kind => kind,
        };
        Some(Rule {
            status: status.and_then(|status| u16::try_from(status).ok()),
            code: written.get(&at("code")),
            says: written.get(&at("says")).map(|text| text.to_lowercase()),
            kind,
        })
    };
    (0..written.items(key)).filter_map(|index| rule(written, index)).collect()
}

const DIMENSIONS: &[(&str, Dimension)] = &[
    ("requests", Dimension::Requests),
    ("tokens", Dimension::Tokens),
    ("uncached_tokens", Dimension::UncachedTokens),
];
const WINDOWS: &[(&str, Window)] =
    &[("second", Window::Second), ("minute", Window::Minute), ("hour", Window::Hour), ("day", Window::Day)];

fn choice<T: Copy>(written: &mut Written, key: &str, known: &[(&str, T)]) -> Option<T> {
    let name = written.get(key)?;
    one_of(written, key, &name, known)
}

fn one_of<T: Copy>(written: &mut Written, key: &str, name: &str, known: &[(&str, T)]) -> Option<T> {
    let found = known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    if found.is_none() {
        written.problem(key, &unknown(name, known.iter().map(|(name, _)| *name)));
    }
    found
}

/// What is said of a name that is none of those that are known.
pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match schema::meant(name, known.clone()) {
        Some(meant) => format!("not known; did you mean {meant}?"),
        None => format!("not known; write one of {}", known.collect::<Vec<_>>().join(", ")),
    }
}
