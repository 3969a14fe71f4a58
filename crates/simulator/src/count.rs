//! The simulator's own rule for counting tokens.
//!
//! It is no real tokenizer, only one of about the right size: a word is a token per four letters (a space
//! before it included), a digit, a sign and a run of white space are one each. A message costs four tokens
//! more than its text, a conversation three, and tools cost their JSON and a fixed preamble. Answers are
//! written piece by piece under the same rule, so usage is exact by construction.

use serde_json::Value;

const PER_CONVERSATION: u64 = 3;
const PER_MESSAGE: u64 = 4;
const TOOLS_PREAMBLE: u64 = 64;
const LETTERS_PER_TOKEN: usize = 4;

/// Splits text into tokens; joined, they are the text again.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let length = first_piece(rest)?;
        let (piece, tail) = rest.split_at(length);
        rest = tail;
        Some(piece)
    })
}

/// Tokens in a text.
pub(crate) fn tokens(text: &str) -> u64 {
    pieces(text).map(|_| 1).sum()
}

/// Tokens in the prompt that `messages`, `tools` and `functions` of a request make.
pub(crate) fn prompt(request: &Value) -> u64 {
    let messages = request["messages"].as_array().map_or(0, |all| all.iter().map(message).sum());
    let tools: u64 = ["tools", "functions"]
        .iter()
        .filter_map(|key| request[key].as_array().filter(|list| !list.is_empty()))
        .map(|list| TOOLS_PREAMBLE + list.iter().map(|tool| tokens(&tool.to_string())).sum::<u64>())
        .sum();
    PER_CONVERSATION + messages + tools
}

/// The text of a message: its content, or the text parts of it.
pub(crate) fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn message(message: &Value) -> u64 {
    let calls = ["tool_calls", "function_call"].iter().map(|key| &message[key]).filter(|v| !v.is_null());
    PER_MESSAGE + tokens(&text_of(message)) + calls.map(|call| tokens(&call.to_string())).sum::<u64>()
}

fn first_piece(text: &str) -> Option<usize> {
    let mut chars = text.chars().peekable();
    let mut first = chars.next()?;
    let mut length = first.len_utf8();
    let mut letters = 0;
    if first == ' ' && chars.peek().is_some_and(|c| c.is_alphabetic()) {
        first = chars.next()?;
        length += first.len_utf8();
    }
    if first.is_whitespace() {
        return Some(length + chars.take_while(|c| c.is_whitespace()).map(char::len_utf8).sum::<usize>());
    }
    if !first.is_alphabetic() {
        return Some(length);
    }
    while let Some(next) = chars.next_if(|c| c.is_alphabetic()) {
        letters += 1;
        if letters == LETTERS_PER_TOKEN {
            break;
        }
        length += next.len_utf8();
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pieces_join_to_the_text() {
        let text = "  Größe: 42 wonderful\n\n\tlines, {\"a\": 1}";
        assert_eq!(pieces(text).collect::<String>(), text);
        assert_eq!(
            pieces("a wonderful 42!").collect::<Vec<_>>(),
            ["a", " wond", "erfu", "l", " ", "4", "2", "!"]
        );
    }

    #[test]
    fn a_prompt_costs_its_text_and_its_frame() {
        let request = json!({"messages": [
            {"role": "user", "content": "Hi you"},
            {"role": "user", "content": [{"type": "text", "text": "Hi you"}]},
        ]});
        assert_eq!(prompt(&request), 3 + 2 * (4 + 2));
    }
}
