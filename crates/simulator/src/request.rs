//! Reads and validates a request as the vendor would.

use serde_json::Value;

use crate::profile::{Profile, Vendor};
use crate::refusal::Refusal;

mod checks;

/// What Cerebras reserves for the completion: at most this, and this when the request does not say.
const MOST_RESERVED: u64 = 16_384;
const MOST_CHOICES: u64 = 8;

/// A function the answer may call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool<'a> {
    pub(crate) name: &'a str,
    pub(crate) parameters: &'a Value,
}

/// What of a chat completion request decides its answer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are the request's own switches")]
pub(crate) struct Chat<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: &'a [Value],
    /// Tools, or the older `functions`; none where the request forbids to call them.
    pub(crate) tools: Vec<Tool<'a>>,
    /// Whether `functions` were given: then the answer has a `function_call`.
    pub(crate) legacy: bool,
    /// The tool that must be called.
    pub(crate) forced: Option<&'a str>,
    pub(crate) parallel: bool,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// The requested ceiling of the completion, where there is one.
    pub(crate) max_tokens: Option<u64>,
    pub(crate) choices: u64,
    /// The prompt to go on from, where this is no chat.
    pub(crate) raw: Option<&'a str>,
}

impl<'a> Chat<'a> {
    /// Validates `body` as the vendor does, and reads it.
    pub(crate) fn read(profile: &Profile, body: &'a Value, raw: bool) -> Result<Self, Refusal> {
        let vendor = profile.vendor;
        let bad = |message: &str| Refusal::bad_format(vendor, message);
        let model = body["model"].as_str().ok_or_else(|| bad("body.model: field required"))?;
        let messages = body["messages"].as_array().map(Vec::as_slice);
        let raw = if raw {
            Some(body["prompt"].as_str().ok_or_else(|| bad("body.prompt: field required"))?)
        } else {
            None
        };
        let messages = match (messages, raw) {
            (Some(messages), None) => messages,
            (None, None) => return Err(bad("body.messages: field required")),
            (_, Some(_)) => &[],
        };
        checks::all(profile, body, messages)?;
        let legacy = body["functions"].is_array();
        let choice = if legacy { &body["function_call"] } else { &body["tool_choice"] };
        Ok(Self {
            model,
            messages,
            tools: if choice == "none" { Vec::new() } else { tools(body) },
            legacy,
            forced: choice["function"]["name"].as_str().or(choice["name"].as_str()),
            parallel: body["parallel_tool_calls"].as_bool().unwrap_or(false),
            stream: body["stream"].as_bool().unwrap_or(false),
            include_usage: body["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            // -1, "unlimited", is no u64 and so the same as nothing.
            max_tokens: body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64()),
            choices: body["n"].as_u64().unwrap_or(1).clamp(1, MOST_CHOICES),
            raw,
        })
    }

    /// Completion tokens reserved at admission. Cerebras caps the requested ceiling and assumes the cap where
    /// there is none; the others take the ceiling as it is, and nothing where there is none.
    pub(crate) fn reserved_completion(&self, vendor: Vendor) -> u64 {
        match vendor {
            Vendor::Cerebras | Vendor::Chutes => {
                self.max_tokens.map_or(MOST_RESERVED, |max| max.min(MOST_RESERVED))
            }
            _ => self.max_tokens.unwrap_or(0),
        }
    }

    /// The position of the last user message.
    pub(crate) fn last_user(&self) -> Option<usize> {
        self.messages.iter().rposition(|message| message["role"] == "user")
    }
}

fn tools(body: &Value) -> Vec<Tool<'_>> {
    let listed = |key: &str| body[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let functions = listed("tools").iter().map(|tool| &tool["function"]).chain(listed("functions"));
    functions.filter_map(|f| Some(Tool { name: f["name"].as_str()?, parameters: &f["parameters"] })).collect()
}
