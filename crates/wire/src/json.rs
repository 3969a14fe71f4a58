//! The top-level fields of an object and where they stand.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// No honest request nests deeper; engines behind the providers recurse.
pub const MAX_DEPTH: usize = 128;
/// No honest object has more keys; each costs memory beyond its own bytes.
pub(crate) const MAX_FIELDS: usize = 1_000;

/// The fields of an object in their order, values as they are written. Keys are unescaped.
#[derive(Debug)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads an object. Keys that stand twice are kept.
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

    /// All of them in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), *value))
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

/// Where `part`, which was borrowed from `whole`, stands in it.
#[must_use]
pub fn span(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len());
    start..(start + part.len()).min(whole.len())
}

/// A JSON string, unescaped; `None` if it is none, or escapes half a character.
#[must_use]
pub fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        return serde_json::from_str(text).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// Whether a JSON string says this, however it is written.
pub(crate) fn says(text: &str, said: &str) -> bool {
    // Escapes only make it longer.
    text.len() >= said.len() + 2 && unquoted(text).is_some_and(|text| text == said)
}

/// Whether a value is more than null, false or something empty.
#[must_use]
pub fn says_something(value: &str) -> bool {
    !matches!(value, "null" | "false" | "\"\"" | "[]" | "{}")
}

/// Text as a JSON string, quotes included.
#[must_use]
pub fn quote(text: &str) -> String {
    // Every text can be written as one.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_string_says_however_it_is_written() {
        for text in [r#""model""#, r#""\u006dodel""#, r#""m\u006f\u0064el""#] {
            assert!(says(text, "model"), "{text}");
        }
        for text in [r#""mode""#, r#""models""#, r#""\u006dodels""#, "model", "\"", "", r#""\umodel""#] {
            assert!(!says(text, "model"), "{text}");
        }
    }

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
    fn keys_are_limited() {
        let keys = |count: usize| (0..count).map(|key| format!("\"{key}\":0")).collect::<Vec<_>>().join(",");
        assert!(Fields::parse(&format!("{{{}}}", keys(MAX_FIELDS))).is_ok());
        assert!(Fields::parse(&format!("{{{}}}", keys(MAX_FIELDS + 1))).is_err());
    }

    #[test]
    fn strings_are_unescaped() {
        assert_eq!(unquoted(r#""a\"b""#).unwrap(), "a\"b");
        assert_eq!(unquoted("1"), None);
    }
}
