//! JSON as a template sees it: keys in their order, numbers as they are written.
//!
//! A template prints what it is given, so nothing may be lost on the way: not the order of an object's keys, not the digits of
//! a number that no machine type holds. Only what has to be rendered is read this way, and that is a message not seen before.

use std::borrow::Cow;
use std::collections::HashMap;

/// No honest message nests deeper; printing one recurses.
const MAX_DEPTH: usize = 128;

/// A value, borrowed from its text where no escape stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    /// No key stands twice: the last value counts, at the place of the first.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// Reads a text; `None` if it is no JSON, nests too deep, or escapes half a character.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { text: std::str::from_utf8(text).ok()?, at: 0 };
        reader.blank();
        let value = reader.value(MAX_DEPTH)?;
        reader.blank();
        (reader.at == text.len()).then_some(value)
    }

    /// The value of a key; `None` where there is none, or this is no object.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(members) = self else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value of a key, taken out.
    pub(crate) fn take(&mut self, key: &str) -> Option<Self> {
        let Self::Map(members) = self else { return None };
        let (_, value) = members.iter_mut().find(|(name, _)| name == key)?;
        Some(std::mem::replace(value, Self::Null))
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        let deeper = depth.checked_sub(1)?;
        match self.peek()? {
            b'"' => self.string().map(Value::Text),
            b'[' => self.list(deeper),
            b'{' => self.map(deeper),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value<'a>> {
        let mut items = Vec::new();
        self.open();
        if self.takes(b']') {
            return Some(Value::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.blank();
            if self.takes(b']') {
                return Some(Value::List(items));
            }
            self.comma()?;
        }
    }

    fn map(&mut self, depth: usize) -> Option<Value<'a>> {
        let mut members = Members::default();
        self.open();
        if self.takes(b'}') {
            return Some(Value::Map(members.in_order));
        }
        loop {
            let key = self.string()?;
            self.blank();
            if !self.takes(b':') {
                return None;
            }
            self.blank();
            members.put(key, self.value(depth)?);
            self.blank();
            if self.takes(b'}') {
                return Some(Value::Map(members.in_order));
            }
            self.comma()?;
        }
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        if !self.takes(b'"') {
            return None;
        }
        let mut unescaped = String::new();
        loop {
            let rest = self.text.get(self.at..)?;
            let length = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
            let plain = &rest[..length];
            self.at += length + 1;
            match rest.as_bytes()[length] {
                b'"' if unescaped.is_empty() => return Some(Cow::Borrowed(plain)),
                b'"' => return Some(Cow::Owned(unescaped + plain)),
                b'\\' => {
                    unescaped.push_str(plain);
                    unescaped.push(self.escape()?);
                }
                _ => return None,
            }
        }
    }

    /// Behind a backslash.
    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                let second = if (0xd800..0xdc00).contains(&first) {
                    (self.takes(b'\\') && self.takes(b'u')).then(|| self.hex())?
                } else {
                    None
                };
                char::decode_utf16(std::iter::once(first).chain(second)).next()?.ok()?
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _ = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        Some(Value::Number(&self.text[start..self.at]))
    }

    /// At least one.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Option<Value<'a>> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn open(&mut self) {
        self.at += 1;
        self.blank();
    }

    fn comma(&mut self) -> Option<()> {
        let there = self.takes(b',');
        self.blank();
        there.then_some(())
    }

    fn takes(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// From so many keys on they are looked up; below, looked through.
const MANY: usize = 16;

#[derive(Default)]
struct Members<'a> {
    in_order: Vec<(Cow<'a, str>, Value<'a>)>,
    places: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Members<'a> {
    fn put(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        if self.in_order.len() == MANY {
            self.places = (0..).zip(&self.in_order).map(|(place, (key, _))| (key.clone(), place)).collect();
        }
        let place = if self.in_order.len() < MANY {
            self.in_order.iter().position(|(known, _)| *known == key)
        } else {
            self.places.get(&key).copied()
        };
        if let Some((_, old)) = place.and_then(|place| self.in_order.get_mut(place)) {
            *old = value;
            return;
        }
        if self.in_order.len() >= MANY {
            self.places.insert(key.clone(), self.in_order.len());
        }
        self.in_order.push((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> Value<'_> {
        Value::Text(value.into())
    }

    #[test]
    fn nothing_is_lost() {
        let value = Value::parse(br#" {"b":[1.50,-0,12345678901234567890123],"a":"x\n\u00e9\ud83d\ude00"} "#);
        let numbers = ["1.50", "-0", "12345678901234567890123"].map(Value::Number).to_vec();
        let members = vec![("b".into(), Value::List(numbers)), ("a".into(), text("x\né😀"))];
        assert_eq!(value, Some(Value::Map(members)));
    }

    #[test]
    fn the_last_value_of_a_key_counts_at_the_place_of_the_first() {
        let value = Value::parse(br#"{"a":1,"b":2,"a":3}"#);
        assert_eq!(
            value,
            Some(Value::Map(vec![("a".into(), Value::Number("3")), ("b".into(), Value::Number("2"))]))
        );
        let many: Vec<String> = (0..40).map(|key| format!("\"k{}\":{key}", key % 20)).collect();
        let many = format!("{{{}}}", many.join(","));
        let many = Value::parse(many.as_bytes()).unwrap();
        let Value::Map(members) = &many else { panic!("no object") };
        assert_eq!(members.len(), 20);
        assert_eq!(many.get("k0"), Some(&Value::Number("20")));
        assert_eq!(many.get("k19"), Some(&Value::Number("39")));
    }

    #[test]
    fn half_a_character_and_raw_control_characters_are_no_json() {
        for wrong in [
            r#""\ud800""#,
            r#""\ud800x""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "\"a\nb\"",
            r#""\u+041""#,
            "01",
            "[1,]",
            "",
            "1 2",
            "nul",
        ] {
            assert_eq!(Value::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(Value::parse("[".repeat(100_000).as_bytes()).is_none());
    }

    proptest! {
        /// Another reader agrees about what is JSON, and what it says.
        #[test]
        fn it_reads_what_serde_reads(text in r#"[\[\]{}:,"\\ntrue0-9.eE+ é-]{0,12}|\{"[a-c]":(-?[0-9]{1,3}(\.[0-9])?|"(\\n|x)*"|\[(true|null)?\])(,"d": ?\{\})?\}"#) {
            let ours = Value::parse(text.as_bytes());
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            // It refuses what no float holds.
            let overflow = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            prop_assert!(overflow || ours.is_some() == theirs.is_ok(), "{:?} {:?}", ours, theirs);
        }
    }
}
