//! What one event of a chat stream says.

use std::ops::Range;

use crate::error::ProviderError;
use crate::json;
use crate::scan::{Scanner, Wrong};
use crate::usage::Usage;

mod reader;

pub(crate) use reader::Reader;

/// What matters of one `chat.completion.chunk`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunk {
    /// Where the value of `model` stands in the data, if it is a string.
    pub model: Option<Range<usize>>,
    /// Reported usage.
    pub usage: Option<Usage>,
    /// Whether it has no choices and only reports usage.
    pub only_usage: bool,
    /// Whether it carries anything of the answer: text, reasoning, refusal, calls, or a finish reason.
    pub payload: bool,
    /// About how many tokens of the answer it carries.
    pub tokens: u64,
    /// The choices it speaks of, a bit each.
    pub seen: u128,
    /// The choices it finishes, a bit each.
    pub finished: u128,
    /// Whether it carries anything that a person reads: text that is more than blanks, reasoning, a refusal.
    pub says: bool,
    /// Where the parts of its choice stand in the data; of several choices those of the last.
    pub parts: Parts,
    /// The provider failed, in band.
    pub error: Option<ProviderError>,
    /// How many values it carries of the answer, finish reasons left out.
    values: u32,
}

/// Where the parts of a choice stand in the data of an event; what is null counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The object that says what is new.
    pub delta: Option<Range<usize>>,
    /// Its text.
    pub content: Option<Range<usize>>,
    /// Its calls.
    pub tool_calls: Option<Range<usize>>,
    /// Why the answer ends.
    pub finish_reason: Option<Range<usize>>,
    /// The usage beside the choices.
    pub usage: Option<Range<usize>>,
}

impl Chunk {
    /// Reads the data of an event. `None`: it is no chunk, and nothing of ours.
    #[must_use]
    pub fn parse(data: &str) -> Option<Self> {
        let mut chunk = Self::default();
        let [mut model, mut usage, mut error, mut choices] = [const { Field::new() }; 4];
        let mut begun = 0;
        let read =
            Scanner::new(data.as_bytes(), json::MAX_DEPTH).whole(|scanner, key| {
                match &*json::unquoted(&data[key]).ok_or(Wrong::At(0))? {
                    "model" => model.read(data, scanner),
                    "usage" => usage.read(data, scanner),
                    "error" => error.read(data, scanner),
                    "choices" if scanner.is_at(b'[') => {
                        choices.stands("[]")?;
                        scanner.list(|scanner| {
                            begun += 1;
                            chunk.choice(data, scanner)
                        })
                    }
                    "choices" => choices.read_null(data, scanner),
                    _ => scanner.skip(),
                }
            });
        read.ok()?;
        chunk.model = model.get().filter(|model| model.starts_with('"')).map(|model| json::span(data, model));
        chunk.usage = usage.get().and_then(Usage::parse);
        chunk.parts.usage = usage.get().map(|usage| json::span(data, usage));
        chunk.only_usage = usage.get().is_some() && begun == 0;
        let says_nothing = choices.get().is_none() && !chunk.only_usage;
        if says_nothing || error.get().is_some_and(json::says_something) {
            chunk.error = ProviderError::parse(data.as_bytes()).or(chunk.error);
        }
        Some(chunk)
    }

    fn choice(&mut self, data: &str, scanner: &mut Scanner<'_>) -> Result<(), Wrong> {
        let [mut index, mut finish_reason, mut delta] = [const { Field::new() }; 3];
        let mut bytes = 0;
        let mut parts = Parts::default();
        scanner.object(|scanner, key| match &*json::unquoted(&data[key]).ok_or(Wrong::At(0))? {
            "index" => index.read(data, scanner),
            "finish_reason" => finish_reason.read(data, scanner),
            "delta" if scanner.is_at(b'{') => {
                delta.stands("{}")?;
                let start = scanner.at();
                bytes = self.delta(data, scanner, &mut parts)?;
                parts.delta = Some(start..scanner.at());
                Ok(())
            }
            "delta" => delta.read_null(data, scanner),
            _ => scanner.skip(),
        })?;
        let index = index.get().map_or(Ok(0), |index| index.parse::<i64>().map_err(|_| Wrong::At(0)))?;
        let bit = 1u128.checked_shl(u32::try_from(index).unwrap_or(0)).unwrap_or(0);
        self.seen |= bit;
        if bytes > 0 {
            self.tokens += tokens(bytes);
        }
        // Some engines send an empty one until there is one.
        let finish_reason = finish_reason.get().filter(|reason| json::says_something(reason));
        match finish_reason {
            Some("\"error\"") => {
                self.error = Some(ProviderError::new("The provider ended the answer with an error."));
            }
            Some(reason) => {
                self.finished |= bit;
                parts.finish_reason = Some(json::span(data, reason));
            }
            None => {}
        }
        self.parts = parts;
        self.payload |= bytes > 0 || finish_reason.is_some();
        Ok(())
    }

    /// How much of the answer a delta carries.
    fn delta(&mut self, data: &str, scanner: &mut Scanner<'_>, parts: &mut Parts) -> Result<u64, Wrong> {
        let mut bytes = 0;
        let mut fields = [const { Field::new() }; 6];
        scanner.object(|scanner, key| {
            let field = match &*json::unquoted(&data[key]).ok_or(Wrong::At(0))? {
                "content" => CONTENT,
                "reasoning" => 1,
                "reasoning_content" => 2,
                "refusal" => 3,
                "tool_calls" => TOOL_CALLS,
                "function_call" => 5,
                _ => return scanner.skip(),
            };
            fields[field].read(data, scanner)?;
            let Some(value) = fields[field].get().filter(|value| json::says_something(value)) else {
                return Ok(());
            };
            let size = value.len() as u64;
            self.values += 1;
            match field {
                CONTENT => parts.content = Some(json::span(data, value)),
                TOOL_CALLS => parts.tool_calls = Some(json::span(data, value)),
                _ => {}
            }
            self.says |= field < TOOL_CALLS && !(field == CONTENT && is_blank(value));
            // Most of a fragment of a call is its frame: `{"index":0,"id":null,"type":"function","function":{…}}`.
            bytes += if field < TOOL_CALLS { size } else { size.div_ceil(4) };
            Ok(())
        })?;
        Ok(bytes)
    }
}

const CONTENT: usize = 0;
const TOOL_CALLS: usize = 4;

/// One chunk a token is usual; where several share a chunk, four bytes make one.
fn tokens(bytes: u64) -> u64 {
    (bytes / 4).max(1)
}

/// Whether a JSON string holds nothing but blanks and line ends.
fn is_blank(value: &str) -> bool {
    let text = value.trim_matches('"').as_bytes();
    let mut pairs = text.iter().zip(text.iter().skip(1).chain([&0]));
    let mut escaped = false;
    pairs.all(|(byte, next)| match byte {
        _ if std::mem::take(&mut escaped) => true,
        b'\\' => {
            escaped = matches!(next, b'n' | b'r' | b't');
            escaped
        }
        byte => *byte == b' ',
    })
}

/// A field of ours: its value as it is written. Twice the same would be no chunk.
struct Field<'a>(Option<&'a str>);

impl<'a> Field<'a> {
    const fn new() -> Self {
        Self(None)
    }

    fn read(&mut self, data: &'a str, scanner: &mut Scanner<'_>) -> Result<(), Wrong> {
        let value = scanner.value()?;
        self.stands(&data[value])
    }

    fn read_null(&mut self, data: &'a str, scanner: &mut Scanner<'_>) -> Result<(), Wrong> {
        self.read(data, scanner)?;
        if self.get().is_none() { Ok(()) } else { Err(Wrong::At(0)) }
    }

    fn stands(&mut self, value: &'a str) -> Result<(), Wrong> {
        if self.0.replace(value).is_none() { Ok(()) } else { Err(Wrong::At(0)) }
    }

    /// `null` counts as absent.
    fn get(&self) -> Option<&'a str> {
        self.0.filter(|value| *value != "null")
    }
}

#[cfg(test)]
mod tests;
