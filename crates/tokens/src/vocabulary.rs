//! The byte-pair vocabulary that Qwen2, 2.5, 3 and 3-Coder share: 151,643 tokens, and 26 special ones.
//!
//! Counts equal those of the models' own `tokenizer.json` under Hugging Face's `tokenizers`: special tokens are found
//! in the text as it is, what stands between them is brought into Unicode's composed form, split into words
//! and merged.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use memchr::memchr_iter;
use tiktoken::CoreBpe;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Each is one token wherever it stands, in a text of the user's too. None begins another. They are 151643 to 151668 in
/// the models' `tokenizer.json`.
const SPECIAL: [&str; 26] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
];

static QWEN2: OnceLock<CoreBpe> = OnceLock::new();

/// The vocabulary, loaded. There is one for the whole process, and it stays.
#[derive(Clone, Copy)]
pub struct Vocabulary(&'static CoreBpe);

impl Vocabulary {
    /// Loads it, unless it is there. The first time takes 90 to 290 ms and about 19 MiB; whoever can't wait has another thread
    /// do it.
    #[must_use]
    pub fn load() -> Self {
        Self(QWEN2.get_or_init(tiktoken::encoding::qwen2))
    }

    /// The vocabulary if it is loaded; does not wait.
    #[must_use]
    pub fn get() -> Option<Self> {
        QWEN2.get().map(Self)
    }

    /// How many tokens this text has, by itself: special ones are recognised, none are added.
    #[must_use]
    pub fn count(self, text: &str) -> u64 {
        let (mut tokens, mut from) = (0, 0);
        for at in memchr_iter(b'<', text.as_bytes()) {
            if let Some(special) = special(&text[at..]) {
                tokens += self.count_plain(&text[from..at]) + 1;
                from = at + special.len();
            }
        }
        tokens + self.count_plain(&text[from..])
    }

    fn count_plain(self, text: &str) -> u64 {
        self.0.count(&composed(text)) as u64
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vocabulary")
    }
}

/// The special token that the text begins with. The text begins with `<`.
fn special(text: &str) -> Option<&'static str> {
    // A letter or a tag of another kind is the rule.
    if !matches!(text.as_bytes().get(1), Some(b'|' | b't' | b'/')) {
        return None;
    }
    SPECIAL.into_iter().find(|special| text.starts_with(special))
}

/// The text in normalization form C.
fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

#[cfg(test)]
mod tests;
