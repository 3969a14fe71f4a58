//! How Python prints a value. Chat templates are run by Python, so what is no text reaches the model in its spelling.

use std::fmt::{self, Write as _};

use crate::json::Value;

/// `str(value)`.
pub(crate) fn string(value: &Value<'_>, out: &mut String) {
    match value.text() {
        Some(text) => out.push_str(text),
        None => repr(value, out),
    }
}

/// `repr(value)`.
fn repr(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => push_number(number, "inf", out),
        Value::Text(text) => push_quoted(text, out),
        Value::List(items) => joined('[', items, ']', out, repr),
        Value::Map(members) => joined('{', members, '}', out, |(key, value), out| {
            push_quoted(key, out);
            out.push_str(": ");
            repr(value, out);
        }),
    }
}

/// `json.dumps(value, ensure_ascii=False)`, which is what the filter `tojson` is in a chat template.
pub(crate) fn json(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => push_number(number, "Infinity", out),
        Value::Text(text) => push_json_text(text, out),
        Value::List(items) => joined('[', items, ']', out, json),
        Value::Map(members) => joined('{', members, '}', out, |(key, value), out| {
            push_json_text(key, out);
            out.push_str(": ");
            json(value, out);
        }),
    }
}

/// `text.strip()`.
pub(crate) fn trim(text: &str) -> &str {
    // Unicode's blanks, and four separators that only Python takes for such.
    text.trim_matches(|char: char| char.is_whitespace() || matches!(char, '\u{1c}'..='\u{1f}'))
}

fn joined<T>(open: char, items: &[T], close: char, out: &mut String, one: impl Fn(&T, &mut String)) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        one(item, out);
    }
    out.push(close);
}

fn push_number(number: &str, infinity: &str, out: &mut String) {
    if !number.contains(['.', 'e', 'E']) {
        // A whole number has no sign of zero.
        out.push_str(if number == "-0" { "0" } else { number });
        return;
    }
    let float: f64 = number.parse().unwrap_or_default();
    if float.is_infinite() {
        out.push_str(if float < 0.0 { "-" } else { "" });
        out.push_str(infinity);
        return;
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let fixed = float.to_string();
        out.push_str(&fixed);
        out.push_str(if fixed.contains('.') { "" } else { ".0" });
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        push(out, format_args!("{digits}e{sign}{:02}", exponent.unsigned_abs()));
    }
}

fn push(out: &mut String, text: fmt::Arguments<'_>) {
    // A string takes whatever is written.
    let _ = out.write_fmt(text);
}

fn push_quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for char in text.chars() {
        match char {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            char if char == quote => out.extend(['\\', char]),
            char if is_printable(char) => out.push(char),
            char => match u32::from(char) {
                code @ ..=0xff => push(out, format_args!("\\x{code:02x}")),
                code @ ..=0xffff => push(out, format_args!("\\u{code:04x}")),
                code => push(out, format_args!("\\U{code:08x}")),
            },
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable`: no control, format, surrogate, private, unassigned or separating character but the blank. Rust's
/// own printer escapes the same ones; behind another character it does not also escape marks that combine with it.
fn is_printable(char: char) -> bool {
    match char {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        char => {
            let mut pair = String::from("a");
            pair.push(char);
            pair.escape_debug().nth(1) == Some(char)
        }
    }
}

fn push_json_text(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' => push(out, format_args!("\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> (String, String) {
        let value = Value::parse(text.as_bytes()).unwrap();
        let (mut as_string, mut as_json) = (String::new(), String::new());
        string(&value, &mut as_string);
        json(&value, &mut as_json);
        (as_string, as_json)
    }

    /// What Python 3.11 prints for the same.
    #[test]
    fn values_are_printed_as_python_prints_them() {
        let cases = [
            (
                r#"{"a": [true, false, null], "b": {}}"#,
                "{'a': [True, False, None], 'b': {}}",
                r#"{"a": [true, false, null], "b": {}}"#,
            ),
            (
                r#"["it's", "\"", "'\"", "\\"]"#,
                r#"["it's", '"', '\'"', '\\']"#,
                r#"["it's", "\"", "'\"", "\\"]"#,
            ),
            (
                r#"["\n\t\u0007\u007f\u00a0\u200b\ud83d\ude00e\u0301"]"#,
                "['\\n\\t\\x07\\x7f\\xa0\\u200b😀e\u{301}']",
                "[\"\\n\\t\\u0007\u{7f}\u{a0}\u{200b}😀e\u{301}\"]",
            ),
            (
                "[1, -0, 1.0, -0.0, 1e3, 1E16, 1e15, 1.5e-4, 0.00001, 12345678901234567890]",
                "[1, 0, 1.0, -0.0, 1000.0, 1e+16, 1000000000000000.0, 0.00015, 1e-05, 12345678901234567890]",
                "[1, 0, 1.0, -0.0, 1000.0, 1e+16, 1000000000000000.0, 0.00015, 1e-05, 12345678901234567890]",
            ),
            (
                "[1e400, -1e400, 1.7976931348623157e308]",
                "[inf, -inf, 1.7976931348623157e+308]",
                "[Infinity, -Infinity, 1.7976931348623157e+308]",
            ),
        ];
        for (text, as_string, as_json) in cases {
            assert_eq!(printed(text), (as_string.to_owned(), as_json.to_owned()), "{text}");
        }
        assert_eq!(printed(r#""it's""#).0, "it's");
    }

    #[test]
    fn blanks_are_pythons() {
        assert_eq!(trim("\u{1c}\u{85}\u{a0}\u{3000} x\u{200b} \n"), "x\u{200b}");
    }
}
