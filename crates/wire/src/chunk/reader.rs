//! The chunks of one stream. Most differ from the one before in their text alone, and then only that is looked at.

use std::ops::Range;

use super::{Chunk, is_blank, tokens};

/// After so many moulds into which no chunk fitted, there are no more: each event has something of its own.
const MOST_IN_VAIN: u8 = 8;

/// Reads the chunks of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    mould: Option<Box<Mould>>,
    in_vain: u8,
}

impl Reader {
    /// As [`Chunk::parse`].
    pub(crate) fn read(&mut self, data: &str) -> Option<Chunk> {
        if let Some(chunk) = self.mould.as_ref().and_then(|mould| mould.read(data)) {
            self.in_vain = 0;
            return Some(chunk);
        }
        let chunk = Chunk::parse(data)?;
        if self.in_vain < MOST_IN_VAIN
            && let Some(mould) = Mould::of(data, &chunk)
        {
            self.in_vain += 1;
            self.mould = (self.in_vain < MOST_IN_VAIN).then(|| Box::new(mould));
        }
        Some(chunk)
    }
}

/// What stands around a text, to its quotes, and what the chunk says.
#[derive(Clone, Debug)]
struct Mould {
    before: Box<str>,
    behind: Box<str>,
    chunk: Chunk,
}

impl Mould {
    /// `None`: a text is not all that the chunk carries.
    fn of(data: &str, chunk: &Chunk) -> Option<Self> {
        let alone =
            chunk.values == 1 && chunk.finished == 0 && chunk.parts.usage.is_none() && chunk.error.is_none();
        let Range { start, end } = chunk.parts.content.clone().filter(|_| alone)?;
        if !data[start..].starts_with('"') {
            return None;
        }
        let (before, behind) = (data[..=start].into(), data[end - 1..].into());
        Some(Self { before, behind, chunk: chunk.clone() })
    }

    /// What is around the text is the same, and the text is one: so whoever read all of it would read the same once more.
    fn read(&self, data: &str) -> Option<Chunk> {
        let text = data.strip_prefix(&*self.before)?.strip_suffix(&*self.behind)?;
        if text.is_empty() || !is_text(text.as_bytes()) {
            return None;
        }
        let (start, end) = (self.before.len() - 1, self.before.len() + text.len() + 1);
        let mut chunk = self.chunk.clone();
        let was = chunk.parts.content.replace(start..end)?;
        // What ends behind the text stands so much further on.
        let moved = |at: usize| if at < was.end { at } else { at - was.end + end };
        let move_on = |span: &mut Option<Range<usize>>| {
            if let Some(span) = span {
                *span = moved(span.start)..moved(span.end);
            }
        };
        move_on(&mut chunk.model);
        move_on(&mut chunk.parts.delta);
        chunk.tokens = tokens((end - start) as u64);
        chunk.says = !is_blank(&data[start..end]);
        Some(chunk)
    }
}

/// Whether it may stand between the quotes of a JSON string. What is written by number is left to others.
fn is_text(bytes: &[u8]) -> bool {
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        let is_right = match byte {
            b'\\' => bytes.next().is_some_and(|escaped| b"\"\\/bfnrt".contains(escaped)),
            b'"' | 0..=0x1f => false,
            _ => true,
        };
        if !is_right {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As providers write them, and as none does.
    fn around() -> impl Strategy<Value = (String, String)> {
        let before = prop_oneof![
            4 => Just(r#"{"id":"x","choices":[{"delta":{"content":"#),
            2 => Just(r#"{"model" : "up","choices":[{"index":0,"delta":{"role":"assistant","content": "#),
            1 => Just(r#"{"choices":[{"index":1,"delta":{"reasoning":"so","content":"#),
            1 => Just(r#"{"choices":[{"delta":{}},{"index":2,"delta":{"content":"#),
            1 => Just(r#"{"choices":[{"delta":{"content":"a"}},{"index":2,"delta":{"content":"#),
            1 => Just(r#"{"choices":[{"delta":{"tool_calls":[{"index":0}],"content":"#),
            1 => Just(r#"{"choices":[{"delta":{"name":"#),
            1 => Just(r#"{"usage":{"prompt_tokens":1},"choices":[{"delta":{"content":"#),
        ];
        let behind = prop_oneof![
            4 => Just(r#"},"index":0}],"created":1,"model":"up"}"#),
            2 => Just(r#" },"finish_reason":null,"logprobs":null}]}"#),
            1 => Just(r#"},"finish_reason":"stop"}]}"#),
            1 => Just(r#","refusal":"no"}}]}"#),
            1 => Just(r#","content":"twice"}}]}"#),
            1 => Just(r#"}}],"usage":{"prompt_tokens":1},"error":null}"#),
            1 => Just(r#"}}],"error":{"message":"boom"}}"#),
            1 => Just("}}]"),
        ];
        (before.prop_map(str::to_owned), behind.prop_map(str::to_owned))
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => "\"[a-zé 😀]{0,12}\"",
            2 => "\"[ a\\\\\"nu0-9\n\t]{0,6}\"",
            1 => r#""( |\\n|\\t|\\"|\\u0020){0,4}""#,
            1 => Just("null".to_owned()),
            1 => Just("[\"a\"]".to_owned()),
            1 => r#""a"\},"index":0\}\],"created":1,"model":"(b)?"#,
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_reads_what_somebody_reads_who_has_seen_nothing_before(
            around in prop::collection::vec(around(), 1..3),
            texts in prop::collection::vec((any::<prop::sample::Index>(), text()), 1..12),
        ) {
            let mut reader = Reader::default();
            for (which, text) in texts {
                let (before, behind) = &around[which.index(around.len())];
                let data = format!("{before}{text}{behind}");
                prop_assert_eq!(reader.read(&data), Chunk::parse(&data), "{}", data);
            }
        }
    }

    #[test]
    fn what_differs_in_its_text_alone_is_not_read_again() {
        let event = |text: &str| {
            format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}},"index":0}}],"model":"up"}}"#)
        };
        let mut reader = Reader::default();
        let first = event("first");
        reader.read(&first);
        let mould = reader.mould.as_ref().expect("a mould");
        for text in ["x", "a longer one", "\\n\\\"", "é"] {
            let data = event(text);
            assert_eq!(mould.read(&data), Chunk::parse(&data), "{text}");
            assert!(mould.read(&data).is_some(), "{text}");
        }
        for text in ["", "\\", "\\x", "\\u0041", "\"", "a\"", "\n"] {
            assert_eq!(mould.read(&event(text)), None, "{text}");
        }
        assert_eq!(mould.read(&first[..first.len() - 1]), None);
    }

    #[test]
    fn where_nothing_fits_no_more_moulds_are_made() {
        let mut reader = Reader::default();
        for id in 0..2 * MOST_IN_VAIN {
            reader.read(&format!(r#"{{"id":{id},"choices":[{{"delta":{{"content":"a"}}}}]}}"#));
        }
        assert!(reader.mould.is_none());
    }
}
