//! What the refusal of a conversation that is too long says of the model's context.

use crate::error::ProviderError;

/// What stands before the number, in lower case, as engines and vendors write it.
const BEFORE: [&str; 11] = [
    // OpenAI, vLLM, OpenRouter, Chutes: "This model's maximum context length is 131072 tokens."
    "maximum context length",
    // Cerebras: "Current length is 81995 while limit is 65536".
    "current length is * while limit",
    // SGLang: "… is longer than the model's context length (32768 tokens)."
    "model's context length",
    // LM Studio: "… the model is loaded with context length of only 4096 tokens".
    "context length of only",
    // llama.cpp: "request (9000 tokens) exceeds the available context size (4096 tokens)".
    "available context size",
    // Ollama and others: "… exceeds the context window of 8192 tokens".
    "context window of",
    "maximum context window",
    // Alibaba: "Range of input length should be [1, 129024]".
    "range of input length should be [1,",
    // Gemini: "The input token count (…) exceeds the maximum number of tokens allowed (1048576)."
    "maximum number of tokens allowed",
    // Anthropic: "prompt is too long: 208310 tokens > 200000 maximum".
    "prompt is too long: * tokens >",
    "maximum input length",
];
/// How much may stand between the words and the number: " of ", " is ", " (".
const GAP: usize = 6;
/// Fewer tokens are no context of a model that anybody codes with.
const SHORTEST: u64 = 256;
/// A message is not searched any further, in bytes: what matters stands at its beginning.
const LONGEST_MESSAGE: usize = 4096;

impl ProviderError {
    /// The longest context there, in tokens, as far as the refusal names it.
    #[must_use]
    pub fn context_limit(&self) -> Option<u64> {
        let quoted = self.quoted.iter().find(|(name, _)| name == "n_ctx");
        let quoted = quoted.and_then(|(_, value)| value.parse().ok());
        quoted.or_else(|| said(&self.message)).filter(|limit| *limit >= SHORTEST)
    }
}

fn said(message: &str) -> Option<u64> {
    let end = message.floor_char_boundary(LONGEST_MESSAGE);
    let text = message.get(..end)?.to_ascii_lowercase();
    BEFORE.iter().find_map(|words| number(behind(&text, words)?))
}

/// What stands behind these words; `*` is a number.
fn behind<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let Some((first, second)) = words.split_once('*') else { return Some(text.split_once(words)?.1) };
    let rest = text.split_once(first)?.1;
    rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ',').strip_prefix(second)
}

/// The number that begins within the gap: "131072", "1,048,576".
fn number(text: &str) -> Option<u64> {
    let start = text.bytes().take(GAP + 1).position(|letter| letter.is_ascii_digit())?;
    let mut value: u64 = 0;
    let mut letters = text.get(start..)?.bytes().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(u64::from(letter - b'0'))?,
            b',' if letters.peek().is_some_and(u8::is_ascii_digit) => {}
            _ => break,
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engines_words_are_read() {
        for (message, limit) in [
            (
                "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens (139000 in the messages, 1000 in the completion). Please reduce the length of the messages or completion.",
                131_072,
            ),
            (
                "This endpoint's maximum context length is 262144 tokens. However, you requested about 300000 tokens",
                262_144,
            ),
            (
                "Please reduce the length of the messages or completion. Current length is 81995 while limit is 65536",
                65_536,
            ),
            (
                "Requested token count exceeds the model's maximum context length of 262144 tokens. You requested a total of 300000 tokens",
                262_144,
            ),
            ("The input (40000 tokens) is longer than the model's context length (32768 tokens).", 32_768),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 100000. This model's maximum context length is 32768 tokens and your request has 20 input tokens",
                32_768,
            ),
            (
                "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
                4_096,
            ),
            ("prompt is too long: 208310 tokens > 200000 maximum", 200_000),
            (
                "The input token count (1,200,000) exceeds the maximum number of tokens allowed (1,048,576).",
                1_048_576,
            ),
            (
                "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.",
                4_096,
            ),
            (
                "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]",
                129_024,
            ),
        ] {
            assert_eq!(ProviderError::new(message).context_limit(), Some(limit), "{message}");
        }
        let llama = br#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}"#;
        assert_eq!(ProviderError::parse(llama).unwrap().context_limit(), Some(4_096));
    }

    #[test]
    fn what_names_no_context_teaches_none() {
        let endless = format!("maximum context length is {}", "9".repeat(60));
        let late = format!("{}maximum context length is 4096", "é".repeat(5_000));
        for message in [
            "",
            "Please reduce the length of the messages or completion.",
            "This model's maximum context length was exceeded by your 90000 tokens",
            "maximum context length is 1 token",
            "maximum context length is",
            "Tokens per minute limit exceeded - limit is 60000",
            &endless,
            &late,
        ] {
            assert_eq!(ProviderError::new(message).context_limit(), None, "{message}");
        }
    }
}
