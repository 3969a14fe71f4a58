//! The variables as written, and getters that turn them into values and collect what is wrong.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use super::{
    Config, Problem, Problems,
    names::{self, BORROWED, NAMES},
    number::{self, Unit},
    problem::{looks_like_key, shown},
};

/// Longest duration that can be meant: a week, in milliseconds.
const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Durations below this, in milliseconds, were probably meant as seconds.
const SUSPICIOUS_MS: u64 = 100;

/// Trimmed, non-empty values by name, and what was found wrong on the way.
#[derive(Default)]
pub(super) struct Vars {
    values: BTreeMap<String, String>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Vars {
    /// Adds variables over those that are there. An empty value counts as unset and hides nothing.
    pub(super) fn add(&mut self, vars: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in vars {
            let value = value.trim();
            if !value.is_empty() {
                self.values.insert(name, value.to_owned());
            }
        }
    }

    /// Adds the process environment. What is not UTF-8 matters only in a variable that we use.
    pub(super) fn add_process_environment(&mut self) {
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            // Windows keeps whatever case was typed first.
            let name = if cfg!(windows) { name.to_ascii_uppercase() } else { name };
            match value.into_string() {
                Ok(value) => self.add([(name, value)]),
                Err(_) if NAMES.contains(&&*name) || name == "NODE_EXTRA_CA_CERTS" => {
                    self.problem_without_value(&name, "not UTF-8 text; write it in UTF-8");
                }
                Err(_) => {}
            }
        }
    }

    /// The value of a variable, if it is set.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        debug_assert!(NAMES.contains(&name) || BORROWED.contains(&name), "{name} is not listed");
        self.values.get(name).cloned()
    }

    /// The entries of a comma-separated list, in order, without empty ones and repetitions.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let mut entries = Vec::new();
        for entry in self.get(name).unwrap_or_default().split(',').map(str::trim) {
            if !entry.is_empty() && !entries.iter().any(|known| known == entry) {
                entries.push(entry.to_owned());
            }
        }
        entries
    }

    /// A whole number within `range`, if it is set; `example` is what a problem proposes.
    pub(super) fn number(
        &mut self,
        name: &str,
        unit: Unit,
        range: &RangeInclusive<u64>,
        example: u64,
    ) -> Option<u64> {
        match number::parse(&self.get(name)?, unit, range, example) {
            Ok(number) => Some(number),
            Err(message) => {
                self.problem(name, &message);
                None
            }
        }
    }

    /// A duration from 1 ms to 7 days, written in milliseconds.
    pub(super) fn millis(&mut self, name: &str, default: u64) -> Duration {
        let Some(millis) = self.number(name, Unit::Millis, &(1..=WEEK_MS), default) else {
            return Duration::from_millis(default);
        };
        if millis < SUSPICIOUS_MS {
            self.warn(format!(
                "{name}={millis}: only {millis} milliseconds; if seconds are meant, write {}",
                millis * 1000
            ));
        }
        Duration::from_millis(millis)
    }

    /// Notes that the value of `name` is wrong; shows it unless the variable holds keys.
    pub(super) fn problem(&mut self, name: &str, message: &str) {
        if names::is_secret(name) {
            self.problem_without_value(name, message);
        } else {
            self.problem_with(name, &self.get(name).unwrap_or_default(), message);
        }
    }

    /// Notes that a variable or a flag holds a wrong value. A key that strayed there is told as that.
    pub(super) fn problem_with(&mut self, name: &str, value: &str, message: &str) {
        if looks_like_key(value) {
            let message =
                "holds what looks like an API key; keys belong in CEREBRAS_API_KEY and CHUTES_API_KEY";
            return self.problem_without_value(name, message);
        }
        let (value, message) = (shown(value), message.to_owned());
        self.problems.push(Problem { variable: name.to_owned(), value, message });
    }

    /// Notes a problem whose value cannot, or must not, be shown.
    pub(super) fn problem_without_value(&mut self, name: &str, message: &str) {
        self.problems.push(Problem { variable: name.to_owned(), value: None, message: message.to_owned() });
    }

    /// Notes something that is worth a line in the log at start.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Warns of names that are nearly one of ours: they would be ignored in silence.
    pub(super) fn warn_of_misspelled_names(&mut self) {
        for name in self.values.keys() {
            if let Some(meant) = names::meant(name) {
                let warning = format!("{name} is not a variable of this program; did you mean {meant}?");
                self.warnings.push(warning);
            }
        }
    }

    /// Hands out the configuration, unless something was wrong.
    pub(super) fn finish(self, config: Config) -> Result<Config, Problems> {
        if self.problems.is_empty() {
            Ok(Config { warnings: self.warnings, ..config })
        } else {
            Err(Problems(self.problems))
        }
    }
}
