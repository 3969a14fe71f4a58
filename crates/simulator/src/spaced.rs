//! JSON with a space after `:` and `,`, the way models write arguments.

use std::io::{self, Write};

use serde_json::ser::Formatter;
use serde_json::{Serializer, Value};

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// Writes a value as `{"a": 1, "b": [2, 3]}`.
pub(crate) fn to_string(value: &Value) -> String {
    use serde::Serialize as _;
    let mut out = Vec::new();
    match value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn spaces_where_models_put_them() {
        let value = serde_json::json!({"a": [1, "x, y"], "b": {}});
        assert_eq!(super::to_string(&value), r#"{"a": [1, "x, y"], "b": {}}"#);
    }
}
