//! The settings as written, each with the place where it stands, and getters that turn them into values and
//! collect what is wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Range, RangeInclusive},
    path::PathBuf,
    time::Duration,
};

use super::{
    Config, Problem, Problems,
    number::{self, Unit},
    problem::{Line, looks_like_key, shown},
    schema,
};

/// Longest duration that can be meant: a week, in milliseconds.
const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Durations below this, in milliseconds, were probably meant as seconds.
const SUSPICIOUS_MS: u64 = 100;

/// Variables of others that we read as well, when ours say nothing.
const BORROWED: [&str; 4] = ["NODE_EXTRA_CA_CERTS", "XDG_STATE_HOME", "HOME", "LOCALAPPDATA"];

/// Settings by their key (`server.port`), and what was found wrong on the way.
#[derive(Default)]
pub(super) struct Written {
    values: BTreeMap<String, Setting>,
    /// Tables of the file in their order: `providers.local`.
    tables: Vec<(String, Place)>,
    /// The environment over `.env`: trimmed, non-empty values by name.
    environment: BTreeMap<String, String>,
    /// Names of the environment whose values are not UTF-8.
    not_utf8: BTreeSet<String>,
    /// The configuration file's name and text.
    file: Option<(String, String)>,
    /// Files beside it that keys were read from.
    key_files: Vec<PathBuf>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

/// One setting.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Its text, or the texts of its list.
    pub(super) texts: Vec<String>,
    /// Where it stands.
    pub(super) place: Place,
}

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In this variable.
    Variable(String),
    /// Here in the file.
    File(Range<usize>),
    /// In a preset of this program.
    Preset,
}

impl Written {
    /// Adds variables over those that are there. An empty value counts as unset and hides nothing.
    pub(super) fn add_variables(&mut self, vars: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in vars {
            let value = value.trim();
            if !value.is_empty() {
                self.environment.insert(name, value.to_owned());
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
                Ok(value) => self.add_variables([(name, value)]),
                Err(_) if schema::variables().any(|ours| ours == name) || name == BORROWED[0] => {
                    self.problem_without_value(&name, "not UTF-8 text; write it in UTF-8");
                }
                Err(_) => {
                    self.not_utf8.insert(name);
                }
            }
        }
    }

    /// The file that problems and warnings may speak of.
    pub(super) fn set_file(&mut self, name: &str, text: String) {
        self.file = Some((name.to_owned(), text));
    }

    pub(super) fn file_name(&self) -> Option<&str> {
        self.file.as_ref().map(|(name, _)| name.as_str())
    }

    /// Adds a setting over one that is there; a list over all of its entries.
    pub(super) fn set(&mut self, key: &str, texts: Vec<String>, place: Place) {
        self.clear(key);
        self.values.insert(key.to_owned(), Setting { texts, place });
    }

    /// Forgets a setting and all entries below it.
    pub(super) fn clear(&mut self, key: &str) {
        let below = format!("{key}.");
        self.values.retain(|known, _| known != key && !known.starts_with(&below));
    }

    pub(super) fn add_table(&mut self, key: String, place: Place) {
        if !self.tables.iter().any(|(known, _)| *known == key) {
            self.tables.push((key, place));
        }
    }

    /// Lets the variables speak where the file does, and instead of it.
    pub(super) fn apply_variables(&mut self) {
        for (variable, key) in schema::VARIABLES {
            if let Some(value) = self.environment.get(*variable) {
                let setting =
                    Setting { texts: vec![value.clone()], place: Place::Variable((*variable).to_owned()) };
                self.clear(key);
                self.values.insert((*key).to_owned(), setting);
            }
        }
    }

    /// The value of a variable, if it is set.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    /// Whether a variable is set to something that is no text.
    pub(super) fn is_not_utf8(&self, name: &str) -> bool {
        self.not_utf8.contains(name)
    }

    /// Whether there is a value at a key, or a list of items.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key) || self.items(key) > 0
    }

    /// The setting at a key.
    pub(super) fn setting(&self, key: &str) -> Option<&Setting> {
        self.values.get(key)
    }

    /// The text at a key; a list counts as its entries with commas between them.
    pub(super) fn get(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|setting| setting.texts.join(","))
    }

    /// The entries of a list, in order, without empty ones and repetitions. In one text they stand between commas.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let mut entries = Vec::new();
        let Some(setting) = self.values.get(key) else { return entries };
        for entry in setting.texts.iter().flat_map(|text| text.split(',')).map(str::trim) {
            if !entry.is_empty() && !entries.iter().any(|known| known == entry) {
                entries.push(entry.to_owned());
            }
        }
        entries
    }

    /// The names of the tables directly below a key, in the order of the file, each with its own key.
    pub(super) fn children(&self, key: &str) -> Vec<(String, String)> {
        let child = |table: &str| {
            let name = table.strip_prefix(key)?.strip_prefix('.')?;
            let bare = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
            match bare {
                Some(quoted) if !quoted.contains('"') => Some(quoted.to_owned()),
                None if !name.contains('.') => Some(name.to_owned()),
                _ => None,
            }
        };
        self.tables.iter().filter_map(|(table, _)| Some((child(table)?, table.clone()))).collect()
    }

    /// How many entries the list of items at a key has.
    pub(super) fn items(&self, key: &str) -> usize {
        let prefix = format!("{key}.");
        let number = |known: &String| known.strip_prefix(&prefix)?.split('.').next()?.parse::<usize>().ok();
        self.values.keys().filter_map(number).max().map_or(0, |last| last + 1)
    }

    /// A whole number within `range`, if it is set; `example` is what a problem proposes.
    pub(super) fn number(
        &mut self,
        key: &str,
        unit: Unit,
        range: &RangeInclusive<u64>,
        example: u64,
    ) -> Option<u64> {
        match number::parse(&self.get(key)?, unit, range, example) {
            Ok(number) => Some(number),
            Err(message) => {
                self.problem(key, &message);
                None
            }
        }
    }

    /// A duration from 1 ms to 7 days, written in milliseconds.
    pub(super) fn millis(&mut self, key: &str, default: u64) -> Duration {
        let Some(millis) = self.number(key, Unit::Millis, &(1..=WEEK_MS), default) else {
            return Duration::from_millis(default);
        };
        if millis < SUSPICIOUS_MS {
            let name = self.subject(key);
            self.warn(format!(
                "{name}={millis}: only {millis} milliseconds; if seconds are meant, write {}",
                millis * 1000
            ));
        }
        Duration::from_millis(millis)
    }

    /// The same, where 0 means never, and so does nothing.
    pub(super) fn millis_or_off(&mut self, key: &str) -> Option<Duration> {
        let is_off = self.get(key).is_none_or(|text| text == "0");
        (!is_off).then(|| self.millis(key, WEEK_MS))
    }

    /// Warns of a duration that is written here and can't matter, since the one at `bound` is over before it.
    pub(super) fn warn_of_longer(&mut self, key: &str, bound: &str, limit: Duration) {
        let written = self.get(key).and_then(|text| text.parse::<u64>().ok());
        if let Some(millis) = written.filter(|millis| u128::from(*millis) > limit.as_millis()) {
            let (name, bound) = (self.subject(key), self.subject(bound));
            let limit = limit.as_millis();
            self.warn(format!(
                "{name}={millis}: has no effect, since {bound} is over after {limit} milliseconds"
            ));
        }
    }

    /// What a person calls the setting at a key: the variable that holds it, or the key itself.
    pub(super) fn subject(&self, key: &str) -> String {
        match self.values.get(key).map(|setting| &setting.place) {
            Some(Place::Variable(name)) => name.clone(),
            _ => key.to_owned(),
        }
    }

    /// Notes that the value at a key is wrong; shows it unless it is, or may be, a key.
    pub(super) fn problem(&mut self, key: &str, message: &str) {
        self.problem_with(key, &self.get(key).unwrap_or_default(), message);
    }

    /// Notes what is wrong with one entry of the value at a key, or with a flag.
    pub(super) fn problem_with(&mut self, key: &str, value: &str, message: &str) {
        let place = self.values.get(key).map(|setting| setting.place.clone());
        self.problem_at(place.as_ref(), key, Some(value), message);
    }

    /// Notes a problem at a place in the file: with an unknown key, a wrong kind of value, or a whole table.
    pub(super) fn problem_at(
        &mut self,
        place: Option<&Place>,
        key: &str,
        value: Option<&str>,
        message: &str,
    ) {
        let subject = match place {
            Some(Place::Variable(name)) => name.clone(),
            _ => key.to_owned(),
        };
        if value.is_some_and(looks_like_key) {
            let message =
                "holds what looks like an API key; keys belong in CEREBRAS_API_KEY and CHUTES_API_KEY";
            return self.push(place, subject, None, message);
        }
        let value = value.filter(|_| !schema::is_secret(&subject)).and_then(shown);
        self.push(place, subject, value, message);
    }

    /// Notes a problem whose value cannot, or must not, be shown.
    pub(super) fn problem_without_value(&mut self, subject: &str, message: &str) {
        let place = self.values.get(subject).map(|setting| setting.place.clone());
        self.problem_at(place.as_ref(), subject, None, message);
    }

    /// Notes what is missing in a table.
    pub(super) fn problem_in_table(&mut self, table: &str, message: &str) {
        let place = self.tables.iter().find(|(known, _)| known == table).map(|(_, place)| place.clone());
        self.push(place.as_ref(), table.to_owned(), None, message);
    }

    /// Notes a problem where even the line's value may be a misplaced key: only what stands before it is shown.
    pub(super) fn problem_hidden(&mut self, place: &Place, key: &str, message: &str) {
        self.push(Some(place), key.to_owned(), None, message);
        if let Some(line) = self.problems.last_mut().and_then(|problem| problem.line.as_mut()) {
            line.hide_value();
        }
    }

    fn push(&mut self, place: Option<&Place>, subject: String, value: Option<String>, message: &str) {
        let line = match (place, &self.file) {
            (Some(Place::File(span)), Some((name, text))) => Some(Line::find(name, text, span.start)),
            _ => None,
        };
        self.problems.push(Problem { subject, value, message: message.to_owned(), line });
    }

    /// Notes something that is worth a line in the log at start.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Warns of variables that are nearly one of ours: they would be ignored in silence.
    pub(super) fn warn_of_misspelled_variables(&mut self) {
        for name in self.environment.keys() {
            if let Some(meant) = schema::meant_variable(name) {
                let warning = format!("{name} is not a variable of this program; did you mean {meant}?");
                self.warnings.push(warning);
            }
        }
    }

    /// A key was read from this file, so its content matters.
    pub(super) fn add_key_file(&mut self, path: PathBuf) {
        self.key_files.push(path);
    }

    /// Hands out the configuration, unless something was wrong.
    pub(super) fn finish(mut self, config: Config) -> Result<Config, Problems> {
        if self.problems.is_empty() {
            return Ok(Config { warnings: self.warnings, key_files: self.key_files, ..config });
        }
        // Variables first, in the order in which they were looked at; then the file from top to bottom.
        self.problems.sort_by_key(|problem| problem.line.as_ref().map(|line| line.number));
        Err(Problems(self.problems))
    }
}
