//! Keys taken out of text: those we hold, by value, and whatever looks like one, by pattern.

use std::borrow::Cow;
use std::fmt;

use regex::Regex;

/// What stands in a key's place.
pub const REDACTED: &str = "[redacted]";

/// Takes keys out of text. Its `Debug` shows none.
#[derive(Clone)]
pub struct Redactor {
    secrets: Vec<String>,
    /// `None` only if the pattern were wrong, which a test rules out.
    pattern: Option<Regex>,
}

/// What providers' keys look like: a known prefix and a long tail, or whatever follows `Bearer`.
const PATTERN: &str = r"(?i-u)\b(?:sk|csk|gsk|cpk|rk|pk|hf|xai|tgp|nvapi|fw|r8)[-_][A-Za-z0-9._\-]{12,}|\bAIza[A-Za-z0-9_\-]{20,}|\bbearer\s+[A-Za-z0-9._~+/=\-]{6,}";

impl Redactor {
    /// Knows these secrets; those shorter than four characters would hit innocent text and are left to the pattern.
    pub fn new<S: Into<String>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut secrets: Vec<String> =
            secrets.into_iter().map(Into::into).filter(|secret| secret.len() >= 4).collect();
        // The longest first: one key may begin with another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets, pattern: Regex::new(PATTERN).ok() }
    }

    /// The text without keys; borrowed where there is none.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), REDACTED));
            }
        }
        match &self.pattern {
            Some(pattern) if pattern.is_match(&text) => {
                Cow::Owned(pattern.replace_all(&text, REDACTED).into_owned())
            }
            _ => text,
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_by_value_and_by_pattern() {
        let redactor = Redactor::new(["plain-secret-1", "plain-secret-12"]);
        for (text, clean) in [
            ("key plain-secret-12!", "key [redacted]!"),
            ("Incorrect API key: csk-abcdef1234567890.", "Incorrect API key: [redacted]"),
            ("cpk_0a1b2c3d4e5f.ffffffff.SECRETtail", "[redacted]"),
            ("Authorization: Bearer abc.def-ghi", "Authorization: [redacted]"),
            ("the task_list and a desk-lamp", "the task_list and a desk-lamp"),
        ] {
            assert_eq!(redactor.redact(text), clean);
        }
        assert!(matches!(redactor.redact("nothing here"), Cow::Borrowed(_)));
        assert!(!format!("{redactor:?}").contains("secret-1"));
    }
}
