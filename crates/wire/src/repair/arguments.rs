//! Arguments that were encoded once too often: all of them as a JSON string, or arrays and objects within them.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use super::tools::{Tool, Types};
use crate::json::{self, Fields};
use crate::splice::{Edit, Spliced};

/// Nobody encodes more often.
const MOST_LAYERS: usize = 3;

/// The arguments as they were meant; `None`: nothing is wrong with them, or it can't be told what was meant.
pub(crate) fn repaired(arguments: &str, tool: &Tool) -> Option<String> {
    let mut text = Cow::Borrowed(arguments.trim());
    let mut encoded = false;
    for _ in 0..MOST_LAYERS {
        let Some(inner) =
            Some(&text).filter(|text| text.starts_with('"')).and_then(|text| json::unquoted(text))
        else {
            break;
        };
        text = Cow::Owned(inner.trim().to_owned());
        encoded = true;
    }
    let fields = Fields::parse(&text).ok()?;
    let edit = |(name, value): (&str, &serde_json::value::RawValue)| {
        let with = nested(value.get(), tool.types(name))?;
        Some(Edit { span: json::span(&text, value.get()), with: with.into() })
    };
    let edits: Vec<Edit> = fields.iter().filter_map(edit).collect();
    if edits.is_empty() {
        return encoded.then(|| text.into_owned());
    }
    let spliced = Spliced::new(&Bytes::copy_from_slice(text.as_bytes()), &edits).to_bytes();
    String::from_utf8(spliced.into()).ok()
}

/// The array or object that a string holds where the schema wants one.
fn nested(value: &str, types: Types) -> Option<String> {
    if !types.nest() || !value.starts_with('"') {
        return None;
    }
    let inner = json::unquoted(value)?;
    let inner = inner.trim();
    let fits = matches!(inner.as_bytes().first(), Some(b'[' | b'{'))
        && serde_json::from_str::<Value>(inner).is_ok_and(|value| types.fits(&value));
    fits.then(|| inner.to_owned())
}

/// Follows arguments as they come.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is about another byte")]
pub(crate) struct Watch {
    begun: bool,
    /// Brackets that are open.
    depth: usize,
    /// Within a string.
    string: bool,
    escaped: bool,
    /// What comes next in the outer object is a value, and no name.
    value: bool,
    /// The last name there.
    name: String,
}

impl Watch {
    /// Takes in what comes next. Returns whether it looks as if it were encoded once too often.
    pub(crate) fn feed(&mut self, text: &str, tool: Option<&Tool>) -> bool {
        text.chars().filter(|char| self.char(*char, tool)).count() > 0
    }

    /// Whether that was all.
    pub(crate) fn is_whole(&self) -> bool {
        self.begun && self.depth == 0 && !self.string
    }

    fn char(&mut self, char: char, tool: Option<&Tool>) -> bool {
        if self.string {
            match char {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.string = false,
                _ if self.depth == 1 && !self.value => self.name.push(char),
                _ => {}
            }
            return false;
        }
        let first = !self.begun && !char.is_ascii_whitespace();
        self.begun |= first;
        match char {
            '"' => {
                self.string = true;
                if self.depth == 1 && !self.value {
                    self.name.clear();
                }
                let wanted = || tool.is_some_and(|tool| tool.types(&self.name).nest());
                return first || (self.depth == 1 && self.value && wanted());
            }
            '{' | '[' => self.depth += 1,
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            ':' if self.depth == 1 => self.value = true,
            ',' if self.depth == 1 => self.value = false,
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tools::Tools;
    use super::*;

    fn tool() -> Tool {
        let properties =
            json!({"path": {"type": "string"}, "files": {"type": "array"}, "at": {"type": "object"}});
        let tools = json!([{"function": {"name": "f", "parameters": {"properties": properties}}}]);
        Tools::new(tools.to_string().as_bytes()).get("f").unwrap().clone()
    }

    #[test]
    fn only_what_is_certainly_damaged_is_repaired() {
        for (arguments, meant) in [
            (r#""{\"path\": \"a\"}""#, Some(r#"{"path": "a"}"#)),
            (r#""\"{}\"""#, Some("{}")),
            (r#"{"path":"a","files": "[1, 2]"}"#, Some(r#"{"path":"a","files": [1, 2]}"#)),
            (r#""{\"files\": \"[]\"}""#, Some(r#"{"files": []}"#)),
            (r#"{"at":"{\"a\":1}"}"#, Some(r#"{"at":{"a":1}}"#)),
            (r#"{"path":"[1, 2]"}"#, None),
            (r#"{"files":"{}"}"#, None),
            (r#"{"files":"[1"}"#, None),
            (r#"{"files":["[1]"]}"#, None),
            (r#"{"path":"a"}"#, None),
            (r#""just text""#, None),
            ("", None),
            (r#"{"path":"a"#, None),
        ] {
            assert_eq!(repaired(arguments, &tool()).as_deref(), meant, "{arguments}");
        }
    }

    #[test]
    fn damage_is_suspected_where_it_begins_and_not_before() {
        for (arguments, suspected) in [
            (r#" "{}""#, Some(2)),
            (r#"{"path":"a","files": "[]"}"#, Some(22)),
            (r#"{"pa\"th":"x", "at":"{"#, Some(21)),
            (r#"{"path":"\"files\":\"","files":[{"files":"a"}]}"#, None),
            (r#"{"path":"a"}"#, None),
        ] {
            let mut watch = Watch::default();
            let tool = tool();
            let at = arguments
                .char_indices()
                .find(|(_, char)| watch.feed(char.encode_utf8(&mut [0; 4]), Some(&tool)));
            assert_eq!(at.map(|(at, _)| at + 1), suspected, "{arguments}");
        }
    }
}
