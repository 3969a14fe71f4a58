//! A guess from the bytes.
//!
//! Byte-pair tokenizers agree on the large things: a short word with the space before it is one token, a digit is
//! one (Qwen) or a third of one, punctuation and line breaks come in small groups, other scripts take about one
//! token for three bytes. One pass over the bytes that sorts them this way is far closer than any fixed
//! number of bytes a token: a page of digits has five times the tokens of a page of prose.

/// Letters of a word beyond which another token begins, on average.
const LETTERS: u64 = 7;
/// Characters of punctuation that share a token, in halves.
const PUNCTUATION: u64 = 2;
/// Bytes of other scripts that share a token.
const OTHER: u64 = 3;

/// What a chat template writes to explain tools, whatever the tools. Measured on recorded Qwen3-Coder exchanges:
/// 168 and 192 tokens more than the tools' own JSON.
const TOOLS_PREAMBLE: u64 = 190;

/// About how many prompt tokens a chat request has, from the JSON of its messages and of its tools (may be empty).
#[must_use]
pub fn estimate_chat(messages: &[u8], tools: &[u8]) -> u64 {
    let preamble = if tools.is_empty() { 0 } else { TOOLS_PREAMBLE };
    estimate(messages) + estimate(tools) + preamble
}

/// About how many tokens this text has. It may be JSON as it stands in a request: escapes and
/// quotes then count like the markup that a chat template puts in their place.
#[must_use]
pub fn estimate(text: &[u8]) -> u64 {
    let (mut tokens, mut punctuation, mut other) = (0, 0, 0);
    let mut rest = text;
    while let [first, ..] = rest {
        let kind = kind(*first);
        let length = rest.iter().take_while(|byte| self::kind(**byte) == kind).count();
        rest = &rest[length..];
        let length = length as u64;
        match kind {
            Kind::Letter => tokens += 1 + (length - 1) / LETTERS,
            Kind::Digit => tokens += length,
            // One space belongs to the word behind it; more are an indentation.
            Kind::Space => tokens += u64::from(length > 1),
            Kind::Punctuation => punctuation += length,
            Kind::Other => other += length,
        }
    }
    tokens + punctuation.div_ceil(PUNCTUATION) + other.div_ceil(OTHER)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Digit,
    Space,
    Punctuation,
    Other,
}

fn kind(byte: u8) -> Kind {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' => Kind::Letter,
        b'0'..=b'9' => Kind::Digit,
        b' ' | b'\t' | b'\n' | b'\r' => Kind::Space,
        0x80.. => Kind::Other,
        _ => Kind::Punctuation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_digits_and_other_scripts_weigh_differently() {
        assert_eq!(estimate(b""), 0);
        assert_eq!(estimate(b"the quick brown fox"), 4);
        assert_eq!(estimate(b"2026"), 4);
        assert_eq!(estimate("天気".as_bytes()), 2);
        assert!(estimate(&b"7".repeat(1_000)) > 3 * estimate(&b"word ".repeat(200)));
    }
}
