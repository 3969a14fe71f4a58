//! Which fields a refusal names, from the words of providers and of the libraries they check requests with.
//!
//! What is read here is no more than a claim: whether the field stands in the request, and may go, is looked at by
//! [`ChatRequest::objections`](crate::ChatRequest::objections).

use memchr::memmem;
use serde_json::Value;

use crate::error::ProviderError;

/// No honest refusal names more fields at once.
const MOST_FIELDS: usize = 16;
/// No field that is known lies deeper.
const MOST_KEYS: usize = 8;
const LONGEST_KEY: usize = 64;
/// No path that is printed is longer, in bytes.
const LONGEST_PLACE: usize = 1024;
/// So much of what a library says in JSON is looked at.
const MOST_VALUES: usize = 256;

/// Keys from the top; `*` stands for an element of a list, whichever was named.
pub(crate) type Path = Vec<String>;

/// Where the field stands beside the words.
#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
    /// Several, with commas.
    AllAfter,
}

/// What is said of a field that is not taken, in lower case.
const WORDS: &[(&str, Side)] = &[
    // Cerebras: "body.min_p: property 'body.min_p' is unsupported"; Groq: "'messages.2' : for 'role:assistant' the
    // following must be satisfied[('messages.2' : property 'reasoning_content' is unsupported)]" (janhq/jan#8136, 2026-05).
    ("is unsupported", Side::Before),
    // Groq: "messages[1].reasoning: reasoning is not supported with this model" (vercel/ai#8057, 2025-08).
    ("is not supported", Side::Before),
    // pydantic, as Anthropic and others write it: "tools.3.custom.input_examples: Extra inputs are not permitted".
    (": extra inputs are not permitted", Side::Before),
    // Fireworks: "Extra inputs are not permitted, field: 'messages[8].reasoning', value: …" (earendil-works/pi#4514, 2026-05).
    ("extra inputs are not permitted, field:", Side::After),
    // JSON schema: "Additional properties are not allowed ('strict' was unexpected) - 'tools.0.function'".
    ("was unexpected", Side::Before),
    // OpenAI.
    ("unrecognized request argument supplied:", Side::AllAfter),
    ("unrecognized request arguments supplied:", Side::AllAfter),
    ("unknown parameter:", Side::After),
    ("unsupported parameter:", Side::After),
    // zod, serde and Go, Google, Jackson.
    ("unrecognized key(s) in object:", Side::AllAfter),
    ("unrecognized keys:", Side::AllAfter),
    ("unrecognized key:", Side::After),
    ("unknown field", Side::After),
    ("unknown name", Side::After),
    ("unrecognized field", Side::After),
];

/// The fields that a refusal says are not taken, in the order of [`WORDS`].
pub(crate) fn named(error: &ProviderError) -> Vec<Path> {
    let mut found = Found::default();
    if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(&error.message) {
        found.in_json(&value, &mut { MOST_VALUES });
    } else {
        found.in_python(&error.message);
    }
    let lower = error.message.to_ascii_lowercase();
    for (words, side) in WORDS {
        for at in memmem::find_iter(lower.as_bytes(), words) {
            let (before, after) = (&error.message[..at], &error.message[at + words.len()..]);
            match side {
                // It comes behind the words, and before them only who says so.
                Side::Before if after.starts_with(", field:") => {}
                Side::Before => found.push(&before_words(before, after)),
                Side::After => {
                    if let Some((field, rest)) = token(after) {
                        found.push(&within(rest, field));
                    }
                }
                Side::AllAfter => found.all(after),
            }
        }
    }
    if matches!(error.code.as_deref(), Some("unknown_parameter" | "unsupported_parameter")) {
        found.push(error.param.as_deref().unwrap_or_default());
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Path>);

impl Found {
    fn push(&mut self, written: &str) {
        self.push_path(path(written));
    }

    fn push_path(&mut self, path: Option<Path>) {
        if let Some(path) = path
            && self.0.len() < MOST_FIELDS
            && !self.0.contains(&path)
        {
            self.0.push(path);
        }
    }

    fn all(&mut self, mut rest: &str) {
        for _ in 0..MOST_FIELDS {
            let Some((written, behind)) = token(rest) else { return };
            self.push(written);
            let Some(next) = behind.trim_start().strip_prefix(',') else { return };
            rest = next;
        }
    }

    /// `{"type": "extra_forbidden", "loc": ["body", "messages", 0, "x"], "msg": "Extra inputs are not permitted"}`, in a
    /// list or wherever: pydantic's own form, as `FastAPI` and Mistral send it.
    fn in_json(&mut self, value: &Value, left: &mut usize) {
        if *left == 0 {
            return;
        }
        *left -= 1;
        match value {
            Value::Array(list) => list.iter().for_each(|value| self.in_json(value, left)),
            Value::Object(object) => {
                let says = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
                let is_extra = says("type").contains("extra") || says("msg").starts_with("Extra inputs");
                match object.get("loc").and_then(Value::as_array).filter(|_| is_extra) {
                    Some(place) => {
                        let key = |key: &Value| match key {
                            Value::String(key) => Some(key.clone()),
                            Value::Number(_) => Some("*".to_owned()),
                            _ => None,
                        };
                        self.push_path(place.iter().map(key).collect::<Option<Path>>().and_then(checked));
                    }
                    None => object.values().for_each(|value| self.in_json(value, left)),
                }
            }
            _ => {}
        }
    }

    /// The same as Python prints it, which is what vLLM sends: `{'type': 'extra_forbidden', 'loc': ('body', 'bad_words'), …`.
    fn in_python(&mut self, message: &str) {
        const EXTRA: &str = "'extra_forbidden', 'loc': (";
        for at in memmem::find_iter(message.as_bytes(), EXTRA) {
            let behind = &message[at + EXTRA.len()..];
            let Some((place, _)) = behind[..behind.floor_char_boundary(LONGEST_PLACE)].split_once(')') else {
                continue;
            };
            let keys = place.split(',').map(str::trim).filter(|key| !key.is_empty());
            self.push(&keys.map(|key| key.trim_matches('\'')).collect::<Vec<_>>().join("."));
        }
    }
}

/// A path as it is written, such as `messages[0].reasoning` or `body.tools.0.function.strict`.
fn path(written: &str) -> Option<Path> {
    let written = written.replace('[', ".").replace(']', "");
    let keys = written.split('.').filter(|key| !key.is_empty());
    let key = |key: &str| if key.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { key }.to_owned();
    checked(keys.map(key).collect())
}

/// A path that can be one: without the `body` that all paths begin with at some, and of keys as fields have them.
fn checked(mut path: Path) -> Option<Path> {
    if path.len() > 1 && path.first().is_some_and(|first| first == "body") {
        path.remove(0);
    }
    let is_key = |key: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
        key == "*" || (!key.is_empty() && key.len() <= LONGEST_KEY && key.bytes().all(plain))
    };
    let ends = path.first().is_some_and(|first| first != "*") && path.last().is_some_and(|last| last != "*");
    (ends && path.len() <= MOST_KEYS && path.iter().all(is_key)).then_some(path)
}

fn is_written(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-$.[]*".contains(&byte)
}

const QUOTES: [char; 3] = ['\'', '"', '`'];

/// The path that a text begins with, quoted or not, and what comes behind it.
fn token(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches([' ', ':', '\\']);
    let text = text.strip_prefix(QUOTES).unwrap_or(text);
    let end = text.bytes().position(|byte| !is_written(byte)).unwrap_or(text.len());
    let behind = &text[end..];
    (end > 0).then(|| (&text[..end], behind.strip_prefix(QUOTES).unwrap_or(behind)))
}

/// The path that a text ends with, quoted or not, and what comes before it.
fn last_token(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_end();
    let text = text.strip_suffix(QUOTES).unwrap_or(text);
    let start = text.bytes().rposition(|byte| !is_written(byte)).map_or(0, |at| at + 1);
    // What is no path's byte may be a part of a character.
    let (before, written) = text.is_char_boundary(start).then(|| text.split_at(start))?;
    (!written.is_empty()).then(|| (written, before.strip_suffix(QUOTES).unwrap_or(before)))
}

/// The field before the words, and where it stands if that is said beside it.
fn before_words(before: &str, after: &str) -> String {
    let Some((field, rest)) = last_token(before) else { return String::new() };
    if field.contains(['.', '[']) {
        return field.to_owned();
    }
    // Groq: the place, a colon, "property", and the field.
    let rest = rest.trim_end().strip_suffix("property").unwrap_or(rest).trim_end();
    let place = rest.strip_suffix(':').and_then(|rest| last_token(rest));
    match place {
        Some((place, _)) if place.ends_with(&format!(".{field}")) => place.to_owned(),
        Some((place, _)) if place.contains('.') => format!("{place}.{field}"),
        _ => within(after, field),
    }
}

/// A field in the place that is named behind it: ` - 'tools.0.function'`, ` at 'tools[0].function'`.
fn within(after: &str, field: &str) -> String {
    let after = after.trim_start_matches([')', ' ']);
    let place = ["- ", "at "].iter().find_map(|word| after.strip_prefix(word)).and_then(token);
    match place {
        Some((place, _)) if !field.contains('.') => format!("{place}.{field}"),
        _ => field.to_owned(),
    }
}

#[cfg(test)]
mod tests;
