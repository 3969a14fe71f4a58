//! What is wrong with the configuration.

use std::fmt;

/// The longest value that is shown; more of it helps nobody.
const LONGEST_SHOWN: usize = 120;

/// One thing that is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable, flag or file it is about.
    pub variable: String,
    /// What it holds, fit to be shown; nothing where it holds, or might hold, a secret.
    pub value: Option<String>,
    /// What is wrong with it, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}: {}", self.variable, self.message),
            None => write!(f, "{}: {}", self.variable, self.message),
        }
    }
}

/// Everything that is wrong, in the order in which it was found; never empty. Displayed one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A value as it may be shown: one line, not endless, no query. `None` where an `@` hints at a password.
pub(super) fn shown(value: &str) -> Option<String> {
    if value.contains('@') {
        return None;
    }
    let (value, query) = value.split_once('?').map_or((value, false), |(before, _)| (before, true));
    let mut text: String = value.chars().take(LONGEST_SHOWN).flat_map(escaped).collect();
    if value.chars().nth(LONGEST_SHOWN).is_some() {
        text.push('…');
    } else if query {
        text.push_str("?…");
    }
    Some(text)
}

/// Control characters spelled out, so that no value can repaint the terminal.
fn escaped(c: char) -> impl Iterator<Item = char> {
    let (plain, spelled) = if c.is_control() { (None, Some(c.escape_default())) } else { (Some(c), None) };
    plain.into_iter().chain(spelled.into_iter().flatten())
}

/// Whether a text looks like a provider's API key, wherever it stands.
pub(super) fn looks_like_key(text: &str) -> bool {
    text.contains("csk-") || text.contains("cpk_")
}
