//! Reported token counts.

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a provider reports an answer to have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the request.
    pub prompt_tokens: u64,
    /// Those of them that the provider had in its prompt cache; `None`: it does not say.
    pub cached_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(borrow)]
    prompt_tokens_details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

impl Usage {
    /// Prompt and completion together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// Reads a `usage` value; one that counts nothing or makes no sense is none. Details that make no sense are left
    /// out, since the counts beside them may well do.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let raw: Raw<'_> = serde_json::from_str(value).ok()?;
        let details = raw.prompt_tokens_details;
        let cached =
            details.and_then(|details| serde_json::from_str::<Details>(details.get()).ok()?.cached_tokens);
        let usage = Self {
            prompt_tokens: raw.prompt_tokens,
            cached_tokens: cached.filter(|cached| *cached <= raw.prompt_tokens),
            completion_tokens: raw.completion_tokens,
        };
        (usage.total() > 0).then_some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_are_told_where_they_make_sense() {
        for (details, cached) in [
            (r#"{"cached_tokens":128,"audio_tokens":0}"#, Some(128)),
            (r#"{"cached_tokens":0}"#, Some(0)),
            (r#"{"cached_tokens":null}"#, None),
            (r#"{"cached_tokens":201}"#, None),
            (r#"{"cached_tokens":-1}"#, None),
            ("{}", None),
            ("null", None),
            ("7", None),
            ("\"none\"", None),
        ] {
            let text =
                format!(r#"{{"prompt_tokens":200,"completion_tokens":9,"prompt_tokens_details":{details}}}"#);
            let expected = Usage { prompt_tokens: 200, cached_tokens: cached, completion_tokens: 9 };
            assert_eq!(Usage::parse(&text), Some(expected), "{details}");
        }
    }

    #[test]
    fn what_counts_nothing_is_none() {
        for text in
            ["{}", "null", r#"{"prompt_tokens":0}"#, r#"{"prompt_tokens":-1,"completion_tokens":2}"#, "7"]
        {
            assert_eq!(Usage::parse(text), None, "{text}");
        }
    }
}
