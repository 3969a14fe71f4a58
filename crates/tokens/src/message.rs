//! A message as a chat template sees it, after what engines do to it first.
//!
//! They make one text of a message's parts (joined by line ends, as vLLM and llama.cpp do) and of an absent one (empty), and
//! read the arguments of calls, which travel as JSON in a string. What a template refuses, or what has no text
//! (images, sounds), is no message here.

use std::borrow::Cow;

use crate::json::Value;

/// One message.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) role: Cow<'a, str>,
    pub(crate) text: Cow<'a, str>,
    /// Of an assistant only.
    pub(crate) calls: Vec<Call<'a>>,
}

/// A call of a tool.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) name: Cow<'a, str>,
    /// An object, or a text that holds one as JSON.
    pub(crate) arguments: Value<'a>,
}

impl<'a> Message<'a> {
    /// Reads a message's JSON; `None` if no template could render it.
    pub(crate) fn parse(json: &'a [u8]) -> Option<Self> {
        let mut value = Value::parse(json)?;
        let Value::Text(role) = value.take("role")? else { return None };
        let text = match value.take("content").unwrap_or(Value::Null) {
            Value::Null => Cow::Borrowed(""),
            Value::Text(text) => text,
            Value::List(parts) => joined(&parts)?.into(),
            _ => return None,
        };
        let calls = if role == "assistant" { value.take("tool_calls") } else { None };
        let calls = match calls.unwrap_or(Value::Null) {
            Value::List(calls) => calls.into_iter().map(Call::read).collect::<Option<_>>()?,
            // Something to go through, but nothing that could be a call.
            Value::Text(text) if !text.is_empty() => return None,
            Value::Map(members) if !members.is_empty() => return None,
            _ => Vec::new(),
        };
        Some(Self { role, text, calls })
    }
}

impl<'a> Call<'a> {
    /// A call as an answer writes it: arguments as JSON.
    pub(crate) fn new(name: &'a str, arguments: &'a str) -> Self {
        Self { name: name.into(), arguments: Value::Text(arguments.into()) }
    }

    fn read(mut call: Value<'a>) -> Option<Self> {
        let mut call = call.take("function").unwrap_or(call);
        let Value::Text(name) = call.take("name")? else { return None };
        Some(Self { name, arguments: call.take("arguments").unwrap_or(Value::Null) })
    }
}

/// The text of parts; `None` if one is something else.
fn joined(parts: &[Value<'_>]) -> Option<String> {
    let text = |part: &Value<'_>| {
        if let Some(text) = part.text() {
            return Some(text.to_owned());
        }
        let is_text = part.get("type").is_none_or(|kind| kind.text() == Some("text"));
        is_text.then(|| part.get("text")?.text().map(str::to_owned)).flatten()
    };
    Some(parts.iter().map(text).collect::<Option<Vec<_>>>()?.join("\n"))
}
