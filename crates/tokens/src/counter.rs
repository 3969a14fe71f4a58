//! Exact counts of chat requests.
//!
//! Special tokens delimit what a template makes of each message, so counts add up; and what an agent sends is its last request
//! and a turn more. So each message is counted once and remembered by a hash of its JSON: a request costs a
//! hash of its bytes, and the counting of what is new.

use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;
use twox_hash::XxHash3_128;

use crate::message::{Call, Message};
use crate::template::{self, Kind, Template};
use crate::vocabulary::Vocabulary;

mod memo;

use memo::Memo;

/// Of a request, so many bytes of messages not seen before are counted: some 10 ms of code or prose, 100 ms of what is made to be
/// slow. The rest is for the requests after it.
const MOST_NEW: usize = 1 << 18;

/// Counts what requests come to under one template. Shared between threads; no lock is held while it counts.
///
/// It keeps up to 57,344 messages' counts (about 2.5 MiB), those used last.
#[derive(Debug)]
pub struct Counter {
    template: Template,
    /// Of this process, so that nobody can prepare two messages with the same hash. With 128 bits, chance won't.
    seed: u64,
    memo: Mutex<Memo>,
    constants: std::sync::OnceLock<Constants>,
}

/// The prompt's tokens by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The system message that the chat begins with, or the template's own where there are tools.
    pub system: u64,
    /// The tools, and how to call them.
    pub tools: u64,
    /// The other messages, and what stands before the answer.
    pub messages: u64,
}

impl Parts {
    /// The prompt.
    #[must_use]
    pub fn total(self) -> u64 {
        self.system + self.tools + self.messages
    }
}

/// A piece of a prompt that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// `None`: the template can make no text of it.
    tokens: Option<u32>,
    kind: Kind,
}

/// More of a request is new than is to be counted at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakesLong;

/// What stands between messages.
#[derive(Clone, Copy, Debug)]
struct Constants {
    own_system: u64,
    tool_turn: u64,
    turn_end: u64,
    generation: u64,
}

/// In which place a piece was counted; the same bytes are another piece in another place.
#[derive(Clone, Copy)]
enum Place {
    /// The first message of a chat without tools.
    First,
    /// The first message of a chat with tools.
    FirstWithTools,
    Later,
    Tools,
}

impl Counter {
    /// For requests that this template renders. Counts nothing before the [vocabulary](Vocabulary::load) is there.
    #[must_use]
    pub fn new(template: Template) -> Self {
        let seed = RandomState::new().hash_one(template);
        Self { template, seed, memo: Mutex::default(), constants: std::sync::OnceLock::new() }
    }

    /// The template it counts for.
    #[must_use]
    pub fn template(&self) -> Template {
        self.template
    }

    /// The tokens of a prompt: the JSON of each message as it stands in the request, and of the list of tools (may be empty).
    ///
    /// `None` if the vocabulary is not loaded, if more than 256 KiB of it are new (a later request will find that counted), or if the
    /// template can make no text of it: images, unknown parts, arguments that are no JSON, something that is no message at
    /// all.
    #[must_use]
    pub fn count<'a>(&self, messages: impl IntoIterator<Item = &'a [u8]>, tools: &'a [u8]) -> Option<u64> {
        self.parts(messages, tools).map(Parts::total)
    }

    /// The same, by part.
    #[must_use]
    pub fn parts<'a>(&self, messages: impl IntoIterator<Item = &'a [u8]>, tools: &'a [u8]) -> Option<Parts> {
        self.parts_of_little(messages, tools, usize::MAX).ok().flatten()
    }

    fn parts_of_little<'a>(
        &self,
        messages: impl IntoIterator<Item = &'a [u8]>,
        tools: &'a [u8],
        most: usize,
    ) -> Result<Option<Parts>, TakesLong> {
        let (has_tools, asked) = asked(messages, tools);
        let remembered = self.remembered(&asked);
        let new = remembered.iter().zip(&asked).filter(|((_, piece), _)| piece.is_none());
        if new.map(|(_, (json, _))| json.len()).sum::<usize>() > most {
            return Err(TakesLong);
        }
        let Some(vocabulary) = Vocabulary::get() else { return Ok(None) };
        let pieces = self.pieces(vocabulary, &asked, remembered);
        Ok(pieces.and_then(|pieces| self.joined(vocabulary, pieces, has_tools)))
    }

    /// What the pieces come to.
    fn joined(&self, vocabulary: Vocabulary, pieces: Vec<Piece>, has_tools: bool) -> Option<Parts> {
        let mut pieces = pieces.into_iter();
        let mut parts = Parts::default();
        if has_tools {
            parts.tools = u64::from(pieces.next()?.tokens?);
        }
        let Constants { own_system, tool_turn, turn_end, generation } = *self.constants(vocabulary);
        let mut pieces = pieces.peekable();
        if has_tools && pieces.peek()?.kind != Kind::System {
            parts.system = own_system;
        }
        let mut before = None;
        while let Some(Piece { tokens, kind }) = pieces.next() {
            let tokens = u64::from(tokens?);
            match kind {
                Kind::System => parts.system += tokens,
                Kind::Turn => parts.messages += tokens,
                Kind::Tool => {
                    let opens = if Kind::opens_turn(before) { tool_turn } else { 0 };
                    let closes = Kind::closes_turn(pieces.peek().map(|after| after.kind));
                    parts.messages += opens + tokens + if closes { turn_end } else { 0 };
                }
            }
            before = Some(kind);
        }
        before?;
        parts.messages += generation;
        Some(parts)
    }

    /// The same as [`count`](Self::count), where no more than `most` bytes of it are new: it then takes little longer than hashing.
    ///
    /// # Errors
    ///
    /// More are, and nothing was counted.
    pub fn count_little<'a>(
        &self,
        messages: impl IntoIterator<Item = &'a [u8]>,
        tools: &'a [u8],
        most: usize,
    ) -> Result<Option<u64>, TakesLong> {
        self.parts_of_little(messages, tools, most).map(|parts| parts.map(Parts::total))
    }

    /// The tokens of an answer: its text, its calls of tools by name and arguments (JSON), and the end of the turn.
    ///
    /// `None` as for [`count`](Self::count).
    #[must_use]
    pub fn count_answer<'a>(
        &self,
        text: &str,
        calls: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Option<u64> {
        let vocabulary = Vocabulary::get()?;
        let call = |(name, arguments): (&'a str, &'a str)| Call::new(name, arguments);
        let calls: Vec<Call<'_>> = calls.into_iter().map(call).collect();
        if calls.is_empty() {
            return Some(vocabulary.count(text) + 1);
        }
        let mut out = String::new();
        self.template.answer(text, &calls, &mut out)?;
        // The line end before it belongs to the prompt.
        Some(vocabulary.count(out.strip_prefix('\n').unwrap_or(&out)) + 1)
    }

    /// The key of each piece, and the piece where it is remembered.
    fn remembered(&self, asked: &[(&[u8], Place)]) -> Vec<(u128, Option<Piece>)> {
        let mut pieces: Vec<_> = asked.iter().map(|(json, place)| (self.key(json, *place), None)).collect();
        let mut memo = self.memo.lock();
        for (key, piece) in &mut pieces {
            *piece = memo.get(*key);
        }
        pieces
    }

    /// Each piece from memory, or counted; `None` if more is new than is counted at a time.
    fn pieces(
        &self,
        vocabulary: Vocabulary,
        asked: &[(&[u8], Place)],
        mut remembered: Vec<(u128, Option<Piece>)>,
    ) -> Option<Vec<Piece>> {
        let mut left = MOST_NEW;
        let mut new = Vec::new();
        for ((key, piece), (json, place)) in remembered.iter_mut().zip(asked) {
            if piece.is_some() || json.len() > left {
                continue;
            }
            left -= json.len();
            let counted = self.piece(vocabulary, json, *place);
            *piece = Some(counted);
            new.push((*key, counted));
        }
        if !new.is_empty() {
            let mut memo = self.memo.lock();
            for (key, piece) in new {
                memo.put(key, piece);
            }
        }
        remembered.into_iter().map(|(_, piece)| piece).collect()
    }

    fn key(&self, json: &[u8], place: Place) -> u128 {
        XxHash3_128::oneshot_with_seed(self.seed.wrapping_add(place as u64), json)
    }

    fn piece(&self, vocabulary: Vocabulary, json: &[u8], place: Place) -> Piece {
        let (kind, text) = match place {
            Place::Tools => (Kind::Turn, self.template.tools(json).map(Option::unwrap_or_default)),
            _ => self.message(json, place),
        };
        let tokens = text.and_then(|text| u32::try_from(vocabulary.count(&text)).ok());
        Piece { tokens, kind }
    }

    fn message(&self, json: &[u8], place: Place) -> (Kind, Option<String>) {
        let Some(message) = Message::parse(json) else { return (Kind::Turn, None) };
        let mut out = String::with_capacity(json.len());
        let kind = Kind::of(&message, !matches!(place, Place::Later));
        let rendered = if kind == Kind::System {
            let tools = matches!(place, Place::FirstWithTools);
            template::open_system(Some(&message.text), tools, &mut out);
            Some(())
        } else {
            self.template.message(&message, &mut out)
        };
        (kind, rendered.map(|()| out))
    }

    fn constants(&self, vocabulary: Vocabulary) -> &Constants {
        self.constants.get_or_init(|| {
            let mut own_system = String::new();
            template::open_system(None, true, &mut own_system);
            Constants {
                own_system: vocabulary.count(&own_system),
                tool_turn: vocabulary.count(template::TOOL_TURN),
                turn_end: vocabulary.count(template::TURN_END),
                generation: vocabulary.count(template::GENERATION),
            }
        })
    }
}

/// The pieces of a request, and whether the first of them is its tools.
fn asked<'a>(
    messages: impl IntoIterator<Item = &'a [u8]>,
    tools: &'a [u8],
) -> (bool, Vec<(&'a [u8], Place)>) {
    let has_tools = !says_nothing(tools);
    let first = if has_tools { Place::FirstWithTools } else { Place::First };
    let places = std::iter::once(first).chain(std::iter::repeat(Place::Later));
    let tools = has_tools.then_some((tools, Place::Tools));
    (has_tools, tools.into_iter().chain(messages.into_iter().zip(places)).collect())
}

/// No tools, `null`, or an empty list.
fn says_nothing(tools: &[u8]) -> bool {
    match tools.trim_ascii() {
        b"" | b"null" => true,
        [b'[', rest @ ..] => rest.trim_ascii_start() == b"]",
        _ => false,
    }
}

#[cfg(test)]
mod tests;
