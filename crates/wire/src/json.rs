//! The top-level fields of an object and where they stand.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// No honest request nests deeper; engines behind the providers recurse.
pub const MAX_DEPTH: usize = 128;
/// No honest object has more keys; each costs memory beyond its own bytes.
const MAX_FIELDS: usize = 1_000;

/// The fields of an object in their order, values as they are written. Keys are unescaped.
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads an object. Duplicate keys are kept; [`Fields::duplicate`] finds them.
    ///
    /// # Errors
    ///
    /// Whatever `serde_json` says about text that is no JSON object.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The value of a key as it is written; `null` counts as absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        (value.get() != "null").then_some(*value)
    }

    /// The value of a key, `null` too.
    #[must_use]
    pub fn get_or_null(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// A key that stands twice.
    #[must_use]
    pub fn duplicate(&self) -> Option<&str> {
        let mut keys: Vec<&str> = self.0.iter().map(|(key, _)| key.as_ref()).collect();
        keys.sort_unstable();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(12);
                while let Some((Key(key), value)) = map.next_entry()? {
                    if fields.len() == MAX_FIELDS {
                        return Err(Error::custom(format!("it has more than {MAX_FIELDS} keys")));
                    }
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A key, borrowed unless it is written with escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

/// How many elements an array of objects has; `None` if it is no such array. Nothing of it is kept.
#[must_use]
pub fn count_objects(value: &RawValue) -> Option<usize> {
    struct Count;

    impl<'de> Visitor<'de> for Count {
        type Value = usize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<usize, A::Error> {
            let mut count = 0;
            while let Some(element) = elements.next_element::<&RawValue>()? {
                if !element.get().starts_with('{') {
                    return Err(Error::custom("an element is no object"));
                }
                count += 1;
            }
            Ok(count)
        }
    }

    serde_json::Deserializer::from_str(value.get()).deserialize_seq(Count).ok()
}

/// Where `part`, which was borrowed from `whole`, stands in it.
#[must_use]
pub fn span(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len());
    start..(start + part.len()).min(whole.len())
}

/// A string value, unescaped; `None` if the value is no string.
#[must_use]
pub fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(value.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Whether a value is more than null, false or something empty.
#[must_use]
pub fn says_something(value: &RawValue) -> bool {
    !matches!(value.get(), "null" | "false" | "\"\"" | "[]" | "{}")
}

/// Text as a JSON string, quotes included.
#[must_use]
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether brackets nest deeper than `limit`. Takes any bytes; those in strings do not count.
#[must_use]
pub fn deeper_than(limit: usize, text: &[u8]) -> bool {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = end_of_string(text, at),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

/// The position behind the quote that ends the string whose text begins at `at`.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while let Some(offset) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += offset + 1;
        if text[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_where_they_stand() {
        let text = r#" { "a" : 1.0e0, "mo\u0064el":"x", "b":null } "#;
        let fields = Fields::parse(text).unwrap();
        assert_eq!(span(text, fields.get("a").unwrap().get()), 9..14);
        assert_eq!(fields.get("model").unwrap().get(), "\"x\"");
        assert!(fields.get("b").is_none());
        assert_eq!(fields.get_or_null("b").unwrap().get(), "null");
    }

    #[test]
    fn a_key_twice_is_told_even_if_one_is_escaped() {
        let fields = Fields::parse(r#"{"model":"a","x":1,"m\u006fdel":"b"}"#).unwrap();
        assert_eq!(fields.duplicate(), Some("model"));
        assert_eq!(Fields::parse(r#"{"a":1,"b":1}"#).unwrap().duplicate(), None);
    }

    #[test]
    fn objects_are_counted_and_keys_are_limited() {
        let count = |text: &str| count_objects(serde_json::from_str::<&RawValue>(text).unwrap());
        assert_eq!(count("[]"), Some(0));
        assert_eq!(count(r#"[{}, {"a":[1]}]"#), Some(2));
        assert_eq!(count(r#"[{}, "a"]"#), None);
        assert_eq!(count("{}"), None);
        let keys = |count: usize| (0..count).map(|key| format!("\"{key}\":0")).collect::<Vec<_>>().join(",");
        assert!(Fields::parse(&format!("{{{}}}", keys(MAX_FIELDS))).is_ok());
        assert!(Fields::parse(&format!("{{{}}}", keys(MAX_FIELDS + 1))).is_err());
    }

    #[test]
    fn depth_is_counted_outside_of_strings() {
        assert!(!deeper_than(2, br#"{"a":["[[[[\"[[["]}"#));
        assert!(deeper_than(2, br#"{"a":[[1]]}"#));
        assert!(deeper_than(MAX_DEPTH, "[".repeat(100_000).as_bytes()));
        assert!(!deeper_than(MAX_DEPTH, br#"{"unterminated \"#));
    }

    #[test]
    fn strings_are_unescaped() {
        let value: &RawValue = serde_json::from_str(r#""a\"b""#).unwrap();
        assert_eq!(string(value).unwrap(), "a\"b");
        let value: &RawValue = serde_json::from_str("1").unwrap();
        assert_eq!(string(value), None);
    }
}
