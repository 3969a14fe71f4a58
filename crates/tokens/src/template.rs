//! What a chat template makes of a request: the text that a model reads.
//!
//! The templates of Qwen3-Coder, as their Jinja sources read when run by Python (`trim_blocks`, `lstrip_blocks`, `tojson` without
//! escapes for HTML): byte for byte, which tests hold against those sources. A chat is rendered in pieces that begin
//! and end where the tokenizer separates in any case, so their token counts add up.

use crate::json::Value;
use crate::message::{Call, Message};
use crate::python;

mod tools;

/// What stands before the answer of the model.
pub(crate) const GENERATION: &str = "<|im_start|>assistant\n";
/// What opens a turn that holds the results of tools.
pub(crate) const TOOL_TURN: &str = "<|im_start|>user\n";
/// What closes it, as it closes any turn.
pub(crate) const TURN_END: &str = "<|im_end|>\n";

macro_rules! templates {
    ($($(#[$doc:meta])* $template:ident = $name:literal,)*) => {
        /// A chat template. All of them are written for the [vocabulary](crate::Vocabulary) of Qwen2.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Template { $($(#[$doc])* $template,)* }

        impl Template {
            /// All of them by the names that settings have for them.
            pub const NAMED: &[(&str, Self)] = &[$(($name, Self::$template),)*];
        }
    };
}

templates! {
    /// Qwen3-Coder's of July 2025. Cerebras ran it for `qwen-3-coder-480b` until that was retired: it gives all 20 counts of
    /// prompts recorded there.
    Qwen3CoderLaunch = "qwen3-coder-launch",
    /// Its successor, which is also vLLM's example for Qwen3-Coder: `# Tools`, and all keys of a parameter.
    Qwen3CoderVllm = "qwen3-coder-vllm",
    /// The same in the words of late 2025: tools, not functions.
    Qwen3CoderLate = "qwen3-coder-late",
}

/// Whose the first piece of a chat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The system message that the chat begins with.
    System,
    /// A tool's result: neighbours share one turn of the user.
    Tool,
    /// Any other message, a turn of its own.
    Turn,
}

impl Kind {
    /// What kind of message it is; the first of a chat only may be [`Kind::System`].
    pub(crate) fn of(message: &Message<'_>, first: bool) -> Self {
        match message.role.as_ref() {
            "system" if first => Self::System,
            "tool" => Self::Tool,
            _ => Self::Turn,
        }
    }

    /// Whether a tool's result opens the turn, `before` being the message before it. At the beginning of a chat the
    /// templates open none.
    pub(crate) fn opens_turn(before: Option<Self>) -> bool {
        before == Some(Self::Turn)
    }

    /// Whether a tool's result closes the turn, `after` being the message after it.
    pub(crate) fn closes_turn(after: Option<Self>) -> bool {
        after != Some(Self::Tool)
    }
}

/// The system message up to the tools; whole, where there are none. With `None` it is the template's own.
pub(crate) fn open_system(text: Option<&str>, tools: bool, out: &mut String) {
    const OWN: &str =
        "You are Qwen, a helpful AI assistant that can interact with a computer to solve tasks.";
    out.push_str("<|im_start|>system\n");
    out.push_str(text.unwrap_or(OWN));
    // The tokenizer separates behind these line ends, whatever is before them: what follows begins with a letter or a #.
    out.push_str(if tools { "\n\n" } else { TURN_END });
}

impl Template {
    /// The name that settings have for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, template)| *template == self).map_or("", |(name, _)| name)
    }

    /// What the model reads of a chat: the JSON of each message as it stands in a request, and of the list of tools (may be
    /// empty). `None` if this is nothing that the template can make text of.
    #[must_use]
    pub fn render<'a>(self, messages: impl IntoIterator<Item = &'a [u8]>, tools: &[u8]) -> Option<String> {
        let messages = messages.into_iter().map(Message::parse).collect::<Option<Vec<_>>>()?;
        let tools = self.tools(tools)?;
        let mut out = String::new();
        let kinds: Vec<Kind> =
            messages.iter().enumerate().map(|(index, message)| Kind::of(message, index == 0)).collect();
        let (first, _) = kinds.split_first()?;
        if let Some(tools) = &tools
            && *first != Kind::System
        {
            open_system(None, true, &mut out);
            out.push_str(tools);
        }
        for (index, message) in messages.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| kinds.get(before)).copied();
            match kinds[index] {
                Kind::System => {
                    open_system(Some(&message.text), tools.is_some(), &mut out);
                    out.push_str(tools.as_deref().unwrap_or_default());
                }
                Kind::Tool => {
                    out.push_str(if Kind::opens_turn(before) { TOOL_TURN } else { "" });
                    self.message(message, &mut out)?;
                    let closes = Kind::closes_turn(kinds.get(index + 1).copied());
                    out.push_str(if closes { TURN_END } else { "" });
                }
                Kind::Turn => self.message(message, &mut out)?,
            }
        }
        out.push_str(GENERATION);
        Some(out)
    }

    /// A message but for the turn that it may share with others.
    pub(crate) fn message(self, message: &Message<'_>, out: &mut String) -> Option<()> {
        let Message { role, text, calls } = message;
        if role == "tool" {
            out.extend(["<tool_response>\n", text, "\n</tool_response>\n"]);
            return Some(());
        }
        out.extend(["<|im_start|>", role]);
        if calls.is_empty() {
            out.extend(["\n", text]);
        } else {
            self.answer(text, calls, out)?;
        }
        out.push_str(TURN_END);
        Some(())
    }

    /// Behind the role: text, and calls of tools.
    pub(crate) fn answer(self, text: &str, calls: &[Call<'_>], out: &mut String) -> Option<()> {
        let text = python::trim(text);
        if !text.is_empty() {
            out.extend(["\n", text, "\n"]);
        }
        for call in calls {
            out.extend(["\n<tool_call>\n<function=", &call.name, ">\n"]);
            match &call.arguments {
                Value::Null => {}
                Value::Text(text) if text.is_empty() => {}
                Value::Text(text) => self.arguments(&Value::parse(text.as_bytes())?, out)?,
                arguments => self.arguments(arguments, out)?,
            }
            out.push_str("</function>\n</tool_call>");
        }
        Some(())
    }

    fn arguments(self, arguments: &Value<'_>, out: &mut String) -> Option<()> {
        let Value::Map(arguments) = arguments else { return None };
        for (name, value) in arguments {
            out.extend(["<parameter=", name, ">\n"]);
            match value {
                Value::Map(_) | Value::List(_) if self != Self::Qwen3CoderLaunch => python::json(value, out),
                value => python::string(value, out),
            }
            out.push_str("\n</parameter>\n");
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
