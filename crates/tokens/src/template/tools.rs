//! How a template explains tools to the model.

use super::{TURN_END, Template};
use crate::json::Value;
use crate::python;

impl Template {
    /// What it says of the tools, to the end of the system message; `Some(None)` if there are none, `None` if it can't
    /// say it.
    #[expect(clippy::option_option, reason = "no tools is no failure")]
    pub(crate) fn tools(self, json: &[u8]) -> Option<Option<String>> {
        if json.is_empty() {
            return Some(None);
        }
        let tools = match Value::parse(json)? {
            Value::Null => return Some(None),
            Value::List(tools) if tools.is_empty() => return Some(None),
            Value::List(tools) => tools,
            _ => return None,
        };
        let mut out = String::from(match self {
            Self::Qwen3CoderLaunch => "You have access to the following functions:\n\n<tools>",
            Self::Qwen3CoderVllm => "# Tools\n\nYou have access to the following functions:\n\n<tools>",
            Self::Qwen3CoderLate => "# Tools\n\nYou have access to the following tools:\n\n<tools>",
        });
        for tool in &tools {
            let tool = tool.get("function").unwrap_or(tool);
            out.push_str("\n<function>\n<name>");
            if let Some(name) = tool.get("name") {
                python::string(name, &mut out);
            }
            out.push_str("</name>");
            match self {
                Self::Qwen3CoderLaunch => launch(tool, &mut out)?,
                Self::Qwen3CoderVllm | Self::Qwen3CoderLate => later(tool, &mut out),
            }
            out.push_str("\n</function>");
        }
        out.push_str("\n</tools>");
        out.push_str(self.format());
        out.push_str(TURN_END);
        Some(Some(out))
    }

    /// How the model is to call them.
    fn format(self) -> &'static str {
        match self {
            Self::Qwen3CoderLaunch | Self::Qwen3CoderVllm => concat!(
                "\n\nIf you choose to call a function ONLY reply in the following format with NO suffix:\n\n",
                "<tool_call>\n<function=example_function_name>\n",
                "<parameter=example_parameter_1>\nvalue_1\n</parameter>\n",
                "<parameter=example_parameter_2>\nThis is the value for the second parameter\n",
                "that can span\nmultiple lines\n</parameter>\n</function>\n</tool_call>\n\n",
                "<IMPORTANT>\nReminder:\n",
                "- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested ",
                "within <tool_call></tool_call> XML tags\n",
                "- Required parameters MUST be specified\n",
                "- You may provide optional reasoning for your function call in natural language BEFORE the function call, ",
                "but NOT after\n",
                "- If there is no function call available, answer the question like normal with your current knowledge and ",
                "do not tell the user about function calls\n</IMPORTANT>",
            ),
            Self::Qwen3CoderLate => concat!(
                "\n\nIf you choose to call a tool ONLY reply in the following format with NO suffix:\n\n",
                "<tool_call>\n<function=example_function_name>\n",
                "<parameter=example_parameter_1>\nvalue_1\n</parameter>\n",
                "<parameter=example_parameter_2>\nvalue_2\n</parameter>\n</function>\n</tool_call>\n\n",
                "<IMPORTANT>\nReminder:\n",
                "- Function calls MUST follow the specified format: the tool calling block MUST begin with an opening ",
                "<tool_call> tag and end with a closing </tool_call> tag.\n",
                "- Required parameters MUST be specified\n",
                "- You may provide optional reasoning for your function call in natural language BEFORE the function call, ",
                "but NOT after\n",
                "- If there is no function call available, answer the question like normal with your current knowledge and ",
                "do not tell the user about function calls\n</IMPORTANT>",
            ),
        }
    }
}

/// July 2025: a tool has parameters, or the template fails; keys of a parameter that it does not know are cleaned, and lists among
/// them are Python's.
fn launch(tool: &Value<'_>, out: &mut String) -> Option<()> {
    trimmed("description", Some(tool.get("description").unwrap_or(&Value::Text("".into()))), out);
    out.push_str("\n<parameters>");
    let parameters = tool.get("parameters")?;
    match parameters.get("properties") {
        None => {}
        Some(Value::Map(properties)) => {
            for (name, fields) in properties {
                open_parameter(name, fields, out);
                launch_extra_keys(fields, out);
                required(fields.get("required"), out);
                out.push_str("\n</parameter>");
            }
        }
        Some(_) => return None,
    }
    required(parameters.get("required"), out);
    out.push_str("\n</parameters>");
    match tool.get("return") {
        None => {}
        Some(value @ Value::Map(_)) => element("return", out, |out| python::json(value, out)),
        Some(value) => element("return", out, |out| python::string(value, out)),
    }
    Some(())
}

fn launch_extra_keys(fields: &Value<'_>, out: &mut String) {
    const HANDLED: [&str; 5] = ["", "type", "description", "enum", "required"];
    let Value::Map(fields) = fields else { return };
    for (key, value) in fields.iter().filter(|(key, _)| !HANDLED.contains(&key.as_ref())) {
        let key = key.replace(['-', ' '], "_").replace('$', "");
        match value {
            Value::Null => {}
            Value::Map(_) => element(&key, out, |out| python::json(value, out)),
            value => element(&key, out, |out| python::string(value, out)),
        }
    }
}

/// A list in brackets, its texts in backticks. What else can be gone through is taken for a list of its letters or
/// keys.
fn required(value: Option<&Value<'_>>, out: &mut String) {
    let items: Vec<String> = match value {
        Some(Value::List(items)) => items.iter().map(ticked).collect(),
        Some(Value::Text(text)) => text.chars().map(|letter| format!("`{letter}`")).collect(),
        Some(Value::Map(members)) => members.iter().map(|(key, _)| format!("`{key}`")).collect(),
        _ => return,
    };
    if !items.is_empty() {
        out.extend(["\n<required>[", &items.join(", "), "]</required>"]);
    }
}

fn ticked(item: &Value<'_>) -> String {
    let mut out = String::new();
    python::string(item, &mut out);
    if item.text().is_some() { format!("`{out}`") } else { out }
}

/// Since then: every key of a parameter, of the parameters and of the tool.
fn later(tool: &Value<'_>, out: &mut String) {
    trimmed("description", tool.get("description"), out);
    out.push_str("\n<parameters>");
    let parameters = tool.get("parameters").unwrap_or(&Value::Null);
    if let Some(Value::Map(properties)) = parameters.get("properties") {
        for (name, fields) in properties {
            open_parameter(name, fields, out);
            extra_keys(fields, &["name", "type", "description"], out);
            out.push_str("\n</parameter>");
        }
    }
    extra_keys(parameters, &["type", "properties"], out);
    out.push_str("\n</parameters>");
    extra_keys(tool, &["type", "name", "description", "parameters"], out);
}

fn extra_keys(value: &Value<'_>, handled: &[&str], out: &mut String) {
    let Value::Map(members) = value else { return };
    for (key, value) in members.iter().filter(|(key, _)| !handled.contains(&key.as_ref())) {
        match value {
            Value::Map(_) | Value::List(_) => element(key, out, |out| python::json(value, out)),
            value => element(key, out, |out| python::string(value, out)),
        }
    }
}

fn open_parameter(name: &str, fields: &Value<'_>, out: &mut String) {
    out.push_str("\n<parameter>");
    element("name", out, |out| out.push_str(name));
    if let Some(kind) = fields.get("type") {
        element("type", out, |out| python::string(kind, out));
    }
    trimmed("description", fields.get("description"), out);
}

/// A value without the blanks around it, if there is one.
fn trimmed(name: &str, value: Option<&Value<'_>>, out: &mut String) {
    let Some(value) = value else { return };
    let mut text = String::new();
    python::string(value, &mut text);
    element(name, out, |out| out.push_str(python::trim(&text)));
}

fn element(name: &str, out: &mut String, inner: impl FnOnce(&mut String)) {
    out.extend(["\n<", name, ">"]);
    inner(out);
    out.extend(["</", name, ">"]);
}
