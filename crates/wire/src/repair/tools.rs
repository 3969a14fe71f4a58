//! What a request says of its tools: their names, and of which types their parameters are.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::Fields;

/// A schema within a schema is looked into so deep.
const DEEPEST: usize = 4;

/// The tools of a request. A stream keeps them for as long as it lasts, so nothing of their descriptions, which are nearly all of
/// their JSON.
#[derive(Clone, Debug)]
pub(crate) struct Tools(Box<[Tool]>);

/// One function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// Name and types of each parameter.
    parameters: Box<[(String, Types)]>,
}

/// The types that a value may be of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Types(u8);

const NAMED: [(&str, u8); 7] = [
    ("string", STRING),
    ("number", NUMBER),
    ("integer", NUMBER),
    ("boolean", BOOLEAN),
    ("array", ARRAY),
    ("object", OBJECT),
    ("null", NULL),
];
const STRING: u8 = 1;
const NUMBER: u8 = 2;
const BOOLEAN: u8 = 4;
const ARRAY: u8 = 8;
const OBJECT: u8 = 16;
const NULL: u8 = 32;

impl Tools {
    /// The value of a request's `tools`.
    pub(crate) fn new(json: &[u8]) -> Self {
        Self(read(json).unwrap_or_default())
    }

    /// The function of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Tool> {
        self.0.iter().find(|tool| tool.name == name)
    }

    /// Whether a function's name begins like this.
    pub(crate) fn has_beginning(&self, begun: &str) -> bool {
        self.0.iter().any(|tool| tool.name.starts_with(begun))
    }
}

fn read(json: &[u8]) -> Option<Box<[Tool]>> {
    let tools: Vec<&RawValue> = serde_json::from_slice(json).ok()?;
    let tool = |tool: &RawValue| {
        let function = Fields::parse(Fields::parse(tool.get()).ok()?.get("function")?.get()).ok()?;
        let name = serde_json::from_str(function.get("name")?.get()).ok()?;
        let parameters = function.get("parameters").and_then(parameters).unwrap_or_default();
        Some(Tool { name, parameters })
    };
    Some(tools.into_iter().filter_map(tool).collect())
}

fn parameters(schema: &RawValue) -> Option<Box<[(String, Types)]>> {
    let schema = Fields::parse(schema.get()).ok()?;
    let properties = Fields::parse(schema.get("properties")?.get()).ok()?;
    let types = |schema: &RawValue| {
        let schema: Option<Value> = serde_json::from_str(schema.get()).ok();
        schema.map(|schema| Types::of(&schema, DEEPEST)).unwrap_or_default()
    };
    Some(properties.iter().map(|(name, schema)| (name.to_owned(), types(schema))).collect())
}

impl Tool {
    /// The types of a parameter; none where nothing is said of it.
    pub(crate) fn types(&self, parameter: &str) -> Types {
        self.parameters
            .iter()
            .find(|(known, _)| known == parameter)
            .map_or(Types::default(), |(_, types)| *types)
    }
}

impl Types {
    fn of(schema: &Value, deeper: usize) -> Self {
        let named = |name: &Value| NAMED.iter().find(|(known, _)| name == known).map_or(0, |(_, bit)| *bit);
        let one = |name: &Value| match name {
            Value::Array(several) => several.iter().map(named).fold(0, |types, bit| types | bit),
            name => named(name),
        };
        let values = schema["enum"].as_array().into_iter().flatten();
        let mut types = values
            .chain(schema.get("const"))
            .map(type_of)
            .fold(one(&schema["type"]), |types, bit| types | bit);
        for choice in ["anyOf", "oneOf"].iter().filter_map(|key| schema[key].as_array()).flatten() {
            if deeper > 0 {
                types |= Self::of(choice, deeper - 1).0;
            }
        }
        Self(types)
    }

    /// Whether it is an array or an object, and certainly no string.
    pub(crate) fn nest(self) -> bool {
        self.0 & (ARRAY | OBJECT) != 0 && self.0 & STRING == 0
    }

    /// Whether JSON of this value is of one of the types, a string aside.
    pub(crate) fn fits(self, value: &Value) -> bool {
        self.0 & type_of(value) & !STRING != 0
    }

    /// The JSON that a text stands for which says no type of its own: what only fits a string stays one.
    pub(crate) fn json(self, text: &str) -> String {
        let trimmed = text.trim();
        if self.0 & !STRING != 0 {
            // Python's spelling, which models fall into.
            let lower = trimmed.to_ascii_lowercase();
            let word = match lower.as_str() {
                "true" | "false" => Some((BOOLEAN, lower.as_str())),
                "null" | "none" => Some((NULL, "null")),
                _ => None,
            };
            if let Some((_, word)) = word.filter(|(kind, _)| self.0 & kind != 0) {
                return word.to_owned();
            }
            if serde_json::from_str::<Value>(trimmed).is_ok_and(|value| self.fits(&value)) {
                return trimmed.to_owned();
            }
        }
        crate::json::quote(text)
    }
}

fn type_of(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::Number(_) => NUMBER,
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn types(schema: &Value) -> Types {
        Types::of(schema, DEEPEST)
    }

    #[test]
    fn a_text_becomes_what_the_schema_says() {
        let (string, integer, boolean) =
            (json!({"type": "string"}), json!({"type": "integer"}), json!({"type": "boolean"}));
        let array = json!({"type": "array"});
        let optional = json!({"anyOf": [{"type": "object"}, {"type": "null"}]});
        let either = json!({"type": ["string", "array"]});
        for (schema, text, json) in [
            (&string, "12", "\"12\""),
            (&string, "true", "\"true\""),
            (&string, " a\n", "\" a\\n\""),
            (&integer, " 12 ", "12"),
            (&integer, "twelve", "\"twelve\""),
            (&boolean, "True", "true"),
            (&boolean, "1", "\"1\""),
            (&array, "[1, {\"a\": 1.50}]", "[1, {\"a\": 1.50}]"),
            (&array, "[1", "\"[1\""),
            (&array, "{}", "\"{}\""),
            (&optional, "{}", "{}"),
            (&optional, "None", "null"),
            (&either, "[1]", "[1]"),
            (&either, "a", "\"a\""),
            (&json!({"enum": ["1", "2"]}), "1", "\"1\""),
            (&json!({"enum": [1, 2]}), "1", "1"),
            (&json!({}), "1", "\"1\""),
        ] {
            assert_eq!(types(schema).json(text), json, "{schema} {text}");
        }
    }

    #[test]
    fn functions_are_found_by_name_and_what_is_no_tool_is_passed_over() {
        let json = json!([
            {"type": "web_search"}, 7,
            {"type": "function", "function": {"name": "a", "parameters": {"properties": {"l": {"type": "array"}}}}},
            {"type": "function", "function": {"name": "b"}},
        ]);
        let tools = Tools::new(json.to_string().as_bytes());
        assert!(tools.get("a").is_some_and(|tool| tool.types("l").nest() && !tool.types("m").nest()));
        assert!(tools.get("b").is_some_and(|tool| tool.types("l") == Types::default()));
        assert_eq!(tools.get("c"), None);
        assert_eq!(Tools::new(b"{").get("a"), None);
    }

    /// Most of their JSON, for as long as a stream lasts.
    #[test]
    fn nothing_is_kept_of_what_tools_are_for() {
        let json = json!([{"function": {"name": "read", "description": "Reads a file."}}]);
        let tools = format!("{:?}", Tools::new(json.to_string().as_bytes()));
        assert!(tools.contains("read") && !tools.contains("Reads"), "{tools}");
    }
}
