//! What vendors look at in a request beyond what they need of it.

use serde_json::Value;

use crate::profile::{Profile, Vendor};
use crate::refusal::Refusal;

/// Properties a vendor knows that goes by the documentation.
const DOCUMENTED: [&str; 36] = [
    "audio",
    "clear_thinking",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt",
    "prompt_cache_key",
    "reasoning_effort",
    "reasoning_format",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
];

/// Everything that this vendor minds, in its order.
pub(super) fn all(profile: &Profile, body: &Value, messages: &[Value]) -> Result<(), Refusal> {
    let vendor = profile.vendor;
    unsupported(profile, body)?;
    if vendor == Vendor::Cerebras {
        evenly_strict(body)?;
    }
    if profile.strict_history {
        paired(vendor, messages)?;
    }
    if profile.strict_history || vendor == Vendor::Chutes {
        // An empty string passes at Chutes, which sends `null` instead.
        json_arguments(vendor, messages, vendor == Vendor::Chutes)?;
    }
    Ok(())
}

/// Names every property the vendor does not take.
fn unsupported(profile: &Profile, body: &Value) -> Result<(), Refusal> {
    let mut wrong = Vec::new();
    for path in &profile.rejected_fields {
        places(body, &path.split('.').collect::<Vec<_>>(), String::new(), &mut wrong);
    }
    if profile.strict_fields {
        let fields = body.as_object().into_iter().flat_map(serde_json::Map::keys);
        let unknown = fields.filter(|key| !DOCUMENTED.contains(&key.as_str()) && !wrong.contains(key));
        wrong.extend(unknown.cloned().collect::<Vec<_>>());
    }
    if wrong.is_empty() { Ok(()) } else { Err(Refusal::unsupported(profile.vendor, &wrong)) }
}

/// Where a property stands in a body; `*` in its path is each element, and messages are named with their role.
fn places(value: &Value, path: &[&str], place: String, found: &mut Vec<String>) {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match path {
        [] => found.push(place),
        ["*", rest @ ..] => {
            for (at, element) in value.as_array().into_iter().flatten().enumerate() {
                let role = element["role"].as_str().map(|role| format!(".{role}")).unwrap_or_default();
                places(element, rest, format!("{}{role}", below(&at.to_string())), found);
            }
        }
        [key, rest @ ..] => {
            if let Some(inner) = value.get(key) {
                places(inner, rest, below(key), found);
            }
        }
    }
}

/// Cerebras wants all tools strict or none.
fn evenly_strict(body: &Value) -> Result<(), Refusal> {
    let mut strict = body["tools"].as_array().into_iter().flatten().map(|t| t["function"]["strict"] == true);
    let first = strict.next();
    if strict.any(|other| Some(other) != first) { Err(Refusal::mixed_strict()) } else { Ok(()) }
}

/// Each call is answered before anybody else speaks, and each answer has its call.
fn paired(vendor: Vendor, messages: &[Value]) -> Result<(), Refusal> {
    let mut open: Vec<(&Value, bool)> = Vec::new();
    for message in messages.iter().chain([&Value::Null]) {
        if message["role"] == "tool" {
            let call = open.iter_mut().find(|(id, _)| **id == message["tool_call_id"]);
            call.ok_or_else(|| Refusal::bad_format(vendor, NO_CALL))?.1 = true;
            continue;
        }
        if open.iter().any(|(_, answered)| !answered) {
            return Err(Refusal::bad_format(vendor, NO_ANSWER));
        }
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        open = calls.map(|call| (&call["id"], false)).collect();
    }
    Ok(())
}

/// As Cerebras spells it, in a user's report of 2026.
const NO_CALL: &str =
    "Messages with role 'tool' must be a response to a preceeding message with 'tool_calls'";
/// As `OpenAI` says it; that others say it so is a guess.
const NO_ANSWER: &str = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.";

/// The engines behind the vendor parse the arguments of earlier calls.
fn json_arguments(vendor: Vendor, messages: &[Value], empty_passes: bool) -> Result<(), Refusal> {
    let calls = messages.iter().filter_map(|message| message["tool_calls"].as_array()).flatten();
    let arguments = calls.filter_map(|call| call["function"]["arguments"].as_str());
    let wrong = arguments
        .filter(|text| !(empty_passes && text.is_empty()))
        .find_map(|text| serde_json::from_str::<Value>(text).err());
    let Some(error) = wrong else { return Ok(()) };
    Err(match vendor {
        Vendor::Chutes => {
            let detail = "Invalid tool_calls.function.arguments value, expected JSON";
            Refusal::detail(http::StatusCode::BAD_REQUEST, detail)
        }
        // In Python's words, as an engine behind it would say.
        _ if error.is_eof() => {
            Refusal::bad_format(vendor, "Unterminated string starting at: line 1 column 1 (char 0)")
        }
        _ => Refusal::bad_format(vendor, "Expecting value: line 1 column 1 (char 0)"),
    })
}
