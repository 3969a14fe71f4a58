//! What the text of a refusal says of limits.

use std::time::Duration;

use quota::{Dimension, Reading, Window};

use super::value::go_duration;

/// What the text of a refusal says of limits, such as Groq's "… on tokens per minute (TPM): Limit 6000, Used 5900,
/// Requested 500. Please try again in 4s."
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What is counted.
    pub dimension: Option<Dimension>,
    /// By which window.
    pub window: Option<Window>,
    /// The request alone is more than the limit ever holds.
    pub too_large: bool,
    /// When to come back.
    pub retry_after: Option<Duration>,
    limit: Option<u64>,
    used: Option<u64>,
    /// Only a part of a request's tokens is counted, which the books don't do.
    partial: bool,
}

impl Said {
    /// Reads a message.
    #[must_use]
    pub fn read(message: &str) -> Self {
        let text = message.to_ascii_lowercase();
        let has = |words: &str| text.contains(words);
        let dimension = match (has("tokens per"), has("requests per")) {
            // Cerebras' documentation says that the text tells the two apart, not in which words.
            _ if has("uncached") => Some(Dimension::UncachedTokens),
            (true, false) => Some(Dimension::Tokens),
            (false, true) => Some(Dimension::Requests),
            _ if has("total token") || has("your total") => Some(Dimension::Tokens),
            _ => None,
        };
        let (limit, used, requested) =
            (number(&text, "limit"), number(&text, "used"), number(&text, "requested"));
        let window = window(&text);
        let more = limit.zip(requested).is_some_and(|(limit, requested)| requested > limit);
        Self {
            dimension,
            window,
            too_large: more || (window.is_some() && has("request too large")),
            retry_after: retry_after(&text),
            limit,
            used,
            partial: has("input tokens per") || has("output tokens per"),
        }
    }

    /// Its numbers, where it says of what they are.
    #[must_use]
    pub fn reading(&self) -> Option<Reading> {
        let (limit, dimension, window) = (self.limit?, self.dimension?, self.window?);
        let remaining = self.used.map(|used| limit.saturating_sub(used));
        let reading = Reading { dimension, window, limit: Some(limit), remaining, reset: None };
        (!self.partial).then_some(reading)
    }
}

/// The window behind the first "per" or "/": "per minute", "requests/day", "per-min".
fn window(text: &str) -> Option<Window> {
    let found = |(start, _): (usize, _)| {
        let after = if text[start..].starts_with('/') {
            &text[start + 1..]
        } else {
            let before = text[..start].chars().next_back();
            text[start..].strip_prefix("per").filter(|_| !before.is_some_and(char::is_alphanumeric))?
        };
        let after = after.trim_start_matches([' ', '-']);
        let end = after.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(after.len());
        match after.get(..end)? {
            "second" | "sec" => Some(Window::Second),
            "minute" | "min" => Some(Window::Minute),
            "hour" => Some(Window::Hour),
            "day" => Some(Window::Day),
            _ => None,
        }
    };
    text.match_indices(['p', '/']).find_map(found)
}

/// The number behind a word: "Limit 6000", "Used: 199,336".
fn number(text: &str, word: &str) -> Option<u64> {
    let number = |(start, _): (usize, &str)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].trim_start_matches([' ', ':']);
        if before.is_some_and(char::is_alphanumeric)
            || !after.starts_with(|first: char| first.is_ascii_digit())
        {
            return None;
        }
        let mut value: u64 = 0;
        let mut letters = after.bytes().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(u64::from(letter - b'0'))?,
                b',' if letters.peek().is_some_and(u8::is_ascii_digit) => {}
                _ => break,
            }
        }
        Some(value)
    };
    text.match_indices(word).find_map(number)
}

/// "Please try again in 3.405s": Groq and `OpenAI`.
fn retry_after(text: &str) -> Option<Duration> {
    let (_, after) = text.split_once("try again in ")?;
    let end = after.find(char::is_whitespace).unwrap_or(after.len());
    go_duration(after.get(..end)?.trim_end_matches(['.', ',', ')', '!']))
}
