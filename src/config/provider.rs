//! Providers: a preset, keys, an address, models, limits.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use http::Uri;
use secrecy::SecretString;

use super::{
    Limits, Plan, Preset, UpstreamModel, endpoint, key, preset, schema,
    written::{Place, Written},
};
use crate::failure::Kind;

/// The providers that are there when no file names any, in order of preference.
pub(super) const IMPLICIT: [&str; 2] = ["cerebras", "chutes"];
/// What stands behind a provider whose preset is not named and whose own name is none.
const PLAIN: &str = "openai-compatible";

/// A vendor as configured.
#[derive(Debug, Clone)]
pub struct Provider {
    /// For machines: in the file, logs, metrics, headers.
    pub name: String,
    /// For people.
    pub label: String,
    /// What is known of the vendor.
    pub preset: Arc<Preset>,
    /// Each is an account of its own. Empty where the vendor asks for none.
    pub keys: Vec<Key>,
    /// Full URL of the chat completion endpoint: http or https, with a host, without user name.
    pub endpoint: Uri,
    /// Where it lists its models.
    pub catalogue: Uri,
    /// Upstream models in order of preference, never empty: the first one still served is used.
    pub models: Vec<UpstreamModel>,
    /// The plan, where one is known.
    pub plan: Option<String>,
    /// What to keep to: what was set, and the plan's for the others.
    pub limits: Limits,
    /// Those of them that were set: nothing that the provider says lifts them.
    pub ceilings: Limits,
    /// What to correct when the provider refuses, for messages.
    pub settings: Settings,
    pub(super) contexts: Contexts,
}

/// What bounds the context of a provider's models beyond the models themselves, in tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Contexts {
    /// What the user says; it wins.
    pub(super) user: Option<u64>,
    /// What the plan allows.
    plan: Option<u64>,
}

impl Contexts {
    pub(super) fn apply(self, models: &mut [UpstreamModel]) {
        for model in models {
            let smaller = [model.context, self.plan].into_iter().flatten().min();
            model.context = self.user.or(smaller);
        }
    }
}

/// A key and where it came from.
#[derive(Debug, Clone)]
pub struct Key {
    /// Visible ASCII without blanks, so it always fits a header.
    pub secret: SecretString,
    /// What holds it.
    pub source: KeySource,
}

/// What holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The variable of this name.
    Variable(String),
    /// The file at this path.
    File(String),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Variable(name) | Self::File(name)) = self;
        f.write_str(name)
    }
}

/// The settings that a person must look at when a provider refuses: variables, or keys of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its key.
    pub key: String,
    /// Its address.
    pub endpoint: String,
    /// Its models.
    pub models: String,
}

impl Settings {
    /// What to correct after a failure of this kind, if a setting is to blame.
    #[must_use]
    pub fn to_correct(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Unauthorized => Some(&self.key),
            Kind::NotFound => Some(&self.endpoint),
            Kind::ModelGone => Some(&self.models),
            _ => None,
        }
    }
}

/// All providers that can be asked, in order of preference. Everything is checked, with or without a key.
pub(super) fn providers(written: &mut Written) -> Vec<Provider> {
    let own = written.children("providers");
    let implicit = own.is_empty();
    let names: Vec<String> = if implicit {
        IMPLICIT.map(str::to_owned).to_vec()
    } else {
        warn_of_idle_variables(written, &own);
        own.into_iter().map(|(name, _)| name).collect()
    };
    let mut shelf = Shelf::new();
    let providers: Vec<Provider> =
        names.iter().filter_map(|name| provider(written, &mut shelf, name, implicit)).collect();
    // Those that nobody uses yet are checked as well.
    for (name, _) in written.children("presets") {
        find_preset(written, &mut shelf, &name);
    }
    if let ([only], true) = (&providers[..], implicit) {
        for missing in IMPLICIT.iter().filter(|name| **name != only.name) {
            let variable = format!("{}_API_KEY", missing.to_uppercase());
            let label = &only.label;
            written.warn(format!(
                "{variable} is not set: running on {label} alone, with nothing to fall back to"
            ));
        }
    }
    providers
}

fn provider(written: &mut Written, shelf: &mut Shelf, name: &str, implicit: bool) -> Option<Provider> {
    let preset = provider_preset(written, shelf, name)?;
    let at = |setting: &str| format!("providers.{name}.{setting}");
    let endpoint = endpoint::resolve(written, name, &preset);
    let (limits, plan) = limits(written, name, &preset);
    let (plan, plan_context) = plan.map(|plan| (plan.name, plan.context)).unzip();
    let contexts = Contexts { user: preset::tokens(written, &at("context")), plan: plan_context.flatten() };
    let models = models(written, name, &preset, contexts);
    let keys = keys(written, name, &preset, implicit);
    let settings = Settings {
        key: match (&keys.as_deref(), &preset.key_env) {
            (Some([first, ..]), _) => first.source.to_string(),
            (_, Some(variable)) => variable.clone(),
            _ => pointer(written, &at("key"), implicit),
        },
        endpoint: match written.setting(&at("endpoint")) {
            None if written.setting(&at("base_url")).is_some() => pointer(written, &at("base_url"), implicit),
            _ => pointer(written, &at("endpoint"), implicit),
        },
        models: pointer(written, &at("models"), implicit),
    };
    let endpoint = endpoint?;
    let catalogue = match &preset.catalogue {
        Some(catalogue) if endpoint::usual(&preset).as_ref() == Some(&endpoint) => catalogue.clone(),
        _ => endpoint::catalogue(&endpoint),
    };
    let label = if name == preset.name { preset.label.clone() } else { name.to_owned() };
    Some(Provider {
        name: name.to_owned(),
        label,
        preset,
        keys: keys?,
        endpoint,
        catalogue,
        models: models?,
        plan,
        limits,
        ceilings: limits.only_written(written, &at("limits")),
        settings,
        contexts,
    })
}

/// What a person calls a setting, whether it is set or not.
fn pointer(written: &Written, key: &str, implicit: bool) -> String {
    match (written.setting(key).map(|setting| &setting.place), written.file_name()) {
        (Some(Place::Variable(name)), _) => name.clone(),
        (_, Some(file)) if !implicit => format!("{key} in {file}"),
        _ => {
            let variable = schema::VARIABLES.iter().find(|(_, known)| *known == key);
            variable.map_or_else(|| key.to_owned(), |(variable, _)| (*variable).to_owned())
        }
    }
}

/// Presets that have been read, by name.
type Shelf = BTreeMap<String, Arc<Preset>>;

fn find_preset(written: &mut Written, shelf: &mut Shelf, name: &str) -> Option<Arc<Preset>> {
    if let Some(preset) = shelf.get(name) {
        return Some(Arc::clone(preset));
    }
    let preset = Arc::new(preset::preset(written, name)?);
    shelf.insert(name.to_owned(), Arc::clone(&preset));
    Some(preset)
}

/// The provider's preset: the one it names, or the one of its own name, or what holds for all.
fn provider_preset(written: &mut Written, shelf: &mut Shelf, name: &str) -> Option<Arc<Preset>> {
    let key = format!("providers.{name}.preset");
    let known = preset::names(written);
    let chosen = match written.get(&key) {
        Some(chosen) => chosen,
        None if known.iter().any(|known| known == name) => name.to_owned(),
        None => PLAIN.to_owned(),
    };
    let found = find_preset(written, shelf, &chosen);
    if found.is_none() {
        let message = preset::unknown(&chosen, known.iter().map(String::as_str));
        written.problem(&key, &message);
    }
    found
}

/// The limits, and the plan they come from where it is known.
fn limits(written: &mut Written, name: &str, preset: &Preset) -> (Limits, Option<Plan>) {
    let key = format!("providers.{name}.plan");
    let chosen = written.get(&key).or_else(|| preset.default_plan.clone());
    let plan = chosen.as_ref().and_then(|chosen| preset.plans.iter().find(|plan| plan.name == *chosen));
    if let (Some(chosen), None) = (written.get(&key), plan) {
        let message = if preset.plans.is_empty() {
            format!("no plan of {} is known; write its limits below [providers.{name}.limits]", preset.label)
        } else {
            preset::unknown(&chosen, preset.plans.iter().map(|plan| plan.name.as_str()))
        };
        written.problem(&key, &message);
    }
    let base = plan.map_or_else(Limits::default, |plan| plan.limits);
    (base.overridden(written, &format!("providers.{name}.limits")), plan.cloned())
}

/// `None` if there is none to ask: in silence where nobody asked for this provider.
fn keys(written: &mut Written, name: &str, preset: &Preset, implicit: bool) -> Option<Vec<Key>> {
    let setting = format!("providers.{name}.key");
    let count = written.items(&setting);
    if count > 0 {
        let keys: Vec<Key> = (0..count)
            .filter_map(|index| key::read(written, &setting, &format!("{setting}.{index}")))
            .collect();
        return (!keys.is_empty()).then_some(keys);
    }
    if written.setting(&setting).is_some() {
        return None; // the key itself stands there, which has been told
    }
    let Some(variable) = &preset.key_env else { return Some(Vec::new()) };
    match written.variable(variable) {
        Some(value) => {
            key::check_own(written, variable, &value);
            Some(vec![Key {
                secret: SecretString::from(value),
                source: KeySource::Variable(variable.clone()),
            }])
        }
        None if implicit => None,
        None => {
            let table = format!("providers.{name}");
            let message =
                format!("{variable} is not set; set it, or write key = {{ env = \"VARIABLE\" }} here");
            written.problem_in_table(&table, &message);
            None
        }
    }
}

fn models(
    written: &mut Written,
    name: &str,
    preset: &Preset,
    contexts: Contexts,
) -> Option<Vec<UpstreamModel>> {
    let setting = format!("providers.{name}.models");
    let mut models = named_models(written, &setting, preset);
    if models.is_empty() {
        let examples: Vec<&str> = preset.models.iter().map(|model| model.name.as_str()).collect();
        if written.get(&setting).is_some() {
            let message = format!("names no model; write {}, or leave it empty", examples.join(","));
            written.problem(&setting, &message);
        } else if examples.is_empty() {
            let message = "no model is known there; write models = [\"its name there\"]";
            written.problem_in_table(&format!("providers.{name}"), message);
            return None;
        }
        models.clone_from(&preset.models);
    }
    contexts.apply(&mut models);
    Some(models)
}

/// The models written at a key, with what the preset knows of them.
pub(super) fn named_models(written: &mut Written, key: &str, preset: &Preset) -> Vec<UpstreamModel> {
    let names = written.list(key);
    for name in &names {
        if !check_model(written, key, name) {
            break;
        }
    }
    let known = |name: &String| preset.models.iter().find(|model| model.name == *name).cloned();
    let unknown = |name| UpstreamModel { name, context: None, max_output: None, template: None };
    let model = |name: String| known(&name).unwrap_or_else(|| unknown(name));
    names.into_iter().map(model).collect()
}

/// Whether a name can stand in a request; notes a problem if not.
pub(super) fn check_model(written: &mut Written, key: &str, model: &str) -> bool {
    let problem = if model.chars().any(char::is_control) {
        "holds a control character; write the model's name on one line"
    } else if key::is_quoted(model) {
        "in quotes; write the model's name without them"
    } else {
        return true;
    };
    written.problem(key, problem);
    false
}

/// Variables that speak of a provider which the file does not have.
fn warn_of_idle_variables(written: &mut Written, named: &[(String, String)]) {
    let file = written.file_name().map(|file| Path::new(file).display().to_string()).unwrap_or_default();
    for (variable, key) in schema::VARIABLES {
        let provider = key.strip_prefix("providers.").and_then(|rest| rest.split('.').next());
        let idle = provider.is_some_and(|provider| !named.iter().any(|(name, _)| name == provider));
        if idle && written.variable(variable).is_some() {
            let provider = provider.unwrap_or_default();
            written
                .warn(format!("{variable} has no effect: {file} names its own providers, and no {provider}"));
        }
    }
}
